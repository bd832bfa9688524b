"""The tables of faults and of behaviour are true: whole, with tests that exist and edits that apply."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from scripts.mutants import Unbroken, apply, failures
from scripts.tables import ROOT, Edit, Line, Row, lines, rows

FAMILIES = {"H": 15, "T": 14, "W": 20, "K": 10, "D": 9, "M": 6}
LATER: tuple[str, ...] = ()
HERE = "tests/rows"
ALL = [f"{family}{n}" for family, most in FAMILIES.items() for n in range(1, most + 1)]


def named_in(file: str) -> set[str]:
    """The names of the test functions in a file."""
    return set(_functions(ROOT / file))


@cache
def _functions(file: Path) -> tuple[str, ...]:
    tree = ast.parse(file.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return tuple(one.name for one in functions if one.name.startswith("test_"))


def exists(test: str) -> bool:
    """Whether there is such a test."""
    file, _, name = test.partition("::")
    return (ROOT / file).is_file() and name in named_in(file)


def test_every_fault_has_one_row() -> None:
    assert [row.id for row in rows()] == ALL


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_row_is_whole_or_says_what_it_waits_for(row: Row) -> None:
    whole = (row.here, row.tests, row.broken)
    if row.waits:
        assert row.waits in LATER
        assert not any(whole), f"{row.id} is there: take `waits` out"
    else:
        assert all(whole), f"{row.id} lacks its reason, its tests, or how it was broken"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_the_tests_of_a_row_exist_and_bear_its_name(row: Row) -> None:
    for test in row.tests:
        assert exists(test), f"{row.id}: there is no {test}"
        assert f"::test_{row.id.lower()}_" in test


def test_every_test_here_belongs_to_a_row() -> None:
    named = {test for row in rows() for test in row.tests}
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / HERE).glob("test_*.py"))
    stray = [f"{f}::{n}" for f in files for n in named_in(f) if f"{f}::{n}" not in named]
    assert stray == []


EDITS = [(row, edit) for row in rows() for breach in row.broken for edit in breach.edit]


@pytest.mark.parametrize(("row", "edit"), EDITS, ids=[f"{r.id} {e.file}" for r, e in EDITS])
def test_a_mechanism_can_still_be_broken(row: Row, edit: Edit) -> None:
    text = (ROOT / edit.file).read_text()
    found = text.count(edit.old)
    assert found == 1, f"{row.id}: {edit.old!r} stands {found} times in {edit.file}"
    assert edit.old != edit.new
    ast.parse(text.replace(edit.old, edit.new))


def test_every_line_has_a_name_of_its_own_in_order() -> None:
    counted = Counter[str]()
    for line in lines():
        subject, _, number = line.id.rpartition("-")
        counted[subject] += 1
        assert number == str(counted[subject]), line.id


@pytest.mark.parametrize("line", lines(), ids=lambda line: line.id)
def test_a_line_names_tests_that_exist_or_says_why_there_are_none(line: Line) -> None:
    assert line.tests or line.waits
    assert not (line.tests and line.waits), f"{line.id} is there: take `waits` out"
    missing = [test for test in line.tests if not exists(test)]
    assert missing == []


def test_only_a_test_that_fails_has_noticed_anything() -> None:
    told = """
    FAILED tests/a.py::test_inside - of what another test printed
ERROR tests/a.py - ImportError
FAILED tests/b.py::test_one[with a name-1] - assert 1 == 2
FAILED tests/b.py::test_two - TimeoutError
2 failed, 3 passed, 1 error in 0.2s
"""
    assert failures(told) == {"tests/b.py::test_one", "tests/b.py::test_two"}
    assert failures("4 passed in 0.2s") == set()


def test_an_edit_applies_where_its_old_text_stands_once(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one two two")

    apply(file, Edit("a.py", "one", "three"))
    assert file.read_text() == "three two two"
    for old in ("two", "four"):
        with pytest.raises(Unbroken):
            apply(file, Edit("a.py", old, "five"))
