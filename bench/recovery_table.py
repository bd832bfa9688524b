"""Recovery's figures as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.table import Table

from bench.recovery import Finding


def drawn_recovery(rows: Sequence[Finding]) -> Table:
    """A row for each finding: the figure, the least and the most, the target, and of what."""
    table = Table(title="Recovery: lost and renewed connections", title_justify="left")
    for name in ("", "unit", "ours", "least to most", "target", "of"):
        left = name in ("", "of")
        table.add_column(name, justify="left" if left else "right", no_wrap=True, min_width=4)
    for row in rows:
        table.add_row(*recovery_cells(row))
    return table


def recovery_cells(row: Finding) -> list[str]:
    """The cells of one row. Of what is counted once there is nothing between the least and the most."""
    figure = max(row.values) if row.worst else median(row.values)
    spread = f"{_told(min(row.values))} to {_told(max(row.values))}" if row.values[1:] else ""
    name = f"{row.name}, worst" if row.worst else row.name
    return [name, row.unit, _told(figure), spread, _told(row.target), row.of]


def _told(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
