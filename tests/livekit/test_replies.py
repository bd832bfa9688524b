"""Replies: asked for, given up, interrupted, refused, begun by the server."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents.voice.io import TimedString

from rejoinder.client.memory import connected, pair
from rejoinder.client.response import Response
from rejoinder.client.session import Session
from rejoinder.client.streams import MOST_BUFFERED, Sink
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Cancelled, Completed, Failed
from rejoinder.core.parts import Audio
from rejoinder.core.queue import MOST
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import ReplyCreatedEvent, ReplyError
from rejoinder.livekit.replies import Listener, Replies
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Fault, Then
from rejoinder.server.faults.strikes import delta_frame, done, failed
from rejoinder.server.script import Call, Pause, Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire.client_events import ResponseCancel, ResponseCreate
from tests.livekit.talk import WORDS, Heard, first, talking, weather


def test_a_reply_may_be_given_up_before_it_begins(run: Run) -> None:
    thoughtful = Turn(None, Speech("Never heard."), thinking=1.0)
    script = Script(thoughtful, otherwise=Turn(None, Speech(WORDS)))

    async def main() -> None:
        async with talking("late-created", script=script) as talk:
            future = talk.session.generate_reply()
            await first(talk.session, "metrics_collected")
            future.cancel()
            following = await talk.reply()

            assert following.text == WORDS
            assert [event.response_id for event in talk.created] == ["resp_c1_0002"]
            assert talk.cancelled == ["resp_c1_0001"]
            assert talk.errors == []

    run(main())


def test_a_reply_may_be_given_up_before_its_first_output(run: Run) -> None:
    async def main() -> None:
        async with talking("silence-after-created") as talk:
            future = talk.session.generate_reply()
            await first(
                talk.session,
                "openai_server_event_received",
                lambda event: event["type"] == "response.created",
            )
            future.cancel()
            following = await talk.reply()

            assert following.text == WORDS
            assert [event.response_id for event in talk.created] == ["resp_c1_0002"]
            assert talk.cancelled == ["resp_c1_0001"]

    run(main())


def test_a_reply_given_up_in_the_moment_of_its_first_output_is_not_heard(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            future = talk.session.generate_reply()
            talk.session.on(
                "openai_server_event_received",
                lambda event: event["type"] == "response.output_item.added" and future.cancel(),
            )
            await asyncio.wait([future])

            assert future.cancelled()
            assert talk.created == []
            assert (await talk.reply()).text == WORDS
            assert talk.cancelled == ["resp_c1_0001"]

    run(main())


def test_a_reply_given_up_fails_nobody_even_if_the_server_does_not_stop_it(run: Run) -> None:
    async def main() -> None:
        async with talking("silence-for-good@created") as talk:
            future = talk.session.generate_reply()
            await first(
                talk.session,
                "openai_server_event_received",
                lambda event: event["type"] == "response.created",
            )
            future.cancel()
            following = await talk.reply()

            assert following.text == WORDS
            assert talk.errors == []
            assert len(talk.created) == 1

    run(main())


def test_a_reply_asked_for_while_another_one_runs_waits_its_turn(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            one, two = await asyncio.gather(talk.reply(), talk.reply())

            assert (one.text, two.text) == (WORDS, WORDS)
            assert len(talk.said(ResponseCreate)) == 2

    run(main())


def test_or_fails_at_once_if_that_is_the_policy(run: Run) -> None:
    async def main() -> None:
        async with talking(busy="fail") as talk:
            await talk.reply()
            one, two = await asyncio.gather(talk.reply(), talk.reply())

            assert one.text == WORDS
            assert two.error is not None
            assert two.error.code == "conversation_already_has_active_response"
            assert two.took == 0.0

    run(main())


def test_an_interruption_ends_every_reply_that_runs_or_waits(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            running = await talk.session.generate_reply()
            waiting = talk.session.generate_reply()
            assert talk.session.has_active_generation

            talk.session.interrupt()
            heard = await talk.listen(running, Heard())

            assert isinstance(heard.outcome, Cancelled)
            assert heard.text
            error = waiting.exception()
            assert isinstance(error, ReplyError)
            assert isinstance(error.outcome, Cancelled)
            assert not talk.session.has_active_generation
            assert talk.errors == []

    run(main())


def test_an_interruption_without_a_reply_says_nothing(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.reply()
            talk.session.interrupt()
            await talk.reply()

            assert talk.said(ResponseCancel) == []

    run(main())


def test_instructions_are_added_to_those_of_the_session(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.reply(instructions="Only this.")
            await talk.session.update_instructions("Be brief.")
            await talk.reply(instructions="Greet me.")
            await talk.reply(tool_choice="none", tools=[weather])

            first_, second, third = (event.response for event in talk.said(ResponseCreate))
            assert first_.instructions == "Only this."
            assert second.instructions == "Be brief.\nGreet me."
            assert not isinstance(third.instructions, str)
            assert third.tool_choice == "none"
            assert [tool["name"] for tool in third.tools] == ["weather"]

    run(main())


def test_one_request_too_many_is_refused_at_once_and_leaves_nothing_behind(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            futures = [talk.session.generate_reply() for _ in range(MOST + 1)]

            assert [future for future in futures if future.done()] == futures[-1:]
            assert isinstance(futures[-1].exception(), ReplyError)
            talk.session.interrupt()
            await asyncio.wait(futures)
            assert not talk.session.has_active_generation

    run(main())


def test_a_failed_reply_that_nobody_waits_for_is_reported_all_the_same(run: Run) -> None:
    async def main() -> None:
        async with talking("refused") as talk:
            reported = first(talk.session, "error")
            talk.session.generate_reply()

            assert isinstance((await reported).error, ReplyError)

    run(main())


def test_whoever_stops_waiting_for_the_outcome_takes_it_from_nobody(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            event = await talk.session.generate_reply()
            assert isinstance(event, ReplyCreatedEvent)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(event.outcome, 0.01)

            assert isinstance(await event.outcome, Completed)

    run(main())


def test_half_a_sample_is_dropped(run: Run) -> None:
    odd = Fault("odd", point("delta:3"), delta_frame(delta="AAAA"), Then.GOES_ON)

    async def main() -> None:
        async with talking(odd) as talk:
            heard = await talk.reply()

            assert heard.text == WORDS
            assert heard.audio_seconds == pytest.approx(0.8 + 1 / 24_000)

    run(main())


def test_a_message_ends_with_its_item_not_with_the_reply(run: Run) -> None:
    async def main() -> None:
        async with talking("silence-after-item") as talk:
            asked_at = asyncio.get_running_loop().time()
            event = await talk.session.generate_reply()
            message = await anext(aiter(event.message_stream))

            assert "".join([str(text) async for text in message.text_stream]) == WORDS
            assert [frame async for frame in message.audio_stream]
            assert asyncio.get_running_loop().time() - asked_at < 1.0

    run(main())


def test_a_written_reply_does_not_keep_anybody_waiting_for_audio(run: Run) -> None:
    async def main() -> None:
        async with talking("silence-mid-audio@text:1", modalities=["text"]) as talk:
            asked_at = asyncio.get_running_loop().time()
            event = await talk.session.generate_reply()
            message = await anext(aiter(event.message_stream))

            assert [frame async for frame in message.audio_stream] == []
            assert await message.modalities == ["text"]
            assert asyncio.get_running_loop().time() - asked_at < 1.0

    run(main())


def test_audio_that_nobody_reads_is_bounded(run: Run) -> None:
    async def main() -> None:
        ours, _ = pair()
        client = Session.start(api_key="any", dial=connected(ours))
        sinks: list[Sink] = []
        failed: list[ReplyError] = []

        def create(sink: Sink) -> Response:
            sinks.append(sink)
            return client.create_response(sink=sink)

        replies = Replies(Listener(created=lambda _: None, failed=failed.append))
        promise = replies.ask(create, audio=True)
        for _ in range(MOST_BUFFERED // 2**20 + 1):
            assert replies.live
            sinks[0].feed(Audio("item", 0, bytes(2**20)))

        event = await promise
        assert isinstance(event, ReplyCreatedEvent)
        outcome = await event.outcome
        assert isinstance(outcome, Failed)
        assert [error.code for error in failed] == [outcome.code] == ["overflow"]
        assert not replies.live
        await client.aclose()

    run(main())


def test_a_reply_asked_for_from_another_thread_is_refused(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            with pytest.raises(ConfigurationError, match="event loop"):
                await asyncio.to_thread(talk.session.generate_reply)
            assert not talk.session.has_active_generation

    run(main())


def test_function_calls(run: Run) -> None:
    script = Script(otherwise=Turn(None, Speech("Let me see."), Call("weather", {"city": "Rome"})))

    async def main() -> None:
        async with talking(script=script) as talk:
            heard = await talk.reply()

            assert heard.text == "Let me see."
            assert [(call.name, call.arguments) for call in heard.calls] == [
                ("weather", '{"city":"Rome"}')
            ]
            assert isinstance(heard.outcome, Completed)
            assert len(heard.outcome.delivered.function_calls) == 1

    run(main())


def test_a_response_asked_for_by_a_raw_event_is_the_servers_own(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            created = first(talk.session, "generation_created")
            talk.session.send_event({"type": "response.create"})
            event = await created
            heard = await talk.listen(event, Heard())

            assert not event.user_initiated
            assert event.response_id == "resp_c1_0001"
            assert heard.text == WORDS

    run(main())


def test_a_server_that_takes_its_time_is_given_it(run: Run) -> None:
    async def main() -> None:
        clocks = Timeouts(gap=2.0)
        slow = Script(
            otherwise=Turn(None, Speech("Well."), Pause(1.5), Speech(WORDS), thinking=1.5)
        )
        async with talking(script=slow, timeouts=clocks) as talk:
            assert (await talk.reply()).text == f"Well.{WORDS}"

    run(main())


def test_words_keep_the_moment_at_which_they_are_spoken(run: Run) -> None:
    timed = delta_frame("response.output_audio_transcript.delta", delta="Hello", start_time=0.25)
    fault = Fault("timed", point("instead-transcript"), timed, Then.GOES_ON)

    async def main() -> None:
        async with talking(fault) as talk:
            event = await talk.session.generate_reply()
            message = await anext(aiter(event.message_stream))
            word = await anext(aiter(message.text_stream))

            assert word == "Hello"
            assert isinstance(word, TimedString)
            assert word.start_time == 0.25

    run(main())


LIMITED = failed("rate_limit_exceeded")


def test_a_reply_that_the_server_declares_failed_is_asked_again_if_so_wished(run: Run) -> None:
    fault = Fault("limited", point("created"), done("failed", LIMITED), Then.DIES)

    async def main() -> None:
        async with talking(fault, retries=1) as talk:
            heard = await talk.reply()

            assert isinstance(heard.outcome, Completed)
            assert heard.outcome.asked == 2
            assert heard.text == WORDS
            assert talk.errors == []
            assert talk.created == [heard.event]
            assert heard.event is not None
            assert heard.event.response_id == heard.outcome.response_id == "resp_c1_0002"
            assert [told.request_id for told in talk.usage] == ["resp_c1_0001", "resp_c1_0002"]
        async with talking(fault) as talk:
            assert isinstance((await talk.reply()).error, ReplyError)

    run(main())
