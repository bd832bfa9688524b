"""What the official SDK says into our server's ear."""

from __future__ import annotations

from rejoinder.demo.script import recording
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.testing import Run, Serve
from tests.foreign.sdk import calling

HOURS = "We are open from nine to six."
QUESTION = "What are your opening hours?"
SILENCE = bytes(48_000)
SCRIPT = Script(Turn(QUESTION, Speech(HOURS)))
VAD = {"type": "server_vad", "silence_duration_ms": 500}
TRANSCRIBED = "conversation.item.input_audio_transcription"


def test_a_turn_is_committed_by_hand(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server(SCRIPT) as server, calling(server) as caller:
            await caller.update(audio={"input": {"turn_detection": None}})
            await caller.speak(recording("question-1"))
            await caller.connection.input_audio_buffer.commit()
            committed = await caller.until("input_audio_buffer.committed")
            done = await caller.until("conversation.item.done")
            assert done.item.id == committed.item_id
            assert done.item.content[0].type == "input_audio"
            assert done.item.content[0].audio is None
            response = await caller.reply()
            assert response.output[0].content[0].transcript == HOURS
            assert caller.told(f"{TRANSCRIBED}.completed") == []

    run(main())


def test_a_turn_is_detected_and_answered(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server(SCRIPT) as server, calling(server) as caller:
            await caller.update(audio={"input": {"turn_detection": VAD}})
            await caller.speak(SILENCE + recording("question-1") + SILENCE)
            started = await caller.until("input_audio_buffer.speech_started")
            stopped = await caller.until("input_audio_buffer.speech_stopped")
            committed = await caller.until("input_audio_buffer.committed")
            added = await caller.until("conversation.item.added")
            await caller.until("conversation.item.done")
            response = (await caller.until("response.done")).response
            ids = {started.item_id, stopped.item_id, committed.item_id, added.item.id}
            assert len(ids) == 1
            assert 500 <= started.audio_start_ms < stopped.audio_end_ms
            assert response.output[0].content[0].transcript == HOURS

    run(main())


def test_a_turn_is_transcribed_word_by_word(run: Run, realtime_server: Serve) -> None:
    hearing = {"turn_detection": VAD, "transcription": {"model": "gpt-4o-mini-transcribe"}}

    async def main() -> None:
        async with realtime_server(SCRIPT) as server, calling(server) as caller:
            await caller.update(audio={"input": hearing})
            await caller.speak(recording("question-1") + SILENCE)
            committed = await caller.until("input_audio_buffer.committed")
            completed = await caller.until(f"{TRANSCRIBED}.completed")
            assert completed.item_id == committed.item_id
            assert completed.transcript == caller.text(f"{TRANSCRIBED}.delta") == QUESTION
            assert len(caller.told(f"{TRANSCRIBED}.delta")) > 1
            assert completed.usage.type == "tokens"

    run(main())


def test_a_reply_is_interrupted_by_speech(run: Run, realtime_server: Serve) -> None:
    script = Script(
        Turn(QUESTION, Speech(HOURS, lasting=10.0, pace=1.0)), Turn("Stop.", Speech("As you wish."))
    )

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            await caller.update(audio={"input": {"turn_detection": VAD}})
            await caller.speak(recording("question-1") + SILENCE)
            first = await caller.until("response.output_audio.delta")
            await caller.speak(recording("question-2") + SILENCE)
            await caller.until("input_audio_buffer.speech_started")
            cut = (await caller.until("response.done")).response
            assert (cut.id, cut.status) == (first.response_id, "cancelled")
            assert cut.status_details.reason == "turn_detected"
            following = (await caller.until("response.done")).response
            assert following.output[0].content[0].transcript == "As you wish."

    run(main())


def test_too_little_to_commit_is_refused_and_a_clear_forgets(
    run: Run, realtime_server: Serve
) -> None:
    async def main() -> None:
        async with realtime_server(SCRIPT) as server, calling(server) as caller:
            await caller.update(audio={"input": {"turn_detection": None}})
            await caller.speak(SILENCE)
            await caller.connection.input_audio_buffer.clear()
            await caller.until("input_audio_buffer.cleared")
            await caller.connection.input_audio_buffer.commit(event_id="empty")
            refusal = await caller.refusal()
            assert refusal.code == "input_audio_buffer_commit_empty"
            assert refusal.event_id == "empty"

    run(main())


def test_a_silent_user_is_spoken_to(run: Run, realtime_server: Serve) -> None:
    vad = {**VAD, "idle_timeout_ms": 5000}
    script = Script(Turn(QUESTION, Speech(HOURS)), Turn(None, Speech("Are you still there?")))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            await caller.update(audio={"input": {"turn_detection": vad}})
            await caller.speak(recording("question-1") + SILENCE)
            await caller.until("response.done")
            await caller.speak(SILENCE * 6)
            timeout = await caller.until("input_audio_buffer.timeout_triggered")
            assert timeout.audio_end_ms > timeout.audio_start_ms
            assert (await caller.until("input_audio_buffer.committed")).item_id == timeout.item_id
            response = (await caller.until("response.done")).response
            assert response.output[0].content[0].transcript == "Are you still there?"

    run(main())
