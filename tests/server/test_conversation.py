"""Items: what may join the conversation, where, and what becomes of it there."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.server.audio import SPEECH
from rejoinder.server.conversation import Conversation, Entry
from rejoinder.server.script import Call, Script, Speech, Turn
from rejoinder.wire import server_events as events
from rejoinder.wire.items import ContentPart, Item
from tests.server.desk import Desk, base64_of, every, only, refusal, types

PCM = bytes(range(256)) * 75  # 0.4 s


def order(desk: Desk) -> list[str]:
    return [item.id or "" for item in desk.session.conversation.items()]


def create(desk: Desk, item: dict[str, Any], **members: Any) -> list[Any]:
    return desk.say("conversation.item.create", event_id="c1", item=item, **members)


def message(role: str = "user", *content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(content)}


TEXT = {"type": "input_text", "text": "hello"}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}


# -- creating --


def test_an_item_is_added_and_done_with_an_id_and_a_status() -> None:
    desk = Desk()
    added, done = create(desk, message("user", TEXT))
    assert isinstance(added, events.ConversationItemAdded)
    assert isinstance(done, events.ConversationItemDone)
    assert added.item == done.item
    assert (added.item.status, added.item.object) == ("completed", "realtime.item")
    assert added.previous_item_id is None
    assert added.item.content == [ContentPart(type="input_text", text="hello")]
    assert order(desk) == [added.item.id]


def test_where_an_item_goes() -> None:
    desk = Desk()
    for name in ("a", "b"):
        desk.write(name, id=name)
    for after, name, before in (
        ("root", "first", None),
        ("a", "middle", "a"),
        ("", "end", "b"),
        (None, "last", "end"),
    ):
        told = create(desk, {**message("user", TEXT), "id": name}, previous_item_id=after)
        assert only(events.ConversationItemAdded, told).previous_item_id == before
        assert only(events.ConversationItemDone, told).previous_item_id == before
    assert order(desk) == ["first", "a", "middle", "b", "end", "last"]


def test_an_unknown_predecessor_is_refused() -> None:
    desk = Desk()
    error = refusal(create(desk, message("user", TEXT), previous_item_id="nobody"))
    assert (error.code, error.event_id) == ("item_create_invalid_previous_item_id", "c1")
    assert "does not exist" in (error.message or "")
    assert order(desk) == []


@pytest.mark.parametrize(
    "item",
    [
        message("system", TEXT),
        message("user", TEXT, {**PICTURE, "detail": "high"}),
        message("assistant", {"type": "output_text", "text": "Hi."}),
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"},
    ],
)
def test_what_a_client_may_say(item: dict[str, Any]) -> None:
    assert types(create(Desk(), item)) == ["conversation.item.added", "conversation.item.done"]


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({"type": "item_reference", "id": "x"}, "invalid_value", "item.type"),
        ({"type": "message", "content": []}, "missing_required_parameter", "item.role"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
        (message("judge", TEXT), "invalid_value", "item.role"),
        (message("assistant", TEXT), "invalid_value", "item.content[0].type"),
        (
            message("assistant", {"type": "text", "text": "x"}),
            "invalid_value",
            "item.content[0].type",
        ),
        (
            message("assistant", {"type": "output_audio", "audio": "AAAA"}),
            "missing_required_parameter",
            "item.content[0].text",
        ),
        (
            message("user", TEXT, {"type": "input_audio"}),
            "missing_required_parameter",
            "item.content[1].audio",
        ),
        (
            message("user", {"type": "input_image", "image_url": "https://example.com/a.png"}),
            "invalid_value",
            "item.content[0].image_url",
        ),
        (
            message("user", {**PICTURE, "detail": "exquisite"}),
            "invalid_value",
            "item.content[0].detail",
        ),
        ({**message("user", TEXT), "id": "x" * 33}, "string_above_max_length", "item.id"),
        ({**message("user", TEXT), "id": "no spaces"}, "invalid_value", "item.id"),
        ({"type": "function_call", "name": "f"}, "missing_required_parameter", "item.arguments"),
        (
            {"type": "function_call", "name": "f", "arguments": "", "call_id": "c" * 33},
            "string_above_max_length",
            "item.call_id",
        ),
        (
            {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True},
            "invalid_value",
            "item.approval_request_id",
        ),
        (
            {"type": "function_call_output", "output": ""},
            "missing_required_parameter",
            "item.call_id",
        ),
    ],
)
def test_what_a_client_may_not_say(item: dict[str, Any], code: str, param: str) -> None:
    desk = Desk()
    error = refusal(create(desk, item))
    assert (error.code, error.param, error.event_id) == (code, param, "c1")
    assert order(desk) == []


def test_an_id_is_used_once() -> None:
    desk = Desk()
    desk.write("a", id="item_1")
    assert refusal(desk.write("b", id="item_1")).code == "item_create_duplicate_item_id"


def test_the_server_makes_no_id_that_the_client_has_taken() -> None:
    desk = Desk()
    desk.write("replayed", id="item_c1_0001")
    (added, _) = desk.write("new")
    assert isinstance(added, events.ConversationItemAdded)
    assert added.item.id == "item_c1_0002"


def test_an_output_needs_its_call_and_the_refusal_names_nobody() -> None:
    desk = Desk()
    output = {"type": "function_call_output", "call_id": "call_9", "output": "4"}
    error = refusal(create(desk, output))
    assert (error.code, error.event_id) == ("invalid_tool_call_id", None)
    assert "call_9" in (error.message or "")
    create(desk, {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_9"})
    assert len(create(desk, output)) == 2


def test_a_call_without_an_id_gets_one() -> None:
    added, _ = create(Desk(), {"type": "function_call", "name": "f", "arguments": "{}"})
    assert added.item.call_id.startswith("call_")


# -- retrieving and deleting --


def test_sound_is_given_back_by_retrieve_alone() -> None:
    desk = Desk()
    sound = {"type": "input_audio", "audio": base64_of(PCM), "transcript": "hm"}
    added, done = create(desk, {**message("user", TEXT, sound), "id": "u1"})
    assert added.item.content[1] == ContentPart(type="input_audio", transcript="hm")
    assert done.item == added.item
    (retrieved,) = desk.say("conversation.item.retrieve", item_id="u1")
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item.content
    assert retrieved.item.content[1].audio == PCM


def test_an_item_without_sound_is_retrieved_as_it_is() -> None:
    desk = Desk()
    added, _ = create(desk, {"type": "function_call", "name": "f", "arguments": "{}", "id": "f1"})
    (retrieved,) = desk.say("conversation.item.retrieve", item_id="f1")
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item == added.item


def test_a_deleted_item_is_gone() -> None:
    desk = Desk()
    desk.write("a", id="item_1")
    (deleted,) = desk.say("conversation.item.delete", item_id="item_1")
    assert isinstance(deleted, events.ConversationItemDeleted)
    assert deleted.item_id == "item_1"
    assert order(desk) == []
    again = refusal(desk.say("conversation.item.delete", event_id="c2", item_id="item_1"))
    assert (again.code, again.param, again.event_id) == ("item_delete_invalid_item_id", None, "c2")


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("retrieve", {}),
        ("delete", {}),
        ("truncate", {"content_index": 0, "audio_end_ms": 10}),
    ],
)
def test_an_unknown_item_is_refused(kind: str, members: dict[str, int]) -> None:
    error = refusal(Desk().say(f"conversation.item.{kind}", item_id="nobody", **members))
    assert error.code == f"item_{kind}_invalid_item_id"
    assert error.event_id is None


# -- truncating --


def spoken() -> tuple[Desk, str]:
    desk = Desk(Script(Turn(None, Speech("Four tenths.", PCM))))
    told = desk.say("response.create") + desk.run()
    return desk, only(events.ResponseOutputItemDone, told).item.id or ""


def truncate(desk: Desk, item_id: str, audio_end_ms: int) -> list[Any]:
    members = {"item_id": item_id, "content_index": 0, "audio_end_ms": audio_end_ms}
    return desk.say("conversation.item.truncate", event_id="c1", **members)


def test_truncation_keeps_the_sound_that_was_heard_and_no_word() -> None:
    desk, item_id = spoken()
    (told,) = truncate(desk, item_id, 250)
    assert (told.item_id, told.content_index, told.audio_end_ms) == (item_id, 0, 250)
    (retrieved,) = desk.say("conversation.item.retrieve", item_id=item_id)
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item.content == [ContentPart(type="output_audio", audio=PCM[:12000])]


def test_truncation_beyond_the_end_is_refused() -> None:
    desk, item_id = spoken()
    error = refusal(truncate(desk, item_id, 401))
    assert (error.code, error.param) == ("invalid_value", "audio_end_ms")
    assert error.message == "Audio content of 400ms is already shorter than 401ms"
    assert len(truncate(desk, item_id, 400)) == 1


def test_an_answer_has_one_part_to_truncate() -> None:
    desk, item_id = spoken()
    error = refusal(
        desk.say("conversation.item.truncate", item_id=item_id, content_index=1, audio_end_ms=100)
    )
    assert (error.code, error.param) == ("invalid_value", "content_index")


def test_only_what_the_model_said_can_be_truncated() -> None:
    desk = Desk()
    desk.write("a", id="u1")
    assert (refusal(truncate(desk, "u1", 10)).code, order(desk)) == (None, ["u1"])
    create(desk, {**message("assistant", {"type": "output_text", "text": "x"}), "id": "a1"})
    assert refusal(truncate(desk, "a1", 10)).param is None


def test_truncation_in_the_midst_of_the_answer_outlasts_it() -> None:
    desk = Desk(Script(Turn(None, Speech("Four tenths.", PCM, pace=1), thinking=0.0)))
    told = desk.say("response.create") + desk.run(0.15)
    item_id = only(events.ResponseOutputItemAdded, told).item.id or ""
    assert types(truncate(desk, item_id, 60)) == ["conversation.item.truncated"]
    told = desk.say("response.cancel")
    done = only(events.ConversationItemDone, told).item
    assert (done.status, done.content) == ("incomplete", [ContentPart(type="output_audio")])
    (retrieved,) = desk.say("conversation.item.retrieve", item_id=item_id)
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item.content
    assert retrieved.item.content[0].audio == PCM[:2880]


def test_what_is_said_after_a_truncation_is_not_kept() -> None:
    desk = Desk(Script(Turn(None, Speech("Four tenths.", PCM, pace=1), thinking=0.0)))
    told = desk.say("response.create") + desk.run(0.15)
    item_id = only(events.ResponseOutputItemAdded, told).item.id or ""
    truncate(desk, item_id, 60)
    assert len(every(events.ResponseOutputAudioDelta, desk.run())) == 2
    assert refusal(truncate(desk, item_id, 61)).code == "invalid_value"


def test_an_item_deleted_while_it_is_generated_is_not_done_in_the_conversation() -> None:
    desk = Desk(Script(Turn(None, Call("f", {"key": "a longer value"}))))
    told = desk.say("response.create") + desk.run(0.055)
    item = only(events.ConversationItemAdded, told).item
    desk.say("conversation.item.delete", item_id=item.id)
    told = desk.run()
    assert every(events.ConversationItemDone, told) == []
    assert only(events.ResponseOutputItemDone, told).item.id == item.id


def test_an_item_made_while_an_answer_is_generated_goes_behind_it() -> None:
    desk = Desk(Script(Turn(None, Speech("hm", PCM), thinking=0.0)))
    told = desk.say("response.create")
    answer = only(events.ConversationItemAdded, told).item.id
    added = only(events.ConversationItemAdded, desk.write("and?"))
    assert added.previous_item_id == answer


def test_two_items_of_one_id_are_deleted_one_by_one() -> None:
    conversation = Conversation("conv_1")
    first, second = (Entry(Item(type="message", id="twin"), SPEECH) for _ in range(2))
    conversation.add(first)
    conversation.add(second)
    assert conversation.find("twin") is first
    conversation.remove("twin")
    assert conversation.find("twin") is second
    conversation.remove("twin")
    assert not conversation.holds("twin")
