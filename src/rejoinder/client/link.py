"""The link: dials, reads, writes, hangs up. It knows nothing of what is said.

Three tasks, all in an empty context, so that they inherit no span and no handle from whoever
happened to start them: one that connects, a reader, a writer.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from rejoinder.client.alarm import Patience
from rejoinder.client.ending import Ending
from rejoinder.client.outbox import Outbox
from rejoinder.client.signal import Signal
from rejoinder.client.transport import Transport
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.outcomes import Close
from rejoinder.core.recovery import UNUSABLE
from rejoinder.errors import ConfigurationError, ConnectError, RejoinderError
from rejoinder.wire.response import ErrorBody

__all__ = ["Dialled", "Hearer", "Link"]

logger = logging.getLogger("rejoinder")

_BREATH = 128
"""After how many frames in a row the reader lets others run: a burst must not starve the timer. In a
burst of audio that is every few milliseconds."""

_STUBBORN = 0.1
"""How long (seconds) a task that was cancelled is waited for when no time is left at all."""

Work: TypeAlias = Callable[..., Coroutine[Any, Any, None]]

Dialled: TypeAlias = Callable[[float], Awaitable[Transport]]
"""Opens a transport, within so many seconds."""


class Hearer(Protocol):
    """Who is told what happens on a link. While it closes, only `over` is news of it."""

    def connected(self, link: Link) -> None:
        """The socket is open."""

    def heard(self, link: Link, frame: str | bytes) -> None:
        """A frame has come."""

    def lost(self, link: Link, close: Close) -> None:
        """The socket is gone, or could not be had. The link is still to be closed."""

    def over(self, link: Link) -> None:
        """All of it is closed: no task and no socket is left."""


class Link:
    """One connection, from the dial to the end.

    ``number``: which of its session. ``greeted``: the server has said something that is no refusal.
    ``closing``: it is hanging up, or has. ``ending``: how it ended, as far as that is known.
    """

    def __init__(self, hearer: Hearer, clocks: Timeouts, number: int = FIRST_LINK) -> None:
        self.number = number
        self.outbox = Outbox()
        self.greeted = False
        self.closing = False
        self.ending = Ending()
        self._greeting = Signal()
        self._hearer = hearer
        self._clocks = clocks
        self._transport: Transport | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._patience = Patience(clocks.heartbeat, self._stuck)
        self._close_by = 0.0

    def open(self, dial: Dialled, within: float) -> None:
        """Begins to connect. Counts as lost unless it was greeted ``within`` so many seconds."""
        self._spawn("connect", self._connect, dial, within)

    def greet(self) -> None:
        """The server has said something that is no refusal."""
        self.greeted = True
        self._greeting.set()

    def lose(self, close: Close) -> None:
        """The connection counts as lost, whether the socket knows it or not."""
        if not self.closing:
            self.ending.close = close
            self._hearer.lost(self, close)

    def close(self, code: int, reason: str) -> None:
        """Begins to hang up: what waits is written first, then the close frame; all of it bounded by
        ``timeouts.close``, after which the socket is freed in any case. `Hearer.over` follows."""
        if not self.closing:
            self.closing = True
            self._close_by = asyncio.get_running_loop().time() + self._clocks.close
            self._spawn("leave", self._leave, code, reason)
            self._tasks["leave"].add_done_callback(lambda task: self._left(task, code, reason))

    def _spawn(self, name: str, work: Work, *args: Any) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(
            self._watched(name, work, *args),
            name=f"rejoinder {name}",
            context=contextvars.Context(),
        )

    async def _watched(self, name: str, work: Work, *args: Any) -> None:
        """Whatever goes wrong here, or in a transport of somebody else's, ends the link audibly."""
        try:
            await work(*args)
        except Exception as error:  # anything: a transport may be the application's own
            logger.exception("the %s task of a session failed", name)
            self.lose(Close("network", None, f"{name}: {type(error).__name__}"))

    async def _connect(self, dial: Dialled, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                self._transport = await dial(within)
                self._spawn("read", self._read, self._transport)
                self._spawn("write", self._write, self._transport)
                if not self.closing:
                    self._hearer.connected(self)
                await self._greeting.wait()
            del self._tasks["connect"]  # it would be a third of what an idle link takes
        except TimeoutError:
            what = "no connection" if self._transport is None else "the server said nothing"
            self._fail(ConnectError(f"{what} within {within:g} s", code="timeout"))
        except RejoinderError as error:
            self._fail(error)

    def _fail(self, error: RejoinderError) -> None:
        self.ending.failure = error
        code = UNUSABLE if isinstance(error, ConfigurationError) else error.code
        told = ErrorBody(code=code, message=error.message)
        by = "network" if self.ending.status is None else "server"
        self.lose(Close(by, None, error.message, told))

    async def _read(self, transport: Transport) -> None:
        frames = 0
        # Of the built-in types it is quick to ask whether they are it; of a struct, whether it is not, slow.
        while isinstance(frame := await transport.receive(), (str, bytes)):
            if not self.closing:
                self._hearer.heard(self, frame)
            frames += 1
            if frames % _BREATH == 0:
                await asyncio.sleep(0)
        self.lose(frame)

    async def _write(self, transport: Transport) -> None:
        try:
            while (frame := await self.outbox.get()) is not None:
                self._patience.begin()
                await transport.send(frame)
                self._patience.end()
                self.outbox.written(frame)
        except ConnectionError:
            # The reader has the peer's last words still to read; only if it never gets to their end
            # is the writer's own word the last one.
            await asyncio.wait({self._tasks["read"]}, timeout=self._clocks.close)
            self.lose(Close("network", None, "the connection takes nothing any more"))

    def _stuck(self) -> None:
        within = self._clocks.heartbeat
        words = f"the server took nothing for {within:g} s"
        self.lose(Close("network", None, words, silent=within))

    def _left(self, task: asyncio.Task[None], code: int, reason: str) -> None:
        """Who ends a program cancels every task, this one too, perhaps before it has begun: then it is
        begun once more, since others wait for its end, and the socket for being freed."""
        if task.cancelled():
            self._spawn("leave", self._leave, code, reason)
            self._tasks["leave"].add_done_callback(self._is_over)
        else:
            self._is_over()

    def _is_over(self, _: object = None) -> None:
        self._patience.clear()
        self._hearer.over(self)

    async def _leave(self, code: int, reason: str) -> None:
        await self._stop("connect")
        self.outbox.close()
        if self.ending.close is None and not self._done("write"):
            await asyncio.wait({self._tasks["write"]}, timeout=self._clocks.close / 2)
        await self._stop("write")
        self.outbox.release()
        try:
            if self._transport is not None:
                async with asyncio.timeout_at(self._close_by):
                    self.ending.parting = await self._transport.close(code, reason)
        except TimeoutError:
            pass  # cancelling `close` has freed the socket
        finally:
            await self._stop("read")

    def _done(self, name: str) -> bool:
        return name not in self._tasks or self._tasks[name].done()

    async def _stop(self, name: str) -> None:
        if not self._done(name):
            self._tasks[name].cancel()
            left = self._close_by - asyncio.get_running_loop().time()
            await asyncio.wait({self._tasks[name]}, timeout=max(left, _STUBBORN))
