"""Decoding never raises and keeps what was said; encoding writes exactly what is there."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from rejoinder.wire import client_events as client
from rejoinder.wire import codec
from rejoinder.wire import server_events as server
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ErrorBody, ResponseObject, ResponseParams
from rejoinder.wire.session import (
    Audio,
    AudioInput,
    RateLimit,
    SessionConfig,
    Transcription,
    TurnDetection,
)
from rejoinder.wire.strange import MalformedFrame, UnknownEvent

PART = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}


def frame(**members: Any) -> bytes:
    return json.dumps(members).encode()


def said(event: client.ClientEvent | client.RawClientEvent | server.ServerEvent) -> Any:
    return json.loads(codec.encode(event))


# --- base64 --------------------------------------------------------------------------------------


def test_audio_comes_as_bytes_and_goes_as_base64() -> None:
    event = codec.decode_server(frame(type="response.output_audio.delta", delta="AAEC/w==", **PART))
    assert isinstance(event, server.ResponseOutputAudioDelta)
    assert event.delta == b"\x00\x01\x02\xff"
    assert said(event)["delta"] == "AAEC/w=="


def test_appended_audio_goes_as_base64_and_comes_as_bytes() -> None:
    event = client.InputAudioBufferAppend(b"\xfb\xff\x00", event_id="e1")
    assert said(event) == {"type": "input_audio_buffer.append", "audio": "+/8A", "event_id": "e1"}
    assert codec.decode_client(codec.encode(event)) == event


def test_audio_inside_an_item_is_bytes_too() -> None:
    item = {"type": "message", "content": [{"type": "input_audio", "audio": "AAE="}]}
    event = codec.decode_server(frame(type="conversation.item.retrieved", item=item))
    assert isinstance(event, server.ConversationItemRetrieved)
    assert event.item.content == [ContentPart(type="input_audio", audio=b"\x00\x01")]
    assert said(event)["item"] == item


# --- absent, null, value -------------------------------------------------------------------------


def test_what_is_unset_is_not_written_and_null_is() -> None:
    config = SessionConfig(
        type="realtime",
        instructions="",
        tools=[],
        audio=Audio(input=AudioInput(turn_detection=None, transcription=Transcription(model="m"))),
    )
    assert said(client.SessionUpdate(config)) == {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": "",
            "tools": [],
            "audio": {"input": {"turn_detection": None, "transcription": {"model": "m"}}},
        },
    }


@pytest.mark.parametrize(
    ("audio_input", "expected"),
    [
        ({}, UNSET),
        ({"turn_detection": None}, None),
        (
            {"turn_detection": {"type": "server_vad", "idle_timeout_ms": None}},
            TurnDetection(type="server_vad", idle_timeout_ms=None),
        ),
    ],
)
def test_absent_null_and_a_value_are_three_things(
    audio_input: dict[str, Any], expected: object
) -> None:
    session = {"audio": {"input": audio_input}}
    event = codec.decode_client(frame(type="session.update", session=session))
    assert event == client.SessionUpdate(
        SessionConfig(audio=Audio(input=AudioInput(turn_detection=expected)))  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("response", "expected"),
    [({}, UNSET), ({"conversation_id": None}, None), ({"conversation_id": "conv_1"}, "conv_1")],
)
def test_a_response_tells_out_of_band_from_not_said(
    response: dict[str, Any], expected: object
) -> None:
    event = codec.decode_server(frame(type="response.created", response={"id": "r", **response}))
    assert isinstance(event, server.ResponseCreated)
    assert event.response.conversation_id is expected or event.response.conversation_id == expected
    assert response.items() <= said(event)["response"].items()
    assert ("conversation_id" in said(event)["response"]) is bool(response)


def test_response_overrides_are_written_only_when_given() -> None:
    create = client.ResponseCreate(ResponseParams(conversation="none", input=[], metadata=None))
    assert said(create) == {
        "type": "response.create",
        "response": {"conversation": "none", "input": [], "metadata": None},
    }
    assert said(client.ResponseCreate()) == {"type": "response.create"}


def test_an_item_writes_its_empty_members_but_not_its_absent_ones() -> None:
    item = Item(type="function_call", call_id="c", arguments="", content=[])
    assert said(client.ConversationItemCreate(item)) == {
        "type": "conversation.item.create",
        "item": {"type": "function_call", "call_id": "c", "arguments": "", "content": []},
    }


# --- what passes by ------------------------------------------------------------------------------


def test_when_a_word_is_spoken_is_written_only_when_it_is_known() -> None:
    word = server.ResponseOutputAudioTranscriptDelta(
        response_id="r", item_id="i", output_index=0, content_index=0, delta="Hi"
    )
    assert "start_time" not in said(word)
    assert said(msgspec.structs.replace(word, start_time=0.5))["start_time"] == 0.5


def test_unknown_members_are_ignored() -> None:
    event = codec.decode_server(
        frame(type="response.output_text.delta", delta="hi", obfuscation="xyz", new=[{}], **PART)
    )
    assert event == server.ResponseOutputTextDelta("resp_1", "item_1", 0, 0, "hi")


def test_values_outside_the_known_enumerations_pass() -> None:
    response = {
        "id": "r",
        "status": "paused",
        "status_details": {"type": "x", "reason": "no_words"},
    }
    event = codec.decode_server(frame(type="response.done", response=response))
    assert isinstance(event, server.ResponseDone)
    assert event.response.status == "paused"
    assert event.response.status_details
    assert event.response.status_details.reason == "no_words"


def test_tools_of_other_vendors_survive() -> None:
    tools = [{"type": "x_search", "depth": {"max": 3}}, {"type": "function", "name": "f"}]
    event = codec.decode_client(frame(type="session.update", session={"tools": tools}))
    assert isinstance(event, client.SessionUpdate)
    assert said(event)["session"] == {"tools": tools}


def test_the_dtmf_event_has_no_id() -> None:
    event = codec.decode_server(
        frame(type="input_audio_buffer.dtmf_event_received", event="9", received_at=1763344895)
    )
    assert event == server.InputAudioBufferDtmfEventReceived("9", 1763344895)


@pytest.mark.parametrize(
    ("members", "response_id"),
    [
        ({"type": "ping"}, None),
        ({"type": "response.paused", "response_id": "r"}, "r"),
        ({"type": "response.paused", "response": {"id": "r"}}, "r"),
        ({"type": "response.paused", "response_id": 7, "response": []}, None),
        ({"type": ""}, None),
    ],
)
def test_a_new_type_is_an_unknown_event(members: dict[str, Any], response_id: str | None) -> None:
    data = frame(**members, event_id="event_1")
    event = codec.decode_server(data)
    assert event == UnknownEvent(
        type=members["type"], response_id=response_id, event_id="event_1", raw=data
    )
    assert codec.encode(event) == data


# --- frames that are no event --------------------------------------------------------------------


@pytest.mark.parametrize("decode", [codec.decode_server, codec.decode_client])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"hello", "not JSON"),
        (b"\x00\x01\xfe\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'[{"type":"error"}]', "not a JSON object"),
        (b"3", "not a JSON object"),
        (b'"error"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"NaN", "not a JSON object"),
        (b"{}", "no type"),
        (b'{"type":null}', "no type"),
        (b'{"type":7}', "no type"),
        (b'{"type":["error"]}', "no type"),
        ("\ud800", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"type":"error","error":' + b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_frame_is_malformed_and_says_why(decode: Any, data: bytes | str, reason: str) -> None:
    event = decode(data)
    assert isinstance(event, MalformedFrame)
    assert reason in event.reason


def test_two_kibibytes_of_a_malformed_frame_are_kept() -> None:
    event = codec.decode_server(b"x" * 5000)
    assert isinstance(event, MalformedFrame)
    assert event.raw == codec.encode(event) == b"x" * codec.RAW_LIMIT


def test_text_in_a_binary_frame_is_read_just_the_same() -> None:
    data = frame(type="input_audio_buffer.cleared", event_id="e")
    assert codec.decode_server(data) == codec.decode_server(data.decode())
    assert codec.decode_server(data) == server.InputAudioBufferCleared(event_id="e")


# --- what can be mended in the text --------------------------------------------------------------


def text_delta(delta: bytes) -> bytes:
    return frame(type="response.output_text.delta", delta="@", **PART).replace(b"@", delta)


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (rb"a\ud83d", "a�"),
        (rb"\ude00b", "�b"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\ud83d \u00e9", r"\ud83d é"),
        (b"caf\xe9", "caf�"),
    ],
)
def test_half_a_character_costs_a_character_not_the_delta(delta: bytes, expected: str) -> None:
    event = codec.decode_server(text_delta(delta))
    assert isinstance(event, server.ResponseOutputTextDelta)
    assert event.delta == expected
    assert codec.decode_server(codec.encode(event)) == event


def test_a_byte_order_mark_is_no_harm() -> None:
    event = codec.decode_server(b"\xef\xbb\xbf" + text_delta(b"x"))
    assert isinstance(event, server.ResponseOutputTextDelta)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"-1", b'"nan"'])
def test_an_impossible_number_costs_the_number_not_the_event(number: bytes) -> None:
    data = b'{"type":"rate_limits.updated","rate_limits":[{"name":"tokens","reset_seconds":@}]}'
    event = codec.decode_server(data.replace(b"@", number))
    assert event == server.RateLimitsUpdated([RateLimit(name="tokens")])


@pytest.mark.parametrize("number", [str(2**53 + 1), "9" * 100, "-1", "1.5"])
def test_an_index_is_a_number_that_can_be_counted_with(number: str) -> None:
    data = frame(type="input_audio_buffer.speech_started", item_id="i", audio_start_ms="@")
    event = codec.decode_server(data.replace(b'"@"', number.encode()))
    assert event == server.InputAudioBufferSpeechStarted(0, "i")


def test_a_number_in_quotes_is_a_number() -> None:
    event = codec.decode_server(
        frame(type="input_audio_buffer.speech_stopped", item_id="i", audio_end_ms="1200")
    )
    assert event == server.InputAudioBufferSpeechStopped(1200, "i")


# --- client events are read strictly -------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"type": "input_audio_buffer.append", "audio": "%"}, "audio"),
        ({"type": "input_audio_buffer.append"}, "audio"),
        ({"type": "conversation.item.truncate", "item_id": 3}, "item_id"),
        ({"type": "conversation.item.create", "item": {}}, "item.type"),
        ({"type": "session.update", "session": None}, "session"),
        (
            {"type": "session.update", "session": {"audio": {"input": {"format": {"rate": "x"}}}}},
            "session.audio.input.format.rate",
        ),
        ({"type": "conversation.item.create", "item": []}, "item"),
    ],
)
def test_a_client_event_that_does_not_fit_names_the_member(
    members: dict[str, Any], param: str
) -> None:
    event = codec.decode_client(frame(**members, event_id="e7"))
    assert isinstance(event, MalformedFrame)
    assert (event.type, event.event_id, event.param) == (members["type"], "e7", param)
    assert event.reason
    assert event.raw


def test_an_event_id_that_is_no_string_is_not_repeated() -> None:
    event = codec.decode_client(frame(type="response.cancel", event_id=7))
    assert isinstance(event, MalformedFrame)
    assert (event.event_id, event.param) == (None, "event_id")


def test_null_stands_for_absent_in_a_client_event() -> None:
    event = codec.decode_client(frame(type="response.create", event_id=None, response=None))
    assert event == client.ResponseCreate()


def test_an_unknown_client_event_keeps_its_id() -> None:
    data = frame(type="transcription_session.update", event_id="e1")
    assert codec.decode_client(data) == UnknownEvent(
        type="transcription_session.update", event_id="e1", raw=data
    )


def test_a_raw_client_event_goes_as_it_is() -> None:
    event = client.RawClientEvent({"type": "session.close", "audio": b"\x00", "n": None})
    assert said(event) == {"type": "session.close", "audio": "AA==", "n": None}


def test_text_that_cannot_be_written_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        codec.encode(client.ConversationItemDelete("\ud800"))


def test_events_cannot_be_changed() -> None:
    event = server.Error(ErrorBody(message="m"))
    with pytest.raises(AttributeError):
        event.error = ErrorBody()  # type: ignore[misc]
    assert msgspec.structs.replace(event, event_id="e") != event
    assert ResponseObject() == ResponseObject()
