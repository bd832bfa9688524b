"""What comes again and again is told once, and nothing grows with it."""

from __future__ import annotations

import pytest
from livekit import rtc
from livekit.agents import llm
from livekit.agents.metrics import STTMetrics

from rejoinder.server.script import Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemCreate
from tests.livekit.talk import VAD, WORDS, messages, talking, transcripts_of


@pytest.mark.parametrize("event_ids", ["theirs", "none"])
def test_a_transcript_that_comes_twice_is_told_once(run: Run, event_ids: str) -> None:
    faults = ["duplicate-transcription", *(["no-event-ids"] if event_ids == "none" else [])]

    async def main() -> None:
        script = Script(Turn("What time is it?", Speech(WORDS)))
        async with talking(*faults, script=script, turn_detection=VAD) as talk:
            told = await transcripts_of(talk)
            await talk.reply()

            assert [event.is_final for event in told].count(True) == 1
            item = talk.session.chat_ctx.items[0]
            assert isinstance(item, llm.ChatMessage)
            assert item.content == ["What time is it?"]
            assert len([told for told in talk.metrics if isinstance(told, STTMetrics)]) == 1

    run(main())


def test_of_a_video_the_newest_frames_stay_and_none_is_the_agents_history(run: Run) -> None:
    frame = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))

    async def main() -> None:
        async with talking() as talk:
            added: list[llm.RemoteItemAddedEvent] = []
            talk.session.on("remote_item_added", added.append)
            await talk.session.update_chat_ctx(messages("a"))
            for _ in range(40):
                talk.session.push_video(frame)
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
