"""The matrix in a terminal: how far it is, what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
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
_SHORT = {
    Verdict.OVER_EAGER: "eager",
    Verdict.LATE: "late",
    Verdict.TRUNCATED: "short",
    Verdict.CROSSED: "cross",
    Verdict.DEAD: "dead",
    Verdict.HANG: "hang",
}
"""Eighty columns are not many; the legend says it in full. A settled cell is its seconds."""
_COLUMN = 7


def drawn(report: Report) -> RenderableType:
    """The whole table, what its words mean, and how many there are of each."""
    scenarios = [name for name in CASES if any(cell.scenario == name for cell in report.cells)]
    faults = rows([report])
    width = max((len(name) for names in faults.values() for name in names), default=0) + 3
    lines = [_line("fault", width, [Text(name) for name in scenarios], style="bold")]
    for kind, names in faults.items():
        lines += [Text(), Text(kind.value, style="bold")]
        for name in names:
            found = [_cell(report.find(scenario, name)) for scenario in scenarios]
            lines.append(_line(f"  {name}", width, found))
    return Group(*lines, Text(), *_legend(report), summary(report))


def _line(name: str, width: int, cells: Sequence[Text], style: str = "") -> Text:
    line = Text(name.ljust(width), style=style, no_wrap=True)
    for cell in cells:
        line.append_text(cell).append(" " * (_COLUMN - len(cell)))
    return line


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
    return [
        Text.assemble((_SHORT[one].ljust(_COLUMN), _STYLES[one]), f"{one.value}: {MEANING[one]}")
        for one in seen
    ]


def _cell(cell: CellReport | None) -> Text:
    if cell is None:
        return Text("")
    verdict = Verdict(cell.verdict)
    return Text(_SHORT.get(verdict) or f"{cell.seconds or 0.0:.1f} s", style=_STYLES[verdict])
