"""Which clock of a response runs out next, and when."""

from __future__ import annotations

from typing import TypeAlias

from rejoinder.core.deadlines import Timeouts
from rejoinder.core.lifecycle import State
from rejoinder.core.machine import Machine, Request

Due: TypeAlias = tuple[float, str]
"""When, and the name of the clock."""

WAKES = frozenset({"owed", "again"})
"""Clocks that end nothing: from then on the queue sees a request with other eyes."""


def due(now: float, machine: Machine, clocks: Timeouts, offline_since: float | None) -> Due:
    """The next deadline of a machine that is not over. ``offline_since``: None while there is a socket.

    The grace of a blamed response comes before everything, except that a hosted call is silent for
    reasons of its own.
    """
    when, why = _due(now, machine, clocks, offline_since)
    blame = machine.blame
    if blame is not None and blame.until < when and not machine.output.hosted:
        return blame.until, "grace"
    return when, why


def gap(machine: Machine, clocks: Timeouts) -> float:
    """How long a response may be silent."""
    return clocks.hosted_gap if machine.output.hosted else clocks.gap


def owed_until(machine: Machine, clocks: Timeouts) -> float:
    """Until when a request that went out may still be answered by `response.created`.

    A request that nobody waits for any more is owed its answer for as long as one that somebody
    waits for; after that the server has evidently swallowed it, and it must not be taken for the
    answer to a later one. One that was taken for refused is owed nothing.
    """
    request = machine.request
    return request.sent_at + clocks.created if request and not request.refused else 0.0


def _due(now: float, machine: Machine, clocks: Timeouts, offline_since: float | None) -> Due:
    moments, request = machine.moments, machine.request
    match machine.state:
        case State.QUEUED if request is not None:
            return _queued(now, request, clocks, offline_since)
        case State.REQUESTED if request is not None:
            return request.answer_by, "created"
        case State.ACTIVE:
            return moments.last_event + gap(machine, clocks), "gap"
        case State.ORPHANED if now < owed_until(machine, clocks):
            return owed_until(machine, clocks), "owed"
        case State.ORPHANED:
            return moments.entered + clocks.orphan, "orphan"
        case _:
            return moments.entered + clocks.cancel, "cancel"


def _queued(now: float, request: Request, clocks: Timeouts, offline_since: float | None) -> Due:
    if now < request.again_at:
        return request.again_at, "again"
    dues = [(request.asked_at + clocks.queue, "queue")]
    if request.again_at:
        dues.append((request.answer_by, "created"))
    if offline_since is not None:
        dues.append((max(request.asked_at, offline_since) + clocks.offline, "offline"))
    return min(dues)
