"""Telling a new server what it does not know, and listening to what it says of it."""

from __future__ import annotations

from collections.abc import Iterator

from rejoinder.core import edits, renditions
from rejoinder.core import effects as ef
from rejoinder.core.blame import About, subject
from rejoinder.core.kept_audio import G711
from rejoinder.core.links import Link
from rejoinder.core.requests import CONFIG
from rejoinder.core.restoration import Telling
from rejoinder.core.state import SessionState
from rejoinder.wire import client_events as ce
from rejoinder.wire import server_events as ev
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.session import Audio, AudioFormat, AudioOutput, SessionObject

FILL = "fill"

_PCM_RATE, _PCM_SAMPLE_BYTES = 24_000, 2
_G711_RATE = 8_000

PATIENCE = 2.0
"""How long (seconds) a new server may be silent while it has something to confirm."""


def configure_first(state: SessionState, now: float, link: Link) -> Iterator[ef.Effect]:
    """The configuration, on a link that serves from the beginning."""
    if state.config is not None:
        configure = ce.SessionUpdate(event_id=CONFIG, session=state.config)
        state.requests.ask_before_all(now, CONFIG, configure, link.number)
        yield ef.Send(configure, link.number)


def configure(state: SessionState, link: Link) -> Iterator[ef.Effect]:
    """The configuration, on a link that has yet to be told the conversation; or as it has become since."""
    restoration = link.restoration
    if restoration.config == state.config or state.config is None:
        return
    restoration.config, restoration.configured = state.config, False
    yield ef.Send(ce.SessionUpdate(event_id=CONFIG, session=state.config), link.number)


def tell(state: SessionState, link: Link) -> Iterator[ef.Effect]:
    """Whatever its server lacks. What is being spoken elsewhere follows when it is complete."""
    alive = {
        item_id
        for machine in state.responses.machines.values()
        if machine.link != link.number
        for item_id, output in machine.output.items.items()
        if not output.ended
    }
    audio = state.kept_audio.untranscribed
    yield from configure(state, link)
    for event in link.restoration.lacking(link.name, state.conversation, audio, alive):
        yield ef.Send(event, link.number)


def greeted(link: Link, event: ev.ServerEvent) -> None:
    """Something was said on a link that is coming; anything but an error greets us."""
    if not isinstance(event, ev.Error | ev.MalformedFrame):
        link.greeted = True


def answered(
    state: SessionState, now: float, link: Link, event: ev.ServerEvent
) -> list[ef.Effect] | None:
    """What follows if this event answers something that its server was told; None if it does not. Only
    answers prolong the patience: a server may chatter and confirm nothing."""
    effects = _answered(state, link, event)
    if effects is not None and link.restoration.settled:
        state.deadlines.clear(FILL)
    elif effects is not None:
        state.deadlines.set(FILL, now + PATIENCE, FILL)
    return effects


def _answered(state: SessionState, link: Link, event: ev.ServerEvent) -> list[ef.Effect] | None:
    restoration = link.restoration
    if not restoration.configured:
        if isinstance(event, ev.SessionUpdated):
            restoration.configured = True
            restoration.answers += 1
            return list(session(state, link, event))
        if isinstance(event, ev.Error) and _refuses_configuration(event.error):
            restoration.refuse_configuration(event.error)
            return []
    telling = restoration.answered(event)
    return None if telling is None else list(_told(state, link, telling))


def _refuses_configuration(error: ErrorBody) -> bool:
    unnamed = error.event_id is None and subject(error) is About.SESSION
    return unnamed or error.event_id == CONFIG


def session(
    state: SessionState, link: Link, event: ev.SessionCreated | ev.SessionUpdated
) -> Iterator[ef.Effect]:
    """What a server says of the session. While another one serves, that one's word holds: a new server
    begins with settings of its own."""
    if link is state.links.serving or not state.outage.proven:
        state.input_audio.configured(event.session)
        state.kept_audio.configured(event.session)
        state.responses.bytes_per_second = bytes_per_second(event.session)
    yield ef.Announce(ef.SessionChanged(event.session, isinstance(event, ev.SessionCreated)))


def bytes_per_second(session: SessionObject) -> int:
    """Bytes of output audio in a second, as far as the session says."""
    output = session.audio.output if isinstance(session.audio, Audio) else None
    form = output.format if isinstance(output, AudioOutput) else None
    if not isinstance(form, AudioFormat):
        return _PCM_RATE * _PCM_SAMPLE_BYTES
    if form.type in G711:
        return _G711_RATE
    return (form.rate or _PCM_RATE) * _PCM_SAMPLE_BYTES


def _told(state: SessionState, link: Link, telling: Telling) -> Iterator[ef.Effect]:
    renamed = link.restoration.renamed.get(telling.item_id)
    if renamed is not None and telling.item_id in state.conversation.by_id:
        state.conversation.rename(telling.item_id, renamed)
        state.kept_audio.rename(telling.item_id, renamed)
        link.restoration.seen = state.conversation.version
    if telling.item is not None:
        yield from edits.knows_heard(state, renamed or telling.item_id)
    if telling.edit is not None:
        yield from edits.answered(state, state.requests.carried_out(telling.edit))
    if telling.edit is not None or link is state.links.serving:
        yield from _drop_lost(state, link)


def stalled(link: Link) -> bool:
    """A new server has been silent for too long. Whether it has answered anything at all: then what it has
    not confirmed counts as lost, and the rest is good."""
    if not link.restoration.answers:
        return False
    link.restoration.configured = True
    link.restoration.give_up()
    return True


def finish(
    state: SessionState, link: Link, *, planned: bool, down: float = 0.0, unheard: float = 0.0
) -> Iterator[ef.Effect]:
    """The new server knows what there is to know: what it does not, leaves the conversation."""
    yield from _drop_lost(state, link)
    restoration = link.restoration
    restored = tuple(each for each in state.conversation.order if each in restoration.confirmed)
    lost = tuple(each for each in restoration.lost.values() if renditions.missed(each.error))
    renamed = dict(restoration.renamed)
    yield ef.Announce(ef.Reconnected(planned, restored, lost, renamed, down, unheard))


def _drop_lost(state: SessionState, link: Link) -> Iterator[ef.Effect]:
    for item_id in link.restoration.lost:
        state.kept_audio.transcribed(item_id)
        if state.conversation.remove(item_id):
            yield ef.Announce(ef.ItemDeleted(item_id))
