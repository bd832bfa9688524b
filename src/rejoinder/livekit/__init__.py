"""The drop-in for ``livekit.plugins.openai.realtime``, on an engine in which every reply settles.

::

    from rejoinder.livekit import RealtimeModel

    session = AgentSession(llm=RealtimeModel(model="gpt-realtime"))

or LiveKit's way: ``from livekit.plugins import rejoinder`` and ``rejoinder.realtime.RealtimeModel``. What
that module offers beside the Realtime API (GPT-Live, Inference) is LiveKit's own, passed on.
"""

from __future__ import annotations

import importlib.metadata
import logging

try:
    from livekit.agents import Plugin
except ImportError as missing:
    raise ImportError(
        "rejoinder.livekit needs LiveKit Agents: install rejoinder with its extra [livekit]"
    ) from missing

from rejoinder.livekit.errors import (
    ConnectionLost,
    ReplyError,
    SessionEnded,
    SessionError,
    UpdateError,
)
from rejoinder.livekit.generation import ReplyCreatedEvent
from rejoinder.livekit.gpt_live import (
    GPTLiveDelegation,
    GPTLiveModel,
    GPTLiveSession,
    GPTLiveVoices,
    InferenceRealtimeModel,
    ResponsesDelegationOptions,
)
from rejoinder.livekit.model import RealtimeModel
from rejoinder.livekit.news import SessionReconnectedEvent
from rejoinder.livekit.session import RealtimeSession

__all__ = [
    "ConnectionLost",
    "GPTLiveDelegation",
    "GPTLiveModel",
    "GPTLiveSession",
    "GPTLiveVoices",
    "InferenceRealtimeModel",
    "RealtimeModel",
    "RealtimeSession",
    "ReplyCreatedEvent",
    "ReplyError",
    "ResponsesDelegationOptions",
    "SessionEnded",
    "SessionError",
    "SessionReconnectedEvent",
    "UpdateError",
]


class RejoinderPlugin(Plugin):
    """Tells LiveKit's worker that we are here."""

    def __init__(self) -> None:
        super().__init__(
            "livekit.plugins.rejoinder",
            importlib.metadata.version("rejoinder"),
            "livekit.plugins.rejoinder",
            logging.getLogger("rejoinder"),
        )


Plugin.register_plugin(RejoinderPlugin())
