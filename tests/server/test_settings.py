"""The session in force, and what `session.update` may make of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rejoinder.server.core import Terms
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.wire import server_events as events
from tests.server.desk import Desk, only, refusal, sent


def config(desk: Desk) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(desk.session.settings.describe())
    return built


def update(desk: Desk, **members: Any) -> list[Any]:
    return desk.say("session.update", event_id="c1", session={"type": "realtime", **members})


def hearing(**members: Any) -> dict[str, Any]:
    return {"audio": {"input": members}}


def test_the_session_comes_first_and_whole() -> None:
    desk = Desk(terms=Terms(model="gpt-realtime-2", epoch=1_000_000.0, lifetime=3600.0))
    (created,) = sent(desk.greeting)
    assert isinstance(created, events.SessionCreated)
    session = created.session
    assert (session.type, session.object) == ("realtime", "realtime.session")
    assert (session.model, session.expires_at) == ("gpt-realtime-2", 1_003_700)
    assert session.output_modalities == ["audio"]
    assert config(desk)["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }


def test_an_update_changes_what_it_names_and_answers_with_everything() -> None:
    desk = Desk()
    before = config(desk)
    told = update(desk, instructions="", tools=[], audio={"output": {"speed": 1.25}})
    session = only(events.SessionUpdated, told).session
    assert session.instructions == ""
    expected = {**before, "instructions": ""}
    expected["audio"] = {**before["audio"], "output": {**before["audio"]["output"], "speed": 1.25}}
    assert msgspec.to_builtins(session) == expected


def test_null_switches_off_and_is_no_change_elsewhere() -> None:
    desk = Desk()
    update(desk, **hearing(transcription={"model": "whisper-1", "language": "en"}))
    update(desk, **hearing(transcription={"model": "gpt-4o-transcribe"}))
    expected = {"model": "gpt-4o-transcribe", "language": "en"}
    assert config(desk)["audio"]["input"]["transcription"] == expected
    update(
        desk,
        instructions=None,
        **hearing(turn_detection=None, transcription=None, noise_reduction=None),
    )
    heard = config(desk)["audio"]["input"]
    assert heard["turn_detection"] is heard["transcription"] is heard["noise_reduction"] is None
    assert config(desk)["instructions"]


def test_another_type_of_turn_detection_starts_from_its_defaults() -> None:
    desk = Desk()
    update(desk, **hearing(turn_detection={"type": "server_vad", "threshold": 0.9}))
    update(desk, **hearing(turn_detection={"type": "server_vad", "silence_duration_ms": 200}))
    assert config(desk)["audio"]["input"]["turn_detection"]["threshold"] == 0.9
    update(desk, **hearing(turn_detection={"type": "semantic_vad", "eagerness": "low"}))
    assert config(desk)["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }
    update(desk, **hearing(turn_detection=None))
    update(desk, **hearing(turn_detection={"type": "server_vad"}))
    assert config(desk)["audio"]["input"]["turn_detection"]["threshold"] == 0.5


FUNCTION = {"type": "function", "name": "f"}
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://example.com"}


@pytest.mark.parametrize(
    "members",
    [
        {"output_modalities": ["text"]},
        {"max_output_tokens": 4096},
        {"max_output_tokens": "inf"},
        {"tools": [FUNCTION, MCP, {"type": "mcp", "server_label": "known before"}]},
        {"include": ["item.input_audio_transcription.logprobs"]},
        {"reasoning": {"effort": "low"}},
        {"tracing": {"workflow_name": "w"}},
        {"model": "gpt-realtime"},
        {"audio": {"output": {"voice": {"id": "voice_1"}}}},
        hearing(format={"type": "audio/pcma"}),
        hearing(format={"type": "audio/pcm"}),
        hearing(noise_reduction={"type": "far_field"}),
        hearing(turn_detection={"type": "server_vad", "idle_timeout_ms": 6000}),
    ],
)
def test_what_may_be_said(members: dict[str, Any]) -> None:
    desk = Desk()
    assert len(update(desk, **members)) == 1
    (name,) = members
    if name != "audio":
        assert config(desk)[name] == members[name]


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "output_modalities"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "max_output_tokens"),
        ({"max_output_tokens": 4097}, "integer_above_max_value", "max_output_tokens"),
        ({"max_output_tokens": "lots"}, "invalid_value", "max_output_tokens"),
        ({"tools": [{}]}, "missing_required_parameter", "tools[0].type"),
        ({"tools": [FUNCTION, {"type": "spell"}]}, "invalid_value", "tools[1].type"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
        ({"tools": [{**FUNCTION, "name": "f" * 65}]}, "string_above_max_length", "tools[0].name"),
        ({"tools": [{"type": "mcp"}]}, "missing_required_parameter", "tools[0].server_label"),
        ({"tools": [MCP, MCP]}, "invalid_value", "tools[1].server_label"),
        ({"tools": [{**MCP, "connector_id": "c"}]}, "invalid_value", "tools[0].server_url"),
        ({"include": ["everything"]}, "invalid_value", "include"),
        ({"model": "gpt-realtime-2"}, "invalid_value", "model"),
        ({"modalities": ["audio"]}, "unknown_parameter", "modalities"),
        ({"instructions": 7}, "invalid_type", "instructions"),
        (
            hearing(format={"type": "audio/pcm", "rate": 16000}),
            "integer_below_min_value",
            "audio.input.format.rate",
        ),
        (
            hearing(format={"type": "audio/pcm", "rate": 48000}),
            "integer_above_max_value",
            "audio.input.format.rate",
        ),
        (hearing(format={"type": "audio/ogg"}), "invalid_value", "audio.input.format.type"),
        (
            hearing(turn_detection={"type": "telepathy"}),
            "invalid_value",
            "audio.input.turn_detection.type",
        ),
        (
            hearing(turn_detection={"threshold": 0.5}),
            "missing_required_parameter",
            "audio.input.turn_detection.type",
        ),
        (
            hearing(turn_detection={"type": "server_vad", "threshold": 1.5}),
            "decimal_above_max_value",
            "audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"output": {"speed": 0.1}}},
            "decimal_below_min_value",
            "audio.output.speed",
        ),
        (
            hearing(transcription={"model": "whisper-1", "prompt": "x" * 1025}),
            "string_above_max_length",
            "audio.input.transcription.prompt",
        ),
        (
            {"audio": {"input": {"tuning": 1}}},
            "unknown_parameter",
            "audio.input.tuning",
        ),
    ],
)
def test_what_may_not_be_said_changes_nothing(
    members: dict[str, Any], code: str, param: str
) -> None:
    desk = Desk()
    before = config(desk)
    error = refusal(update(desk, **{"tool_choice": "none", **members}))
    assert (error.code, error.param, error.event_id) == (code, f"session.{param}", "c1")
    assert config(desk) == before


def test_the_type_of_the_session_must_be_said_and_stays() -> None:
    desk = Desk()
    error = refusal(desk.say("session.update", session={"instructions": "x"}))
    assert (error.code, error.param) == ("missing_required_parameter", "session.type")
    error = refusal(desk.say("session.update", session={"type": None}))
    assert error.code == "missing_required_parameter"
    error = refusal(desk.say("session.update", session={"type": "transcription"}))
    assert (error.code, error.param) == ("invalid_value", "session.type")


def test_the_voice_is_fixed_by_the_first_sound() -> None:
    desk = Desk(Script(Turn(None, Speech("hm", bytes(9600)))))
    assert len(update(desk, audio={"output": {"voice": "cedar"}})) == 1
    desk.say("response.create")
    desk.run()
    assert len(update(desk, audio={"output": {"voice": "cedar"}})) == 1
    error = refusal(update(desk, instructions="x", audio={"output": {"voice": "ash"}}))
    assert error.code == "cannot_update_voice"
    assert config(desk)["instructions"] != "x"


def test_a_transcription_session_only_listens() -> None:
    desk = Desk(terms=Terms(kind="transcription", model=""))
    (created,) = sent(desk.greeting)
    assert isinstance(created, events.SessionCreated)
    assert created.session.object == "realtime.transcription_session"
    assert "model" not in config(desk)

    def say(**members: Any) -> list[Any]:
        return desk.say("session.update", session={"type": "transcription", **members})

    assert len(say(audio={"input": {"transcription": {"model": "whisper-1"}}})) == 1
    assert refusal(say(instructions="x")).param == "session.instructions"
    assert refusal(say(audio={"output": {"voice": "ash"}})).param == "session.audio.output"
    assert refusal(desk.say("response.create")).code == "bad_response_create"
