"""What the server tells us: each kind of event, and what follows from it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Iterable, Iterator
from functools import cache
from typing import Any, TypeAlias

import msgspec

from rejoinder.core import edits, linking, renewal, restoring
from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.blame import About, benign, subject
from rejoinder.core.conversation import identified
from rejoinder.core.input_audio import Heard
from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.links import Link
from rejoinder.core.machine import Machine
from rejoinder.core.outcomes import Close
from rejoinder.core.requests import ANSWER
from rejoinder.core.state import SessionState
from rejoinder.core.verdict import OURS, Facts, failure
from rejoinder.wire import server_events as ev
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody, ResponseObject

_RECENT = 8
"""How many events are remembered: a proxy that delivers twice does so at once, and events can be big."""

_ENDS = (About.FATAL, About.SESSION_EXPIRED)
"""Errors after which a connection is of no use."""

_ACTIVE = State.ACTIVE  # an enum's attribute is slow to read

_TORN = ErrorBody(
    type=OURS,
    code="response_torn",
    message="the response said more than could be kept before the server told whose it is",
)

_LARGE = frozenset({ev.SessionCreated, ev.SessionUpdated})
"""Events that an idle session would keep for nothing else."""

_EARLY = (
    ev.SessionCreated,
    ev.ConversationItemAdded,
    ev.ConversationItemCreated,
    ev.ConversationItemDone,
    ev.UnknownEvent,
    ev.MalformedFrame,
)
"""What a server may say of itself before it knows the conversation."""

_HOSTED = (
    ev.ResponseMcpCallInProgress,
    ev.ResponseMcpCallCompleted,
    ev.ResponseMcpCallFailed,
)


def receive(state: SessionState, now: float, given: inp.Received) -> Iterable[ef.Effect]:
    """Everything that follows from one event of the server's; nothing does after the end, nor from what a
    link says that is gone."""
    event, link = given.event, state.links.serving
    if state.ended is not None:
        return ()
    if link is None or link.number != given.link:
        link = state.links.of(given.link)
        if link is None:
            return ()
    if _seen(link, event):
        return (ef.Announce(ef.Odd("duplicate", event)),)
    if link.unheard:
        link.unheard.clear()
    if state.requests.hearing != link.number:
        state.hear(link.number)
    if link is state.links.coming:
        return _while_coming(state, now, link, event)
    if link.restoration.pending or not link.restoration.configured:
        answer = restoring.answered(state, now, link, event)
        if answer is not None:
            return answer
    return _route(type(event))(state, now, event)


def _while_coming(
    state: SessionState, now: float, link: Link, event: ev.ServerEvent
) -> Iterable[ef.Effect]:
    """A link that is being told the conversation has no other business yet."""
    restoring.greeted(link, event)
    if isinstance(event, ev.Error) and subject(event.error) in _ENDS:
        close = Close("server", None, event.error.message or "", event.error)
        return linking.lose(state, now, link, close)
    answer = restoring.answered(state, now, link, event)
    if answer is not None:
        return answer
    return _route(type(event))(state, now, event) if isinstance(event, _EARLY) else ()


def _seen(link: Link, event: ev.ServerEvent) -> bool:
    """Whether the very same event has just been here: some proxies deliver twice."""
    event_id, recent = event.event_id, link.recent
    if not event_id:
        return False
    kept = hash(repr(event)) if type(event) in _LARGE else event
    if event_id in recent:
        same = recent[event_id] == kept
        # An id that stood for something else names nothing: such a server is not deduplicated.
        recent[event_id] = recent[event_id] if same else None
        return same
    recent[event_id] = kept
    if len(recent) > _RECENT:
        del recent[next(iter(recent))]
    return False


def _of_a_response(state: SessionState, now: float, event: ev.ServerEvent) -> Iterable[ef.Effect]:
    response_id: str | None = getattr(event, "response_id", None)
    machine = state.responses.named(response_id) or _owner(state, event)
    if machine is not None and machine.state is _ACTIVE:
        return state.responses.deliver(now, machine, event)
    if machine is not None:
        return state.responses.apply(now, machine, Trigger.DELTA, Facts(event))
    if response_id is None or isinstance(event, ev.UnknownEvent):
        return ()
    late = response_id in state.responses.past
    if not late:
        state.responses.early.keep(response_id, event)
    return (ef.Announce(ef.Odd("late" if late else "foreign", event)),)


def _unknown(state: SessionState, now: float, event: ev.UnknownEvent) -> Iterator[ef.Effect]:
    yield from _of_a_response(state, now, event)
    yield ef.Announce(ef.Odd("unknown", event))


def _malformed(state: SessionState, now: float, event: ev.MalformedFrame) -> Iterator[ef.Effect]:
    yield ef.Announce(ef.Odd("malformed", event))


def _owner(state: SessionState, event: ev.ServerEvent) -> Machine | None:
    """Hosted calls name their item alone; so its response is the one that announced the item."""
    if not isinstance(event, _HOSTED):
        return None
    machines = state.responses.within(State.ACTIVE)
    return next((m for m in machines if event.item_id in m.output.items), None)


def _created(state: SessionState, now: float, event: ev.ResponseCreated) -> Iterator[ef.Effect]:
    patience = state.responses.timeouts.created
    announced = state.input_audio.unanswered(now, patience)
    for effect in state.correlation.created(now, event, announced):
        if isinstance(effect, ef.Open) and not effect.asked and effect.default:
            state.input_audio.answered()
            if state.heard is state.links.serving:
                state.kept_audio.answered()
        yield effect
    yield from _if_torn(state, now, event.response)


def _if_torn(state: SessionState, now: float, response: ResponseObject) -> Iterator[ef.Effect]:
    """A response whose beginning could not be kept can only fail."""
    if response.id in state.responses.early.given_up:
        torn = ev.ResponseError(response_id=response.id, metadata=response.metadata, error=_TORN)
        yield from state.correlation.failed(now, torn)


def _done(state: SessionState, now: float, event: ev.ResponseDone) -> Iterator[ef.Effect]:
    response, machine = event.response, copy.copy(state.correlation.ending(event.response))
    told = response.id is not None and state.responses.past.get(response.id, False)
    unheard = (response.id or "") not in state.responses.past and not state.responses.machines
    yield from _if_torn(state, now, response)
    yield from state.correlation.done(now, event)
    if unheard and response.status not in ("completed", "cancelled"):
        yield ef.Announce(ef.ServerErrorSeen(failure(response), benign=False, suspected=False))
    if response.id:
        state.responses.remember(response.id, done=True)
    if not told and (response.id or machine is not None):
        yield ef.Announce(_end(now, machine, response))
    yield from _fatal_in(state, now, event)


def _end(now: float, machine: Machine | None, response: ResponseObject) -> ef.ResponseEnded:
    """What is known of a response at its end; a nameless one is told by the name that it had."""
    if machine is None:
        return ef.ResponseEnded(response.id or "", response, None, None, None, now)
    name = response.id or machine.response_id or machine.key
    response = msgspec.structs.replace(response, id=name)
    moments = machine.moments
    return ef.ResponseEnded(
        machine.key, response, moments.created, moments.first_audio, moments.first_text, now
    )


def _fatal_in(state: SessionState, now: float, event: ev.ResponseDone) -> Iterator[ef.Effect]:
    details = event.response.status_details
    if details is not None and details.error is not None:
        yield from _if_fatal(state, now, details.error)


def _if_fatal(state: SessionState, now: float, error: ErrorBody) -> Iterator[ef.Effect]:
    close, about = Close("server", None, error.message or "", error), subject(error)
    link = state.links.of(state.requests.hearing)
    if about is About.FATAL:
        yield from state.end(now, close)
    elif about is About.SESSION_EXPIRED and link is not None:
        yield from linking.lose(state, now, link, close)  # its socket may stay open all the same


def _failed(state: SessionState, now: float, event: ev.ResponseError) -> Iterator[ef.Effect]:
    unheard = not state.responses.machines and event.response_id not in state.responses.past
    yield from state.correlation.failed(now, event)
    if unheard and subject(event.error) is not About.FATAL:
        yield ef.Announce(ef.ServerErrorSeen(event.error, benign=False, suspected=False))
    yield from _if_fatal(state, now, event.error)


def _error(state: SessionState, now: float, event: ev.Error) -> Iterator[ef.Effect]:
    error, facts = event.error, Facts(event, event.error)
    about = subject(error)
    named = state.correlation.sent_as(error.event_id)
    if about in _ENDS:
        yield from _if_fatal(state, now, error)
    elif named is not None:
        yield from state.correlation.refused(now, named, about, facts)
    elif error.event_id in state.requests.pending:
        yield from edits.answered(state, state.requests.refuse(error.event_id or "", error))
    elif error.event_id == ANSWER:  # where the server is busy, it answers the turn already
        yield ef.Announce(ef.ServerErrorSeen(error, about is About.BUSY, suspected=False))
    elif about is About.INACTIVE:
        yield from state.correlation.inactive(now, facts)
    elif state.correlation.is_ours(error.event_id) or error.event_id in state.requests.names:
        yield ef.Announce(ef.Odd("odd", event))
    else:
        yield from _error_about(state, now, about, facts)


def _error_about(
    state: SessionState, now: float, about: About, facts: Facts
) -> Iterator[ef.Effect]:
    """An error that names nothing of ours."""
    error = facts.error or ErrorBody()
    if about is About.BUSY:
        yield from state.correlation.busy(now, facts)
        return
    suspected = about is About.NOBODY and bool(state.correlation.suspects())
    if about is About.NOBODY:
        yield from state.correlation.blamed(now, facts)
    refused = list(edits.answered(state, state.requests.refuse_only(about, error)))
    yield from refused
    if not refused:
        yield ef.Announce(ef.ServerErrorSeen(error, benign(error, about), suspected))


def _session(
    state: SessionState, now: float, event: ev.SessionCreated | ev.SessionUpdated
) -> Iterator[ef.Effect]:
    link = state.heard
    yield from restoring.session(state, link, event)
    if isinstance(event, ev.SessionCreated):
        renewal.learn(state, now, link, event)
    else:
        yield from edits.answered(state, state.requests.acknowledge("update"))


def _heard(state: SessionState, now: float, event: Heard) -> Iterator[ef.Effect]:
    leaving = state.links.leaving
    key, own = state.requests.first("commit"), isinstance(event, ev.InputAudioBufferCommitted)
    gone = leaving is not None and leaving.number == state.requests.hearing and _of_the_ear(event)
    if gone and not (own and key is not None):
        return  # it was told to forget what it still hears of
    for notice in state.input_audio.receive(now, state.kept_audio.placed(event)):
        yield ef.Announce(notice)
        if isinstance(notice, ef.SpeechStarted):
            yield from renewal.interrupted(state, now)
        elif isinstance(notice, ef.Committed):
            state.kept_audio.committed(notice.item_id, key)
            yield from edits.answered(state, state.requests.acknowledge("commit"))
        elif isinstance(notice, ef.TranscriptDone):
            yield from _transcribed(state, notice)


def _of_the_ear(event: Heard) -> bool:
    return isinstance(
        event,
        ev.InputAudioBufferSpeechStarted
        | ev.InputAudioBufferSpeechStopped
        | ev.InputAudioBufferCommitted
        | ev.InputAudioBufferTimeoutTriggered,
    )


def _transcribed(state: SessionState, done: ef.TranscriptDone) -> Iterator[ef.Effect]:
    if done.text:  # or the sound is all that is known of it
        state.kept_audio.transcribed(done.item_id)
    changed = state.conversation.transcribe(done.item_id, done.content_index, done.text)
    if changed is not None:
        yield ef.Announce(ef.ItemChanged(changed))


def _cleared(
    state: SessionState, now: float, event: ev.InputAudioBufferCleared
) -> Iterator[ef.Effect]:
    yield from edits.answered(state, state.requests.acknowledge("clear"))


def _item_added(
    state: SessionState, now: float, event: ev.ConversationItemAdded
) -> Iterator[ef.Effect]:
    item, previous = event.item, event.previous_item_id
    if _told(state, item.id):
        return
    key = None if _of_a_machine(state, item) else state.requests.created_as(item)
    if key is not None:
        asked = state.requests.pending[key].item
        item = identified(item, asked) if asked is not None else item
        state.kept_audio.made(item.id or "", asked)
        yield from edits.answered(state, state.requests.created(key, item))
    state.heard.restoration.found(item.id)
    if state.conversation.add(item, previous, _known(state, item)):
        added = state.conversation.by_id[item.id or ""]
        yield ef.Announce(ef.ItemAdded(added, state.conversation.previous_of(item.id or "")))


def _known(state: SessionState, item: Item) -> Container[str] | None:
    """The items that the server has heard of which tells this one, if there are others: it has not heard yet
    of what is said at the same time on the connection that it replaces."""
    links, link = state.links, state.heard
    if link is links.leaving:
        return None
    if item.id:
        link.restoration.told.setdefault(item.id, None)
    alone = not links.tells_on and links.coming is not link
    return None if alone else link.restoration.told


def _told(state: SessionState, item_id: str | None) -> bool:
    """Whether we told this item ourselves to the server that tells it, or have just taken it back: that is no
    news."""
    restoration = state.heard.restoration
    return restoration.restates(item_id) or restoration.takes_back(item_id)


def _of_a_machine(state: SessionState, item: Item) -> bool:
    """Whether it is the output of a response, and so nothing that was asked for."""
    return any(item.id in machine.output.items for machine in state.responses.machines.values())


def _item_done(
    state: SessionState, now: float, event: ev.ConversationItemDone
) -> Iterator[ef.Effect]:
    if (event.item.id or "") not in state.conversation.by_id:
        added = ev.ConversationItemAdded(item=event.item, previous_item_id=event.previous_item_id)
        yield from _item_added(state, now, added)
    yield from _item_changed(state, event.item)


def _item_changed(state: SessionState, item: Item) -> Iterator[ef.Effect]:
    if not _told(state, item.id) and state.conversation.update(item):
        yield ef.Announce(ef.ItemChanged(state.conversation.by_id[item.id or ""]))


def _item_deleted(
    state: SessionState, now: float, event: ev.ConversationItemDeleted
) -> Iterator[ef.Effect]:
    state.heard.restoration.told.pop(event.item_id, None)
    state.kept_audio.transcribed(event.item_id)
    if state.conversation.remove(event.item_id):
        yield ef.Announce(ef.ItemDeleted(event.item_id))
    yield from edits.answered(state, state.requests.acknowledge("delete", event.item_id))


def _item_truncated(
    state: SessionState, now: float, event: ev.ConversationItemTruncated
) -> Iterator[ef.Effect]:
    item_id, key = event.item_id, state.requests.first("truncate", event.item_id)
    told = state.requests.pending[key].heard if key is not None else None
    words = edits.words_heard(state, item_id, event.audio_end_ms, told)
    changed = state.conversation.cut(item_id, event.content_index, words)
    if changed is not None:
        yield ef.Announce(ef.ItemChanged(changed))
    yield from edits.answered(state, state.requests.acknowledge("truncate", event.item_id))


def _item_retrieved(
    state: SessionState, now: float, event: ev.ConversationItemRetrieved
) -> Iterator[ef.Effect]:
    yield from edits.answered(
        state, state.requests.acknowledge("retrieve", event.item.id, event.item)
    )


def _output_item_done(
    state: SessionState, now: float, event: ev.ResponseOutputItemDone
) -> Iterator[ef.Effect]:
    yield from _of_a_response(state, now, event)
    yield from _item_changed(state, event.item)


def _nothing(state: SessionState, now: float, event: ev.ServerEvent) -> Iterator[ef.Effect]:
    """Understood, and nothing follows from it."""
    yield from ()


Route: TypeAlias = Callable[[SessionState, float, Any], Iterable[ef.Effect]]

_EVENTS: dict[type, Route] = {
    ev.ResponseCreated: _created,
    ev.ResponseDone: _done,
    ev.ResponseError: _failed,
    ev.ResponseOutputItemDone: _output_item_done,
    ev.Error: _error,
    ev.SessionCreated: _session,
    ev.SessionUpdated: _session,
    ev.InputAudioBufferSpeechStarted: _heard,
    ev.InputAudioBufferSpeechStopped: _heard,
    ev.InputAudioBufferCommitted: _heard,
    ev.InputAudioBufferTimeoutTriggered: _heard,
    ev.InputAudioBufferCleared: _cleared,
    ev.ConversationItemInputAudioTranscriptionDelta: _heard,
    ev.ConversationItemInputAudioTranscriptionCompleted: _heard,
    ev.ConversationItemInputAudioTranscriptionFailed: _heard,
    ev.ConversationItemAdded: _item_added,
    ev.ConversationItemCreated: _item_added,
    ev.ConversationItemDone: _item_done,
    ev.ConversationItemDeleted: _item_deleted,
    ev.ConversationItemTruncated: _item_truncated,
    ev.ConversationItemRetrieved: _item_retrieved,
    ev.UnknownEvent: _unknown,
    ev.MalformedFrame: _malformed,
    ev.RateLimitsUpdated: _nothing,
    ev.ConversationCreated: _nothing,
}


@cache
def _route(kind: type) -> Route:
    """Where an event goes: by its type, or by the canonical type that another name stands for."""
    for known in kind.__mro__:
        if known in _EVENTS:
            return _EVENTS[known]
    return _of_a_response
