"""The matrix: each cell in a process of its own, forked from one that has everything loaded.

A cell cannot outstay its time: whatever its client does, its process is killed then.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

import msgspec

from rejoinder.conformance import cell as held_cell
from rejoinder.conformance.cells import GIVEN_UP, Cell
from rejoinder.conformance.clients import Client
from rejoinder.conformance.judge import CLOSE, Step, Verdict, judge
from rejoinder.errors import ConfigurationError

AT_A_TIME = 8
_STARTING = 30.0
_KILLED_AFTER = GIVEN_UP + 15.0
"""Seconds, from the first step on: what a cell takes that gives up by itself, and some more."""


class Result(msgspec.Struct, frozen=True):
    """A cell as it went: its verdict, and each of its steps."""

    cell: Cell
    verdict: Verdict
    steps: tuple[Step, ...]

    @property
    def settled(self) -> bool:
        """Whether it is as it should be."""
        return self.verdict is Verdict.SETTLED


def run(
    client: Client,
    cells: Iterable[Cell],
    *,
    at_a_time: int = AT_A_TIME,
    began: Callable[[Cell], None] = lambda _cell: None,
) -> Iterator[Result]:
    """Runs the cells, so many at a time, and yields each result as it comes.

    Every process is gone when the iteration has ended, also when it is ended early. Raises
    `ConfigurationError` on a system that cannot fork.
    """
    context = _warm(client)
    waiting, running = deque(cells), _Running()
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                running.start(context, client, waiting[0])
                began(waiting.popleft())
            yield from running.ended()
    finally:
        running.kill()


def _warm(client: Client) -> ForkServerContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise ConfigurationError(
            "the matrix forks its cells, which this system cannot: use Linux or macOS"
        )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([held_cell.__name__, *client.modules])
    return context


class _Held:
    """A cell in its process. Told of are the steps begun and, in their place, the steps ended."""

    def __init__(self, cell: Cell, process: BaseProcess, pipe: Connection) -> None:
        self.cell = cell
        self.pipe = pipe
        self._process = process
        self._steps: dict[tuple[str, str], Step] = {}
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
        except EOFError:
            return False
        if not self._steps:
            self.killed_at = time.monotonic() + _KILLED_AFTER
        self._steps[step.name, step.line.question if step.line else ""] = step
        return not self.over

    def end(self) -> None:
        """Kills its process; what it left undone stays undone."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def result(self) -> Result:
        steps = tuple(self._steps.values())
        return Result(self.cell, judge(list(steps), self.cell.bounds), steps)


class _Running:
    """The cells under way."""

    def __init__(self) -> None:
        self._held: list[_Held] = []

    def __len__(self) -> int:
        return len(self._held)

    def start(self, context: ForkServerContext, client: Client, cell: Cell) -> None:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_hold, args=(theirs, client, cell), daemon=True)
        process.start()
        theirs.close()
        self._held.append(_Held(cell, process, ours))

    def ended(self) -> list[Result]:
        """Those that have ended by now; waits for something to happen."""
        soonest = min(held.killed_at for held in self._held)
        ready = wait([held.pipe for held in self._held], max(soonest - time.monotonic(), 0.0))
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


def _hold(pipe: Connection, client: Client, cell: Cell) -> None:
    """In the forked process."""
    held_cell.hold(cell, client.make, lambda step: pipe.send_bytes(msgspec.msgpack.encode(step)))
