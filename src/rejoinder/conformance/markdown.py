"""Several clients beside each other, as Markdown: what was seen, and the command to see it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rejoinder.conformance.cells import CASES
from rejoinder.conformance.judge import MEANING, Verdict
from rejoinder.conformance.report import ALL_WELL, CellReport, Report, rows
from rejoinder.conformance.scenarios import SCENARIOS


def comparison(reports: Sequence[Report]) -> str:
    """A table of totals, then one for each scenario with a column for each client."""
    return "\n\n".join([_clients(reports), _meaning(), *_scenarios(reports)])


def _clients(reports: Sequence[Report]) -> str:
    head = ["client", "version", "cells", *(one.value for one in Verdict), "see it again"]
    lines = [
        [
            f"`{one.client}`",
            one.version,
            str(len(one.cells)),
            *(str(one.totals().get(verdict.value, 0)) for verdict in Verdict),
            f"`rejoinder faults --client {one.client}`",
        ]
        for one in reports
    ]
    return table(head, lines)


def _meaning() -> str:
    return "\n".join(f"- **{one.value}**: {MEANING[one]}" for one in Verdict)


def _scenarios(reports: Sequence[Report]) -> Iterator[str]:
    for name in CASES:
        seen = [one for one in reports if any(cell.scenario == name for cell in one.cells)]
        if seen:
            head = ["fault", *(f"`{one.client}`" for one in seen)]
            yield f"### {name}\n\n{SCENARIOS[name].about}\n\n{table(head, _lines(name, seen))}"


def _lines(scenario: str, reports: Sequence[Report]) -> Iterator[list[str]]:
    for kind, names in rows(reports).items():
        told = [[one.find(scenario, name) for one in reports] for name in names]
        if any(cell for line in told for cell in line):
            yield [f"**{kind.value}**", *([""] * len(reports))]
        for name, line in zip(names, told, strict=True):
            if any(line):
                yield [f"`{name}`", *map(_cell, line)]


def _cell(cell: CellReport | None) -> str:
    if cell is None:
        return ""
    word = cell.verdict if cell.verdict == ALL_WELL else f"**{cell.verdict}**"
    return word if cell.seconds is None else f"{word} {cell.seconds:.1f} s"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; the cells are put down as they are."""
    written = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in written)
