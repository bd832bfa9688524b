"""The matrix in a terminal: how far it is, what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rejoinder.conformance.cells import CASES
from rejoinder.conformance.judge import MEANING, Verdict
from rejoinder.conformance.report import ALL_WELL, CellReport, Report, rows

_STYLES = {
    Verdict.SETTLED: "green",
    Verdict.OVER_EAGER: "yellow",
    Verdict.LATE: "yellow",
    Verdict.TRUNCATED: "dark_orange",
    Verdict.CROSSED: "magenta",
    Verdict.DEAD: "red",
    Verdict.HANG: "bold white on red",
}
_SHORT = {Verdict.TRUNCATED: "truncated"}
"""Where room is scarce; the legend below says it in full."""


def drawn(report: Report) -> RenderableType:
    """The whole table, what its words mean, and how many there are of each."""
    scenarios = [name for name in CASES if any(cell.scenario == name for cell in report.cells)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("fault", no_wrap=True)
    for name in scenarios:
        table.add_column(name, no_wrap=True)
    for kind, names in rows([report]).items():
        table.add_row(Text(kind.value, style="bold"))
        for name in names:
            found = [report.find(scenario, name) for scenario in scenarios]
            table.add_row(Text(f"  {name}"), *map(_cell, found))
    return Group(table, *_legend(report), summary(report))


def summary(report: Report) -> Text:
    """One line: how many cells came to what."""
    told = Text(f"{report.client} {report.version}: {len(report.cells)} cells", style="bold")
    for verdict, count in report.totals().items():
        told.append(", ").append(f"{count} {verdict}", style=_STYLES[Verdict(verdict)])
    return told


def verdict_line(cell: CellReport) -> Text:
    """One cell as one line, for those that are not as they should be."""
    verdict = Verdict(cell.verdict)
    return Text.assemble(
        (f"{verdict.value:>18}", _STYLES[verdict]), f"  {cell.scenario} x {cell.fault}"
    )


def _legend(report: Report) -> Sequence[Text]:
    seen = [Verdict(one) for one in report.totals() if one != ALL_WELL]
    return [Text.assemble((one.value, _STYLES[one]), f": {MEANING[one]}") for one in seen]


def _cell(cell: CellReport | None) -> Text:
    if cell is None:
        return Text("")
    verdict = Verdict(cell.verdict)
    time = "" if cell.seconds is None else f" {cell.seconds * 1000:.0f} ms"
    return Text(f"{_SHORT.get(verdict, verdict.value)}{time}", style=_STYLES[verdict])
