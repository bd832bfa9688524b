"""The one place of the server that meets a loop and a socket: aiohttp around `core`.

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
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

import msgspec
from aiohttp import WSMsgType, web

from rejoinder.server import handshake, reading
from rejoinder.server.catalogue import fault
from rejoinder.server.conversation import Conversation
from rejoinder.server.core import EarMaker, Session, Terms
from rejoinder.server.effects import Effect, Hangup, Ping, Send, SendRaw
from rejoinder.server.engines import Ear, ScriptedVoice
from rejoinder.server.faults import Fault, FaultLine
from rejoinder.server.handshake import Admitted, Turned, Upgrade
from rejoinder.server.ids import CountingIds
from rejoinder.server.inputs import Input, Opened, Received, Tick
from rejoinder.server.peer import Peer
from rejoinder.server.reading import Unreadable
from rejoinder.server.script import Script
from rejoinder.server.settings import Json
from rejoinder.server.vad import EnergyVad, settings_of
from rejoinder.wire import codec
from rejoinder.wire import server_events as events
from rejoinder.wire.client_events import ClientEvent, InputAudioBufferAppend
from rejoinder.wire.server_events import ServerEvent

LARGEST_FRAME = 16 * 1024 * 1024
"""Bytes. A larger client frame closes the connection with 1009."""
LARGEST_BACKLOG = 64 * 1024 * 1024
"""Bytes. A client that does not read this much is cut off."""
_REMEMBERED = 10_000
_GOODBYE_SECONDS = 1.0

E = TypeVar("E", bound=ClientEvent | Unreadable)


def energy_ear(rate: int, turn_detection: Json, at_ms: int) -> Ear:
    """The ear of the base install."""
    return EnergyVad(rate, settings_of(turn_detection), at_ms)


@contextlib.asynccontextmanager
async def serve(
    script: Script | None = None,
    *,
    faults: Iterable[Fault | str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    ear: EarMaker = energy_ear,
    terms: Terms | None = None,
) -> AsyncIterator[Server]:
    """Runs a server in this event loop until the block is left; by then nothing of it runs any more.

    ``faults`` as `Fault` or as text (`catalogue.fault`), in the order in which they were armed.
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


class ServedSession:
    """One connection, for tests to look at; it stays readable after its end.

    ``received``: the client events in order, appended audio apart (``appended`` counts its bytes).
    ``sent``: the server events in order, but for what faults send raw. ``core`` is the session itself,
    with its ``settings``: to be read, not stepped. ``close_code``: how the WebSocket ended, None while
    it lives.
    ``failure``: what a script or a fault raised; the connection was closed with 1011.
    """

    def __init__(self, core: Session, line: FaultLine) -> None:
        self.core = core
        self.peer = Peer(core, line)
        self.received: deque[ClientEvent | Unreadable] = deque(maxlen=_REMEMBERED)
        self.sent: deque[ServerEvent] = deque(maxlen=_REMEMBERED)
        self.appended = 0
        self.close_code: int | None = None
        self.failure: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def conversation(self) -> Conversation:
        """The conversation as the server has it."""
        return self.core.conversation

    async def wait_for(self, kind: type[E], count: int = 1) -> E:
        """The ``count``-th client event of this type, as soon as it has come.

        Raises `ConnectionError` when the connection ends without it. Cancelling is safe.
        """
        while True:
            found = [event for event in self.received if isinstance(event, kind)]
            if len(found) >= count:
                return found[count - 1]
            if self.close_code is not None:
                raise ConnectionError(
                    f"the session ended ({self.close_code}) without {kind.__name__}"
                )
            await self._news()

    async def wait_closed(self) -> int:
        """The close code, as soon as the connection has ended. Cancelling is safe."""
        while self.close_code is None:
            await self._news()
        return self.close_code

    def note(self, event: ClientEvent | Unreadable) -> None:
        """Remembers what the client said."""
        if isinstance(event, InputAudioBufferAppend):
            self.appended += len(event.audio)
        else:
            self.received.append(event)
        self._wake()

    def ended(self, close_code: int | None) -> None:
        """Remembers how it ended: the first word on that counts."""
        if self.close_code is None:
            self.close_code = close_code or 1006
        self._wake()

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Server:
    """A running server: ``url`` is the base for clients, ``sessions`` holds every one so far."""

    def __init__(
        self, script: Script, line: FaultLine, ear: EarMaker, api_key: str | None, terms: Terms
    ) -> None:
        self.url = ""
        self.sessions: list[ServedSession] = []
        self._script = script
        self._line = line
        self._ear = ear
        self._api_key = api_key
        self._terms = terms
        self._open: set[Connection] = set()

    def arm(self, given: Fault | str) -> None:
        """Arms one more fault; it counts responses and events from now on, on every connection."""
        self._line.arm(fault(given) if isinstance(given, str) else given)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One upgrade request, to the end of its WebSocket."""
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        upgrade = Upgrade(request.query, headers, [name.strip() for name in offered.split(",")])
        verdict = handshake.judge(upgrade, self._api_key)
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
        ids = CountingIds(f"c{len(self.sessions) + 1}")
        core = Session(ids, ScriptedVoice(self._script), self._ear, terms)
        session = ServedSession(core, self._line)
        self.sessions.append(session)
        connection = Connection(session, websocket, request.transport)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)

    async def hang_up(self, _app: web.Application) -> None:
        """Closes every connection with 1001."""
        going = (connection.close(1001, "server shutdown") for connection in self._open)
        await asyncio.gather(*going)


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
            async for message in self._websocket:
                if message.type is WSMsgType.ERROR:
                    # A frame too large, say: aiohttp closes by itself and forgets with which code.
                    self._session.ended(getattr(message.data, "code", None))
                    continue
                event = reading.read(message.data)
                self._session.note(event)
                self._step(Received(event))
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
        self._session.ended(code)
        await self._websocket.close(code=code, message=reason.encode()[:123])

    def _step(self, given: Input) -> None:
        try:
            for effect in self._session.peer.step(self._loop.time(), given):
                self._post(effect)
        except Exception as error:  # noqa: BLE001 - a script's own: told at the end of the block
            self._session.failure = self._session.failure or error
            self._post(Hangup(1011, "the server failed"))
            return
        self._arm()

    def _post(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._session.sent.append(effect.event)
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
