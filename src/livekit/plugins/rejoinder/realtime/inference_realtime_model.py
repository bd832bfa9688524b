"""Hosted models, LiveKit's own."""

from rejoinder.livekit.gpt_live import (
    InferenceRealtimeModel,
    InferenceRealtimeSession,
)

__all__ = [
    "InferenceRealtimeModel",
    "InferenceRealtimeSession",
]
