"""What is lost, or grows without bound, elsewhere: rows D and M of `docs/faults.md`."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import llm

from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemCreate, ConversationItemDelete
from tests.core.stage import Stage, echoing
from tests.livekit.far_end import face_to_face
from tests.livekit.promise import under, unharmed
from tests.livekit.talk import (
    VAD,
    WORDS,
    Heard,
    Talk,
    first,
    messages,
    microphone,
    renaming,
    talking,
    transcripts_of,
)

MANY = 1_000


@pytest.mark.parametrize("fault", ["late-item", "no-item", "foreign-delta"])
def test_d6_deltas_before_their_item_or_of_a_foreign_one(run: Run, fault: str) -> None:
    under(run, fault, unharmed)


def test_d6_deltas_after_their_item() -> None:
    stage = echoing()
    stage.ask()
    stage.created()
    stage.item()
    stage.text("Said ")
    item = {"id": "i1", "type": "message", "role": "assistant", "status": "completed"}
    stage.hear("response.output_item.done", response_id="r1", output_index=0, item=item)
    stage.text("late.")
    stage.done()

    assert stage.outcome().delivered.text == "Said late."


@pytest.mark.parametrize("fault", ["done-without-created", "done-failed@instead-created"])
def test_d8_usage_of_a_response_that_never_began(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert heard.outcome is not None
        assert [told.request_id for told in talk.usage] == [heard.outcome.response_id]

    under(run, fault, look)


def test_d8_usage_of_a_reply_that_nobody_wanted_any_more(run: Run) -> None:
    usage = {"total_tokens": 7, "input_tokens": 5, "output_tokens": 2}

    async def main() -> None:
        async with face_to_face() as face:
            peer, future = face.peer, face.session.generate_reply()
            asked = await peer.hear("response.create")
            future.cancel()
            await peer.created("r_late", metadata=asked["response"]["metadata"])
            await peer.hear("response.cancel")
            told = first(face.session, "metrics_collected")
            await peer.done("r_late", "cancelled", usage=usage)

            assert (await told).request_id == "r_late"
            assert (await told).total_tokens == 7

    run(main())


def test_m1_audio_for_a_session_that_is_dead(run: Run) -> None:
    async def main() -> None:
        async with talking("refused-quota") as talk:
            await talk.reply()
            assert talk.reports == [(False, "insufficient_quota")]
            second = microphone(speaking=1.0)
            talk.session.push_audio(second)
            tracemalloc.start()
            for _ in range(60):
                talk.session.push_audio(second)
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()

            assert kept < 500_000  # a minute of audio is 2.9 MB

    run(main())


def test_m2_turns_that_nobody_transcribes() -> None:
    stage = Stage()
    for number in range(MANY):
        turn = {"item_id": f"u{number}"}
        stage.hear("input_audio_buffer.speech_started", audio_start_ms=0, **turn)
        stage.hear("input_audio_buffer.speech_stopped", audio_end_ms=0, **turn)
        stage.hear("input_audio_buffer.committed", **turn)

    assert len(stage.session.state.input_audio.heard_at) < MANY // 10


def test_m4_requests_given_up_and_never_answered() -> None:
    stage = echoing()
    for number in range(3 * MANY):
        stage.cancel(stage.ask(f"given-up-{number}"))
    responses = stage.session.state.responses
    assert len(responses.machines) < MANY

    stage.wait(120.0)
    assert responses.machines == {}
    assert len(responses.past) < 2 * MANY
    assert stage.next_reply_works()


@pytest.mark.parametrize("argument", [{"tool_choice": 3}, {"instructions": "half a pair: \ud800"}])
def test_m5_a_request_that_cannot_be_made(run: Run, argument: dict[str, Any]) -> None:
    async def main() -> None:
        async with talking() as talk:
            future = talk.session.generate_reply(**argument)

            with pytest.raises(llm.RealtimeError) as caught:
                await future
            assert caught.value.code == "invalid_request"
            assert not talk.session.has_active_generation
            assert (await talk.reply()).text == WORDS

    run(main())


def test_d7_a_transcription_that_fails_before_its_first_word(run: Run) -> None:
    async def main() -> None:
        async with talking("transcription-failed", turn_detection=VAD) as talk:
            told = await transcripts_of(talk)

            assert [event.is_final for event in told].count(True) == 1
            assert told[-1].item_id == talk.session.chat_ctx.items[0].id
            assert talk.errors == []

    run(main())


FRAME = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))


def test_m3_a_video_for_hours_leaves_nothing_behind(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            for _ in range(60):
                talk.session.push_video(FRAME)
                await talk.session.update_chat_ctx(llm.ChatContext.empty())

            frames = [event.item.id for event in talk.said(ConversationItemCreate)]
            assert len(frames) == 60
            deleted = [event.item_id for event in talk.said(ConversationItemDelete)]
            assert deleted == frames[:28]
            assert [item.id for item in talk.session.chat_ctx.items] == frames[28:]

    run(main())


def test_m3_frames_are_known_under_another_id_too(run: Run) -> None:
    async def main() -> None:
        async with talking(*renaming()) as talk:
            added: list[llm.RemoteItemAddedEvent] = []
            talk.session.on("remote_item_added", added.append)
            for _ in range(32):
                talk.session.push_video(FRAME)
                await talk.session.update_chat_ctx(messages("a"))

            assert talk.said(ConversationItemDelete) == []
            assert len(talk.session.chat_ctx.items) == 33
            assert [told.item.id for told in added] == ["item_a"]

    run(main())


def test_m3_a_video_without_end(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            added: list[llm.RemoteItemAddedEvent] = []
            talk.session.on("remote_item_added", added.append)
            await talk.session.update_chat_ctx(messages("a"))
            for _ in range(40):
                talk.session.push_video(FRAME)
            await talk.session.update_chat_ctx(messages("a", "b"))
            await talk.reply()

            items = talk.peer.core.conversation.items()
            frames = [i.id for i in items if i.content and i.content[0].type == "input_image"]
            shown = [event.item.id for event in talk.said(ConversationItemCreate)][1:41]
            assert frames == shown[-32:]
            mirrored = [item.id for item in talk.session.chat_ctx.items]
            assert mirrored == [item.id for item in items]
            assert [told.item.id for told in added][:2] == ["item_a", "item_b"]
            assert not {told.item.id for told in added} & set(shown)
            assert talk.errors == []

    run(main())
