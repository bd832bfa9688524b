"""`make bench`: measures, and prints the table."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from bench.figures import FIGURES
from bench.rounds import measure
from bench.table import circumstances, drawn

_WIDTH = 112
"""The table's, in columns: a ratio without its name says nothing."""


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each figure is measured.")] = 5,
    only: Annotated[str, typer.Option(help="Only figures with this word in their name.")] = "",
) -> None:
    """What a session costs, ours and that of LiveKit's own plugin, measured in one run."""
    console = Console()
    console.width = max(console.width, _WIDTH)
    figures = [figure for figure in FIGURES if only in figure.name]
    with console.status("") as status:
        measured = measure(figures, rounds, status.update)
    console.print(drawn(measured))
    console.print(circumstances(rounds), highlight=False)


if __name__ == "__main__":
    typer.run(main)
