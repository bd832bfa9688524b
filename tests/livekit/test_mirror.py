"""The chat context as the server's own events make it, over a real socket."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from livekit import rtc
from livekit.agents import llm

from rejoinder.server.script import Script, Speech, Text, Turn
from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemCreate
from tests.livekit.far_end import Face, face_to_face
from tests.livekit.talk import first, messages, talking

CALL: dict[str, Any] = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "weather"}


async def joins(face: Face, item: dict[str, Any], previous: str | None = None) -> None:
    """An item joins the conversation; returns when it has been told."""
    told = first(face.session, "remote_item_added")
    await face.peer.say("conversation.item.added", item=item, previous_item_id=previous)
    await told


def message(item_id: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": item_id}]
    return {"id": item_id, "type": "message", "role": "user", "content": content}


def test_the_arguments_of_a_call_follow_with_its_end(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            asking = asyncio.ensure_future(face.reply())
            await face.peer.begin("r1")
            await joins(face, {**CALL, "status": "in_progress", "arguments": ""})
            whole = {**CALL, "status": "completed", "arguments": '{"city":"Rome"}'}
            await face.peer.say(
                "response.output_item.done", response_id="r1", output_index=0, item=whole
            )
            await face.peer.done("r1")
            await asking

            (call,) = face.session.chat_ctx.items
            assert isinstance(call, llm.FunctionCall)
            assert call.arguments == '{"city":"Rome"}'

    run(main())


def test_an_item_after_an_unknown_one_goes_to_the_end(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            await joins(face, message("a"))
            await joins(face, message("b"), "a")
            await joins(face, message("c"), "never heard of")
            await joins(face, message("d"), "a")

            assert [item.id for item in face.session.chat_ctx.items] == ["a", "d", "b", "c"]

    run(main())


def test_an_item_that_is_there_already_counts_as_created(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            updating = asyncio.ensure_future(face.session.update_chat_ctx(messages("a")))
            asked = await face.peer.hear("conversation.item.create")
            code, event_id = "item_create_duplicate_item_id", asked["event_id"]
            loop = asyncio.get_running_loop()
            began_at = loop.time()
            await face.peer.say("error", error={"code": code, "event_id": event_id})
            await updating

            assert asked["previous_item_id"] == "root"
            assert loop.time() == began_at
            assert face.errors == []

    run(main())


def test_what_the_user_shows_and_says_goes_as_data(run: Run) -> None:
    frame = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))
    heard = rtc.AudioFrame(bytes(range(240)) * 2, 24_000, 1, 240)
    shown = llm.ImageContent(image=frame)
    spoken = llm.AudioContent(frame=[heard], transcript="Look.")
    user = llm.ChatMessage(id="item_u", role="user", content=["See?", shown, spoken])

    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_chat_ctx(llm.ChatContext([user]))

            (create,) = talk.said(ConversationItemCreate)
            text, image, audio = create.item.content
            assert text.text == "See?"
            kind, _, data = image.image_url.partition(";base64,")
            assert kind == "data:image/jpeg"
            assert base64.b64decode(data).startswith(b"\xff\xd8")
            assert (audio.audio, audio.transcript) == (bytes(range(240)) * 2, "Look.")

    run(main())


def test_a_reply_of_several_messages_says_what_each_consists_of(run: Run) -> None:
    script = Script(otherwise=Turn(None, Text("Written."), Speech("Spoken.")))

    async def main() -> None:
        async with talking(script=script) as talk:
            heard = await talk.reply()

            assert heard.text == "Written.Spoken."
            assert heard.modalities == [["text"], ["audio", "text"]]
            items = [item for item in talk.session.chat_ctx.items if item.type == "message"]
            assert [item.text_content for item in items] == ["Written.", "Spoken."]

    run(main())
