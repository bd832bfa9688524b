"""Timers that know of a blocked loop: the one of a session, and that of what must not take too long."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable

__all__ = ["Alarm", "Patience"]

_LATE = 0.1
"""An alarm that rings so much too late (seconds) tells that the loop was blocked."""

_RESPITE = 1.0
"""How long (seconds) the alarm is put off then, at most."""


class Alarm:
    """Rings at a moment of the loop's clock. Moved later, it is left to ring early: who is woken looks
    at the deadline. ``rings_at``: that moment, infinite when it is not set.

    While the loop is blocked, what has come waits unread and what was asked for waits unwritten. That
    silence is ours and not the server's. So an alarm that is late is put off once: for as long as it is
    late, a second at most.
    """

    __slots__ = ("_handle", "_loop", "_respite_ends", "_ring", "rings_at")

    def __init__(self, ring: Callable[[float], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self.rings_at = math.inf
        self._respite_ends = 0.0

    def set(self, when: float) -> None:
        """Rings at ``when``, or before; never within a respite."""
        if when < self._respite_ends:
            when = self._respite_ends
        if self.rings_at <= when:
            return
        self.clear()
        self.rings_at = when
        self._handle = self._loop.call_at(when, self._rings, when, context=contextvars.Context())

    def clear(self) -> None:
        """Does not ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self.rings_at = math.inf

    def _rings(self, when: float) -> None:
        self._handle = None
        self.rings_at = math.inf
        late = self._loop.time() - when
        if late > _LATE and when > self._respite_ends:
            self._respite_ends = when + late + min(late, _RESPITE)
            self.set(when)
        else:
            self._ring(when)


class Patience:
    """Rings when something that has begun has not ended within so many seconds.

    However often something begins and ends, there is one timer in that time.
    """

    __slots__ = ("_alarm", "_due", "_now", "_ring", "_within")

    def __init__(self, within: float, ring: Callable[[], None]) -> None:
        self._within = within
        self._ring = ring
        self._now = asyncio.get_running_loop().time
        self._alarm = Alarm(self._rings)
        self._due = math.inf

    def begin(self) -> None:
        """It has begun."""
        self._due = due = self._now() + self._within
        if due < self._alarm.rings_at:
            self._alarm.set(due)

    def end(self) -> None:
        """It has ended."""
        self._due = math.inf

    def clear(self) -> None:
        """Does not ring, whatever has begun."""
        self.end()
        self._alarm.clear()

    def _rings(self, when: float) -> None:
        if self._due <= when:
            self._ring()
        elif self._due < math.inf:
            self._alarm.set(self._due)
