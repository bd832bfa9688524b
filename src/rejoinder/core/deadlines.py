"""Deadlines are data: when, why, whose. The shell arms one timer, for the earliest."""

from __future__ import annotations

import heapq

import msgspec

_MOST_STALE = 64

_FEW = 8
"""Of so many deadlines the earliest is found sooner than a heap is kept in order."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Every clock of a session, in seconds. For a response the first to run out settles it.

    ``offline``: asked -> socket usable. ``queue``: asked -> slot free; a requeue does not reset it.
    ``created``: sent -> `response.created`. ``gap``: since the response's own last event (those of
    others, rate limits and pings do not count); ``hosted_gap`` while a hosted MCP call runs.
    ``grace``: blamed by an error that names nobody -> settled. ``cancel``: cancel sent -> settled, and
    as long again until its slot is free. ``orphan``: how long a request that nobody waits for is
    remembered. ``edit``: asked -> acknowledged. ``connect``: dialled -> first event. ``heartbeat``: a
    socket on which nothing comes is pinged so often, and is lost if no answer comes within half as long; one
    that takes no frame for so long is lost, too. ``close``: `aclose`.
    """

    offline: float = 10.0
    queue: float = 30.0
    created: float = 10.0
    gap: float = 10.0
    hosted_gap: float = 60.0
    grace: float = 1.0
    cancel: float = 2.0
    orphan: float = 60.0
    edit: float = 5.0
    connect: float = 10.0
    heartbeat: float = 10.0
    close: float = 2.0


class Deadline(msgspec.Struct, frozen=True, order=True, gc=False):
    """``when`` is a moment of the caller's clock, ``why`` names the clock, ``whose`` the owner."""

    when: float
    why: str
    whose: str


class Deadlines:
    """The deadline of each owner, and the earliest of all.

    An owner has one deadline. Of a few owners the earliest is looked for when it is wanted, which is the
    usual case and takes the least room. Of many there is a heap: moving a deadline later costs no
    operation on it, since it keeps the earlier moment and is put right when that comes up (audio deltas
    move a deadline hundreds of times a second). Of an owner's moments in the heap only the earliest
    counts, so that moving a deadline to and fro leaves nothing behind for good; nor do owners that come
    and go, however many.
    """

    __slots__ = ("_heap", "_of", "_wakes")

    def __init__(self) -> None:
        self._of: dict[str, Deadline] = {}
        self._heap: list[tuple[float, str]] = []
        self._wakes: dict[str, float] | None = None

    def set(self, whose: str, when: float, why: str) -> None:
        """Gives ``whose`` this deadline in place of any other."""
        self._of[whose] = Deadline(when, why, whose)
        if self._wakes is not None:
            wakes = self._wakes.get(whose)
            if wakes is None or when < wakes:
                self._wake(self._wakes, whose, when)
        elif len(self._of) > _FEW:
            self._pile()

    def clear(self, whose: str) -> None:
        """Takes the deadline of ``whose`` away, if it has one."""
        self._of.pop(whose, None)

    def get(self, whose: str) -> Deadline | None:
        """The deadline of ``whose``."""
        return self._of.get(whose)

    def earliest(self) -> Deadline | None:
        """The next one due, or None."""
        of = self._of
        if len(of) == 1:  # the usual case by far: what the heap says does not matter
            return next(iter(of.values()))
        if self._wakes is None:
            return min(of.values(), key=_order) if of else None
        while self._heap:
            when, whose = self._heap[0]
            deadline = self._of.get(whose)
            if self._wakes.get(whose) != when:  # an earlier moment of the same owner counts
                heapq.heappop(self._heap)
            elif deadline is None:
                heapq.heappop(self._heap)
                del self._wakes[whose]
            elif deadline.when == when:
                return deadline
            else:  # it has been moved later since
                self._wakes[whose] = deadline.when
                heapq.heapreplace(self._heap, (deadline.when, whose))
        self._wakes = None
        return None

    def due(self, now: float) -> Deadline | None:
        """Takes out and returns the earliest deadline that is due at ``now``, or None."""
        earliest = self.earliest()
        if earliest is None or earliest.when > now:
            return None
        self.clear(earliest.whose)
        return earliest

    def _wake(self, wakes: dict[str, float], whose: str, when: float) -> None:
        wakes[whose] = when
        heapq.heappush(self._heap, (when, whose))
        if len(self._heap) > _MOST_STALE + 2 * len(self._of):
            self._pile()

    def _pile(self) -> None:
        self._wakes = {each.whose: each.when for each in self._of.values()}
        self._heap = sorted((when, whose) for whose, when in self._wakes.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deadlines) and self._of == other._of

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Deadlines({sorted(self._of.values())})"


def _order(deadline: Deadline) -> tuple[float, str]:
    return deadline.when, deadline.whose
