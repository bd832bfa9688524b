"""An agent's script, started by LiveKit's own command line: only its import differs from upstream's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rejoinder.server.script import Call, Script, Speech, Turn, after_tool
from rejoinder.server.serve import serve
from tests.examples.console import Console, console

SCRIPT = Path(__file__).parents[2] / "examples" / "agent.py"
OURS, THEIRS = (
    "from livekit.plugins.rejoinder import realtime",
    "from livekit.plugins.openai import realtime",
)

GREETING = "Good morning, this is the little shop."
QUESTION = "Are you open on Sunday?"
ANSWER = "No, we are closed on Sunday."


def conversation() -> Script:
    return Script(
        Turn(lambda prompt: prompt.kind == "nothing", Speech(GREETING)),
        Turn(QUESTION, Call("opening_hours", {"day": "Sunday"})),
        Turn(after_tool("opening_hours"), Speech(ANSWER)),
    )


@pytest.mark.parametrize("line", [OURS, THEIRS], ids=["ours", "upstream's"])
def test_the_same_script_talks_with_either_import(tmp_path: Path, line: str) -> None:
    script = tmp_path / "agent.py"
    text = SCRIPT.read_text("utf-8")
    assert text.count(OURS) == 1
    script.write_text(text.replace(OURS, line), "utf-8")

    async def main() -> Console:
        async with serve(conversation()) as server:
            environment = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "any"}
            async with console(script, environment) as call:
                await call.listen(lambda heard: GREETING in heard.said)
                speaking = asyncio.create_task(call.speak(1.0))
                await call.listen(lambda heard: ANSWER in heard.said)
                speaking.cancel()
            outputs = [
                item.output
                for item in server.sessions[0].core.conversation.items()
                if item.type == "function_call_output"
            ]
            assert outputs == ["closed"]
        return call

    call = asyncio.run(main())

    assert call.said == [GREETING, QUESTION, ANSWER]
    assert call.errors == []
    assert call.heard_seconds > 2
