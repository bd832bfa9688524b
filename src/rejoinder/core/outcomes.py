"""Outcomes: how a response ended. Exactly one for every response, always.

An outcome is a value. It says how the response ended, what had been delivered by then, why, and
whether asking again makes sense. `raise_for_outcome` turns every one but `Completed` into its
exception.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder import errors
from rejoinder.core.parts import FunctionCall
from rejoinder.wire.response import ErrorBody, ResponseObject

RETRYABLE_CODES = frozenset(
    {"rate_limit_exceeded", "inference_rate_limit_exceeded", "server_error", "inference_failed"}
)
"""Codes (or, lacking one, types) of errors that may pass by themselves (OpenAI Realtime reference)."""

FINAL_CLOSE_CODES = frozenset({3000, 4000, 4004})
"""Close codes with which the key, the request or the model is refused; no other attempt can help."""

_PASSING = frozenset({"session_expired", "timeout", "unreachable"})
"""Codes of a connection's end after which another one may well be had."""


class Delivered(msgspec.Struct, frozen=True):
    """What reached the caller before the end.

    ``text`` joins texts and transcripts in order. ``audio_seconds`` counts samples in the session's
    output format. ``function_calls`` holds whole, completed calls only.
    """

    text: str = ""
    audio_seconds: float = 0.0
    function_calls: tuple[FunctionCall, ...] = ()


class Close(msgspec.Struct, frozen=True):
    """How a connection or session ended. ``code``/``reason`` as in the WebSocket close frame.

    ``by``: ``"caller"`` (`aclose`), ``"server"``, ``"network"``. ``error``: what the server said, if
    it said anything. ``silent``: for how many seconds nothing had come when the end was found out; 0 where
    it showed by itself.
    """

    by: str
    code: int | None = None
    reason: str = ""
    error: ErrorBody | None = None
    silent: float = 0.0


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Common to all outcomes.

    ``response_id`` is None when the server never named the response. ``cause`` holds the server's
    own error where it gave one. ``asked`` counts how often the request went out on the wire.
    ``response`` is the server's last word on the response (usage included) if there was one.
    """

    response_id: str | None = None
    delivered: Delivered = Delivered()
    cause: ErrorBody | None = None
    asked: int = 0
    response: ResponseObject | None = None

    @property
    def ok(self) -> bool:
        """True for `Completed` only."""
        return False

    @property
    def retryable(self) -> bool:
        """Whether asking again, unchanged, makes sense."""
        return False

    @property
    def code(self) -> str | None:
        """The server's code (or, lacking one, its error type); else our own word for the cause."""
        return (self.cause.code or self.cause.type) if self.cause else None

    def describe(self) -> str:
        """One sentence for people, in the server's own words where it has any."""
        words = (self.cause.message or self.code) if self.cause else None
        return words or f"the response ended as {type(self).__name__.lower()}"


class Completed(_Outcome, frozen=True):
    """The server finished the response. It may have produced nothing at all."""

    @property
    def ok(self) -> bool:
        return True

    def raise_for_outcome(self) -> None:
        """Does nothing."""


class Incomplete(_Outcome, frozen=True):
    """The server cut the response short: ``max_output_tokens``, ``content_filter`` or another reason."""

    reason: str

    @property
    def code(self) -> str | None:
        return _Outcome.code.__get__(self) or self.reason

    def describe(self) -> str:
        return f"the response is incomplete: {self.reason}"

    def raise_for_outcome(self) -> None:
        """Raises `ResponseIncompleteError`."""
        raise errors.ResponseIncompleteError(self.describe(), outcome=self, code=self.code)


class Cancelled(_Outcome, frozen=True):
    """Cancelled.

    ``by``: ``"client"`` (we asked for it), ``"turn_detected"`` (the user spoke), ``"server"`` (it did
    not say why), or the reason in the server's own word.
    """

    by: str

    @property
    def code(self) -> str | None:
        return self.by

    def describe(self) -> str:
        return f"the response was cancelled by {self.by}"

    def raise_for_outcome(self) -> None:
        """Raises `ResponseCancelledError`."""
        raise errors.ResponseCancelledError(self.describe(), outcome=self, code=self.code)


class Failed(_Outcome, frozen=True):
    """The server declared the response failed; ``error`` holds its words."""

    error: ErrorBody

    @property
    def retryable(self) -> bool:
        return self.code is None or self.code in RETRYABLE_CODES

    @property
    def code(self) -> str | None:
        return self.error.code or self.error.type

    def describe(self) -> str:
        return (
            self.error.message or self.code or "the response failed and the server gave no reason"
        )

    def raise_for_outcome(self) -> None:
        """Raises `ResponseFailedError`."""
        raise errors.ResponseFailedError(self.describe(), outcome=self, code=self.code)


class Rejected(_Outcome, frozen=True):
    """The server refused the request; no response ever existed. ``error`` holds its words."""

    error: ErrorBody

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE_CODES or self.code == BUSY_CODE

    @property
    def code(self) -> str | None:
        return self.error.code or self.error.type

    def describe(self) -> str:
        return self.error.message or self.code or "the server refused the request without a reason"

    def raise_for_outcome(self) -> None:
        """Raises `ResponseRejectedError`."""
        raise errors.ResponseRejectedError(self.describe(), outcome=self, code=self.code)


class TimedOut(_Outcome, frozen=True):
    """A clock ran out. ``why`` names it: ``offline``, ``queue``, ``created``, ``gap`` or ``cancel``.

    ``after``: its length in seconds.
    """

    why: str
    after: float

    @property
    def retryable(self) -> bool:
        return True

    @property
    def code(self) -> str | None:
        return f"timeout_{self.why}"

    def describe(self) -> str:
        return f"{_CLOCK_WORDS.get(self.why, self.why)} within {self.after:g} s"

    def raise_for_outcome(self) -> None:
        """Raises `ResponseTimeoutError`."""
        raise errors.ResponseTimeoutError(self.describe(), outcome=self, code=self.code)


class Lost(_Outcome, frozen=True):
    """The connection or the session ended first; ``close`` says how."""

    close: Close

    @property
    def retryable(self) -> bool:
        by_peer = self.close.by in ("network", "server")
        if not by_peer or self.close.code in FINAL_CLOSE_CODES:
            return False
        return self.close.error is None or self.code in _PASSING

    @property
    def code(self) -> str | None:
        error = self.close.error
        return ((error.code or error.type) if error else None) or "connection_lost"

    def describe(self) -> str:
        words = (self.close.error.message if self.close.error else None) or self.close.reason
        return words or _CLOSE_WORDS.get(self.close.by, "the session ended")

    def raise_for_outcome(self) -> None:
        """Raises `ResponseLostError`."""
        raise errors.ResponseLostError(self.describe(), outcome=self, code=self.code)


BUSY_CODE = "conversation_already_has_active_response"

_CLOCK_WORDS = {
    "offline": "there was no usable connection",
    "queue": "no slot for the response came free",
    "created": "the server did not begin the response",
    "gap": "the server sent nothing more for the response",
    "cancel": "the server did not confirm the cancel",
}
_CLOSE_WORDS = {
    "caller": "the session was closed",
    "server": "the server closed the connection",
    "network": "the connection was lost",
}

Outcome: TypeAlias = Completed | Incomplete | Cancelled | Failed | Rejected | TimedOut | Lost
