"""`RealtimeSession`: what the user does, who listens, and how it begins and ends."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, llm
from livekit.agents.metrics import RealtimeModelMetrics, STTMetrics
from openai.types.realtime import InputAudioBufferClearEvent

from rejoinder.core.outcomes import Completed, Lost
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import RealtimeModel, SessionEnded
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Fault
from rejoinder.server.faults.strikes import raw
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire.client_events import InputAudioBufferClear, InputAudioBufferCommit
from tests.livekit.talk import (
    VAD,
    WORDS,
    Heard,
    Talk,
    first,
    messages,
    microphone,
    talking,
    transcripts_of,
    weather,
)

ONCE = APIConnectOptions(max_retry=0)

# -- the user --


TRANSCRIPTION = "conversation.item.input_audio_transcription"
SPOKEN_TO = (
    "input_speech_started",
    "input_speech_stopped",
    "input_audio_transcription_completed",
)


def test_a_spoken_turn(run: Run) -> None:
    script = Script(Turn("What time is it?", Speech(WORDS)))

    async def main() -> None:
        async with talking(script=script, turn_detection=VAD) as talk:
            events: list[Any] = []
            for name in SPOKEN_TO:
                talk.session.on(name, events.append)
            created = first(talk.session, "generation_created")
            talk.session.push_audio(microphone(speaking=1.0, silent=1.0))
            heard = await talk.listen(await created, Heard())

            assert heard.text == WORDS
            assert [event.user_initiated for event in talk.created] == [False]
            started, stopped, *transcripts = events
            assert isinstance(started, llm.InputSpeechStartedEvent)
            assert stopped == llm.InputSpeechStoppedEvent(user_transcription_enabled=True)
            check_transcripts(talk, transcripts)

    run(main())


def check_transcripts(talk: Talk, transcripts: list[llm.InputTranscriptionCompleted]) -> None:
    """The user's words: told in part, then whole, then kept, and paid for."""
    *partial, final = transcripts
    assert all(not told.is_final for told in partial)
    assert (final.transcript, final.is_final) == ("What time is it?", True)
    assert final.turn_started_at is not None
    items = [item for item in talk.session.chat_ctx.items if item.type == "message"]
    assert [(item.role, item.text_content) for item in items] == [
        ("user", "What time is it?"),
        ("assistant", WORDS),
    ]
    assert items[0].id == final.item_id
    assert len([told for told in talk.metrics if isinstance(told, STTMetrics)]) == 1


def told_instead(event: str, **members: Any) -> Fault:
    """The server says this of the user's first turn where it would have told its transcript."""
    frame = json.dumps(
        {
            "type": f"{TRANSCRIPTION}.{event}",
            "item_id": "item_c1_0001",
            "content_index": 0,
            **members,
        }
    )
    return Fault(event, point("instead-transcribed"), raw(frame))


def test_how_sure_the_transcriber_was(run: Run) -> None:
    tokens = [{"token": "yes", "logprob": math.log(0.25), "bytes": [121]}]
    fault = told_instead("completed", transcript="yes", logprobs=tokens)

    async def main() -> None:
        async with talking(fault, turn_detection=VAD) as talk:
            told = await transcripts_of(talk)

            assert told[-1].transcript == "yes"
            assert told[-1].confidence == pytest.approx(0.25)
            item = talk.session.chat_ctx.items[0]
            assert isinstance(item, llm.ChatMessage)
            assert item.content == ["yes"]
            assert item.transcript_confidence == pytest.approx(0.25)

    run(main())


def test_an_empty_turn_is_an_error_only_where_turns_are_ours(run: Run) -> None:
    async def errors(turn_detection: Any) -> list[tuple[bool, str | None]]:
        async with talking(turn_detection=turn_detection) as talk:
            talk.session.push_audio(microphone(silent=0.5))
            talk.session.send_event({"type": "input_audio_buffer.clear"})
            talk.session.commit_audio()
            await talk.reply()
            return talk.reports

    async def main() -> None:
        assert await errors(None) == [(True, "input_audio_buffer_commit_empty")]
        assert await errors(VAD) == []

    run(main())


def test_after_a_refused_commit_the_servers_own_turns_are_still_known(run: Run) -> None:
    async def main() -> None:
        async with talking(turn_detection=VAD) as talk:
            talk.session.push_audio(microphone(silent=0.5))
            talk.session.send_event({"type": "input_audio_buffer.clear"})
            talk.session.commit_audio()
            await talk.reply()
            answered = first(talk.session, "generation_created")
            talk.session.push_audio(microphone(speaking=0.5, silent=0.5))
            await answered
            talk.session.commit_audio()
            await talk.reply()

            assert len(talk.said(InputAudioBufferCommit)) == 1

    run(main())


