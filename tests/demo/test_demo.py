"""The demo, held in virtual time: a real AgentSession, a real WebSocket, the real recordings."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from rejoinder.cli import app
from rejoinder.demo.hold import EXPECTED, hold
from rejoinder.demo.table import as_expected
from rejoinder.demo.watch import Watch
from rejoinder.server.serve import serve
from rejoinder.testing import Run


def test_the_demo_shows_each_reply_and_leaves_a_recording_and_a_journal(
    run: Run, tmp_path: Path
) -> None:
    screen = io.StringIO()
    assert run(hold(tmp_path, Console(file=screen, width=120)))
    shown = screen.getvalue()
    for outcome in set(EXPECTED):
        assert outcome in shown
    assert "What are your opening" in shown
    assert "The server had an error while" in shown
    assert "the connection ended without" in shown
    assert "The connection was lost, and was back 0." in shown
    assert "You asked for our opening hours. We are" in shown  # by the first question, told again
    assert "7 of 7 replies settled, each as expected." in shown
    assert "The session ended" not in shown

    with wave.open(str(tmp_path / "reply.wav")) as recording:
        seconds = recording.getnframes() / recording.getframerate()
        assert recording.getnchannels() == 2
        assert any(recording.readframes(recording.getnframes()))
    assert 15 < seconds < 60
    steps = [json.loads(line) for line in (tmp_path / "session.jsonl").read_text().splitlines()]
    assert len(steps) > 100


def test_a_reply_too_few_is_not_as_expected() -> None:
    assert not as_expected(Watch(), EXPECTED)
    assert as_expected(Watch(), [])


def test_a_live_conversation_needs_a_key(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["demo", "--live", "--out", str(tmp_path)], env={"OPENAI_API_KEY": ""}
    )
    assert result.exit_code == 2
    assert "OPENAI_API_KEY" in result.output


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    result = CliRunner().invoke(app, ["demo", "--out", str(taken)])
    assert result.exit_code == 2
    assert "--out" in result.output


@pytest.mark.parametrize(
    ("key", "words"), [("wrong", "Incorrect API key"), ("right", "reach")], ids=["refused", "down"]
)
def test_a_server_that_will_not_talk_ends_the_conversation(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, words: str
) -> None:
    screen = io.StringIO()

    async def main() -> bool:
        async with serve(api_key="right") as server:
            address = server.url if key == "wrong" else "ws://127.0.0.1:9/v1"
            monkeypatch.setenv("OPENAI_BASE_URL", address)
            return await hold(tmp_path, Console(file=screen, width=120), live=True)

    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert not run(main())
    shown = screen.getvalue()
    assert "0 of 0 replies settled, not as expected." in shown
    assert words in shown


def test_words_in_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    taken = tmp_path / "[red]"
    taken.write_text("a file")
    result = CliRunner().invoke(app, ["demo", "--out", str(taken)])
    assert "[red]" in result.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--version"], "rejoinder 0."),
        (["--help"], "every reply is answered"),
        (["demo", "--help"], "--live"),
    ],
)
def test_the_command_says_what_it_is(words: list[str], told: str) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert told in result.output
