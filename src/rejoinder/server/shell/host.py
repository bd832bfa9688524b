"""Who is let in, and every session so far."""

from __future__ import annotations

import asyncio
import functools
import secrets

import msgspec
from aiohttp import web
from msgspec import UNSET

from rejoinder.server import flat_secrets, handshake
from rejoinder.server.client_secrets import PREFIX, ClientSecrets
from rejoinder.server.core import EarMaker, Session, Terms
from rejoinder.server.engines import ScriptedVoice
from rejoinder.server.faults.catalogue import fault
from rejoinder.server.faults.handshake import Admit, AnyFault, Respond, TurnAway
from rejoinder.server.faults.line import FaultLine
from rejoinder.server.flat import Flat
from rejoinder.server.handshake import Admitted, Turned, Upgrade
from rejoinder.server.ids import CountingIds
from rejoinder.server.refusals import Refusal
from rejoinder.server.rules import Json
from rejoinder.server.script import Script
from rejoinder.server.shapes import Nested
from rejoinder.server.shell import entrance
from rejoinder.server.shell.connection import Connection
from rejoinder.server.shell.listener import Listener
from rejoinder.server.shell.outlet import GOODBYE_SECONDS, Outlet
from rejoinder.server.shell.served import ServedSession
from rejoinder.server.shell.sockets import Socket
from rejoinder.server.sights import Joined, Left, Refused, Watch, nobody
from rejoinder.wire import codec
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.session import SessionConfig

LARGEST_FRAME = 21 * 1024 * 1024
"""Bytes: the largest append, in base64. A larger client frame closes the connection with 1009."""

_PATIENCE_SECONDS = 10.0
"""How long the body of a request may take."""

_TORN = 1006


class Service(msgspec.Struct, frozen=True):
    """What everybody gets who is let in: the arguments of `serve`."""

    script: Script
    ear: EarMaker
    api_key: str | None
    terms: Terms
    dialect: str


class Guests(msgspec.Struct, frozen=True):
    """How many may be here at a time, whether they are remembered, and who watches them."""

    most: int | None = None
    remembered: bool = True
    watch: Watch = nobody


