"""The server behind a real socket, with aiohttp alone on the other side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from rejoinder.errors import ConfigurationError
from rejoinder.server.core import Terms
from rejoinder.server.faults.fault import Fault, Point
from rejoinder.server.faults.strikes import raw
from rejoinder.server.handshake import Turned, Upgrade, judge
from rejoinder.server.reading import Unreadable
from rejoinder.server.script import Prompt, Reply, Script, Speech, Text, Turn
from rejoinder.server.serve import Server, serve
from rejoinder.server.shell.host import LARGEST_FRAME
from rejoinder.testing import Run
from rejoinder.wire.client_events import InputAudioBufferAppend, ResponseCancel, ResponseCreate
from rejoinder.wire.server_events import ResponseDone
from tests.server.desk import base64_of

KEY = "sk-loopback"
SPOKEN = Speech("One two three four five six.", bytes(4800 * 6))


class Client:
    """What a client sees: objects, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, kind: str, **members: Any) -> None:
        await self.socket.send_json({"type": kind, **members})

    async def hear(self) -> dict[str, Any]:
        said: dict[str, Any] = await self.socket.receive_json()
        return said

    async def until(self, kind: str) -> dict[str, Any]:
        while (said := await self.hear())["type"] != kind:
            pass
        return said

    async def end(self) -> int | None:
        """Reads to the end; returns the close code."""
        async for _ in self.socket:
            pass
        return self.socket.close_code


@contextlib.asynccontextmanager
async def connected(
    server: Server,
    path: str = "/realtime?model=gpt-realtime",
    key: str | None = KEY,
    **options: Any,
) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"{server.url}{path}", **options) as socket,
    ):
        yield Client(socket)


def test_a_whole_exchange(run: Run) -> None:
    async def exchange() -> None:
        async with serve(Script(Turn(None, SPOKEN))) as server, connected(server) as client:
            created = await client.hear()
            assert created["type"] == "session.created"
            assert created["session"]["model"] == "gpt-realtime"
            assert created["session"]["expires_at"] > 1_700_000_000
            await client.say("session.update", session={"type": "realtime", "instructions": "x"})
            assert (await client.hear())["session"]["instructions"] == "x"
            await client.say("response.create", response={"metadata": {"key": "1"}})
            done = await client.until("response.done")
            assert done["response"]["status"] == "completed"
            assert done["response"]["metadata"] == {"key": "1"}

    run(exchange())


def test_it_remembers_what_it_heard_and_said(run: Run) -> None:
    async def exchange() -> None:
        async with serve() as server:
            async with connected(server) as client:
                await client.say("input_audio_buffer.append", audio=base64_of(bytes(480)))
                await client.socket.send_str("{oops")
                await client.say("response.create")
                (session,) = server.sessions
                await session.wait_for(ResponseCreate)
                await client.until("response.done")
                await client.say("response.cancel", event_id="c1")
                cancel = await session.wait_for(ResponseCancel)
                assert cancel.event_id == "c1"
                assert isinstance(session.received[0], Unreadable)
                assert session.appended == 480
                assert any(isinstance(event, ResponseDone) for event in session.sent)
                assert len(session.conversation.items()) == 1
                assert session.close_code is None
            assert await session.wait_closed() == 1000
            with pytest.raises(ConnectionError, match="without InputAudioBufferAppend"):
                await session.wait_for(InputAudioBufferAppend)

    run(exchange())


@pytest.mark.parametrize("path", ["/realtime", "/../realtime", "/../openai/v1/realtime"])
def test_where_it_answers(run: Run, path: str) -> None:
    async def exchange() -> None:
        async with (
            serve() as server,
            connected(server, f"{path}?model=gpt-realtime") as client,
        ):
            assert (await client.hear())["type"] == "session.created"

    run(exchange())


def test_a_wrong_key_is_refused_inside_and_never_shown(run: Run) -> None:
    async def exchange() -> None:
        async with serve(api_key="sk-right") as server:
            async with connected(server, key="sk-wrong") as client:
                refusal = await client.hear()
                assert (refusal["type"], refusal["error"]["code"]) == ("error", "invalid_api_key")
                assert refusal["event_id"].startswith("event_")
                assert "sk-" not in str(refusal)
                assert await client.end() == 3000
            async with connected(server, key="sk-right") as client:
                assert (await client.hear())["type"] == "session.created"
            assert len(server.sessions) == 1

    run(exchange())


@pytest.mark.parametrize("half", [0xD800, 0xDCFF])
def test_a_key_that_is_no_text_is_a_wrong_one(half: int) -> None:
    headers = {"authorization": f"Bearer {chr(half)}"}
    verdict = judge(Upgrade({"model": "m"}, headers), "sk-right")
    assert isinstance(verdict, Turned)
    assert verdict.error.code == "invalid_api_key"
    protocols = ["realtime", f"openai-insecure-api-key.{chr(half)}"]
    assert isinstance(judge(Upgrade({"model": "m"}, {}, protocols), "sk-right"), Turned)


def test_an_unknown_call_is_refused_by_http(run: Run) -> None:
    async def exchange() -> None:
        async with serve() as server:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with connected(server, "/realtime?call_id=rtc_1"):
                    pass
            assert refused.value.status == 404

    run(exchange())


def test_a_key_may_be_a_subprotocol_and_is_not_echoed(run: Run) -> None:
    async def exchange() -> None:
        protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
        async with (
            serve(api_key=KEY) as server,
            connected(server, key=None, protocols=protocols) as client,
        ):
            assert client.socket.protocol == "realtime"
            assert (await client.hear())["type"] == "session.created"

    run(exchange())


