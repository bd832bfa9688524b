"""The named faults. ``fault("response-error@delta:3")`` aims one; every name has a point of its own.

``NAME[@[before-|instead-]POINT[:NTH]][#RESPONSE]``: POINT is one of `POINTS` or an event type, NTH counts
the events there (0: every one), RESPONSE counts the responses from arming (0: every one). A fault that
alters, loses or refuses an event stands in its place; any other comes after it, unless said otherwise.
``NAME[#CONNECTION]`` for a fault of the handshake: CONNECTION counts the connections from arming.

Some names have a number in them: ``close-4000``, ``http-503``, ``pause-6``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import NamedTuple

from rejoinder.errors import ConfigurationError
from rejoinder.server.faults import handshake as handshake_faults
from rejoinder.server.faults import named_streams, named_wire
from rejoinder.server.faults.aims import POINTS, Point, point
from rejoinder.server.faults.fault import Fault
from rejoinder.server.faults.handshake import AnyFault, HandshakeFault
from rejoinder.server.faults.named_failures import FAILURES
from rejoinder.server.faults.named_streams import STREAMS
from rejoinder.server.faults.named_wire import WIRE

__all__ = ["FAULTS", "HANDSHAKES", "POINTS", "Described", "described", "fault", "point"]

FAULTS: dict[str, Fault] = {**FAILURES, **STREAMS, **WIRE}
"""Every fault of a stream or a connection whose name has no number to choose."""

HANDSHAKES: dict[str, HandshakeFault] = {
    name: HandshakeFault(name, steps, says=says)
    for name, (says, steps) in {
        **handshake_faults.UPGRADES,
        **handshake_faults.refusals(),
    }.items()
}
"""Every fault of the handshake whose name has no number to choose."""

_HANDSHAKE = "handshake"
"""The point of all of these, for those who say it."""


_WHOLE = r"\d{1,9}"
_DECIMAL = rf"{_WHOLE}(\.{_WHOLE})?"


class _Family(NamedTuple):
    """Faults whose names end in a number: ``close-CODE``."""

    name: str
    where: str
    says: str
    make: Callable[[str, str], AnyFault]
    number: str = _WHOLE

    @property
    def stem(self) -> str:
        return self.name.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


_FAMILIES = (
    _Family(
        "close-CODE",
        "delta:3",
        "a close frame with this code: 1000-1003, 1007-1014, 3000-4999",
        lambda name, said: named_wire.close(name, int(said)),
    ),
    _Family(
        "pause-SECONDS",
        "delta:3",
        "the response pauses so long, then goes on",
        lambda name, said: named_streams.pause(name, float(said)),
        _DECIMAL,
    ),
    _Family(
        "slow-loris-RATE",
        "delta:3",
        "all that follows dribbles: so many bytes a second",
        lambda name, said: named_wire.slow_loris(name, int(said)),
    ),
    _Family(
        "goes-down-SECONDS",
        "delta:3",
        "a TCP reset, and nobody listens for so long",
        lambda name, said: named_wire.goes_down(name, float(said)),
        _DECIMAL,
    ),
    _Family(
        "http-STATUS",
        _HANDSHAKE,
        "the upgrade is refused with this status: 400-599",
        lambda name, said: handshake_faults.refused_by_http(name, int(said)),
    ),
    _Family(
        "handshake-slow-SECONDS",
        _HANDSHAKE,
        "the upgrade is answered so much later",
        lambda name, said: handshake_faults.slow(name, float(said)),
        _DECIMAL,
    ),
)

_AIM = re.compile(r"(?P<name>[a-z0-9._-]+)(@(?P<point>[^@#]+))?(#(?P<number>\d{1,9}))?")


class Described(NamedTuple):
    """A line of the list: ``point`` is where it strikes when nothing else is said."""

    name: str
    point: str
    says: str


def described() -> list[Described]:
    """Every name with its point and what it does, families (``close-CODE``) last."""
    lines = [Described(name, str(one.point), one.says) for name, one in FAULTS.items()]
    lines += [Described(name, _HANDSHAKE, one.says) for name, one in HANDSHAKES.items()]
    return lines + [Described(one.name, one.where, one.says) for one in _FAMILIES]


def fault(text: str) -> AnyFault:
    """The fault that ``text`` names and aims.

    Raises `ConfigurationError` when there is none, when it cannot be aimed there, and for a number
    that makes no sense.
    """
    found = _AIM.fullmatch(text)
    named = _named(found["name"]) if found else None
    if found is None or named is None:
        raise ConfigurationError(_no_such(text))
    number = int(found["number"]) if found["number"] else None
    if isinstance(named, HandshakeFault):
        if found["point"] not in (None, _HANDSHAKE):
            raise ConfigurationError(
                f"{named.name} is a fault of the handshake and cannot be aimed at {found['point']!r}; "
                f"say {named.name}#2 for the second connection"
            )
        return named if number is None else named.for_connection(number)
    if found["point"]:
        named = named.at(_aim(named, found["point"]))
    return named if number is None else named.in_response(number)


def _aim(named: Fault, text: str) -> Point:
    if text == _HANDSHAKE:
        raise ConfigurationError(
            f"{named.name} happens to an open connection and cannot be aimed at the handshake; "
            f"say {named.name}@{named.point}"
        )
    return point(text, unsaid="instead" if named.alters else "after")


def _named(name: str) -> AnyFault | None:
    fixed = FAULTS.get(name) or HANDSHAKES.get(name)
    if fixed is not None:
        return fixed
    for family in _FAMILIES:
        said = name.removeprefix(family.stem)
        if said != name and re.fullmatch(family.number, said):
            return family.make(name, said)
    return None


def _no_such(text: str) -> str:
    names = [*FAULTS, *HANDSHAKES, *(family.name for family in _FAMILIES)]
    close = difflib.get_close_matches(re.split("[@#]", text)[0], names, cutoff=0.0)
    return (
        f"no such fault: {text!r}; say NAME[@POINT[:NTH]][#RESPONSE], or NAME[#CONNECTION] for one of "
        f"the handshake, NAME such as {', '.join(close)}"
    )
