"""How a response ended: what happened to it, put into an outcome."""

from __future__ import annotations

import msgspec

from rejoinder.core.deadlines import Timeouts
from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.outcomes import (
    Cancelled,
    Close,
    Completed,
    Delivered,
    Failed,
    Incomplete,
    Lost,
    Outcome,
    Rejected,
    TimedOut,
)
from rejoinder.wire.response import ErrorBody, ResponseObject
from rejoinder.wire.server_events import ServerEvent

OURS = "client"
"""The error type of what was found on our side of the wire."""


class Facts(msgspec.Struct, frozen=True):
    """What came with a trigger: the event, and what was read out of it.

    ``named``: the server itself said which request or response it means.
    """

    event: ServerEvent | None = None
    error: ErrorBody | None = None
    response: ResponseObject | None = None
    close: Close | None = None
    why: str = ""
    after: float = 0.0
    named: bool = False


class Ground(msgspec.Struct, frozen=True):
    """What was known of the response before.

    ``suspect``: the error that it was blamed for; ``blamed``: it has not gone on since.
    """

    response_id: str | None
    delivered: Delivered
    suspect: ErrorBody | None
    blamed: bool
    asked: int


def outcome(state: State, trigger: Trigger, ground: Ground, facts: Facts) -> Outcome:
    """The outcome of a response that settles in ``state`` on ``trigger``."""
    match trigger:
        case Trigger.DONE if state is not State.CANCELLING:
            return _done(ground, facts.response or ResponseObject())
        case Trigger.FAILED if state is not State.CANCELLING:
            return _failed(ground, facts)
        case Trigger.REJECTED | Trigger.BUSY:
            return _rejected(ground, facts.error)
        case Trigger.EXPIRED:
            return _expired(state, ground, facts)
        case Trigger.LOST | Trigger.CLOSED:
            return _lost(ground, facts.close or Close("network"))
        case _:
            return _cancelled(ground, "client", facts.response)


def length(timeouts: Timeouts, why: str) -> float:
    """The length in seconds of the clock named ``why``."""
    return float(getattr(timeouts, why))


def _done(ground: Ground, response: ResponseObject) -> Outcome:
    details = response.status_details
    reason = details.reason if details else None
    match response.status:
        case "completed":
            return Completed(
                response_id=ground.response_id,
                delivered=ground.delivered,
                asked=ground.asked,
                response=response,
            )
        case "cancelled" | "incomplete" if reason == "turn_detected":
            return _cancelled(ground, "turn_detected", response)
        case "cancelled":
            by = "client" if reason == "client_cancelled" else reason or "server"
            return _cancelled(ground, by, response)
        case "incomplete":
            return Incomplete(
                reason=reason or "unknown",
                response_id=ground.response_id,
                delivered=ground.delivered,
                cause=_error_in(response) or (None if reason else ground.suspect),
                asked=ground.asked,
                response=response,
            )
        case _:
            error = _error_in(response) or ground.suspect or failure(response)
            return _failed(ground, Facts(error=error, response=response))


def _error_in(response: ResponseObject) -> ErrorBody | None:
    details = response.status_details
    return details.error if details else None


def failure(response: ResponseObject) -> ErrorBody:
    """Why a response failed: its error, or whatever words it has instead of one."""
    told = _error_in(response)
    if told is not None:
        return told
    details = response.status_details
    words = (details.reason or details.type) if details else None
    if response.status == "failed":
        said = words if words and words != "failed" else "the server gave no reason"
        return ErrorBody(type="server_error", message=f"the response failed: {said}")
    if response.status is None:
        return ErrorBody(
            type=OURS, code="no_status", message="the server ended the response without saying how"
        )
    return ErrorBody(
        type=OURS,
        code="unknown_status",
        message=f"the server ended the response with the unknown status {response.status[:64]!r}",
    )


def _failed(ground: Ground, facts: Facts) -> Failed:
    error = facts.error or ErrorBody(type="server_error", message="the response failed")
    return Failed(
        error=error,
        response_id=ground.response_id,
        delivered=ground.delivered,
        cause=error,
        asked=ground.asked,
        response=facts.response,
    )


def _rejected(ground: Ground, error: ErrorBody | None) -> Rejected:
    error = error or ErrorBody(type="server_error", message="the server refused the request")
    return Rejected(error=error, cause=error, delivered=ground.delivered, asked=ground.asked)


def _expired(state: State, ground: Ground, facts: Facts) -> Outcome:
    if ground.blamed and state is State.ACTIVE:
        return _failed(ground, Facts(error=ground.suspect))
    if ground.blamed:
        return _rejected(ground, ground.suspect)
    return TimedOut(
        why=facts.why,
        after=facts.after,
        response_id=ground.response_id,
        delivered=ground.delivered,
        cause=ground.suspect,
        asked=ground.asked,
    )


def _lost(ground: Ground, close: Close) -> Lost:
    return Lost(
        close=close,
        response_id=ground.response_id,
        delivered=ground.delivered,
        cause=close.error,
        asked=ground.asked,
    )


def _cancelled(ground: Ground, by: str, response: ResponseObject | None) -> Cancelled:
    return Cancelled(
        by=by,
        response_id=ground.response_id,
        delivered=ground.delivered,
        cause=_error_in(response) if response else None,
        asked=ground.asked,
        response=response,
    )
