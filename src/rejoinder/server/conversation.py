"""The conversation: its items in order, with their audio, and what may join it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from rejoinder.server import refusals
from rejoinder.server.audio import Format
from rejoinder.server.ids import Ids
from rejoinder.server.refusals import Refusal
from rejoinder.wire import server_events as events
from rejoinder.wire import session
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.server_events import ServerEvent

MAX_ID_LENGTH = 32
_ID = re.compile(r"[a-zA-Z0-9_-]+")

_PARTS: dict[str, tuple[str, ...]] = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "message": ("role", "content"),
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "mcp_approval_response": ("approval_request_id", "approve"),
}
_PART_BODY = {
    "input_text": "text",
    "output_text": "text",
    "input_audio": "audio",
    "input_image": "image_url",
}


class Entry:
    """An item and, beside it, the sound of it: what events leave out and retrieve gives back.

    ``words``: what a user item says, as far as the server knows, transcribed or not.
    """

    def __init__(self, item: Item, form: Format, audio: bytes = b"", words: str = "") -> None:
        self.item = item
        self.form = form
        self.audio = bytearray(audio)
        self.words = words
        self._truncated = False

    @property
    def item_id(self) -> str:
        return self.item.id or ""

    def whole(self) -> Item:
        """The item with its audio, in its first audio part."""
        content = list(self.item.content or [])
        for at, part in enumerate(content):
            if part.type in ("input_audio", "output_audio"):
                content[at] = msgspec.structs.replace(part, audio=bytes(self.audio))
                return msgspec.structs.replace(self.item, content=content)
        return self.item

    def record(self, audio: bytes) -> None:
        """More of its sound; what comes after a truncation is not kept."""
        if not self._truncated:
            self.audio += audio

    def finish(self, item: Item) -> None:
        """The item is final. A truncation has taken its transcript away for good."""
        self.item = _silenced(item) if self._truncated else item

    def truncate(self, audio_end_ms: int) -> None:
        """Keeps this much audio and no transcript. Raises `Refusal` when there is less of it."""
        if self.item.role != "assistant" or not self.audio:
            raise refusals.not_model_audio()
        have_ms = int(self.form.milliseconds(len(self.audio)))
        if audio_end_ms > have_ms:
            raise refusals.truncate_too_long(have_ms, audio_end_ms)
        del self.audio[self.form.size(audio_end_ms) :]
        self._truncated = True
        self.item = _silenced(self.item)


class Conversation:
    """The default conversation of a session."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._entries: list[Entry] = []
        self._by_id: dict[str, Entry] = {}

    def created(self) -> ServerEvent:
        """What tells its id."""
        named = session.Conversation(id=self.id, object="realtime.conversation")
        return events.ConversationCreated(conversation=named)

    def items(self) -> list[Item]:
        """The items in order, without audio."""
        return [entry.item for entry in self._entries]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def find(self, item_id: str) -> Entry | None:
        """The entry of this item, or None."""
        return self._by_id.get(item_id)

    def holds(self, item_id: str) -> bool:
        """Whether there is an item of this id."""
        return item_id in self._by_id

    def get(self, item_id: str, verb: str) -> Entry:
        """The entry of this item; raises the `Refusal` that fits ``verb`` when there is none."""
        entry = self.find(item_id)
        if entry is None:
            raise refusals.item_unknown(verb, item_id)
        return entry

    def add(self, entry: Entry, after: str | None = None) -> str | None:
        """Inserts the entry and returns the id of its predecessor, if any.

        ``after``: an id, ``"root"`` for the beginning, None or ``""`` for the end. Raises `Refusal`
        for an unknown id.
        """
        at = self._position(after)
        self._entries.insert(at, entry)
        self._by_id.setdefault(entry.item_id, entry)
        return self._entries[at - 1].item_id if at else None

    def before(self, entry: Entry) -> str | None:
        """The id of the item now before this one, or None."""
        at = self._entries.index(entry) if entry in self._entries else 0
        return self._entries[at - 1].item_id if at else None

    def remove(self, item_id: str) -> None:
        """Deletes the item; raises `Refusal` when there is none."""
        self._entries.remove(self.get(item_id, "delete"))
        del self._by_id[item_id]
        # A client may have given an item the id that was reserved for the words being spoken.
        twins = [entry for entry in self._entries if entry.item_id == item_id]
        if twins:
            self._by_id[item_id] = twins[0]

    def has_assistant_audio(self) -> bool:
        """Whether the model has spoken here; its voice is fixed from then on."""
        return any(entry.item.role == "assistant" and entry.audio for entry in self._entries)

    def _position(self, after: str | None) -> int:
        if not after:
            return len(self._entries)
        if after == "root":
            return 0
        for at, entry in enumerate(self._entries):
            if entry.item_id == after:
                return at + 1
        raise refusals.previous_item_unknown(after)

    def admit(self, item: Item, ids: Ids, form: Format) -> Entry:
        """A client's item as an entry that may be added, or `Refusal`."""
        check_shape(item)
        _check_id(item.id)
        if item.id and self.holds(item.id):
            raise refusals.duplicate_item(item.id)
        if item.type == "function_call_output":
            self._check_call(item.call_id or "")
        if item.type == "mcp_approval_response":
            self._check_request(item.approval_request_id or "")
        return entry_of(item, ids, form)

    def _check_call(self, call_id: str) -> None:
        calls = (entry.item for entry in self._entries)
        if not any(item.type == "function_call" and item.call_id == call_id for item in calls):
            raise refusals.tool_call_unknown(call_id)

    def _check_request(self, item_id: str) -> None:
        entry = self.find(item_id)
        if entry is None or entry.item.type != "mcp_approval_request":
            accepted = "ids of requests in the conversation"
            raise refusals.invalid_value("item.approval_request_id", item_id, accepted)


