"""Faults of the connection itself, as a peer meets them that looks at bytes and at the kernel's word."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from rejoinder.server.core import Terms
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.server.serve import Server, serve
from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemRetrieve, ResponseCancel
from tests.server.raw_peer import CLOSE, PING, PONG, TEXT, RawPeer, conversing, raw_peer
from tests.server.stream import DELTA

SCRIPT = Script(otherwise=Turn(None, Speech("One two three four five six.", bytes(4800 * 6))))
NOTHING_LEFT = 1.5
"""Seconds that a server may take to leave, whatever is wrong with its connections."""

AWAY = 5.0
"""Seconds for which a server is gone that comes back."""
A_WHILE = 60 * AWAY

Look: TypeAlias = Callable[[Server, RawPeer], Awaitable[None]]


def meets(
    run: Run,
    faults: str | list[str],
    look: Look,
    *,
    script: Script | None = None,
    small: bool = False,
) -> None:
    """A peer that has asked for a response meets this.

    The server is left before the peer goes, and must get rid of it by itself.
    """
    armed = [faults] if isinstance(faults, str) else faults

    async def exchange() -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            async with serve(script or SCRIPT, faults=armed) as server:
                peer = await stack.enter_async_context(conversing(server, small=small))
                await look(server, peer)
                left_at = loop.time()
            assert loop.time() - left_at < NOTHING_LEFT
            assert all(session.close_code is not None for session in server.sessions)

    run(exchange())


async def room_runs_out(peer: RawPeer) -> None:
    """Writes until nothing goes out any more, for seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while True:
                peer.say("input_audio_buffer.append", audio="AAAA" * 4096)
                await peer.writer.drain()


# -- how a connection ends --


