"""`connect`: what entering raises and when, and that leaving is bounded. Over real sockets."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import rejoinder
from rejoinder.client.memory import connected, pair
from rejoinder.client.session import Session
from rejoinder.client.transport import Transport
from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Completed, Lost, TimedOut
from rejoinder.errors import ConfigurationError, ConnectError, SessionClosed
from rejoinder.server.script import Refuse, Script, Turn
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire.session import Audio, AudioFormat, AudioInput, AudioOutput, SessionConfig
from tests.client.peer import CREATED, Peer
from tests.client.sockets import http_server, refusal, tcp_server

KEY = "sk-proj-0123456789abcdef"
QUICK = rejoinder.Timeouts(connect=3.0, close=1.0)


async def enter(base_url: str, **options: Any) -> None:
    async with rejoinder.connect(base_url=base_url, **{"api_key": KEY, **options}):
        raise AssertionError("it was entered")


async def refused(base_url: str, **options: Any) -> ConnectError:
    """Fails to enter, within the clocks; the error, checked for the key."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ConnectError) as caught:
        await enter(base_url, timeouts=QUICK, **options)
    assert loop.time() - began <= QUICK.connect + QUICK.close + rejoinder.Recovery().give_up
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert KEY not in shown
    return caught.value


def test_a_whole_conversation_over_a_real_socket(run: Run) -> None:
    async def main() -> None:
        async with serve(api_key=KEY) as server:
            async with rejoinder.connect(base_url=server.url, api_key=KEY) as session:
                assert "open" in repr(session)
                assert KEY not in repr(session)
                response = session.create_response(instructions="Answer.")
                parts = [part async for part in response]
                outcome = await response.outcome()
                assert isinstance(outcome, Completed)
                assert outcome.delivered.text
                assert sum(len(p.audio) for p in parts if isinstance(p, rejoinder.Audio)) > 0
            assert server.sessions[0].close_code == 1000

    run(main())


def test_the_key_comes_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serve(api_key=KEY) as server:
            monkeypatch.setenv("OPENAI_API_KEY", KEY)
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            async with rejoinder.connect():
                pass
            async with rejoinder.connect(api_key="", headers={"API-Key": KEY}):
                pass
            assert [session.close_code for session in server.sessions] == [1000, 1000]

    run(main())


def test_a_key_that_the_server_refuses_after_the_upgrade(run: Run) -> None:
    async def main() -> None:
        async with serve(api_key="another key") as server:
            error = await refused(server.url)
            assert (error.code, error.close_code, error.status) == ("invalid_api_key", 3000, None)
            assert "Incorrect API key provided" in str(error)

    run(main())


def test_a_refusal_after_the_upgrade_whose_code_is_null(run: Run) -> None:
    async def main() -> None:
        async with serve(api_key=KEY) as server:
            error = await refused(server.url, headers={"Authorization": "Bearer"})
            assert (error.code, error.close_code) == ("invalid_request_error", 3000)
            assert "Missing bearer" in str(error)
            error = await refused(server.url, model=None)
            assert (error.code, error.close_code) == ("missing_model", 4000)

    run(main())


def test_a_refused_upgrade(run: Run) -> None:
    body = '{"error": {"code": "DeploymentNotFound", "message": "No such deployment"}}'

    async def main() -> None:
        async with http_server(refusal(404, text=body)) as url:
            error = await refused(url)
            assert (error.status, error.code) == (404, "DeploymentNotFound")
            assert "No such deployment" in str(error)

    run(main())


def test_a_close_without_a_word(run: Run) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        await ws.close(code=1013, message=b"come back later")
        return ws

    async def main() -> None:
        async with http_server(answer) as url:
            error = await refused(url)
            assert (error.code, error.close_code) == ("connection_closed", 1013)
            assert "come back later" in str(error)

    run(main())


