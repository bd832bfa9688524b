"""What the server behind one link has been told of the conversation, and what it has confirmed.

A new server knows nothing. What it lacks is found by comparing the mirror with what it was told: so the
first telling, what changes meanwhile on the old connection, and words that must be taken back are one
and the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import TypeAlias

import msgspec

from rejoinder.core import renditions
from rejoinder.core.blame import About, subject
from rejoinder.core.conversation import Conversation, alike
from rejoinder.core.effects import Unrestored
from rejoinder.core.verdict import OURS
from rejoinder.wire import client_events as ce
from rejoinder.wire import server_events as ev
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.session import SessionConfig

_ADDED = (ev.ConversationItemAdded, ev.ConversationItemCreated, ev.ConversationItemDone)
_DUPLICATE = "item_create_duplicate_item_id"
_FIRST = "root"

UNCONFIRMED = ErrorBody(
    type=OURS, code="not_confirmed", message="not restored: the server did not confirm it"
)


class Telling(msgspec.Struct, frozen=True):
    """Something that the server has been told and has not answered: to create an item, or to delete one
    (``item`` None). ``edit``: the key of the caller's edit that asked for it, if one did."""

    item_id: str
    item: Item | None
    edit: str | None = None


Fits: TypeAlias = Callable[[Telling], bool]


