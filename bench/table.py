"""The figures as a table for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.table import Table

from bench.figures import OURS, THEIRS
from bench.rounds import Measured

PACKAGES = ("rejoinder", "livekit-plugins-openai", "livekit-agents", "aiohttp", "msgspec")


def drawn(rows: Sequence[Measured]) -> Table:
    """A row for each figure: medians, the least and the most, and ours divided by theirs."""
    table = Table(
        title="CPU time per audio frame and per second of microphone; memory per session",
        title_justify="left",
    )
    for name in ("", "unit", "ours", "theirs", "ratio", "by round", "target"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True, min_width=6)
    for row in rows:
        table.add_row(*cells(row))
    return table


def cells(row: Measured) -> list[str]:
    """The cells of one row. The ratio is that of the medians; beside it, those of the single rounds."""
    ours, theirs = row.costs[OURS], row.costs[THEIRS]
    singles = [one / other for one, other in zip(ours, theirs, strict=True)]
    target = row.figure.target
    return [
        row.figure.name,
        row.figure.unit,
        _amount(row, ours),
        _amount(row, theirs),
        f"{median(ours) / median(theirs):.2f}",
        f"{min(singles):.2f}-{max(singles):.2f}",
        "" if target is None else f"{target:.2f}",
    ]


def _amount(row: Measured, costs: Sequence[float]) -> str:
    scaled = [each * row.figure.scale for each in costs]
    return f"{median(scaled):.1f} ({min(scaled):.1f}-{max(scaled):.1f})"


def circumstances(rounds: int) -> str:
    """Where and with what it was measured, and how often."""
    return f"{surroundings()}\nmedian (least to most) of {rounds} rounds, the clients in turn"


def surroundings() -> str:
    """Where and with what it was measured."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"{packages}\n{python}, {platform.system()}, {processor()}, {os.cpu_count()} cores; "
        f"load {os.getloadavg()[0]:.1f}"
    )


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
