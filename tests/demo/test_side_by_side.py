"""The demo with the models of others: LiveKit's own plugin, over a real WebSocket, in virtual time."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from livekit.agents import Agent
from livekit.plugins.openai import realtime
from rich.console import Console
from typer.testing import CliRunner

from rejoinder.cli import app
from rejoinder.demo.agent import Captions, Ear, Mouth, conversation
from rejoinder.demo.hold import hold
from rejoinder.demo.models import OURS
from rejoinder.server.serve import serve
from tests.demo.others import PLUGIN, NeverCloses, RaisesAtClose, run_theirs


def shown(out: Path, client: str, *, live: bool = False) -> str:
    """What is on the screen after a conversation that did not go as expected."""
    screen = io.StringIO()
    assert not run_theirs(hold(out, Console(file=screen, width=140), client=client, live=live))
    return screen.getvalue()


def test_a_model_without_outcomes_is_shown_as_livekit_sees_it(tmp_path: Path) -> None:
    told = shown(tmp_path, PLUGIN)
    assert told.startswith(f"With {PLUGIN}.\n")
    assert "We are open from nine to six" in told
    assert "calls look_up_weather" in told
    assert "no end, not error" in told
    assert "no end within 15 s, no error" in told
    assert "6 of 7 replies settled, not as expected." in told
    assert "The connection was lost, and there is another." in told
    assert (tmp_path / "reply.wav").stat().st_size > 100_000
    assert not (tmp_path / "session.jsonl").exists()
    assert "session.jsonl" not in told


def test_a_session_that_does_not_start_in_time_is_given_up(tmp_path: Path) -> None:
    told = shown(tmp_path, "tests.demo.others:NeverStarts")
    assert "0 of 0 replies settled, not as expected." in told
    assert "The agent's session did not start within 15 s.\n" in told
    assert "The model did not close within 15 s.\n" in told


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (NeverCloses, "The agent's session did not close within 7 s"),
        (RaisesAtClose, "The agent's session did not close: no goodbye"),
    ],
)
def test_a_session_that_does_not_close_is_left_and_told_of(
    kind: type[realtime.RealtimeModel], words: str
) -> None:
    async def main(trouble: list[str]) -> None:
        async with serve() as server:
            model = kind(base_url=server.url, api_key="any")
            talk = conversation(
                Agent(instructions=""),
                model,
                ear=Ear(),
                mouth=Mouth(),
                captions=Captions(),
                patience=7,
                trouble=trouble.append,
            )
            async with talk as session:
                assert session.agent_state == "listening"
            await model.aclose()

    trouble: list[str] = []
    run_theirs(main(trouble))
    assert trouble == [words]


@pytest.mark.parametrize("client", [OURS, PLUGIN], ids=["ours", "the plugin"])
def test_a_named_model_may_talk_to_whom_it_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("OPENAI_BASE_URL", "ws://127.0.0.1:9/v1")
    told = shown(tmp_path, client, live=True)
    assert "The session ended:" in told
    assert (tmp_path / "session.jsonl").exists() is (client == OURS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--client", "somebody"], "no client is called 'somebody'"),
        (["--client", "openai"], "openai is no LiveKit RealtimeModel"),
        (["--client", "no.such.module:Model"], "cannot import no.such.module"),
        (["--client", "rejoinder.livekit:Modell"], "has no class 'Modell'"),
        (["--client", "builtins:dict"], "makes no LiveKit RealtimeModel: dict"),
        (["--client", "builtins:len"], "cannot be made with base_url, api_key"),
        (["--client", PLUGIN, "--live"], "cannot be made with nothing"),
    ],
)
def test_what_cannot_hold_the_conversation_is_refused(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    result = CliRunner().invoke(
        app, ["demo", "--out", str(tmp_path), *arguments], env={"OPENAI_API_KEY": None}
    )
    assert result.exit_code == 2
    assert words in result.output
    assert "With" not in result.output
