"""Edits of the conversation and the session: each is answered once, and none waits behind another."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.session import SessionConfig
from tests.core.stage import Stage, speaking

CREATE: tuple[Any, dict[str, Any]] = (
    ce.ConversationItemCreate,
    {"item": Item(type="message", id="i1")},
)
DELETE: tuple[Any, dict[str, Any]] = (ce.ConversationItemDelete, {"item_id": "i1"})
RETRIEVE: tuple[Any, dict[str, Any]] = (ce.ConversationItemRetrieve, {"item_id": "i1"})
TRUNCATE: tuple[Any, dict[str, Any]] = (
    ce.ConversationItemTruncate,
    {"item_id": "i1", "content_index": 0, "audio_end_ms": 5},
)
UPDATE: tuple[Any, dict[str, Any]] = (ce.SessionUpdate, {"session": SessionConfig()})
COMMIT: tuple[Any, dict[str, Any]] = (ce.InputAudioBufferCommit, {})
CLEAR: tuple[Any, dict[str, Any]] = (ce.InputAudioBufferClear, {})
ITEM = {"id": "i1", "type": "message"}
OTHER = {"id": "i2", "type": "message"}

ANSWERS = [
    (CREATE, "conversation.item.added", {"item": ITEM}),
    (CREATE, "conversation.item.created", {"item": ITEM}),
    (CREATE, "conversation.item.done", {"item": ITEM}),
    (DELETE, "conversation.item.deleted", {"item_id": "i1"}),
    (RETRIEVE, "conversation.item.retrieved", {"item": ITEM}),
    (TRUNCATE, "conversation.item.truncated", {"item_id": "i1", "content_index": 0, "audio_end_ms": 5}),
    (UPDATE, "session.updated", {"session": {}}),
    (COMMIT, "input_audio_buffer.committed", {"item_id": "u1"}),
    (CLEAR, "input_audio_buffer.cleared", {}),
]  # fmt: skip
EDITS = [CREATE, DELETE, RETRIEVE, TRUNCATE, UPDATE, COMMIT, CLEAR]


def editing(*edits: tuple[Any, dict[str, Any]]) -> Stage:
    """A stage with these edits on the wire, under the keys e0, e1, ..."""
    stage = Stage()
    for number, (kind, members) in enumerate(edits):
        stage.edit(f"e{number}", kind, **members)
    return stage


@pytest.mark.parametrize(("edit", "answer", "members"), ANSWERS, ids=lambda given: str(given)[:40])
def test_each_edit_has_its_acknowledgement(
    edit: tuple[Any, dict[str, Any]], answer: str, members: dict[str, Any]
) -> None:
    stage = editing(edit)
    stage.hear(answer, **members)
    assert [type(result) for result in stage.results("e0")] == [ef.Acknowledged]
    stage.hear(answer, **members)
    stage.wait(60.0)
    assert len(stage.results("e0")) == 1


@pytest.mark.parametrize(
    ("edit", "answer", "members"),
    [
        (CREATE, "conversation.item.added", {"item": OTHER}),
        (DELETE, "conversation.item.deleted", {"item_id": "i2"}),
        (RETRIEVE, "conversation.item.retrieved", {"item": OTHER}),
        (TRUNCATE, "conversation.item.truncated", {"item_id": "i2", "content_index": 0, "audio_end_ms": 0}),
        (DELETE, "conversation.item.added", {"item": ITEM}),
        (UPDATE, "session.created", {"session": {}}),
    ],
)  # fmt: skip
def test_what_is_said_of_another_item_acknowledges_nothing(
    edit: tuple[Any, dict[str, Any]], answer: str, members: dict[str, Any]
) -> None:
    stage = editing(edit)
    stage.hear(answer, **members)
    assert stage.results("e0") == []


def test_items_are_told_apart_by_id_whatever_the_order_of_the_answers() -> None:
    stage = editing(CREATE, (ce.ConversationItemCreate, {"item": Item(type="message", id="i2")}))
    stage.hear("conversation.item.added", item=OTHER)
    assert (stage.results("e0"), len(stage.results("e1"))) == ([], 1)
    stage.hear("conversation.item.added", item=ITEM)
    assert stage.results("e0") == [ef.Acknowledged(Item(type="message", id="i1"))]


def test_session_updates_are_answered_in_order() -> None:
    stage = editing(UPDATE, UPDATE)
    stage.hear("session.updated", session={})
    assert (len(stage.results("e0")), stage.results("e1")) == (1, [])
    stage.hear("session.updated", session={})
    assert [len(stage.results(key)) for key in ("e0", "e1")] == [1, 1]


# -- refusals --


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit[0].__name__)
def test_an_error_that_names_an_edit_refuses_it_and_blames_no_response(
    edit: tuple[Any, dict[str, Any]],
) -> None:
    stage = speaking()
    stage.edit("e0", edit[0], **edit[1])
    stage.error(event_id="e0", code="invalid_value", message="no")
    (result,) = stage.results("e0")
    assert isinstance(result, ef.Refused)
    assert result.error.message == "no"
    stage.error(event_id="e0", code="invalid_value")  # once more: it names what is answered
    assert stage.odd() == ["odd"]
    stage.wait(5.0)
    assert not stage.settled()
    assert stage.notices(ef.ServerErrorSeen) == []


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (CREATE, {"code": "item_create_invalid_previous_item_id"}),
        (CREATE, {"code": "invalid_tool_call_id"}),
        (CREATE, {"code": "invalid_value", "param": "item.content[0].type"}),
        (DELETE, {"code": "item_delete_invalid_item_id"}),
        (UPDATE, {"code": "cannot_update_voice"}),
        (UPDATE, {"code": "unknown_parameter", "param": "session.voice"}),
        (COMMIT, {"code": "input_audio_buffer_commit_empty"}),
        (CLEAR, {"param": "audio"}),
    ],
)
def test_an_error_that_names_nobody_refuses_the_one_edit_of_its_kind(
    edit: tuple[Any, dict[str, Any]], error: dict[str, Any]
) -> None:
    stage = editing(edit)
    stage.error(**error)
    assert [type(result) for result in stage.results("e0")] == [ef.Refused]
    assert stage.notices(ef.ServerErrorSeen) == []  # it has been told to whom it concerns


@pytest.mark.parametrize(
    ("edits", "error"),
    [
        ((CREATE, DELETE), {"code": "item_create_invalid_previous_item_id"}),
        ((UPDATE,), {"code": "item_delete_invalid_item_id"}),
        ((CREATE,), {"code": "boom"}),
        ((), {"code": "cannot_update_voice"}),
    ],
    ids=["two of the kind", "another kind", "no kind", "none"],
)
def test_an_error_that_may_mean_several_or_none_refuses_none_and_is_news(
    edits: tuple[tuple[Any, dict[str, Any]], ...], error: dict[str, Any]
) -> None:
    stage = editing(*edits)
    stage.error(**error)
    assert stage.all(ef.SettleEdit) == []
    assert len(stage.notices(ef.ServerErrorSeen)) == 1


@pytest.mark.parametrize("event_id", ["e0", None])
def test_a_duplicate_item_is_there_already_which_is_what_was_asked_for(
    event_id: str | None,
) -> None:
    stage = editing(CREATE)
    stage.error(event_id=event_id, code="item_create_duplicate_item_id")
    assert stage.results("e0") == [ef.Acknowledged()]


# -- silence and loss --


def test_each_edit_expires_on_its_own_clock() -> None:
    stage = editing(UPDATE)
    stage.wait(2.0)
    stage.edit("late", DELETE[0], **DELETE[1])
    stage.wait(3.0)
    assert stage.results("e0") == [ef.Expired(5.0)]
    assert stage.results("late") == []
    stage.wait(2.0)
    assert stage.results("late") == [ef.Expired(5.0)]
    stage.hear("session.updated", session={})
    assert len(stage.results("e0")) == 1


def test_a_lost_socket_answers_every_edit() -> None:
    stage = editing(*EDITS)
    close = Close("network", 1006)
    stage.do(inp.Disconnected(close))
    assert [settled.result for settled in stage.all(ef.SettleEdit)] == [ef.Gone(close)] * len(EDITS)


def test_edits_wait_for_the_socket_in_order_behind_the_configuration() -> None:
    stage = Stage(connected=False, config=SessionConfig(instructions="Be kind."))
    for key, edit in {"e0": CREATE, "e1": UPDATE}.items():
        stage.edit(key, edit[0], **edit[1])
    stage.ask()
    assert stage.said == []
    stage.do(inp.Connected())
    sent = [send.event for send in stage.all(ef.Send)]
    kinds = ["SessionUpdate", "ConversationItemCreate", "SessionUpdate", "ResponseCreate"]
    assert [type(event).__name__ for event in sent] == kinds
    assert [event.event_id for event in sent[1:]] == ["e0", "e1", "a.1"]  # type: ignore[union-attr]


def test_an_edit_that_never_reaches_the_wire_expires_too() -> None:
    stage = Stage(connected=False)
    stage.edit("e0", CREATE[0], **CREATE[1])
    stage.wait(5.0)
    assert stage.results("e0") == [ef.Expired(5.0)]


# -- names --


@pytest.mark.parametrize(
    "event",
    [
        ce.InputAudioBufferClear(event_id="mine"),
        ce.RawClientEvent({"type": "brand.new", "event_id": "mine"}),
    ],
)
def test_an_error_that_names_something_we_said_blames_nobody(event: Any) -> None:
    stage = speaking()
    stage.do(inp.Say(event))
    assert stage.last == [ef.Send(event)]
    stage.error(event_id="mine")
    assert stage.odd() == ["odd"]
    stage.wait(5.0)
    assert not stage.settled()


@pytest.mark.parametrize("event_id", [None, 7, "another"])
def test_an_error_that_names_something_we_never_said_blames_whoever_is_under_way(
    event_id: Any,
) -> None:
    stage = speaking()
    stage.do(inp.Say(ce.RawClientEvent({"type": "brand.new", "event_id": event_id})))
    stage.error(event_id="mine")
    stage.wait(1.0)
    assert stage.settled()


def test_only_the_latest_names_are_remembered() -> None:
    stage = speaking()
    for number in range(1025):
        stage.do(inp.Say(ce.InputAudioBufferClear(event_id=f"c{number}")))
    stage.error(event_id="c1")
    assert stage.notices(ef.ServerErrorSeen) == []
    stage.error(event_id="c0")  # forgotten: it counts as naming nobody
    assert stage.notices(ef.ServerErrorSeen)[0].suspected


# -- items under another name --


def asked_for(**item: Any) -> tuple[Any, dict[str, Any]]:
    return ce.ConversationItemCreate, {"item": Item(**item)}


def said(text: str, kind: str = "input_text") -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": kind, "text": text}]}


HELLO = asked_for(type="message", id="i1", role="user", content=[ContentPart(text="Hello")])
SUNNY = asked_for(type="function_call_output", id="i1", call_id="c1", output="sunny")


def test_a_server_that_names_items_by_itself_is_understood() -> None:
    stage = editing(HELLO)
    stage.hear("conversation.item.added", item={"id": "theirs", **said("Hello", "text")})
    (result,) = stage.results("e0")
    assert isinstance(result, ef.Acknowledged)
    assert result.item is not None
    assert result.item.id == "theirs"
    kinds = [type(effect) for effect in stage.last]
    assert kinds == [ef.SettleEdit, ef.Announce], "who asked is told before those who listen"


def test_of_two_that_say_the_same_the_one_with_the_name_is_meant() -> None:
    again = asked_for(type="message", id="i2", role="user", content=[ContentPart(text="Hello")])
    stage = editing(HELLO, again)
    stage.hear("conversation.item.added", item={"id": "i2", **said("Hello")})
    assert (len(stage.results("e0")), len(stage.results("e1"))) == (0, 1)


@pytest.mark.parametrize(
    "item",
    [
        said("Good evening"),
        {**said("Hello"), "role": "system"},
        {"type": "message", "role": "user", "content": [{"type": "input_audio"}]},
    ],
)
def test_an_item_that_says_something_else_is_no_answer(item: dict[str, Any]) -> None:
    stage = editing(HELLO)
    stage.hear("conversation.item.added", item={"id": "theirs", **item})
    assert stage.results("e0") == []


IMAGE = "data:image/png;base64,AAAA"
SEEN = {"type": "input_image"}


@pytest.mark.parametrize("told", [[{**SEEN, "image_url": IMAGE}], [SEEN]], ids=["whole", "bare"])
def test_an_image_is_known_by_itself_or_by_being_one(told: list[dict[str, Any]]) -> None:
    part = ContentPart(type="input_image", image_url=IMAGE)
    stage = editing(asked_for(type="message", id="i1", role="user", content=[part]))
    stage.hear("conversation.item.added", item={"id": "x", **said("Look"), "content": []})
    stage.hear(
        "conversation.item.added",
        item={"id": "y", **said(""), "content": [{**SEEN, "image_url": "data:another"}]},
    )
    assert stage.results("e0") == []
    stage.hear("conversation.item.added", item={"id": "theirs", **said(""), "content": told})
    assert len(stage.results("e0")) == 1


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"id": "X", **said("Hello")}, {"id": "X", **said("Hello")}),
        ({"id": "X", **said("Hello")}, {"id": "theirs", **said("Hello")}),
        ({"id": "X", "type": 7}, {"id": "X", "type": "message"}),
    ],
    ids=["named", "renamed", "unreadable"],
)
def test_an_item_by_hand_is_answered_like_any_other(
    raw: dict[str, Any], told: dict[str, Any]
) -> None:
    stage = Stage()
    event = ce.RawClientEvent({"type": "conversation.item.create", "item": raw})
    stage.do(inp.Edit("by hand", event))
    if told["id"] == "X":
        stage.edit("e0", HELLO[0], **HELLO[1])
    stage.hear("conversation.item.added", item=told)
    assert (len(stage.results("by hand")), len(stage.results("e0"))) == (1, 0)


def test_an_item_without_a_name_is_answered_by_no_other() -> None:
    stage = speaking()
    raw: dict[str, Any] = {"id": None, "type": "message", "role": "system", "content": []}
    event = ce.RawClientEvent({"type": "conversation.item.create", "item": raw})
    stage.do(inp.Edit("e", event))
    stage.hear("conversation.item.added", item={"id": "i1", "type": "message", "role": "assistant"})
    stage.hear("conversation.item.added", item={"id": "i9", "type": "message", "role": "user"})
    assert stage.results("e") == []


def test_an_item_that_says_nothing_is_known_by_its_name_alone() -> None:
    empty = asked_for(type="message", id="i1", role="user")
    stage = editing(empty)
    stage.hear("conversation.item.added", item={"id": "theirs", "type": "message", "role": "user"})
    assert stage.results("e0") == []


def test_the_output_of_a_response_is_no_answer_to_anybody() -> None:
    stage = speaking()
    item = {"type": "message", "role": "assistant"}
    asked = asked_for(id="mine", content=[ContentPart(text="half a")], **item)
    stage.edit("e0", asked[0], **asked[1])
    output = {**item, "id": "i1", "content": [{"type": "output_text", "text": "half a"}]}
    stage.hear("conversation.item.added", item=output)
    assert stage.results("e0") == []


def test_what_the_server_leaves_out_of_an_item_is_as_it_was_asked_for() -> None:
    stage = editing(SUNNY)
    stage.hear("conversation.item.added", item={"id": "i1", "type": "function_call_output"})
    (added,) = stage.notices(ef.ItemAdded)
    assert (added.item.call_id, added.item.output) == ("c1", "sunny")
    assert stage.session.conversation.items() == [added.item]
