"""`rejoinder faults` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rejoinder.cli import app
from rejoinder.conformance.report import decode


def test_a_run_shows_and_writes_what_it_saw(tmp_path: Path) -> None:
    json, html = tmp_path / "seen.json", tmp_path / "seen.html"
    arguments = ["faults", "--client", "rejoinder", "--only", "asked x healthy"]
    told = CliRunner().invoke(app, [*arguments, "--json", str(json), "--html", str(html)])

    assert told.exit_code == 0, told.output
    assert "1 cells, 1 settled" in told.output
    (seen,) = decode(json.read_bytes())
    assert seen.client == "rejoinder"
    assert "asked × <code>healthy</code>" in html.read_text(encoding="utf-8")


def test_the_exit_code_is_1_when_a_cell_is_not_as_it_should_be() -> None:
    mute = ["--client", "tests.conformance.models:Crashing", "--only", "asked x healthy"]
    told = CliRunner().invoke(app, ["faults", *mute])

    assert told.exit_code == 1, told.output
    assert "1 cells, 1 dead" in told.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--client", "nobody"], "no client is called 'nobody'"),
        (["--client", "no.such.module:Model"], "cannot import no.such.module"),
        (["--client", "tests.conformance.models:Absent"], "has no class 'Absent'"),
        (["--client", "rejoinder", "--only", "nothing"], "no cell is called anything like"),
        (["--client", "rejoinder", "--only", ""], "no cell is called anything like ''"),
        (["--client", "rejoinder", "--only", "healthy", "--json", "/no/where"], "/no/where"),
        (["--client", "rejoinder", "--json", "same", "--html", "same"], "name two"),
        (["--client", ".relative:Model"], "cannot be imported"),
        (["--client", "tests.conformance.unimportable:Model"], "boom"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments: list[str], words: str) -> None:
    told = CliRunner().invoke(app, ["faults", *arguments])

    assert told.exit_code == 2
    assert words in told.output
    assert "Traceback" not in told.output