def test_turns_are_ours_if_turn_detection_is_off(run: Run) -> None:
    script = Script(Turn("What time is it?", Speech(WORDS)))

    async def main() -> None:
        async with talking(script=script, turn_detection=None) as talk:
            talk.session.push_audio(microphone(speaking=0.55))
            talk.session.commit_audio()
            heard = await talk.reply()

            assert heard.text == WORDS
            assert talk.peer.appended == 26_400
            assert len(talk.said(InputAudioBufferCommit)) == 1

    run(main())


def test_a_turn_too_short_is_not_committed(run: Run) -> None:
    async def main() -> None:
        async with talking(turn_detection=None) as talk:
            talk.session.push_audio(microphone(speaking=0.05))
            talk.session.commit_audio()
            talk.session.push_audio(microphone(speaking=0.5))
            talk.session.clear_audio()
            talk.session.commit_audio()
            await talk.reply()

            assert talk.said(InputAudioBufferCommit) == []
            assert len(talk.said(InputAudioBufferClear)) == 1
            assert talk.errors == []

    run(main())


def test_a_video_frame_becomes_an_image_of_the_user(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            frame = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))
            talk.session.push_video(frame)
            await talk.reply()

            item = talk.peer.core.conversation.items()[0]
            assert item.role == "user"
            assert item.content is not None
            assert item.content[0].type == "input_image"

    run(main())


# -- listeners --


