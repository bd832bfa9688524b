"""The refusal of an upgrade: what a server says by HTTP, as a `ConnectError`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from rejoinder.errors import ConnectError

__all__ = ["line", "refusal"]

_MOST_WORDS = 500
"""How much of what a peer says goes into an error's message, in characters."""


def refusal(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> ConnectError:
    """The error for this answer. Its code is the body's, else ``http_`` and the status."""
    message, code = _told(body)
    words = f"the server refused the connection with HTTP status {status}"
    return ConnectError(
        f"{words}: {message}" if message else words,
        code=code or f"http_{status}",
        status=status,
        retry_after=_retry_after(headers or {}),
    )


def line(text: str) -> str:
    """What a peer says, on one line, without what is not to be printed, and not too long."""
    words = " ".join(text.split())[:_MOST_WORDS]
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds from now: a number of them, or a date (RFC 9110, 10.2.3).

    A date counts from the ``Date`` of the same answer, since the server's clock need not be ours.
    """
    said = headers.get("Retry-After", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        until, now = _moment(said), _moment(headers.get("Date", ""))
        if until is None:
            return None
        seconds = until - (time.time() if now is None else now)
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _moment(text: str) -> float | None:
    """A date of HTTP's in seconds since 1970."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # HTTP knows UTC alone, and some write it as -0000, which Python takes for no zone at all.
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _told(body: bytes) -> tuple[str | None, str | None]:
    """The message and the code in the body of a refusal, however it is shaped."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = " ".join(body.decode("utf-8", "replace").split())[:_MOST_WORDS]
        words = text.isprintable() and "\ufffd" not in text and not text.startswith("<")
        return (text or None) if words else None, None
    if not isinstance(told, dict):
        return (line(told) if isinstance(told, str) else None), None
    error = told.get("error", told)
    if isinstance(error, str):
        return line(error), _text(told.get("code"))
    if not isinstance(error, dict):
        return None, None
    message = _text(error.get("message")) or _text(error.get("detail"))
    return message and line(message), _text(error.get("code")) or _text(error.get("type"))


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
