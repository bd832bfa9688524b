"""Events that settle something are read even when their body is alien."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rejoinder.wire import codec, lenient
from rejoinder.wire import server_events as server
from rejoinder.wire.items import ContentPart, Item, ItemError
from rejoinder.wire.response import ErrorBody, ResponseObject, StatusDetails, Usage
from rejoinder.wire.session import Conversation, RateLimit, SessionObject
from rejoinder.wire.strange import UnknownEvent
from rejoinder.wire.transcription import LogProb


def decode(**members: Any) -> server.ServerEvent:
    return codec.decode_server(json.dumps(members))


def done(**response: Any) -> ResponseObject:
    event = decode(type="response.done", response={"id": "r", **response})
    assert isinstance(event, server.ResponseDone)
    assert event.response.id == "r"
    return event.response


# --- the response object -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["response.created", "response.done"])
@pytest.mark.parametrize(
    "members", [{}, {"response": None}, {"response": "resp_1"}, {"response": []}, {"response": {}}]
)
def test_a_response_without_a_body_is_an_empty_response(name: str, members: dict[str, Any]) -> None:
    event = decode(type=name, **members)
    assert isinstance(event, server.ResponseCreated | server.ResponseDone)
    assert event.response == ResponseObject()


@pytest.mark.parametrize(
    ("said", "details"),
    [
        ("turn_detected", StatusDetails(type="turn_detected")),
        (None, None),
        (["x"], None),
        (7, None),
        (
            {"type": "failed", "error": "boom"},
            StatusDetails(type="failed", error=ErrorBody(message="boom")),
        ),
        ({"error": {"code": 500}}, StatusDetails(error=ErrorBody(code="500"))),
        ({"error": None, "reason": False}, StatusDetails(reason="false")),
    ],
)
def test_status_details_may_have_any_shape(said: Any, details: StatusDetails | None) -> None:
    assert done(status="failed", status_details=said).status_details == details


@pytest.mark.parametrize(("said", "status"), [("paused", "paused"), (3, "3"), ([], None)])
def test_a_status_may_be_anything(said: Any, status: str | None) -> None:
    assert done(status=said, output=None).status == status


def test_alien_items_do_not_hide_the_known_ones() -> None:
    output = [
        "text",
        None,
        {"type": "hologram", "id": 7, "content": "x", "tools": [1, {"name": "t"}]},
        {"id": "i", "content": [{"type": "audio", "audio": "%%"}, 5, {"text": "hi"}]},
        {"type": "function_call", "call_id": "c", "arguments": {"city": "Oslo"}, "name": None},
        {"type": "mcp_call", "error": "refused", "output": ["a"], "approve": "maybe"},
        {"type": "mcp_call", "error": {"type": "http_error", "code": 502, "message": "m"}},
    ]
    assert done(output=output).output == [
        Item(type="hologram", id="7", tools=[{"name": "t"}]),
        Item(type="", id="i", content=[ContentPart(type="audio"), ContentPart(text="hi")]),
        Item(type="function_call", call_id="c", arguments='{"city": "Oslo"}'),
        Item(type="mcp_call", error=ItemError(message="refused"), output='["a"]'),
        Item(type="mcp_call", error=ItemError(type="http_error", code=502, message="m")),
    ]


def test_the_rest_of_a_response_falls_back_member_by_member() -> None:
    response = done(
        output={"0": {}},
        metadata="k",
        conversation_id=None,
        audio=3,
        max_output_tokens="inf",
        output_modalities="audio",
        usage={"total_tokens": "12", "input_tokens": -1, "input_token_details": 5},
    )
    assert response == ResponseObject(
        id="r", conversation_id=None, max_output_tokens="inf", usage=Usage(total_tokens=12)
    )


# --- every other event that settles something ----------------------------------------------------

BLANK_PART = ContentPart()
SKELETONS: list[tuple[dict[str, Any], server.ServerEvent]] = [
    (
        {"type": "response.output_item.added", "response_id": "r", "item": None},
        server.ResponseOutputItemAdded("r", 0, Item(type="")),
    ),
    (
        {"type": "response.output_item.done", "response_id": "r", "output_index": -1, "item": {}},
        server.ResponseOutputItemDone("r", 0, Item(type="")),
    ),
    (
        {"type": "response.content_part.done", "item_id": "i", "part": "x"},
        server.ResponseContentPartDone("", "i", 0, 0, BLANK_PART),
    ),
    (
        {"type": "conversation.item.added", "item": {"type": 5}, "previous_item_id": {}},
        server.ConversationItemAdded(Item(type="5")),
    ),
    (
        {"type": "conversation.item.done", "item": [], "previous_item_id": "p"},
        server.ConversationItemDone(Item(type=""), "p"),
    ),
    (
        {"type": "conversation.item.truncated", "item_id": "i"},
        server.ConversationItemTruncated("i", 0, 0),
    ),
    ({"type": "conversation.item.deleted"}, server.ConversationItemDeleted("")),
    (
        {"type": "input_audio_buffer.committed", "item_id": None},
        server.InputAudioBufferCommitted(""),
    ),
    (
        {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": None},
        server.InputAudioBufferSpeechStarted(0, "i"),
    ),
    (
        {"type": "input_audio_buffer.speech_stopped"},
        server.InputAudioBufferSpeechStopped(0, ""),
    ),
    ({"type": "session.created"}, server.SessionCreated(SessionObject())),
    (
        {"type": "session.updated", "session": {"id": "s", "audio": [], "expires_at": "soon"}},
        server.SessionUpdated(SessionObject(id="s")),
    ),
    ({"type": "conversation.created"}, server.ConversationCreated(Conversation())),
    (
        {"type": "rate_limits.updated", "rate_limits": [{"name": "tokens", "limit": "x"}, 1]},
        server.RateLimitsUpdated([RateLimit(name="tokens")]),
    ),
    ({"type": "rate_limits.updated", "rate_limits": None}, server.RateLimitsUpdated([])),
    (
        {
            "type": "response.function_call_arguments.done",
            "response_id": "r",
            "arguments": {"a": [1]},
            "name": 4,
        },
        server.ResponseFunctionCallArgumentsDone("r", "", 0, "", '{"a": [1]}', "4"),
    ),
    (
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "i",
            "transcript": None,
            "usage": "free",
            "logprobs": [{"token": "a", "logprob": -0.5, "bytes": "a"}],
        },
        server.ConversationItemInputAudioTranscriptionCompleted(
            "i", 0, "", logprobs=[LogProb(token="a", logprob=-0.5, bytes=[])]
        ),
    ),
    (
        {
            "type": "conversation.item.input_audio_transcription.failed",
            "item_id": "i",
            "error": "unintelligible",
        },
        server.ConversationItemInputAudioTranscriptionFailed(
            "i", 0, ErrorBody(message="unintelligible")
        ),
    ),
    (
        {
            "type": "conversation.item.input_audio_transcription.segment",
            "id": "s",
            "text": "hi",
            "start": "1.5",
        },
        server.ConversationItemInputAudioTranscriptionSegment("", 0, "s", "hi", "", 1.5, 0.0),
    ),
]


@pytest.mark.parametrize(("members", "expected"), SKELETONS, ids=lambda value: str(value)[:60])
def test_what_does_not_fit_is_blank_and_the_event_remains(
    members: dict[str, Any], expected: server.ServerEvent
) -> None:
    assert decode(**members) == expected


def test_a_blank_event_can_be_written_and_read_again() -> None:
    for members, _ in SKELETONS:
        event = decode(**members)
        assert codec.decode_server(codec.encode(event)) == event


# --- events that say nothing without their essence -----------------------------------------------


ESSENCES = {
    "response.output_audio.delta": "delta",
    "response.output_audio_transcript.delta": "delta",
    "response.output_audio_transcript.done": "transcript",
    "response.output_text.delta": "delta",
    "response.output_text.done": "text",
    "response.function_call_arguments.delta": "delta",
    "response.function_call_arguments.done": "arguments",
    "response.mcp_call_arguments.delta": "delta",
    "response.mcp_call_arguments.done": "arguments",
    "conversation.item.input_audio_transcription.segment": "text",
}


@pytest.mark.parametrize("name", ESSENCES)
def test_an_event_without_its_essence_is_unknown_but_names_its_response(name: str) -> None:
    for given in ({}, {ESSENCES[name]: None}):
        data = json.dumps({"type": name, "response_id": "r", **given})
        assert codec.decode_server(data) == UnknownEvent(
            type=name, response_id="r", raw=data.encode()
        )


@pytest.mark.parametrize("name", [n for n in ESSENCES if ESSENCES[n] != "arguments"])
@pytest.mark.parametrize("value", [{"text": "hi"}, ["hi"]])
def test_an_object_is_never_spoken(name: str, value: Any) -> None:
    assert isinstance(decode(type=name, **{ESSENCES[name]: value}), UnknownEvent)


def test_bad_base64_is_no_audio() -> None:
    event = decode(type="response.output_audio.delta", response_id="r", delta="=A=")
    assert isinstance(event, UnknownEvent)
    assert event.response_id == "r"


@pytest.mark.parametrize("missing", ["response_id", "item_id", "output_index", "content_index"])
def test_a_delta_needs_no_place(missing: str) -> None:
    members = {"response_id": "r", "item_id": "i", "output_index": 1, "content_index": 1}
    del members[missing]
    event = decode(type="response.output_text.delta", delta="hi", **members)
    assert isinstance(event, server.ResponseOutputTextDelta)
    assert event.delta == "hi"
    assert {name: getattr(event, name) for name in members} == members
    assert not getattr(event, missing)


# --- the walk ------------------------------------------------------------------------------------


def test_the_walk_does_not_follow_the_data() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    built = lenient.build(server.Error, {"error": {"message": deep, "code": deep}})
    assert built == server.Error(ErrorBody())
