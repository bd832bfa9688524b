"""How named faults are written down: rows of a table, made into `Fault`."""

from __future__ import annotations

from typing import TypeAlias

from rejoinder.server.faults.aims import ANYTHING, Needs, point
from rejoinder.server.faults.fault import Fault, Strike, Then

Rows: TypeAlias = dict[str, tuple[str, Strike]]
"""A name, what it does in one line, and how."""


def aimed(
    where: str,
    rows: Rows,
    then: Then = Then.GOES_ON,
    *,
    response: int | None = 1,
    needs: Needs = ANYTHING,
    alters: bool = False,
) -> dict[str, Fault]:
    """Rows that strike at the same point, in the same response, with the same consequence."""
    return {
        name: Fault(
            name,
            point(where),
            strike,
            then,
            response=response,
            needs=needs,
            alters=alters,
            says=says,
        )
        for name, (says, strike) in rows.items()
    }
