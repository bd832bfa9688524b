"""Serving until told to end: the server, what it shows, and its signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import signal
from collections.abc import AsyncIterator, Iterator
from types import FrameType

import msgspec
from rich.console import Console
from rich.text import Text

from rejoinder.errors import ConfigurationError
from rejoinder.server.script import Script
from rejoinder.server.script_plan import ScriptFile
from rejoinder.server.serve import Server, serve
from rejoinder.server.shell.script_files import load
from rejoinder.serving.printer import Printer
from rejoinder.serving.screen import Screen, complaints_on


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line. ``max_session_seconds`` None: as the script says."""

    script: str | None = None
    faults: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8765
    key: str | None = None
    max_sessions: int = 64
    max_session_seconds: float | None = None
    ear: str = "energy"
    dialect: str = "auto"
    quiet: bool = False


async def hold(wishes: Wishes, console: Console) -> bool:
    """Serves until SIGINT or SIGTERM, then closes every connection with 1001; a second one ends at once.

    Returns whether all there was to show could be shown. When not, a thread is still stuck in the console,
    and the interpreter would wait for it at its own end.

    Raises `ConfigurationError` when it cannot begin: a wrong script, fault or address. Cancelling it closes
    everything, too.
    """
    printer = Printer(console)
    screen = Screen(printer, quiet=wishes.quiet)
    try:
        with _asked_to_end() as asked, complaints_on(screen):
            async with _server(wishes, screen) as (server, file):
                _announce(printer, server, wishes, file)
                await screen.show_until(asked)
        screen.end()
        printer.print(Text("Closed."))
    finally:
        shown = printer.end()
    return shown


@contextlib.contextmanager
def _asked_to_end() -> Iterator[asyncio.Event]:
    """An event that is set by the first SIGINT or SIGTERM; the second ends the process on the spot."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    told = False

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if told:  # not the event: a loop that is stuck never sets it
            os._exit(128 + number)
        told = True
        loop.call_soon_threadsafe(asked.set)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, was in before.items():
            signal.signal(number, was)


@contextlib.asynccontextmanager
async def _server(wishes: Wishes, screen: Screen) -> AsyncIterator[tuple[Server, ScriptFile]]:
    file = await asyncio.to_thread(load, wishes.script) if wishes.script else ScriptFile(Script())
    terms = file.terms
    if wishes.max_session_seconds is not None:
        terms = msgspec.structs.replace(terms, lifetime=wishes.max_session_seconds)
    served = serve(
        file,
        faults=wishes.faults,
        host=wishes.host,
        port=wishes.port,
        api_key=wishes.key,
        terms=terms,
        ear=wishes.ear,
        dialect=wishes.dialect,
        max_sessions=wishes.max_sessions,
        remember=False,
        watch=screen.watch,
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            server = await stack.enter_async_context(served)
        except OSError as error:
            raise ConfigurationError(_why_not(error, wishes)) from None
        yield server, file


def _why_not(error: OSError, wishes: Wishes) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {wishes.port} is taken: choose another with --port (0: any that is free)"
    if error.errno == errno.EACCES:
        return f"port {wishes.port} is not for everyone: choose one above 1023 with --port"
    why = (error.strerror or str(error)).rpartition(": ")[2]
    return f"cannot listen on --host {wishes.host}: {why}"


def _announce(printer: Printer, server: Server, wishes: Wishes, file: ScriptFile) -> None:
    """How to get here, before anything else is shown."""
    url = f"http{server.url.removeprefix('ws')}".replace("//0.0.0.0:", "//127.0.0.1:")
    url = url.replace("//[::]:", "//[::1]:")
    key = "any" if wishes.key is None else "<the key>"
    turns = f"{wishes.script} ({len(file.script.turns)} turns)" if wishes.script else "none: echoes"
    faults = ", ".join([*(one.name for one in file.faults), *wishes.faults]) or "none"
    for line in (
        f"Rejoinder serves at {url}; Ctrl-C ends it.",
        f"  script     {turns}",
        f"  faults     {faults}",
        f'  rejoinder  rejoinder.connect(base_url="{url}", api_key="{key}")',
        f'  LiveKit    RealtimeModel(base_url="{url}", api_key="{key}")',
        f'  openai     AsyncOpenAI(base_url="{url}", api_key="{key}")',
    ):
        printer.print(Text(line))
    if wishes.key is None and not is_loopback(wishes.host):
        warning = f"WARNING: {wishes.host} can be reached from other machines, and any key will do: use --key."
        printer.print(Text(warning, style="bold yellow"))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it; of a name other than ``localhost`` nobody knows."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