@pytest.mark.parametrize("said", ["", '{"type": "error", "error": {"message": "Hm", "code": "x"}}'])
def test_a_server_that_says_nothing_usable(run: Run, said: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        await ws.send_str("not JSON")
        if said:
            await ws.send_str(said)
        await ws.receive()
        return ws

    async def main() -> None:
        async with http_server(answer) as url:
            error = await refused(url)
            assert error.code == ("x" if said else "timeout")
            assert ("Hm" if said else "the server said nothing within 3 s") in str(error)

    run(main())


def test_a_server_that_does_not_answer_at_all(run: Run) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        async with tcp_server(answer) as url:
            assert (await refused(url)).code == "timeout"

    run(main())


def test_a_server_without_session_created_is_usable(run: Run) -> None:
    async def main() -> None:
        ours, theirs = pair()
        peer = Peer(theirs)
        await peer.say("conversation.created", conversation={"id": "c1"})
        async with rejoinder.connect(api_key="k", dial=connected(ours)) as session:
            assert session.ended is None

    run(main())


def test_leaving_is_bounded_though_the_server_does_not_answer(run: Run) -> None:
    async def main() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.send_json(CREATED)
            await over.wait()
            return ws

        async with http_server(answer) as url:
            async with rejoinder.connect(base_url=url, api_key=KEY, timeouts=QUICK) as session:
                response = session.create_response()
                began = loop.time()
            assert loop.time() - began <= QUICK.close + 0.001
            assert isinstance(response.result, Lost)
            over.set()

    run(main())


def test_leaving_by_an_exception_lets_it_through(run: Run) -> None:
    async def main() -> None:
        async with serve() as server:
            with pytest.raises(KeyError, match="mine"):
                async with rejoinder.connect(base_url=server.url, api_key=KEY):
                    raise KeyError("mine")

    run(main())


def test_cancelling_the_entry_closes_what_was_opened(run: Run) -> None:
    async def main() -> None:
        arrived = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            ws = web.WebSocketResponse(timeout=0.1)
            await ws.prepare(request)
            arrived.set()
            await ws.receive()
            return ws

        async with http_server(answer) as url:
            entering = asyncio.ensure_future(enter(url))
            await arrived.wait()
            entering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await entering

    run(main())


def test_closing_may_be_asked_for_again_and_cancelled(run: Run) -> None:
    async def main() -> None:
        async with serve() as server:
            session = Session.start(base_url=server.url, api_key=KEY)
            await session.opened()
            first = asyncio.ensure_future(session.aclose())
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(session.aclose(), session.aclose())
            await asyncio.wait({first})
            await session.aclose()

    run(main())


def test_a_session_started_in_the_background_keeps_what_is_asked_for(run: Run) -> None:
    async def main() -> None:
        async with serve() as server:
            session = Session.start(
                base_url=server.url, api_key=KEY, session=SessionConfig(instructions="Brief.")
            )
            assert "connecting" in repr(session)
            session.append_audio(bytes(9600))
            edit = session.create_item(
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}],
                }
            )
            response = session.create_response()
            assert isinstance(await response.outcome(), Completed)
            assert (await edit).item is not None
            served = server.sessions[0]
            assert served.appended == 9600
            kinds = [type(event).__name__ for event in served.received]
            assert kinds == ["SessionUpdate", "ConversationItemCreate", "ResponseCreate"]
            await session.aclose()

    run(main())


