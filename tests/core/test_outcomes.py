"""Outcomes as values: what they say, what they raise, and whether asking again makes sense."""

from __future__ import annotations

import pytest

from rejoinder import errors
from rejoinder.core.outcomes import (
    Cancelled,
    Close,
    Completed,
    Failed,
    Incomplete,
    Lost,
    Outcome,
    Rejected,
    TimedOut,
)
from rejoinder.wire.response import ErrorBody

NOTHING = ErrorBody()
BOOM = ErrorBody(type="server_error", code="boom", message="it broke")
BUSY = ErrorBody(code="conversation_already_has_active_response", message="busy")
CLOCKS = {
    "offline": "there was no usable connection within 3 s",
    "queue": "no slot for the response came free within 3 s",
    "created": "the server did not begin the response within 3 s",
    "gap": "the server sent nothing more for the response within 3 s",
    "cancel": "the server did not confirm the cancel within 3 s",
}

Row = tuple[Outcome, type[errors.OutcomeError], str | None, str, bool]
ROWS: list[Row] = [
    (Incomplete(reason="content_filter"), errors.ResponseIncompleteError,
     "content_filter", "the response is incomplete: content_filter", False),
    (Incomplete(reason="unknown", cause=BOOM), errors.ResponseIncompleteError,
     "boom", "the response is incomplete: unknown", False),
    (Cancelled(by="client"), errors.ResponseCancelledError,
     "client", "the response was cancelled by client", False),
    (Failed(error=BOOM), errors.ResponseFailedError, "boom", "it broke", False),
    (Failed(error=ErrorBody(type="server_error", message="m")), errors.ResponseFailedError,
     "server_error", "m", True),
    (Failed(error=ErrorBody(code="rate_limit_exceeded")), errors.ResponseFailedError,
     "rate_limit_exceeded", "rate_limit_exceeded", True),
    (Failed(error=NOTHING), errors.ResponseFailedError,
     None, "the response failed and the server gave no reason", True),
    (Rejected(error=BOOM), errors.ResponseRejectedError, "boom", "it broke", False),
    (Rejected(error=BUSY), errors.ResponseRejectedError, BUSY.code, "busy", True),
    (Rejected(error=ErrorBody(type="server_error")), errors.ResponseRejectedError,
     "server_error", "server_error", True),
    (Rejected(error=NOTHING), errors.ResponseRejectedError,
     None, "the server refused the request without a reason", False),
    *[(TimedOut(why=why, after=3.0), errors.ResponseTimeoutError, f"timeout_{why}", words, True)
      for why, words in CLOCKS.items()],
    (TimedOut(why="lunch", after=0.5), errors.ResponseTimeoutError,
     "timeout_lunch", "lunch within 0.5 s", True),
    (Lost(close=Close("network")), errors.ResponseLostError,
     "connection_lost", "the connection was lost", True),
    (Lost(close=Close("caller", 1000, "bye")), errors.ResponseLostError,
     "connection_lost", "bye", False),
    (Lost(close=Close("server")), errors.ResponseLostError,
     "connection_lost", "the server closed the connection", True),
    (Lost(close=Close("server", 1012, "restart")), errors.ResponseLostError,
     "connection_lost", "restart", True),
    (Lost(close=Close("server", 3000, "no key")), errors.ResponseLostError,
     "connection_lost", "no key", False),
    (Lost(close=Close("server", 1001, "", ErrorBody(code="session_expired"))),
     errors.ResponseLostError, "session_expired", "the server closed the connection", True),
    (Lost(close=Close("moon")), errors.ResponseLostError,
     "connection_lost", "the session ended", False),
    (Lost(close=Close("server", 4000, "reason", BOOM)), errors.ResponseLostError,
     "boom", "it broke", False),
    (Lost(close=Close("server", 4000, "reason", NOTHING)), errors.ResponseLostError,
     "connection_lost", "reason", False),
]  # fmt: skip


@pytest.mark.parametrize(("outcome", "error", "code", "words", "again"), ROWS)
def test_every_outcome_but_completed_has_its_exception(
    outcome: Outcome, error: type[errors.OutcomeError], code: str | None, words: str, again: bool
) -> None:
    assert (outcome.ok, outcome.code, outcome.describe()) == (False, code, words)
    assert outcome.retryable is again
    with pytest.raises(error) as raised:
        outcome.raise_for_outcome()
    assert raised.value.outcome is outcome
    assert (raised.value.code, raised.value.message, str(raised.value)) == (code, words, words)
    assert isinstance(raised.value, TimeoutError) == isinstance(outcome, TimedOut)


def test_completed_is_the_one_that_raises_nothing() -> None:
    outcome = Completed(response_id="r1")
    outcome.raise_for_outcome()
    assert (outcome.ok, outcome.retryable, outcome.code) == (True, False, None)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (None, "the response ended as completed"),
        (BOOM, "it broke"),
        (ErrorBody(code="boom"), "boom"),
        (NOTHING, "the response ended as completed"),
    ],
)
def test_an_outcome_without_words_of_its_own_takes_its_causes(
    cause: ErrorBody | None, words: str
) -> None:
    assert Completed(cause=cause).describe() == words


def test_every_kind_of_outcome_has_a_row() -> None:
    kinds = {type(row[0]) for row in ROWS} | {Completed}
    assert kinds == set(Outcome.__args__)
