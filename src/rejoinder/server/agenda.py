"""Deadlines of the server are data: whose, when. The shell arms one timer, for the earliest."""

from __future__ import annotations


class Agenda:
    """At most one moment for each owner; a dozen owners at most, so the earliest is looked up."""

    def __init__(self) -> None:
        self._when: dict[str, float] = {}

    def set(self, whose: str, when: float) -> None:
        """Gives ``whose`` this moment in place of any other."""
        self._when[whose] = when

    def clear(self, whose: str) -> None:
        """Takes the moment of ``whose`` away, if it has one."""
        self._when.pop(whose, None)

    def next(self) -> float | None:
        """The earliest moment, or None."""
        return min(self._when.values(), default=None)

    def due(self, now: float) -> str | None:
        """Takes out and returns the owner that has been due for longest at ``now``, or None."""
        whose = min(self._when, key=self._when.__getitem__, default=None)
        if whose is None or self._when[whose] > now:
            return None
        del self._when[whose]
        return whose
