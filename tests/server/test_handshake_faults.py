"""Faults of the handshake, as a peer meets them that looks at bytes and at the kernel's word."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from rejoinder.server.faults.handshake import UPGRADES, refusals
from rejoinder.server.serve import Server, serve
from rejoinder.testing import Run
from tests.server.raw_peer import ACCEPT, PING, REQUEST, RawPeer, conversing, raw_peer

TIME_TO_LEAVE = 1.5
"""Seconds that a server may take to leave, whatever is wrong with its connections."""

Look: TypeAlias = Callable[[Server, RawPeer], Awaitable[None]]


def meets(run: Run, faults: str | list[str], look: Look) -> None:
    """A peer that has connected and asked for nothing yet meets this, the next one nothing.

    The server is left before the peer goes, and must get rid of it by itself.
    """

    async def exchange() -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            armed = [faults] if isinstance(faults, str) else faults
            async with serve(faults=armed) as server:
                peer = await stack.enter_async_context(raw_peer(server))
                await look(server, peer)
                async with conversing(server) as other:
                    await other.until("response.done")
                left_at = loop.time()
            assert loop.time() - left_at < TIME_TO_LEAVE

    run(exchange())


async def refusal(peer: RawPeer) -> tuple[bytes, bytes]:
    """The head and the body of the answer."""
    head = await peer.upgrade()
    size = next(
        int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"Content-Length")
    )
    return head, await peer.reader.readexactly(size)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 451, 499, 500, 502, 503, 599])
def test_any_status(run: Run, status: int) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        head, body = await refusal(peer)
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert (b"Retry-After: 1\r\n" in head) == (status in (429, 503))
        codes = {400: "OpperationNotSupported", 404: "DeploymentNotFound"}
        assert (json.loads(body)["error"]["code"] if body else None) == codes.get(status)
        assert server.sessions == []

    meets(run, f"http-{status}", look)


def test_a_connection_that_is_kept_may_ask_again(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await refusal(peer)
        head, _ = await refusal(peer)
        assert b" 502 " in head
        assert b" 101 " in await peer.upgrade()
        assert (await peer.event())["type"] == "session.created"

    meets(run, ["http-503", "http-502#2"], look)


def test_it_hangs(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        peer.writer.write(REQUEST)
        assert await peer.silent(120)

    meets(run, "handshake-hangs", look)


def test_who_gives_up_is_forgotten(run: Run) -> None:
    async def exchange() -> None:
        faults = ["handshake-hangs", "handshake-slow#2", "handshake-hangs#3"]
        async with serve(faults=faults) as server:
            for seconds in (1, 1, 5):
                async with raw_peer(server) as peer:
                    peer.writer.write(REQUEST)
                    assert await peer.silent(seconds)
            assert (server.connections, server.sessions) == (3, [])

    run(exchange())


@pytest.mark.parametrize("name", ["handshake-half", "handshake-cut"])
def test_half_of_an_answer(run: Run, name: str) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        peer.writer.write(REQUEST)
        said = await peer.reader.read(4096)
        assert said.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"\r\n\r\n" not in said
        if name == "handshake-half":
            assert await peer.silent(60)
        else:
            with pytest.raises(ConnectionResetError):
                await peer.reader.read(4096)

    meets(run, name, look)


def test_refused_with_a_reset(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        with pytest.raises(ConnectionResetError):
            await peer.upgrade()

    meets(run, "handshake-refused", look)


def test_an_answer_that_is_not_http(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        peer.writer.write(REQUEST)
        said = await peer.reader.read()  # to the end
        assert said
        assert b"HTTP" not in said

    meets(run, "handshake-garbage", look)


def test_a_wrong_accept(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        head = await peer.upgrade()
        assert b"\r\nSec-WebSocket-Accept: " in head
        assert ACCEPT not in head
        assert await peer.silent(60)

    meets(run, "handshake-wrong-accept", look)


@pytest.mark.parametrize(
    ("name", "seconds"), [("handshake-slow", 3.0), ("handshake-slow-7.5", 7.5)]
)
def test_it_is_slow(run: Run, name: str, seconds: float) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert ACCEPT in await peer.upgrade()
        assert seconds <= loop.time() - began < seconds + 0.1
        assert (await peer.event())["type"] == "session.created"

    meets(run, name, look)


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("invalid_api_key", 3000, "invalid_request_error.invalid_api_key"),
        ("missing_key", 3000, "invalid_request_error"),
        ("invalid_model", 4000, "invalid_request_error.invalid_model"),
        ("missing_model", 4000, "invalid_request_error.missing_model"),
        ("beta_api_shape_disabled", 4000, "invalid_request_error.beta_api_shape_disabled"),
        ("invalid_intent", 4000, "invalid_request_error.invalid_intent"),
        ("model_not_found", 4004, "invalid_request_error.model_not_found"),
        ("insufficient_quota", 1013, "insufficient_quota.insufficient_quota"),
        ("credit_balance_exhausted", 1013, "insufficient_quota.credit_balance_exhausted"),
    ],
)
def test_turned_away_inside(run: Run, name: str, code: int, reason: str) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        assert ACCEPT in await peer.upgrade()
        error = (await peer.event())["error"]
        assert (error["type"], error.get("code")) == (
            reason.partition(".")[0],
            reason.partition(".")[2] or None,
        )
        frame = await peer.frame()
        assert (frame.close_code, frame.data[2:].decode()) == (code, reason)
        assert server.sessions == []

    meets(run, f"turned-away-{name}", look)


def test_it_opens_then_closes_every_time(run: Run) -> None:
    async def exchange() -> None:
        async with serve(faults=["opens-then-closes#0"]) as server:
            for _ in range(3):
                async with raw_peer(server) as peer:
                    await peer.upgrade()
                    assert (await peer.event())["type"] == "session.created"
                    assert (await peer.frame()).close_code == 1011
            assert [await session.wait_closed() for session in server.sessions] == [1011] * 3

    run(exchange())


def test_it_opens_and_says_not_a_word(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        assert ACCEPT in await peer.upgrade()
        peer.write(PING, b"?")
        peer.say("response.create")
        assert await peer.silent(120)
        assert len(server.sessions[0].received) == 1
        assert not server.sessions[0].sent

    meets(run, "opens-silent", look)


def test_the_connection_that_is_meant(run: Run) -> None:
    async def exchange() -> None:
        async with serve(faults=["http-503#2", "http-500#2"]) as server:
            heads = []
            for _ in range(3):
                async with raw_peer(server) as peer:
                    heads.append((await peer.upgrade())[9:12])
            server.arm("http-404")
            async with raw_peer(server) as peer:
                heads.append((await peer.upgrade())[9:12])
            assert heads == [b"101", b"503", b"101", b"404"]
            assert (server.connections, len(server.sessions)) == (4, 2)

    run(exchange())


def test_slow_and_then_refused(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        began = asyncio.get_running_loop().time()
        assert b" 503 " in await peer.upgrade()
        assert asyncio.get_running_loop().time() - began >= 3

    meets(run, ["handshake-slow", "http-503"], look)


@pytest.mark.parametrize("name", sorted({**UPGRADES, **refusals()}))
def test_whatever_happens_the_server_can_be_left_at_once(run: Run, name: str) -> None:
    async def exchange() -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            async with serve(faults=[name]) as server:
                peer = await stack.enter_async_context(raw_peer(server))
                peer.writer.write(REQUEST)
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await peer.silent(0.5)
                left_at = loop.time()
            assert loop.time() - left_at < TIME_TO_LEAVE

    run(exchange())


# -- who asks for nothing --


@pytest.mark.parametrize("said", [b"", b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\n"])
def test_who_asks_for_nothing_is_sent_away(run: Run, said: bytes) -> None:
    async def exchange() -> None:
        loop = asyncio.get_running_loop()
        async with serve() as server, raw_peer(server) as peer:
            began = loop.time()
            peer.writer.write(said)
            assert await peer.reader.read() == b""
            assert 59 < loop.time() - began < 61

    run(exchange())


def test_who_asks_no_more_is_sent_away_later(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await refusal(peer)
        assert await peer.reader.read() == b""

    meets(run, "http-503", look)
