"""Parts: what a response delivers to its caller, in the order in which the server produced it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder.wire.items import Item


class ItemStarted(msgspec.Struct, frozen=True):
    """An output item began (or, for an item known from `response.done` alone, was found there)."""

    item_id: str
    output_index: int
    item: Item


class ContentStarted(msgspec.Struct, frozen=True, gc=False):
    """A content part of a message was announced. ``kind`` is ``"audio"`` or ``"text"``."""

    item_id: str
    content_index: int
    kind: str


class Audio(msgspec.Struct, frozen=True, gc=False):
    """Audio samples in the session's output format (PCM16 little-endian, 24 kHz mono by default)."""

    item_id: str
    content_index: int
    audio: bytes


class Transcript(msgspec.Struct, frozen=True, gc=False):
    """Words of an audio part. ``at``: when they are spoken, in seconds from the beginning of the audio;
    None where the server does not say, as most do not."""

    item_id: str
    content_index: int
    text: str
    at: float | None = None


class Text(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a text part."""

    item_id: str
    content_index: int
    text: str


class FunctionCall(msgspec.Struct, frozen=True):
    """A whole function call that the server declared completed. Delivered once per ``call_id``.

    ``arguments`` is the model's text, JSON by convention and unchecked.
    """

    item_id: str
    call_id: str
    name: str
    arguments: str


class ItemEnded(msgspec.Struct, frozen=True):
    """An output item ended. ``status``: ``completed``, ``incomplete``, or None if nobody said."""

    item_id: str
    status: str | None
    item: Item


Part: TypeAlias = (
    ItemStarted | ContentStarted | Audio | Transcript | Text | FunctionCall | ItemEnded
)
