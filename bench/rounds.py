"""Rounds: all figures of one client, then of the other, again and again, each time in a fresh process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec

from bench.figures import CLIENTS, Figure

_PATIENCE = 120.0


class Measured(msgspec.Struct, frozen=True):
    """A figure and what was measured: one number per round for each client, in seconds or bytes."""

    figure: Figure
    costs: dict[str, list[float]]


@contextlib.contextmanager
def far_end() -> Iterator[str]:
    """The address of a far end in a process of its own, which ends with the block."""
    command = [sys.executable, "-m", "bench.far_end"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        yield f"http://127.0.0.1:{port}/v1"
        process.communicate()  # ends its input, and so the process


def measure(figures: Sequence[Figure], rounds: int, tell: Callable[[str], None]) -> list[Measured]:
    """Runs all of it. The clients take turns, so that what the machine does besides hits both.

    Raises `RuntimeError` with the words of a client that failed.
    """
    measured = [Measured(figure, {client: [] for client in CLIENTS}) for figure in figures]
    with far_end() as url:
        for count in range(rounds):
            for client in CLIENTS if count % 2 else reversed(CLIENTS):
                tell(f"round {count + 1} of {rounds}: {client}")
                for row, cost in zip(measured, costs(client, figures, url), strict=True):
                    row.costs[client].append(cost)
    return measured


def costs(client: str, figures: Sequence[Figure], url: str) -> list[float]:
    """One measurement of each figure, in a process of their own."""
    names = [figure.name for figure in figures]
    command = [sys.executable, "-m", "bench.client", client, url, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"the client {client} failed:\n{done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout, type=list[float])