class Server:
    """A running server: ``url`` is the base for clients, ``sessions`` holds every one so far.

    ``connections`` counts the requests to connect, those that never became a session included.
    """

    def __init__(self, service: Service, line: FaultLine, guests: Guests) -> None:
        self.url = ""
        self.sessions: list[ServedSession] = []
        self.connections = 0
        self._service = service
        self._line = line
        self._guests = guests
        self._joined = 0
        self._secrets = ClientSecrets()
        self._turned = CountingIds("c0")
        self._listener: Listener | None = None
        self._there: dict[Socket, Connection | None] = {}
        self._waiting: list[asyncio.Future[None]] = []

    async def session(self, number: int) -> ServedSession:
        """The session of this number, from 0, as soon as its client has been let in. Cancelling is safe."""
        while len(self.sessions) <= number:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        return self.sessions[number]

    def open(self, listener: Listener) -> None:
        """Clients may come from here on."""
        address, port = listener.address
        self.url = f"ws://{f'[{address}]' if ':' in address else address}:{port}/v1"
        self._listener = listener

    def arm(self, given: AnyFault | str) -> None:
        """Arms one more fault; it counts responses, events and connections from now on."""
        self._line.arm(fault(given) if isinstance(given, str) else given)

    # -- the door --

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One upgrade request, to the end of its WebSocket."""
        self.connections += 1
        if request.transport is None:
            return web.Response()  # gone already
        if self._guests.most is not None and len(self._there) >= self._guests.most:
            return self._full()
        socket = Socket.of(request.transport)
        self._there[socket] = None
        try:
            steps = self._line.knock()
            while self._line.struck:
                self._guests.watch(0, self._line.struck.popleft())
            welcome = await entrance.meet(socket, steps)
            return await self._welcome(request, socket, welcome)
        finally:
            del self._there[socket]

    def _full(self) -> web.Response:
        full = f"{len(self._there)} of {self._guests.most} sessions are open"
        self._guests.watch(0, Refused(503, full))
        return web.Response(status=503, text="The server has no room for another session.")

    async def _welcome(
        self, request: web.Request, socket: Socket, welcome: entrance.Welcome | None
    ) -> web.StreamResponse:
        match welcome:
            case Admit():
                return await self._judge(request, socket, welcome)
            case Respond():
                self._guests.watch(0, Refused(welcome.status, "a fault"))
                return entrance.refusal(welcome)
            case TurnAway():
                return await self._turn_away(request, welcome.verdict)
            case None:
                self._guests.watch(0, Left(_TORN, "not let in"))
                return web.Response()  # gone meanwhile

    async def _judge(
        self, request: web.Request, socket: Socket, admit: Admit
    ) -> web.StreamResponse:
        upgrade = _upgrade(request)
        secret = self._secrets.session_of(handshake.key_of(upgrade), self._now())
        service = self._service
        verdict = handshake.judge(upgrade, service.api_key, service.dialect, secret)
        if isinstance(verdict, Turned):
            return await self._turn_away(request, verdict)
        websocket = await _upgraded(request)
        await self._hold(socket, websocket, self._begun(verdict, secret), verdict, admit)
        return websocket

    async def _turn_away(self, request: web.Request, verdict: Turned) -> web.StreamResponse:
        self._guests.watch(0, Refused(verdict.status or verdict.close_code, verdict.reason))
        if verdict.status is not None:
            return web.Response(status=verdict.status)
        websocket = await _upgraded(request)
        refusal = events.Error(event_id=self._turned.new("event"), error=verdict.error)
        await websocket.send_str(codec.encode(refusal).decode())
        await websocket.close(code=verdict.close_code, message=verdict.reason.encode())
        return websocket

    async def issue_secret(self, request: web.Request) -> web.Response:
        """One request for a client secret; who asks needs the key itself."""
        trouble = handshake.key_trouble(_upgrade(request), self._service.api_key)
        if trouble is not None:
            return _refused(401, trouble.error)
        value = PREFIX + secrets.token_hex(16)
        try:
            body = await _body(request)
            reply = self._issued(request.path, value, body)
        except (ConnectionError, web.RequestPayloadError):
            return web.Response()  # gone meanwhile
        except Refusal as refusal:
            return _refused(400, refusal.body(None))
        return web.json_response(reply)

    def _issued(self, path: str, value: str, body: bytes) -> Json:
        for tail, kind in flat_secrets.PATHS.items():
            if path.endswith(tail):
                return flat_secrets.issue(self._secrets, kind, value, self._now(), body)
        return self._secrets.issue(value, self._now(), body)

    # -- inside --

    def _begun(self, granted: Admitted, secret: SessionConfig | None) -> ServedSession:
        """A new session, as granted."""
        self._joined += 1
        terms = msgspec.structs.replace(
            self._service.terms,
            kind=granted.kind,
            model=granted.model,
            names_conversation=granted.flat and granted.kind == "realtime",
        )
        ids, voice = CountingIds(f"c{self._joined}"), ScriptedVoice(self._service.script)
        core = Session(ids, voice, self._service.ear, terms)
        if secret is not None:
            begun = msgspec.structs.replace(secret, model=UNSET)
            core.settings.update(begun, voice_locked=False)
        watch = functools.partial(self._guests.watch, self._joined)
        watch(Joined(granted.model, granted.kind))
        return ServedSession(core, self._line, watch)

    async def _hold(
        self,
        socket: Socket,
        websocket: web.WebSocketResponse,
        session: ServedSession,
        granted: Admitted,
        admit: Admit,
    ) -> None:
        self.sessions.append(session)
        self._tell_of_it()
        outlet = Outlet(websocket, socket, session.ended, self._go_down)
        shape = Flat(granted.kind) if granted.flat else Nested()
        connection = Connection(session, websocket, socket, outlet, shape)
        self._there[socket] = connection
        try:
            await connection.run(admit)
        finally:
            if not self._guests.remembered and session.failure is None:
                self.sessions.remove(session)

    def _tell_of_it(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

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

    def _now(self) -> float:
        return self._service.terms.epoch + asyncio.get_running_loop().time()


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


async def _body(request: web.Request) -> bytes:
    """The whole body. Raises `ConnectionError` for a client that leaves or dawdles; that is cut off."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await request.read()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the request never ended") from None


def _upgrade(request: web.Request) -> Upgrade:
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    protocols = [name.strip() for name in offered.split(",")]
    return Upgrade(request.query, headers, protocols, request.path)


def _refused(status: int, error: ErrorBody) -> web.Response:
    return web.json_response({"error": msgspec.to_builtins(error)}, status=status)