class Restoration(msgspec.Struct):
    """The conversation as one server knows it from us.

    ``told``: the items that it knows, and as what we told it each; None: as its own. ``pending``: what it
    has not answered, by event id, oldest first. ``lost``: what could not be told, by item; the configuration
    under the empty id. ``confirmed``: those of our items that it has. ``renamed``: old ids to new.
    ``config``: the configuration that it was told, and ``configured``: whether that was answered.
    ``answers``: how often it has answered; ``sent``: how much it was told. ``seen``: the version of the
    mirror that it was compared with last; -1: it is to be compared again in any case.
    """

    told: dict[str, Item | None] = {}
    pending: dict[str, Telling] = {}
    lost: dict[str, Unrestored] = {}
    confirmed: dict[str, None] = {}
    renamed: dict[str, str] = {}
    config: SessionConfig | None = None
    configured: bool = True
    answers: int = 0
    sent: int = 0
    seen: int = -1

    @property
    def settled(self) -> bool:
        """Whether everything was answered. An answer to the configuration comes before those to items; a
        server that leaves it out is not waited for."""
        return not self.pending and (self.configured or bool(self.confirmed))

    @property
    def silent(self) -> bool:
        """Whether the item that it was told last is not answered, which says nothing of that item alone: who
        leaves out an answer goes on with the next."""
        last = next(reversed(self.pending), "")
        return last.endswith(f".{self.sent}") and self.pending[last].item is not None

    def restates(self, item_id: str | None) -> bool:
        """Whether the server knows an item in other words than ours."""
        return self.told.get(item_id or "") is not None

    def takes_back(self, item_id: str | None) -> bool:
        """Whether the server is about to forget an item."""
        telling = self.pending.values()
        return any(each.item is None and each.item_id == item_id for each in telling)

    # -- telling --

    def lacking(
        self,
        name: str,
        conversation: Conversation,
        audio: Mapping[str, bytes],
        alive: Container[str],
    ) -> Iterator[ce.ClientEvent]:
        """What makes the server's conversation the mirror. ``alive``: items that are still being spoken;
        they follow when they are complete. ``name``: what event ids begin with."""
        if self.seen == conversation.version:
            return
        waits = any(each in alive and each not in self.told for each in conversation.order)
        self.seen = -1 if waits else conversation.version
        for item_id in [each for each in self.told if each not in conversation.by_id]:
            yield self._delete(name, item_id)
        for item in conversation.items():
            item_id = item.id or ""
            if item_id in self.told:
                yield from self._brought_up_to_date(name, item, conversation)
            elif item_id not in self.lost and item_id not in alive:
                yield from self._create(name, item, conversation, audio)

    def _brought_up_to_date(
        self, name: str, item: Item, conversation: Conversation
    ) -> Iterator[ce.ClientEvent]:
        """An item that was cut short since it was told."""
        told = self.told[item.id or ""]
        cut = told is not None and item.id in conversation.heard
        if cut and renditions.told(item, conversation, {}) != told:
            yield from self.reword(name, item, conversation)

    def reword(
        self, name: str, item: Item, conversation: Conversation, edit: str | None = None
    ) -> Iterator[ce.ClientEvent]:
        """Takes back what the user has not heard of an item that the server knows from us."""
        item_id = item.id or ""
        words = renditions.told(item, conversation, {})
        rest = words if isinstance(words, Item) else None
        yield self._delete(name, item_id, None if rest else edit)
        if rest is not None:
            yield self._told(name, rest, conversation, edit)

    def _create(
        self, name: str, item: Item, conversation: Conversation, audio: Mapping[str, bytes]
    ) -> Iterator[ce.ClientEvent]:
        rendition = renditions.told(item, conversation, audio)
        if isinstance(rendition, Item):
            yield self._told(name, rendition, conversation)
        else:
            self.lose(item.id or "", rendition)

    def _told(
        self, name: str, item: Item, conversation: Conversation, edit: str | None = None
    ) -> ce.ClientEvent:
        item_id = item.id or ""
        after = self._place(item_id, conversation)
        self.told[item_id] = item
        event_id = self._ask(name, Telling(item_id, item, edit))
        return ce.ConversationItemCreate(event_id=event_id, item=item, previous_item_id=after)

    def _delete(self, name: str, item_id: str, edit: str | None = None) -> ce.ClientEvent:
        del self.told[item_id]
        self.confirmed.pop(item_id, None)
        event_id = self._ask(name, Telling(item_id, None, edit))
        return ce.ConversationItemDelete(event_id=event_id, item_id=item_id)

    def _ask(self, name: str, telling: Telling) -> str:
        self.sent += 1
        event_id = f"{name}.{self.sent}"
        self.pending[event_id] = telling
        return event_id

    def _place(self, item_id: str, conversation: Conversation) -> str | msgspec.UnsetType:
        """After which item it goes. To the end without naming one, if it can be: the one before it may be
        refused."""
        at = conversation.order.index(item_id)
        if not any(each in self.told for each in conversation.order[at + 1 :]):
            return msgspec.UNSET
        before = [each for each in conversation.order[:at] if each in self.told]
        return before[-1] if before else _FIRST

    # -- being answered --

    def answered(self, event: ev.ServerEvent) -> Telling | None:
        """What this event answers, if it answers anything of ours."""
        match event:
            case ev.Error():
                event_id = self._refused(event.error)
            case ev.ConversationItemDeleted():
                event_id = self._first(lambda each: not each.item and each.item_id == event.item_id)
            case _ if isinstance(event, _ADDED):
                event_id = self._added(event.item)
            case _:
                return None
        return None if event_id is None else self._settle(event_id, event)

    def lose(self, item_id: str, error: ErrorBody) -> None:
        """An item is not in the server's conversation, and will not be."""
        self.told.pop(item_id, None)
        self.lost[item_id] = Unrestored("item", item_id, error)

    def found(self, item_id: str | None) -> None:
        """The server has an item of this id after all: it was created anew, or confirmed too late."""
        if item_id:
            self.lost.pop(item_id, None)

    def refuse_configuration(self, error: ErrorBody) -> None:
        """The server will not be configured as the old one was."""
        self.configured = True
        self.answers += 1
        self.lost[""] = Unrestored("update", None, error)

    def give_up(self) -> None:
        """Nothing more will be answered: what is pending counts as lost."""
        left, self.pending = list(self.pending.values()), {}
        for telling in left:
            if telling.item is not None:
                self.lose(telling.item_id, UNCONFIRMED)

    def _settle(self, event_id: str, event: ev.ServerEvent) -> Telling:
        telling = self.pending.pop(event_id)
        self.answers += 1
        error = event.error if isinstance(event, ev.Error) else None
        if telling.item is None:
            return telling
        if error is not None and error.code != _DUPLICATE:
            self.lose(telling.item_id, error)
            return telling
        name = event.item.id if isinstance(event, _ADDED) else None
        if name and name != telling.item_id:
            self.renamed[telling.item_id] = name
            del self.told[telling.item_id]
            self.told[name] = msgspec.structs.replace(telling.item, id=name)
        self.confirmed[name or telling.item_id] = None
        return telling

    def _added(self, item: Item) -> str | None:
        """The telling that a new item answers: the one of its id, or, where the server gives ids of its own,
        the first that says the same."""
        same = self._first(lambda each: each.item is not None and each.item_id == item.id)
        if same is not None or item.id in self.told:
            return same
        return self._first(lambda each: each.item is not None and alike(each.item, item))

    def _refused(self, error: ErrorBody) -> str | None:
        """The telling that an error refuses: the one it names; if it names none, the call that its words
        name (such refusals come without an event id: livekit/agents#3344)."""
        if error.event_id is not None:
            return error.event_id if error.event_id in self.pending else None
        words = error.message or ""
        meant = self._first(
            lambda each: bool(each.item and each.item.call_id and each.item.call_id in words)
        )
        if meant is None and len(self.pending) == 1 and subject(error) is About.ITEM:
            return next(iter(self.pending))
        return meant

    def _first(self, fits: Fits) -> str | None:
        return next((event_id for event_id, each in self.pending.items() if fits(each)), None)
