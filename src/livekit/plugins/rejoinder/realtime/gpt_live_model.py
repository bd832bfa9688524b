"""GPT-Live, LiveKit's own."""

from rejoinder.livekit.gpt_live import (
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
    "ResponsesDelegationOptions",
    "Role",
    "lk_oai_debug",
]
