"""The mirror: the conversation as the server tells it, on servers that tell more or less of it."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.wire.items import ContentPart, Item
from tests.core.stage import Stage, begun

Told = tuple[str, dict[str, Any]]


def added(item_id: str, after: str | None = None, kind: str = "added", **more: Any) -> Told:
    item = {"id": item_id, "type": "message", "role": "user", **more}
    return f"conversation.item.{kind}", {"item": item, "previous_item_id": after}


def deleted(item_id: str) -> Told:
    return "conversation.item.deleted", {"item_id": item_id}


def truncated(item_id: str, content_index: int = 0) -> Told:
    members = {"item_id": item_id, "content_index": content_index, "audio_end_ms": 10}
    return "conversation.item.truncated", members


def transcribed(item_id: str, transcript: str, content_index: int = 0) -> Told:
    kind = "conversation.item.input_audio_transcription.completed"
    return kind, {"item_id": item_id, "content_index": content_index, "transcript": transcript}


def heard(*tellings: Told) -> Stage:
    stage = Stage()
    for kind, members in tellings:
        stage.hear(kind, **members)
    return stage


def order(stage: Stage) -> list[str | None]:
    return [item.id for item in stage.session.conversation.items()]


SPOKEN: dict[str, Any] = {"content": [{"type": "input_audio", "transcript": None}]}


@pytest.mark.parametrize(
    ("tellings", "expected"),
    [
        ([added("a"), added("b", "a"), added("c", "b")], ["a", "b", "c"]),
        ([added("a"), added("c", "a"), added("b", "a")], ["a", "b", "c"]),
        ([added("b"), added("c", "b"), added("a", None)], ["a", "b", "c"]),
        ([added("a"), added("b"), added("c")], ["a", "b", "c"]),
        ([added("a"), added("b", "nobody"), added("c", "b")], ["a", "b", "c"]),
        ([added("a"), added("b", "a"), deleted("b"), added("c", "b")], ["a", "c"]),
        ([added("a"), added("b", "a"), deleted("a"), deleted("nobody")], ["b"]),
        ([added("a"), added("b", "a"), added("a", "b")], ["a", "b"]),
        ([added("a", kind="created"), added("b", "a", kind="done")], ["a", "b"]),
        ([added(""), added("a")], ["a"]),
    ],
    ids=[
        "in order", "inserted", "null is first where predecessors are named",
        "null says nothing where they never are", "unknown predecessor", "deleted predecessor",
        "deletion", "known items stay", "other names", "without an id",
    ],
)  # fmt: skip
def test_items_stand_where_the_server_says(tellings: list[Told], expected: list[str]) -> None:
    assert order(heard(*tellings)) == expected


def test_a_deletion_is_announced_if_it_took_something_away() -> None:
    stage = heard(added("a"), deleted("a"), deleted("a"), deleted("nobody"))
    assert stage.notices(ef.ItemDeleted) == [ef.ItemDeleted("a")]


def test_an_added_item_is_announced_once_with_its_predecessor() -> None:
    stage = heard(added("a"), added("b", "nobody"), added("b", "a"), added("b", "a", kind="done"))
    news = [(notice.item.id, notice.previous_item_id) for notice in stage.notices(ef.ItemAdded)]
    assert news == [("a", None), ("b", "a")]
    assert stage.notices(ef.ItemChanged) == []
    assert stage.session.conversation.previous_of("nobody") is None


def test_an_item_is_read_by_its_id() -> None:
    conversation = heard(added("a")).session.conversation
    assert conversation.get("a") == Item(type="message", id="a", role="user")
    assert conversation.get("b") is None


# -- merging --


PARTS: list[tuple[list[dict[str, Any]] | None, list[dict[str, Any]] | None, list[ContentPart]]] = [
    (None, [{"type": "text", "text": "x"}], [ContentPart(type="text", text="x")]),
    ([{"type": "text", "text": "x"}], None, [ContentPart(type="text", text="x")]),
    ([{"type": "text", "text": "x"}], [], [ContentPart(type="text", text="x")]),
    ([{"type": "text", "text": "x"}], [{"type": "text"}], [ContentPart(type="text", text="x")]),
    ([{"type": "text", "text": "x"}], [{"type": "text", "text": ""}], [ContentPart(type="text", text="")]),
    (
        [{"type": "audio", "transcript": "hi", "audio": "AAA="}],
        [{"type": "audio"}, {"type": "text", "text": "y"}],
        [ContentPart(type="audio", transcript="hi", audio=b"\0\0"), ContentPart(type="text", text="y")],
    ),
    (
        [{"type": "audio", "transcript": "h"}],
        [{"type": "audio", "transcript": "hi", "audio": "AAA="}],
        [ContentPart(type="audio", transcript="hi", audio=b"\0\0")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), PARTS)
@pytest.mark.parametrize("kind", ["added", "done"])
def test_a_later_version_does_not_unsay_what_it_leaves_out(
    before: Any, after: Any, expected: list[ContentPart], kind: str
) -> None:
    stage = heard(added("a", content=before), added("a", kind=kind, content=after))
    item = stage.session.conversation.get("a")
    assert item is not None
    assert item.content == expected


def test_the_members_of_a_call_are_gathered_from_all_that_is_told_of_it() -> None:
    call = {"id": "f", "type": "function_call"}
    stage = begun()
    stage.hear(
        "conversation.item.added", item={**call, "name": "add", "call_id": "c", "arguments": ""}
    )
    done = {**call, "status": "completed", "arguments": "{}"}
    stage.hear("response.output_item.done", response_id="r1", output_index=0, item=done)
    stage.hear("conversation.item.done", item={**call, "arguments": ""})
    expected = Item(
        type="function_call", id="f", name="add", call_id="c", arguments="{}", status="completed"
    )
    assert stage.session.conversation.get("f") == expected
    assert [change.item for change in stage.notices(ef.ItemChanged)] == [expected]


def test_a_withdrawn_approval_is_not_taken_for_a_missing_one() -> None:
    approval = {"id": "m", "type": "mcp_approval_response"}
    stage = Stage()
    stage.hear("conversation.item.added", item={**approval, "approve": True})
    stage.hear("conversation.item.done", item={**approval, "approve": False})
    item = stage.session.conversation.get("m")
    assert item is not None
    assert item.approve is False


def test_output_that_is_no_item_of_the_conversation_stays_outside() -> None:
    stage = begun()
    item = {"id": "i1", "type": "message", "content": []}
    stage.hear("response.output_item.done", response_id="r1", output_index=0, item=item)
    assert order(stage) == []


# -- transcripts --


@pytest.mark.parametrize(
    ("tellings", "expected"),
    [
        ([transcribed("a", "Hello.")], "Hello."),
        ([transcribed("a", "Hello."), transcribed("a", "Hello.")], "Hello."),
        ([transcribed("a", "Hel"), transcribed("a", "Hello.")], "Hello."),
        ([transcribed("a", "Hello."), added("a", kind="done", **SPOKEN)], "Hello."),
        ([transcribed("a", "Hello."), truncated("a")], None),
        ([transcribed("a", "Hello."), transcribed("a", "x", 1), truncated("a", 1)], "Hello."),
        ([transcribed("nobody", "Hello."), truncated("nobody")], None),
    ],
    ids=[
        "set",
        "once",
        "not appended",
        "kept",
        "cleared by truncation",
        "another part",
        "nobody's",
    ],
)
def test_a_transcript_is_set_by_its_event_and_cleared_by_a_truncation(
    tellings: list[Told], expected: str | None
) -> None:
    stage = heard(added("a", **SPOKEN), *tellings)
    item = stage.session.conversation.get("a")
    assert item is not None
    assert item.content == [ContentPart(type="input_audio", transcript=expected)]


def test_a_new_transcript_is_announced_with_its_item() -> None:
    stage = heard(added("a", **SPOKEN), transcribed("a", "Hello."), truncated("a"))
    texts = [(change.item.content or [])[0].transcript for change in stage.notices(ef.ItemChanged)]
    assert texts == ["Hello.", None]
