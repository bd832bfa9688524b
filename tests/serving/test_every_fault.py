"""Whatever goes wrong on the wire can be shown: every fault of the catalogue, in a whole exchange."""

from __future__ import annotations

import contextlib

import pytest

import rejoinder
from rejoinder.server.script import Call, Script, Speech, Text, Turn
from rejoinder.server.serve import serve
from rejoinder.server.sights import Sight
from rejoinder.serving.view import Row, View
from rejoinder.testing import Run, every_fault
from rejoinder.wire.session import SessionConfig

HELLO = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "Hello?"}],
}
ANSWER = (Speech("Good morning to you.", lasting=0.5), Text("Bye."), Call("f", {"a": 1}))


@pytest.mark.parametrize("fault", every_fault())
def test_a_fault_can_be_shown(run: Run, fault: str) -> None:
    view, rows = View(), list[Row]()

    def watch(number: int, sight: Sight) -> None:
        rows.extend(view.take(0.0, number, sight))

    async def exchange() -> None:
        script = Script(otherwise=Turn(None, *ANSWER))
        async with serve(script, faults=[fault], watch=watch) as server:
            with contextlib.suppress(rejoinder.RejoinderError):
                async with rejoinder.connect(base_url=server.url, api_key="any") as session:
                    session.update(SessionConfig(instructions="Be brief."))
                    session.create_item(HELLO)
                    await session.create_response().outcome()

    run(exchange())
    rows += view.end()
    assert all(f"{row.name} {row.gist}".isprintable() for row in rows)
    names = [row.name for row in rows if row.number]
    assert names.count("closed") == names.count("connected")
    assert rows[-1].name in ("closed", "turned away")
