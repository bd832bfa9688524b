"""What is shown of a run: the same as what was seen."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import msgspec
import pytest
from rich.console import Console

from rejoinder.conformance.cells import Cell, cells
from rejoinder.conformance.clients import client
from rejoinder.conformance.driver import ABILITIES, ERROR, Heard
from rejoinder.conformance.judge import NEXT, Step, Verdict, judge
from rejoinder.conformance.matrix import Result
from rejoinder.conformance.page import page
from rejoinder.conformance.report import Report, decode, encode, report, rows
from rejoinder.conformance.scenarios import HOURS, PARKING
from rejoinder.conformance.table import drawn
from rejoinder.errors import ConfigurationError

EVERY = {cell.name: cell for cell in cells(ABILITIES)}


def result(cell: Cell, *steps: Step) -> Result:
    return Result(cell, steps, *judge(steps, cell.bounds))


WELL = result(
    EVERY["asked x response-error"],
    Step("ask", HOURS, 0.4, Heard("Nine until", 0.5, ERROR, "<the model> & its words")),
    Step(NEXT, PARKING, 0.3, Heard(PARKING.reply, PARKING.seconds)),
)
HUNG = result(EVERY["spoken x no-done"], Step("speak", HOURS))
SHORT = result(EVERY["asked x healthy"], Step("ask", HOURS, 12.5, Heard("Nine", 0.1)))


def a_report(*results: Result) -> Report:
    return report(client("rejoinder"), results)


class Parts(HTMLParser):
    """The tags of a page, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_report_is_in_the_order_of_the_matrix_and_survives_json() -> None:
    told = a_report(HUNG, WELL, SHORT)

    assert [(cell.scenario, cell.fault) for cell in told.cells] == [
        ("asked", "healthy"),
        ("asked", "response-error"),
        ("spoken", "no-done"),
    ]
    assert decode(encode([told])) == [told]
    assert told.totals() == {"settled": 1, "silently truncated": 1, "hang": 1}
    assert not told.settled
    assert a_report(WELL).settled
    assert [cell.seconds for cell in told.cells] == [12.5, 0.4, None]


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no report of `rejoinder faults --json`"):
        decode(b'[{"client": 3}]')


def test_the_rows_are_the_faults_that_were_tried_by_kind() -> None:
    found = rows([a_report(HUNG), a_report(WELL, SHORT)])
    assert {kind.name: names for kind, names in found.items()} == {
        "CONTROL": ["healthy"],
        "FAILURE": ["response-error"],
        "SILENCE": ["no-done"],
    }


def test_the_page_is_whole_in_itself_and_every_cell_explains_itself() -> None:
    text = page([a_report(WELL, HUNG, SHORT)])
    parts = Parts(text)

    buttons = [attrs for tag, attrs in parts.tags if tag == "button"]
    targets = [attrs["popovertarget"] for attrs in buttons]
    explained = [attrs["id"] for _, attrs in parts.tags if "popover" in attrs]
    assert sorted(map(str, targets)) == sorted(map(str, explained))
    assert len(set(targets)) == 3
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in parts.tags}
    assert re.findall(r"https?://|url\(", text) == []
    words = " ".join("".join(parts.words).split())
    assert "<the model> & its words" in words
    assert "nothing that would end it" in words
    assert "rejoinder faults --client rejoinder --only 'asked x response-error'" in words
    assert "12.5 s" in words


def test_the_table_shows_every_verdict_and_says_what_it_means() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(drawn(a_report(WELL, HUNG, SHORT)))
    text = console.export_text()

    assert re.search(r"response-error +0\.4 s", text)
    assert re.search(r"no-done +hang", text)
    assert re.search(r"healthy +short", text)
    assert "hang   hang: No end was heard until the cell was given up." in text
    assert "3 cells, 1 settled, 1 silently truncated, 1 hang" in text


def test_a_verdict_has_one_spelling_everywhere() -> None:
    told = msgspec.json.decode(encode([a_report(HUNG)]))
    assert told[0]["cells"][0]["verdict"] == Verdict.HANG.value