def entry_of(item: Item, ids: Ids, form: Format) -> Entry:
    """The entry of a client's item: audio and words beside it."""
    content = item.content or []
    audio = b"".join(part.audio or b"" for part in content)
    words = " ".join(part.text or part.transcript or "" for part in content)
    return Entry(_finished(item, ids), form, audio, words.strip())


def _silenced(item: Item) -> Item:
    content = [msgspec.structs.replace(part, transcript=None) for part in item.content or []]
    return msgspec.structs.replace(item, content=content)


def _check_id(item_id: str | None) -> None:
    if item_id is None:
        return
    if len(item_id) > MAX_ID_LENGTH:
        raise refusals.too_long("item.id", len(item_id), MAX_ID_LENGTH)
    if not _ID.fullmatch(item_id):
        message = (
            f"Invalid 'item.id': '{item_id}'. Expected an ID that contains letters, numbers, "
            "underscores, or dashes, but this value contained additional characters."
        )
        raise Refusal("invalid_value", message, param="item.id")


def check_shape(item: Item, path: str = "item") -> None:
    """Raises `Refusal` for an item that a client may not make. ``path``: where it stands."""
    if item.type not in _REQUIRED:
        accepted = ", ".join(map(repr, _REQUIRED))
        raise refusals.invalid_value(f"{path}.type", item.type, accepted)
    for name in _REQUIRED[item.type]:
        if getattr(item, name) is None:
            raise refusals.missing(f"{path}.{name}")
    if item.call_id is not None and len(item.call_id) > MAX_ID_LENGTH:
        raise refusals.too_long(f"{path}.call_id", len(item.call_id), MAX_ID_LENGTH)
    if item.type == "message":
        _check_message(item, path)


def _check_message(item: Item, path: str) -> None:
    role = item.role or ""
    if role not in _PARTS:
        raise refusals.invalid_value(f"{path}.role", role, ", ".join(map(repr, _PARTS)))
    for at, part in enumerate(item.content or []):
        _check_part(role, part, f"{path}.content[{at}]")


def _check_part(role: str, part: ContentPart, path: str) -> None:
    if role == "assistant" and part.type == "output_audio":
        raise refusals.missing(f"{path}.text")  # assistant audio cannot be injected
    if part.type not in _PARTS[role]:
        accepted = ", ".join(map(repr, _PARTS[role]))
        raise refusals.invalid_value(f"{path}.type", part.type, accepted)
    body = _PART_BODY[part.type]
    value = getattr(part, body)
    if value is None:
        raise refusals.missing(f"{path}.{body}")
    if body == "image_url":
        _check_image(part, path)


def _check_image(part: ContentPart, path: str) -> None:
    image_url = part.image_url or ""
    if not image_url.startswith("data:image/"):
        raise refusals.invalid_value(f"{path}.image_url", image_url[:40], "data URIs")
    if part.detail not in (None, "auto", "low", "high"):
        raise refusals.invalid_value(f"{path}.detail", part.detail, "'auto', 'low', 'high'")


def _finished(item: Item, ids: Ids) -> Item:
    """The item as the server keeps it: with an id, completed, its audio aside."""
    content = item.content
    if content is not None:
        content = [msgspec.structs.replace(part, audio=None) for part in content]
    call_id = item.call_id
    if item.type == "function_call" and call_id is None:
        call_id = ids.new("call")
    return msgspec.structs.replace(
        item,
        id=item.id or ids.new("item"),
        object="realtime.item",
        status="completed",
        content=content,
        call_id=call_id,
    )
