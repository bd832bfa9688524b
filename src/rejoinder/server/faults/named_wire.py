"""Named faults of the connection itself: how it ends, stops, slows down, or carries rubbish."""

from __future__ import annotations

from rejoinder.errors import ConfigurationError
from rejoinder.server import frames
from rejoinder.server.core import EXPIRED
from rejoinder.server.effects import (
    Abort,
    GoDown,
    IgnoreClose,
    Reset,
    SlowDown,
    StopReading,
)
from rejoinder.server.faults import wire_strikes
from rejoinder.server.faults.fault import Fault
from rejoinder.server.faults.strikes import emit
from rejoinder.server.faults.tables import Rows, aimed
from rejoinder.server.inputs import Expire

_CODES = (1000, 1001, 1008, 1011, 1012, 1013, 3000, 4000, 4004)
_RATE = 64

_ENDS: Rows = {
    **{
        f"close-{code}": (f"a close frame with code {code}", wire_strikes.closing(code))
        for code in _CODES
    },
    "abort": ("the connection is torn down", emit(Abort())),
    "expiry": ("the session expires: an error, then close 1001", lambda _scene: [Expire()]),
    "quota-close": ("an error about the quota, then close 1013", wire_strikes.quota_close),
    "close-1001-expired": (
        "the session expires without an error: close 1001",
        wire_strikes.closing(1001, EXPIRED),
    ),
    "close-none": ("a close frame without a code", wire_strikes.close_without_code),
    "close-ignored": ("the client's close is never answered", emit(IgnoreClose())),
    "reset": ("a TCP reset", emit(Reset())),
    "cut": ("the connection ends without a close frame", wire_strikes.cut),
    "half-open": ("nothing is read, answered or written any more", wire_strikes.half_open),
    "stops-reading": ("nothing is read any more, while it goes on sending", emit(StopReading())),
    "slow-loris": (f"all that follows dribbles: {_RATE} bytes a second", emit(SlowDown(_RATE))),
    "goes-down": ("a TCP reset, and nobody listens any more", emit(GoDown())),
    "frame-garbage": ("bytes that are no WebSocket frame", wire_strikes.garbage),
    "frame-half": ("half of a frame, then silence", wire_strikes.half),
    "frame-not-utf8": ("a text frame that is not UTF-8", wire_strikes.not_utf8),
}

_FRAGMENTED: Rows = {
    "frame-fragmented": (
        f"an event in {frames.FRAGMENTS} fragments, which is harmless",
        wire_strikes.fragmented,
    )
}

WIRE: dict[str, Fault] = {
    **aimed("delta:3", _ENDS),
    **aimed("instead-delta:3", _FRAGMENTED, alters=True),
}
"""By name."""


def close(name: str, code: int) -> Fault:
    """A close frame with this code. Raises `ConfigurationError` for one that may not be sent."""
    if not frames.may_close_with(code):
        raise ConfigurationError(
            f"{name}: no close frame may carry {code}; say 1000-1003, 1007-1014 or 3000-4999"
        )
    rows: Rows = {name: (f"a close frame with code {code}", wire_strikes.closing(code))}
    return aimed("delta:3", rows)[name]


def slow_loris(name: str, rate: int) -> Fault:
    """All that follows dribbles, at so many bytes a second."""
    if rate < 1:
        raise ConfigurationError(f"{name}: say at least one byte a second")
    says = f"all that follows dribbles: {rate} bytes a second"
    return aimed("delta:3", {name: (says, emit(SlowDown(rate)))})[name]


def goes_down(name: str, seconds: float) -> Fault:
    """A reset, and nobody listens for so long."""
    says = f"a TCP reset, and nobody listens for {seconds:g} s"
    return aimed("delta:3", {name: (says, emit(GoDown(seconds)))})[name]
