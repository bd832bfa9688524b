"""How an item is told to a server that has never heard of it.

The protocol takes back less than it gives: what the model said comes back as text, what the user said
as the words of it, or as audio where no words are known (OpenAI Realtime reference,
`conversation.item.create`). Hosted calls and listings cannot be created at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from rejoinder.core.conversation import Conversation
from rejoinder.core.verdict import OURS
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ErrorBody

_MOST_IMAGE_BYTES = 16 * 1024 * 1024
"""How much of images is told again, the newest first: a server closes on frames beyond its bound."""

_MISSED_BY_NOBODY = ErrorBody(
    type=OURS, code="nothing_to_restore", message="there is nothing to restore"
)

_CALLS = ("function_call", "function_call_output", "mcp_approval_response")
_SPEECH = "input_audio"
_IMAGE = "input_image"


def told(item: Item, conversation: Conversation, audio: Mapping[str, bytes]) -> Item | ErrorBody:
    """The item as it can be created, or why it cannot. ``audio``: what the user said, where its words are
    not known."""
    match item.type:
        case "message":
            content = list(_content(item, conversation, audio))
            if not content and item.role == "assistant":
                return _MISSED_BY_NOBODY
            if not content:
                return _cannot("nothing is known of what it said")
            return Item(type="message", id=item.id, role=item.role, content=content)
        case "function_call" if item.status == "in_progress" or not item.name:
            return _cannot("the call was not complete")
        case "mcp_list_tools":
            return _MISSED_BY_NOBODY  # the new server asks for a list of its own
        case kind if kind in _CALLS:
            return msgspec.structs.replace(item, object=None, status=None)
        case _:
            return _cannot(f"the protocol has no way to create an item of type {item.type[:64]!r}")


def _content(
    item: Item, conversation: Conversation, audio: Mapping[str, bytes]
) -> Iterator[ContentPart]:
    heard = conversation.heard.get(item.id or "")
    if heard is not None:  # the user cut it short: this is all that was heard of it
        yield from _words("output_text", heard)
        return
    for part in item.content or ():
        words = part.text or part.transcript
        if part.type == _IMAGE:
            yield from _image(item, part, conversation)
        elif words or part.type != _SPEECH:
            yield from _words("output_text" if item.role == "assistant" else "input_text", words)
        elif samples := audio.get(item.id or ""):
            yield ContentPart(type=_SPEECH, audio=samples)


def _words(kind: str, text: str | None) -> Iterator[ContentPart]:
    if text:
        yield ContentPart(type=kind, text=text)


def _image(item: Item, part: ContentPart, conversation: Conversation) -> Iterator[ContentPart]:
    """An image, if it is among the newest."""
    if part.image_url and conversation.image_bytes_after(item.id or "") < _MOST_IMAGE_BYTES:
        yield ContentPart(type=_IMAGE, image_url=part.image_url, detail=part.detail)


def missed(error: ErrorBody) -> bool:
    """Whether something is lost by which the conversation would have gone on differently."""
    return error != _MISSED_BY_NOBODY


def _cannot(why: str) -> ErrorBody:
    return ErrorBody(type=OURS, code="cannot_be_restored", message=f"not restored: {why}")
