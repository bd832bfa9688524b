"""The session's configuration, nested as in the GA protocol (OpenAI Realtime reference, "session").

Absent, ``null`` and a value are three things in ``session.update``: keep, switch off, set. So every
member is ``UNSET`` unless given, and ``UNSET`` members are not written.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from rejoinder.wire.items import Count, Quantity

S = TypeVar("S", bound=msgspec.Struct)


class AudioFormat(msgspec.Struct, frozen=True, kw_only=True):
    """``audio/pcm`` (16 bit little-endian mono, ``rate`` in Hz), ``audio/pcmu`` or ``audio/pcma``."""

    type: str | UnsetType | None = UNSET
    rate: Count | UnsetType | None = UNSET


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True):
    """``near_field`` or ``far_field``; applied before turn detection and the model."""

    type: str | UnsetType | None = UNSET
    strength: Quantity | UnsetType | None = UNSET


class Transcription(msgspec.Struct, frozen=True, kw_only=True):
    """How the user's audio is transcribed, beside the conversation and by another model."""

    model: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    languages: list[str] | UnsetType | None = UNSET
    prompt: str | UnsetType | None = UNSET
    keywords: list[str] | UnsetType | None = UNSET
    delay: str | UnsetType | None = UNSET


class TurnDetection(msgspec.Struct, frozen=True, kw_only=True):
    """``server_vad`` or ``semantic_vad``; ``null`` in its place means that the client commits."""

    type: str
    create_response: bool | UnsetType | None = UNSET
    interrupt_response: bool | UnsetType | None = UNSET
    threshold: Quantity | UnsetType | None = UNSET
    prefix_padding_ms: Count | UnsetType | None = UNSET
    silence_duration_ms: Count | UnsetType | None = UNSET
    idle_timeout_ms: Count | UnsetType | None = UNSET
    eagerness: str | UnsetType | None = UNSET


class AudioInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the server does with the audio that we append."""

    format: AudioFormat | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class AudioOutput(msgspec.Struct, frozen=True, kw_only=True):
    """How the server speaks. ``voice`` is a name or ``{"id": ...}``, fixed by the first audio."""

    format: AudioFormat | UnsetType | None = UNSET
    voice: str | dict[str, Any] | UnsetType | None = UNSET
    speed: Quantity | UnsetType | None = UNSET


class Audio(msgspec.Struct, frozen=True, kw_only=True):
    """Both directions of a session's audio."""

    input: AudioInput | UnsetType | None = UNSET
    output: AudioOutput | UnsetType | None = UNSET


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """How hard a reasoning model thinks: ``minimal``, ``low``, ``medium``, ``high``, ``xhigh``."""

    effort: str | UnsetType | None = UNSET


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What ``session.update`` may say; ``type`` is ``realtime`` or ``transcription``.

    Tools stay plain objects, so that those of other vendors pass through unharmed.
    """

    type: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    output_modalities: list[str] | UnsetType | None = UNSET
    instructions: str | UnsetType | None = UNSET
    audio: Audio | UnsetType | None = UNSET
    tools: list[dict[str, Any]] | UnsetType | None = UNSET
    tool_choice: str | dict[str, Any] | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    max_output_tokens: Count | str | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    tracing: str | dict[str, Any] | UnsetType | None = UNSET
    truncation: str | dict[str, Any] | UnsetType | None = UNSET
    prompt: dict[str, Any] | UnsetType | None = UNSET
    include: list[str] | UnsetType | None = UNSET


class SessionObject(SessionConfig, frozen=True, kw_only=True):
    """The session as the server tells it: the configuration in force, and what only it knows.

    ``expires_at`` is in seconds since the epoch; 0 or absent means that it is not known.
    """

    id: str | UnsetType | None = UNSET
    object: str | UnsetType | None = UNSET
    expires_at: Count | UnsetType | None = UNSET


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation of a session."""

    id: str | None = None
    object: str | None = None


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, ``requests`` or ``tokens``; ``reset_seconds`` until it is whole again."""

    name: str | None = None
    limit: Count | None = None
    remaining: Count | None = None
    reset_seconds: Quantity | None = None


def merged(base: S, patch: S) -> S:
    """``base`` with everything that ``patch`` says, as a server applies a ``session.update``."""
    said = {
        name: _merged_member(getattr(base, name), new)
        for name in patch.__struct_fields__
        if (new := getattr(patch, name)) is not UNSET
    }
    return msgspec.structs.replace(base, **said)


def splits(old: Any, new: Any) -> bool:
    """Whether the server takes the members of this one by one. It replaces all others whole."""
    members = (Audio, AudioInput, AudioOutput)
    return isinstance(old, members) and isinstance(new, members)


def _merged_member(old: Any, new: Any) -> Any:
    return merged(old, new) if splits(old, new) else new