def test_a_binary_frame_is_answered_and_survived(run: Run) -> None:
    async def exchange() -> None:
        async with serve() as server, connected(server) as client:
            await client.socket.send_bytes(b'{"type":"response.create"}')
            assert (await client.until("error"))["error"]["code"] == "invalid_event"

    run(exchange())


def test_a_frame_too_large_closes_with_1009(run: Run) -> None:
    async def exchange() -> None:
        async with serve() as server, connected(server) as client:
            with contextlib.suppress(ConnectionError):
                await client.socket.send_str("x" * (LARGEST_FRAME + 1))
            assert await server.sessions[0].wait_closed() == 1009

    run(exchange())


def test_faults_are_armed_by_name_by_value_and_later(run: Run) -> None:
    mine = Fault("mine", Point("session.created"), raw('{"type":"mine"}'))

    async def exchange() -> None:
        faults: list[Fault | str] = ["response-error@delta:2", mine]
        async with serve(Script(otherwise=Turn(None, SPOKEN)), faults=faults) as server:
            async with connected(server) as client:
                assert (await client.until("mine")) == {"type": "mine"}
                await client.say("response.create")
                failure = await client.until("response.error")
                assert failure["response_id"] == "resp_c1_0001"
                server.arm("busy")
                await client.say("response.create", event_id="c2")
                assert (await client.until("error"))["error"]["event_id"] == "c2"
                await client.say("response.create")
                await client.until("response.done")
            with pytest.raises(ConfigurationError):
                server.arm("mischief")

    run(exchange())


def test_raw_frames_go_out_as_text_and_as_binary(run: Run) -> None:
    async def exchange() -> None:
        faults = ["frame-empty@opened", "frame-binary@opened"]
        async with serve(faults=faults) as server, connected(server) as client:
            assert (await client.hear())["type"] == "session.created"
            assert await client.socket.receive_str() == ""
            assert await client.socket.receive_bytes() == b"\x00\xff\x10 not text \xfe"

    run(exchange())


@pytest.mark.parametrize(("name", "code"), [("close-1011", 1011), ("quota-close", 1013)])
def test_a_fault_may_close_the_connection(run: Run, name: str, code: int) -> None:
    async def exchange() -> None:
        script = Script(Turn(None, SPOKEN))
        async with serve(script, faults=[name]) as server, connected(server) as client:
            await client.say("response.create")
            assert await client.end() == code
            assert await server.sessions[0].wait_closed() == code

    run(exchange())


def test_a_fault_may_tear_the_connection(run: Run) -> None:
    async def exchange() -> None:
        script = Script(Turn(None, SPOKEN))
        async with serve(script, faults=["abort"]) as server, connected(server) as client:
            await client.say("response.create")
            assert await client.end() == 1006
            assert await server.sessions[0].wait_closed() == 1006

    run(exchange())


def test_it_pings_and_expires_in_its_own_time(run: Run) -> None:
    async def exchange() -> None:
        terms = Terms(lifetime=30.0)
        async with serve(terms=terms) as server, connected(server, autoping=False) as client:
            await client.hear()
            assert (await client.socket.receive()).type is aiohttp.WSMsgType.PING
            assert (await client.hear())["error"]["code"] == "session_expired"
            assert await client.end() == 1001
            assert asyncio.get_running_loop().time() >= 1030

    run(exchange())


def test_leaving_the_block_ends_every_connection(run: Run) -> None:
    async def exchange() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with serve(Script(Turn(None, SPOKEN))) as server:
                first = await stack.enter_async_context(connected(server))
                second = await stack.enter_async_context(connected(server))
                await first.say("response.create")
                await first.until("response.created")
                ends = [asyncio.create_task(client.end()) for client in (first, second)]
            assert await asyncio.gather(*ends) == [1001, 1001]
            assert [session.close_code for session in server.sessions] == [1001, 1001]

    run(exchange())


def test_what_a_script_raises_comes_out_of_the_block(run: Run) -> None:
    def clumsy(prompt: Prompt) -> Reply:
        raise LookupError("the script has no such page")

    async def exchange() -> None:
        async with serve(Script(Turn(None, clumsy))) as server, connected(server) as client:
            await client.say("response.create")
            assert await client.end() == 1011

    with pytest.raises(LookupError, match="no such page"):
        run(exchange())


def test_a_client_that_reads_nothing_is_cut_off(run: Run) -> None:
    sound = {"type": "input_audio", "audio": base64_of(bytes(11 * 1024 * 1024))}
    item = {"type": "message", "id": "large", "role": "user", "content": [sound]}

    async def exchange() -> None:
        async with serve() as server, connected(server) as client:
            await client.say("conversation.item.create", item=item)
            for _ in range(8):
                await client.say("conversation.item.retrieve", item_id="large")
            assert await server.sessions[0].wait_closed() == 1006

    run(exchange())


def test_two_connections_have_their_own_ids_and_lines(run: Run) -> None:
    async def exchange() -> None:
        async with (
            serve(Script(Turn(None, Text("first")))) as server,
            connected(server) as one,
            connected(server) as other,
        ):
            ids = []
            for client in (one, other):
                await client.say("response.create")
                said = await client.until("response.output_text.done")
                assert said["text"] == "first"
                ids.append(said["response_id"])
            assert len(set(ids)) == 2

    run(exchange())
