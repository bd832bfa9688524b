"""LiveKit's options, in every form in which they come, as the protocol's session."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.beta.realtime import session as beta
from openai.types.realtime import AudioTranscription, RealtimeReasoning
from openai.types.realtime.realtime_audio_config_input import NoiseReduction
from openai.types.realtime.realtime_audio_input_turn_detection import SemanticVad, ServerVad
from openai.types.realtime.realtime_tracing_config import TracingConfiguration
from openai.types.realtime.realtime_truncation_retention_ratio import (
    RealtimeTruncationRetentionRatio,
)
from openai.types.responses import ToolChoiceFunction

from rejoinder.errors import ConfigurationError
from rejoinder.livekit import options
from rejoinder.wire import session
from rejoinder.wire.session import SessionConfig


def wire(session: SessionConfig | None) -> Any:
    return msgspec.json.decode(msgspec.json.encode(session))


def test_without_options_the_session_is_the_one_that_upstream_sends() -> None:
    assert wire(options.initial("gpt-realtime")) == {
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "semantic_vad",
                    "create_response": True,
                    "interrupt_response": True,
                    "eagerness": "medium",
                },
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "marin",
                "speed": 1.0,
            },
        },
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
    }


@pytest.mark.parametrize(
    "value",
    [
        ServerVad(type="server_vad", threshold=0.4, silence_duration_ms=300),
        beta.TurnDetection(type="server_vad", threshold=0.4, silence_duration_ms=300),
        {"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 300},
    ],
)
def test_turn_detection_in_every_form(value: Any) -> None:
    assert wire(options.given(turn_detection=value)) == {
        "audio": {
            "input": {
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.4,
                    "silence_duration_ms": 300,
                }
            }
        }
    }


def test_turn_detection_can_be_semantic_and_can_be_switched_off() -> None:
    semantic = options.given(turn_detection=SemanticVad(type="semantic_vad", eagerness="low"))
    off = options.given(turn_detection=None)

    assert wire(semantic)["audio"]["input"]["turn_detection"]["eagerness"] == "low"
    assert wire(off) == {"audio": {"input": {"turn_detection": None}}}


@pytest.mark.parametrize(
    "value",
    [
        AudioTranscription(model="whisper-1", language="de"),
        beta.InputAudioTranscription(model="whisper-1", language="de"),
        {"model": "whisper-1", "language": "de"},
    ],
)
def test_transcription_in_every_form(value: Any) -> None:
    given = wire(options.given(input_audio_transcription=value))

    assert given["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": "de"}


@pytest.mark.parametrize(
    "value",
    [
        "near_field",
        NoiseReduction(type="near_field"),
        beta.InputAudioNoiseReduction(type="near_field"),
        {"type": "near_field"},
    ],
)
def test_noise_reduction_in_every_form(value: Any) -> None:
    given = wire(options.given(input_audio_noise_reduction=value))

    assert given["audio"]["input"]["noise_reduction"] == {"type": "near_field"}


BETA_SEMANTIC = beta.TurnDetection(
    type="semantic_vad", eagerness="high", create_response=False, interrupt_response=False
)
RATIO: dict[str, Any] = {"type": "retention_ratio", "retention_ratio": 0.8}
TRACE = {"workflow_name": "calls", "group_id": "g"}
NAMED = {"type": "function", "name": "weather"}


@pytest.mark.parametrize(
    ("option", "value", "member", "expected"),
    [
        (
            "turn_detection",
            BETA_SEMANTIC,
            "audio.input.turn_detection",
            {
                "type": "semantic_vad",
                "eagerness": "high",
                "create_response": False,
                "interrupt_response": False,
            },
        ),
        ("input_audio_transcription", None, "audio.input.transcription", None),
        ("input_audio_noise_reduction", None, "audio.input.noise_reduction", None),
        (
            "input_audio_noise_reduction",
            "far_field",
            "audio.input.noise_reduction",
            {"type": "far_field"},
        ),
        ("tracing", "auto", "tracing", "auto"),
        ("tracing", TracingConfiguration(**TRACE), "tracing", TRACE),
        ("tracing", TRACE, "tracing", TRACE),
        ("tracing", None, "tracing", None),
        ("truncation", "auto", "truncation", "auto"),
        ("truncation", "disabled", "truncation", "disabled"),
        ("truncation", RealtimeTruncationRetentionRatio(**RATIO), "truncation", RATIO),
        ("truncation", RATIO, "truncation", RATIO),
        ("reasoning", RealtimeReasoning(effort="high"), "reasoning", {"effort": "high"}),
        ("reasoning", {"effort": "high"}, "reasoning", {"effort": "high"}),
        ("reasoning", None, "reasoning", None),
        ("tool_choice", "auto", "tool_choice", "auto"),
        ("tool_choice", "none", "tool_choice", "none"),
        ("tool_choice", "required", "tool_choice", "required"),
        ("tool_choice", None, "tool_choice", "auto"),
        (
            "tool_choice",
            {"type": "function", "function": {"name": "weather"}},
            "tool_choice",
            NAMED,
        ),
        ("tool_choice", ToolChoiceFunction(type="function", name="weather"), "tool_choice", NAMED),
        ("tool_choice", NAMED, "tool_choice", NAMED),
        ("max_response_output_tokens", "inf", "max_output_tokens", "inf"),
        ("max_response_output_tokens", None, "max_output_tokens", "inf"),
        ("modalities", ["text", "audio"], "output_modalities", ["audio"]),
    ],
)
def test_every_option_in_every_form(option: str, value: Any, member: str, expected: Any) -> None:
    told = wire(options.given(**{option: value}))
    for name in member.split("."):
        told = told[name]

    assert told == expected


def test_the_other_options() -> None:
    given = options.given(
        voice="cedar",
        speed=1.2,
        tracing="auto",
        truncation=RealtimeTruncationRetentionRatio(type="retention_ratio", retention_ratio=0.8),
        reasoning=RealtimeReasoning(effort="low"),
        max_response_output_tokens=300,
        modalities=["text"],
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )

    assert wire(given) == {
        "audio": {"output": {"voice": "cedar", "speed": 1.2}},
        "tracing": "auto",
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
        "reasoning": {"effort": "low"},
        "max_output_tokens": 300,
        "output_modalities": ["text"],
        "tool_choice": {"type": "function", "name": "weather"},
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"turn_detection": {"threshold": 0.4}}, "turn_detection"),
        ({"turn_detection": 3}, "turn_detection"),
        ({"input_audio_transcription": {"model": 7}}, "input_audio_transcription"),
        ({"input_audio_noise_reduction": 1.0}, "input_audio_noise_reduction"),
        ({"reasoning": "low"}, "reasoning"),
        ({"modalities": []}, "modalities"),
        ({"modalities": ["video"]}, "modalities"),
        ({"tool_choice": 5}, "tool_choice"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{named}"):
        options.given(**given)


def test_merging_keeps_what_the_patch_leaves_unsaid() -> None:
    base = options.initial("gpt-realtime")

    merged = session.merged(base, options.given(voice="cedar", turn_detection=None))

    assert wire(merged)["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "voice": "cedar",
        "speed": 1.0,
    }
    assert wire(merged)["audio"]["input"]["turn_detection"] is None
    assert wire(merged)["audio"]["input"]["transcription"] == {"model": "gpt-4o-mini-transcribe"}


def test_only_news_is_sent() -> None:
    base = options.initial("gpt-realtime")
    same = options.given(voice="marin", speed=1.0, turn_detection=options.DEFAULT_TURN_DETECTION)
    some = options.given(voice="marin", speed=1.5, input_audio_transcription=None)

    assert options.difference(base, same) is None
    assert wire(options.difference(base, some)) == {
        "type": "realtime",
        "audio": {"input": {"transcription": None}, "output": {"speed": 1.5}},
    }


def test_turn_detection_is_replaced_whole() -> None:
    base = options.initial("gpt-realtime")
    patch = options.given(turn_detection={"type": "semantic_vad", "eagerness": "high"})

    assert wire(options.difference(base, patch)) == {
        "type": "realtime",
        "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}},
    }


def test_what_a_session_says_of_itself() -> None:
    base = options.initial("gpt-realtime")
    quiet = session.merged(
        base,
        options.given(
            modalities=["text"],
            input_audio_transcription=None,
            turn_detection={"type": "server_vad", "create_response": False},
        ),
    )
    manual = session.merged(base, options.given(turn_detection=None))

    assert (options.responds(base), options.speaks(base)) == (True, True)
    assert options.transcription(base) == options.DEFAULT_TRANSCRIPTION
    assert (options.responds(quiet), options.speaks(quiet)) == (False, False)
    assert options.transcription(quiet) is None
    assert options.keeps_interrupting(quiet)
    assert not options.responds(manual)
    assert not options.keeps_interrupting(manual)
