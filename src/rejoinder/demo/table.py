"""What the demo shows: one row for each reply."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from rejoinder.demo.reply import ENDED, INTERRUPTED, Reply
from rejoinder.demo.watch import Watch

_COLOURS = {
    "Completed": "green",
    ENDED: "green",
    "Cancelled": "yellow",
    "Incomplete": "yellow",
    INTERRUPTED: "yellow",
}


def drawn(watch: Watch, expected: list[str] | None) -> Table:
    """The table as it stands now. ``expected``: the outcome that each reply should have, if known."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("#", justify="right")
    table.add_column("heard", max_width=21)
    table.add_column("outcome", no_wrap=True)
    table.add_column("first\naudio", justify="right", no_wrap=True)
    table.add_column("fault to\nsettled", justify="right", no_wrap=True)
    table.add_column("said, or the error's own words", max_width=40, overflow="fold")
    for number, reply in enumerate(watch.replies):
        table.add_row(*_cells(number, reply, watch, expected))
    return table


def as_expected(watch: Watch, expected: list[str]) -> bool:
    """Whether every reply ended as it should, and there was none too many or too few."""
    ends = [reply.end for reply in watch.replies]
    return len(ends) == len(expected) and all(
        end is not None and end.name == end.wanted(outcome)
        for end, outcome in zip(ends, expected, strict=True)
    )


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
    end = reply.end
    if end is None:
        return Text("speaking" if reply.first_audio_at else "waiting", style="dim")
    if expected and number < len(expected) and end.name != end.wanted(expected[number]):
        return Text(f"{end.name}, not {end.wanted(expected[number])}", style="bold red")
    return Text(end.name, style=_COLOURS.get(end.name, "red"))


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return "< 1 ms" if seconds < 0.001 else f"{seconds * 1000:,.0f} ms"


def _words(reply: Reply) -> str:
    end = reply.end
    if end is None:
        return ""
    if end.why:
        return end.why + (f' (after "{end.said.strip()}")' if end.said else "")
    return "calls " + ", ".join(end.calls) if end.calls else end.said
