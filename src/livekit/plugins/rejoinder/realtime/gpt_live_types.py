"""The wire types of GPT-Live, LiveKit's own."""

from rejoinder.livekit.gpt_live_types import *  # noqa: F403
from rejoinder.livekit.gpt_live_types import __all__ as __all__
