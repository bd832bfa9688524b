"""Recovery: what a lost connection means, and when the next attempt is made. Nothing is done here."""

from __future__ import annotations

import msgspec

from rejoinder.core.blame import About, subject
from rejoinder.core.outcomes import FINAL_CLOSE_CODES, Close
from rejoinder.wire.response import ErrorBody


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """How a session outlives its connections. All times in seconds.

    ``attempts``: how often in a row a connection is tried again; 0: a lost connection is the end. ``pause``:
    from the first attempt, which comes after 0.1 s, to the second; doubled with each further one, up to
    sixteen times, and shortened by lot, down to its half.
    ``give_up``: how long the session may be without a connection. ``healthy``: how long a connection must
    serve before the next loss counts as the first again.

    ``renew_after``: a connection is replaced by a new one at this age; None: never for its age.
    ``renew_before``: so long before the end that the server has announced. ``keep_audio``: how much of the
    microphone is kept, at most, while there is no connection and nobody speaks. A sentence of the user's
    that has begun, or with turns ended by the client all that is not committed, is kept whole, up to two
    minutes.
    """

    attempts: int = 3
    pause: float = 2.0
    give_up: float = 7.0
    healthy: float = 10.0
    renew_after: float | None = 1200.0
    renew_before: float = 60.0
    keep_audio: float = 5.0


ATTEMPT, GIVE_UP = "attempt", "give up"
"""The deadlines of a session without a connection: the next attempt, and the end."""

FIRST_PAUSE = 0.1
"""From a loss to the first attempt, in seconds."""

_MOST_DOUBLINGS = 4

FINAL_STATUS = frozenset({400, 401, 403, 404})
"""HTTP statuses of a refused upgrade after which there is no other attempt."""

UNUSABLE = "unusable_option"
"""The code of a dial that cannot succeed with the options it was given."""


def final(close: Close, status: int | None = None) -> bool:
    """Whether trying again cannot help: the account, the key, the model or the request itself is refused, or
    an option of ours cannot be used.

    OpenAI refuses after the upgrade, by an `error` or by a close reason of the form ``type.code``. All else
    may pass: a dropped connection, a full server, an expired session.
    """
    if status in FINAL_STATUS or close.code in FINAL_CLOSE_CODES:
        return True
    if close.by == "network" and close.error is not None and close.error.code == UNUSABLE:
        return True
    named = [ErrorBody(code=word) for word in close.reason.split(".")]
    if close.error is not None:
        named.append(close.error)
    return any(subject(error) is About.FATAL for error in named)


def pause(policy: Recovery, attempt: int, lot: float) -> float:
    """Seconds from the attempt before (the first: from the loss) to this one, counted from 1."""
    return FIRST_PAUSE if attempt == 1 else longest_pause(policy, attempt) * (1 + lot) / 2


def longest_pause(policy: Recovery, attempt: int) -> float:
    """The same without its lot, which only shortens it; so long an attempt may take."""
    return float(policy.pause * 2 ** min(attempt - 2, _MOST_DOUBLINGS))


class Outage(msgspec.Struct):
    """The attempts to connect, and the time without a connection.

    ``attempt``: how many were made since the last connection that proved healthy. ``since``: the moment
    from which there was no connection; None while there is one, or never was. ``dialled_at``: when the
    last attempt began; ``served_at``: when a connection began to serve. ``close``: how the last ended.
    ``proven``: there has been a connection. ``silent``: for how many seconds the one that is gone had been
    when that was noticed.
    """

    policy: Recovery
    attempt: int = 0
    since: float | None = None
    dialled_at: float = 0.0
    served_at: float | None = None
    lot: float = 1.0
    close: Close = Close("network")
    proven: bool = False
    silent: float = 0.0

    @property
    def gives_up_at(self) -> float:
        """The moment at which the session ends if there is no connection by then."""
        return (self.since or 0.0) + self.policy.give_up

    def began(self, now: float, close: Close) -> None:
        """The connection is gone. If it had proved healthy, this is the first loss again."""
        self.judge(now)
        self.served_at = None
        self.since, self.close, self.dialled_at = now, close, now
        self.silent = close.silent

    def judge(self, now: float) -> None:
        """A connection ends, or is replaced: if it had proved healthy, its attempts are forgotten."""
        if self.served_at is not None and now - self.served_at >= self.policy.healthy:
            self.attempt = 0

    def ended(self, now: float) -> float:
        """There is a connection again; for how many seconds there was none."""
        since, self.since, self.served_at = self.since, None, now
        self.proven = True
        return 0.0 if since is None else now - since

    def again_at(self, now: float, retry_after: float | None) -> float | None:
        """Counts one more attempt, and says when it is made. None: there is none, or it would be too late.

        A server that says when to come back is not asked before.
        """
        self.attempt += 1
        if self.attempt > self.policy.attempts:
            return None
        at = max(now, self.dialled_at + pause(self.policy, self.attempt, self.lot))
        if retry_after is not None:
            at = max(at, now + retry_after)
        return at if at < self.gives_up_at else None

    def another(self, now: float, lasting: float) -> bool:
        """Whether there is time for one more attempt that lasts so many seconds, whatever its lot."""
        number = self.attempt + 1
        at = max(now, self.dialled_at + longest_pause(self.policy, number))
        return number <= self.policy.attempts and at + lasting < self.gives_up_at

    def dialled(self, now: float, connect: float) -> float:
        """An attempt is made; within how many seconds it must succeed, so that the next has a chance."""
        self.dialled_at = now
        left = self.gives_up_at - now
        if self.attempt < self.policy.attempts:
            left = min(left, longest_pause(self.policy, self.attempt + 1))
        return min(connect, left)
