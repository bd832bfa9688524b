"""The matrix: each cell in a process of its own, forked from one that has everything loaded.

A cell cannot outstay its time: whatever its client does, its process is killed then. The warm process
does the forking and the killing, so that the caller may have threads, and several clients after one
another do not get into each other's way.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext
from multiprocessing.process import BaseProcess

import msgspec

from rejoinder.conformance import cell as held_cell
from rejoinder.conformance.cells import GIVEN_UP, Cell
from rejoinder.conformance.clients import Client
from rejoinder.conformance.judge import CLOSE, Step, Verdict, judge
from rejoinder.errors import ConfigurationError

AT_A_TIME = 8
_STARTING = 30.0
_GRACE = 15.0
"""Seconds that a step may take beyond the moment at which its cell gives it up by itself. Then the client
blocks, and is killed."""


class Result(msgspec.Struct, frozen=True):
    """A cell as it went: each of its steps, the verdict, and the step on which that was passed."""

    cell: Cell
    steps: tuple[Step, ...]
    verdict: Verdict
    decisive: Step | None

    @property
    def settled(self) -> bool:
        """Whether it is as it should be."""
        return self.verdict is Verdict.SETTLED


class _Order(msgspec.Struct, frozen=True):
    """What the warm process is to do. ``lasting``: seconds that no step may take."""

    client: Client
    cells: tuple[Cell, ...]
    at_a_time: int
    given_up: float
    lasting: float


def run(
    client: Client,
    cells: Iterable[Cell],
    *,
    at_a_time: int = AT_A_TIME,
    given_up: float = GIVEN_UP,
    grace: float = _GRACE,
) -> Iterator[Result]:
    """Runs the cells, so many at a time, and yields each result as it comes.

    A step that has no end after ``given_up`` seconds is a hang; a process that goes on all the same is
    killed ``grace`` seconds later. A program that calls this has to be one that can be imported (``if
    __name__ == "__main__"``). Every process is gone when the iteration has ended, also when it is ended early. Raises
    `ConfigurationError` on a system that cannot fork.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise ConfigurationError(
            "the matrix forks its cells, which this system cannot: use Linux or macOS"
        )
    order = _Order(client, tuple(cells), at_a_time, given_up, given_up + grace)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    warm = context.Process(target=_keep_warm, args=(theirs, order))
    warm.start()
    theirs.close()
    try:
        for _ in order.cells:
            yield ours.recv()
    except EOFError:
        raise RuntimeError(f"the process that runs {client.name} has died") from None
    finally:
        ours.close()
        warm.join()


def _keep_warm(pipe: Connection, order: _Order) -> None:
    """In the warm process, until all is done or the other end of the pipe is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted closes the pipe
    order.client.load()
    waiting, running = deque(order.cells), _Running(order, pipe)
    try:
        while waiting or running:
            while waiting and len(running) < order.at_a_time:
                running.start(waiting.popleft())
            for result in running.ended():
                pipe.send(result)
    except (EOFError, ConnectionError):
        return  # nobody wants to know any more
    finally:
        running.kill()


class _Held:
    """A cell in its process. Told of are the steps begun and, in their place, the steps ended."""

    def __init__(self, cell: Cell, process: BaseProcess, pipe: Connection, lasting: float) -> None:
        self.cell = cell
        self._lasting = lasting
        self.pipe = pipe
        self._process = process
        self._steps: dict[tuple[str, str], Step] = {}
        self._died = False
        self.killed_at = time.monotonic() + _STARTING

    @property
    def over(self) -> bool:
        """Whether there is nothing more to come."""
        closed = next((step for (name, _), step in self._steps.items() if name == CLOSE), None)
        return closed is not None and closed.heard is not None

    def read(self) -> bool:
        """Takes what the cell tells; False when it tells nothing more."""
        try:
            step = msgspec.msgpack.decode(self.pipe.recv_bytes(), type=Step)
        except (EOFError, OSError):  # the latter in the midst of a message
            self._died = not any(step.name == CLOSE for step in self._steps.values())
            return False
        self.killed_at = time.monotonic() + self._lasting
        self._steps[step.name, step.line.question if step.line else ""] = step
        return not self.over

    def end(self) -> None:
        """Kills its process and all that this has started; what it left undone stays undone."""
        with contextlib.suppress(ProcessLookupError):  # gone already
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def result(self) -> Result:
        steps = tuple(self._steps.values())
        if self._died:  # the client took its process along
            return Result(self.cell, steps, Verdict.DEAD, steps[-1] if steps else None)
        return Result(self.cell, steps, *judge(steps, self.cell.bounds))


class _Running:
    """The cells under way. ``leash``: readable when whoever wants them is gone."""

    def __init__(self, order: _Order, leash: Connection) -> None:
        self._context: ForkContext = multiprocessing.get_context("fork")
        self._order = order
        self._leash = leash
        self._held: list[_Held] = []

    def __len__(self) -> int:
        return len(self._held)

    def start(self, cell: Cell) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        what = (theirs, self._leash, self._order.client, cell, self._order.given_up)
        process = self._context.Process(target=_hold, args=what, daemon=True)
        process.start()
        theirs.close()
        self._held.append(_Held(cell, process, ours, self._order.lasting))

    def ended(self) -> list[Result]:
        """Those that have ended by now; waits for something to happen. Raises `EOFError` when nobody
        waits for them any more."""
        soonest = min(held.killed_at for held in self._held)
        pipes = [self._leash, *(held.pipe for held in self._held)]
        ready = wait(pipes, max(soonest - time.monotonic(), 0.0))
        if self._leash in ready:
            raise EOFError
        now = time.monotonic()
        over = [
            held
            for held in self._held
            if (held.pipe in ready and not held.read()) or held.killed_at <= now
        ]
        for held in over:
            self._held.remove(held)
            held.end()
        return [held.result() for held in over]

    def kill(self) -> None:
        for held in self._held:
            held.end()
        self._held.clear()


def _hold(pipe: Connection, leash: Connection, client: Client, cell: Cell, given_up: float) -> None:
    """In the forked process: a group of its own, silent, and gone when the warm one is."""
    os.setsid()
    leash.close()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    threading.Thread(target=_leave_with_parent, daemon=True).start()

    def tell(step: Step) -> None:
        pipe.send_bytes(msgspec.msgpack.encode(step))

    held_cell.hold(cell, client.make, tell, given_up)


def _leave_with_parent() -> None:
    """Even a client that blocks its loop is not to outlive who watches over it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)
