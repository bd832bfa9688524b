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
import functools
import os
import time
from collections.abc import AsyncIterator, Iterable

import msgspec
from aiohttp import web

from rejoinder.server import handshake
from rejoinder.server.catalogue import fault
from rejoinder.server.connection import Connection
from rejoinder.server.core import EarMaker, Session, Terms
from rejoinder.server.engines import Ear, ScriptedVoice
from rejoinder.server.faults import Fault, FaultLine
from rejoinder.server.handshake import Admitted, Turned, Upgrade
from rejoinder.server.ids import CountingIds
from rejoinder.server.script import Script
from rejoinder.server.script_files import load
from rejoinder.server.script_plan import ScriptFile
from rejoinder.server.served import ServedSession
from rejoinder.server.settings import Json
from rejoinder.server.sights import Joined, Refused, Watch, nobody
from rejoinder.server.vad import EnergyVad, settings_of
from rejoinder.wire import codec
from rejoinder.wire import server_events as events

LARGEST_FRAME = 16 * 1024 * 1024
"""Bytes. A larger client frame closes the connection with 1009."""
_GOODBYE_SECONDS = 1.0


def energy_ear(rate: int, turn_detection: Json, at_ms: int) -> Ear:
    """The ear of the base install."""
    return EnergyVad(rate, settings_of(turn_detection), at_ms)


@contextlib.asynccontextmanager
async def serve(
    script: Script | ScriptFile | str | os.PathLike[str] | None = None,
    *,
    faults: Iterable[Fault | str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    ear: EarMaker = energy_ear,
    terms: Terms | None = None,
    max_sessions: int | None = None,
    remember: bool = True,
    watch: Watch = nobody,
) -> AsyncIterator[Server]:
    """Runs a server in this event loop until the block is left; by then nothing of it runs any more.

    ``script``: in Python, or the path of a script file, whose own faults come first and whose terms hold
    unless ``terms`` are given. ``faults`` as `Fault` or as text (`catalogue.fault`), in the order in which they were armed.
    ``port`` 0 takes a free one. Without ``api_key`` any key will do. Where ``max_sessions`` are open, one
    more is refused with HTTP 503. ``remember`` False forgets a session that has ended well, for a server
    that runs for long. ``watch`` is told of everything as it happens. Leaving the block closes open
    connections with 1001, which takes a second at most when a client does not answer. Raises
    `OSError` when the address cannot be had, `ConfigurationError` for a wrong script or fault, and, when the block itself ended well, what a script
    raised.
    """
    epoch = time.time() - asyncio.get_running_loop().time()
    file = await _file(script)
    granted = msgspec.structs.replace(terms or file.terms, epoch=epoch)
    guests = Guests(max_sessions, remember, watch)
    server = Server(file.script, FaultLine(), ear, api_key, granted, guests)
    for one in (*file.faults, *faults):
        server.arm(one)
    app = web.Application()
    app.add_routes([web.get(path, server.answer) for path in handshake.PATHS])
    app.on_shutdown.append(server.hang_up)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address, taken = runner.addresses[0][:2]
        server.url = f"ws://{f'[{address}]' if ':' in address else address}:{taken}/v1"
        yield server
    finally:
        await runner.cleanup()
    for session in server.sessions:
        if session.failure is not None:
            raise session.failure


async def _file(script: Script | ScriptFile | str | os.PathLike[str] | None) -> ScriptFile:
    if isinstance(script, ScriptFile):
        return script
    if isinstance(script, str | os.PathLike):
        return await asyncio.to_thread(load, script)
    return ScriptFile(script or Script())


class Guests(msgspec.Struct, frozen=True):
    """How many may be here at a time, whether they are remembered, and who watches them."""

    most: int | None = None
    remembered: bool = True
    watch: Watch = nobody


class Server:
    """A running server: ``url`` is the base for clients, ``sessions`` holds every one so far."""

    def __init__(
        self,
        script: Script,
        line: FaultLine,
        ear: EarMaker,
        api_key: str | None,
        terms: Terms,
        guests: Guests,
    ) -> None:
        self.url = ""
        self.sessions: list[ServedSession] = []
        self._script = script
        self._line = line
        self._ear = ear
        self._api_key = api_key
        self._terms = terms
        self._guests = guests
        self._joined = 0
        self._open: set[Connection] = set()

    def arm(self, given: Fault | str) -> None:
        """Arms one more fault; it counts responses and events from now on, on every connection."""
        self._line.arm(fault(given) if isinstance(given, str) else given)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One upgrade request, to the end of its WebSocket."""
        if self._guests.most is not None and len(self._open) >= self._guests.most:
            full = f"{len(self._open)} of {self._guests.most} sessions are open"
            self._guests.watch(0, Refused(503, full))
            return web.Response(status=503, text="The server has no room for another session.")
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        upgrade = Upgrade(request.query, headers, [name.strip() for name in offered.split(",")])
        verdict = handshake.judge(upgrade, self._api_key)
        if isinstance(verdict, Turned):
            self._guests.watch(0, Refused(verdict.status or verdict.close_code, verdict.reason))
        if isinstance(verdict, Turned) and verdict.status is not None:
            return web.Response(status=verdict.status)
        websocket = web.WebSocketResponse(
            protocols=(handshake.SUBPROTOCOL,),
            max_msg_size=LARGEST_FRAME,
            timeout=_GOODBYE_SECONDS,
            compress=False,
        )
        await websocket.prepare(request)
        if isinstance(verdict, Turned):
            await websocket.send_str(codec.encode(events.Error(error=verdict.error)).decode())
            await websocket.close(code=verdict.close_code, message=verdict.reason.encode())
            return websocket
        await self._hold(request, websocket, verdict)
        return websocket

    async def _hold(
        self, request: web.Request, websocket: web.WebSocketResponse, granted: Admitted
    ) -> None:
        terms = msgspec.structs.replace(self._terms, kind=granted.kind, model=granted.model)
        self._joined += 1
        ids = CountingIds(f"c{self._joined}")
        core = Session(ids, ScriptedVoice(self._script), self._ear, terms)
        watch = functools.partial(self._guests.watch, self._joined)
        session = ServedSession(core, self._line, watch)
        self.sessions.append(session)
        watch(Joined(granted.model, granted.kind))
        connection = Connection(session, websocket, request.transport)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            if not self._guests.remembered and session.failure is None:
                self.sessions.remove(session)

    async def hang_up(self, _app: web.Application) -> None:
        """Closes every connection with 1001."""
        going = (connection.close(1001, "server shutdown") for connection in self._open)
        await asyncio.gather(*going)
