"""Edits on their way: sent, or held; sent again when their connection is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core import queue, renditions
from rejoinder.core.links import Link
from rejoinder.core.requests import (
    CONFIG,
    OWN,
    Answer,
    Pending,
    audio_end_ms,
    configuration,
    content_index,
)
from rejoinder.core.state import SessionState
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import SessionConfig, merged


def ask(state: SessionState, now: float, given: inp.Edit) -> Iterator[ef.Effect]:
    """An edit is asked for. Without a connection it waits for one, until its own deadline."""
    link, key = state.links.serving if state.online else None, given.key
    if state.ended is not None:
        yield ef.SettleEdit(key, ef.Gone(state.ended))
        return
    if link is None and not state.outbox.hold(key, given.event):
        yield ef.SettleEdit(key, ef.Refused(queue.FULL))
        return
    kind = state.requests.ask(now, key, given.event, heard=given.heard).kind
    if kind == "commit":
        state.kept_audio.commit(key)
    elif kind == "clear":
        state.kept_audio.clear()
    if link is not None:
        yield from _put(state, link, key)


def send(state: SessionState, link: Link, key: str) -> Iterator[ef.Effect]:
    """An edit that has waited goes out, or one whose link is gone goes out again. A commit takes along what
    it is to commit: the server has not heard it."""
    audio = state.kept_audio.committing.get(key)
    if audio:
        yield ef.Send(ce.InputAudioBufferAppend(audio=audio), link.number)
    yield from _put(state, link, key)


def again(state: SessionState, link: Link) -> Iterator[ef.Effect]:
    """Whatever was sent on a link that is gone, and not answered, goes out on this one: once, under the same
    id, so that a duplicate shows as such."""
    for key, edit in tuple(state.requests.pending.items()):
        if not edit.link or state.links.of(edit.link) is not None:
            continue
        if key in OWN:
            state.requests.drop(key)
        else:
            yield from send(state, link, key)


def hand_over(state: SessionState, link: Link, given: int = 0) -> Iterator[ef.Effect]:
    """What has waited goes out, in order; and what the user has said and nobody has committed. ``given``: so
    much audio this server has been given before, in bytes."""
    there = state.requests.of(link.number)
    yield from again(state, link)
    for key, event in state.outbox.release():
        if key is None:
            yield ef.Send(event, link.number)
        elif key in state.requests.pending:  # what has expired is not to arrive all the same
            yield from send(state, link, key)
    fresh = [key for key in state.requests.of(link.number) if key not in there]
    kept_audio = state.kept_audio
    kept_audio.begin(given + sum(len(kept_audio.committing.get(key, b"")) for key in fresh))
    audio = kept_audio.unfinished()
    if audio:
        yield ef.Send(ce.InputAudioBufferAppend(audio=audio), link.number)


def answered(state: SessionState, answers: Iterable[Answer]) -> Iterator[ef.Effect]:
    """What came of edits, for who waits for them, and for us. To our own configuration nobody waits, so a
    refusal of it is news."""
    for answer in answers:
        _learn(state, answer)
        if answer.key not in OWN:
            yield ef.SettleEdit(answer.key, answer.result)
        elif answer.key == CONFIG and isinstance(answer.result, ef.Refused):
            yield ef.Announce(ef.ServerErrorSeen(answer.result.error, False, False))


def _learn(state: SessionState, answer: Answer) -> None:
    """What is true from now on. An update that was sent and that nobody answers counts as carried out: some
    servers answer none."""
    refused = isinstance(answer.result, ef.Refused)
    if answer.edit.kind == "update" and answer.edit.link and not refused:
        said, link = configuration(answer.edit.event), state.links.of(answer.edit.link)
        if said is not None:
            state.config = merged(state.config or SessionConfig(), said)
        if link is not None:
            link.restoration.config = state.config  # it knows that already
    elif answer.edit.kind == "commit" and refused:
        state.kept_audio.returned(answer.key)
    elif answer.edit.kind == "commit":
        state.kept_audio.committing.pop(answer.key, None)


def cut_short(state: SessionState) -> Iterator[ef.Effect]:
    """What a truncation asked for is true for us before a server has confirmed it: the user has heard no
    more than that."""
    for edit in state.requests.pending.values():
        lost = edit.link and state.links.of(edit.link) is None
        if lost and edit.kind == "truncate":
            yield from _cut(state, edit)


def words_heard(state: SessionState, item_id: str, end_ms: int, told: str | None) -> str:
    """What the user has heard of an item's words: as the caller says, or else as much of them as of its
    sound, up to the last whole word."""
    if told is not None:
        return told
    item = state.conversation.get(item_id)
    words = "".join(part.transcript or "" for part in (item.content or () if item else ()))
    words = words or state.responses.words_of(item_id)
    sound_ms = state.responses.sound_of(item_id) * 1000 / state.responses.bytes_per_second
    if not words or sound_ms <= 0:
        return ""
    cut = int(len(words) * min(end_ms / sound_ms, 1.0))
    whole = cut == len(words) or words[cut].isspace()
    return words[:cut].rstrip() if whole else words[:cut].rpartition(" ")[0].rstrip()


def _put(state: SessionState, link: Link, key: str) -> Iterator[ef.Effect]:
    link = _home(state, link, state.requests.pending[key])
    edit = state.requests.sent(key, link.number)
    if edit.kind == "truncate" and link.restoration.restates(edit.item_id):
        yield from _reword(state, link, key, edit)
    else:
        yield ef.Send(edit.event, link.number)


def _home(state: SessionState, link: Link, edit: Pending) -> Link:
    """The link whose server knows the item: what is still spoken on the old connection, or just was, the new
    one has not heard of."""
    leaving, item_id = state.links.leaving, edit.item_id or ""
    if leaving is None or edit.kind == "create" or item_id in link.restoration.told:
        return link
    return leaving if item_id in state.conversation.by_id else link


def _reword(state: SessionState, link: Link, key: str, edit: Pending) -> Iterator[ef.Effect]:
    """The server knows the item as text, which cannot be truncated: it is told the words that were heard."""
    yield from _cut(state, edit)
    restoration, item = link.restoration, state.conversation.by_id[edit.item_id or ""]
    if renditions.told(item, state.conversation, {}) == restoration.told[edit.item_id or ""]:
        yield from knows_heard(state, edit.item_id or "")
        yield from answered(state, state.requests.carried_out(key))
        return
    for event in restoration.reword(link.name, item, state.conversation, key):
        yield ef.Send(event, link.number)


def knows_heard(state: SessionState, item_id: str) -> Iterator[ef.Effect]:
    """A server that was told the words that the user has heard knows those, and no sound."""
    words = state.conversation.heard.get(item_id)
    changed = None if words is None else state.conversation.transcribe(item_id, 0, words)
    if changed is not None:
        yield ef.Announce(ef.ItemChanged(changed))


def _cut(state: SessionState, edit: Pending) -> Iterator[ef.Effect]:
    item_id = edit.item_id or ""
    if item_id in state.conversation.heard and edit.heard is None:
        return
    words = words_heard(state, item_id, audio_end_ms(edit.event), edit.heard)
    changed = state.conversation.cut(item_id, content_index(edit.event), words)
    if changed is not None:
        yield ef.Announce(ef.ItemChanged(changed))
