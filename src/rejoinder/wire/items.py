"""Conversation items and their content parts (OpenAI Realtime reference, "conversation items").

One struct holds every item type, because servers and gateways invent types and leave members out.
Absent and ``null`` read alike (``None``); a member that is ``None`` is not written.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A whole number that any JSON reader can hold and arithmetic survives: index, milliseconds, tokens."""

Quantity = Annotated[float, msgspec.Meta(ge=0, le=2**53)]
"""A number of seconds, a ratio, a strength: never negative, infinite or NaN."""


class ContentPart(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One part of a message: text, audio or an image.

    ``type`` is open: ``input_text``, ``input_audio``, ``input_image``, ``output_text``,
    ``output_audio``, and ``text`` and ``audio`` in ``response.content_part.*``. ``audio`` is the
    decoded samples in the session's format.
    """

    type: str = ""
    text: str | None = None
    audio: bytes | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: str | None = None
    id: str | None = None


class ItemError(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a hosted MCP call failed: ``protocol_error``, ``tool_execution_error``, ``http_error``."""

    type: str | None = None
    code: int | str | None = None
    message: str | None = None


class Item(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An item of a conversation, of any type.

    ``message`` has ``role`` and ``content``; ``function_call`` has ``call_id``, ``name`` and
    ``arguments`` (JSON text, possibly cut off); ``function_call_output`` has ``call_id`` and
    ``output``; the ``mcp_*`` types have ``server_label``, ``tools``, ``error`` and the approval
    members; ``item_reference`` has only ``id``.
    """

    type: str
    id: str | None = None
    object: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[ContentPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: str | None = None
    tools: list[dict[str, Any]] | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None
    error: ItemError | None = None
