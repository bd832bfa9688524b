"""Items of our server's conversation in the hands of the official SDK."""

from __future__ import annotations

import base64
from typing import Any

from openai.resources.realtime.realtime import AsyncRealtimeConversationItemResource

from rejoinder.demo.script import recording
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.testing import Run, Serve
from tests.foreign.sdk import Caller, calling

HOURS = "We are open from nine to six."
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def items(caller: Caller) -> AsyncRealtimeConversationItemResource:
    return caller.connection.conversation.item


def message(role: str, kind: str, text: str, **members: Any) -> Any:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **members}


IMAGE: Any = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_image", "image_url": PIXEL, "detail": "low"}],
}
CALL: Any = {"type": "function_call", "name": "look", "arguments": "{}", "call_id": "call_1"}
OUTPUT: Any = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
KEPT = [
    message("system", "input_text", "Be brief."),
    message("user", "input_text", "Hello."),
    message("assistant", "output_text", "Hi."),
    IMAGE,
    CALL,
    OUTPUT,
]


def test_messages_of_every_role_and_kind_are_kept(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server() as server, calling(server) as caller:
            last = None
            for item in KEPT:
                await items(caller).create(item=item)
                added = await caller.until("conversation.item.added")
                done = await caller.until("conversation.item.done")
                assert added.previous_item_id == done.previous_item_id == last
                assert added.item.id == done.item.id
                assert done.item.status == "completed"
                last = done.item.id
            kinds = [event.item.type for event in caller.told("conversation.item.done")]
            assert kinds == [item["type"] for item in KEPT]

    run(main())


def test_an_item_goes_where_it_is_told(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server() as server, calling(server) as caller:
            for name, before in (("first", None), ("second", "first"), ("zeroth", "root")):
                item = message("user", "input_text", name, id=name)
                placed: Any = {} if before is None else {"previous_item_id": before}
                await items(caller).create(item=item, **placed)
                added = await caller.until("conversation.item.added")
                assert added.item.id == name
                assert added.previous_item_id == (None if before == "root" else before)
            await caller.until("conversation.item.done")
            names = [item.id for item in server.sessions[0].conversation.items()]
            assert names == ["zeroth", "first", "second"]

    run(main())


SOUND: Any = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_audio", "audio": "AAAA"}],
}
ORPHAN: Any = {"type": "function_call_output", "call_id": "call_nobody", "output": ""}
REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (message("user", "input_text", "a", id="x" * 33), {}, "string_above_max_length"),
    (message("user", "input_text", "a", id="a b"), {}, "invalid_value"),
    (message("user", "output_text", "a"), {}, "invalid_value"),
    (SOUND, {}, "missing_required_parameter"),
    (
        message("user", "input_text", "a"),
        {"previous_item_id": "nobody"},
        "item_create_invalid_previous_item_id",
    ),
]


def test_what_cannot_be_created_is_refused(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server() as server, calling(server) as caller:
            await caller.until("session.created")
            for number, (item, where, code) in enumerate(REFUSED):
                await items(caller).create(item=item, event_id=f"e{number}", **where)
                refusal = await caller.refusal()
                assert (refusal.code, refusal.event_id) == (code, f"e{number}")
            await items(caller).create(item=ORPHAN, event_id="late")
            refusal = await caller.refusal()
            assert (refusal.code, refusal.event_id) == ("invalid_tool_call_id", None)
            assert "call_nobody" in refusal.message

    run(main())


def test_an_answer_is_retrieved_truncated_and_deleted(run: Run, realtime_server: Serve) -> None:
    spoken = recording("answer-1")
    script = Script(Turn("open", Speech(HOURS, spoken)))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            answer = (await caller.ask("When are you open?")).output[0].id
            await items(caller).retrieve(item_id=answer)
            (part,) = (await caller.until("conversation.item.retrieved")).item.content
            assert base64.b64decode(part.audio) == spoken
            assert part.transcript == HOURS

            await items(caller).truncate(item_id=answer, content_index=0, audio_end_ms=500)
            truncated = await caller.until("conversation.item.truncated")
            assert (truncated.item_id, truncated.audio_end_ms) == (answer, 500)
            await items(caller).retrieve(item_id=answer)
            (part,) = (await caller.until("conversation.item.retrieved")).item.content
            assert base64.b64decode(part.audio) == spoken[:24_000]
            assert not part.transcript

            await items(caller).delete(item_id=answer)
            assert (await caller.until("conversation.item.deleted")).item_id == answer
            await items(caller).delete(item_id=answer, event_id="twice")
            refusal = await caller.refusal()
            assert (refusal.code, refusal.event_id) == ("item_delete_invalid_item_id", "twice")

    run(main())


def test_what_cannot_be_edited_is_refused(run: Run, realtime_server: Serve) -> None:
    script = Script(Turn("open", Speech(HOURS, lasting=1.0)))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            response = await caller.ask("When are you open?")
            await caller.until("rate_limits.updated")
            question = caller.told("conversation.item.added")[0].item.id
            answer = response.output[0].id
            for item_id, end_ms, code in (
                (answer, 1001, "invalid_value"),
                (question, 0, None),
                ("nobody", 0, "item_truncate_invalid_item_id"),
            ):
                await items(caller).truncate(
                    item_id=item_id, content_index=0, audio_end_ms=end_ms, event_id="t"
                )
                refusal = await caller.refusal()
                assert (refusal.code, refusal.event_id) == (code, "t")
            await items(caller).retrieve(item_id="nobody", event_id="r")
            refusal = await caller.refusal()
            assert (refusal.code, refusal.event_id) == ("item_retrieve_invalid_item_id", "r")

    run(main())
