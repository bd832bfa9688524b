"""An output item being written: what it holds so far, and the events that tell of it."""

from __future__ import annotations

from typing import Any

import msgspec

from rejoinder.server.audio import Format
from rejoinder.server.beats import OpenItem, written
from rejoinder.server.conversation import Conversation, Entry
from rejoinder.server.ids import Ids
from rejoinder.server.script import AskApproval, McpCall
from rejoinder.wire import server_events as events
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.server_events import ServerEvent


class Stage(msgspec.Struct, frozen=True):
    """What a response writes on. ``conversation`` is None for an out-of-band one.

    ``approval``: the request for a hosted call that the client has just allowed.
    """

    ids: Ids
    form: Format
    conversation: Conversation | None
    approval: str | None = None


class Draft:
    """One message of one part, or one function call.

    An item of the default conversation joins it when the draft begins, and is told there too
    (`conversation.item.added` right after `response.output_item.added`, ``done`` right before).
    """

    def __init__(self, stage: Stage, response_id: str, output_index: int, beat: OpenItem) -> None:
        self.entry = Entry(_blank(stage, beat), stage.form)
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
        told = self._ended(text, status)
        item = self._finished(text, status)
        self.entry.finish(item)
        if self._conversation is not None and self._conversation.find(self.entry.item_id):
            before = self._conversation.before(self.entry)
            done = events.ConversationItemDone(item=self.entry.item, previous_item_id=before)
            told.append(done)
        told.append(events.ResponseOutputItemDone(item=item, **self._where))
        return item, told

    def _ended(self, text: str, status: str) -> list[ServerEvent]:
        """What ends within the item."""
        return self._close_call(text, status) if self._is_call else self._close_part(text)

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


class Request(Draft):
    """A request for approval: whole from the beginning."""

    def _ended(self, text: str, status: str) -> list[ServerEvent]:
        return []

    def _finished(self, text: str, status: str) -> Item:
        return self.entry.item


class HostedCall(Draft):
    """A call that the server runs by itself. ``call`` says what comes of it."""

    def __init__(
        self, stage: Stage, response_id: str, output_index: int, beat: OpenItem, call: McpCall
    ) -> None:
        super().__init__(stage, response_id, output_index, beat)
        self._call = call
        self._runs = False

    def write(self, kind: str, delta: str) -> list[ServerEvent]:
        self._written.append(delta)
        here = {**self._where, "item_id": self.entry.item_id}
        return [events.ResponseMcpCallArgumentsDelta(delta=delta, **here)]

    def run(self) -> list[ServerEvent]:
        """All its arguments are there."""
        self._runs = True
        item_id, text = self.entry.item_id, "".join(self._written)
        index = self._where["output_index"]
        return [
            events.ResponseMcpCallArgumentsDone(arguments=text, item_id=item_id, **self._where),
            events.ResponseMcpCallInProgress(item_id=item_id, output_index=index),
        ]

    def _ended(self, text: str, status: str) -> list[ServerEvent]:
        if not self._runs:
            return []
        here = {"item_id": self.entry.item_id, "output_index": self._where["output_index"]}
        if status == "completed" and self._call.error is None:
            return [events.ResponseMcpCallCompleted(**here)]
        return [events.ResponseMcpCallFailed(**here)]

    def _finished(self, text: str, status: str) -> Item:
        item = msgspec.structs.replace(self.entry.item, arguments=text)
        if status != "completed":
            return item
        if self._call.error is not None:
            return msgspec.structs.replace(item, error=self._call.error)
        return msgspec.structs.replace(item, output=self._call.output)


def draft_of(stage: Stage, response_id: str, output_index: int, beat: OpenItem) -> Draft:
    """The draft of the item that begins with this beat."""
    if isinstance(beat.hosted, McpCall):
        return HostedCall(stage, response_id, output_index, beat, beat.hosted)
    kind = Draft if beat.hosted is None else Request
    return kind(stage, response_id, output_index, beat)


def _hosted(stage: Stage, wanted: McpCall | AskApproval) -> Item:
    """A call without its arguments yet, or a request with them."""
    label, name = wanted.server_label, wanted.name
    if isinstance(wanted, AskApproval):
        text, item_id = written(wanted.arguments), stage.ids.new("mcpr")
        return Item(
            type="mcp_approval_request", id=item_id, server_label=label, name=name, arguments=text
        )
    return Item(
        type="mcp_call",
        id=stage.ids.new("mcp"),
        server_label=label,
        name=name,
        arguments="",
        approval_request_id=stage.approval,
    )


def _blank(stage: Stage, beat: OpenItem) -> Item:
    if beat.hosted is not None:
        return _hosted(stage, beat.hosted)
    ids = stage.ids
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
