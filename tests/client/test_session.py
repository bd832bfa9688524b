"""A session over an in-memory transport: what users see."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from typing import Any

import pytest

import rejoinder
from rejoinder.client.session import Session
from rejoinder.core import effects as ef
from rejoinder.core.outcomes import (
    Cancelled,
    Completed,
    Failed,
    Lost,
    Rejected,
    TimedOut,
)
from rejoinder.core.parts import Audio, Part, Text
from rejoinder.errors import (
    ConfigurationError,
    EditLost,
    ResponseFailedError,
    SessionClosed,
)
from rejoinder.testing import Run
from rejoinder.wire.session import SessionConfig
from tests.client.peer import MORTAL, conversation, take_all, until


def test_a_reply_is_delivered_part_by_part_and_completes(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            assert session.online
            response = session.create_response(instructions="Greet", metadata={"mine": "1"})
            assert "asked" in repr(response)
            asked = await peer.hear("response.create")
            assert asked["response"]["instructions"] == "Greet"
            assert asked["response"]["metadata"]["mine"] == "1"
            assert "tools" not in asked["response"]
            await peer.created("r1", metadata=asked["response"]["metadata"])
            await peer.text("r1", "Hel")
            await peer.text("r1", "lo")
            await peer.done("r1")
            words = [part.text async for part in response if isinstance(part, Text)]
            outcome = await response.outcome()
            assert words == ["Hel", "lo"]
            assert isinstance(outcome, Completed)
            assert (outcome.response_id, outcome.delivered.text) == ("r1", "Hello")
            assert (response.id, response.result, response.asked) == ("r1", outcome, True)

    run(main())


def test_audio_is_delivered_as_bytes(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response(voice="marin", output_modalities=["audio"])
            asked = await peer.hear("response.create")
            assert asked["response"]["audio"] == {"output": {"voice": "marin"}}
            await peer.created("r1", metadata=asked["response"]["metadata"])
            sound = base64.b64encode(b"\1\0\2\0").decode()
            await peer.part("response.output_audio.delta", "r1", delta=sound)
            await peer.done("r1")
            heard = [part.audio async for part in response if isinstance(part, Audio)]
            assert heard == [b"\1\0\2\0"]

    run(main())


def test_a_failure_in_the_middle_ends_the_iteration_with_the_servers_words(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response()
            await peer.begin("r1")
            await peer.text("r1", "Half a sen")
            error = {"type": "server_error", "code": "boom", "message": "The model\nbroke"}
            await peer.say("response.error", response_id="r1", error=error)
            parts: list[Part] = []
            with pytest.raises(ResponseFailedError, match="broke") as caught:
                await take_all(response, parts)
            assert [part.text for part in parts if isinstance(part, Text)] == ["Half a sen"]
            assert caught.value.code == "boom"
            outcome = await response.outcome()
            assert isinstance(outcome, Failed)
            assert outcome.delivered.text == "Half a sen"
            with pytest.raises(ResponseFailedError):
                await anext(aiter(response))
            cancelled = await peer.hear("response.cancel")
            assert cancelled["response_id"] == "r1"
            await peer.done("r1", "cancelled")
            again = session.create_response()
            await peer.answer("r2")
            assert isinstance(await again.outcome(), Completed)

    with caplog.at_level(logging.INFO, "rejoinder"):
        run(main())
    [line] = [record.getMessage() for record in caplog.records]
    assert line == "response r1 ended Failed: The model broke (code boom)"
    assert "Half" not in caplog.text


def test_completed_and_cancelled_responses_are_not_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            session.create_response()
            await peer.answer("r1")
            second = session.create_response()
            await peer.begin("r2")
            await until(lambda: second.id == "r2")
            second.cancel()
            await peer.hear("response.cancel")
            await peer.done("r2", "cancelled", status_details={"reason": "client_cancelled"})
            assert isinstance(await second.outcome(), Cancelled)

    run(main())
    assert caplog.records == []


def test_silence_settles_by_the_clock_and_the_next_reply_works(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with conversation(recovery=MORTAL) as (session, peer):
            began = loop.time()
            silent = session.create_response()
            assert isinstance(await silent.outcome(), TimedOut)
            assert loop.time() - began == pytest.approx(rejoinder.Timeouts().created)
            await peer.hear("response.create")
            stuck = session.create_response()
            await peer.begin("r2")
            await peer.text("r2", "Once upon")
            outcome = await stuck.outcome()
            assert isinstance(outcome, TimedOut)
            assert (outcome.why, outcome.delivered.text) == ("gap", "Once upon")
            assert (await peer.hear("response.cancel"))["response_id"] == "r2"
            await peer.done("r2", "cancelled")
            third = session.create_response()
            await peer.answer("r3")
            assert isinstance(await third.outcome(), Completed)

    run(main())


def test_leaving_settles_everything_that_waits(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response()
            edit = session.delete_item("i9")
            await peer.begin("r1")
            await peer.text("r1", "Hi")
            await until(lambda: response.id == "r1")
        assert isinstance(response.result, Lost)
        assert response.result.close.by == "caller"
        assert isinstance(edit.result, ef.Gone)
        assert session.ended is not None
        assert not session.online
        assert "ended" in repr(session)
        with pytest.raises(EditLost):
            await edit
        assert (await peer.hear_close()).code == 1000

    run(main())


def test_after_the_end_every_call_says_so_and_does_nothing(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            pass
        calls: list[Callable[[], object]] = [
            lambda: session.append_audio(b"\0\0"),
            session.commit_audio,
            session.clear_audio,
            session.create_response,
            lambda: session.create_item({"type": "message"}),
            lambda: session.delete_item("i"),
            lambda: session.truncate_item("i", 0, 10),
            lambda: session.retrieve_item("i"),
            lambda: session.update(SessionConfig()),
            lambda: session.send({"type": "x"}),
        ]
        for call in calls:
            with pytest.raises(SessionClosed, match="the session has ended"):
                call()
        await session.aclose()
        await session.drain()
        *_, last = [notice async for notice in session.notices()]
        assert isinstance(last, ef.Ended)
        assert last.close == session.ended
        assert [response async for response in session.responses()] == []

    run(main())


def test_the_server_closes_and_everything_is_told(run: Run) -> None:
    async def main() -> None:
        async with conversation(recovery=MORTAL) as (session, peer):
            response = session.create_response()
            await peer.begin("r1")
            await peer.transport.close(1011, "internal error")
            outcome = await response.outcome()
            assert isinstance(outcome, Lost)
            assert (outcome.close.by, outcome.close.code) == ("server", 1011)
            with pytest.raises(SessionClosed, match="internal error"):
                session.create_response()

    run(main())


def test_the_network_fails_and_everything_is_told(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response()
            await peer.begin("r1")
            peer.transport.cut()
            outcome = await response.outcome()
            assert isinstance(outcome, Lost)
            assert outcome.close.by == "network"
            assert outcome.retryable

    run(main())


def test_cancelling_the_consumer_cancels_nothing(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response()
            await peer.begin("r1")
            waiting = asyncio.ensure_future(response.outcome())
            taking = asyncio.ensure_future(anext(aiter(response)))
            await until(lambda: response.id == "r1")
            waiting.cancel()
            taking.cancel()
            await asyncio.wait({waiting, taking})
            await peer.text("r1", "still here")
            await peer.done("r1")
            assert isinstance(await response.outcome(), Completed)
            words = [part.text async for part in response if isinstance(part, Text)]
            assert words == ["still here"]

    run(main())


def test_busy_fail_is_refused_at_once(run: Run) -> None:
    async def main() -> None:
        async with conversation(busy="fail") as (session, peer):
            first = session.create_response()
            await peer.begin("r1")
            await until(lambda: first.id is not None)
            second = session.create_response()
            assert isinstance(second.result, Rejected)
            assert second.result.code == "conversation_already_has_active_response"
            assert session.live == (first,)

    run(main())


def test_several_responses_are_cancelled_together(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            first, second = session.create_response(), session.create_response()
            await peer.begin("r1")
            await until(lambda: first.id is not None)
            session.cancel(first, second)
            assert isinstance(second.result, Cancelled)
            assert (await peer.hear("response.cancel"))["response_id"] == "r1"
            await peer.done("r1", "cancelled")
            assert isinstance(await first.outcome(), Cancelled)
            session.cancel(first)
            first.cancel()

    run(main())


def test_responses_that_the_server_begins_are_iterated(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            for name in ("r1", "r2"):
                await peer.created(name)
                await peer.text(name, f"I am {name}")
                await peer.done(name)
            arrived = session.responses()
            first, second = await anext(arrived), await anext(arrived)
            assert (first.id, first.asked, first.default) == ("r1", False, True)
            assert [part.text async for part in first if isinstance(part, Text)] == ["I am r1"]
            assert isinstance(await second.outcome(), Completed)
            await peer.created("r3")
            third = await anext(arrived)
            assert "running" in repr(third)
            third.cancel()
            assert (await peer.hear("response.cancel"))["response_id"] == "r3"

    run(main())


def test_responses_that_nobody_takes_are_bounded(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            for number in range(40):
                await peer.created(f"r{number}")
                await peer.done(f"r{number}")
            await peer.say("input_audio_buffer.speech_started", audio_start_ms=0, item_id="end")
            async for notice in session.notices():
                if isinstance(notice, ef.SpeechStarted):
                    break
            arrived = session.responses()
            assert arrived.dropped == 8
            assert (await anext(arrived)).id == "r8"

    run(main())
    [line] = [record.getMessage() for record in caplog.records]
    assert "session.responses()" in line


def test_the_memory_of_responses_that_nobody_takes_is_bounded(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            sound = base64.b64encode(bytes(11 * 1024 * 1024)).decode()
            for name in ("r1", "r2", "r3"):
                await peer.created(name)
                for _ in range(3):
                    await peer.part("response.output_audio.delta", name, delta=sound)
                await peer.done(name)
            await peer.say("input_audio_buffer.speech_started", audio_start_ms=0, item_id="end")
            async for notice in session.notices():
                if isinstance(notice, ef.SpeechStarted):
                    break
            arrived = session.responses()
            assert arrived.dropped == 2
            assert (await anext(arrived)).id == "r3"

    run(main())


def test_notices_are_kept_in_order_and_bounded(run: Run) -> None:
    async def main() -> None:
        heard: list[object] = []
        async with conversation(on_event_in=lambda _, event: heard.append(event)) as (
            session,
            peer,
        ):
            for number in range(300):
                await peer.say(
                    "input_audio_buffer.speech_started", audio_start_ms=number, item_id="u"
                )
            await until(lambda: len(heard) == 301)
            feed = session.notices()
            assert feed.dropped == 45
            first = await anext(feed)
            assert isinstance(first, ef.SpeechStarted)
            assert first.audio_start_ms == 44
        rest = [notice async for notice in feed]
        assert len(rest) == 256
        assert isinstance(rest[-1], ef.Ended)

    run(main())


def test_the_memory_of_notices_that_nobody_takes_is_bounded(run: Run) -> None:
    async def main() -> None:
        heard: list[Any] = []
        async with conversation(on_event_in=lambda _, event: heard.append(event)) as (
            session,
            peer,
        ):
            for number in range(40):
                await peer.say("x.novel", text="x" * 1_000_000, number=number)
            await until(lambda: len(heard) == 41)
            feed = session.notices()
            kept = len(feed.waiting)
            assert 10 < kept < 20
            assert feed.dropped == 41 - kept
            newest = [ef.Odd("unknown", event) for event in heard[-kept:]]
            assert [await anext(feed) for _ in range(kept)] == newest
            await peer.say("x.novel", text="x" * 20_000_000)
            await until(lambda: len(heard) == 42)
            assert await anext(feed) == ef.Odd("unknown", heard[-1])

    run(main())


def test_who_is_called_with_the_news_finds_none_kept(run: Run) -> None:
    async def main() -> None:
        seen: list[ef.Notice] = []
        async with conversation(on_notice=seen.append) as (session, _):
            feed = session.notices()
            assert len(seen) == 1
        assert isinstance(seen[-1], ef.Ended)
        assert [notice async for notice in feed] == []

    run(main())


def test_a_session_is_used_on_its_own_loop(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            response = session.create_response()
            for call in (
                session.create_response,
                response.cancel,
                lambda: session.append_audio(b""),
            ):
                with pytest.raises(ConfigurationError, match="call_soon_threadsafe"):
                    await asyncio.to_thread(call)

    run(main())


def test_a_session_needs_a_running_loop() -> None:
    with pytest.raises(ConfigurationError, match=r"asyncio\.run"):
        Session.start(api_key="k")
