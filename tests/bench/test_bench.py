"""The bench runs, and its table can be drawn. What the figures are is nobody's promise."""

from __future__ import annotations

import io
import math

from rich.console import Console

from bench.client import measured
from bench.far_end import listen
from bench.figures import FIGURES, OURS, THEIRS, Figure
from bench.rounds import Measured
from bench.table import circumstances, drawn
from rejoinder.testing import Run

TINY = [
    Figure("idle", "idle", 0, 2, "KiB", 1 / 1024),
    Figure("reply", "reply", 20, 3, "µs", 1e6),
    Figure("paced", "paced", 100, 2, "µs", 1e6),
    Figure("microphone", "microphone", 24_000, 1, "ms", 1e3),
    Figure("resampled", "microphone", 48_000, 1, "ms", 1e3),
]


def test_every_kind_of_figure_can_be_measured(run: Run) -> None:
    async def main() -> None:
        runner, port = await listen()
        try:
            costs = await measured(OURS, TINY, f"http://127.0.0.1:{port}/v1")
        finally:
            await runner.cleanup()
        assert len(costs) == len(TINY)
        assert all(map(math.isfinite, costs))

    run(main())


def test_the_tiny_figures_are_of_all_kinds() -> None:
    assert {figure.kind for figure in TINY} == {figure.kind for figure in FIGURES}


def test_the_table_tells_medians_spread_and_ratio() -> None:
    figure = Figure("frame", "reply", 20, 1, "µs CPU", 1e6, 0.3)
    row = Measured(figure, {OURS: [1e-6, 2e-6, 4e-6], THEIRS: [1e-5, 1e-5, 2e-5]})
    console = Console(width=100, file=io.StringIO())
    with console.capture() as printed:
        console.print(drawn([row]))
        console.print(circumstances(3))
    text = printed.get()

    for words in (
        "2.0",
        "(1.0-4.0)",
        "10.0",
        "(10.0-20.0)",
        "0.20",
        "0.10-0.20",
        "0.30",
        "aiohttp",
    ):
        assert words in text
