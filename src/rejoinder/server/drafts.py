"""An output item being written: what it holds so far, and the events that tell of it."""

from __future__ import annotations

from typing import Any

import msgspec

from rejoinder.server.audio import Format
from rejoinder.server.beats import OpenItem
from rejoinder.server.conversation import Conversation, Entry
from rejoinder.server.ids import Ids
from rejoinder.wire import server_events as events
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.server_events import ServerEvent


class Stage(msgspec.Struct, frozen=True):
    """What a response writes on. ``conversation`` is None for an out-of-band one."""

    ids: Ids
    form: Format
    conversation: Conversation | None


class Draft:
    """One message of one part, or one function call.

    An item of the default conversation joins it when the draft begins, and is told there too
    (`conversation.item.added` right after `response.output_item.added`, ``done`` right before).
    """

    def __init__(self, stage: Stage, response_id: str, output_index: int, beat: OpenItem) -> None:
        self.entry = Entry(_blank(stage.ids, beat), stage.form)
        self._conversation = stage.conversation
        self._where: dict[str, Any] = {"response_id": response_id, "output_index": output_index}
        self._part: str | None = None
        self._written: list[str] = []

    def begin(self) -> list[ServerEvent]:
        """The item is announced."""
        item = self.entry.item
        told: list[ServerEvent] = [events.ResponseOutputItemAdded(item=item, **self._where)]
        if self._conversation is not None:
            before = self._conversation.add(self.entry)
            told.append(events.ConversationItemAdded(item=item, previous_item_id=before))
        return told

    def begin_part(self, kind: str) -> list[ServerEvent]:
        """Its content part is announced: ``audio`` or ``text``."""
        self._part = kind
        part = _spoken("audio", "") if kind == "audio" else _written("text", "")
        return [events.ResponseContentPartAdded(part=part, **self._here())]

    def write(self, kind: str, delta: str) -> list[ServerEvent]:
        """More ``text``, ``transcript`` or ``arguments``."""
        self._written.append(delta)
        if kind == "text":
            return [events.ResponseOutputTextDelta(delta=delta, **self._here())]
        if kind == "transcript":
            return [events.ResponseOutputAudioTranscriptDelta(delta=delta, **self._here())]
        call_id = self.entry.item.call_id or ""
        address = {**self._where, "item_id": self.entry.item_id, "call_id": call_id}
        return [events.ResponseFunctionCallArgumentsDelta(delta=delta, **address)]

    def sound(self, delta: bytes) -> list[ServerEvent]:
        """More audio."""
        self.entry.record(delta)
        return [events.ResponseOutputAudioDelta(delta=delta, **self._here())]

    def close(self, status: str) -> tuple[Item, list[ServerEvent]]:
        """The item as it ends, and the events that end it: only what was opened."""
        text = "".join(self._written)
        told = self._close_call(text, status) if self._is_call else self._close_part(text)
        item = self._finished(text, status)
        self.entry.finish(item)
        if self._conversation is not None and self._conversation.find(self.entry.item_id):
            before = self._conversation.before(self.entry)
            done = events.ConversationItemDone(item=self.entry.item, previous_item_id=before)
            told.append(done)
        told.append(events.ResponseOutputItemDone(item=item, **self._where))
        return item, told

    @property
    def _is_call(self) -> bool:
        return self.entry.item.type == "function_call"

    def _here(self) -> dict[str, Any]:
        return {**self._where, "item_id": self.entry.item_id, "content_index": 0}

    def _close_call(self, text: str, status: str) -> list[ServerEvent]:
        if not self._written and status != "completed":
            return []
        item = self.entry.item
        address = {**self._where, "item_id": item.id or "", "call_id": item.call_id or ""}
        done = events.ResponseFunctionCallArgumentsDone(arguments=text, name=item.name, **address)
        return [done]

    def _close_part(self, text: str) -> list[ServerEvent]:
        here = self._here()
        if self._part == "audio":
            return [
                events.ResponseOutputAudioDone(**here),
                events.ResponseOutputAudioTranscriptDone(transcript=text, **here),
                events.ResponseContentPartDone(part=_spoken("audio", text), **here),
            ]
        if self._part == "text":
            return [
                events.ResponseOutputTextDone(text=text, **here),
                events.ResponseContentPartDone(part=_written("text", text), **here),
            ]
        return []

    def _finished(self, text: str, status: str) -> Item:
        item = self.entry.item
        if self._is_call:
            return msgspec.structs.replace(item, status=status, arguments=text)
        content = {
            "audio": [_spoken("output_audio", text)],
            "text": [_written("output_text", text)],
        }
        part = content.get(self._part or "", [])
        return msgspec.structs.replace(item, status=status, content=part)


def _blank(ids: Ids, beat: OpenItem) -> Item:
    item = Item(type="message", id=ids.new("item"), object="realtime.item", status="in_progress")
    if beat.name is None:
        return msgspec.structs.replace(item, role="assistant", content=[])
    return msgspec.structs.replace(
        item,
        type="function_call",
        name=beat.name,
        call_id=beat.call_id or ids.new("call"),
        arguments="",
    )


def _spoken(kind: str, transcript: str) -> ContentPart:
    return ContentPart(type=kind, transcript=transcript)


def _written(kind: str, text: str) -> ContentPart:
    return ContentPart(type=kind, text=text)
