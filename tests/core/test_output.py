"""The output of a response: each word and each call once, from wherever it comes first."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import parts
from rejoinder.core.outcomes import Failed, TimedOut
from tests.core.stage import Stage, begun

Told = tuple[str, dict[str, Any]]
CALL = {"id": "f1", "type": "function_call"}
WHOLE = {**CALL, "status": "completed", "call_id": "c1", "name": "add", "arguments": "{}"}
ADDED = {**CALL, "status": "in_progress", "call_id": "c1", "name": "add", "arguments": ""}
EXPECTED = [parts.FunctionCall("f1", "c1", "add", "{}")]


def of_part(kind: str, index: int = 0, item_id: str = "i1", **more: Any) -> Told:
    return f"response.{kind}", {"item_id": item_id, "content_index": index, **more}


def text(delta: str, **more: Any) -> Told:
    return of_part("output_text.delta", delta=delta, **more)


def spoken(delta: str, **more: Any) -> Told:
    return of_part("output_audio_transcript.delta", delta=delta, **more)


def sound(data: bytes, kind: str = "output_audio.delta") -> Told:
    return of_part(kind, delta=base64.b64encode(data).decode())


def item(kind: str, **item: Any) -> Told:
    return f"response.output_item.{kind}", {"item": item}


def arguments(kind: str, **more: Any) -> Told:
    return f"response.function_call_arguments.{kind}", {"item_id": "f1", "call_id": "c1", **more}


def message(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "i1", "type": "message", "content": list(content), **more}


def told(*tellings: Told, status: str | None = "completed", **response: Any) -> Stage:
    """A whole response: these events, then its end."""
    stage = begun()
    for kind, members in tellings:
        stage.hear(kind, response_id="r1", output_index=0, **members)
    stage.done(status=status, **response)
    return stage


def said(stage: Stage) -> list[str]:
    return [p.text for p in stage.parts() if isinstance(p, (parts.Text, parts.Transcript))]


def calls(stage: Stage) -> list[parts.FunctionCall]:
    delivered = [part for part in stage.parts() if isinstance(part, parts.FunctionCall)]
    assert list(stage.outcome().delivered.function_calls) == delivered
    return delivered


# -- words --

TEXT_DONE = of_part("output_text.done", text="Hello you")
SPOKEN_DONE = of_part("output_audio_transcript.done", transcript="Hello you")
IN_ITEM = item("done", **message({"type": "output_text", "text": "Hello you"}))
SPOKEN_IN_ITEM = item("done", **message({"type": "output_audio", "transcript": "Hello you"}))


@pytest.mark.parametrize(
    ("tellings", "expected"),
    [
        ([text("Hello "), text("you")], ["Hello ", "you"]),
        ([text("Hello "), text("you"), TEXT_DONE, IN_ITEM], ["Hello ", "you"]),
        ([text("Hello "), TEXT_DONE, IN_ITEM], ["Hello ", "you"]),
        ([text("Hello "), IN_ITEM], ["Hello ", "you"]),
        ([TEXT_DONE], ["Hello you"]),
        ([IN_ITEM], ["Hello you"]),
        ([IN_ITEM, IN_ITEM, TEXT_DONE], ["Hello you"]),
        ([spoken("Hello "), spoken("you"), SPOKEN_DONE, SPOKEN_IN_ITEM], ["Hello ", "you"]),
        ([SPOKEN_DONE], ["Hello you"]),
        ([SPOKEN_IN_ITEM], ["Hello you"]),
        ([text("Hi "), TEXT_DONE], ["Hi "]),
        ([text(""), of_part("output_text.done", text="")], []),
        ([text("a"), text("b", index=1), text("c", item_id="i2")], ["a", "b", "c"]),
        ([text("a"), of_part("text.delta", delta="a"), text("b")], ["a", "b"]),
        ([of_part("text.delta", delta="a"), text("a"), of_part("text.delta", delta="b")], ["a", "b"]),
        ([of_part("audio_transcript.delta", delta="a"), of_part("audio_transcript.done", transcript="ab")], ["a", "b"]),
        ([item("done", **message({"type": "refusal", "text": "x"}))], []),
        ([item("added", type="message"), item("done", type="message")], []),
    ],
)  # fmt: skip
def test_each_word_is_delivered_once(tellings: list[Told], expected: list[str]) -> None:
    stage = told(*tellings)
    assert said(stage) == expected
    assert stage.outcome().delivered.text == "".join(expected)


@pytest.mark.parametrize("tellings", [[], [text("Hello ")], [text("Hello you")], [IN_ITEM]])
def test_words_that_only_the_end_tells_are_delivered_before_the_outcome(
    tellings: list[Told],
) -> None:
    stage = told(*tellings, output=[message({"type": "output_text", "text": "Hello you"})])
    assert "".join(said(stage)) == stage.outcome().delivered.text == "Hello you"


def test_the_parts_come_in_the_order_of_the_events() -> None:
    stage = told(
        item("added", **message()),
        of_part("content_part.added", part={"type": "audio"}),
        of_part("content_part.added", part={"type": "hologram"}, index=1),
        of_part("content_part.added", index=2),
        spoken("Hi"),
        sound(b"\0\0"),
        sound(b""),
        of_part("output_audio.done"),
        item("done", **message({"type": "output_audio", "transcript": "Hi"}, status="completed")),
    )
    kinds = ["ItemStarted", "ContentStarted", "Transcript", "Audio", "ItemEnded"]
    assert [type(part).__name__ for part in stage.parts()] == kinds
    assert stage.parts()[1:4] == [
        parts.ContentStarted("i1", 0, "audio"),
        parts.Transcript("i1", 0, "Hi"),
        parts.Audio("i1", 0, b"\0\0"),
    ]


def test_words_keep_the_moment_at_which_they_are_spoken() -> None:
    stage = told(spoken("Hi", start_time=0.5), spoken(" there"))
    assert stage.parts()[1:] == [
        parts.Transcript("i1", 0, "Hi", 0.5),
        parts.Transcript("i1", 0, " there", None),
    ]


def test_an_item_begins_once_and_not_after_its_own_content() -> None:
    stage = told(text("early"), item("added", **message()), item("added", **message()))
    assert [type(part).__name__ for part in stage.parts()] == ["ContentStarted", "Text"]


# -- sound --


@pytest.mark.parametrize(
    ("form", "seconds"),
    [
        (None, 1.0),
        ("alien", 1.0),
        ({}, 1.0),
        ({"type": "audio/pcm"}, 1.0),
        ({"type": "audio/pcm", "rate": 24_000}, 1.0),
        ({"type": "audio/pcm", "rate": 16_000}, 1.5),
        ({"type": "audio/pcm", "rate": 0}, 1.0),
        ({"type": "audio/pcmu"}, 6.0),
        ({"type": "audio/pcma", "rate": 8_000}, 6.0),
    ],
)
def test_the_seconds_of_audio_are_counted_in_the_sessions_format(form: Any, seconds: float) -> None:
    stage = begun()
    stage.hear("session.updated", session={"audio": {"output": {"format": form}}})
    stage.audio(500)
    stage.audio(500)
    stage.done()
    assert stage.outcome().delivered.audio_seconds == pytest.approx(seconds)


def test_sound_under_two_names_is_heard_once() -> None:
    stage = told(
        sound(b"ab"), sound(b"ab", "audio.delta"), sound(b"cd"), sound(b"cd", "audio.delta")
    )
    assert stage.parts() == [
        parts.ContentStarted("i1", 0, "audio"),
        parts.Audio("i1", 0, b"ab"),
        parts.Audio("i1", 0, b"cd"),
    ]


# -- calls --


@pytest.mark.parametrize(
    ("tellings", "output"),
    [
        ([item("added", **ADDED), arguments("done", arguments="{}"), item("done", **WHOLE)], [WHOLE]),
        ([item("done", **WHOLE), item("done", **WHOLE)], [WHOLE]),
        ([item("done", **{**WHOLE, "status": None})], []),
        ([item("added", **ADDED), arguments("done", arguments="{}")], []),
        ([arguments("done", arguments="{}", name="add")], []),
        ([arguments("delta", delta="{}"), item("done", **{**WHOLE, "arguments": ""})], []),
        ([arguments("delta", delta="{"), arguments("delta", delta="}"), arguments("done", arguments=""), item("added", **ADDED)], []),
        ([item("added", **ADDED), item("done", **{**CALL, "status": "completed", "arguments": "{}"})], []),
        ([], [WHOLE]),
        ([], [{**WHOLE, "status": None}]),
        ([item("done", **WHOLE), item("done", **{**WHOLE, "id": "f2"})], []),
    ],
    ids=[
        "everywhere", "twice", "without status", "arguments only", "name with the arguments",
        "arguments only in deltas", "item after its arguments", "name only at the beginning",
        "in response.done only", "there without status", "under two item ids",
    ],
)  # fmt: skip
def test_each_call_is_delivered_once(tellings: list[Told], output: list[dict[str, Any]]) -> None:
    assert calls(told(*tellings, output=output)) == EXPECTED


@pytest.mark.parametrize(
    ("tellings", "response"),
    [
        ([item("added", **ADDED), arguments("delta", delta='{"a')], {"status": "incomplete"}),
        ([item("added", **ADDED), arguments("done", arguments='{"a')], {"status": "cancelled"}),
        ([item("done", **{**WHOLE, "status": "incomplete"})], {"output": [WHOLE]}),
        ([item("done", **{**WHOLE, "status": "in_progress"})], {}),
        ([], {"output": [{**WHOLE, "status": "incomplete"}]}),
        ([], {"output": [{**WHOLE, "status": None}], "status": "incomplete"}),
        ([], {"output": [{**WHOLE, "status": None}], "status": "failed"}),
        ([item("added", **ADDED), arguments("delta", delta="{}")], {}),
        ([item("done", **{**WHOLE, "name": None})], {}),
        ([item("done", **{**WHOLE, "id": None})], {}),
        ([arguments("done", arguments="{}")], {}),
    ],
    ids=[
        "cut by a limit", "cut by speech", "incomplete item", "item in progress",
        "incomplete in response.done", "cut, without status", "failed, without status",
        "arguments that never ended", "no name", "no id", "nothing but arguments",
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_run_is_never_delivered(
    tellings: list[Told], response: dict[str, Any]
) -> None:
    assert calls(told(*tellings, **response)) == []


def test_a_call_without_a_call_id_has_its_items() -> None:
    stage = told(item("done", **{**WHOLE, "call_id": None}))
    assert calls(stage) == [parts.FunctionCall("f1", "f1", "add", "{}")]


# -- hosted calls --

HOSTED = {"id": "m1", "type": "mcp_call", "name": "search"}


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        (None, 60.0),
        ("response.mcp_call.in_progress", 60.0),
        ("response.mcp_call.completed", 10.0),
        ("response.mcp_call.failed", 10.0),
        ("response.output_item.done", 10.0),
    ],
)
def test_the_gap_is_longer_exactly_while_a_hosted_call_runs(
    kind: str | None, seconds: float
) -> None:
    stage = begun()
    stage.hear("response.output_item.added", response_id="r1", output_index=0, item=HOSTED)
    if kind == "response.output_item.done":
        stage.hear(kind, response_id="r1", output_index=0, item=HOSTED)
        stage.hear("response.output_item.added", response_id="r1", output_index=0, item=HOSTED)
    elif kind is not None:
        stage.hear(kind, item_id="m1", output_index=0)
    stage.hear("response.mcp_call.in_progress", item_id="another's", output_index=0)
    stage.wait(seconds - 0.1)
    assert not stage.settled()
    stage.wait(0.1)
    assert isinstance(stage.outcome(), TimedOut)


# -- an end without a beginning --


@pytest.mark.parametrize(
    ("output", "kinds"), [([], []), ([message()], ["Open", "Deliver", "Deliver"])]
)
def test_what_a_nameless_end_carries_is_delivered_to_an_open_response(
    output: list[dict[str, Any]], kinds: list[str]
) -> None:
    stage = Stage()
    stage.ask()
    stage.done(None, status="failed", output=output)
    assert [type(effect).__name__ for effect in stage.last] == [*kinds, "Settle", "Announce"]
    assert isinstance(stage.outcome(), Failed)
    assert stage.outcome().response_id is None
    assert [opened.response_id for opened in stage.all(ef.Open)] == [""] * bool(output)


def test_an_end_under_a_strange_id_is_that_of_the_item_at_its_place() -> None:
    """Some servers name an item anew when it ends; its words must not be told twice."""
    stage = told(
        item("added", id="i1", type="message", content=[]),
        text("Nine to six."),
        of_part("output_text.done", item_id="other", text="Nine to six."),
        item("done", **message({"type": "output_text", "text": "Nine to six."}, id="other")),
    )
    assert stage.outcome().delivered.text == "Nine to six."
    (ended,) = [part for part in stage.parts() if isinstance(part, parts.ItemEnded)]
    assert ended.item_id == "i1"


def test_an_item_at_a_place_that_is_free_again_is_another_one() -> None:
    """Some servers give every item the index 0."""
    stage = told(
        item("added", id="i1", type="message", content=[]),
        text("One. "),
        item("done", **message({"type": "output_text", "text": "One. "})),
        item("done", **message({"type": "output_text", "text": "Two."}, id="i2")),
    )
    assert stage.outcome().delivered.text == "One. Two."
