"""GPT-Live and hosted models, as LiveKit Agents has them.

The module that this package stands in for offers them too. They speak other protocols, so they are
LiveKit's own, unchanged.
"""

from __future__ import annotations

from livekit.agents.inference.realtime.openai import RealtimeModel as InferenceRealtimeModel
from livekit.agents.inference.realtime.openai import RealtimeSession as InferenceRealtimeSession
from livekit.agents.llm._realtime.gpt_live import (
    DEFAULT_BACKEND_MODEL,
    DEFAULT_MODEL,
    DEFAULT_VOICE,
    NUM_CHANNELS,
    OPENAI_BASE_URL,
    SAMPLE_RATE,
    GPTLiveDelegation,
    GPTLiveModel,
    GPTLiveSession,
    GPTLiveVoices,
    ResponsesDelegationOptions,
    Role,
    lk_oai_debug,
)

__all__ = [
    "DEFAULT_BACKEND_MODEL",
    "DEFAULT_MODEL",
    "DEFAULT_VOICE",
    "NUM_CHANNELS",
    "OPENAI_BASE_URL",
    "SAMPLE_RATE",
    "GPTLiveDelegation",
    "GPTLiveModel",
    "GPTLiveSession",
    "GPTLiveVoices",
    "InferenceRealtimeModel",
    "InferenceRealtimeSession",
    "ResponsesDelegationOptions",
    "Role",
    "lk_oai_debug",
]
