"""The drop-in for ``livekit.plugins.openai.realtime``: everything public in `rejoinder.livekit`."""

from rejoinder.livekit import *  # noqa: F403
