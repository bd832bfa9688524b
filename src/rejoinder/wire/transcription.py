"""Transcripts of the user's turns: how sure, in which language, at what cost.

Source: OpenAI Realtime reference, ``conversation.item.input_audio_transcription.*``.
"""

from __future__ import annotations

import msgspec

from rejoinder.wire.items import Count, Quantity


class LogProb(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the transcriber was of one token."""

    token: str
    logprob: float
    bytes: list[int]


class TranscriptionTokenDetails(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Input tokens of a transcription, by kind."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None


class TranscriptionUsage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a transcription cost: ``type`` ``tokens``, or ``duration`` in ``seconds``."""

    type: str | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    input_token_details: TranscriptionTokenDetails | None = None
    seconds: Quantity | None = None


class TranscriptionLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """A language heard in a turn, as an ISO code."""

    code: str