def test_reset_is_a_tcp_reset(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        with pytest.raises(ConnectionResetError):
            await peer.frame()
        assert await server.sessions[0].wait_closed() == 1006

    meets(run, "reset", look)


def test_cut_is_an_end_without_a_close_frame(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        assert await peer.reader.read() == b""
        peer.write(PING, b"?")
        assert await server.sessions[0].wait_closed() == 1006

    meets(run, "cut", look)


def test_a_connection_that_was_cut_is_reset_a_second_later(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        assert await peer.reader.read() == b""
        cut_at = asyncio.get_running_loop().time()
        assert await server.sessions[0].wait_closed() == 1006
        assert 0.9 < asyncio.get_running_loop().time() - cut_at < 1.1

    meets(run, "cut", look)


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 3999, 4999])
def test_every_close_code_that_may_stand_on_the_wire(run: Run, code: int) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        assert (await peer.frame()).close_code == code
        assert await server.sessions[0].wait_closed() == code

    meets(run, f"close-{code}", look)


def test_an_expiry_without_its_error(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        frame = await peer.frame()
        assert frame.close_code == 1001
        assert b"maximum duration" in frame.data

    meets(run, "close-1001-expired", look)


def test_a_close_frame_without_a_code(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        frame = await peer.frame()
        assert (frame.opcode, frame.data) == (CLOSE, b"")
        assert await peer.reader.read() == b""

    meets(run, "close-none", look)


def test_a_close_that_is_ignored(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        peer.write(CLOSE, b"")
        await peer.until("response.done")
        await peer.event()  # the rate limits
        assert [(await peer.frame()).opcode for _ in range(3)] == [PING] * 3
        assert server.sessions[0].close_code is None

    meets(run, "close-ignored", look)


def test_who_leaves_a_server_that_ignores_closes_is_forgotten(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        peer.write(CLOSE, b"\x03\xe8")
        peer.writer.close()
        assert await server.sessions[0].wait_closed() == 1000

    meets(run, "close-ignored", look)


# -- connections that stop --


def test_half_open_says_nothing_and_answers_nothing(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        peer.write(PING, b"are you there")
        peer.say("response.cancel")
        peer.write(CLOSE, b"")
        assert await peer.silent(120)
        assert server.sessions[0].close_code is None
        assert len(server.sessions[0].received) == 1

    meets(run, "half-open", look)


def test_who_stops_reading_goes_on_sending_and_leaves_no_room(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        peer.writer.transport.set_write_buffer_limits(0)
        await room_runs_out(peer)
        assert peer.writer.transport.get_write_buffer_size() > 0
        await peer.until("response.done")
        assert server.sessions[0].appended == 0

    meets(run, "stops-reading", look, small=True)


def test_a_slow_loris_dribbles(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        loop = asyncio.get_running_loop()
        began = loop.time()
        peer.write(PING, b"?")
        first = await peer.reader.read(65536)
        assert 0 < len(first) <= 16
        await peer.reader.readexactly(640 - len(first))
        assert 9 < loop.time() - began < 11

    meets(run, "slow-loris", look)


def test_what_dribbles_is_whole(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        peer.write(PING, b"?")
        frames = await peer.frames()
        assert [frame.data for frame in frames if frame.opcode == PONG] == [b"?"]
        assert frames[-1].close_code == 4000
        said = [json.loads(frame.data)["type"] for frame in frames if frame.opcode == TEXT]
        assert said[-2:] == ["response.done", "rate_limits.updated"]
        assert await server.sessions[0].wait_closed() == 4000

    meets(run, ["slow-loris-65536", "close-4000@rate_limits.updated"], look)


# -- broken frames --


def test_garbage_is_no_frame(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        frame = await peer.frame()
        assert (frame.first & 0x70, frame.opcode) == (0x70, 3)

    meets(run, "frame-garbage", look)


def test_half_of_a_frame_and_then_silence(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        _, size, length = struct.unpack("!BBH", await peer.reader.readexactly(4))
        assert (size, length > 6000) == (126, True)
        await peer.reader.readexactly((4 + length) // 2 - 4)
        peer.write(PING, b"?")
        assert await peer.silent(60)

    meets(run, "frame-half", look)


def test_text_that_is_not_utf8(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        frame = await peer.frame()
        assert frame.opcode == TEXT
        with pytest.raises(UnicodeDecodeError):
            frame.data.decode()

    meets(run, "frame-not-utf8", look)


def test_a_huge_frame_comes_whole(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        frame = await peer.frame()
        assert (frame.opcode, len(frame.data) > 40 * 1024 * 1024) == (TEXT, True)
        await peer.until("response.done")

    meets(run, "frame-huge", look)


def test_fragments_are_one_event(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        frames = [await peer.frame()]
        while frames[-1].opcode or not frames[-1].final:  # to the last fragment
            frames.append(await peer.frame())
        pieces = frames[-16:]
        assert (pieces[0].opcode, pieces[0].final) == (TEXT, False)
        assert {(piece.opcode, piece.final) for piece in pieces[1:-1]} == {(0, False)}
        assert json.loads(b"".join(piece.data for piece in pieces))["type"] == DELTA
        before = [json.loads(frame.data)["type"] for frame in frames[:-16]]
        assert before.count(DELTA) == 2
        await peer.until("response.done")

    meets(run, "frame-fragmented", look)


# -- a server that is gone --


def test_it_goes_down_for_good(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        async with raw_peer(server) as other:
            await other.upgrade()
            await other.event()
            await peer.until(DELTA, 3)
            for one in (peer, other):
                with pytest.raises(ConnectionResetError):
                    await one.frame()
        await asyncio.sleep(A_WHILE)
        with pytest.raises(ConnectionRefusedError):
            async with raw_peer(server):
                pass

    meets(run, "goes-down", look)


def test_it_goes_down_and_comes_back(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        with pytest.raises(ConnectionResetError):
            await peer.frame()
        await asyncio.sleep(AWAY - 0.1)
        with pytest.raises(ConnectionRefusedError):
            async with raw_peer(server):
                pass
        await asyncio.sleep(AWAY - 4.9)
        async with conversing(server) as again:
            await again.until("response.done")

    meets(run, f"goes-down-{AWAY:g}", look)


def test_a_server_may_be_left_while_it_is_down(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        await peer.until(DELTA, 3)
        with pytest.raises(ConnectionResetError):
            await peer.frame()

    meets(run, "goes-down-5", look)


# -- who does not read --


def test_a_server_is_left_in_a_second_though_a_client_reads_nothing(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(4):
            peer.say("conversation.item.retrieve", item_id="x" * 4_000_000)
        await server.sessions[0].wait_for(ConversationItemRetrieve, 4)

    meets(run, "frame-huge@created", look)


def test_who_reads_no_pongs_is_kept_but_the_latest(run: Run) -> None:
    async def look(server: Server, peer: RawPeer) -> None:
        for number in range(100):
            peer.write(PING, b"%d" % number)
        peer.say("response.cancel")
        await server.sessions[0].wait_for(ResponseCancel)
        while (frame := await peer.frame()).opcode != PONG:
            pass
        assert frame.data == b"99"

    meets(run, "frame-huge@created", look)


# -- who never leaves --


@pytest.mark.parametrize("name", ["half-open", "stops-reading", "slow-loris-1"])
def test_no_connection_outlives_its_session_for_long(run: Run, name: str) -> None:
    async def exchange() -> None:
        loop = asyncio.get_running_loop()
        terms = Terms(lifetime=60.0)
        async with serve(faults=[f"{name}@opened"], terms=terms, max_sessions=1) as server:
            began = loop.time()
            async with raw_peer(server) as peer:
                await peer.upgrade()
                await peer.event()
            await server.sessions[0].wait_closed()
            assert loop.time() - began < 75
            async with conversing(server) as other:
                await other.until("response.done")

    run(exchange())


def test_nor_does_that_of_a_client_that_reads_nothing(run: Run) -> None:
    async def exchange() -> None:
        terms = Terms(lifetime=60.0)
        faults = ["frame-huge@created"]
        async with (
            serve(SCRIPT, faults=faults, terms=terms) as server,
            conversing(server),
        ):
            await server.sessions[0].wait_closed()
            assert asyncio.get_running_loop().time() < 1075

    run(exchange())
