"""A connection that is gone is noticed: by a ping that is not answered, or by what is not taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import WSMsgType, web

import rejoinder
from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Close, Completed
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from tests.client.peer import CREATED, conversation
from tests.client.sockets import http_server
from tests.client.test_blocked import block

CLOCKS = rejoinder.Timeouts()
NOTICED = CLOCKS.heartbeat * 1.5
ONCE = rejoinder.Recovery(attempts=0)
SCRIPT = Script(otherwise=Turn(None, Speech("One two three four five six.", bytes(4800 * 6))))
AT_ONCE = 0.5


async def ended(session: rejoinder.Session) -> Close:
    """How the session ends; waits until it has."""
    [*_, last] = [notice async for notice in session.notices()]
    assert isinstance(last, ef.Ended)
    return last.close


@pytest.mark.parametrize("fault", ["half-open@created", "half-open@delta:3"])
def test_a_half_open_connection_is_noticed(run: Run, fault: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with (
            serve(SCRIPT, faults=[fault]) as server,
            rejoinder.connect(base_url=server.url, api_key="any", recovery=ONCE) as session,
        ):
            asked_at = loop.time()
            session.create_response()
            close = await ended(session)
            words = "the server did not answer a ping within 5 s"
            assert close == Close("network", None, words, silent=15.0)
            assert NOTICED <= loop.time() - asked_at <= NOTICED + AT_ONCE

    run(main())


def test_the_clock_of_the_heartbeat_is_an_option(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clocks = rejoinder.Timeouts(heartbeat=1.0)
        async with (
            serve(SCRIPT, faults=["half-open@created"]) as server,
            rejoinder.connect(
                base_url=server.url, api_key="any", recovery=ONCE, timeouts=clocks
            ) as session,
        ):
            asked_at = loop.time()
            session.create_response()
            assert "within 0.5 s" in (await ended(session)).reason
            assert loop.time() - asked_at <= 1.5 + AT_ONCE

    run(main())


def silent(then: Callable[[], None] | None = None) -> tuple[list[float], object]:
    """Says nothing after its greeting, but answers pings; and when they came."""
    pinged: list[float] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoping=False, timeout=0.1)
        await ws.prepare(request)
        await ws.send_json(CREATED)
        async for message in ws:
            if message.type is WSMsgType.PING:
                pinged.append(asyncio.get_running_loop().time())
                await ws.pong(message.data)
                if then is not None:
                    then()
        return ws

    return pinged, answer


def test_a_server_that_has_nothing_to_say_is_pinged_and_kept(run: Run) -> None:
    pinged, answer = silent()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with (
            http_server(answer) as url,  # type: ignore[arg-type]
            rejoinder.connect(base_url=url, api_key="any", recovery=ONCE) as session,
        ):
            began = loop.time()
            a_while = 5.5 * CLOCKS.heartbeat
            await asyncio.sleep(a_while)
            assert session.ended is None
        assert [round(at - began) for at in pinged] == [10, 20, 30, 40, 50]

    run(main())


def test_a_pong_that_waits_while_the_loop_is_blocked_is_read_first(run: Run) -> None:
    pinged, answer = silent(lambda: block(CLOCKS.heartbeat))

    async def main() -> None:
        async with (
            http_server(answer) as url,  # type: ignore[arg-type]
            rejoinder.connect(base_url=url, api_key="any", recovery=ONCE) as session,
        ):
            a_while = 6 * CLOCKS.heartbeat
            await asyncio.sleep(a_while)
            assert session.ended is None
        assert len(pinged) == 3

    run(main())


def test_a_frame_that_comes_slowly_is_a_sign_of_life(run: Run) -> None:
    async def main() -> None:
        async with (
            serve(SCRIPT, faults=["slow-loris@delta:3"]) as server,
            rejoinder.connect(base_url=server.url, api_key="any", recovery=ONCE) as session,
        ):
            await session.create_response().outcome()
            a_while = 3 * CLOCKS.heartbeat
            await asyncio.sleep(a_while)
            assert session.ended is None

    run(main())


def test_a_peer_that_stops_reading_is_noticed_and_heard_meanwhile(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with (
            serve(SCRIPT, faults=["stops-reading@created"]) as server,
            rejoinder.connect(base_url=server.url, api_key="any", recovery=ONCE) as session,
        ):
            response = session.create_response()
            await anext(aiter(response))
            for _ in range(20):
                session.append_audio(bytes(1 << 20))
            appended_at = loop.time()
            outcome = await response.outcome()
            assert isinstance(outcome, Completed)
            assert loop.time() < appended_at + CLOCKS.heartbeat
            assert await ended(session) == Close(
                "network", None, "the server took nothing for 10 s", silent=10.0
            )
            assert loop.time() <= appended_at + CLOCKS.heartbeat + AT_ONCE
            began = loop.time()
        assert loop.time() - began <= CLOCKS.close

    run(main())


def test_a_peer_that_reads_again_in_time_is_kept(run: Run) -> None:
    async def main() -> None:
        async with conversation(recovery=ONCE) as (session, peer):
            line = peer.transport.peer
            for _ in range(4):
                line.stall()
                session.append_audio(bytes(4800))
                nearly = CLOCKS.heartbeat - 1.0
                await asyncio.sleep(nearly)
                line.resume()
                await peer.hear("input_audio_buffer.append")
            a_while = 2 * CLOCKS.heartbeat
            await asyncio.sleep(a_while)
            assert session.ended is None

    run(main())


@pytest.mark.parametrize("blocked", [0.0, 5.0])
def test_a_frame_that_is_not_taken_in_time_is_the_end(run: Run, blocked: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with conversation(recovery=ONCE) as (session, peer):
            peer.transport.peer.stall()
            session.append_audio(bytes(4800))
            began = loop.time()
            await asyncio.sleep(CLOCKS.heartbeat - 1.0)
            block(blocked)
            assert "took nothing" in (await ended(session)).reason
            respite = 1.0 if blocked else 0.0
            due = max(CLOCKS.heartbeat, CLOCKS.heartbeat - 1.0 + blocked + respite)
            assert loop.time() - began == pytest.approx(due)

    run(main())
