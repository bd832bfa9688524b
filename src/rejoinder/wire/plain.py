"""A frame as a plain JSON object with a type, mended where that is possible.

JSON from the field has halves of surrogate pairs (text cut between UTF-16 units), ``NaN``, numbers
beyond any range, byte order marks and bytes that are not UTF-8. What they spoil is one character or
one number, so only that is replaced, not the event around it.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

REFUSALS = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What decoders raise: bad JSON is a ``MsgspecError``, bad text and numbers are ``ValueError``."""

_LONGEST_NUMBER = 300


class Unreadable(Exception):
    """The frame is no JSON object with a type; says why."""


def read(frame: bytes) -> dict[str, Any]:
    """The object in a frame, with a string ``type``; raises ``Unreadable``, and nothing else."""
    value = _parse(frame)
    if not isinstance(value, dict):
        raise Unreadable("the frame is not a JSON object")
    if not isinstance(value.get("type"), str):
        raise Unreadable("the object has no type that is a string")
    return value


def _parse(frame: bytes) -> Any:
    try:
        return msgspec.json.decode(frame)
    except REFUSALS:
        return _mend(frame)


def _mend(frame: bytes) -> Any:
    try:
        loose = json.loads(
            frame.decode("utf-8-sig", "replace"),
            parse_constant=_nothing,
            parse_float=_finite,
            parse_int=_bounded,
        )
        text = json.dumps(loose, ensure_ascii=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except RecursionError as error:
        raise Unreadable("the frame is nested too deeply") from error
    except ValueError as error:
        raise Unreadable(f"the frame is not JSON: {error}") from error


def _nothing(_constant: str) -> None:
    """NaN and the infinities have no JSON form; ``null`` is the nearest thing."""


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _bounded(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None
