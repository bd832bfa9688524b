"""A server in a thread: for tests that have no event loop of their own, with a client in plain sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from rejoinder.errors import ConfigurationError
from rejoinder.server.faults.catalogue import FAULTS, HANDSHAKES
from rejoinder.server.script import Prompt, Reply, Script, Turn
from rejoinder.testing import LiveServer, ServeLive, every_fault
from rejoinder.wire.client_events import ResponseCancel, ResponseCreate

CREATE = '{"type":"response.create"}'


def connected(server: LiveServer) -> Connection:
    return connect(f"{server.url}/realtime?model=gpt-realtime", proxy=None)


def closed(client: Connection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        for _ in client:
            pass
    return client.close_code


def serve_nothing(live_realtime_server: ServeLive, **options: object) -> None:
    with live_realtime_server(**options):
        pass


def test_a_conversation_without_a_loop(live_realtime_server: ServeLive) -> None:
    with live_realtime_server() as server:
        with connected(server) as client:
            client.send(CREATE)
            assert server.wait_for(ResponseCreate) == ResponseCreate()
            while '"response.done"' not in client.recv():
                pass
            server.arm("close-4000@created")
            client.send(CREATE)
            assert closed(client) == 4000
        assert server.wait_closed() == 4000
        assert len(server.sessions) == 1
    assert not [thread for thread in threading.enumerate() if "realtime" in thread.name]


def test_leaving_it_closes_what_is_open(live_realtime_server: ServeLive) -> None:
    with live_realtime_server() as server:
        client = connected(server)
        client.recv()
    assert closed(client) == 1001


def test_waiting_has_bounds(live_realtime_server: ServeLive) -> None:
    with live_realtime_server() as server:
        with connected(server) as client:
            client.recv()
            with pytest.raises(TimeoutError):
                server.wait_for(ResponseCancel, within=0.01)
            with pytest.raises(TimeoutError):
                server.wait_for(ResponseCancel, session=1, within=0.01)
        with pytest.raises(ConnectionError, match="without ResponseCancel"):
            server.wait_for(ResponseCancel)


def test_what_cannot_be_served_is_raised_where_it_was_asked_for(
    live_realtime_server: ServeLive,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="address already in use"):
            serve_nothing(live_realtime_server, port=port)
    with pytest.raises(ConfigurationError, match="no such fault"):
        serve_nothing(live_realtime_server, faults=["mischief"])
    with live_realtime_server() as server, pytest.raises(ConfigurationError, match="no such"):
        server.arm("mischief")


def test_what_a_script_raises_comes_out_of_the_block_but_hides_nothing(
    live_realtime_server: ServeLive,
) -> None:
    def clumsy(prompt: Prompt) -> Reply:
        raise LookupError("the script has no such page")

    def talk() -> None:
        script = Script(Turn(None, clumsy))
        with live_realtime_server(script) as server, connected(server) as client:
            client.send(CREATE)
            assert closed(client) == 1011

    with pytest.raises(LookupError, match="no such page"):
        talk()
    with pytest.raises(ValueError, match="mine"), live_realtime_server():
        raise ValueError("mine")


def test_the_same_from_another_event_loop(live_realtime_server: ServeLive) -> None:
    async def talk() -> int | None:
        with live_realtime_server(faults=["close-4004@opened"]) as server:
            client = await asyncio.to_thread(connected, server)
            return await asyncio.to_thread(closed, client)

    assert asyncio.run(talk()) == 4004


def test_faults_are_found_by_pattern() -> None:
    assert every_fault() == [*FAULTS, *HANDSHAKES]
    assert every_fault("close-40*", "abort") == ["close-4000", "close-4004", "abort"]
    with pytest.raises(ConfigurationError, match=r"'mischief-\*'"):
        every_fault("abort", "mischief-*")


def test_a_client_that_has_not_connected_yet_is_waited_for(
    live_realtime_server: ServeLive,
) -> None:
    with live_realtime_server() as server:
        asking = threading.Thread(target=lambda: connected(server).send(CREATE))
        asking.start()
        assert server.wait_for(ResponseCreate) == ResponseCreate()
        asking.join()


def test_who_is_not_there_in_time_is_said_so(live_realtime_server: ServeLive) -> None:
    with live_realtime_server() as server, pytest.raises(TimeoutError):
        server.wait_for(ResponseCreate, within=0.05)


def test_a_server_that_blocks_is_not_waited_for(live_realtime_server: ServeLive) -> None:
    blocked, unblock = threading.Event(), threading.Event()

    def blocking(_prompt: Prompt) -> Reply:
        blocked.set()
        unblock.wait()
        return ()

    script = Script(otherwise=Turn(None, blocking))
    with live_realtime_server(script) as server, connected(server) as client:
        client.send(CREATE)
        blocked.wait()
        try:
            with pytest.raises(TimeoutError):
                server.wait_for(ResponseCancel, within=0.05)
        finally:
            unblock.set()


def test_a_server_that_has_ended_can_be_asked_nothing(live_realtime_server: ServeLive) -> None:
    with live_realtime_server() as server:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        server.arm("abort")
