"""Breaks the mechanism behind each row of `tests/rows/rows.toml` and sees whether its tests notice.

`make mutants`, or for some rows `make mutants ROWS="H1 W3"`. It works on copies of the source, takes
minutes, and fails when a test notices nothing. `make test` does not run it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.tables import ROOT, Edit, Row, rows

LIMIT = 240.0
"""Seconds for the tests of one row. Tests that hang have noticed, too."""


class Unbroken(Exception):
    """An edit cannot be made: its old text does not stand in its file exactly once."""


def main(wanted: Sequence[str]) -> int:
    """Tries the rows named, all of them if none is, and tells what came of each; 0 if all are well."""
    console = Console()
    chosen = [row for row in rows() if row.tests and (not wanted or row.id in wanted)]
    failing = failed([test for row in chosen for test in row.tests], ())
    if failing:
        console.print("While nothing is broken, these fail already:", *sorted(failing))
        return 1
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(verdict, chosen))
    table = Table("row", "broken on purpose", "verdict")
    for row, told in zip(chosen, verdicts, strict=True):
        style = "green" if told == "caught" else "bold red"
        table.add_row(row.id, "\n".join(breach.how for breach in row.broken), f"[{style}]{told}[/]")
    console.print(table)
    return int(any(told != "caught" for told in verdicts))


def verdict(row: Row) -> str:
    """``caught``, if each test of the row fails by one of its breaches; else what is wrong."""
    noticed: set[str] = set()
    for breach in row.broken:
        try:
            found = failed(row.tests, breach.edit)
        except Unbroken as error:
            return str(error)
        if not found:
            return f"survived: {breach.how}"
        noticed |= found
    blind = [test.partition("::")[2] for test in row.tests if test not in noticed]
    return f"noticed nothing: {', '.join(blind)}" if blind else "caught"


def failed(tests: Sequence[str], edits: Sequence[Edit]) -> set[str]:
    """Which of the tests fail on a copy of the source with these edits."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in edits:
            apply(Path(place) / edit.file, edit)
        command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={place}/cache", *tests]
        surroundings = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=surroundings,
                timeout=LIMIT,
                check=False,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            return set(tests)
    return failures(done.stdout)


def apply(file: Path, edit: Edit) -> None:
    """Makes an edit. Raises `Unbroken` unless its old text stands in the file exactly once."""
    text = file.read_text()
    if text.count(edit.old) != 1:
        raise Unbroken(f"does not apply: {edit.file}")
    file.write_text(text.replace(edit.old, edit.new))


def failures(told: str) -> set[str]:
    """The tests that failed, by pytest's summary. A source that cannot be imported fails none."""
    return set(re.findall(r"^FAILED ([^\s\[]+)", told, re.MULTILINE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
