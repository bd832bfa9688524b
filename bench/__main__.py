"""`make bench`: measures, and prints the tables."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from bench.figures import FIGURES, Figure
from bench.recovery import findings
from bench.recovery_table import drawn_recovery
from bench.rounds import measure
from bench.table import circumstances, drawn, surroundings

_WIDTH = 112
"""The tables', in columns: a ratio without its name says nothing."""

_RECOVERY = "recovery"


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each cost is measured.")] = 5,
    only: Annotated[
        str, typer.Option(help='Only costs with this word in their name, or "recovery" alone.')
    ] = "",
) -> None:
    """What a session costs, ours and that of LiveKit's own plugin, measured in one run; and how soon and
    how completely it comes back when its connection is lost."""
    console = Console()
    console.width = max(console.width, _WIDTH)
    figures = [figure for figure in FIGURES if only in figure.name]
    if figures:
        _costs(console, figures, rounds)
    if not only or only == _RECOVERY:
        _recovery(console)


def _costs(console: Console, figures: list[Figure], rounds: int) -> None:
    with console.status("") as status:
        measured = measure(figures, rounds, status.update)
    console.print(drawn(measured))
    console.print(circumstances(rounds), highlight=False)


def _recovery(console: Console) -> None:
    with console.status("") as status:
        found = findings(status.update)
    console.print(drawn_recovery(found))
    console.print(surroundings(), highlight=False)


if __name__ == "__main__":
    typer.run(main)
