"""What tests of realtime sessions need: virtual time, and a watchman at the end of every test.

`rejoinder.pytest_plugin`, which is there wherever rejoinder is installed, has it as the fixtures `run`,
`realtime_server` and `live_realtime_server`. docs/testing.md has whole examples::

    def test_a_silent_server_is_noticed(run: Run, realtime_server: Serve) -> None:
        async def conversation() -> None:
            async with realtime_server(faults=["silence-after-created"]) as server:
                async with rejoinder.connect(base_url=server.url, api_key="any") as session:
                    outcome = await session.create_response().outcome()
            assert isinstance(outcome, rejoinder.TimedOut)     # after ten seconds that took none

        run(conversation())

`VirtualTimeLoop` is an asyncio event loop whose clock stands still while there is anything to do and
jumps to the next timer when there is not. Timeouts of minutes are tested in milliseconds, over real
loopback sockets, with the same result every time.

`live_server` is the same server in a thread of its own, for code that has no event loop or another one's.
"""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeAlias, TypeVar

from rejoinder.errors import ConfigurationError
from rejoinder.server.apart import LiveServer, live_server
from rejoinder.server.faults.catalogue import FAULTS, HANDSHAKES
from rejoinder.server.serve import Server

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = [
    "LiveServer",
    "LoopStuck",
    "Run",
    "Serve",
    "ServeLive",
    "VirtualTimeLoop",
    "every_fault",
    "live_server",
    "run_virtual",
]

T = TypeVar("T")

_EPOCH = 1000.0
"""Where virtual time begins, in seconds. Not zero, so that a moment is never false."""

_SETTLE = 0.001
"""How long (real seconds) the loop listens, twice, before it believes that no I/O is under way."""


class LoopStuck(Exception):
    """The loop cannot come to an end: nothing is left to wait for, or it spins without advancing."""


