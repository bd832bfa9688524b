"""Rejoinder: realtime voice sessions in which every reply settles.

::

    async with rejoinder.connect(model="gpt-realtime") as session:
        response = session.create_response(instructions="Greet the caller.")
        async for part in response:              # audio, transcript, text, function calls
            ...
        outcome = await response.outcome()       # exactly one, always

This is the front door. What stands behind it is loaded on first use: importing ``rejoinder`` takes
no socket library along.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rejoinder.errors import (
    ConfigurationError,
    ConnectError,
    EditError,
    EditExpired,
    EditLost,
    EditRefused,
    OutcomeError,
    RejoinderError,
    ResponseCancelledError,
    ResponseFailedError,
    ResponseIncompleteError,
    ResponseLostError,
    ResponseRejectedError,
    ResponseTimeoutError,
    SessionClosed,
)

if TYPE_CHECKING:
    from rejoinder.client.connect import connect
    from rejoinder.client.edit import Edit
    from rejoinder.client.response import Response
    from rejoinder.client.session import Session
    from rejoinder.client.streams import Sink
    from rejoinder.core.deadlines import Timeouts
    from rejoinder.core.outcomes import (
        Cancelled,
        Close,
        Completed,
        Delivered,
        Failed,
        Incomplete,
        Lost,
        Outcome,
        Rejected,
        TimedOut,
    )
    from rejoinder.core.parts import (
        Audio,
        ContentStarted,
        FunctionCall,
        ItemEnded,
        ItemStarted,
        Part,
        Text,
        Transcript,
    )
    from rejoinder.core.recovery import Recovery
    from rejoinder.wire.dialects import Dialect
    from rejoinder.wire.items import Item
    from rejoinder.wire.session import SessionConfig

__all__ = [
    "Audio",
    "Cancelled",
    "Close",
    "Completed",
    "ConfigurationError",
    "ConnectError",
    "ContentStarted",
    "Delivered",
    "Dialect",
    "Edit",
    "EditError",
    "EditExpired",
    "EditLost",
    "EditRefused",
    "Failed",
    "FunctionCall",
    "Incomplete",
    "Item",
    "ItemEnded",
    "ItemStarted",
    "Lost",
    "Outcome",
    "OutcomeError",
    "Part",
    "Recovery",
    "Rejected",
    "RejoinderError",
    "Response",
    "ResponseCancelledError",
    "ResponseFailedError",
    "ResponseIncompleteError",
    "ResponseLostError",
    "ResponseRejectedError",
    "ResponseTimeoutError",
    "Session",
    "SessionClosed",
    "SessionConfig",
    "Sink",
    "Text",
    "TimedOut",
    "Timeouts",
    "Transcript",
    "connect",
]

_ROOMS = {
    "rejoinder.client.connect": ("connect",),
    "rejoinder.client.edit": ("Edit",),
    "rejoinder.client.response": ("Response",),
    "rejoinder.client.session": ("Session",),
    "rejoinder.client.streams": ("Sink",),
    "rejoinder.core.deadlines": ("Timeouts",),
    "rejoinder.core.outcomes": (
        "Cancelled",
        "Close",
        "Completed",
        "Delivered",
        "Failed",
        "Incomplete",
        "Lost",
        "Outcome",
        "Rejected",
        "TimedOut",
    ),
    "rejoinder.core.parts": (
        "Audio",
        "ContentStarted",
        "FunctionCall",
        "ItemEnded",
        "ItemStarted",
        "Part",
        "Text",
        "Transcript",
    ),
    "rejoinder.core.recovery": ("Recovery",),
    "rejoinder.wire.dialects": ("Dialect",),
    "rejoinder.wire.items": ("Item",),
    "rejoinder.wire.session": ("SessionConfig",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module 'rejoinder' has no attribute {name!r}")
    value = getattr(importlib.import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
