"""The link: whatever a transport does, everything settles and leaving is bounded."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from aiohttp import web

from rejoinder.client.memory import connected
from rejoinder.client.session import Session
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Close, Lost, TimedOut
from rejoinder.errors import SessionClosed
from rejoinder.testing import Run
from tests.client.peer import CREATED, MORTAL, conversation, until
from tests.client.sockets import http_server

SPAN: contextvars.ContextVar[str] = contextvars.ContextVar("span", default="none")


def test_a_writer_that_is_stuck_does_not_stop_settling_or_leaving(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with conversation() as (session, peer):
            peer.transport.peer.stall()
            response = session.create_response()
            outcome = await response.outcome()
            assert isinstance(outcome, TimedOut)
            waiting = asyncio.ensure_future(session.drain())
            began = loop.time()
            await session.aclose()
            assert loop.time() - began <= Timeouts().close
            await waiting

    run(main())


def test_when_the_outbox_is_full_the_connection_counts_as_lost(run: Run) -> None:
    async def main() -> None:
        async with conversation(recovery=MORTAL) as (session, peer):
            peer.transport.peer.stall()
            response = session.create_response()
            most = 16  # and each of these is a third longer on the wire
            with pytest.raises(SessionClosed, match="64 MiB wait to be written"):
                append_all(session, [bytes(4 * 1024 * 1024)] * most)
            outcome = await response.outcome()
            assert isinstance(outcome, Lost)
            assert outcome.close.by == "network"

    run(main())


def append_all(session: Session, audio: list[bytes]) -> None:
    for each in audio:
        session.append_audio(each)


class Deaf:
    """A connection of which only the sending end notices that it is gone."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def send(self, data: bytes) -> None:
        raise ConnectionResetError("gone")

    async def receive(self) -> str | bytes | Close:
        await self.closed.wait()
        return Close("network")

    async def close(self, code: int = 1000, reason: str = "") -> Close | None:
        self.closed.set()
        return None


class Failing(Deaf):
    """A connection that breaks its promise never to raise."""

    async def receive(self) -> str | bytes | Close:
        raise ZeroDivisionError("a bug of the transport's")

    async def close(self, code: int = 1000, reason: str = "") -> Close | None:
        raise ZeroDivisionError("another")


class Endless(Deaf):
    """A connection whose end never comes."""

    async def close(self, code: int = 1000, reason: str = "") -> Close | None:
        await asyncio.Event().wait()
        return None


class Stubborn(Deaf):
    """A connection that is not to be hurried: for half a minute nothing can be cancelled."""

    async def send(self, data: bytes) -> None:
        await self._take_time()

    async def receive(self) -> str | bytes | Close:
        await self._take_time()
        return Close("network")

    def __init__(self) -> None:
        super().__init__()
        self.busy = 0
        self.at_last = asyncio.Event()

    async def _take_time(self) -> None:
        self.busy += 1
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + 30.0
        while loop.time() < ends_at:
            try:
                await asyncio.sleep(ends_at - loop.time())
            except asyncio.CancelledError:
                continue
        self.at_last.set()


def test_a_transport_that_cannot_be_cancelled_does_not_hold_up_leaving(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        stubborn = Stubborn()
        session = Session.start(api_key="k", dial=connected(stubborn))
        session.append_audio(bytes(960))
        await until(lambda: stubborn.busy == 2)
        began = loop.time()
        await session.aclose()
        assert loop.time() - began <= Timeouts().close + 0.5
        await stubborn.at_last.wait()

    run(main())


@pytest.mark.parametrize("turns", range(8))
def test_closing_goes_on_though_every_task_of_the_loop_is_cancelled(run: Run, turns: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        await ws.send_json(CREATED)
        await over.wait()  # it does not answer the close
        return ws

    over = asyncio.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with http_server(answer) as url:
            session = Session.start(base_url=url, api_key="any")
            await session.opened()
            ours = asyncio.all_tasks()
            began = loop.time()
            session.append_audio(bytes(4800))
            closing = asyncio.ensure_future(session.aclose())
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in asyncio.all_tasks() - ours - {closing}:
                task.cancel()
            await asyncio.gather(closing, session.aclose())
            assert loop.time() - began <= Timeouts().close + 0.001
            over.set()

    run(main())


@pytest.mark.parametrize(
    ("made", "words"),
    [(Deaf, "takes nothing any more"), (Failing, "read: ZeroDivisionError"), (Endless, "nothing")],
)
def test_whatever_a_transport_does_everything_settles(
    run: Run, made: type[Deaf], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        session = Session.start(api_key="k", dial=connected(made()), recovery=MORTAL)
        session.clear_audio()
        outcome = await session.create_response().outcome()
        assert isinstance(outcome, Lost)
        assert words in outcome.describe()
        began = loop.time()
        await session.aclose()
        assert loop.time() - began <= Timeouts().close + 0.001

    run(main())
