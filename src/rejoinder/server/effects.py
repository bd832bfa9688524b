"""Effects: every consequence of a step, in order. The shell carries them out and adds nothing."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import msgspec

from rejoinder.wire.server_events import ServerEvent


class Send(msgspec.Struct, frozen=True):
    """A server event. ``cause``: the event id of the client event behind it, if that had one."""

    event: ServerEvent
    cause: str | None = None


class SendRaw(msgspec.Struct, frozen=True):
    """A frame as it is: ``str`` goes out as text, ``bytes`` as binary. Only faults do this.

    To a client of the older shape, text that is an event of today goes out under the older name.
    """

    frame: str | bytes


class Framing(Enum):
    """In which other frames a server event may come."""

    BINARY = "binary"
    FRAGMENTS = "fragments"
    HALF = "half of a frame"


class SendFramed(msgspec.Struct, frozen=True):
    """A server event in a frame that it should not have. Only faults do this."""

    event: ServerEvent
    framing: Framing


class Ping(msgspec.Struct, frozen=True):
    """A WebSocket ping. Nothing depends on its answer."""


class Hangup(msgspec.Struct, frozen=True):
    """A close frame, after all that was sent before it; then the connection ends."""

    code: int
    reason: str = ""


class Abort(msgspec.Struct, frozen=True):
    """The connection is torn down without a close frame; what was not yet sent is lost."""


# -- what only faults do, to the connection itself --


class SendBytes(msgspec.Struct, frozen=True):
    """Bytes as they are on the connection, with no frame around them."""

    data: bytes


class Reset(msgspec.Struct, frozen=True):
    """The connection is torn down with a TCP reset."""


class Cut(msgspec.Struct, frozen=True):
    """The connection ends (FIN) after all that was sent before it, without a close frame."""


class StopReading(msgspec.Struct, frozen=True):
    """Nothing is read any more, so that soon the client's writes find no room."""


class StopWriting(msgspec.Struct, frozen=True):
    """Nothing is written any more: no event, no answer to a ping or a close."""


class SlowDown(msgspec.Struct, frozen=True):
    """All that is written dribbles out from here on, at so many bytes a second."""

    rate: int


class IgnoreClose(msgspec.Struct, frozen=True):
    """The client's close is not answered any more; what there is to say goes on."""


class GoDown(msgspec.Struct, frozen=True):
    """The server is gone: every connection is reset, new ones are refused.

    ``seconds``: how long until it is back; None is for good.
    """

    seconds: float | None = None


Effect: TypeAlias = (
    Send
    | SendRaw
    | SendFramed
    | Ping
    | Hangup
    | Abort
    | SendBytes
    | Reset
    | Cut
    | StopReading
    | StopWriting
    | SlowDown
    | IgnoreClose
    | GoDown
)

Ending: TypeAlias = Hangup | Abort | Reset | Cut | GoDown
"""After one of these nothing happens any more on the connection."""
