"""A connection without a network: two transports, each the other's far end. For tests and examples.

::

    ours, theirs = pair()
    session = Session.start(model="m", api_key="k", dial=connected(ours))
    event = codec.decode_client(await theirs.receive())
    await theirs.send(codec.encode(...))
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from rejoinder.client.transport import Dial, Transport
from rejoinder.core.outcomes import Close

__all__ = ["MemoryTransport", "connected", "pair"]


def pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends of one connection."""
    ours, theirs = MemoryTransport(), MemoryTransport()
    ours.peer, theirs.peer = theirs, ours
    return ours, theirs


def connected(transport: Transport) -> Dial:
    """A `Dial` that answers with this transport, whatever the address."""

    async def dial(url: str, headers: Mapping[str, str]) -> Transport:
        return transport

    return dial


class MemoryTransport:
    """One end of a connection; ``peer`` is the other. Made by `pair`.

    Frames arrive in order, and after the last one the `Close`.
    """

    def __init__(self) -> None:
        self.peer: MemoryTransport = self
        self._frames: deque[str | bytes] = deque()
        self._arrived = asyncio.Event()
        self._flows = asyncio.Event()
        self._flows.set()
        self._end: Close | None = None

    async def send(self, data: bytes | str) -> None:
        """Puts a text frame before the peer. Raises ``ConnectionResetError`` after the end."""
        await self._put(data if isinstance(data, str) else data.decode())

    async def send_binary(self, data: bytes) -> None:
        """Puts a binary frame before the peer, as some proxies do, and as no client should."""
        await self._put(data)

    async def receive(self) -> str | bytes | Close:
        """The next frame, or how it ended."""
        while not self._frames:
            if self._end is not None:
                return self._end
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames.popleft()

    async def close(self, code: int = 1000, reason: str = "") -> Close | None:
        """Ends both directions; the peer reads what was sent, then this code and reason."""
        self._finish(Close("caller", code, reason))
        self.peer._finish(Close("server", code, reason))
        return None

    def cut(self) -> None:
        """The network fails: both ends learn of it, without a close frame."""
        self._finish(Close("network", None, "the connection was cut"))
        self.peer._finish(Close("network", None, "the connection was cut"))

    def stall(self) -> None:
        """From now on `send` waits: the peer has stopped reading."""
        self._flows.clear()

    def resume(self) -> None:
        """Ends `stall`."""
        self._flows.set()

    async def _put(self, frame: str | bytes) -> None:
        await self._flows.wait()
        if self._end is not None:
            raise ConnectionResetError("the connection is gone")
        self.peer._arrive(frame)

    def _arrive(self, frame: str | bytes) -> None:
        self._frames.append(frame)
        self._arrived.set()

    def _finish(self, close: Close) -> None:
        self._end = self._end or close
        self._arrived.set()
        self._flows.set()
