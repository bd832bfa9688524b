"""The far end as the client meets it: the protocol server with its faults. Same shape as `core`."""

from __future__ import annotations

import heapq
from itertools import count

from rejoinder.server.core import Session
from rejoinder.server.effects import Abort, Effect, Hangup, Ping, Send, SendRaw
from rejoinder.server.faults import Act, Delay, FaultLine
from rejoinder.server.inputs import Input


class Peer:
    """One connection. The fault line may be shared, so that a fault strikes once per server."""

    def __init__(self, session: Session, line: FaultLine) -> None:
        self.session = session
        self._line = line
        self._late: list[tuple[float, int, Effect]] = []
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

        After a `Hangup` or `Abort` nothing happens any more.
        """
        if self._over:
            return []
        out = self._overdue(now)
        acts = self._line.apply(self.session.step(now, given))
        while acts:
            follow: list[Effect] = []
            for act in acts:
                follow += self._do(now, act, out)
            acts = self._line.apply(follow)
        return self._to_the_end(out)

    def _to_the_end(self, out: list[Effect]) -> list[Effect]:
        ends = (at for at, one in enumerate(out, start=1) if isinstance(one, Hangup | Abort))
        end = next(ends, None)
        self._over = self._over or end is not None
        return out[:end]

    def _overdue(self, now: float) -> list[Effect]:
        due: list[Effect] = []
        while self._late and self._late[0][0] <= now:
            due.append(heapq.heappop(self._late)[2])
        return due

    def _do(self, now: float, act: Act, out: list[Effect]) -> list[Effect]:
        """Carries an act as far as it goes here; returns what the server does in consequence."""
        if isinstance(act, Delay):
            heapq.heappush(self._late, (now + act.seconds, next(self._order), act.effect))
        elif isinstance(act, Send | SendRaw | Ping | Hangup | Abort):
            out.append(act)
        else:
            return self.session.step(now, act)
        return []
