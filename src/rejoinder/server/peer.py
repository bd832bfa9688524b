"""The far end as the client meets it: the protocol server with its faults. Same shape as `core`."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count

from rejoinder.server.core import Session
from rejoinder.server.effects import Effect, Ending
from rejoinder.server.faults.fault import Act, Delay
from rejoinder.server.faults.line import FaultLine
from rejoinder.server.faults.tracks import Tracks
from rejoinder.server.inputs import Expire, Forget, Hold, Input, Opened, Pause, Received, Tick


class Peer:
    """One connection. The fault line may be shared, so that a fault strikes once per server."""

    def __init__(self, session: Session, line: FaultLine) -> None:
        self.session = session
        self._line = line
        self._tracks = Tracks()
        self._late: list[tuple[float, int, Delay]] = []
        self._order = count()
        self._over = False

    def next_deadline(self) -> float | None:
        """The moment at which the next `Tick` is due; None when there is none, as after the end."""
        if self._over:
            return None
        moments = [self.session.next_deadline(), self._late[0][0] if self._late else None]
        return min((moment for moment in moments if moment is not None), default=None)

    def step(self, now: float, given: Input) -> list[Effect]:
        """Takes one input at a moment and returns what to do, in order, faults included.

        After an `Ending` nothing happens any more.
        """
        if self._over:
            return []
        out: list[Effect] = []
        for late in self._overdue(now):
            self._carry(now, self._line.apply([late.effect], self._tracks, late.passed), out)
        self._carry(now, self._line.apply(self.session.step(now, given), self._tracks), out)
        return self.to_the_end(out)

    def to_the_end(self, effects: Iterable[Effect]) -> list[Effect]:
        """Effects up to the one, if any, that ends the connection; by then it is over."""
        told: list[Effect] = []
        for effect in effects:
            told.append(effect)
            if isinstance(effect, Ending):
                self._over = True
                break
        return told

    def _overdue(self, now: float) -> list[Delay]:
        due: list[Delay] = []
        while self._late and self._late[0][0] <= now:
            due.append(heapq.heappop(self._late)[2])
        return due

    def _carry(self, now: float, acts: list[Act], out: list[Effect]) -> None:
        """Carries acts as far as they go here, and what the server does in consequence."""
        while acts:
            follow: list[Effect] = []
            for act in acts:
                follow += self._do(now, act, out)
            acts = self._line.apply(follow, self._tracks)

    def _do(self, now: float, act: Act, out: list[Effect]) -> list[Effect]:
        match act:
            case Delay():
                heapq.heappush(self._late, (now + act.seconds, next(self._order), act))
            case Opened() | Received() | Tick() | Hold() | Forget() | Pause() | Expire():
                return self.session.step(now, act)
            case _:
                out.append(act)
        return []
