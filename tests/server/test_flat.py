"""The older shape: a flat session and older names, over today's server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rejoinder.server.core import Terms
from rejoinder.server.effects import Send
from rejoinder.server.flat import Flat
from rejoinder.server.inputs import Received
from rejoinder.server.reading import Unreadable
from rejoinder.server.script import Call, Script, Speech, Text, Turn
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ErrorBody
from tests.server.desk import Desk, base64_of
from tests.server.signals import joined, silence, vowel
from tests.wire import official

Json = dict[str, Any]

SPOKEN = joined(silence(0.5), vowel(0.8), silence(0.8)).tobytes()


class FlatDesk:
    """The server on the desk, spoken to in the older shape; what it tells, as plain objects."""

    def __init__(self, script: Script | None = None, kind: str = "realtime") -> None:
        terms = Terms(model="gpt-4o-realtime-preview", kind=kind, names_conversation=True)
        self.desk = Desk(script, terms=terms)
        self.shape = Flat(kind)
        self.greeting = self._told(self.desk.greeting)

    def frame(self, frame: str | bytes) -> list[Json]:
        return self._told(self.desk.give(Received(self.shape.read(frame))))

    def say(self, kind: str, **members: Any) -> list[Json]:
        return self.frame(json.dumps({"type": kind, **members}))

    def configure(self, **members: Any) -> list[Json]:
        return self.say("session.update", event_id="c1", session=members)

    def run(self, seconds: float = 10.0) -> list[Json]:
        return self._told(self.desk.effects(seconds))

    def hear(self, pcm: bytes) -> list[Json]:
        return self.say("input_audio_buffer.append", audio=base64_of(pcm))

    def _told(self, effects: list[Any]) -> list[Json]:
        frames = [self.shape.told(one.event) for one in effects if isinstance(one, Send)]
        return [json.loads(frame) for frame in frames if frame is not None]


def names(told: list[Json]) -> list[str]:
    return [one["type"] for one in told]


def one(kind: str, told: list[Json]) -> Json:
    (found,) = [said for said in told if said["type"] == kind]
    return found


def refused(told: list[Json]) -> tuple[str, str]:
    (said,) = told
    assert said["type"] == "error"
    return said["error"]["code"], said["error"]["param"]


# -- the session --

SESSION = {
    "id": "sess_c1_0001",
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview",
    "expires_at": 3700,
    "modalities": ["audio", "text"],
    "voice": "marin",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": None,
    "input_audio_noise_reduction": None,
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": True,
        "interrupt_response": True,
    },
    "tools": [],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
    "speed": 1.0,
    "tracing": None,
}


def test_the_session_is_flat_and_the_conversation_is_named_after_it() -> None:
    desk = FlatDesk()
    created, conversation = desk.greeting
    assert (created["type"], conversation["type"]) == ("session.created", "conversation.created")
    assert conversation["conversation"] == {"id": "conv_c1_0001", "object": "realtime.conversation"}
    session = created["session"]
    assert session.pop("instructions")
    assert session == SESSION


def test_an_update_is_flat_both_ways() -> None:
    desk = FlatDesk()
    given = {
        "modalities": ["text"],
        "instructions": "Be brief.",
        "voice": "ash",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": None,
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": "none",
        "temperature": 0.7,
        "max_response_output_tokens": 100,
        "speed": 1.25,
    }
    (updated,) = desk.configure(**given, client_secret={"expires_after": {"anchor": "created_at"}})
    assert updated["type"] == "session.updated"
    assert {name: updated["session"][name] for name in given} == given
    (updated,) = desk.configure(
        turn_detection={"threshold": 0.9}, temperature=None, modalities=None
    )
    assert updated["session"]["turn_detection"]["threshold"] == 0.9
    assert (updated["session"]["temperature"], updated["session"]["voice"]) == (0.7, "ash")


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"type": "realtime"}, "unknown_parameter", "session.type"),
        ({"audio": {"output": {"voice": "ash"}}}, "unknown_parameter", "session.audio"),
        ({"output_modalities": ["text"]}, "unknown_parameter", "session.output_modalities"),
        ({"truncation": "auto"}, "unknown_parameter", "session.truncation"),
        ({"modalities": ["audio"]}, "invalid_value", "session.modalities"),
        ({"input_audio_format": "audio/pcm"}, "invalid_value", "session.input_audio_format"),
        ({"temperature": 1.3}, "decimal_above_max_value", "session.temperature"),
        ({"temperature": "hot"}, "invalid_type", "session.temperature"),
        ({"speed": 9}, "decimal_above_max_value", "session.speed"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 2}},
            "decimal_above_max_value",
            "session.turn_detection.threshold",
        ),
        (
            {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6000}},
            "unknown_parameter",
            "session.turn_detection.idle_timeout_ms",
        ),
        ({"turn_detection": 7}, "invalid_type", "session.turn_detection"),
        (
            {"max_response_output_tokens": 0},
            "integer_below_min_value",
            "session.max_response_output_tokens",
        ),
        (
            {"tools": [{"type": "mcp", "server_label": "x"}]},
            "invalid_value",
            "session.tools[0].type",
        ),
        ({"tools": [7]}, "invalid_type", "session.tools[0]"),
        ({"tools": 7}, "invalid_type", "session.tools"),
    ],
)
def test_a_refusal_names_the_member_as_the_client_does(
    members: Json, code: str, param: str
) -> None:
    desk = FlatDesk()
    told = desk.configure(instructions="x", **members)
    assert refused(told) == (code, param)
    assert told[0]["error"]["event_id"] == "c1"
    assert "audio.output" not in told[0]["error"]["message"]
    (updated,) = desk.configure()
    assert updated["session"]["instructions"] != "x"
    assert updated["session"]["temperature"] == 0.8


def test_the_temperature_of_a_refused_update_is_forgotten() -> None:
    desk = FlatDesk()
    desk.configure(temperature=0.6, speed=9)
    (updated,) = desk.configure(speed=1.0)
    assert updated["session"]["temperature"] == 0.8


def test_a_listening_session_has_events_of_its_own() -> None:
    desk = FlatDesk(kind="transcription")
    assert desk.greeting[0]["type"] == "transcription_session.created"
    told = desk.say(
        "transcription_session.update",
        session={
            "modalities": ["text"],
            "input_audio_format": "g711_ulaw",
            "include": ["item.input_audio_transcription.logprobs"],
        },
    )
    session = one("transcription_session.updated", told)["session"]
    assert session["object"] == "realtime.transcription_session"
    assert session["input_audio_format"] == "g711_ulaw"
    assert session["include"] == ["item.input_audio_transcription.logprobs"]
    assert not {"voice", "modalities", "temperature"} & session.keys()
    assert refused(desk.configure(voice="ash")) == ("invalid_value", "type")
    assert refused(FlatDesk().say("transcription_session.update", session={})) == (
        "invalid_value",
        "type",
    )
    told = desk.say("transcription_session.update", session={"voice": "ash"})
    assert refused(told) == ("unknown_parameter", "session.voice")


# -- items and responses --


def written() -> list[Json]:
    desk = FlatDesk(Script(Turn("capital of peru", Text("Lima."))))
    desk.configure(modalities=["text"])
    words = [{"type": "input_text", "text": "Capital of Peru?"}]
    item = {"type": "message", "role": "user", "content": words}
    assert names(desk.say("conversation.item.create", item=item)) == ["conversation.item.created"]
    return desk.say("response.create", response={"metadata": {"req": "7"}}) + desk.run()


def test_a_written_exchange_goes_by_the_older_names() -> None:
    assert names(written()) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.text.delta",
        "response.text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_a_response_is_flat() -> None:
    told = written()
    spoken = [{"type": "text", "text": "Lima."}]
    assert one("response.output_item.done", told)["item"]["content"] == spoken
    response = one("response.done", told)["response"]
    assert response["output"][0]["content"] == spoken
    assert response["modalities"] == ["text"]
    assert (response["voice"], response["output_audio_format"]) == ("marin", "pcm16")
    assert (response["temperature"], response["max_output_tokens"]) == (0.8, "inf")
    assert response["metadata"] == {"req": "7"}
    details = {"text_tokens", "audio_tokens", "cached_tokens"}
    assert set(response["usage"]["input_token_details"]) == details
    assert not {"audio", "output_modalities", "max_response_output_tokens"} & response.keys()


def test_a_spoken_answer_has_parts_of_audio() -> None:
    desk = FlatDesk(Script(Turn(None, Speech("Hi.", bytes(9600)))))
    told = desk.hear(SPOKEN) + desk.run()
    for name in (
        "response.audio.delta",
        "response.audio.done",
        "response.audio_transcript.delta",
        "response.audio_transcript.done",
    ):
        assert name in names(told)
    item = one("response.output_item.done", told)["item"]
    assert item["content"] == [{"type": "audio", "transcript": "Hi."}]
    (retrieved,) = desk.say("conversation.item.retrieve", item_id=item["id"])
    assert retrieved["item"]["content"][0]["type"] == "audio"
    assert retrieved["item"]["content"][0]["audio"]


def test_a_call_is_named_by_its_item_alone() -> None:
    desk = FlatDesk(Script(Turn(None, Call("weather", {"city": "Oslo"}))))
    told = desk.say("response.create") + desk.run()
    assert "name" not in one("response.function_call_arguments.done", told)
    assert one("response.output_item.done", told)["item"]["name"] == "weather"


def test_a_response_may_be_told_how_in_the_older_words() -> None:
    desk = FlatDesk(Script(otherwise=Turn(None, Text("Yes."))))
    said = {
        "modalities": ["audio", "text"],
        "voice": "ash",
        "output_audio_format": "g711_ulaw",
        "temperature": 0.9,
        "max_output_tokens": 50,
        "conversation": "none",
        "input": [
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Ask."}]}
        ],
    }
    told = desk.say("response.create", response=said)
    response = one("response.created", told)["response"]
    assert (response["voice"], response["output_audio_format"]) == ("ash", "g711_ulaw")
    assert (response["max_output_tokens"], response["conversation_id"]) == (50, None)
    told = desk.say("response.create", response={"max_response_output_tokens": 60})
    assert one("response.created", told)["response"]["max_output_tokens"] == 60
    told = desk.say("response.create", response={"output_modalities": ["text"]})
    assert refused(told) == ("unknown_parameter", "response.output_modalities")
    said = {"conversation": "none", "voice": 7}
    assert refused(desk.say("response.create", response=said)) == ("invalid_type", "response.voice")
    assert refused(desk.say("response.create", response=7)) == ("invalid_type", "response")


@pytest.mark.parametrize(
    ("role", "part", "code", "param"),
    [
        ("assistant", {"type": "output_text", "text": "x"}, "invalid_value", "type"),
        ("assistant", {"type": "audio", "audio": "AAAA"}, "missing_required_parameter", "text"),
        ("user", {"type": "text", "text": "x"}, "invalid_value", "type"),
        ("assistant", {"type": "input_text", "text": "x"}, "invalid_value", "type"),
    ],
)
def test_parts_have_the_older_names(role: str, part: Json, code: str, param: str) -> None:
    item = {"type": "message", "role": role, "content": [part]}
    (error,) = FlatDesk().say("conversation.item.create", item=item)
    assert refused([error]) == (code, f"item.content[0].{param}")
    assert "'output_text'" not in error["error"]["message"].partition("Supported")[2]


def test_history_of_the_assistant_is_text() -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi."}]}
    (created,) = FlatDesk().say("conversation.item.create", item=item)
    assert created["item"]["content"] == [{"type": "text", "text": "Hi."}]


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        (b'{"type":"response.create"}', "invalid_event", None),
        ("{oops", "invalid_json", None),
        ('{"type":"session.update","session":{"speed":1e999}}', "invalid_json", None),
        ("[1]", "invalid_event", None),
        ('{"type":"session.dance"}', "invalid_value", "type"),
        ('{"type":"session.update"}', "missing_required_parameter", "session"),
        ('{"type":"session.update","session":[]}', "invalid_type", "session"),
        (
            '{"type":"session.update","event_id":7,"session":{"x":1}}',
            "unknown_parameter",
            "session.x",
        ),
        ('{"type":"conversation.item.create"}', "missing_required_parameter", "item"),
        ('{"type":"conversation.item.create","item":7}', "invalid_type", "item"),
        (
            '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[7]}}',
            "invalid_type",
            "item.content[0]",
        ),
        (
            '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":[]}]}}',
            "invalid_type",
            "item.content[0].type",
        ),
        (
            '{"type":"response.create","response":{"input":[{"content":[{"type":{}}]}]}}',
            "invalid_type",
            "response.input[0].content[0].type",
        ),
    ],
)
def test_what_cannot_be_read_is_answered_as_ever(
    frame: str | bytes, code: str, param: str | None
) -> None:
    assert refused(FlatDesk().frame(frame)) == (code, param)


def test_what_the_older_shape_has_no_word_for_is_not_told() -> None:
    shape = Flat("realtime")
    for event in (
        events.InputAudioBufferTimeoutTriggered(item_id="i", audio_start_ms=0, audio_end_ms=1),
        events.McpListToolsCompleted(item_id="i"),
        events.ResponseMcpCallFailed(item_id="i", output_index=0),
    ):
        assert shape.told(event) is None


def test_an_error_of_few_words_stays_one() -> None:
    frame = Flat("realtime").told(events.Error(error=ErrorBody(type="server_error")))
    assert json.loads(frame or "")["error"]["message"] is None


def test_an_unreadable_frame_is_none_in_any_shape() -> None:
    assert isinstance(Flat("realtime").read("\ud800"), Unreadable)


# -- against the official types --

UNTYPED = {"transcription_session.created", "transcription_session.updated"}
"""The package has no type for the one; that of the other wants the secret of a session made by HTTP."""


def test_every_event_of_a_conversation_is_one_of_the_official_older_types() -> None:
    script = Script(
        Turn("Weather?", Call("weather", {"city": "Oslo"})),
        otherwise=Turn(None, Speech("It rains.", bytes(9600))),
    )
    desk = FlatDesk(script)
    told = [*desk.greeting, *desk.configure(input_audio_transcription={"model": "whisper-1"})]
    told += desk.hear(SPOKEN) + desk.run()
    calls = [one["item"] for one in told if one["type"] == "response.output_item.done"]
    output = {"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "rain"}
    told += desk.say("conversation.item.create", item=output)
    told += desk.say("response.create") + desk.run(0.2)
    told += desk.say("response.cancel") + desk.run()
    told += desk.say("response.create") + desk.run()
    spoken = [one["item"]["id"] for one in told if one["type"] == "response.output_item.done"][-1]
    told += desk.say("conversation.item.retrieve", item_id=spoken)
    told += desk.say("conversation.item.truncate", item_id=spoken, content_index=0, audio_end_ms=10)
    told += desk.say("conversation.item.delete", item_id=spoken)
    told += desk.say("input_audio_buffer.clear")
    told += desk.say("input_audio_buffer.commit")
    seen = set()
    for said in told:
        official.BETA_SERVER[said["type"]].model_validate(said)
        seen.add(said["type"])
    heard = official.BETA_SERVER.keys() - seen - UNTYPED
    assert {name for name in heard if not name.startswith("output_audio_buffer.")} == {
        "conversation.item.input_audio_transcription.failed",
        "response.text.delta",
        "response.text.done",
    }
