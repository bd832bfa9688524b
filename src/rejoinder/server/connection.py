"""One WebSocket of the server: what `peer` decides, carried out with aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from aiohttp import WSMsgType, web

from rejoinder.server import reading
from rejoinder.server.effects import Effect, Hangup, Ping, Send, SendRaw
from rejoinder.server.inputs import Input, Opened, Received, Tick
from rejoinder.server.served import ServedSession
from rejoinder.wire import codec

LARGEST_BACKLOG = 64 * 1024 * 1024
"""Bytes. A client that does not read this much is cut off."""

_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)


class Connection:
    """One WebSocket: a reader, a writer, one timer, and nothing that is decided here."""

    def __init__(
        self,
        session: ServedSession,
        websocket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
    ) -> None:
        self._session = session
        self._websocket = websocket
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._outbox: deque[Effect] = deque()
        self._backlog = 0
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Serves until either side ends the connection. Cancelling this ends it, too.

        Raises what a script or a fault of the user's raised.
        """
        writer = asyncio.create_task(self._write())
        try:
            self._step(Opened())
            while (message := await self._websocket.receive()).type not in _ENDS:
                if message.type is WSMsgType.ERROR:
                    # A frame too large, say: aiohttp closes by itself and forgets with which code.
                    self._session.ended(getattr(message.data, "code", None))
                    continue
                event = reading.read(message.data)
                self._session.note(event)
                self._step(Received(event))
            if message.type is WSMsgType.CLOSE:
                self._session.ended(message.data, message.extra or "")
        finally:
            if self._timer is not None:
                self._timer.cancel()
            writer.cancel()
            await asyncio.wait([writer])
            self._session.ended(self._websocket.close_code)
        if self._session.failure is not None:
            raise self._session.failure

    async def close(self, code: int, reason: str) -> None:
        """Closes the WebSocket; waits no longer than a second for the other side's agreement."""
        self._session.ended(code, reason)
        await self._websocket.close(code=code, message=reason.encode()[:123])

    def _step(self, given: Input) -> None:
        try:
            effects = self._session.peer.step(self._loop.time(), given)
            self._session.note_strikes()
            for effect in effects:
                self._post(effect)
        except Exception as error:  # noqa: BLE001 - a script's own: told at the end of the block
            self._session.failure = self._session.failure or error
            self._post(Hangup(1011, "the server failed"))
            return
        self._arm()

    def _post(self, effect: Effect) -> None:
        self._session.note_effect(effect)
        if isinstance(effect, Send):
            effect = SendRaw(codec.encode(effect.event).decode())
        if isinstance(effect, SendRaw):
            self._backlog += len(effect.frame)
        if self._backlog > LARGEST_BACKLOG:
            self._abort()
        self._outbox.append(effect)
        self._wake.set()

    def _arm(self) -> None:
        """The one timer, for the earliest deadline."""
        if self._timer is not None:
            self._timer.cancel()
        when = self._session.peer.next_deadline()
        self._timer = None if when is None else self._loop.call_at(when, self._step, Tick())

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):  # the reader learns of it, too
            while True:
                while self._outbox:
                    await self._carry_out(self._outbox.popleft())
                self._wake.clear()
                await self._wake.wait()

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SendRaw(str() as frame):
                self._backlog -= len(frame)
                await self._websocket.send_str(frame)
            case SendRaw(bytes() as frame):
                self._backlog -= len(frame)
                await self._websocket.send_bytes(frame)
            case Ping():
                await self._websocket.ping()
            case Hangup():
                await self.close(effect.code, effect.reason)
            case _:
                self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
