"""Who may be here, who is remembered, and what somebody who watches gets to see."""

from __future__ import annotations

import aiohttp
import pytest

from rejoinder.server.script import Script, Text, Turn
from rejoinder.server.serve import serve
from rejoinder.server.sights import Heard, Joined, Left, Refused, Sight, Struck, Told
from rejoinder.testing import Run
from tests.server.test_serve import connected


class Seen(list[tuple[int, Sight]]):
    """Everything seen, with the number of its connection."""

    def __call__(self, number: int, sight: Sight) -> None:
        self.append((number, sight))


def test_everything_is_seen_in_order(run: Run) -> None:
    seen = Seen()

    async def exchange() -> None:
        script = Script(Turn(None, Text("Yes.")))
        async with serve(script, faults=["duplicate-done"], watch=seen) as server:
            for _ in range(2):
                async with connected(server) as client:
                    await client.say("response.create")
                    await client.until("response.done")
                    await client.socket.close(code=1000, message=b"bye")

    run(exchange())
    assert {number for number, _ in seen} == {1, 2}
    first = [sight for number, sight in seen if number == 1]
    assert first[0] == Joined("gpt-realtime", "realtime")
    assert first[-1] == Left(1000, "bye")
    assert isinstance(first[1], Told)
    assert isinstance(first[2], Heard)
    struck = first.index(Struck("duplicate-done", "response.done"))
    assert all(isinstance(sight, Told) for sight in first[struck + 1 : -1])


def test_a_watch_that_raises_ends_no_session_and_is_told_of_once(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def careless(_number: int, _sight: Sight) -> None:
        raise UnicodeEncodeError("ascii", "sk-secret", 0, 1, "ordinal not in range")

    async def exchange() -> None:
        script = Script(Turn(None, Text("Yes.")))
        async with serve(script, watch=careless) as server, connected(server) as client:
            await client.say("response.create")
            await client.until("response.done")

    run(exchange())
    (line,) = [record.getMessage() for record in caplog.records if record.name == "rejoinder"]
    assert line == "what watches the server raised UnicodeEncodeError; its sessions go on"


def test_one_too_many_is_refused_until_there_is_room(run: Run) -> None:
    seen = Seen()

    async def exchange() -> None:
        async with serve(max_sessions=1, watch=seen) as server:
            async with connected(server) as client:
                await client.hear()
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    async with connected(server):
                        pass
                assert refused.value.status == 503
            await server.sessions[0].wait_closed()
            async with connected(server) as client:
                assert (await client.hear())["type"] == "session.created"

    run(exchange())
    assert (0, Refused(503, "1 of 1 sessions are open")) in seen


def test_who_is_turned_away_is_seen_without_the_key(run: Run) -> None:
    seen = Seen()

    async def exchange() -> None:
        async with (
            serve(api_key="sk-right", watch=seen) as server,
            connected(server, key="sk-wrong") as client,
        ):
            await client.end()

    run(exchange())
    assert seen == [(0, Refused(3000, "invalid_request_error.invalid_api_key"))]


def test_a_server_that_runs_for_long_forgets_those_who_left(run: Run) -> None:
    async def exchange() -> None:
        async with serve(remember=False) as server:
            ids = []
            for _ in range(2):
                async with connected(server) as client:
                    (session,) = server.sessions
                    ids.append((await client.hear())["session"]["id"])
                await session.wait_closed()
            assert len(set(ids)) == 2
        assert server.sessions == []

    run(exchange())
