"""Recovery, measured: our server here, with its faults, and the client in a process of its own.

The server runs in a thread of this process, which does nothing else meanwhile. What it sees (the moment
of a reset, the samples that it holds) is put beside what the client tells.
"""

from __future__ import annotations

import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from bench.hearing import Account, account, heard
from bench.losing import Loss
from bench.microphone import microphone
from bench.reconnecting import BRIEF, Kept
from bench.renewing import Talk, punctuality
from rejoinder.server.apart import LiveServer, live_server
from rejoinder.server.script import Prompt, Reply, Script, Speech, Turn
from rejoinder.server.sights import Sight, Struck

T = TypeVar("T")

_PATIENCE = 180.0

IN_MID_REPLY: Final = "reset@delta:5#0"
"""A TCP reset after the fifth piece of every reply."""


def _long_or_brief(prompt: Prompt) -> Reply:
    if prompt.instructions == BRIEF:
        return (Speech("So.", lasting=0.1),)
    return (Speech("It goes on for a while.", lasting=2),)


RESETTING: Final = Script(otherwise=Turn(None, _long_or_brief, thinking=0))
"""Answers at once, so that what is measured is nobody's thinking."""

TALKING: Final = Script(
    *(
        Turn(f"Question number {number}.", Speech("The answer to it.", lasting=0.8, pace=1))
        for number in range(500)
    )
)
"""Replies that take as long as they sound, so that some are under way whenever something happens."""


class Finding(msgspec.Struct, frozen=True):
    """One row of the table: what was measured, how often, and what is hoped for.

    ``values`` in ``unit``; with ``worst`` the greatest of them is the figure, else the median. ``of``: of
    what, in words. ``target``: at most that.
    """

    name: str
    unit: str
    values: list[float]
    target: float
    of: str
    worst: bool = False


class Resets:
    """Sees when the server resets connections."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def __call__(self, _number: int, sight: Sight) -> None:
        if isinstance(sight, Struck):
            self.moments.append(time.monotonic())

    def before(self, moment: float) -> float:
        """The last one before that moment."""
        return self.moments[bisect_right(self.moments, moment) - 1]


def from_losses(client: str, items: int = 0, amount: int = 15) -> Iterator[Finding]:
    """How soon everything has ended, and how soon the next reply is heard."""
    resets = Resets()
    with live_server(RESETTING, faults=[IN_MID_REPLY], watch=resets) as server:
        told = {"client": client, "items": items, "amount": amount}
        losses = _measured("losses", server, told, list[Loss])
    settled, next_heard = [], []
    for loss in losses:
        reset_at = resets.before(loss.settled_at)
        settled.append((loss.settled_at - reset_at) * 1000)
        next_heard.append((loss.heard_at - reset_at) * 1000)
    after = f"{client}, {items} items" if items else client
    yield Finding(f"reset to all settled, {after}", "ms", settled, 50, f"{amount} resets")
    yield Finding(f"reset to next audio, {after}", "ms", next_heard, 1000, f"{amount} resets")


def from_renewals(
    amount: int = 4, seconds: float = 20.0, renew_after: float = 4.0
) -> Iterator[Finding]:
    """What a connection that is replaced again and again does to a conversation."""
    with live_server(TALKING) as server:
        told = {"amount": amount, "seconds": seconds, "renew_after": renew_after}
        talks = _measured("talks", server, told, list[Talk])
        items = heard(server.sessions)
    accounts = [account(microphone(number, seconds), items) for number in range(amount)]
    yield from _samples(accounts, talks)
    times = punctuality(talks)
    late = [each * 1000 for each in times.late]
    of = f"{len(late)} replies near a renewal"
    yield Finding("renewal, a reply's delay", "ms", late, 100, of, worst=True)
    said = sum(len(talk.answers) for talk in talks)
    yield Finding("renewal, replies missing", "", [float(times.missing)], 0, f"{said} replies")


def _samples(accounts: Sequence[Account], talks: Sequence[Talk]) -> Iterator[Finding]:
    """Counted at the server, over all its connections."""
    renewals, committed = sum(len(talk.renewals) for talk in talks), sum(a.items for a in accounts)
    of = f"{committed} items, {renewals} renewals"
    lost = [float(sum(each.lost for each in accounts))]
    doubled = [float(sum(each.doubled for each in accounts))]
    yield Finding("renewal, samples lost", "", lost, 0, of)
    yield Finding("renewal, samples doubled", "", doubled, 0, of)


def from_reconnects(amount: int = 100) -> Iterator[Finding]:
    """What so many losses in a row leave behind: in the session, and of tasks and sockets after its end."""
    with live_server(RESETTING, faults=[IN_MID_REPLY]) as server:
        kept = _measured("reconnects", server, {"amount": amount}, Kept)
    of = f"{amount} resets in a row"
    pairs = ((kept.before, kept.after), (kept.apart, kept.closed))
    tasks = max(later.tasks - sooner.tasks for sooner, later in pairs)
    sockets = max(later.descriptors - sooner.descriptors for sooner, later in pairs)
    memory = (kept.after.memory - kept.before.memory) / 1024
    yield Finding("reconnects, tasks left", "", [float(tasks)], 0, of)
    yield Finding("reconnects, sockets left", "", [float(sockets)], 0, of)
    yield Finding("reconnects, memory left", "KiB", [memory], 0, of)


MEASUREMENTS: Final[dict[str, Callable[[], Iterator[Finding]]]] = {
    "a reply lost": lambda: from_losses("client"),
    "a reply of LiveKit's lost": lambda: from_losses("livekit"),
    "a reply lost after 50 items": lambda: from_losses("client", 50),
    "renewals": from_renewals,
    "reconnects": from_reconnects,
}
"""In the order in which they are made."""


def findings(tell: Callable[[str], None]) -> list[Finding]:
    """Makes all of them. Raises `RuntimeError` with the words of a client that failed."""
    found: list[Finding] = []
    for name, measure in MEASUREMENTS.items():
        tell(f"recovery: {name}")
        found += measure()
    return found


def _measured(what: str, server: LiveServer, told: dict[str, Any], kind: type[T]) -> T:
    """What a client in a process of its own has measured."""
    arguments = msgspec.json.encode(told).decode()
    command = [sys.executable, "-m", "bench.recovery_client", what, server.url, arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"the measurement of {what} failed:\n{done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout, type=kind)
