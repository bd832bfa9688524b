"""What stays of that which a lost connection broke off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rejoinder.core import effects as ef
from rejoinder.core.machine import Machine
from rejoinder.core.output import OutputItem
from rejoinder.core.state import SessionState
from rejoinder.core.verdict import OURS
from rejoinder.wire import server_events as ev
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ErrorBody

_AUDIO = "audio"
_SPEECH = "input_audio"


def keep_partials(state: SessionState, link: int) -> Iterator[ef.Effect]:
    """The conversation keeps what was said of the responses that end with a link. What did not come to be
    said, and calls that did not come to their end, leave it: no server knows of them."""
    machines = (m for m in state.responses.machines.values() if m.link == link)
    broken = [each for machine in machines for each in _unfinished(machine)]
    known = state.conversation.by_id
    over = state.responses.spoken.items()  # those that ended by a clock, not by the server's word
    broken += [(item_id, out) for item_id, out in over if item_id in known and not out.ended]
    for item_id, output in broken:
        yield from _keep(state, item_id, output)


def keep_turns(state: SessionState) -> Iterator[ef.Effect]:
    """Turns of the user's that were committed, but whose items did not come any more, are in the conversation
    all the same: no other server would hear of them."""
    conversation = state.conversation
    for item_id in state.kept_audio.untranscribed:
        if item_id not in conversation.by_id:
            last = conversation.order[-1] if conversation.order else None
            content = [ContentPart(type=_SPEECH)]
            item = Item(
                type="message", id=item_id, role="user", status="completed", content=content
            )
            conversation.add(item, last)
            yield ef.Announce(ef.ItemAdded(item, last))


def keep_words(state: SessionState, machine: Machine) -> Iterator[ef.Effect]:
    """The same for a response that is given up because its server has fallen silent. What it did not come to
    say may still be in that server's conversation, and stays."""
    for item_id, output in _unfinished(machine):
        if output.words:
            yield from _keep(state, item_id, output)


def _unfinished(machine: Machine) -> list[tuple[str, OutputItem]]:
    """Its items in the conversation that did not come to their end."""
    items = machine.output.items.items() if machine.default else ()
    return [(item_id, output) for item_id, output in items if not output.ended]


def _keep(state: SessionState, item_id: str, output: OutputItem) -> Iterator[ef.Effect]:
    """Nothing more comes of an item: it is what its words are."""
    output.ended = True
    content = [_part(output.content.get(at), text) for at, text in sorted(output.words.items())]
    conversation = state.conversation
    if not content:
        if conversation.remove(item_id):
            yield ef.Announce(ef.ItemDeleted(item_id))
        return
    item = Item(type="message", id=item_id, role="assistant", status="incomplete", content=content)
    last = conversation.order[-1] if conversation.order else None
    if conversation.add(item, last):
        yield ef.Announce(ef.ItemAdded(item, last))
    else:
        yield ef.Announce(ef.ItemChanged(conversation.by_id[item_id]))


def _part(kind: str | None, text: str) -> ContentPart:
    if kind == _AUDIO:
        return ContentPart(type="output_audio", transcript=text)
    return ContentPart(type="output_text", text=text)


def lose_transcripts(
    state: SessionState, now: float, item_ids: Iterable[str], why: str
) -> Iterator[ef.Effect]:
    """The words of turns that a server was still transcribing will not come: no other one transcribes what
    it is told as an item. Who waits for them is told so."""
    if not state.input_audio.transcribes:
        return
    error = ErrorBody(
        type=OURS,
        code="transcript_lost",
        message=f"the connection ended before the transcript came ({why})",
    )
    for item_id in tuple(item_ids):
        if (item_id, 0) in state.input_audio.told:
            continue
        failed = ev.ConversationItemInputAudioTranscriptionFailed(
            item_id=item_id, content_index=0, error=error
        )
        for notice in state.input_audio.receive(now, failed):
            yield ef.Announce(notice)
