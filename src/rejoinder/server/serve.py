"""`serve`: the server, running in this loop while a block is entered.

::

    async with serve(Script(Turn("hello", Speech("Hi there.")))) as server:
        async with rejoinder.connect(base_url=server.url, api_key="any") as session:
            ...
        assert server.sessions[0].received
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeAlias, cast

import msgspec
from aiohttp import web

from rejoinder.errors import ConfigurationError
from rejoinder.server import flat_secrets, handshake
from rejoinder.server.client_secrets import LARGEST_REQUEST, PATH
from rejoinder.server.core import EarMaker, Terms
from rejoinder.server.ears import ear_maker
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.faults.line import FaultLine
from rejoinder.server.script import Script
from rejoinder.server.script_plan import ScriptFile
from rejoinder.server.shell.host import Guests, Server, Service
from rejoinder.server.shell.listener import Listener
from rejoinder.server.shell.outlet import GOODBYE_SECONDS
from rejoinder.server.shell.script_files import load
from rejoinder.server.shell.watched import harmless
from rejoinder.server.sights import Watch, nobody

__all__ = ["AnyScript", "Server", "serve"]

_IDLE_SECONDS = 60.0
"""How long a connection may stand there without a request: its first one, or another."""

AnyScript: TypeAlias = Script | ScriptFile | str | os.PathLike[str] | None
"""A script in Python, the path of a script file, or what `load` has made of one. None: it echoes."""


@contextlib.asynccontextmanager
async def serve(
    script: AnyScript = None,
    *,
    faults: Iterable[AnyFault | str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    ear: str | EarMaker = "energy",
    terms: Terms | None = None,
    dialect: str = "auto",
    max_sessions: int | None = None,
    remember: bool = True,
    watch: Watch = nobody,
) -> AsyncIterator[Server]:
    """Runs a server in this event loop until the block is left; by then nothing of it runs any more.

    - ``script``: see `AnyScript`. The faults of a script file come first, and its terms hold unless
      ``terms`` are given.
    - ``faults``: `Fault`, `HandshakeFault` or text (`catalogue.fault`), in the order in which they act.
    - ``port``: 0 takes a free one.
    - ``api_key``: the only key that is let in, and with it client secrets got by
      ``POST {url}/realtime/client_secrets`` (64 KiB at most, 1000 good at a time); in the older shape by
      ``/sessions`` or ``/transcription_sessions``. Without it any key will do.
    - ``ear``: how the user's speech is detected: ``energy``, by loudness; ``speech``, by a model (with the
      ``livekit`` extra); or one of your own.
    - ``dialect``: ``auto`` speaks the older flat shape with who asks for it, ``flat`` with everybody,
      ``ga`` refuses it.
    - ``max_sessions``: one more is refused with HTTP 503. None: no limit.
    - ``remember``: False forgets a session that has ended well, for a server that runs for long.
    - ``watch``: is told of everything as it happens.

    Leaving the block closes open connections with 1001, which takes a second at most when a client does
    not answer. Raises `ConfigurationError` for an option, a script or a fault that cannot be used,
    `OSError` when the address cannot be had, and, when the block itself ended well, what a script raised.
    """
    if dialect not in handshake.DIALECTS:
        raise ConfigurationError(f"dialect {dialect!r}: use one of {', '.join(handshake.DIALECTS)}")
    file = await _file(script)
    epoch = time.time() - asyncio.get_running_loop().time()
    granted = msgspec.structs.replace(terms or file.terms, epoch=epoch)
    service = Service(file.script, ear_maker(ear), api_key, granted, dialect)
    server = Server(service, FaultLine(), Guests(max_sessions, remember, harmless(watch)))
    for one in (*file.faults, *faults):
        server.arm(one)
    async with _running(server, host, port, older=dialect != "ga"):
        yield server
    for session in server.sessions:
        if session.failure is not None:
            raise session.failure


@contextlib.asynccontextmanager
async def _running(server: Server, host: str, port: int, *, older: bool) -> AsyncIterator[None]:
    app = web.Application(client_max_size=LARGEST_REQUEST)
    app.add_routes([web.get(path, server.answer) for path in handshake.PATHS])
    for tail in (PATH, *(flat_secrets.PATHS if older else ())):
        app.add_routes([web.post(path + tail, server.issue_secret) for path in handshake.PATHS])
    app.on_shutdown.append(server.hang_up)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=GOODBYE_SECONDS,
        keepalive_timeout=_IDLE_SECONDS,
    )
    await runner.setup()
    listener = Listener(cast(web.Server, runner.server))  # there since the set-up
    try:
        await listener.open(host, port)
        server.open(listener)
        yield
    finally:
        listener.end()
        await runner.cleanup()


async def _file(script: AnyScript) -> ScriptFile:
    if isinstance(script, ScriptFile):
        return script
    if isinstance(script, str | os.PathLike):
        return await asyncio.to_thread(load, script)
    return ScriptFile(script or Script())
