"""The drivers of clients that are not ours, on a healthy server: what each can do, and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from rejoinder.conformance.driver import (
    COMPLETE,
    CUT,
    ERROR,
    TOOL,
    TOOL_OUTPUT,
    Driver,
    Heard,
)
from rejoinder.conformance.drivers import openai_agents, openai_sdk
from rejoinder.demo.script import recording
from rejoinder.server.script import Call, Refuse, Script, Speech, Stop, Turn, after_tool
from rejoinder.server.serve import Server
from rejoinder.testing import Run, Serve
from rejoinder.wire.response import ErrorBody

HOURS = "We are open from nine to six."
WEATHER = "It stays dry."
DOWN = ErrorBody(type="server_error", message="The server had an error.")
SCRIPT = Script(
    Turn("Where are you?", Speech("Behind the station.", lasting=1.0)),
    Turn("weather", Call(TOOL, {"city": "Lisbon"})),
    Turn(after_tool(TOOL), Speech(WEATHER, lasting=1.0)),
    Turn("story", Speech("Once upon a time. " * 10, lasting=20.0, pace=1.0)),
    Turn("fail", Speech("It is", lasting=0.5), Stop("failed", error=DOWN)),
    Turn("refuse", Refuse("bad_response_create", "Not like this.")),
    otherwise=Turn(None, Speech(HOURS, lasting=1.5)),
)
MAKERS: dict[str, Callable[[str], Driver]] = {
    "openai": openai_sdk.Driver,
    "openai-agents": openai_agents.Driver,
}

foreign = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
Story = Callable[[Driver, Server], Awaitable[None]]


def held(
    run: Run, serve: Serve, make: Callable[[str], Driver], story: Story, **options: Any
) -> None:
    """Opens a driver on a server, tells the story and closes it."""

    async def main() -> None:
        async with serve(SCRIPT, **options) as server:
            driver = make(server.url)
            await driver.open()
            await story(driver, server)
            await driver.close()

    run(main())


@foreign
def test_a_question_is_answered_and_another(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def story(driver: Driver, _server: Server) -> None:
        for _ in range(2):
            assert await driver.ask("When are you open?") == Heard(HOURS, 1.5, COMPLETE)

    held(run, realtime_server, make, story)


@foreign
def test_speech_is_answered(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def story(driver: Driver, _server: Server) -> None:
        assert (await driver.ask("When are you open?")).end == COMPLETE
        heard = await driver.speak(recording("question-1") + bytes(2 * 48_000))
        assert heard == Heard("Behind the station.", 1.0, COMPLETE)

    held(run, realtime_server, make, story)


@foreign
def test_a_tool_is_used(run: Run, realtime_server: Serve, make: Callable[[str], Driver]) -> None:
    async def story(driver: Driver, server: Server) -> None:
        assert await driver.use_tool("How is the weather?") == Heard(WEATHER, 1.0, COMPLETE)
        items = server.sessions[0].conversation.items()
        (output,) = (item.output for item in items if item.type == "function_call_output")
        assert output is not None
        assert TOOL_OUTPUT in output
        assert await driver.use_tool("When are you open?") == Heard(HOURS, 1.5, COMPLETE)

    held(run, realtime_server, make, story)


@foreign
def test_a_reply_is_cut(run: Run, realtime_server: Serve, make: Callable[[str], Driver]) -> None:
    async def story(driver: Driver, _server: Server) -> None:
        heard = await driver.cut("Tell me a story.")
        assert heard.end == CUT
        assert "interrupted" in heard.why or "cancelled" in heard.why
        assert heard.audio > 0
        assert await driver.ask("When are you open?") == Heard(HOURS, 1.5, COMPLETE)

    held(run, realtime_server, make, story)


@foreign
def test_instructions_are_in_force_when_it_says_so(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def story(driver: Driver, server: Server) -> None:
        await driver.ask("When are you open?")
        await driver.instruct("Be brief.")
        config = server.sessions[0].core.settings.config
        assert (config["instructions"], len(config["tools"])) == ("Be brief.", 1)

    held(run, realtime_server, make, story)


@foreign
def test_instructions_that_are_refused_are_told(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def story(driver: Driver, server: Server) -> None:
        await driver.ask("When are you open?")
        server.arm("update-refused")
        heard = await driver.instruct("Be brief.")
        assert heard is not None
        assert "loud" in heard.beside
        assert await driver.ask("When are you open?") == Heard(HOURS, 1.5, COMPLETE)

    held(run, realtime_server, make, story)


@foreign
def test_what_is_refused_is_an_error(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def story(driver: Driver, server: Server) -> None:
        heard = await driver.ask("Please refuse.")
        assert (heard.end, heard.said, heard.audio) == (ERROR, "", 0.0)
        assert "Not like this." in heard.why
        assert await driver.ask("When are you open?") == Heard(HOURS, 1.5, COMPLETE)

    held(run, realtime_server, make, story)


@foreign
def test_a_wrong_key_is_an_error(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def main() -> None:
        async with realtime_server(api_key="another") as server:
            driver = make(server.url)
            with pytest.raises(ConnectionClosedError, match="invalid_api_key"):
                await driver.open()
            await driver.close()

    run(main())


def test_an_error_in_mid_reply_ends_the_example_of_the_sdk(
    run: Run, realtime_server: Serve
) -> None:
    async def story(driver: Driver, server: Server) -> None:
        heard = await driver.ask("When are you open?")
        assert heard.end == ERROR
        assert "the item does not exist" in heard.why
        assert await driver.ask("When are you open?") == Heard(HOURS, 1.5, COMPLETE)
        assert len(server.sessions) == 2

    held(run, realtime_server, openai_sdk.Driver, story, faults=["error-item@delta:3"])


def test_an_error_in_mid_reply_is_told_beside_it_by_the_agents(
    run: Run, realtime_server: Serve
) -> None:
    async def story(driver: Driver, _server: Server) -> None:
        heard = await driver.ask("When are you open?")
        assert (heard.said, heard.end) == (HOURS, COMPLETE)
        assert "the item does not exist" in heard.beside

    held(run, realtime_server, openai_agents.Driver, story, faults=["error-item@delta:3"])


@foreign
def test_what_the_client_cannot_read_is_an_error(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def story(driver: Driver, _server: Server) -> None:
        heard = await driver.ask("When are you open?")
        assert (heard.end, heard.why.partition(":")[0]) == (ERROR, "JSONDecodeError")

    held(run, realtime_server, make, story, faults=["frame-not-json@delta:3"])


@foreign
def test_a_lost_connection_is_an_error(
    run: Run, realtime_server: Serve, make: Callable[[str], Driver]
) -> None:
    async def story(driver: Driver, _server: Server) -> None:
        heard = await driver.ask("When are you open?")
        assert heard.end == ERROR
        assert 0 < heard.audio < 1.5
        assert "1011" in heard.why

    held(run, realtime_server, make, story, faults=["close-1011@delta:3"])


def test_the_sdk_says_that_a_reply_failed(run: Run, realtime_server: Serve) -> None:
    async def story(driver: Driver, _server: Server) -> None:
        heard = await driver.ask("Please fail.")
        assert (heard.said, heard.end) == ("It is", ERROR)
        assert "The server had an error." in heard.why

    held(run, realtime_server, openai_sdk.Driver, story)


def test_the_agents_do_not_say_that_a_reply_failed(run: Run, realtime_server: Serve) -> None:
    """Their events end the turn all the same, with no word on its status."""

    async def story(driver: Driver, _server: Server) -> None:
        assert await driver.ask("Please fail.") == Heard("It is", 0.5, COMPLETE)

    held(run, realtime_server, openai_agents.Driver, story)
