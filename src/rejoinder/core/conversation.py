"""The mirror: the conversation as the server has told it to us.

`previous_item_id` is a hint for where an item stands at the moment of the event. Some servers never
send it, and after a deletion it may name an item that is gone; then the item goes to the end.
"""

from __future__ import annotations

import msgspec

from rejoinder.wire.items import ContentPart, Item


class Conversation(msgspec.Struct):
    """Items in order. ``linked``: the server has been seen to name predecessors, so null means first."""

    order: list[str] = []
    by_id: dict[str, Item] = {}
    linked: bool = False

    def items(self) -> list[Item]:
        """A fresh list, in order."""
        return [self.by_id[item_id] for item_id in self.order]

    def get(self, item_id: str) -> Item | None:
        """The item, or None."""
        return self.by_id.get(item_id)

    def previous_of(self, item_id: str) -> str | None:
        """The id of the item before this one, None for the first or an unknown one."""
        if item_id not in self.by_id:
            return None
        at = self.order.index(item_id)
        return self.order[at - 1] if at else None

    def add(self, item: Item, previous_item_id: str | None) -> bool:
        """Takes an item in; True if it is new. A known one is brought up to date and stays in place."""
        if not item.id:
            return False
        self.linked = self.linked or previous_item_id is not None
        new = item.id not in self.by_id
        if new:
            self.order.insert(self._place(previous_item_id), item.id)
            self.by_id[item.id] = item
        else:
            self.update(item)
        return new

    def update(self, item: Item) -> bool:
        """Brings a known item up to date; what the new version leaves out is kept. False if unknown."""
        known = self.by_id.get(item.id or "")
        if known is None or item.id is None:
            return False
        told = msgspec.structs.asdict(item).items()
        said = {name: value for name, value in told if value is not None and value != ""}
        said["content"] = _merged(known.content, item.content)
        merged = msgspec.structs.replace(known, **said)
        changed = merged != known
        self.by_id[item.id] = merged
        return changed

    def remove(self, item_id: str) -> bool:
        """Takes an item out; False if it was not there."""
        if self.by_id.pop(item_id, None) is None:
            return False
        self.order.remove(item_id)
        return True

    def transcribe(self, item_id: str, content_index: int, transcript: str | None) -> Item | None:
        """Sets (never appends) the transcript of a part. None clears it: a truncation does that."""
        known = self.by_id.get(item_id)
        content = list(known.content or ()) if known else []
        if known is None or not 0 <= content_index < len(content):
            return None
        content[content_index] = msgspec.structs.replace(
            content[content_index], transcript=transcript
        )
        self.by_id[item_id] = msgspec.structs.replace(known, content=content)
        return self.by_id[item_id]

    def _place(self, previous_item_id: str | None) -> int:
        if previous_item_id is None:
            return 0 if self.linked else len(self.order)
        if previous_item_id in self.by_id:
            return self.order.index(previous_item_id) + 1
        return len(self.order)


def identified(told: Item, asked: Item) -> Item:
    """An item as the server tells it, with what it leaves out of what was asked for: without its call
    or its role nobody could tell later what it is."""
    return msgspec.structs.replace(
        told,
        role=told.role or asked.role,
        call_id=told.call_id or asked.call_id,
        name=told.name or asked.name,
        arguments=told.arguments or asked.arguments,
        output=told.output or asked.output,
    )


def _merged(
    known: list[ContentPart] | None, new: list[ContentPart] | None
) -> list[ContentPart] | None:
    """An event without audio or without its transcript does not unsay what an earlier one said."""
    if not known or not new:
        return new or known
    parts = list(new)
    for index, (old, part) in enumerate(zip(known, new, strict=False)):
        parts[index] = msgspec.structs.replace(
            part,
            text=part.text if part.text is not None else old.text,
            transcript=part.transcript if part.transcript is not None else old.transcript,
            audio=part.audio if part.audio is not None else old.audio,
        )
    return parts
