"""What the demo shows: one row for each reply."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from rejoinder.demo.watch import Reply, Watch

_COLOURS = {"Completed": "green", "Cancelled": "yellow", "Incomplete": "yellow"}


def drawn(watch: Watch, expected: list[str] | None) -> Table:
    """The table as it stands now. ``expected``: the outcome that each reply should have, if known."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("#", justify="right")
    table.add_column("heard", max_width=21)
    table.add_column("outcome", no_wrap=True)
    table.add_column("first\naudio", justify="right", no_wrap=True)
    table.add_column("fault to\nsettled", justify="right", no_wrap=True)
    table.add_column("said, or the error's own words", max_width=40)
    for number, reply in enumerate(watch.replies):
        table.add_row(*_cells(number, reply, watch, expected))
    return table


def as_expected(watch: Watch, expected: list[str]) -> bool:
    """Whether every reply ended as it should, and there was none too many or too few."""
    return [outcome_name(reply) for reply in watch.replies] == expected


def outcome_name(reply: Reply) -> str:
    """The name of its outcome; empty while there is none."""
    return type(reply.outcome).__name__ if reply.outcome is not None else ""


def _cells(
    number: int, reply: Reply, watch: Watch, expected: list[str] | None
) -> Iterator[str | Text]:
    first = watch.of(reply.turn)[0] is reply
    yield str(number + 1)
    yield watch.heard.get(reply.turn, "...") if first else "(after the tool)"
    yield _outcome(number, reply, expected)
    yield _ms(reply.first_audio_s)
    yield _ms(reply.fault_to_settled_s)
    yield _words(reply)


def _outcome(number: int, reply: Reply, expected: list[str] | None) -> Text:
    name = outcome_name(reply)
    if not name:
        return Text("speaking" if reply.first_audio_at else "waiting", style="dim")
    wanted = expected[number] if expected and number < len(expected) else name
    if name != wanted:
        return Text(f"{name}, not {wanted}", style="bold red")
    return Text(name, style=_COLOURS.get(name, "red"))


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return "< 1 ms" if seconds < 0.001 else f"{seconds * 1000:,.0f} ms"


def _words(reply: Reply) -> str:
    if reply.outcome is None:
        return ""
    said = reply.outcome.delivered.text
    if not reply.outcome.ok:
        return reply.outcome.describe() + (f' (after "{said.strip()}")' if said else "")
    if reply.calls:
        return "calls " + ", ".join(reply.calls)
    return said
