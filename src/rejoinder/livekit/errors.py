"""What the drop-in raises and reports. LiveKit understands only `llm.RealtimeError`; all are that."""

from __future__ import annotations

from livekit.agents import llm

from rejoinder.core.effects import Reconnecting
from rejoinder.core.outcomes import Close, Lost, Outcome
from rejoinder.errors import EditError, OutcomeError, RejoinderError

__all__ = ["ConnectionLost", "ReplyError", "SessionEnded", "SessionError", "UpdateError"]


SESSION_CLOSED = "session_closed"
SESSION_ENDED = "session_ended"
CONNECTION_LOST = "connection_lost"


class ReplyError(OutcomeError, llm.RealtimeError):
    """A reply ended otherwise than completed.

    ``outcome`` is the typed outcome, ``code`` the server's code or our word for the cause.
    """

    def __init__(self, outcome: Outcome) -> None:
        closed = isinstance(outcome, Lost) and outcome.close.by == "caller"
        code = SESSION_CLOSED if closed else outcome.code
        super().__init__(outcome.describe(), outcome=outcome, code=code)


class UpdateError(EditError, llm.RealtimeError):
    """An update (chat context, instructions, tools, options) did not happen, or not in time."""


class SessionError(RejoinderError, llm.RealtimeError):
    """An error of the session's: it ended no reply and answered no update."""


class ConnectionLost(SessionError):
    """The connection is lost, or could not be had, and another is tried ``after`` so many seconds from now.
    ``attempt`` counts from 1; 0: another was being opened already, to replace it."""

    attempt: int
    after: float

    @classmethod
    def by(cls, notice: Reconnecting) -> ConnectionLost:
        """The error for an attempt that is to come, in the words with which the last connection ended."""
        error = notice.close.error
        words = (
            (error.message if error else None) or notice.close.reason or "the connection was lost"
        )
        code = (error.code or error.type) if error else None
        lost = cls(f"{words}; trying again in {notice.after:.1f} s", code=code or CONNECTION_LOST)
        lost.attempt, lost.after = notice.attempt, notice.after
        return lost


class SessionEnded(SessionError):
    """The session is over for good. After `aclose` its ``code`` is ``session_closed``."""

    @classmethod
    def by(cls, close: Close) -> SessionEnded:
        """The error for how a session ended, in the server's own words where it had any."""
        if close.by == "caller":
            return cls(close.reason or "the session was closed", code=SESSION_CLOSED)
        error = close.error
        words = (error.message if error else None) or close.reason
        code = (error.code or error.type) if error else None
        return cls(words or f"the session was ended by the {close.by}", code=code or SESSION_ENDED)
