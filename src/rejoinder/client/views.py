"""Views: what a session lets be seen of what it keeps."""

from __future__ import annotations

from rejoinder.client.response import Record, Response
from rejoinder.client.streams import Feed
from rejoinder.client.waiting import Waiting
from rejoinder.core.session import Session
from rejoinder.wire.items import Item

__all__ = ["Mirror", "Responses"]


class Responses:
    """Iterates the responses that the server begins by itself: `Session.responses`."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._feed: Feed[Record] = waiting.unclaimed

    @property
    def dropped(self) -> int:
        """How many had to go because nobody took them."""
        return self._feed.dropped

    def __aiter__(self) -> Responses:
        return self

    async def __anext__(self) -> Response:
        """The next response. Cancelling it loses nothing."""
        return self._waiting.handle(await anext(self._feed))


class Mirror:
    """A read-only view of the conversation, as the server has told it."""

    def __init__(self, told: Session) -> None:
        self._told = told

    def items(self) -> list[Item]:
        """The items, in order, as a fresh list."""
        return self._told.conversation.items()

    def get(self, item_id: str) -> Item | None:
        """The item, or None."""
        return self._told.conversation.get(item_id)

    def previous_of(self, item_id: str) -> str | None:
        """The id of the item before this one; None for the first and for an unknown one."""
        return self._told.conversation.previous_of(item_id)

    def __repr__(self) -> str:
        return f"<Mirror of {len(self.items())} items>"
