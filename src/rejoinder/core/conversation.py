"""The mirror: the conversation as the server has told it to us.

`previous_item_id` is a hint for where an item stands at the moment of the event. Some servers never
send it, and after a deletion it may name an item that is gone; then the item goes to the end.
"""

from __future__ import annotations

from collections.abc import Container

import msgspec

from rejoinder.wire.items import ContentPart, Item


class Conversation(msgspec.Struct):
    """Items in order. ``linked``: the server has been seen to name predecessors, so null means first.

    ``heard``: of items that the user cut short, the words up to there. ``version`` counts the changes.
    """

    order: list[str] = []
    by_id: dict[str, Item] = {}
    linked: bool = False
    heard: dict[str, str] = {}
    version: int = 0

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

    def add(
        self, item: Item, previous_item_id: str | None, known: Container[str] | None = None
    ) -> bool:
        """Takes an item in; True if it is new. A known one is brought up to date and stays in place.

        ``known``: the items that the server has heard of, if not all: those that it has not stand before
        what it adds.
        """
        if not item.id:
            return False
        self.linked = self.linked or previous_item_id is not None
        new = item.id not in self.by_id
        if new:
            at = self._place(previous_item_id)
            while known is not None and at < len(self.order) and self.order[at] not in known:
                at += 1
            self.order.insert(at, item.id)
            self.by_id[item.id] = item
            self.version += 1
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
        if item.id in self.heard:
            said["content"] = [_unsaid(part) for part in said["content"] or ()]
        merged = msgspec.structs.replace(known, **said)
        changed = merged != known
        self.by_id[item.id] = merged
        self.version += changed
        return changed

    def remove(self, item_id: str) -> bool:
        """Takes an item out; False if it was not there."""
        if self.by_id.pop(item_id, None) is None:
            return False
        self.order.remove(item_id)
        self.heard.pop(item_id, None)
        self.version += 1
        return True

    def rename(self, item_id: str, other: str) -> None:
        """The server knows an item by another id from now on."""
        self.order[self.order.index(item_id)] = other
        self.by_id[other] = msgspec.structs.replace(self.by_id.pop(item_id), id=other)
        if item_id in self.heard:
            self.heard[other] = self.heard.pop(item_id)
        self.version += 1

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
        self.version += 1
        return self.by_id[item_id]

    def cut(self, item_id: str, content_index: int, words: str) -> Item | None:
        """The user has heard so much of an item: the server forgets its transcript, we keep ``words``."""
        if item_id in self.by_id:
            self.heard[item_id] = words
            self.version += 1
        return self.transcribe(item_id, content_index, None)

    def image_bytes_after(self, item_id: str) -> int:
        """How much the images of all later items weigh, as they are sent."""
        later = self.order[self.order.index(item_id) + 1 :]
        parts = (part for each in later for part in self.by_id[each].content or ())
        return sum(len(part.image_url or "") for part in parts)

    def _place(self, previous_item_id: str | None) -> int:
        if previous_item_id is None:
            return 0 if self.linked else len(self.order)
        if previous_item_id in self.by_id:
            return self.order.index(previous_item_id) + 1
        return len(self.order)


def _unsaid(part: ContentPart) -> ContentPart:
    """A part without the words that its server has forgotten, whatever it says of them later."""
    return msgspec.structs.replace(part, transcript=None)


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
        content=_merged(asked.content, told.content),
    )


def alike(asked: Item, told: Item) -> bool:
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


def _merged(
    known: list[ContentPart] | None, new: list[ContentPart] | None
) -> list[ContentPart] | None:
    """An event without audio, transcript or image does not unsay what an earlier one said."""
    if not known or not new:
        return new or known
    parts = list(new)
    for index, (old, part) in enumerate(zip(known, new, strict=False)):
        parts[index] = msgspec.structs.replace(
            part,
            text=part.text if part.text is not None else old.text,
            transcript=part.transcript if part.transcript is not None else old.transcript,
            audio=part.audio if part.audio is not None else old.audio,
            image_url=part.image_url or old.image_url,
        )
    return parts
