"""A loop that was blocked: its own silence is not the server's."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

import rejoinder
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Completed, TimedOut
from rejoinder.testing import Run, VirtualTimeLoop
from tests.client.peer import CREATED, conversation, until
from tests.client.sockets import http_server

CLOCKS = Timeouts()
BLOCKED = CLOCKS.gap + 2.0
RESPITE = 1.0
BREATH = 0.1


def block(seconds: float) -> None:
    """What a blocking call does to the loop: time passes, and nothing else happens."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.advance(seconds)


def test_what_waits_in_the_socket_is_read_before_a_clock_runs_out(run: Run) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        await ws.send_json(CREATED)
        asked = await ws.receive_json()
        ours = {"id": "r1", "metadata": asked["response"]["metadata"]}
        await ws.send_json({"type": "response.created", "response": ours})
        await begun.wait()
        await ws.send_json({"type": "response.done", "response": {**ours, "status": "completed"}})
        block(BLOCKED)
        await ws.receive()
        return ws

    begun = asyncio.Event()

    async def main() -> None:
        async with (
            http_server(answer) as url,
            rejoinder.connect(base_url=url, api_key="any") as session,
        ):
            response = session.create_response()
            await until(lambda: response.id == "r1")
            begun.set()
            assert isinstance(await response.outcome(), Completed)

    run(main())


def test_a_request_that_could_not_be_written_gets_its_chance(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response, edit = session.create_response(), session.clear_audio()
            block(BLOCKED)
            await peer.answer("r1")
            await peer.say("input_audio_buffer.cleared")
            assert isinstance(await response.outcome(), Completed)
            await edit

    run(main())


@pytest.mark.parametrize("blocked", [0.5, BLOCKED])
def test_a_server_that_is_silent_all_the_same_is_given_a_second_at_most(
    run: Run, blocked: float
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with conversation() as (session, _):
            response = session.create_response()
            asked_at = loop.time()
            await asyncio.sleep(CLOCKS.created - 0.1)
            block(blocked)
            unblocked_at = loop.time()
            assert isinstance(await response.outcome(), TimedOut)
            assert unblocked_at < loop.time() <= unblocked_at + min(blocked, RESPITE) + 0.1
            assert loop.time() > asked_at + CLOCKS.created

    run(main())


def test_a_loop_that_is_blocked_again_and_again_puts_nothing_off_for_ever(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def be_busy() -> None:
            while True:
                block(3.0)
                await asyncio.sleep(BREATH)

        async with conversation() as (session, _):
            busy = asyncio.ensure_future(be_busy())
            asked_at = loop.time()
            assert isinstance(await session.create_response().outcome(), TimedOut)
            assert loop.time() <= asked_at + CLOCKS.created + 3 * (3.0 + BREATH)
            busy.cancel()

    run(main())


def test_what_others_say_meanwhile_does_not_shorten_the_respite(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response()
            await peer.hear("response.create")
            block(BLOCKED)
            await peer.say("rate_limits.updated", rate_limits=[])
            await asyncio.sleep(RESPITE / 2)
            await peer.say("rate_limits.updated", rate_limits=[])
            await peer.created("r1", metadata={"rejoinder_key": response.key})
            await peer.done("r1")
            assert isinstance(await response.outcome(), Completed)

    run(main())