class _JumpingSelector(selectors.BaseSelector):
    """A real selector that answers a wait for a timer by moving the loop's clock."""

    def __init__(self, loop: VirtualTimeLoop, patience: float, limit: float) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop
        self._patience = patience
        self._limit = limit
        self._ends_at = time.monotonic() + limit

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if time.monotonic() > self._ends_at:
            raise LoopStuck(f"the loop did not end within {self._limit:g} s of real time")
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self._loop.jobs:
            return self._patiently()
        ready = self._listen()
        if not ready:
            self._loop.advance(timeout)
        return ready

    def _listen(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Gives the kernel its chance: bytes sent on loopback are readable at once, or nearly so."""
        watched = [key.fd for key in self._real.get_map().values()]
        if len(watched) <= 1:  # the loop's own wake-up pipe
            return []
        if any(map(_under_way, watched)):
            return self._real.select(_SETTLE) or self._real.select(_SETTLE)
        os.sched_yield()
        return self._real.select(0)

    def _patiently(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits in real time: nothing but I/O or another thread can go on from here."""
        ready = self._real.select(self._patience)
        if not ready:
            raise LoopStuck(
                "the loop has nothing left to wait for: a hang "
                f"(no timer, no I/O and no finished thread for {self._patience:g} s of real time)"
            )
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def _under_way(fd: int) -> bool:
    """Whether bytes sent on this socket may not have reached the other end yet.

    Linux tells how many were not acknowledged (SIOCOUTQ). Where nobody tells, there may be some.
    """
    if sys.platform != "linux":
        return True
    try:
        return any(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return False  # it listens, or is no socket: nothing is sent on it


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time` (seconds, from 1000.0) moves only by jumps to the next timer.

    The clock stands still while callbacks are ready, while I/O is ready, and while jobs of
    `run_in_executor` (and so `asyncio.to_thread` and name look-ups) are running. Both ends of a
    conversation belong into the same loop: a peer in another process or thread is not waited for.
    When there is no timer either, the loop waits for I/O in real time and raises `LoopStuck` after
    ``patience`` seconds. It raises it too after running for ``limit`` seconds of real time.

    ``jobs``: how many jobs are running in other threads.
    """

    def __init__(self, *, patience: float = 10.0, limit: float = 60.0) -> None:
        self.jobs = 0
        self._virtual_now = _EPOCH
        self._watched = _JumpingSelector(self, patience, limit)
        super().__init__(self._watched)
        self._own = {key.fd for key in self._watched.get_map().values()}

    def time(self) -> float:
        """The virtual clock, in seconds."""
        return self._virtual_now

    def advance(self, seconds: float) -> None:
        """Moves the clock forward. The loop does it by itself; timers due by then run next."""
        self._virtual_now += seconds

    def open_descriptors(self) -> list[int]:
        """The file descriptors that the loop still watches, its own wake-up pipe left out."""
        return sorted({key.fd for key in self._watched.get_map().values()} - self._own)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As in asyncio; the clock stands still until the job has ended."""
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self.jobs += 1
        future.add_done_callback(self._job_ended)
        return future

    def _job_ended(self, _future: asyncio.Future[Any]) -> None:
        self.jobs -= 1


class Run(Protocol):
    """The type of the `run` fixture."""

    def __call__(self, main: Coroutine[Any, Any, T], *, within: float = ...) -> T: ...


def run_virtual(main: Coroutine[Any, Any, T], *, within: float = 600.0) -> T:
    """Runs ``main`` on a fresh `VirtualTimeLoop` and returns its result.

    Raises `TimeoutError` when it takes more than ``within`` seconds of virtual time, and
    `AssertionError` when, after its end, a task or a socket is left or an exception went unhandled.
    When ``main`` itself raises, that exception comes out, with a note of what it left behind.
    """
    gc.freeze()  # so that the collection at the end looks at what the test has made, and no further
    loop = VirtualTimeLoop()
    unhandled: list[str] = []
    loop.set_exception_handler(lambda _loop, context: unhandled.append(_describe(context)))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            result = _run(loop, main, within, unhandled, caught)
    finally:
        _tear_down(loop)
        gc.unfreeze()
    return result


def _run(
    loop: VirtualTimeLoop,
    main: Coroutine[Any, Any, T],
    within: float,
    unhandled: list[str],
    caught: list[warnings.WarningMessage],
) -> T:
    try:
        result = loop.run_until_complete(_bounded(main, within))
    except BaseException as error:
        for line in _left_behind(loop, unhandled, caught):
            error.add_note(line)
        raise
    left = _left_behind(loop, unhandled, caught)
    if left:
        raise AssertionError("the test left something behind:\n" + "\n".join(left))
    return result


async def _bounded(main: Coroutine[Any, Any, T], within: float) -> T:
    bound = asyncio.timeout(within)
    try:
        async with bound:
            return await main
    except TimeoutError as error:
        if bound.expired():
            raise TimeoutError(f"no end within {within:g} s of virtual time") from error
        raise
    finally:
        for _ in range(5):  # closed sockets reach their other end before the clock moves this far
            await asyncio.sleep(0.0001)


def _left_behind(
    loop: VirtualTimeLoop, unhandled: list[str], caught: list[warnings.WarningMessage]
) -> list[str]:
    """One line for each thing that outlived its test."""
    gc.collect()  # an exception that nobody retrieved is reported when its task is collected
    left = [f"a task: {task!r}" for task in asyncio.all_tasks(loop)]
    left += [f"a socket: file descriptor {fd}" for fd in loop.open_descriptors()]
    left += [f"an unhandled exception: {line}" for line in unhandled]
    left += [
        f"a resource: {warning.message}"
        for warning in caught
        if issubclass(warning.category, ResourceWarning)
    ]
    return left


def _tear_down(loop: VirtualTimeLoop) -> None:
    """Ends what is left and closes the loop, so that one bad test does not spoil the next."""
    loop.set_exception_handler(lambda _loop, _context: None)
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    try:
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _describe(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message', '')}{f' ({error!r})' if error is not None else ''}"


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Server]]
"""The type of the `realtime_server` fixture: `rejoinder.server.serve.serve`, and its arguments."""


# -- a server for code with another loop, or none --


class ServeLive(Protocol):
    """The type of the `live_realtime_server` fixture: `live_server`, and its arguments."""

    def __call__(
        self, script: Any = None, **options: Any
    ) -> AbstractContextManager[LiveServer]: ...


# -- faults --


def every_fault(*patterns: str) -> list[str]:
    """The names of all faults that a pattern such as ``close-*`` matches; without patterns, of all.

    For ``pytest.mark.parametrize("fault", every_fault("close-*", "silence-*"))``. Raises
    `ConfigurationError` for a pattern that matches none: a fault that is gone must not go unnoticed.
    """
    known = [*FAULTS, *HANDSHAKES]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ConfigurationError(f"no fault has a name like {pattern!r}")
    wanted = patterns or ("*",)
    return [name for name in known if any(fnmatchcase(name, pattern) for pattern in wanted)]
