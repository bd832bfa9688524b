"""The matrix as one page of HTML that needs nothing else: no script, no network, no second file.

Each cell is a button that opens its own explanation (the popover of today's browsers).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from rejoinder.conformance.cells import CASES, Kind
from rejoinder.conformance.judge import CLOSE, MEANING, OPEN, Step, Verdict
from rejoinder.conformance.report import CellReport, Report, rows
from rejoinder.conformance.scenarios import SCENARIOS

_SHADES = {
    Verdict.SETTLED: ("#d9f0df", "#17472a"),
    Verdict.OVER_EAGER: ("#fff0b8", "#5c4300"),
    Verdict.LATE: ("#ffe3a3", "#5c3b00"),
    Verdict.TRUNCATED: ("#ffd0b0", "#6b2600"),
    Verdict.CROSSED: ("#e6d4f7", "#43116b"),
    Verdict.DEAD: ("#f3c0c0", "#6b0d0d"),
    Verdict.HANG: ("#c92a2a", "#ffffff"),
}
_EXPECTED = {
    "whole": "the whole reply",
    "told": "the whole reply, or the client's word that it is not whole",
    "ended": "an end, whichever",
}
_STYLE = """
:root { color-scheme: light; --ink: #1b1f23; --faint: #5b6470; --line: #d5dae0; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 6rem; max-width: 76rem; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .2rem; }
p { margin: .3rem 0 .8rem; max-width: 60rem; } .faint { color: var(--faint); }
code { font: .92em ui-monospace, monospace; }
.legend { display: grid; grid-template-columns: max-content 1fr; gap: .3rem .8rem; margin: 1rem 0; }
.legend dt { padding: 0 .6rem; border-radius: .25rem; text-align: center; } .legend dd { margin: 0; }
table.matrix { border-collapse: collapse; width: 100%; margin: .8rem 0; }
.matrix th { text-align: left; font-weight: 600; padding: .3rem .5rem; vertical-align: bottom; }
.matrix thead th { position: sticky; top: 0; background: var(--paper);
  box-shadow: inset 0 -1px var(--line); }
.matrix tbody th { font-weight: 400; white-space: nowrap; }
.matrix .kind th { padding-top: 1.1rem; font-weight: 600; }
.matrix td { padding: 1px; min-width: 6.2rem; }
button.cell { all: unset; box-sizing: border-box; cursor: pointer; display: block; width: 100%;
  padding: .18rem .5rem; border-radius: .2rem; font-size: .85rem; line-height: 1.25; }
button.cell small { display: block; font-variant-numeric: tabular-nums; }
button.cell:focus-visible { outline: 2px solid #1c5fd4; }
[popover] { border: 1px solid var(--line); border-radius: .5rem; padding: 1.2rem 1.4rem;
  max-width: min(56rem, 92vw); box-shadow: 0 10px 40px #0004; color: var(--ink); }
[popover]::backdrop { background: #0003; }
[popover] h3 { margin: 0 0 .6rem; font-size: 1.1rem; }
[popover] table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .92rem; }
[popover] th, [popover] td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--line); }
.verdict { padding: .05rem .5rem; border-radius: .25rem; }
""" + "".join(
    f".v{at}, button.cell.v{at} {{ background: {paper}; color: {ink}; }}\n"
    for at, (paper, ink) in enumerate(_SHADES.values())
)


def page(reports: Sequence[Report]) -> str:
    """The whole page."""
    title = "Which realtime client survives what"
    clients = ", ".join(f"{one.client} {one.version}" for one in reports)
    body = "".join(_section(at, one) for at, one in enumerate(reports))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: '
        f'{escape(clients)}</title><meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1><p>Each cell is a conversation of its own "
        "with a local Realtime server that makes one fault. Afterwards one more reply is asked for. "
        f"Press a cell to see what happened in it.</p>{_legend()}{body}</main></body></html>\n"
    )


def _legend() -> str:
    lines = (
        f'<dt class="{_shade(one.value)}">{one.value}</dt><dd>{escape(MEANING[one])}</dd>'
        for one in Verdict
    )
    return f'<dl class="legend">{"".join(lines)}</dl>'


def _shade(verdict: str) -> str:
    return f"v{[one.value for one in Verdict].index(verdict)}"


def _section(number: int, report: Report) -> str:
    totals = " ".join(
        f'<span class="verdict {_shade(verdict)}">{count} {verdict}</span>'
        for verdict, count in report.totals().items()
    )
    return (
        f"<h2>{escape(report.client)}</h2><p><span class=faint>version {escape(report.version)}, Python "
        f"{escape(report.python)}, {len(report.cells)} cells</span><br>{totals}</p>"
        f"{_matrix(number, report)}"
    )


def _matrix(number: int, report: Report) -> str:
    scenarios = [name for name in CASES if any(cell.scenario == name for cell in report.cells)]
    heads = "".join(
        f'<th scope="col" title="{escape(SCENARIOS[name].about)}">{name}</th>' for name in scenarios
    )
    parts = [f'<table class="matrix"><thead><tr><th scope="col">fault</th>{heads}</tr></thead>']
    for kind, names in rows([report]).items():
        parts += _group(number, report, kind, names, scenarios)
    return "".join([*parts, "</table>"])


def _group(
    number: int, report: Report, kind: Kind, names: Iterable[str], scenarios: Sequence[str]
) -> Iterator[str]:
    yield f'<tbody><tr class="kind"><th colspan="{len(scenarios) + 1}">{escape(kind.value)}</th></tr>'
    for name in names:
        cells = (report.find(scenario, name) for scenario in scenarios)
        told = "".join(f"<td>{_cell(number, report, cell) if cell else ''}</td>" for cell in cells)
        yield f'<tr><th scope="row"><code>{escape(name)}</code></th>{told}</tr>'
    yield "</tbody>"


def _cell(number: int, report: Report, cell: CellReport) -> str:
    name = f"c{number}-{report.cells.index(cell)}"
    label = escape(f"{cell.scenario} x {cell.fault}: {cell.verdict}, {_time(cell.seconds)}")
    return (
        f'<button class="cell {_shade(cell.verdict)}" popovertarget="{name}" '
        f'aria-label="{label}">{cell.verdict}'
        f"<small>{_time(cell.seconds)}</small></button>"
        f'<div popover id="{name}">{_explained(report, cell)}</div>'
    )


def _explained(report: Report, cell: CellReport) -> str:
    after = "" if cell.survives else " The connection may be lost with it."
    again = f"rejoinder faults --client {report.client} --only '{cell.scenario} x {cell.fault}'"
    steps = "".join(map(_step, cell.steps))
    return (
        f"<h3>{cell.scenario} × <code>{escape(cell.fault)}</code> "
        f'<span class="verdict {_shade(cell.verdict)}">{cell.verdict}</span></h3>'
        f"<p>{escape(SCENARIOS[cell.scenario].about)}<br><b>The fault</b>: {escape(cell.about)}.</p>"
        f"<p><b>Expected</b> within {cell.within:g} s: {escape(_EXPECTED[cell.expected])}.{after}</p>"
        f"<table><tr><th>step</th><th>after</th><th>heard</th><th>in the client's words</th></tr>{steps}"
        f'</table><p class="faint">To see it again: <code>{escape(again)}</code></p>'
    )


def _step(step: Step) -> str:
    asked = f"<br><span class=faint>{escape(step.line.question)}</span>" if step.line else ""
    heard = step.heard
    words = " ".join(filter(None, (heard.why, heard.beside))) if heard else ""
    return (
        f"<tr><td>{step.name}{asked}</td><td>{_time(step.seconds if heard else None)}</td>"
        f"<td>{_heard(step)}</td><td>{escape(words)}</td></tr>"
    )


def _heard(step: Step) -> str:
    heard = step.heard
    if heard is None:
        return "<b>nothing that would end it</b>"
    if step.name in (OPEN, CLOSE) or step.line is None:
        return heard.end
    said = f"“{escape(heard.said)}”" if heard.said else "no words"
    return f"{heard.end}: {said}, {heard.audio:.1f} s of {step.line.seconds:.1f} s"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "no end"
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
