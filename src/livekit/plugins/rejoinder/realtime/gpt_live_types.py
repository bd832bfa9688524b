"""The wire types of GPT-Live, LiveKit's own."""

from rejoinder.livekit.gpt_live_types import *  # noqa: F403
