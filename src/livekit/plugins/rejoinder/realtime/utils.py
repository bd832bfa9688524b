"""Defaults and helper functions, LiveKit's own."""

from rejoinder.livekit.utils import *  # noqa: F403
