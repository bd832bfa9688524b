"""LiveKit's chat context and the server's conversation: items both ways, and what to change.

Pure: nothing is sent from here.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from livekit import rtc
from livekit.agents import llm
from livekit.agents.llm.chat_context import Instructions

from rejoinder.wire.items import ContentPart, Item

logger = logging.getLogger("rejoinder.livekit")

FIRST = "root"
"""As ``previous_item_id``: before everything else."""

_LONGEST_CALL_ID = 32  # servers refuse longer ones
_INSTRUCTIONS = "lk.agent_task.instructions"
_ROLES: dict[str, llm.ChatRole] = {"system": "system", "user": "user", "assistant": "assistant"}
_CARRIED = ("message", "function_call", "function_call_output")


class Create(msgspec.Struct, frozen=True):
    """Create an item after ``previous_item_id`` (`FIRST`: before all others; None: at the end)."""

    item: Item
    previous_item_id: str | None

    @property
    def item_id(self) -> str:
        """The item's id."""
        return self.item.id or ""


class Delete(msgspec.Struct, frozen=True):
    """Delete an item."""

    item_id: str


class Truncate(msgspec.Struct, frozen=True):
    """Cut an assistant message's audio after ``audio_end_ms``. The server forgets all of its words;
    ``heard``: those up to there, None where they are not known."""

    item_id: str
    audio_end_ms: int
    heard: str | None = None


Change = Create | Delete | Truncate


def plan(there: Sequence[llm.ChatItem], wanted: llm.ChatContext) -> list[Create | Delete]:
    """The changes, in order, that turn the conversation that is ``there`` into the one ``wanted``.

    The items that both have in the same order stay. Instructions, handoffs and configuration updates
    are no items of the conversation. A message without content is not created, and one that is there
    without content (audio whose words are not known) is not rewritten.
    """
    known = {item.id: item for item in there}
    target = _each_once(item for item in wanted.items if _belongs(item))
    stay = _common([item.id for item in there], [item.id for item in target])
    changes: list[Create | Delete] = [Delete(item.id) for item in there if item.id not in stay]
    previous = FIRST
    for item in target:
        if item.id not in stay or _reworded(known[item.id], item):
            new = to_wire(item)
            if new is None and item.id not in stay:
                continue
            if new is not None:
                changes += [Delete(item.id)] if item.id in stay else []
                changes.append(Create(new, previous))
        previous = item.id
    return changes


def applied(there: Sequence[llm.ChatItem], changes: Sequence[Change]) -> list[llm.ChatItem]:
    """The conversation after these changes, as far as it can be foretold."""
    items = list(there)
    for change in changes:
        if isinstance(change, Truncate):
            items = [_wordless(item) if item.id == change.item_id else item for item in items]
            continue
        items = [item for item in items if item.id != change.item_id]
        if isinstance(change, Create) and (item := from_wire(change.item)) is not None:
            items.insert(_place(items, change.previous_item_id), item)
    return items


def to_wire(item: llm.ChatItem) -> Item | None:
    """The protocol's item; None for one that cannot be created (nothing in it can be said there)."""
    match item:
        case llm.ChatMessage():
            content = list(_parts(item))
            role = "system" if item.role == "developer" else item.role
            return Item(type="message", id=item.id, role=role, content=content) if content else None
        case llm.FunctionCall():
            return Item(
                type="function_call",
                id=item.id,
                call_id=short_call_id(item.call_id),
                name=item.name,
                arguments=item.arguments,
            )
        case llm.FunctionCallOutput():
            return Item(
                type="function_call_output",
                id=item.id,
                call_id=short_call_id(item.call_id),
                output=item.output,
            )
        case _:
            return None


def as_input(context: llm.ChatContext) -> list[Item]:
    """A context as the input of one response. Its items are not those of the conversation, and so
    they have no ids."""
    items = (to_wire(item) for item in context.items if _belongs(item))
    return [msgspec.structs.replace(item, id=None) for item in items if item is not None]


