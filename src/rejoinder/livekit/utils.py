"""Defaults and helper functions of LiveKit's OpenAI engine, for code that imports them from there.

LiveKit's own, unchanged; nothing in this package uses them.
"""

from __future__ import annotations

from livekit.agents.llm._realtime.openai_utils import (
    AZURE_DEFAULT_INPUT_AUDIO_TRANSCRIPTION,
    AZURE_DEFAULT_TURN_DETECTION,
    DEFAULT_INPUT_AUDIO_TRANSCRIPTION,
    DEFAULT_MAX_RESPONSE_OUTPUT_TOKENS,
    DEFAULT_MAX_SESSION_DURATION,
    DEFAULT_TOOL_CHOICE,
    DEFAULT_TURN_DETECTION,
    calculate_confidence_from_logprobs,
    livekit_item_to_openai_item,
    openai_item_to_livekit_item,
    to_audio_transcription,
    to_noise_reduction,
    to_oai_tool_choice,
    to_turn_detection,
)

__all__ = [
    "AZURE_DEFAULT_INPUT_AUDIO_TRANSCRIPTION",
    "AZURE_DEFAULT_TURN_DETECTION",
    "DEFAULT_INPUT_AUDIO_TRANSCRIPTION",
    "DEFAULT_MAX_RESPONSE_OUTPUT_TOKENS",
    "DEFAULT_MAX_SESSION_DURATION",
    "DEFAULT_TOOL_CHOICE",
    "DEFAULT_TURN_DETECTION",
    "calculate_confidence_from_logprobs",
    "livekit_item_to_openai_item",
    "openai_item_to_livekit_item",
    "to_audio_transcription",
    "to_noise_reduction",
    "to_oai_tool_choice",
    "to_turn_detection",
]
