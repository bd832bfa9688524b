"""The tables of what is promised and which tests show it: their data, and the pages made of it.

`tests/rows/rows.toml` has the faults of the field, `tests/rows/behaviour.toml` the behaviour that the
drop-in keeps. `tests/house/test_rows.py` keeps both true.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from rejoinder.conformance.markdown import table

ROOT = Path(__file__).parent.parent
ROWS = ROOT / "tests/rows/rows.toml"
BEHAVIOUR = ROOT / "tests/rows/behaviour.toml"
FAMILIES = {
    "H": "Never settles",
    "T": "Settles far too late",
    "W": "Wrong target, wrong result, no word of the end",
    "K": "Kills the session",
    "D": "Loses data",
    "M": "Grows without bound",
}

S = TypeVar("S", bound=msgspec.Struct)


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of the source: ``old``, which stands exactly once in ``file``, becomes ``new``."""

    file: str
    old: str
    new: str


class Breach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mechanism broken on purpose: in words, and as edits that are made together."""

    how: str
    edit: tuple[Edit, ...]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault of the field. Each of ``tests`` fails by one of ``broken``. ``waits``: what a row without
    tests waits for."""

    id: str
    elsewhere: str
    here: str = ""
    tests: tuple[str, ...] = ()
    broken: tuple[Breach, ...] = ()
    waits: str = ""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A behaviour that is kept. ``differs``: where and why we do not keep it as it was."""

    id: str
    keeps: str
    tests: tuple[str, ...] = ()
    differs: str = ""
    waits: str = ""


def rows() -> tuple[Row, ...]:
    """The faults, in order."""
    return _read(ROWS, "row", Row)


def lines() -> tuple[Line, ...]:
    """The behaviour, in order."""
    return _read(BEHAVIOUR, "line", Line)


def faults() -> str:
    """The faults as Markdown, a table for each family."""
    tables = (
        f"## {family}: {title}\n\n{_fault_table([row for row in rows() if row.id[0] == family])}"
        for family, title in FAMILIES.items()
    )
    return "\n\n".join(tables)


def behaviour() -> str:
    """The behaviour as Markdown, a table for each subject."""
    subjects = dict.fromkeys(line.id.rpartition("-")[0] for line in lines())
    tables = (
        f"## {subject.capitalize()}\n\n"
        + _line_table([line for line in lines() if line.id.rpartition("-")[0] == subject])
        for subject in subjects
    )
    return "\n\n".join(tables)


def _fault_table(family: Sequence[Row]) -> str:
    head = ["row", "elsewhere", "here", "shown by", "broken on purpose"]
    cells = [
        [
            row.id,
            row.elsewhere,
            row.here or _later(row.waits),
            _names(row.tests),
            "<br>".join(breach.how for breach in row.broken),
        ]
        for row in family
    ]
    return table(head, cells)


def _line_table(subject: Sequence[Line]) -> str:
    head = ["line", "behaviour", "shown by", "where we differ, and why"]
    cells = [
        [line.id, line.keeps, _names(line.tests) or _later(line.waits), line.differs]
        for line in subject
    ]
    return table(head, cells)


def _later(what: str) -> str:
    return f"*not there yet: comes with {what}*" if what else ""


def _names(tests: Iterable[str]) -> str:
    """Each test, with its file to click on; the pages stand in docs/."""
    linked = []
    for test in tests:
        file, _, name = test.partition("::")
        linked.append(f"[`{name}`](../{file})")
    return "<br>".join(linked)


def _read(file: Path, name: str, kind: type[S]) -> tuple[S, ...]:
    return tuple(msgspec.convert(entry, kind) for entry in tomllib.loads(file.read_text())[name])
