"""Edits of the conversation and of the session, each waiting for its acknowledgement.

Positive answers do not echo the client's event id (OpenAI Realtime reference), so an item edit is
recognised by its item id and a `session.update` by order. Refusals name the event id, or, where the
server leaves that out, the one edit of that kind which is pending. None waits behind another's
deadline.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from rejoinder.core.blame import About
from rejoinder.core.conversation import alike
from rejoinder.core.deadlines import Deadlines
from rejoinder.core.effects import Acknowledged, EditResult, Expired, Gone, Refused
from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.outcomes import Close
from rejoinder.wire import client_events as ce
from rejoinder.wire import flat, lenient
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.session import SessionConfig

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
CONFIG = "rejoinder_config"
"""The key of the `session.update` that the session itself sends on connecting."""

MOVE = "rejoinder_move"
"""The key of the `input_audio_buffer.clear` with which a server that is being replaced is told to forget."""

ANSWER = "rejoinder_answer"
"""The event id of the request that stands for the server's own answer to a turn: nobody's here."""

OWN = frozenset({CONFIG, MOVE})
"""The keys of edits of our own: nobody waits for them."""

_ABOUT = {"update": About.SESSION, "commit": About.AUDIO, "clear": About.AUDIO}


EDITS = frozenset(_KINDS)
"""The names of the client events that the server answers one by one, responses apart."""

Asked: TypeAlias = ce.ClientEvent | ce.RawClientEvent


class Pending(msgspec.Struct, frozen=True):
    """An edit that is not answered yet. ``item_id`` None: it is answered in order of sending. ``item``:
    what it creates. ``link``: where it was sent, 0 if it has not been. ``heard``: of what it cuts short, the
    words that the user has heard, as far as its caller knows."""

    event: Asked
    kind: str
    item_id: str | None
    item: Item | None = None
    link: int = 0
    heard: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What came of an edit."""

    key: str
    edit: Pending
    result: EditResult


class Requests(msgspec.Struct):
    """The edits under way, oldest first, by key. ``after``: the edit clock, in seconds. ``hearing``: the
    link on which something is told; nothing but what was sent there is answered by it.

    ``names``: the event ids lately given to anything but a response, so that an error that names one
    is not taken for one that names nobody.
    """

    after: float
    names: dict[str, None] = {}
    pending: dict[str, Pending] = {}
    deadlines: Deadlines = msgspec.field(default_factory=Deadlines)
    hearing: int = FIRST_LINK

    def ask(
        self, now: float, key: str, event: Asked, link: int = 0, heard: str | None = None
    ) -> Pending:
        """Remembers an edit, and its deadline."""
        self.name(key)
        edit = self.pending[key] = Pending(event, *_subject(event), link, heard)
        self.deadlines.set(key, now + self.after, "edit")
        return edit

    def ask_before_all(self, now: float, key: str, event: Asked, link: int) -> None:
        """The same for an edit that goes out before those that wait: it is answered before them."""
        waiting, self.pending = self.pending, {}
        self.ask(now, key, event, link)
        self.pending |= waiting

    def of(self, link: int) -> list[str]:
        """The keys of those that went out on a link, oldest first."""
        return [key for key, edit in self.pending.items() if edit.link == link]

    def sent(self, key: str, link: int) -> Pending:
        """A pending edit goes out, for the first time or again. Answers are looked for in this order."""
        edit = msgspec.structs.replace(self.pending.pop(key), link=link)
        self.pending[key] = edit
        return edit

    def carried_out(self, key: str | None) -> Iterator[Answer]:
        """What this edit asked for is so, if anybody still waits for it."""
        if key in self.pending:
            yield from self._settle(str(key), Acknowledged())

    def first(self, kind: str, item_id: str | None = None) -> str | None:
        """The key of the oldest edit of a kind (and an item) that the link that is heard may answer."""
        return next(
            (
                key
                for key, edit in self.pending.items()
                if edit.link == self.hearing
                and edit.kind == kind
                and edit.item_id in (None, item_id)
            ),
            None,
        )

    def drop(self, key: str) -> None:
        """Nobody waits for this edit."""
        self.pending.pop(key, None)
        self.deadlines.clear(key)

    def name(self, event_id: str) -> None:
        """Remembers the event id of something that was sent."""
        self.names[event_id] = None
        if len(self.names) > _MOST_NAMES:
            del self.names[next(iter(self.names))]

    def acknowledge(
        self, kind: str, item_id: str | None = None, item: Item | None = None
    ) -> Iterator[Answer]:
        """The server did what the oldest pending edit of this kind (and item) asked for."""
        key = self.first(kind, item_id)
        if key is not None:
            yield from self._settle(key, Acknowledged(item))

    def created_as(self, item: Item) -> str | None:
        """The key of the edit that this new item answers: the one that gave it its id, or, with servers
        that give ids of their own, the oldest that says the same."""
        pending = [
            (key, edit)
            for key, edit in self.pending.items()
            if edit.kind == "create" and edit.link == self.hearing
        ]
        same = (key for key, edit in pending if edit.item_id == item.id)
        says = (key for key, edit in pending if edit.item is not None and alike(edit.item, item))
        return next(same, None) or next(says, None)

    def created(self, key: str, item: Item) -> Iterator[Answer]:
        """The server created what this edit asked for."""
        yield from self._settle(key, Acknowledged(item))

    def refuse(self, key: str, error: ErrorBody) -> Iterator[Answer]:
        """The server named this edit in an error. A duplicate item is there already: a success."""
        if error.code == _DUPLICATE:
            yield from self._settle(key, Acknowledged())
        else:
            yield from self._settle(key, Refused(error))

    def refuse_only(self, about: About, error: ErrorBody) -> Iterator[Answer]:
        """An error about such edits that names none: meant is the one pending, if there is one."""
        meant = [
            key
            for key, edit in self.pending.items()
            if edit.link == self.hearing and _ABOUT.get(edit.kind, About.ITEM) is about
        ]
        if len(meant) == 1:
            yield from self.refuse(meant[0], error)

    def expire(self, key: str) -> Iterator[Answer]:
        """No answer came."""
        yield from self._settle(key, Expired(self.after))

    def end(self, close: Close) -> Iterator[Answer]:
        """The connection is gone, and with it every answer."""
        for key in tuple(self.pending):
            yield from self._settle(key, Gone(close))

    def _settle(self, key: str, result: EditResult) -> Iterator[Answer]:
        self.deadlines.clear(key)
        yield Answer(key, self.pending.pop(key), result)


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


def audio_end_ms(event: Asked) -> int:
    """Up to where a truncation keeps the audio; 0 where it does not say."""
    end = _of_truncation(event, "audio_end_ms")
    return end if isinstance(end, int) else 0


def content_index(event: Asked) -> int:
    """Which part of its item a truncation means."""
    index = _of_truncation(event, "content_index")
    return index if isinstance(index, int) else 0


def _of_truncation(event: Asked, member: str) -> object:
    if isinstance(event, ce.RawClientEvent):
        return event.raw.get(member)
    return getattr(event, member, None)


def configuration(event: Asked) -> SessionConfig | None:
    """What a `session.update` says of the session, as far as it can be read."""
    if isinstance(event, ce.SessionUpdate):
        return event.session
    said = event.raw.get("session") if isinstance(event, ce.RawClientEvent) else None
    return lenient.build(SessionConfig, flat.nested(said)) if isinstance(said, dict) else None
