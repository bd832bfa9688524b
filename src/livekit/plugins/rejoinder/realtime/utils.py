"""Defaults and helper functions, LiveKit's own."""

from rejoinder.livekit.utils import *  # noqa: F403
from rejoinder.livekit.utils import __all__ as __all__
