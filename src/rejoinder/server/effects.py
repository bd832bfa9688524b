"""Effects: every consequence of a step, in order. The shell carries them out and adds nothing."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder.wire.server_events import ServerEvent


class Send(msgspec.Struct, frozen=True):
    """A server event. ``cause``: the event id of the client event behind it, if that had one."""

    event: ServerEvent
    cause: str | None = None


class SendRaw(msgspec.Struct, frozen=True):
    """A frame as it is: ``str`` goes out as text, ``bytes`` as binary. Only faults do this."""

    frame: str | bytes


class Ping(msgspec.Struct, frozen=True):
    """A WebSocket ping. Nothing depends on its answer."""


class Hangup(msgspec.Struct, frozen=True):
    """A close frame, after all that was sent before it; then the connection ends."""

    code: int
    reason: str = ""


class Abort(msgspec.Struct, frozen=True):
    """The connection is torn down without a close frame; what was not yet sent is lost."""


Effect: TypeAlias = Send | SendRaw | Ping | Hangup | Abort
