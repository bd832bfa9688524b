"""What faults do to the connection itself: broken frames, and a connection that stops being one."""

from __future__ import annotations

from collections.abc import Iterable

from rejoinder.server import frames
from rejoinder.server.effects import (
    Cut,
    Framing,
    Hangup,
    SendBytes,
    SendFramed,
    StopReading,
    StopWriting,
)
from rejoinder.server.faults.fault import Act, AfterNext, Scene, Strike
from rejoinder.server.faults.strikes import emit, error_frame

_NOT_UTF8 = b'{"type":"response.novel","mood":"\xff\xfe\xc0"}'


def written(data: bytes) -> Strike:
    """Bytes as they are."""
    return emit(SendBytes(data))


garbage = written(frames.GARBAGE)
not_utf8 = written(frames.frame(frames.TEXT, _NOT_UTF8))
cut = emit(Cut())
half_open = emit(StopReading(), StopWriting())
close_without_code = emit(SendBytes(frames.close()), Cut())


def half(scene: Scene) -> list[Act]:
    """The first half of a frame with the event in it, and never the other."""
    return [SendFramed(scene.send.event, Framing.HALF), StopWriting()]


def fragmented(scene: Scene) -> list[Act]:
    """The event in many fragments."""
    return [SendFramed(scene.send.event, Framing.FRAGMENTS)]


def closing(code: int, reason: str = "fault") -> Strike:
    """A close frame, and the end of the connection."""
    return emit(Hangup(code, reason))


def quota_error(scene: Scene) -> Iterable[Act | AfterNext]:
    """The error of an account that is used up."""
    code = "insufficient_quota"
    error = error_frame(type=code, code=code, message="You exceeded your current quota.")
    return error(scene)


def quota_close(scene: Scene) -> list[Act | AfterNext]:
    """The same, and the close that comes with it."""
    return [*quota_error(scene), Hangup(1013, "insufficient_quota.insufficient_quota")]
