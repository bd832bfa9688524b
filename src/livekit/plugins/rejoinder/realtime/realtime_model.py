"""The model, its session, and what stands beside them."""

from rejoinder.livekit.endpoint import (
    OPENAI_BASE_URL,
    process_base_url,
)
from rejoinder.livekit.gpt_live import (
    lk_oai_debug,
)
from rejoinder.livekit.model import (
    RealtimeModel,
)
from rejoinder.livekit.options import (
    DEFAULT_VOICE,
    NUM_CHANNELS,
    SAMPLE_RATE,
)
from rejoinder.livekit.session import (
    RealtimeSession,
)

__all__ = [
    "DEFAULT_VOICE",
    "NUM_CHANNELS",
    "OPENAI_BASE_URL",
    "SAMPLE_RATE",
    "RealtimeModel",
    "RealtimeSession",
    "lk_oai_debug",
    "process_base_url",
]
