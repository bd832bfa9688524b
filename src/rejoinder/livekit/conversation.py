"""The conversation as LiveKit sees it, and its changes on their way to the server."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import msgspec
from livekit.agents import llm

from rejoinder.client.edit import Edit
from rejoinder.client.session import Session
from rejoinder.core.effects import Acknowledged, EditResult
from rejoinder.errors import ConfigurationError, EditError, EditExpired, EditRefused
from rejoinder.livekit.chat_context import (
    FIRST,
    Change,
    Create,
    Delete,
    Truncate,
    applied,
    from_wire,
    plan,
)
from rejoinder.livekit.errors import SESSION_CLOSED, UpdateError
from rejoinder.wire.items import Item

logger = logging.getLogger("rejoinder.livekit")


_MOST_FRAMES = 32
"""How many video frames the conversation holds. At two a second it is a quarter of a minute, and more
images than most models' context has room for."""


class Conversation:
    """The mirror of the server's conversation in LiveKit's terms.

    An update is compared with what the conversation will be once every change under way is done. So
    no update waits for another one's deadline, and none repeats what another one has asked for.

    Some servers give items ids of their own. Here, an item that we created keeps the id that it was
    created with; the server's is used on the wire.
    """

    def __init__(self, client: Session) -> None:
        self._client = client
        self._seen: dict[str, tuple[Item, llm.ChatItem | None]] = {}
        self._confidence: dict[str, float] = {}
        self._under_way: list[tuple[Change, Edit]] = []
        self._ours: dict[str, str] = {}
        self._frames: dict[str, bool] = {}  # whether it stays, by the id of each

    def items(self) -> list[llm.ChatItem]:
        """The items that the server has told us of, in order; those that LiveKit has no word for
        are left out. An item stays the same object for as long as it does not change."""
        self._pending()
        seen: dict[str, tuple[Item, llm.ChatItem | None]] = {}
        for item in self._client.conversation.items():
            before = self._seen.get(item.id or "")
            seen[item.id or ""] = (
                before if before and before[0] is item else (item, self._read(item, before))
            )
        self._seen = seen
        return [chat_item for _, chat_item in seen.values() if chat_item is not None]

    def added(self, item: Item) -> llm.RemoteItemAddedEvent | None:
        """What to tell of an item that has just joined the conversation, and after which one that was
        told; None where it is no news: an agent's own history does not keep the frames of a video."""
        items = self._without_frames(self.items())
        ours = self._ours.get(item.id or "", item.id)
        at = next((at for at, each in enumerate(items) if each.id == ours), None)
        if at is None:
            return None
        return llm.RemoteItemAddedEvent(items[at - 1].id if at else None, items[at])

    def trust(self, item_id: str, confidence: float | None) -> None:
        """How sure the transcriber was of what the user said in an item (0 to 1)."""
        if confidence is not None:
            self._confidence[item_id] = confidence
            self._seen.pop(item_id, None)

    def forget(self, item_id: str) -> None:
        """The item has left the conversation."""
        self._confidence.pop(item_id, None)
        self._ours.pop(item_id, None)

    def renamed(self, item_id: str, other: str) -> None:
        """The server knows an item by another id from now on."""
        self._ours[other] = self._ours.pop(item_id, item_id)
        if item_id in self._confidence:
            self._confidence[other] = self._confidence.pop(item_id)

    async def update(self, wanted: llm.ChatContext) -> None:
        """Makes the server's conversation the one that is ``wanted``.

        Returns when every change has been answered. A change that the server refuses is logged, and
        the others stand. Raises `UpdateError` if one is not answered within the edit clock or the
        session ends. Cancelling it leaves the changes under way.
        """
        before = [edit for _, edit in self._pending()]
        there = self._foretold()
        told = llm.ChatContext(self._without_frames(wanted.items))
        own = self.send(self._behind_frames(there, plan(self._without_frames(there), told)))
        unanswered: EditError | None = None
        for edit in (*before, *own):
            try:
                await edit
            except EditRefused as error:
                logger.warning("the server refused a change of the chat context: %s", error)
            except EditError as error:
                unanswered = error if edit in own else unanswered
        if unanswered is not None:
            raise _failed(unanswered)

    def send(self, changes: Sequence[Change]) -> list[Edit]:
        """Sends changes, in order. Nobody has to wait for them."""
        sent = [(change, edit) for change in changes if (edit := self._send(change)) is not None]
        self._under_way = [*self._pending(), *sent]
        return [edit for _, edit in sent]

    def show(self, frame: Item) -> None:
        """Adds a frame of a video. The newest 32 stay in the conversation, the older ones leave it; no
        `update` touches them."""
        self._frames[frame.id or ""] = True
        self.send([Create(frame, None)])
        staying = [item_id for item_id, stays in self._frames.items() if stays]
        if len(staying) > _MOST_FRAMES:
            self._frames[staying[0]] = False
            self.send([Delete(staying[0])])

    def reword(self, item_id: str, text: str) -> None:
        """Replaces the words of a message, where it stands."""
        items = self._without_frames(self._foretold())
        wanted = [
            item.model_copy(update={"content": [text]})
            if item.id == item_id and isinstance(item, llm.ChatMessage)
            else item
            for item in items
        ]
        self.send(plan(items, llm.ChatContext(wanted)))

    def _foretold(self) -> list[llm.ChatItem]:
        return applied(self.items(), [change for change, _ in self._pending()])

    def _behind_frames(
        self, there: Sequence[llm.ChatItem], changes: Sequence[Change]
    ) -> list[Change]:
        """What goes to the end goes behind the frames that stand there already; behind one that the
        server has not told, and may refuse, without naming it."""
        others = self._without_frames(there)
        last = others[-1].id if others else FIRST
        end = there[-1].id if there else FIRST
        moves = any(not isinstance(each, Truncate) and each.item_id == last for each in changes)
        if moves or end == last:
            return list(changes)
        behind = end if any(item.id == end for item in self.items()) else None
        return [
            Create(change.item, behind)
            if isinstance(change, Create) and change.previous_item_id == last
            else change
            for change in changes
        ]

    def _without_frames(self, items: Iterable[llm.ChatItem]) -> list[llm.ChatItem]:
        return [item for item in items if item.id not in self._frames]

    def _pending(self) -> list[tuple[Change, Edit]]:
        """The changes under way. Those that are done have told something before they are forgotten."""
        for change, edit in self._under_way:
            if edit.result is not None:
                self._learn(change, edit.result)
        self._under_way = [(c, e) for c, e in self._under_way if e.result is None]
        return list(self._under_way)

    def _learn(self, change: Change, result: EditResult) -> None:
        match change, result:
            case Delete(item_id), _:
                self._frames.pop(item_id, None)
            case Create(item), Acknowledged(told) if told is not None and told.id != item.id:
                self._ours[told.id or ""] = change.item_id
            case _:
                pass  # nothing that was not known

    def _theirs(self, item_id: str) -> str:
        """The name by which the server knows an item."""
        return next((theirs for theirs, ours in self._ours.items() if ours == item_id), item_id)

    def _send(self, change: Change) -> Edit | None:
        try:
            return self._edit(change)
        except ConfigurationError as error:
            logger.warning("a change of the chat context cannot be sent: %s", error)
            return None

    def _edit(self, change: Change) -> Edit:
        match change:
            case Create(item, previous):
                after = previous if previous is None else self._theirs(previous)
                return self._client.create_item(item, previous_item_id=after)
            case Delete(item_id):
                return self._client.delete_item(self._theirs(item_id))
            case Truncate(item_id, audio_end_ms, heard):
                theirs = self._theirs(item_id)
                return self._client.truncate_item(theirs, 0, audio_end_ms, heard=heard)

    def _read(
        self, item: Item, before: tuple[Item, llm.ChatItem | None] | None
    ) -> llm.ChatItem | None:
        ours = self._ours.get(item.id or "")
        chat_item = from_wire(msgspec.structs.replace(item, id=ours) if ours else item)
        if chat_item is not None and before is not None and before[1] is not None:
            chat_item.created_at = before[1].created_at
        if isinstance(chat_item, llm.ChatMessage):
            chat_item.transcript_confidence = self._confidence.get(item.id or "")
        return chat_item


def _failed(error: EditError) -> UpdateError:
    code = "timeout_edit" if isinstance(error, EditExpired) else SESSION_CLOSED
    return UpdateError(f"the chat context was not updated: {error.message}", code=code)
