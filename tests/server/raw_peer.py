"""A client that knows nothing of WebSockets but their bytes, and looks at the connection itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from rejoinder.server.serve import Server

REQUEST = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: loopback\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
ACCEPT = b"ICX+Yqv66kxgM0FcWaLWlFLwTAI="
"""The answer to that key."""
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frame(NamedTuple):
    first: int
    data: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def final(self) -> bool:
        return bool(self.first & 0x80)

    @property
    def close_code(self) -> int | None:
        assert self.opcode == CLOSE
        return struct.unpack("!H", self.data[:2])[0] if self.data else None


class RawPeer:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def upgrade(self) -> bytes:
        """Asks for it; returns the head of the answer."""
        self.writer.write(REQUEST)
        return await self.reader.readuntil(b"\r\n\r\n")

    def write(self, opcode: int, data: bytes) -> None:
        """One frame, masked with nothing."""
        size = len(data)
        length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BQ", 0xFF, size)
        self.writer.write(bytes([0x80 | opcode]) + length + bytes(4) + data)

    def say(self, kind: str, **members: Any) -> None:
        self.write(TEXT, json.dumps({"type": kind, **members}).encode())

    async def frame(self) -> Frame:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return Frame(first, await self.reader.readexactly(size))

    async def event(self) -> dict[str, Any]:
        """The next text frame, whatever stands before it."""
        while (frame := await self.frame()).opcode != TEXT:
            pass
        said: dict[str, Any] = json.loads(frame.data)
        return said

    async def until(self, kind: str, nth: int = 1) -> dict[str, Any]:
        """The n-th event of this type from here."""
        seen = 0
        while True:
            said = await self.event()
            seen += said["type"] == kind
            if seen == nth:
                return said

    async def frames(self) -> list[Frame]:
        """All frames that are left, up to the end of the connection."""
        told: list[Frame] = []
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                told.append(await self.frame())
        return told

    async def silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.reader.readexactly(1)
        except TimeoutError:
            return True
        return False


@contextlib.asynccontextmanager
async def raw_peer(server: Server, *, small: bool = False) -> AsyncIterator[RawPeer]:
    """Connected, and no more. ``small``: with little room for what it sends."""
    host, port = address(server)
    raw = socket.socket(proto=socket.IPPROTO_TCP)  # by that asyncio knows that it may not delay
    raw.setblocking(False)
    if small:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    try:
        await asyncio.get_running_loop().sock_connect(raw, (host, port))
    except OSError:
        raw.close()
        raise
    reader, writer = await asyncio.open_connection(sock=raw)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def conversing(server: Server, **options: Any) -> AsyncIterator[RawPeer]:
    """Connected, upgraded, and greeted; a response is asked for."""
    async with raw_peer(server, **options) as peer:
        assert b" 101 " in await peer.upgrade()
        assert (await peer.event())["type"] == "session.created"
        peer.say("response.create", event_id="c1")
        yield peer


def address(server: Server) -> tuple[str, int]:
    host, port = server.url.removeprefix("ws://").removesuffix("/v1").rsplit(":", 1)
    return host, int(port)