def test_raw_events_go_to_who_listens(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            received: list[dict[str, Any]] = []
            sent: list[dict[str, Any]] = []
            talk.session.on("openai_server_event_received", received.append)
            talk.session.on("openai_client_event_queued", sent.append)
            await talk.reply(instructions="Greet me.")

            assert [event["type"] for event in sent] == ["session.update", "response.create"]
            assert sent[1]["response"]["instructions"] == "Greet me."
            kinds = [event["type"] for event in received]
            assert kinds[0] == "session.created"
            assert kinds[-1] in ("response.done", "rate_limits.updated")

    run(main())


@pytest.mark.parametrize(
    "event",
    [
        "openai_server_event_received",
        "openai_client_event_queued",
        "metrics_collected",
        "generation_created",
        "remote_item_added",
    ],
)
def test_a_listener_that_raises_harms_nobody(run: Run, event: Any) -> None:
    def broken(_: object) -> None:
        raise TypeError("a bug of the user's")

    async def main() -> None:
        async with talking() as talk:
            heard: list[object] = []
            talk.session.on(event, broken)
            talk.session.on(event, heard.append)

            assert (await talk.reply()).text == WORDS
            assert (await talk.reply()).text == WORDS
            assert len(heard) >= 2

    run(main())


def test_raw_events_may_be_sent_as_objects(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            talk.session.send_event(InputAudioBufferClearEvent(type="input_audio_buffer.clear"))
            with pytest.raises(ConfigurationError, match="event"):
                talk.session.send_event("input_audio_buffer.clear")
            with pytest.raises(ConfigurationError, match="event"):
                talk.session.send_event({"audio": "AAAA"})
            await talk.reply()

            assert len(talk.said(InputAudioBufferClear)) == 1

    run(main())


def test_frames_that_are_no_events_are_not_told(run: Run) -> None:
    async def main() -> None:
        async with talking("frame-not-json", "frame-array", "frame-binary") as talk:
            received: list[Any] = []
            talk.session.on("openai_server_event_received", received.append)
            await talk.reply()

            assert all(isinstance(event["type"], str) for event in received)

    run(main())


def test_others_may_announce_something_too(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            heard: list[object] = []
            talk.session.on("metrics_collected", heard.append)
            talk.session.emit("metrics_collected", "news")

            assert heard == ["news"]

    run(main())


def test_listeners_come_and_go(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            always: list[object] = []
            once: list[object] = []
            talk.session.on("generation_created")(always.append)
            talk.session.once("generation_created", once.append)
            await talk.reply()
            await talk.reply()
            talk.session.off("generation_created", always.append)
            await talk.reply()

            assert (len(always), len(once)) == (2, 1)

    run(main())


def test_a_coroutine_function_is_no_listener(run: Run) -> None:
    async def listener(_: object) -> None:
        """Never called."""

    async def main() -> None:
        async with talking() as talk:
            with pytest.raises(ValueError, match="async"):
                talk.session.on("error", listener)

    run(main())


# -- the beginning and the end --


def test_connecting_is_measured(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.reply()

            told = talk.metrics[0]
            assert isinstance(told, RealtimeModelMetrics)
            assert told.request_id == ""

    run(main())


def test_closing_settles_everything(run: Run) -> None:
    async def main() -> None:
        async with talking("silence-mid-audio") as talk:
            running = await talk.session.generate_reply()
            listening = asyncio.create_task(talk.listen(running, Heard()))
            waiting = talk.session.generate_reply()
            update = asyncio.create_task(talk.session.update_chat_ctx(messages("a")))
            await asyncio.sleep(0)
            await asyncio.gather(talk.session.aclose(), talk.session.aclose())
            await talk.session.aclose()

            heard = await listening
            assert isinstance(heard.outcome, Lost)
            assert heard.text
            for error in (waiting.exception(), (await asyncio.wait([update]))[0].pop().exception()):
                assert isinstance(error, llm.RealtimeError)
                assert error.code == "session_closed"
            assert talk.errors == []
            assert talk.peer.close_code == 1000

    run(main())


def test_after_closing_every_call_fails_at_once(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.session.aclose()
            ended_at = asyncio.get_running_loop().time()
            for call in (
                talk.session.generate_reply(),
                talk.session.update_chat_ctx(messages("a")),
                talk.session.update_instructions("Be brief."),
                talk.session.update_tools([weather]),
                talk.session.update_options(voice="cedar"),
            ):
                with pytest.raises(llm.RealtimeError) as caught:
                    await call
                assert caught.value.code == "session_closed"
            with pytest.raises(SessionEnded):
                talk.session.send_event({"type": "input_audio_buffer.clear"})
            talk.session.push_audio(microphone(speaking=0.5))
            talk.session.commit_audio()
            talk.session.clear_audio()
            talk.session.interrupt()
            talk.model.update_options(voice="cedar")
            talk.session.truncate(message_id="x", modalities=["audio"], audio_end_ms=1)

            assert asyncio.get_running_loop().time() == ended_at
            assert not talk.session.has_active_generation

    run(main())


@pytest.mark.parametrize("fault", ["refused-quota", "done-failed-quota", "quota-close"])
def test_an_error_that_no_request_survives_ends_the_session(run: Run, fault: str) -> None:
    async def main() -> None:
        async with talking(fault) as talk:
            heard = await talk.reply()

            assert heard.outcome is not None
            assert not isinstance(heard.outcome, Completed)
            assert talk.reports == [(False, "insufficient_quota")]
            with pytest.raises(llm.RealtimeError) as caught:
                await talk.session.generate_reply()
            assert caught.value.code == "insufficient_quota"

    run(main())


@pytest.mark.parametrize("fault", ["abort", "close-1000", "close-1008", "close-1011", "expiry"])
def test_a_lost_connection_ends_replies_and_streams_and_the_session_goes_on(
    run: Run, fault: str
) -> None:
    async def main() -> None:
        async with talking(fault) as talk:
            heard = await talk.reply()
            assert isinstance(heard.outcome, Lost)
            assert heard.text
            assert heard.modalities == [["audio", "text"]]
            assert [told.recoverable for told in talk.errors] == [True]

            assert (await talk.reply()).text == WORDS
            assert len(talk.errors) == 1

    run(main())


def test_a_connection_that_is_given_up_ends_the_session(run: Run) -> None:
    async def main() -> None:
        async with talking("abort", conn_options=ONCE) as talk:
            heard = await talk.reply()

            assert isinstance(heard.outcome, Lost)
            assert heard.modalities == [["audio", "text"]]
            assert talk.reports == [(False, "session_ended")]
            with pytest.raises(SessionEnded):
                await talk.session.generate_reply()

    run(main())


def test_a_refused_key_is_told_as_such(run: Run) -> None:
    async def main() -> None:
        async with serve(api_key="right") as server:
            session = RealtimeModel(base_url=server.url, api_key="wrong-and-secret").session()
            error = first(session, "error")
            with pytest.raises(llm.RealtimeError) as caught:
                await session.generate_reply()
            assert not (await error).recoverable
            assert "wrong-and-secret" not in str(caught.value)
            await session.aclose()

    run(main())
