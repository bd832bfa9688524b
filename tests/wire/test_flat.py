"""The older, flat shape of the protocol, there and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rejoinder.wire import client_events as ce
from rejoinder.wire import codec, dialects
from rejoinder.wire import server_events as server
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ResponseAudio, ResponseParams
from rejoinder.wire.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    NoiseReduction,
    Reasoning,
    SessionConfig,
    Transcription,
    TurnDetection,
)

FLAT = dialects.azure_legacy("2024-10-01-preview")
NESTED = SessionConfig(
    type="realtime",
    model="m",
    output_modalities=["audio"],
    instructions="Be brief.",
    audio=Audio(
        input=AudioInput(
            format=AudioFormat(type="audio/pcm", rate=24_000),
            transcription=Transcription(model="whisper-1"),
            noise_reduction=NoiseReduction(type="near_field"),
            turn_detection=TurnDetection(type="server_vad", silence_duration_ms=200),
        ),
        output=AudioOutput(format=AudioFormat(type="audio/pcmu"), voice="marin", speed=1.1),
    ),
    tool_choice="auto",
    max_output_tokens=300,
    reasoning=Reasoning(effort="low"),
)
OLD = {
    "model": "m",
    "modalities": ["audio", "text"],
    "instructions": "Be brief.",
    "input_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
    "output_audio_format": "g711_ulaw",
    "voice": "marin",
    "speed": 1.1,
    "tool_choice": "auto",
    "max_response_output_tokens": 300,
    "reasoning": {"effort": "low"},
}


def said(event: ce.ClientEvent | ce.RawClientEvent) -> Any:
    return json.loads(codec.encode(event, FLAT))


def told(session: Any, name: str = "session.updated") -> Any:
    event = codec.decode_server(json.dumps({"type": name, "event_id": "e", "session": session}))
    assert isinstance(event, server.SessionCreated | server.SessionUpdated)
    return msgspec.to_builtins(event.session)


def test_a_session_update_is_flat_and_has_no_type() -> None:
    assert said(ce.SessionUpdate(event_id="e", session=NESTED)) == {
        "type": "session.update",
        "event_id": "e",
        "session": OLD,
    }


def test_null_stays_null_so_that_things_can_be_switched_off() -> None:
    off = AudioInput(turn_detection=None, noise_reduction=None)
    update = ce.SessionUpdate(session=SessionConfig(audio=Audio(input=off)))

    flat = {"turn_detection": None, "input_audio_noise_reduction": None}
    assert said(update)["session"] == flat


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ({"output_modalities": ["text"]}, {"modalities": ["text"]}),
        ({"output_modalities": None}, {"modalities": None}),
        ({"audio": None}, {}),
        ({"audio": {"input": None}}, {}),
        ({"audio": {"input": {"format": None}}}, {"input_audio_format": None}),
        ({"audio": {"input": {"format": {"type": "x"}}}}, {"input_audio_format": "x"}),
        (OLD, OLD),
        (None, None),
    ],
)
def test_a_raw_session_update_is_made_flat_as_far_as_it_is_not(nested: Any, flat: Any) -> None:
    update = ce.RawClientEvent({"type": "session.update", "session": nested})

    assert said(update)["session"] == flat


def test_what_a_response_overrides_is_flat_too() -> None:
    words = Item(
        type="message", role="assistant", content=[ContentPart(type="output_text", text="t")]
    )
    params = ResponseParams(
        output_modalities=["audio"],
        audio=ResponseAudio(output=AudioOutput(voice="cedar")),
        max_output_tokens="inf",
        instructions="Greet.",
        metadata={"k": "v"},
        input=[words],
    )

    assert said(ce.ResponseCreate(response=params))["response"] == {
        "modalities": ["audio", "text"],
        "voice": "cedar",
        "max_response_output_tokens": "inf",
        "instructions": "Greet.",
        "metadata": {"k": "v"},
        "input": [
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "t"}]}
        ],
    }


@pytest.mark.parametrize(
    "event", [ce.ResponseCreate(), ce.ResponseCreate(response=ResponseParams())]
)
def test_a_response_without_overrides_stays_so(event: ce.ResponseCreate) -> None:
    assert not said(event).get("response")


@pytest.mark.parametrize(
    ("role", "part", "older"),
    [
        ("assistant", "output_text", "text"),
        ("user", "input_text", "input_text"),
        ("assistant", "text", "text"),
    ],
)
def test_only_the_models_own_words_have_another_name(role: str, part: str, older: str) -> None:
    item = Item(type="message", role=role, content=[ContentPart(type=part, text="t")])

    sent = said(ce.ConversationItemCreate(item=item, previous_item_id="p"))
    assert sent["item"]["content"] == [{"type": older, "text": "t"}]
    assert sent["previous_item_id"] == "p"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "conversation.item.create"},
        {"type": "conversation.item.create", "item": None},
        {"type": "conversation.item.create", "item": {"type": "function_call_output"}},
        {"type": "conversation.item.create", "item": {"content": [None, "words"]}},
        {"type": "response.create", "response": {"input": "words"}},
        {"type": "input_audio_buffer.append", "audio": "AAA="},
    ],
)
def test_what_is_no_different_or_no_event_goes_as_it_is(event: dict[str, Any]) -> None:
    assert said(ce.RawClientEvent(event)) == event


def test_audio_goes_as_it_is() -> None:
    assert said(ce.InputAudioBufferAppend(audio=b"\0\0"))["audio"] == "AAA="


@pytest.mark.parametrize(
    "name",
    [
        "session.created",
        "session.updated",
        "transcription_session.created",
        "transcription_session.updated",
    ],
)
def test_a_flat_session_is_read_as_todays(name: str) -> None:
    read = told({**OLD, "id": "s", "expires_at": 7, "temperature": 0.8}, name)

    expected = msgspec.to_builtins(NESTED)
    del expected["type"]
    assert read == {**expected, "id": "s", "expires_at": 7}


@pytest.mark.parametrize(
    ("flat", "nested"),
    [
        ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
        ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
        ({"modalities": None}, {"output_modalities": None}),
        ({"input_audio_format": "x"}, {"audio": {"input": {"format": {"type": "x"}}}}),
        ({"input_audio_format": None}, {"audio": {"input": {"format": None}}}),
        ({"audio": 7, "voice": "v"}, {"audio": {"output": {"voice": "v"}}}),
        (
            {"audio": {"output": {"voice": "v"}}, "voice": "w"},
            {"audio": {"output": {"voice": "v"}}},
        ),
        ({"type": "realtime"}, {"type": "realtime"}),
        ({}, {}),
    ],
)
def test_a_session_is_read_as_far_as_it_goes(flat: Any, nested: Any) -> None:
    assert told(flat) == nested


def test_a_session_that_is_none_is_a_session_of_which_nothing_is_known() -> None:
    event = codec.decode_server(b'{"type":"session.created","session":"x"}')
    assert isinstance(event, server.SessionCreated)
    assert msgspec.to_builtins(event.session) == {}
