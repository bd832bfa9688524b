"""What goes out on one connection: in order, each when the one before is written, as faults let it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import msgspec
from aiohttp import WSMsgType, web

from rejoinder.server import frames
from rejoinder.server.effects import (
    Abort,
    Cut,
    Effect,
    GoDown,
    Hangup,
    IgnoreClose,
    Ping,
    Reset,
    SendBytes,
    SendRaw,
    SlowDown,
    StopReading,
    StopWriting,
)
from rejoinder.server.shell.sockets import Socket

GOODBYE_SECONDS = 1.0
"""How long a close waits for the other side's agreement."""
LARGEST_BACKLOG = 64 * 1024 * 1024
"""Bytes. A client that does not read this much is cut off."""


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping."""

    data: bytes


Outgoing: TypeAlias = Effect | Pong


class Outlet:
    """Takes effects (`post`) and carries them out (`write`).

    ``ended`` is told the close code and its reason as soon as there is one. ``go_down`` takes the server down, for
    so many seconds or for good. ``mute``: nothing is said any more. ``answers_close``: whether the
    client's close is to be answered.
    """

    def __init__(
        self,
        websocket: web.WebSocketResponse,
        socket: Socket,
        ended: Callable[[int | None, str], None],
        go_down: Callable[[float | None], None],
    ) -> None:
        self.mute = False
        self.answers_close = True
        self._websocket = websocket
        self._socket = socket
        self._ended = ended
        self._go_down = go_down
        self._rate: int | None = None
        self._outbox: deque[Outgoing] = deque()
        self._backlog = 0
        self._wake = asyncio.Event()

    def post(self, effect: Outgoing) -> None:
        """Takes an effect; events as `SendRaw`. Of pongs that wait only the latest is kept (RFC 6455, 5.5.3)."""
        if self.mute:
            return
        if isinstance(effect, Pong) and self._outbox and isinstance(self._outbox[-1], Pong):
            self._outbox.pop()
        if isinstance(effect, StopWriting | Cut):
            self.mute, self.answers_close = True, False
        if isinstance(effect, SendRaw):
            self._backlog += len(effect.frame)
        if self._backlog > LARGEST_BACKLOG:
            self._socket.abort()
        self._outbox.append(effect)
        self._wake.set()

    async def write(self) -> None:
        """Carries out what is posted until the connection ends, or this is cancelled."""
        with contextlib.suppress(ConnectionError):  # the reader learns of it, too
            while True:
                while self._outbox:
                    await self._carry_out(self._outbox.popleft())
                self._wake.clear()
                await self._wake.wait()

    async def close(self, code: int, reason: str) -> None:
        """Closes the WebSocket, in a second at most; at once where a fault has spoilt that."""
        if self.mute or self._socket.deaf or self._rate is not None:
            self._ended(None, "")
            self._socket.abort()
        else:
            await self._hang_up(Hangup(code, reason))

    async def _carry_out(self, effect: Outgoing) -> None:
        match effect:
            case SendRaw(str() as text):
                self._backlog -= len(text)
                await self._say(WSMsgType.TEXT, text.encode())
            case SendRaw(bytes() as data):
                self._backlog -= len(data)
                await self._say(WSMsgType.BINARY, data)
            case Ping():
                await self._say(WSMsgType.PING, b"")
            case Pong():
                await self._say(WSMsgType.PONG, effect.data)
            case Hangup():
                await self._hang_up(effect)
            case SendBytes():
                await self._write(effect.data)
            case _:
                await self._break(effect)

    async def _break(self, effect: Outgoing) -> None:
        match effect:
            case StopReading():
                self._socket.stop_reading()
            case SlowDown():
                self._rate, self.answers_close = effect.rate, False
            case IgnoreClose():
                self.answers_close = False
            case Cut():
                await self._socket.cut()
            case Reset():
                self._socket.reset()
            case GoDown():
                self._go_down(effect.seconds)
            case Abort():
                self._socket.abort()
            case _:
                """`StopWriting` did its work when it was posted."""

    async def _say(self, opcode: WSMsgType, data: bytes) -> None:
        if self._rate is None:
            await self._websocket.send_frame(data, opcode)
        else:
            await self._socket.dribble(frames.frame(opcode, data), self._rate)

    async def _write(self, data: bytes) -> None:
        if self._rate is None:
            await self._socket.write(data)
        else:
            await self._socket.dribble(data, self._rate)

    async def _hang_up(self, effect: Hangup) -> None:
        self._ended(effect.code, effect.reason)
        if self._rate is not None:
            await self._socket.dribble(frames.close(effect.code, effect.reason), self._rate)
            return await self._socket.cut()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                reason = effect.reason.encode()[:123]
                await self._websocket.close(code=effect.code, message=reason)
        except TimeoutError:
            self._socket.abort()