def test_a_session_that_cannot_connect_tells_everybody(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        told: list[ef.Notice] = []
        async with http_server(refusal(401, text="no")) as url:
            session = Session.start(base_url=url, api_key=KEY, on_notice=told.append)
            response = session.create_response()
            outcome = await response.outcome()
            assert isinstance(outcome, Lost)
            assert (outcome.code, outcome.close.by) == ("http_401", "server")
            [ended] = told
            assert isinstance(ended, ef.Ended)
            with pytest.raises(SessionClosed, match="HTTP status 401: no"):
                session.append_audio(b"\0\0")
            with pytest.raises(ConnectError, match="HTTP status 401: no"):
                await session.opened()
            await session.aclose()

    run(main())
    assert KEY not in caplog.text


def test_what_cannot_be_used_to_connect_is_not_tried_again(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        lent = aiohttp.ClientSession()
        await lent.close()
        began = loop.time()
        session = Session.start(base_url="ws://127.0.0.1:9", api_key=KEY, http_session=lent)
        response = session.create_response()
        with pytest.raises(ConfigurationError, match="http_session is closed"):
            await session.opened()
        assert isinstance(await response.outcome(), Lost)
        await session.aclose()
        assert loop.time() == began

    run(main())


def test_a_session_that_is_closed_before_it_is_open(run: Run) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        async with tcp_server(answer) as url:
            session = Session.start(base_url=url, api_key=KEY)
            response = session.create_response()
            opening = asyncio.ensure_future(session.opened())
            await session.aclose()
            with pytest.raises(SessionClosed):
                await opening
            assert isinstance(response.result, Lost)
            assert [notice async for notice in session.notices()] != []

    run(main())


def test_what_waits_offline_for_too_long_is_timed_out(run: Run) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        clocks = rejoinder.Timeouts(offline=1.0)
        async with tcp_server(answer) as url:
            session = Session.start(base_url=url, api_key=KEY, timeouts=clocks)
            outcome = await session.create_response().outcome()
            assert isinstance(outcome, TimedOut)
            assert outcome.why == "offline"
            await session.aclose()

    run(main())


@pytest.mark.parametrize(
    "error", [KeyError("x"), OSError("x"), ConfigurationError("no such place")]
)
def test_a_dial_of_the_applications_own_may_fail_in_any_way(
    run: Run, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(url: str, headers: Any) -> Transport:
        raise error

    async def main() -> None:
        with pytest.raises((ConnectError, ConfigurationError)) as caught:
            await enter("ws://127.0.0.1:9", dial=failing)
        expected = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
        assert expected in str(caught.value)

    run(main())


def test_a_refused_response_says_why(run: Run) -> None:
    async def main() -> None:
        script = Script(Turn(None, Refuse("invalid_value", "No such voice")))
        async with (
            serve(script) as server,
            rejoinder.connect(base_url=server.url, api_key=KEY) as session,
        ):
            outcome = await session.create_response(voice="nobody").outcome()
            assert isinstance(outcome, rejoinder.Rejected)
            assert outcome.describe() == "No such voice"

    run(main())


def form(**members: Any) -> SessionConfig:
    return SessionConfig(audio=Audio(input=AudioInput(format=AudioFormat(**members))))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key": None}, "no API key: pass the option `api_key` or set .* OPENAI_API_KEY"),
        ({"api_key": "two words"}, "api_key"),
        ({"api_key": f"{KEY}\n"}, "api_key"),
        ({"api_key": 7}, "api_key must be a text"),
        ({"base_url": "ftp://host"}, "base_url needs one of the schemes"),
        ({"base_url": "https://"}, "base_url"),
        ({"base_url": 7}, "base_url must be a text"),
        ({"base_url": "wss://me:secret@host/v1"}, "base_url holds a user name or password"),
        ({"model": ""}, "model must be a text"),
        ({"headers": {"X": "a\nb"}}, "headers must map names to values"),
        ({"headers": {"X": 1}}, "headers must map names to values"),
        ({"busy": "maybe"}, "busy must be 'wait' or 'fail'"),
        ({"timeouts": rejoinder.Timeouts(gap=0)}, r"timeouts\.gap must be positive"),
        ({"timeouts": rejoinder.Timeouts(gap=float("inf"))}, r"timeouts\.gap must be positive"),
        ({"timeouts": rejoinder.Timeouts(edit="5")}, r"timeouts\.edit must be a number"),  # type: ignore[arg-type]
        ({"session": {"instructions": "x"}}, "SessionConfig, not dict"),
        ({"session": form(type="audio/mp3")}, r"session\.audio\.input\.format\.type 'audio/mp3'"),
        ({"session": form(type="audio/pcm", rate=16000)}, r"input\.format\.rate 16000 .* 24000 Hz"),
        ({"session": form(rate=8000)}, r"rate 8000 is not supported"),
        (
            {
                "session": SessionConfig(
                    audio=Audio(output=AudioOutput(format=AudioFormat(type="opus")))
                )
            },
            r"session\.audio\.output\.format\.type 'opus'",
        ),
    ],
)
def test_options_that_cannot_be_used_are_refused_by_name(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def main() -> None:
        settings = {"base_url": "ws://127.0.0.1:9", "api_key": KEY, **options}
        with pytest.raises(ConfigurationError, match=words) as caught:
            await enter(**settings)
        assert KEY not in str(caught.value)
        assert "secret@" not in str(caught.value)

    run(main())


def test_the_key_is_in_no_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with (
            serve(api_key=KEY, faults=["response-error@delta:3"]) as server,
            rejoinder.connect(base_url=server.url, api_key=KEY) as session,
        ):
            response = session.create_response()
            await response.outcome()
            assert KEY not in repr(session) + repr(response)

    with caplog.at_level(logging.DEBUG):
        run(main())
    assert "Failed" in caplog.text
    assert KEY not in caplog.text
