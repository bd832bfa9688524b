"""In which shape a client speaks: what its frames mean, and as which frames it is told things.

A shape stands at the very edge, between the bytes and `reading`, between the last fault and the bytes.
Behind it there is only today's protocol.
"""

from __future__ import annotations

from typing import Protocol

from rejoinder.server import frames, reading
from rejoinder.server.effects import Effect, Framing, Send, SendBytes, SendFramed, SendRaw
from rejoinder.server.reading import Accepted, Unreadable
from rejoinder.wire import codec
from rejoinder.wire.server_events import ServerEvent


class Shape(Protocol):
    """One per connection: it may remember what was said."""

    def read(self, frame: str | bytes) -> Accepted | Unreadable:
        """The client event in a frame. Never raises. ``bytes`` came as binary."""

    def told(self, event: ServerEvent) -> str | None:
        """The event as the text of a frame; None when this shape has no word for it."""

    def retold(self, frame: str) -> str:
        """The text of a frame that a fault wrote in today's words, whatever it is."""


class Nested:
    """Today's shape."""

    def read(self, frame: str | bytes) -> Accepted | Unreadable:
        return reading.read(frame)

    def told(self, event: ServerEvent) -> str | None:
        return codec.encode(event).decode()

    def retold(self, frame: str) -> str:
        return frame


def shaped(effect: Effect, shape: Shape) -> Effect | None:
    """The effect with whatever it says put into frames; None for what this shape has no word for."""
    match effect:
        case Send(event):
            frame = shape.told(event)
            return None if frame is None else SendRaw(frame)
        case SendFramed(event, framing):
            frame = shape.told(event)
            return None if frame is None else _framed(frame, framing)
        case SendRaw(str() as frame):
            return SendRaw(shape.retold(frame))
        case _:
            return effect


def _framed(frame: str, framing: Framing) -> Effect:
    data = frame.encode()
    if framing is Framing.BINARY:
        return SendRaw(data)
    if framing is Framing.FRAGMENTS:
        return SendBytes(frames.fragments(frames.TEXT, data, frames.FRAGMENTS))
    whole = frames.frame(frames.TEXT, data)
    return SendBytes(whole[: len(whole) // 2])
