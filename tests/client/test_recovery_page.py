"""The program of docs/recovery.md, run as it stands."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rejoinder.server.script import Script, Speech, Turn
from rejoinder.server.serve import serve
from rejoinder.testing import Run

PAGE = Path(__file__).parents[2] / "docs" / "recovery.md"
[PROGRAM] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_the_program_goes_on_after_a_loss(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    call: Callable[[str], Awaitable[None]] = names["call"]

    async def main() -> None:
        script = Script(otherwise=Turn(None, Speech("Good morning, what can I do for you?")))
        async with serve(script, faults=["reset@delta:3#1"]) as server:
            await call(server.url)

    run(main())
    told = capsys.readouterr().out
    lost, cut, back, said, over = told.splitlines()
    assert lost.startswith("lost: ")
    assert lost.endswith("attempt 1 in 0.1 s")
    assert cut.startswith("cut off after: Good")
    assert back.startswith("back, ")
    assert back.endswith(" 0 lost")
    assert said == "said: Good morning, what can I do for you?"
    assert over == "over: the session was closed"
