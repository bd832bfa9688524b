"""Responses: what is asked for, and what the server says became of it.

Source: OpenAI Realtime reference, "response.create" and "the response object".
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from rejoinder.wire.items import Count, Item
from rejoinder.wire.session import AudioOutput, Reasoning


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """An error in the server's own words.

    ``event_id`` is the client event that caused it; servers often leave it out, so nothing may
    depend on it.
    """

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class FailureBody(ErrorBody, frozen=True, kw_only=True, omit_defaults=True):
    """The same inside an event that says itself what failed: what is not known is not written."""


class StatusDetails(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a response ended as it did. ``type`` repeats the status; ``reason`` is information only."""

    type: str | None = None
    reason: str | None = None
    error: ErrorBody | None = None


class CachedTokenDetails(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Cached input tokens, by kind."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class InputTokenDetails(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Input tokens, by kind; ``cached_tokens`` are a part of them, not beside them."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    cached_tokens: Count | None = None
    cached_tokens_details: CachedTokenDetails | None = None


class OutputTokenDetails(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Output tokens, by kind."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The tokens of one response; all zero when it failed, absent while it runs."""

    total_tokens: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_token_details: InputTokenDetails | None = None
    output_token_details: OutputTokenDetails | None = None


class ResponseAudio(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of one response: only its output can be said."""

    output: AudioOutput | UnsetType | None = UNSET


class ResponseObject(msgspec.Struct, frozen=True, kw_only=True):
    """A response as the server tells it, in ``response.created`` and ``response.done``.

    ``status`` is open: ``in_progress``, ``completed``, ``cancelled``, ``failed``, ``incomplete``
    or whatever a gateway says. ``conversation_id`` is ``None`` for an out-of-band response and
    ``UNSET`` when the server did not say. ``output`` may be empty even on success.
    """

    id: str | None = None
    object: str | None = None
    status: str | None = None
    status_details: StatusDetails | None = None
    output: list[Item] = []
    output_modalities: list[str] | None = None
    conversation_id: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | None = None
    usage: Usage | None = None
    audio: ResponseAudio | None = None
    max_output_tokens: Count | str | None = None


class ResponseParams(msgspec.Struct, frozen=True, kw_only=True):
    """The overrides inside ``response.create``; what is ``UNSET`` is taken from the session."""

    conversation: str | UnsetType | None = UNSET
    input: list[Item] | UnsetType | None = UNSET
    instructions: str | UnsetType | None = UNSET
    output_modalities: list[str] | UnsetType | None = UNSET
    audio: ResponseAudio | UnsetType | None = UNSET
    tools: list[dict[str, Any]] | UnsetType | None = UNSET
    tool_choice: str | dict[str, Any] | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    max_output_tokens: Count | str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    prompt: dict[str, Any] | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
