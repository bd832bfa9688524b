"""Asking again: when a failure may pass, and how long to wait for it to.

What the server itself declared failed is asked again, by a code that says nothing about what was asked,
and what was lost with its connection. A clock that ran out, a refusal by content and a cancel are answers.
"""

from __future__ import annotations

import math
import re

import msgspec

from rejoinder.core.deadlines import Timeouts
from rejoinder.core.machine import Machine, Request
from rejoinder.core.outcomes import RETRYABLE_CODES
from rejoinder.core.verdict import Facts
from rejoinder.wire.response import ErrorBody

_FIRST_PAUSE = 0.25
_MOST_DOUBLINGS = 8
_SAYS_WHEN = "try again in "
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(
    r"\s?(\d+(?:\.\d+)?)\s?"
    r"(?:(?P<ms>ms|milliseconds?)|(?P<s>s|secs?|seconds?)|(?P<m>m|mins?|minutes?)|(?P<h>h|hrs?|hours?))"
    r"(?![a-z])"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")


def asked_again(now: float, machine: Machine, facts: Facts, clocks: Timeouts) -> Request | None:
    """The request as it will be asked again, after a pause; None if what happened is an answer.

    It is one unless retries are left, the failure may pass, nothing was delivered, and the pause ends
    within the deadlines that the request has had from its first send on. Nor is anything asked again
    that was taken for ours by order alone: the true answer may still be on its way.
    """
    request, error = machine.request, _failure(facts)
    lost = facts.close is not None
    if request is None or not request.retries or (error is None and not lost):
        return None
    if machine.output.begun() or machine.by_order:
        return None
    again_at = now if error is None else now + _pause(error, request.sends)
    if again_at >= min(request.answer_by, request.asked_at + clocks.queue):
        return None
    left = request.retries - 1
    return msgspec.structs.replace(request, retries=left, again_at=again_at, failure=error)


def _failure(facts: Facts) -> ErrorBody | None:
    """The passing failure that these facts tell, or None: the server named whom it concerns, by an
    error of a retryable code, in a response that is declared failed or has never been."""
    response = facts.response
    if not facts.named or (
        response is not None and (response.status != "failed" or response.output)
    ):
        return None
    details = response.status_details if response is not None else None
    error = details.error if details is not None else facts.error
    if error is None or not {error.code or error.type} & RETRYABLE_CODES:
        return None
    return error


def _pause(error: ErrorBody, sends: int) -> float:
    """Seconds to wait before the next send: what the server's words say ("try again in 1m2.5s", as its
    rate limits do), else a quarter of a second, doubled with each send. What says when, but not in
    figures, is waited for by nobody."""
    _, says, when = (error.message or "").lower().partition(_SAYS_WHEN)
    if says:
        return _seconds(when)
    return float(_FIRST_PAUSE * 2 ** min(sends - 1, _MOST_DOUBLINGS))


def _seconds(text: str) -> float:
    """The time that a text begins with: ``20ms``, ``1m2.5s``, ``5 seconds``, ``1,200 ms``; infinite if with
    none."""
    text, seconds, at = _THOUSANDS.sub("", text), 0.0, 0
    while (part := _TIME.match(text, at)) is not None:
        seconds += float(part[1]) * _UNITS[str(part.lastgroup)]
        at = part.end()
    return seconds if at else math.inf
