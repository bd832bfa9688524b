"""The faults, listed: what ``rejoinder serve --list-faults`` says of each."""

from __future__ import annotations

from collections.abc import Iterator

from rejoinder.server.catalogue import FAULTS, POINTS
from rejoinder.server.faults import Fault

_SHORT = {event: name for name, event in POINTS.items()}


def listed() -> Iterator[tuple[str, str]]:
    """Each fault: its name, and its own point as it would be written behind the ``@``."""
    for name, fault in FAULTS.items():
        yield name, aim(fault)


def aim(fault: Fault) -> str:
    """Where it strikes: ``delta:3``, ``instead-done``, ``instead-any:0#0``."""
    point = fault.point
    place = "" if point.place == "after" else f"{point.place}-"
    nth = "" if point.nth == 1 else f":{point.nth}"
    response = "" if fault.response in (1, None) else f"#{fault.response}"
    return f"{place}{_SHORT.get(point.event, point.event)}{nth}{response}"
