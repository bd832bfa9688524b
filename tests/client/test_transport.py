"""The aiohttp transport, over real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from rejoinder.client.transport import MOST_FRAME, AiohttpTransport, dial
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Close
from rejoinder.errors import ConfigurationError, ConnectError
from rejoinder.testing import Run
from tests.client.sockets import Answer, http_server, refusal, tcp_server

KEY = "sk-proj-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {KEY}"}
LENT = "session=0123456789abcdef"
QUICK = Timeouts(connect=3.0, close=1.0)


def websocket(talk: Answer | None = None) -> Answer:
    """Upgrades, and echoes until it is closed; or talks otherwise."""

    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(max_msg_size=MOST_FRAME, timeout=0.1)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        return ws

    return talk or answer


async def fails(url: str, headers: Mapping[str, str] = BEARER) -> ConnectError:
    """Dials in vain; the error, checked for the key in every shape in which it might be shown."""
    with pytest.raises(ConnectError) as caught:
        await dial(url, headers, timeouts=QUICK)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert KEY not in shown + repr(caught.value) + repr(caught.value.__context__)
    return caught.value


def test_frames_travel_both_ways_up_to_their_largest(run: Run) -> None:
    async def main() -> None:
        async with http_server(websocket()) as url:
            transport = await dial(url, BEARER)
            assert repr(transport) == "<AiohttpTransport open>"
            for frame in (b'{"type":"x"}', "ümläut".encode(), b"y" * (MOST_FRAME - 1)):
                await transport.send(frame)
                assert await transport.receive() == frame
            assert await transport.close(1000, "done") == Close("server", 1000)
            assert await transport.close() == Close("server", 1000)
            assert repr(transport) == "<AiohttpTransport closed>"
            with pytest.raises(ConnectionResetError):
                await transport.send(b"late")
            assert isinstance(await transport.receive(), Close)

    run(main())


def test_binary_frames_come_as_bytes_and_pings_are_answered(run: Run) -> None:
    ponged = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoping=False, timeout=0.1)
        await ws.prepare(request)
        await ws.ping(b"abcd")
        await ws.send_bytes(b"\0\1")
        await ws.pong(b"unasked")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"abcd")
        ponged.set()
        await ws.close(code=4000, message=b"enough")
        return ws

    async def main() -> None:
        async with http_server(answer) as url:
            transport = await dial(url, BEARER)
            assert await transport.receive() == b"\0\1"
            end = Close("server", 4000, "enough")
            assert [await transport.receive(), await transport.receive()] == [end, end]
            assert ponged.is_set()
            await transport.close()

    run(main())


def test_a_frame_that_is_too_large_ends_the_connection(run: Run) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        await ws.send_str("z" * (MOST_FRAME + 1))
        assert (await ws.receive()).data == 1009
        return ws

    async def main() -> None:
        async with http_server(answer) as url:
            transport = await dial(url, BEARER, timeouts=QUICK)
            end = await transport.receive()
            assert isinstance(end, Close)
            assert (end.by, end.code) == ("network", 1009)
            await transport.close()

    run(main())


def test_an_end_without_a_close_frame_is_the_networks(run: Run) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if request.transport is not None:
            request.transport.abort()
        return ws

    async def main() -> None:
        async with http_server(answer) as url:
            transport = await dial(url, BEARER)
            end = await transport.receive()
            assert isinstance(end, Close)
            assert (end.by, end.code) == ("network", None)
            with pytest.raises(ConnectionResetError):
                await transport.send(b"x")
            await transport.close()

    run(main())


def test_a_close_frame_without_a_code_is_told_as_such(run: Run) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        if request.transport is not None:
            request.transport.write(b"\x88\x00")
        await ws.receive()
        return ws

    async def main() -> None:
        async with http_server(answer) as url:
            transport = await dial(url, BEARER)
            assert await transport.receive() == Close("server", 1005)
            await transport.close()

    run(main())


def test_closing_is_bounded_though_the_peer_reads_nothing(run: Run) -> None:
    async def main() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        async def stalled(request: web.Request) -> web.StreamResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            if request.transport is not None:
                request.transport.pause_reading()
            await over.wait()
            return ws

        async with http_server(stalled) as url:
            transport = await dial(url, BEARER, timeouts=QUICK)
            sending = asyncio.ensure_future(flood(transport))
            await asyncio.wait({sending}, timeout=QUICK.connect)
            assert not sending.done()
            began = loop.time()
            await transport.close()
            assert loop.time() - began <= QUICK.close + 0.001
            with pytest.raises(ConnectionResetError):
                await sending
            over.set()

    run(main())


async def flood(transport: AiohttpTransport) -> None:
    while True:
        await transport.send(bytes(1 << 20))


@pytest.mark.parametrize(
    ("answer", "status", "code", "words"),
    [
        (
            refusal(401, text='{"error": {"message": "Bad key", "code": "invalid_api_key"}}'),
            401,
            "invalid_api_key",
            "HTTP status 401: Bad key",
        ),
        (refusal(429, text='{"error": "slow down", "code": 7}'), 429, "7", "429: slow down"),
        (refusal(400, text='{"message": "flat", "type": "bad"}'), 400, "bad", "400: flat"),
        (refusal(403, text="no entry\nfor you"), 403, "http_403", "403: no entry for you"),
        (refusal(404, text="<html>gone</html>"), 404, "http_404", "with HTTP status 404"),
        (refusal(502, body=b"\xff\xfe"), 502, "http_502", "502$"),
        (refusal(502, body=b"PK\x03\x04 \x1b[31m"), 502, "http_502", "502$"),
        (refusal(413, text="ü" * 40_000), 413, "http_413", "413: ü{500}$"),
        (refusal(400, text='{"message": "red \\u001b[31m"}'), 400, "http_400", r"red \?\[31m$"),
        (refusal(503), 503, "http_503", "503"),
        (refusal(200, text='"fine"'), 200, "http_200", "200: fine"),
        (refusal(400, text="[1]"), 400, "http_400", "400"),
        (refusal(400, text="[" * 60_000), 400, "http_400", r"400: \[{500}$"),
        (refusal(400, text='{"error": [1]}'), 400, "http_400", "400"),
        (refusal(401, text=f"Incorrect key: {KEY}"), 401, "http_401", r"Incorrect key: \[hidden\]"),
    ],
)
def test_a_refused_upgrade_is_told_in_the_servers_words(
    run: Run, answer: Answer, status: int, code: str, words: str
) -> None:
    async def main() -> None:
        async with http_server(answer) as url:
            error = await fails(url)
            assert (error.status, error.code) == (status, code)
            with pytest.raises(ConnectError, match=words):
                raise error

    run(main())


def test_a_refusal_whose_body_never_comes_is_told_by_its_status(run: Run) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhalf")

    async def main() -> None:
        async with tcp_server(answer) as url:
            error = await fails(url)
            assert (error.status, str(error)[-4:]) == (401, "half")

    run(main())


def test_a_server_that_never_answers_is_given_up(run: Run) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with tcp_server(answer) as url:
            began = loop.time()
            error = await fails(url)
            assert loop.time() - began == pytest.approx(QUICK.connect)
            assert (error.code, error.status) == ("timeout", None)
            assert "within 3 s" in str(error)

    run(main())


def test_nobody_there_cannot_be_reached(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{unused.getsockname()[1]}/v1?api-key={KEY}"
        run(unreachable(url))


async def unreachable(url: str) -> None:
    error = await fails(url)
    assert error.code == "unreachable"
    assert "ws://127.0.0.1" in str(error)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"", "unreachable"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "unreachable"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "handshake"),
    ],
)
def test_what_is_no_websocket_server_is_told_as_such(run: Run, reply: bytes, code: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    async def main() -> None:
        async with tcp_server(answer) as url:
            assert (await fails(url)).code == code

    run(main())


def test_what_speaks_no_tls_is_told_as_such(run: Run) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with tcp_server(answer) as url:
            error = await fails(url.replace("ws:", "wss:"))
            assert error.code == "tls"
            assert "wss://127.0.0.1" in str(error)

    run(main())


def test_redirects_stay_on_the_same_server(run: Run) -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", "none"))
        return web.Response(status=500)

    async def main() -> None:
        async with http_server(elsewhere) as other:
            moved = other.replace("ws:", "http:")
            for target in (moved, "https://127.0.0.1/", "//other.test/", "http://[bad", ""):
                async with http_server(refusal(307, headers={"Location": target})) as url:
                    error = await fails(url)
                    assert (error.status, error.code) == (307, "http_307")
                    assert "redirects elsewhere" in str(error)
        assert seen == []

        async def within(request: web.Request) -> web.StreamResponse:
            if request.path == "/v1":
                return web.Response(status=308, headers={"Location": "/v2"})
            assert request.headers["Authorization"] == BEARER["Authorization"]
            return await websocket()(request)

        async with http_server(within) as url:
            transport = await dial(url, BEARER)
            await transport.close()

    run(main())


def test_a_lent_session_lends_its_headers_and_stays_open(run: Run) -> None:
    agents: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        agents.append(request.headers["User-Agent"])
        return await websocket()(request)

    async def main() -> None:
        lending = {"User-Agent": "mine", "Cookie": LENT}
        async with http_server(answer) as url:
            async with aiohttp.ClientSession(headers=lending) as lent:
                for _ in range(2):
                    transport = await dial(url, BEARER, http_session=lent)
                    await transport.send(f"You sent {LENT} and {KEY}".encode())
                    assert await transport.receive() == b"You sent [hidden] and [hidden]"
                    await transport.close()
                assert not lent.closed
            assert agents == ["mine", "mine"]
            with pytest.raises(ConfigurationError, match="http_session is closed"):
                await dial(url, BEARER, http_session=lent)

    run(main())


def test_a_session_of_another_loop_is_refused(run: Run) -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    other = asyncio.new_event_loop()
    lent = other.run_until_complete(make())

    async def main() -> None:
        with pytest.raises(ConfigurationError, match="another event loop"):
            await dial("ws://127.0.0.1:9/", BEARER, http_session=lent)

    run(main())
    other.run_until_complete(lent.close())
    other.close()


def test_what_cannot_be_dialled_is_refused(run: Run) -> None:
    async def main() -> None:
        async with http_server(websocket()) as url:
            for address in (url, "ws://"):
                with pytest.raises(ConfigurationError, match="base_url or headers"):
                    await dial(address, {"X": "two\r\nlines"})

    run(main())


@pytest.mark.parametrize("key", [KEY, KEY.replace("-", ""), "a/key+of=base64", "ключ-не-ascii"])
def test_a_key_that_the_server_repeats_is_hidden(run: Run, key: str) -> None:
    async def main() -> None:
        async with http_server(websocket()) as url:
            transport = await dial(url, {"Authorization": f"Bearer {key}"})
            await transport.send(f"You sent {key}, twice {key}".encode())
            assert await transport.receive() == b"You sent [hidden], twice [hidden]"
            await transport.close()

    run(main())


def test_a_key_in_the_reason_of_a_close_is_hidden(run: Run) -> None:
    async def main() -> None:
        async def answer(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.close(code=4001, message=f"bad key {KEY}".encode())
            return ws

        async with http_server(answer) as url:
            transport = await dial(url, {"Authorization": f"Bearer {KEY}"})
            assert await transport.receive() == Close("server", 4001, "bad key [hidden]")
            await transport.close()

    run(main())


def test_cancelling_a_dial_leaves_nothing_open(run: Run) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    arrived = asyncio.Event()

    async def main() -> None:
        async with tcp_server(answer) as url:
            dialling = asyncio.ensure_future(dial(url, BEARER))
            await arrived.wait()
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling

    run(main())
