"""Edits of the conversation and of the session, each waiting for its acknowledgement.

Positive answers do not echo the client's event id (OpenAI Realtime reference), so an item edit is
recognised by its item id and a `session.update` by order. Refusals name the event id, or, where the
server leaves that out, the one edit of that kind which is pending. None waits behind another's
deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from rejoinder.core.blame import About
from rejoinder.core.deadlines import Deadlines
from rejoinder.core.effects import Acknowledged, EditResult, Expired, Gone, Refused, SettleEdit
from rejoinder.core.outcomes import Close
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody

_DUPLICATE = "item_create_duplicate_item_id"
_MOST_NAMES = 1024
_KINDS = {
    "session.update": "update",
    "conversation.item.create": "create",
    "conversation.item.delete": "delete",
    "conversation.item.truncate": "truncate",
    "conversation.item.retrieve": "retrieve",
    "input_audio_buffer.commit": "commit",
    "input_audio_buffer.clear": "clear",
}
_ABOUT = {"update": About.SESSION, "commit": About.AUDIO, "clear": About.AUDIO}


EDITS = frozenset(_KINDS)
"""The names of the client events that the server answers one by one, responses apart."""

Asked: TypeAlias = ce.ClientEvent | ce.RawClientEvent


class Pending(msgspec.Struct, frozen=True):
    """An edit that is not answered yet. ``item_id`` None: it is answered in order of sending. ``item``:
    what it creates."""

    kind: str
    item_id: str | None
    item: Item | None = None


class Requests(msgspec.Struct):
    """The edits under way, oldest first, by key. ``after``: the edit clock, in seconds.

    ``names``: the event ids lately given to anything but a response, so that an error that names one
    is not taken for one that names nobody.
    """

    after: float
    names: dict[str, None] = {}
    pending: dict[str, Pending] = {}
    deadlines: Deadlines = msgspec.field(default_factory=Deadlines)

    def ask(self, now: float, key: str, event: Asked) -> None:
        """Remembers an edit, and its deadline."""
        self.name(key)
        self.pending[key] = Pending(*_subject(event))
        self.deadlines.set(key, now + self.after, "edit")

    def ask_before_all(self, now: float, key: str, event: Asked) -> None:
        """The same for an edit that goes out before those that wait: it is answered before them."""
        waiting, self.pending = self.pending, {}
        self.ask(now, key, event)
        self.pending |= waiting

    def name(self, event_id: str) -> None:
        """Remembers the event id of something that was sent."""
        self.names[event_id] = None
        if len(self.names) > _MOST_NAMES:
            del self.names[next(iter(self.names))]

    def acknowledge(
        self, kind: str, item_id: str | None = None, item: Item | None = None
    ) -> Iterator[SettleEdit]:
        """The server did what the oldest pending edit of this kind (and item) asked for."""
        yield from self._settle_first(
            lambda edit: edit.kind == kind and edit.item_id in (None, item_id),
            Acknowledged(item),
        )

    def created_as(self, item: Item) -> str | None:
        """The key of the edit that this new item answers: the one that gave it its id, or, with servers
        that give ids of their own, the oldest that says the same."""
        pending = [(key, edit) for key, edit in self.pending.items() if edit.kind == "create"]
        same = (key for key, edit in pending if edit.item_id == item.id)
        alike = (key for key, edit in pending if edit.item is not None and _alike(edit.item, item))
        return next(same, None) or next(alike, None)

    def created(self, key: str, item: Item) -> Iterator[SettleEdit]:
        """The server created what this edit asked for."""
        yield from self._settle(key, Acknowledged(item))

    def refuse(self, key: str, error: ErrorBody) -> Iterator[SettleEdit]:
        """The server named this edit in an error. A duplicate item is there already: a success."""
        if error.code == _DUPLICATE:
            yield from self._settle(key, Acknowledged())
        else:
            yield from self._settle(key, Refused(error))

    def refuse_only(self, about: About, error: ErrorBody) -> Iterator[SettleEdit]:
        """An error about such edits that names none: meant is the one pending, if there is one."""
        meant = [k for k, e in self.pending.items() if _ABOUT.get(e.kind, About.ITEM) is about]
        if len(meant) == 1:
            yield from self.refuse(meant[0], error)

    def expire(self, key: str) -> Iterator[SettleEdit]:
        """No answer came."""
        yield from self._settle(key, Expired(self.after))

    def end(self, close: Close) -> Iterator[SettleEdit]:
        """The connection is gone, and with it every answer."""
        for key in tuple(self.pending):
            yield from self._settle(key, Gone(close))

    def _settle_first(
        self, fits: Callable[[Pending], bool], result: EditResult
    ) -> Iterator[SettleEdit]:
        for key, edit in self.pending.items():
            if fits(edit):
                yield from self._settle(key, result)
                return

    def _settle(self, key: str, result: EditResult) -> Iterator[SettleEdit]:
        del self.pending[key]
        self.deadlines.clear(key)
        yield SettleEdit(key, result)


def _alike(asked: Item, told: Item) -> bool:
    """Whether an item that a server named by itself says what was asked for, and says anything. Images
    may be told without their data."""
    said, shown, seen = _said(asked), _images(asked), _images(told)
    same = len(shown) == len(seen) and all(
        url in (None, own) for own, url in zip(shown, seen, strict=True)
    )
    return same and said == _said(told) and any((*said[2:], shown))


def _said(item: Item) -> tuple[str | None, ...]:
    words = "".join(part.text or "" for part in item.content or ())
    return item.type, item.role, item.call_id, item.name, item.output, words


def _images(item: Item) -> list[str | None]:
    return [part.image_url for part in item.content or () if part.type == "input_image"]


def _item(raw: object) -> Item | None:
    """An item that was written by hand, as far as it can be read."""
    try:
        return msgspec.convert(raw, Item)
    except msgspec.ValidationError:
        known = raw if isinstance(raw, dict) else {}
        return Item(type="", id=known["id"]) if isinstance(known.get("id"), str) else None


def _subject(event: Asked) -> tuple[str, str | None, Item | None]:
    """The kind of an edit, the item that it concerns, and the one that it creates, read off the event
    or off its plain form."""
    if isinstance(event, ce.RawClientEvent):
        item = _item(event.raw.get("item"))
        item_id = item.id if item is not None else event.raw.get("item_id")
        return _KINDS[event.raw["type"]], item_id if isinstance(item_id, str) else None, item
    kind = _KINDS[str(event.__struct_config__.tag)]
    match event:
        case ce.ConversationItemCreate():
            return kind, event.item.id, event.item
        case (
            ce.ConversationItemDelete()
            | ce.ConversationItemTruncate()
            | ce.ConversationItemRetrieve()
        ):
            return kind, event.item_id, None
        case _:
            return kind, None, None
