"""A connection without a network: two transports, each the other's far end. For tests and examples.

::

    ours, theirs = pair()
    session = Session.start(model="m", api_key="k", dial=connected(ours))
    event = codec.decode_client(await theirs.receive())
    await theirs.send(codec.encode(...))

Where a session dials again and again::

    switchboard = Switchboard()
    switchboard.refuse(ConnectError("come back later", status=503))     # the first time
    session = Session.start(model="m", api_key="k", dial=switchboard)
    theirs = await switchboard.far_end()                                # of the second
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping

from rejoinder.client.transport import Dial, Transport
from rejoinder.core.outcomes import Close
from rejoinder.errors import ConnectError

__all__ = ["MemoryTransport", "Switchboard", "connected", "pair"]


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


class Switchboard:
    """A `Dial` that makes a connection of its own each time, unless told what is to happen instead.

    ``dials``: how often it was dialled. What `refuse`, `hang` and `delay` lay out happens once each, in
    that order, to the next dials; those after them are answered at once.
    """

    def __init__(self) -> None:
        self.dials = 0
        self._plans: deque[tuple[float, ConnectError | None]] = deque()
        self._far_ends: asyncio.Queue[MemoryTransport] = asyncio.Queue()

    def refuse(self, error: ConnectError, after: float = 0.0) -> None:
        """A dial raises ``error``, ``after`` seconds."""
        self._plans.append((after, error))

    def hang(self) -> None:
        """A dial never ends."""
        self.delay(math.inf)

    def delay(self, seconds: float) -> None:
        """A dial takes so long until there is a connection."""
        self._plans.append((seconds, None))

    async def far_end(self) -> MemoryTransport:
        """The other end of the oldest connection that was not asked for yet; waits until there is one.
        Cancelling it loses nothing."""
        return await self._far_ends.get()

    async def __call__(self, url: str, headers: Mapping[str, str]) -> Transport:
        """See `Dial`."""
        self.dials += 1
        after, error = self._plans.popleft() if self._plans else (0.0, None)
        if after == math.inf:
            await asyncio.Event().wait()
        if after:
            await asyncio.sleep(after)
        if error is not None:
            raise error
        ours, theirs = pair()
        self._far_ends.put_nowait(theirs)
        return ours


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
