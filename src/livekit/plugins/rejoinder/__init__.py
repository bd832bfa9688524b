"""Rejoinder where LiveKit looks for it: ``from livekit.plugins import rejoinder``."""

from livekit.plugins.rejoinder import realtime

__all__ = ["realtime"]
