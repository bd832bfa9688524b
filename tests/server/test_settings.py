"""The session in force, and what `session.update` may make of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rejoinder.server.core import Terms
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.wire import server_events as events
from tests.server.desk import Desk, every, only, refusal, sent


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
LISTENS = {"model": "gpt-realtime-whisper"}
RETENTION = {
    "type": "retention_ratio",
    "retention_ratio": 0.8,
    "token_limits": {"post_instructions": 8000},
}
AUTHORIZED = {**MCP, "authorization": "key", "headers": {"Authorization": "Bearer key"}}


@pytest.mark.parametrize(
    "members",
    [
        {"output_modalities": ["text"]},
        {"max_output_tokens": 4096},
        {"max_output_tokens": "inf"},
        {"tools": [FUNCTION, MCP, {"type": "mcp", "server_label": "b", "connector_id": "c"}]},
        {"tools": [{**MCP, "authorization": "key", "headers": {"X-Who": "me"}}]},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "name": "f"}},
        {"tool_choice": {"type": "mcp", "server_label": "docs", "name": None}},
        {"truncation": "disabled"},
        {"truncation": RETENTION},
        {"prompt": {"id": "pmpt_1", "version": "2", "variables": {"a": "b"}}},
        {"tracing": "auto"},
        {"include": ["item.input_audio_transcription.logprobs"]},
        {"reasoning": {"effort": "high"}},
        {"parallel_tool_calls": False},
        {"tracing": {"workflow_name": "w"}},
        {"model": "gpt-realtime-2"},
        {"audio": {"output": {"voice": {"id": "voice_1"}}}},
        hearing(format={"type": "audio/pcma"}),
        hearing(format={"type": "audio/pcm"}),
        hearing(noise_reduction={"type": "far_field"}),
        hearing(turn_detection={"type": "server_vad", "idle_timeout_ms": 6000}),
    ],
)
def test_what_may_be_said(members: dict[str, Any]) -> None:
    desk = Desk(terms=Terms(model="gpt-realtime-2"))
    told = update(desk, **members)
    assert every(events.Error, told) == []
    only(events.SessionUpdated, told)
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
        ({"tools": [{**MCP, "allowed_tools": 5}]}, "invalid_type", "tools[0].allowed_tools"),
        ({"tools": [{**MCP, "allowed_tools": [7]}]}, "invalid_type", "tools[0].allowed_tools"),
        (
            {"tools": [{**MCP, "allowed_tools": {"tool_names": 7}}]},
            "invalid_type",
            "tools[0].allowed_tools.tool_names",
        ),
        (
            {"tools": [{**MCP, "allowed_tools": {"read_only": "yes"}}]},
            "invalid_type",
            "tools[0].allowed_tools.read_only",
        ),
        ({"tools": [MCP, MCP]}, "invalid_value", "tools[1].server_label"),
        ({"tools": [{**MCP, "connector_id": "c"}]}, "invalid_value", "tools[0].server_url"),
        ({"tools": [{**FUNCTION, "parameters": "{}"}]}, "invalid_type", "tools[0].parameters"),
        (
            {"tools": [{"type": "mcp", "server_label": "never said"}]},
            "missing_required_parameter",
            "tools[0].server_url",
        ),
        ({"tools": [AUTHORIZED]}, "invalid_value", "tools[0].authorization"),
        ({"tools": [{**MCP, "headers": "x"}]}, "invalid_type", "tools[0].headers"),
        ({"tool_choice": "maybe"}, "invalid_value", "tool_choice"),
        ({"tool_choice": {"name": "f"}}, "missing_required_parameter", "tool_choice.type"),
        ({"tool_choice": {"type": "spell"}}, "invalid_value", "tool_choice.type"),
        (
            {"tool_choice": {"type": "function"}},
            "missing_required_parameter",
            "tool_choice.name",
        ),
        (
            {"tool_choice": {"type": "mcp", "name": "f"}},
            "missing_required_parameter",
            "tool_choice.server_label",
        ),
        ({"truncation": "never"}, "invalid_value", "truncation"),
        (
            {"truncation": {**RETENTION, "retention_ratio": "most"}},
            "invalid_type",
            "truncation.retention_ratio",
        ),
        (
            {"truncation": {**RETENTION, "retention_ratio": 1.5}},
            "decimal_above_max_value",
            "truncation.retention_ratio",
        ),
        (
            {"truncation": {"type": "retention_ratio"}},
            "missing_required_parameter",
            "truncation.retention_ratio",
        ),
        (
            {"truncation": {**RETENTION, "token_limits": 7}},
            "invalid_type",
            "truncation.token_limits",
        ),
        ({"tracing": "loudly"}, "invalid_value", "tracing"),
        ({"tracing": {"colour": "red"}}, "unknown_parameter", "tracing.colour"),
        ({"tracing": {"group_id": 7}}, "invalid_type", "tracing.group_id"),
        ({"prompt": {"version": "2"}}, "missing_required_parameter", "prompt.id"),
        ({"reasoning": {"effort": "low"}}, "unknown_parameter", "reasoning"),
        ({"parallel_tool_calls": True}, "unknown_parameter", "parallel_tool_calls"),
        ({"max_output_tokens": -1}, "integer_below_min_value", "max_output_tokens"),
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
            hearing(turn_detection={"type": "server_vad", "threshold": -0.5}),
            "decimal_below_min_value",
            "audio.input.turn_detection.threshold",
        ),
        (
            hearing(turn_detection={"type": "server_vad", "eagerness": "low"}),
            "unknown_parameter",
            "audio.input.turn_detection.eagerness",
        ),
        (
            hearing(noise_reduction={"strength": 0.5}),
            "missing_required_parameter",
            "audio.input.noise_reduction.type",
        ),
        (
            hearing(noise_reduction={"type": "outer_space"}),
            "invalid_value",
            "audio.input.noise_reduction.type",
        ),
        (
            hearing(transcription={"model": "whisper-1", "delay": "low"}),
            "unknown_parameter",
            "audio.input.transcription.delay",
        ),
        (
            hearing(turn_detection=None, transcription={**LISTENS, "prompt": "names"}),
            "unknown_parameter",
            "audio.input.transcription.prompt",
        ),
        (
            hearing(turn_detection=None, transcription={**LISTENS, "delay": "forever"}),
            "invalid_value",
            "audio.input.transcription.delay",
        ),
        (hearing(transcription=LISTENS), "invalid_value", "audio.input.turn_detection"),
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


def test_a_model_that_reasons_says_how_hard() -> None:
    for model in ("gpt-realtime-2", "gpt-realtime-2.1-mini"):
        session = config(Desk(terms=Terms(model=model)))
        assert (session["reasoning"], session["parallel_tool_calls"]) == ({"effort": "low"}, True)
    for model in ("gpt-realtime-2025-08-28", "gpt-realtime-1.5", "gpt-4o-realtime-preview"):
        desk = Desk(terms=Terms(model=model))
        assert "reasoning" not in config(desk)
        error = refusal(update(desk, instructions="x", reasoning={"effort": "low"}))
        assert (error.code, error.param) == ("unknown_parameter", "session.reasoning")
        assert config(desk)["instructions"] != "x"
    unheard_of = Desk(terms=Terms(model="my-deployment"))
    update(unheard_of, reasoning={"effort": "minimal"})
    assert config(unheard_of)["reasoning"] == {"effort": "minimal"}


def test_a_trace_is_set_once() -> None:
    desk = Desk()
    update(desk, tracing=None)
    for _ in range(2):  # the same again changes nothing
        assert len(update(desk, tracing={"workflow_name": "w"})) == 1
    for other in ("auto", None):
        error = refusal(update(desk, instructions="x", tracing=other))
        assert (error.code, error.param) == ("invalid_value", "session.tracing")
    assert config(desk)["tracing"] == {"workflow_name": "w"}


def test_noise_is_reduced_whole_at_first_and_then_as_was_said() -> None:
    desk = Desk()

    def strength(**members: Any) -> Any:
        update(desk, **hearing(noise_reduction={"type": "near_field", **members}))
        return config(desk)["audio"]["input"]["noise_reduction"]["strength"]

    assert strength() == 1.0
    assert strength(strength=0.25) == 0.25
    assert strength(type="far_field") == 0.25
    update(desk, **hearing(noise_reduction=None))
    assert strength() == 1.0


def test_a_server_of_tools_that_was_named_before_is_known_by_its_label() -> None:
    desk = Desk()
    update(desk, tools=[MCP])
    update(desk, tools=[])
    label = {"type": "mcp", "server_label": "docs"}
    assert len(update(desk, tools=[label])) == 1
    assert config(desk)["tools"] == [label]


def test_what_a_transcript_should_heed_can_be_taken_back() -> None:
    desk = Desk()
    update(
        desk, **hearing(transcription={"model": "whisper-1", "prompt": "names", "language": "en"})
    )
    update(desk, **hearing(turn_detection=None, transcription={**LISTENS, "prompt": None}))
    assert config(desk)["audio"]["input"]["transcription"] == {
        **LISTENS,
        "prompt": None,
        "language": "en",
    }
    update(desk, **hearing(transcription={"delay": "minimal"}))
    assert config(desk)["audio"]["input"]["transcription"]["delay"] == "minimal"


def test_null_does_not_make_a_member_of_another_kind() -> None:
    desk = Desk()
    given = {"type": "server_vad", "eagerness": None, "idle_timeout_ms": None}
    assert len(update(desk, **hearing(turn_detection=given))) == 1
    assert "eagerness" not in config(desk)["audio"]["input"]["turn_detection"]


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
