"""The output of one response: server events in, parts for the caller out.

Text and calls arrive more than once (deltas, `*.done`, the item, `response.done`) and any of these
may be missing with some servers, or come under an old name and a new one. Each word and each call is
delivered once, from wherever it comes first. A function call is delivered when its item is completed, never before: arguments cut off by a
limit or by the user's speech must not be run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import msgspec

from rejoinder.core.outcomes import Delivered
from rejoinder.core.parts import (
    Audio,
    ContentStarted,
    FunctionCall,
    ItemEnded,
    ItemStarted,
    Part,
    Text,
    Transcript,
)
from rejoinder.wire import server_events as ev
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ResponseObject

_AUDIO, _TEXT = "audio", "text"
_KINDS = {"audio": _AUDIO, "output_audio": _AUDIO, "text": _TEXT, "output_text": _TEXT}
_DELTAS = (
    ev.ResponseOutputAudioDelta,
    ev.ResponseOutputAudioTranscriptDelta,
    ev.ResponseOutputTextDelta,
)


class OutputItem(msgspec.Struct):
    """What is known of one output item so far."""

    call_id: str | None = None
    name: str | None = None
    arguments: str = ""
    arguments_done: bool = False
    content: dict[int, str] = {}
    words: dict[int, str] = {}
    ended: bool = False
    audio_bytes: int = 0


class Output(msgspec.Struct):
    """Assembles one response. ``hosted`` holds the MCP calls that the server is running.

    ``names``: the event name that tells each kind of delta of each part. ``places``: the item at each
    output index, as it was announced.
    """

    items: dict[str, OutputItem] = {}
    text: list[str] = []
    audio_bytes: int = 0
    calls: list[FunctionCall] = []
    hosted: set[str] = set()
    names: dict[tuple[str, int, int], str] = {}
    places: dict[int, str] = {}

    def delivered(self, bytes_per_second: int) -> Delivered:
        """What the caller has received up to now."""
        return Delivered("".join(self.text), self.audio_bytes / bytes_per_second, tuple(self.calls))

    def begun(self) -> bool:
        """Whether anything has been delivered."""
        return bool(self.items)

    def feed(self, event: ev.ServerEvent) -> Iterable[Part]:
        """The parts that this event of the response adds; to be taken before the next event."""
        if isinstance(event, _DELTAS) and self._told_otherwise(event):
            return ()
        match event:
            case ev.ResponseOutputAudioDelta():
                return self._audio(event)
            case ev.ResponseOutputAudioTranscriptDelta():
                return self._words(
                    event.item_id, event.content_index, _AUDIO, event.delta, event.start_time
                )
            case ev.ResponseOutputTextDelta():
                return self._words(event.item_id, event.content_index, _TEXT, event.delta)
            case ev.ResponseFunctionCallArgumentsDelta():
                self._call_of(event.item_id, event.call_id).arguments += event.delta
                return ()
            case _:
                return self._rest(event)

    def _rest(self, event: ev.ServerEvent) -> Iterator[Part]:
        match event:
            case ev.ResponseOutputItemAdded():
                yield from self._started(event.item, event.output_index)
            case ev.ResponseContentPartAdded():
                yield from self._content(event.item_id, event.content_index, event.part)
            case ev.ResponseOutputTextDone():
                item_id = self._meant(event.item_id, event.output_index)
                yield from self._all_words(item_id, event.content_index, _TEXT, event.text)
            case ev.ResponseOutputAudioTranscriptDone():
                item_id = self._meant(event.item_id, event.output_index)
                yield from self._all_words(item_id, event.content_index, _AUDIO, event.transcript)
            case ev.ResponseFunctionCallArgumentsDone():
                self._arguments(event)
            case ev.ResponseOutputItemDone():
                yield from self._ended(event.item, event.output_index)
            case ev.ResponseMcpCallInProgress():
                self.hosted.add(event.item_id)
            case ev.ResponseMcpCallCompleted() | ev.ResponseMcpCallFailed():
                self.hosted.discard(event.item_id)
            case _:
                return

    def finish(self, response: ResponseObject) -> Iterator[Part]:
        """What only `response.done` tells: items, words and calls that no earlier event carried."""
        cut = response.status != "completed"
        for index, item in enumerate(response.output or ()):
            yield from self._ended(item, index, cut)
        if cut:
            return
        for item_id, known in self.items.items():
            if known.arguments_done and not known.ended:
                yield from self._called(item_id, known)

    def _told_otherwise(
        self,
        event: ev.ResponseOutputAudioDelta
        | ev.ResponseOutputAudioTranscriptDelta
        | ev.ResponseOutputTextDelta,
    ) -> bool:
        """Whether another name tells the same: some servers send each delta under both."""
        kind, name = _telling(type(event))
        return self.names.setdefault((event.item_id, event.content_index, kind), name) != name

    def _item(self, item_id: str) -> OutputItem:
        known = self.items.get(item_id)
        if known is None:
            known = self.items[item_id] = OutputItem()
        return known

    def _meant(self, item_id: str, index: int) -> str:
        """The item whose whole is told: under a strange id, the one that was announced at its place and
        is still open, or its words would be told twice."""
        there = self.places.get(index)
        open_there = there is not None and not self.items[there].ended
        return there if item_id not in self.items and there and open_there else item_id

    def _started(self, item: Item, index: int) -> Iterator[Part]:
        if not item.id:
            return
        self.places.setdefault(index, item.id)
        new = item.id not in self.items  # its deltas may have come before it
        known = self._item(item.id)
        known.call_id, known.name = known.call_id or item.call_id, known.name or item.name
        if item.type == "mcp_call" and not known.ended:
            self.hosted.add(item.id)
        if new:
            yield ItemStarted(item.id, index, item)

    def _content(self, item_id: str, index: int, part: ContentPart | None) -> Iterator[Part]:
        kind = _KINDS.get(part.type if part else "")
        if kind is None:
            return
        yield from self._announced(item_id, index, kind)

    def _announced(self, item_id: str, index: int, kind: str) -> list[Part]:
        known = self.items.get(item_id) or self._item(item_id)
        if index in known.content:
            return []
        known.content[index] = kind
        return [ContentStarted(item_id, index, kind)]

    def _audio(self, event: ev.ResponseOutputAudioDelta) -> list[Part]:
        item_id, index, audio = event.item_id, event.content_index, event.delta
        parts = self._announced(item_id, index, _AUDIO)
        if audio:
            self.audio_bytes += len(audio)
            self.items[item_id].audio_bytes += len(audio)
            parts.append(Audio(item_id, index, audio))
        return parts

    def _words(
        self, item_id: str, index: int, kind: str, text: str, at: float | None = None
    ) -> list[Part]:
        parts = self._announced(item_id, index, kind)
        if text:
            words = self._item(item_id).words
            words[index] = words.get(index, "") + text
            self.text.append(text)
            spoken = kind == _AUDIO
            parts.append(
                Transcript(item_id, index, text, at) if spoken else Text(item_id, index, text)
            )
        return parts

    def _all_words(self, item_id: str, index: int, kind: str, text: str | None) -> Iterator[Part]:
        """The whole text of a part: whatever of it the deltas left out."""
        so_far = self._item(item_id).words.get(index, "")
        if text and text.startswith(so_far):
            yield from self._words(item_id, index, kind, text[len(so_far) :])

    def _call_of(self, item_id: str, call_id: str | None) -> OutputItem:
        known = self._item(item_id)
        known.call_id = known.call_id or call_id
        return known

    def _arguments(self, event: ev.ResponseFunctionCallArgumentsDone) -> None:
        known = self._call_of(event.item_id, event.call_id)
        known.name = known.name or event.name
        known.arguments = event.arguments or known.arguments
        known.arguments_done = True

    def _ended(self, item: Item, index: int, cut: bool = False) -> Iterator[Part]:
        """An item's end. ``cut``: its response was cut short, so silence is no word of completion."""
        if not item.id:
            return
        meant = self._meant(item.id, index)
        item = item if meant == item.id else msgspec.structs.replace(item, id=meant)
        yield from self._started(item, index)
        known = self._item(meant)
        if known.ended:
            return
        for content_index, part in enumerate(item.content or ()):
            kind = _KINDS.get(part.type)
            if kind is not None:
                text = part.transcript if kind == _AUDIO else part.text
                yield from self._all_words(meant, content_index, kind, text)
        self.hosted.discard(meant)
        whole = item.status == "completed" or (item.status is None and not cut)
        if item.type == "function_call" and whole:
            known.arguments = item.arguments or known.arguments
            yield from self._called(meant, known)
        known.ended = True
        yield ItemEnded(meant, item.status, item)

    def _called(self, item_id: str, known: OutputItem) -> Iterator[Part]:
        """A call without a name cannot be run, so it is not delivered; its id may be the item's."""
        call_id = known.call_id or item_id
        if not known.name or any(call.call_id == call_id for call in self.calls):
            return
        call = FunctionCall(item_id, call_id, known.name, known.arguments)
        self.calls.append(call)
        yield call


@cache
def _telling(delta: type[msgspec.Struct]) -> tuple[int, str]:
    """Which kind of delta it is, and under which name it comes."""
    kind = [issubclass(delta, known) for known in _DELTAS].index(True)
    return kind, str(delta.__struct_config__.tag)
