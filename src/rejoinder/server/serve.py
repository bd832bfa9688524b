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
import secrets
import time
from collections.abc import AsyncIterator, Iterable

import msgspec
from aiohttp import web
from msgspec import UNSET

from rejoinder.errors import ConfigurationError
from rejoinder.server import handshake
from rejoinder.server.catalogue import fault
from rejoinder.server.client_secrets import PATH, PREFIX, ClientSecrets
from rejoinder.server.connection import Connection
from rejoinder.server.core import EarMaker, Session, Terms
from rejoinder.server.ears import ear_maker
from rejoinder.server.engines import ScriptedVoice
from rejoinder.server.faults import Fault, FaultLine
from rejoinder.server.flat import Flat
from rejoinder.server.handshake import Admitted, Turned, Upgrade
from rejoinder.server.ids import CountingIds
from rejoinder.server.refusals import Refusal
from rejoinder.server.script import Script
from rejoinder.server.served import ServedSession
from rejoinder.server.shapes import Nested
from rejoinder.wire import codec
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.session import SessionConfig

LARGEST_FRAME = 21 * 1024 * 1024
"""Bytes: the largest append, in base64. A larger client frame closes the connection with 1009."""
_GOODBYE_SECONDS = 1.0


@contextlib.asynccontextmanager
async def serve(
    script: Script | None = None,
    *,
    faults: Iterable[Fault | str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    ear: str | EarMaker = "energy",
    terms: Terms | None = None,
    dialect: str = "auto",
) -> AsyncIterator[Server]:
    """Runs a server in this event loop until the block is left; by then nothing of it runs any more.

    ``faults`` as `Fault` or as text (`catalogue.fault`), in the order in which they were armed.
    ``port`` 0 takes a free one. Without ``api_key`` any key will do; with it, so will a client secret
    got by ``POST {url}/realtime/client_secrets``. ``ear`` detects the user's speech: ``energy`` by
    loudness, ``speech`` by a model (with the ``livekit`` extra), or one of your own. ``dialect``:
    ``auto`` speaks the older flat shape with who asks for it, ``flat`` with everybody, ``ga`` refuses it.

    Leaving the block closes open connections with 1001, which takes a second at most when a client does
    not answer. Raises `ConfigurationError` for an option that cannot be used, `OSError` when the address
    cannot be had, and, when the block itself ended well, what a script raised.
    """
    if dialect not in handshake.DIALECTS:
        raise ConfigurationError(f"dialect {dialect!r}: use one of {', '.join(handshake.DIALECTS)}")
    epoch = time.time() - asyncio.get_running_loop().time()
    granted = msgspec.structs.replace(terms or Terms(), epoch=epoch)
    server = Server(script or Script(), FaultLine(), ear_maker(ear), api_key, granted, dialect)
    for one in faults:
        server.arm(one)
    app = web.Application()
    app.add_routes([web.get(path, server.answer) for path in handshake.PATHS])
    app.add_routes([web.post(path + PATH, server.issue_secret) for path in handshake.PATHS])
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


class Server:
    """A running server: ``url`` is the base for clients, ``sessions`` holds every one so far."""

    def __init__(
        self,
        script: Script,
        line: FaultLine,
        ear: EarMaker,
        api_key: str | None,
        terms: Terms,
        dialect: str,
    ) -> None:
        self.url = ""
        self.sessions: list[ServedSession] = []
        self._script = script
        self._line = line
        self._ear = ear
        self._api_key = api_key
        self._terms = terms
        self._dialect = dialect
        self._secrets = ClientSecrets()
        self._open: set[Connection] = set()

    def arm(self, given: Fault | str) -> None:
        """Arms one more fault; it counts responses and events from now on, on every connection."""
        self._line.arm(fault(given) if isinstance(given, str) else given)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One upgrade request, to the end of its WebSocket."""
        upgrade = _upgrade(request)
        secret = self._secrets.session_of(handshake.key_of(upgrade), self._now())
        verdict = handshake.judge(upgrade, self._api_key, self._dialect, secret)
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
        await self._hold(request, websocket, verdict, secret)
        return websocket

    async def issue_secret(self, request: web.Request) -> web.Response:
        """One request for a client secret; who asks needs the key itself."""
        trouble = handshake.key_trouble(_upgrade(request), self._api_key)
        if trouble is not None:
            return _refused(401, trouble.error)
        value = PREFIX + secrets.token_hex(16)
        try:
            reply = self._secrets.issue(value, self._now(), await request.read())
        except Refusal as refusal:
            return _refused(400, refusal.body(None))
        return web.json_response(reply)

    def _now(self) -> float:
        return self._terms.epoch + asyncio.get_running_loop().time()

    async def _hold(
        self,
        request: web.Request,
        websocket: web.WebSocketResponse,
        granted: Admitted,
        secret: SessionConfig | None,
    ) -> None:
        terms = msgspec.structs.replace(
            self._terms,
            kind=granted.kind,
            model=granted.model,
            names_conversation=granted.flat and granted.kind == "realtime",
        )
        ids = CountingIds(f"c{len(self.sessions) + 1}")
        core = Session(ids, ScriptedVoice(self._script), self._ear, terms)
        if secret is not None:
            begun = msgspec.structs.replace(secret, model=UNSET)
            core.settings.update(begun, voice_locked=False)
        session = ServedSession(core, self._line)
        self.sessions.append(session)
        shape = Flat(granted.kind) if granted.flat else Nested()
        connection = Connection(session, websocket, request.transport, shape)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)

    async def hang_up(self, _app: web.Application) -> None:
        """Closes every connection with 1001."""
        going = (connection.close(1001, "server shutdown") for connection in self._open)
        await asyncio.gather(*going)


def _upgrade(request: web.Request) -> Upgrade:
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    protocols = [name.strip() for name in offered.split(",")]
    return Upgrade(request.query, headers, protocols, request.path)


def _refused(status: int, error: ErrorBody) -> web.Response:
    return web.json_response({"error": msgspec.to_builtins(error)}, status=status)
