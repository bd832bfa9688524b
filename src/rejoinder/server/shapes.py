"""In which shape a client speaks: what its frames mean, and as which frames it is told things.

A shape stands at the very edge, between the bytes and `reading`, between the last fault and the bytes.
Behind it there is only today's protocol.
"""

from __future__ import annotations

from typing import Protocol

from rejoinder.server import reading
from rejoinder.server.reading import Accepted, Unreadable
from rejoinder.wire import codec
from rejoinder.wire.server_events import ServerEvent


class Shape(Protocol):
    """One per connection: it may remember what was said."""

    def read(self, frame: str | bytes) -> Accepted | Unreadable:
        """The client event in a frame. Never raises. ``bytes`` came as binary."""

    def told(self, event: ServerEvent) -> str | None:
        """The event as the text of a frame; None when this shape has no word for it."""


class Nested:
    """Today's shape."""

    def read(self, frame: str | bytes) -> Accepted | Unreadable:
        return reading.read(frame)

    def told(self, event: ServerEvent) -> str | None:
        return codec.encode(event).decode()
