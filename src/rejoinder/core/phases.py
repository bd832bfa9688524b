"""The life of a session's connections, as a table: which phases there are, and what comes after which.

Nothing is decided by it: it says in one place what comes of `linking` and `renewal`, for people, and
`tests/core/test_phases.py` holds them to it. A phase is read off the links that are there.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from rejoinder.core.state import SessionState


class Phase(enum.Enum):
    """Where a session's connections are; its value says what is there."""

    DIALLING = "no connection; one is dialled"
    TELLING = "no connection yet; a new server is being told the conversation"
    SERVING = "one connection, which takes whatever is asked for"
    RENEWING = "one serves; another is dialled, then told the conversation"
    MOVING = "the same; the new server knows all, the old one is asked to forget what it heard last"
    LEAVING = "the new one serves; the old one finishes what it began"
    WAITING = "no connection; the next attempt has its moment"
    ENDED = "over for good"


_P = Phase
_END = "aclose(), a final refusal, or given up"

TABLE: Mapping[Phase, Mapping[Phase, str]] = MappingProxyType(
    {
        _P.DIALLING: {
            _P.SERVING: "the first of all is open",
            _P.TELLING: "a later one is open",
            _P.WAITING: "it could not be had",
            _P.ENDED: _END,
        },
        _P.TELLING: {
            _P.SERVING: "all is answered",
            _P.LEAVING: "answered, an older one leaves still",
            _P.WAITING: "it is lost, or confirms nothing",
            _P.ENDED: _END,
        },
        _P.SERVING: {
            _P.RENEWING: "old, or near its end",
            _P.WAITING: "it is lost",
            _P.ENDED: _END,
        },
        _P.RENEWING: {
            _P.MOVING: "told, and nobody speaks",
            _P.SERVING: "it failed, or took over",
            _P.TELLING: "the old one is lost, the new one answers",
            _P.WAITING: "the old one is lost, the new one has said nothing yet",
            _P.ENDED: _END,
        },
        _P.MOVING: {
            _P.LEAVING: "the old one has forgotten, or is silent",
            _P.SERVING: "one of the two is lost",
            _P.TELLING: "the old one is lost, and left something to tell",
            _P.ENDED: _END,
        },
        _P.LEAVING: {
            _P.SERVING: "the old one has nothing left to say, or is lost",
            _P.WAITING: "the new one is lost",
            _P.ENDED: _END,
        },
        _P.WAITING: {
            _P.DIALLING: "the moment has come",
            _P.ENDED: _END,
        },
        _P.ENDED: {},
    }
)
"""What can come after each phase, and why."""


def phase(state: SessionState) -> Phase:
    """Where the connections of a session are."""
    links = state.links
    if state.ended is not None:
        return Phase.ENDED
    if links.serving is None:
        if links.coming is None:
            return Phase.WAITING
        return Phase.TELLING if links.coming.opened_at else Phase.DIALLING
    if links.coming is not None:
        return Phase.MOVING if links.moving else Phase.RENEWING
    return Phase.SERVING if links.leaving is None else Phase.LEAVING


def drawn() -> str:
    """The table as a diagram (Mermaid), for the documents. What ends all phases is drawn once."""
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in _lines())])


def _lines() -> Iterator[str]:
    yield f"[*] --> {Phase.DIALLING.name}"
    yield "state alive {"
    for before, changes in TABLE.items():
        for after, why in changes.items():
            if after is not Phase.ENDED:
                yield f"    {before.name} --> {after.name}: {why}"
    yield "}"
    yield f"alive --> {Phase.ENDED.name}: {_END}"
    yield f"{Phase.ENDED.name} --> [*]"
