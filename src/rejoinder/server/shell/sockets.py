"""The TCP connection under a request: asyncio's protocol in front of aiohttp's, for faults to get at."""

from __future__ import annotations

import asyncio
import socket
import struct

_SMALL = 4096
_FIN_SECONDS = 1.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Socket(asyncio.Protocol):
    """Stands between a transport and its protocol, and passes everything on.

    ``deaf``: what comes in is thrown away.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.deaf = False
        self._transport = transport
        self._above = transport.get_protocol()
        self._room = asyncio.Event()
        self._room.set()
        transport.set_protocol(self)

    @classmethod
    def of(cls, transport: asyncio.Transport) -> Socket:
        """The one of this transport: a connection that is kept alive has one for all its requests."""
        there = transport.get_protocol()
        return there if isinstance(there, Socket) else cls(transport)

    # -- what asyncio says --

    def data_received(self, data: bytes) -> None:
        if not self.deaf and isinstance(self._above, asyncio.Protocol):
            self._above.data_received(data)

    def eof_received(self) -> bool | None:
        above = self._above
        return above.eof_received() if isinstance(above, asyncio.Protocol) else None

    def pause_writing(self) -> None:
        self._room.clear()
        self._above.pause_writing()

    def resume_writing(self) -> None:
        self._room.set()
        self._above.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._room.set()
        if not self._lost.done():
            self._lost.set_result(None)
        self._above.connection_lost(error)

    # -- what faults do --

    async def write(self, data: bytes) -> None:
        """Bytes as they are. Raises `ConnectionResetError` when the connection has ended."""
        if self._transport.is_closing():
            raise ConnectionResetError("the connection has ended")
        self._transport.write(data)
        await self._room.wait()

    async def dribble(self, data: bytes, rate: int) -> None:
        """The same a few bytes at a time, at ``rate`` bytes a second."""
        size = max(rate // 4, 1)
        for at in range(0, len(data), size):
            await self.write(data[at : at + size])
            await asyncio.sleep(size / rate)

    def stop_reading(self) -> None:
        """Nothing is read any more. What the kernel takes in meanwhile is kept small."""
        self.deaf = True
        self._transport.pause_reading()
        self._option(socket.SO_RCVBUF, _SMALL)

    async def cut(self) -> None:
        """Ends the connection with a FIN, then waits a second at most for the other side's."""
        self.deaf = True
        self._transport.write_eof()
        await self.lost_within(_FIN_SECONDS)
        self.abort()

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self._option(socket.SO_LINGER, _RESET_ON_CLOSE)
        self.abort()

    def abort(self) -> None:
        """Ends the connection; what was not yet written is lost."""
        self._transport.abort()

    async def until_lost(self) -> None:
        """Waits for the end of the connection. Cancelling is safe."""
        await asyncio.wait([self._lost])

    async def lost_within(self, seconds: float) -> bool:
        """Whether the connection has ended by then. Cancelling is safe."""
        await asyncio.wait([self._lost], timeout=seconds)
        return self._lost.done()

    def _option(self, name: int, value: int | bytes) -> None:
        raw = self._transport.get_extra_info("socket")
        if raw is not None and not self._transport.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, name, value)