def from_wire(item: Item) -> llm.ChatItem | None:
    """LiveKit's item; None for one that it does not know, or of which too little is known yet."""
    if not item.id:
        return None
    if item.type == "message" and item.role in _ROLES:
        return llm.ChatMessage(id=item.id, role=_ROLES[item.role], content=list(_content(item)))
    if item.type == "function_call" and item.call_id and item.name:
        return llm.FunctionCall(
            id=item.id, call_id=item.call_id, name=item.name, arguments=item.arguments or ""
        )
    if item.type == "function_call_output" and item.call_id:
        return llm.FunctionCallOutput(
            id=item.id, call_id=item.call_id, output=item.output or "", is_error=False
        )
    return None


def short_call_id(call_id: str) -> str:
    """A call id that servers take: a long one becomes a digest, the same for call and output."""
    if len(call_id) <= _LONGEST_CALL_ID:
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:_LONGEST_CALL_ID]


def image_message(frame: rtc.VideoFrame) -> llm.ChatMessage:
    """A user message that shows one video frame."""
    return llm.ChatMessage(role="user", content=[llm.ImageContent(image=frame)])


def _each_once(items: Iterable[llm.ChatItem]) -> list[llm.ChatItem]:
    """Of those with the same id the first alone: a conversation has each item once."""
    once: dict[str, llm.ChatItem] = {}
    for item in items:
        once.setdefault(item.id, item)
    return list(once.values())


def _belongs(item: llm.ChatItem) -> bool:
    return item.type in _CARRIED and not item.id.startswith(_INSTRUCTIONS)


def _reworded(old: llm.ChatItem, new: llm.ChatItem) -> bool:
    if not isinstance(old, llm.ChatMessage) or not isinstance(new, llm.ChatMessage):
        return False
    return bool(old.content) and old.raw_text_content != new.raw_text_content


def _wordless(item: llm.ChatItem) -> llm.ChatItem:
    return item.model_copy(update={"content": []}) if isinstance(item, llm.ChatMessage) else item


def _common(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """The ids of a longest common subsequence. Only what stands between two moved items is searched."""
    both = set(old) & set(new)
    old, new = [i for i in old if i in both], [i for i in new if i in both]
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = _longest(old[head : len(old) - tail], new[head : len(new) - tail])
    return {*old[:head], *middle, *old[len(old) - tail :]}


def _longest(old: Sequence[str], new: Sequence[str]) -> list[str]:
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            longer = max(lengths[i + 1][j], lengths[i][j + 1])
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if old[i] == new[j] else longer
    common: list[str] = []
    i = j = 0
    while i < len(old) and j < len(new):
        if old[i] == new[j]:
            common.append(old[i])
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return common


def _place(items: Sequence[llm.ChatItem], previous_item_id: str | None) -> int:
    if previous_item_id == FIRST:
        return 0
    ids = [item.id for item in items]
    return ids.index(previous_item_id) + 1 if previous_item_id in ids else len(ids)


def _parts(message: llm.ChatMessage) -> Iterator[ContentPart]:
    text = "output_text" if message.role == "assistant" else "input_text"
    for content in message.content:
        if isinstance(content, str | Instructions):
            yield ContentPart(type=text, text=str(content))
        elif message.role != "user":
            continue  # only a user's message may hold anything but text
        elif isinstance(content, llm.ImageContent):
            yield from _image(content)
        elif isinstance(content, llm.AudioContent):
            heard = rtc.combine_audio_frames(content.frame).data
            yield ContentPart(
                type="input_audio", audio=heard.tobytes(), transcript=content.transcript
            )


def _image(content: llm.ImageContent) -> Iterator[ContentPart]:
    try:
        image = llm.utils.serialize_image(content)
    except ValueError as error:
        logger.warning("image left out: %s", error)
        return
    if image.data_bytes is None:
        logger.warning("image left out: servers take image data, not the address of an image")
        return
    data = base64.b64encode(image.data_bytes).decode()
    yield ContentPart(type="input_image", image_url=f"data:{image.mime_type};base64,{data}")


def _content(item: Item) -> Iterator[llm.ChatContent]:
    for part in item.content or ():
        if part.type == "input_image" and part.image_url:
            yield llm.ImageContent(image=part.image_url)
        elif words := part.text or part.transcript:
            yield words
