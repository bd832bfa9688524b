"""The server, running: who is let in, and every session so far. aiohttp around `core`.

::

    async with serve(Script(Turn("hello", Speech("Hi there.")))) as server:
        async with rejoinder.connect(base_url=server.url, api_key="any") as session:
            ...
        assert server.sessions[0].received
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from typing import cast

import msgspec
from aiohttp import web

from rejoinder.server import entrance, handshake
from rejoinder.server.catalogue import fault
from rejoinder.server.connection import Connection
from rejoinder.server.core import EarMaker, Session, Terms
from rejoinder.server.engines import Ear, ScriptedVoice
from rejoinder.server.fault_line import FaultLine
from rejoinder.server.handshake import Admitted, Turned, Upgrade
from rejoinder.server.handshake_faults import Admit, AnyFault, Respond, TurnAway
from rejoinder.server.ids import CountingIds
from rejoinder.server.listener import Listener
from rejoinder.server.outlet import GOODBYE_SECONDS, Outlet
from rejoinder.server.script import Script
from rejoinder.server.served import ServedSession
from rejoinder.server.settings import Json
from rejoinder.server.sockets import Socket
from rejoinder.server.vad import EnergyVad, settings_of
from rejoinder.wire import codec
from rejoinder.wire import server_events as events

LARGEST_FRAME = 16 * 1024 * 1024
"""Bytes. A larger client frame closes the connection with 1009."""


def energy_ear(rate: int, turn_detection: Json, at_ms: int) -> Ear:
    """The ear of the base install."""
    return EnergyVad(rate, settings_of(turn_detection), at_ms)


@contextlib.asynccontextmanager
async def serve(
    script: Script | None = None,
    *,
    faults: Iterable[AnyFault | str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    ear: EarMaker = energy_ear,
    terms: Terms | None = None,
) -> AsyncIterator[Server]:
    """Runs a server in this event loop until the block is left; by then nothing of it runs any more.

    ``faults`` as `Fault`, `HandshakeFault` or text (`catalogue.fault`), in the order in which they act.
    ``port`` 0 takes a free one. Without ``api_key`` any key will do. Leaving the block closes open
    connections with 1001, which takes a second at most when a client does not answer. Raises
    `OSError` when the address cannot be had, and, when the block itself ended well, what a script
    raised.
    """
    epoch = time.time() - asyncio.get_running_loop().time()
    granted = msgspec.structs.replace(terms or Terms(), epoch=epoch)
    server = Server(script or Script(), FaultLine(), ear, api_key, granted)
    for one in faults:
        server.arm(one)
    app = web.Application()
    app.add_routes([web.get(path, server.answer) for path in handshake.PATHS])
    app.on_shutdown.append(server.hang_up)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_SECONDS)
    await runner.setup()
    listener = Listener(cast(web.Server, runner.server))  # there since the set-up
    try:
        await listener.open(host, port)
        server.open(listener)
        yield server
    finally:
        listener.end()
        await runner.cleanup()
    for session in server.sessions:
        if session.failure is not None:
            raise session.failure


class Server:
    """A running server: ``url`` is the base for clients, ``sessions`` holds every one so far.

    ``connections`` counts the requests to connect, those that never became a session included.
    """

    def __init__(
        self, script: Script, line: FaultLine, ear: EarMaker, api_key: str | None, terms: Terms
    ) -> None:
        self.url = ""
        self.sessions: list[ServedSession] = []
        self.connections = 0
        self._script = script
        self._line = line
        self._ear = ear
        self._api_key = api_key
        self._terms = terms
        self._turned = CountingIds("c0")
        self._listener: Listener | None = None
        self._there: dict[Socket, Connection | None] = {}

    def open(self, listener: Listener) -> None:
        """Clients may come from here on."""
        address, port = listener.address
        self.url = f"ws://{f'[{address}]' if ':' in address else address}:{port}/v1"
        self._listener = listener

    def arm(self, given: AnyFault | str) -> None:
        """Arms one more fault; it counts responses, events and connections from now on."""
        self._line.arm(fault(given) if isinstance(given, str) else given)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One upgrade request, to the end of its WebSocket."""
        self.connections += 1
        if request.transport is None:
            return web.Response()  # gone already
        socket = Socket.of(request.transport)
        self._there[socket] = None
        try:
            welcome = await entrance.meet(socket, self._line.knock())
            return await self._welcome(request, socket, welcome)
        finally:
            del self._there[socket]

    async def _welcome(
        self, request: web.Request, socket: Socket, welcome: entrance.Welcome | None
    ) -> web.StreamResponse:
        match welcome:
            case Admit():
                return await self._judge(request, socket, welcome)
            case Respond():
                return entrance.refusal(welcome)
            case TurnAway():
                return await _turn_away(request, welcome.verdict, self._turned.new("event"))
            case None:
                return web.Response()  # gone meanwhile

    async def _judge(
        self, request: web.Request, socket: Socket, admit: Admit
    ) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        upgrade = Upgrade(request.query, headers, [name.strip() for name in offered.split(",")])
        verdict = handshake.judge(upgrade, self._api_key)
        if isinstance(verdict, Turned):
            return await _turn_away(request, verdict, self._turned.new("event"))
        websocket = await _upgraded(request)
        await self._hold(socket, websocket, verdict, admit)
        return websocket

    async def _hold(
        self, socket: Socket, websocket: web.WebSocketResponse, granted: Admitted, admit: Admit
    ) -> None:
        terms = msgspec.structs.replace(self._terms, kind=granted.kind, model=granted.model)
        ids = CountingIds(f"c{len(self.sessions) + 1}")
        core = Session(ids, ScriptedVoice(self._script), self._ear, terms)
        session = ServedSession(core, self._line)
        self.sessions.append(session)
        outlet = Outlet(websocket, socket, session.ended, self._go_down)
        connection = self._there[socket] = Connection(session, websocket, socket, outlet)
        await connection.run(admit)

    def _go_down(self, seconds: float | None) -> None:
        if self._listener is not None:
            self._listener.leave(seconds)
        for socket in self._there:
            socket.reset()

    async def hang_up(self, _app: web.Application) -> None:
        """Closes every connection with 1001, those that are still waiting at the door with a reset."""
        there = list(self._there.items())
        for socket, connection in there:
            if connection is None:
                socket.abort()
        going = (connection.close(1001, "server shutdown") for _, connection in there if connection)
        await asyncio.gather(*going)


async def _upgraded(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse(
        protocols=(handshake.SUBPROTOCOL,),
        max_msg_size=LARGEST_FRAME,
        timeout=GOODBYE_SECONDS,
        compress=False,
        autoclose=False,  # pings and closes are answered by `Connection`, if at all
        autoping=False,
    )
    await websocket.prepare(request)
    return websocket


async def _turn_away(request: web.Request, verdict: Turned, event_id: str) -> web.StreamResponse:
    if verdict.status is not None:
        return web.Response(status=verdict.status)
    websocket = await _upgraded(request)
    refusal = events.Error(event_id=event_id, error=verdict.error)
    await websocket.send_str(codec.encode(refusal).decode())
    await websocket.close(code=verdict.close_code, message=verdict.reason.encode())
    return websocket
