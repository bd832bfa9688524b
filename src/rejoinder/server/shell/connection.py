"""One WebSocket of the server: what `peer` decides, carried out with aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

from aiohttp import WSMsgType, web

from rejoinder.server.effects import Effect, Hangup
from rejoinder.server.faults.handshake import Admit
from rejoinder.server.inputs import Input, Opened, Received, Tick
from rejoinder.server.shapes import Shape, shaped
from rejoinder.server.shell.outlet import Outlet, Pong
from rejoinder.server.shell.served import ServedSession
from rejoinder.server.shell.sockets import Socket

_NO_CODE = 1005
"""What a close frame without a code counts as (RFC 6455)."""
_OUTLIVES_SECONDS = 10.0
"""How long a connection may outlive its session: a fault may have stopped all that goes in or out."""


class Connection:
    """One WebSocket: a reader, a writer, one timer, and nothing that is decided here."""

    def __init__(
        self,
        session: ServedSession,
        websocket: web.WebSocketResponse,
        socket: Socket,
        outlet: Outlet,
        shape: Shape,
    ) -> None:
        self._session = session
        self._websocket = websocket
        self._socket = socket
        self._outlet = outlet
        self._shape = shape
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, admit: Admit) -> None:
        """Serves until either side ends the connection. Cancelling this ends it, too.

        Raises what a script, a fault or a watcher of the user's raised; that closes it with 1011.
        """
        writer = asyncio.create_task(self._outlet.write())
        limit = self._session.core.terms.lifetime + _OUTLIVES_SECONDS
        last = self._loop.call_later(limit, self._socket.abort)
        try:
            with self._guarded():
                self._carry_out(self._session.peer.to_the_end(admit.before))
                self._step(Opened())
                self._carry_out(self._session.peer.to_the_end(admit.after))
            await self._read()
        finally:
            last.cancel()
            if self._timer is not None:
                self._timer.cancel()
            writer.cancel()
            await asyncio.wait([writer])
            self._session.ended(self._websocket.close_code)
        if self._session.failure is not None:
            raise self._session.failure

    async def close(self, code: int, reason: str) -> None:
        """Closes the WebSocket; waits no longer than a second for the other side's agreement."""
        await self._outlet.close(code, reason)

    async def _read(self) -> None:
        while True:
            message = await self._websocket.receive()
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    self._hear(message.data)
                case WSMsgType.PING:
                    self._outlet.post(Pong(message.data))
                case WSMsgType.PONG:
                    continue
                case WSMsgType.ERROR:
                    # A frame too large, say: aiohttp closes by itself and forgets with which code.
                    self._session.ended(getattr(message.data, "code", None))
                case WSMsgType.CLOSE if self._outlet.answers_close:
                    self._session.ended(message.data or _NO_CODE, message.extra or "")
                    return await self._part()
                case _:
                    return await self._part()

    async def _part(self) -> None:
        """The client has closed, or the connection is closed already."""
        if self._outlet.answers_close:
            await self._websocket.close(drain=False)
        else:
            await self._socket.until_lost()

    def _hear(self, frame: str | bytes) -> None:
        with self._guarded():
            event = self._shape.read(frame)
            self._session.note(event)
            self._step(Received(event))

    def _step(self, given: Input) -> None:
        with self._guarded():
            effects = self._session.peer.step(self._loop.time(), given)
            self._session.note_strikes()
            self._carry_out(effects)
            self._arm()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a script's own: told at the end of the block
            self._session.failure = self._session.failure or error
            self._outlet.post(Hangup(1011, "the server failed"))

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if self._outlet.mute:
                return
            self._session.note_effect(effect)
            told = shaped(effect, self._shape)
            if told is not None:
                self._outlet.post(told)

    def _arm(self) -> None:
        """The one timer, for the earliest deadline."""
        if self._timer is not None:
            self._timer.cancel()
        when = self._session.peer.next_deadline()
        self._timer = None if when is None else self._loop.call_at(when, self._step, Tick())
