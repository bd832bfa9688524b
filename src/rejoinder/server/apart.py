"""A server in a thread of its own, for what has no loop, another one, or one that may be blocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from rejoinder.server.serve import Server

T = TypeVar("T")


class ServerApart:
    """Runs a server while the block is entered; leaving it waits until nothing of it runs any more.

    ``serving`` makes it: a function that returns `serve(...)`. What that raises comes out of the block.
    """

    def __init__(self, serving: Callable[[], AbstractAsyncContextManager[Server]]) -> None:
        self._serving = serving
        self._started: Future[Server] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="realtime server", daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self._started.result()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._started.exception() is None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def do(self, function: Callable[[Server], T]) -> T:
        """Calls ``function`` with the server, in the server's thread, and returns its result."""

        async def called() -> T:
            return function(self._started.result())

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it comes out of the block
            self._failure = error
            if not self._started.done():
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with self._serving() as server:
            self._started.set_result(server)
            await self._over.wait()
