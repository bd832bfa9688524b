"""A server in a thread and a loop of its own: for code with another loop, or none, or one that blocks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.reading import Unreadable
from rejoinder.server.serve import Server, serve
from rejoinder.server.shell.served import ServedSession
from rejoinder.wire.client_events import ClientEvent

T = TypeVar("T")
E = TypeVar("E", bound=ClientEvent | Unreadable)


class LiveServer:
    """A server in a thread and an event loop of its own. Its time is real.

    ``url``: the ``base_url`` for clients. Its methods may be called from any thread but its own.
    """

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.url = server.url
        self._server = server
        self._loop = loop

    @property
    def sessions(self) -> list[ServedSession]:
        """Every session so far. What they hold may still grow; `wait_for` waits until it is there."""
        return list(self._server.sessions)

    def arm(self, fault: AnyFault | str) -> None:
        """Arms one more fault, from now on. Raises `ConfigurationError` when there is none of that name."""

        async def arm() -> None:
            self._server.arm(fault)

        self._ask(arm(), 10.0)

    def wait_for(
        self, kind: type[E], count: int = 1, *, session: int = 0, within: float = 10.0
    ) -> E:
        """The ``count``-th client event of this type in a session (from 0), as soon as it has come.

        Raises `TimeoutError` after ``within`` seconds, and `ConnectionError` when the session ends without
        it. A client that has not connected yet is waited for.
        """

        async def wait() -> E:
            return await (await self._server.session(session)).wait_for(kind, count)

        return self._ask(wait(), within)

    def wait_closed(self, *, session: int = 0, within: float = 10.0) -> int:
        """The close code of a session (from 0), as soon as it has ended. Raises as `wait_for` does."""

        async def wait() -> int:
            return await (await self._server.session(session)).wait_closed()

        return self._ask(wait(), within)

    def _ask(self, question: Coroutine[Any, Any, T], within: float) -> T:
        if self._loop.is_closed():
            question.close()
            raise RuntimeError("the server has ended: ask it inside of its block")
        answer = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return answer.result(within)
        except TimeoutError:
            answer.cancel()
            raise


@contextlib.contextmanager
def live_server(script: Any = None, **options: Any) -> Iterator[LiveServer]:
    """Serves from a thread until the block is left; by then the thread has ended.

    Takes what `rejoinder.server.serve.serve` takes, and raises what it raises: `OSError` when the address
    cannot be had, `ConfigurationError` for a wrong script or fault, and, when the block itself ended well,
    what a script of yours raised.
    """
    began: Future[tuple[LiveServer, Callable[[], object]]] = Future()

    async def hold() -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        async with serve(script, **options) as server:
            end = functools.partial(loop.call_soon_threadsafe, asked.set)
            began.set_result((LiveServer(server, loop), end))
            await asked.wait()

    with ThreadPoolExecutor(1, "realtime-server") as pool:
        ended = pool.submit(lambda: asyncio.run(hold()))
        either: list[Future[Any]] = [began, ended]
        futures.wait(either, return_when=futures.FIRST_COMPLETED)
        if not began.done():
            ended.result()  # raises why
        server, end = began.result()
        try:
            yield server
        finally:
            end()
        ended.result()
