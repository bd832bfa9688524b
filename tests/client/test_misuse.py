"""What an application may do wrong, and how it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rejoinder
from rejoinder.client.memory import connected, pair
from rejoinder.client.session import Session
from rejoinder.core.outcomes import Completed
from rejoinder.core.parts import Part
from rejoinder.errors import ConfigurationError
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from tests.client.peer import conversation, until


class Halt(BaseException):
    """What test frameworks raise to end a test, for one."""


class Halting:
    """A sink that raises more than an ``Exception``."""

    def opened(self, response_id: str) -> None:
        raise Halt

    def feed(self, part: Part) -> None:
        raise Halt

    def settle(self, outcome: rejoinder.Outcome) -> None:
        raise Halt


class Later(Halting):
    """A sink that would have to be awaited."""

    async def feed(self, part: Part) -> None:  # type: ignore[override]
        raise AssertionError("never called")


def test_a_callback_that_raises_more_than_an_exception_harms_nobody(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response(sink=Halting())
            await peer.answer("r1")
            assert isinstance(await response.outcome(), Completed)
            following = session.create_response()
            await peer.answer("r2")
            assert isinstance(await following.outcome(), Completed)

    run(main())
    assert "a callback of the application raised" in caplog.text


class Empty:
    """A sink that counts for nothing, as a list of parts does before the first."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __len__(self) -> int:
        return 0

    def opened(self, response_id: str) -> None:
        self.seen.append("opened")

    def feed(self, part: Part) -> None:
        self.seen.append("feed")

    def settle(self, outcome: rejoinder.Outcome) -> None:
        self.seen.append("settle")


def test_a_sink_that_is_false_is_a_sink(run: Run) -> None:
    async def main() -> None:
        theirs, ours = Empty(), Empty()
        async with conversation(on_response=lambda _: theirs) as (session, peer):
            await peer.created("r1")
            await peer.done("r1")
            await until(lambda: len(theirs.seen) == 2)
            response = session.create_response(sink=ours)
            await peer.begin("r2")
            await peer.done("r2")
            await response.outcome()
        assert theirs.seen == ours.seen == ["opened", "settle"]

    run(main())


@pytest.mark.parametrize("sink", [object(), Halting, Later(), True])
def test_a_sink_that_is_none_is_refused(run: Run, sink: Any) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            with pytest.raises(ConfigurationError, match=r"sink .*plain methods opened, feed and"):
                session.create_response(sink=sink)
            assert session.live == ()

    run(main())


@pytest.mark.parametrize("sink", [object(), Later(), True])
def test_what_on_response_returns_must_be_a_sink(
    run: Run, sink: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with conversation(on_response=lambda _: sink) as (session, peer):
            await peer.created("r1")
            await peer.text("r1", "Hi")
            await peer.done("r1")
            await until(lambda: bool(caplog.records))
            response = session.create_response()
            await peer.answer("r2")
            assert isinstance(await response.outcome(), Completed)

    run(main())
    [record] = caplog.records
    assert record.exc_text is not None
    assert "plain methods opened, feed and settle" in record.exc_text
    assert "this is a bug" not in caplog.text


@pytest.mark.parametrize(
    "call", [Session.aclose, Session.opened, Session.drain], ids=["aclose", "opened", "drain"]
)
def test_a_coroutine_of_a_session_is_awaited_on_its_own_loop(
    run: Run, call: Callable[[Session], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with serve() as server:
            session = Session.start(base_url=server.url, api_key="any")
            with pytest.raises(ConfigurationError, match="call_soon_threadsafe"):
                await asyncio.to_thread(elsewhere, call, session)
            await session.opened()
            assert session.ended is None
            await session.aclose()

    run(main())


def elsewhere(call: Callable[[Session], Awaitable[None]], session: Session) -> None:
    async def main() -> None:
        await call(session)

    asyncio.run(main())


def test_closing_again_does_nothing_on_any_loop(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            pass
        await asyncio.to_thread(elsewhere, Session.aclose, session)

    run(main())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeouts": 5}, r"timeouts must be a rejoinder\.Timeouts, not int"),
        ({"timeouts": {"gap": 3}}, r"timeouts must be a rejoinder\.Timeouts, not dict"),
        ({"headers": 5}, "headers must map names to values"),
        ({"headers": "ab"}, "headers must map names to values"),
        ({"dial": 5}, "dial must be a function"),
        ({"http_session": 5}, r"http_session must be an aiohttp\.ClientSession"),
    ],
)
def test_options_of_a_wrong_type_are_named(run: Run, options: Any, words: str) -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match=words):
            Session.start(**{"api_key": "k", **options})

    run(main())


def test_draining_waits_for_the_connection(run: Run) -> None:
    async def main() -> None:
        ours, theirs = pair()
        dialling, may_connect = asyncio.Event(), asyncio.Event()

        async def dial(url: str, headers: Any) -> Any:
            dialling.set()
            await may_connect.wait()
            return await connected(ours)(url, headers)

        session = Session.start(api_key="k", dial=dial)
        session.append_audio(bytes(4800))
        draining = asyncio.ensure_future(session.drain())
        await dialling.wait()
        assert not draining.done()
        may_connect.set()
        await draining
        frame = await theirs.receive()
        assert isinstance(frame, str)
        assert "input_audio_buffer.append" in frame
        await session.aclose()
        never = Session.start(api_key="k", dial=dial)
        never.append_audio(bytes(4800))
        draining = asyncio.ensure_future(never.drain())
        await never.aclose()
        await draining

    run(main())
