"""The chat context and the server's conversation, over a real socket."""

from __future__ import annotations

import asyncio
import logging

import pytest
from livekit import rtc
from livekit.agents import llm

from rejoinder.testing import Run
from rejoinder.wire.client_events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
)
from tests.livekit.far_end import face_to_face
from tests.livekit.talk import Talk, first, messages, renaming, talking


def on_the_server(talk: Talk) -> list[str]:
    return [item.id or "" for item in talk.peer.core.conversation.items()]


def test_the_servers_conversation_follows_the_chat_context(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            added: list[llm.RemoteItemAddedEvent] = []
            talk.session.on("remote_item_added", added.append)

            await talk.session.update_chat_ctx(messages("a", "b", "c"))
            assert on_the_server(talk) == ["item_a", "item_b", "item_c"]
            assert [told.previous_item_id for told in added] == [None, "item_a", "item_b"]

            await talk.session.update_chat_ctx(messages("c", "d", "a"))
            assert on_the_server(talk) == ["item_c", "item_d", "item_a"]
            assert [item.id for item in talk.session.chat_ctx.items] == on_the_server(talk)

            await talk.session.update_chat_ctx(talk.session.chat_ctx)
            assert len(talk.said(ConversationItemCreate)) == 5
            assert len(talk.said(ConversationItemDelete)) == 2

    run(main())


def test_a_refused_item_does_not_fail_the_others(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with talking() as talk:
            wanted = messages("a", "b")
            wanted.items.insert(
                1, llm.ChatMessage(id="no good id", role="user", content=["refused"])
            )
            wanted.items.pop()
            wanted.items.append(
                llm.FunctionCallOutput(id="item_o", call_id="c", output="?", is_error=False)
            )
            with caplog.at_level(logging.WARNING, logger="rejoinder.livekit"):
                await talk.session.update_chat_ctx(wanted)

            assert on_the_server(talk) == ["item_a"]
            assert "refused a change of the chat context" in caplog.text

    run(main())


def test_an_item_that_cannot_be_written_down_is_left_out(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with talking() as talk:
            wanted = messages("a")
            wanted.items.append(
                llm.ChatMessage(id="item_b", role="user", content=["half a pair: \ud800"])
            )
            with caplog.at_level(logging.WARNING, logger="rejoinder.livekit"):
                await talk.session.update_chat_ctx(wanted)

            assert on_the_server(talk) == ["item_a"]
            assert "cannot be sent" in caplog.text

    run(main())


def test_an_update_during_another_one_repeats_nothing(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await asyncio.gather(
                talk.session.update_chat_ctx(messages("a", "b")),
                talk.session.update_chat_ctx(messages("a", "b", "c")),
                talk.session.update_chat_ctx(messages("b", "c")),
            )

            assert on_the_server(talk) == ["item_b", "item_c"]
            assert len(talk.said(ConversationItemCreate)) == 3
            assert len(talk.said(ConversationItemDelete)) == 1

    run(main())


def test_items_of_the_context_stay_the_same_while_nothing_changes(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_chat_ctx(messages("a", "b"))
            before = talk.session.chat_ctx
            await talk.reply()
            after = talk.session.chat_ctx

            assert after.items[0] is before.items[0]
            assert after.items is not before.items

    run(main())


def test_truncation(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.reply()
            message = talk.session.chat_ctx.items[0]
            talk.session.truncate(message_id=message.id, modalities=["audio"], audio_end_ms=700)
            heard = llm.ChatMessage(id=message.id, role="assistant", content=["Good morning"])
            await talk.session.update_chat_ctx(llm.ChatContext([heard]))

            assert [event.audio_end_ms for event in talk.said(ConversationItemTruncate)] == [700]
            assert talk.said(ConversationItemDelete) == []
            assert talk.said(ConversationItemCreate) == []
            kept = talk.session.chat_ctx.items[0]
            assert isinstance(kept, llm.ChatMessage)
            assert kept.content == []

            talk.session.truncate(message_id=message.id, modalities=["audio"], audio_end_ms=0)
            await talk.reply()
            assert message.id not in on_the_server(talk)

    run(main())


def test_truncation_of_a_written_reply(run: Run) -> None:
    async def main() -> None:
        async with talking(modalities=["text"]) as talk:
            await talk.reply()
            message = talk.session.chat_ctx.items[0]
            talk.session.truncate(
                message_id=message.id,
                modalities=["text"],
                audio_end_ms=0,
                audio_transcript="Good morning",
            )
            await talk.reply()

            kept = talk.session.chat_ctx.items[0]
            assert isinstance(kept, llm.ChatMessage)
            assert (kept.id, kept.content) == (message.id, ["Good morning"])

    run(main())


FRAME = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))


@pytest.mark.parametrize("renames", [False, True])
def test_an_item_is_told_to_stand_behind_one_that_was_told(run: Run, renames: bool) -> None:
    async def main() -> None:
        async with talking(*(renaming() if renames else ())) as talk:
            added: list[llm.RemoteItemAddedEvent] = []
            talk.session.on("remote_item_added", added.append)
            talk.session.push_video(FRAME)
            await talk.session.update_chat_ctx(messages("a", "b"))
            talk.session.push_video(FRAME)
            await talk.reply()

            told = [event.item.id for event in added]
            assert [event.previous_item_id for event in added] == [None, *told[:-1]]
            assert told[:2] == ["item_a", "item_b"]
            assert len(told) == 3

    run(main())


def test_what_is_said_after_a_frame_stands_behind_it(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            talk.session.push_video(FRAME)
            await talk.session.update_chat_ctx(messages("a"))
            talk.session.push_video(FRAME)
            await talk.session.update_chat_ctx(messages("a", "b", "c"))
            await talk.session.update_chat_ctx(messages("a", "x", "b", "c"))

            first, second = (
                i for i in on_the_server(talk) if not i.startswith("item_"[:5]) or len(i) > 7
            )
            assert on_the_server(talk) == [first, "item_a", "item_x", second, "item_b", "item_c"]

    run(main())


def test_what_moves_goes_where_it_belongs_though_a_frame_is_last(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_chat_ctx(messages("a", "c", "b"))
            talk.session.push_video(FRAME)
            await talk.session.update_chat_ctx(messages("a", "c", "b"))
            await talk.session.update_chat_ctx(messages("b", "x", "a", "c"))
            order = [item.id for item in talk.session.chat_ctx.items if item.type == "message"]
            assert [item_id for item_id in order if len(item_id) == len("item_a")] == [
                "item_b",
                "item_x",
                "item_a",
                "item_c",
            ]

    run(main())


def test_nothing_depends_on_a_frame_that_the_server_may_refuse(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            face.session.push_video(FRAME)
            update = asyncio.ensure_future(face.session.update_chat_ctx(messages("a")))
            frame = await face.peer.hear("conversation.item.create")
            create = await face.peer.hear("conversation.item.create")
            assert create["item"]["id"] == "item_a"
            assert "previous_item_id" not in frame
            assert "previous_item_id" not in create
            error = {"type": "invalid_request_error", "message": "no images"}
            await face.peer.say("error", error={**error, "event_id": frame["event_id"]})
            await face.peer.say("conversation.item.added", item=create["item"])
            await update
            assert [item.id for item in face.session.chat_ctx.items] == ["item_a"]

    run(main())


def test_the_name_of_an_item_that_has_left_is_forgotten(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            said = {"type": "message", "role": "user", "content": [{"text": "a"}]}
            for _ in range(2):
                update = asyncio.ensure_future(face.session.update_chat_ctx(messages("a")))
                create = await face.peer.hear("conversation.item.create")
                assert create["item"]["id"] == "item_a"
                await face.peer.say("conversation.item.added", item={**said, "id": "theirs"})
                await update
                left = asyncio.ensure_future(face.session.update_chat_ctx(messages()))
                assert (await face.peer.hear("conversation.item.delete"))["item_id"] == "theirs"
                await face.peer.say("conversation.item.deleted", item_id="theirs")
                await left
            await face.peer.say("conversation.item.added", item={**said, "id": "theirs"})
            await first(face.session, "remote_item_added")

            assert [item.id for item in face.session.chat_ctx.items] == ["theirs"]

    run(main())
