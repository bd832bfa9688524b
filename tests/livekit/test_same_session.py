"""What the two say of a session, side by side: the same options, the same server, the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from livekit.agents import llm
from livekit.plugins import openai as upstream
from openai.types import realtime
from openai.types.beta.realtime import session as beta
from openai.types.realtime.realtime_audio_config_input import NoiseReduction
from openai.types.realtime.realtime_audio_input_turn_detection import SemanticVad, ServerVad
from openai.types.realtime.realtime_tracing_config import TracingConfiguration
from openai.types.realtime.realtime_truncation_retention_ratio import (
    RealtimeTruncationRetentionRatio,
)

from rejoinder.livekit import RealtimeModel
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire.client_events import SessionUpdate
from tests.client.peer import until

RATIO = RealtimeTruncationRetentionRatio(type="retention_ratio", retention_ratio=0.8)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"model": "gpt-realtime-mini", "voice": "cedar", "speed": 1.2},
    {"modalities": ["text"]},
    {"modalities": ["audio"]},
    {"turn_detection": None, "input_audio_transcription": None},
    {"turn_detection": ServerVad(type="server_vad", threshold=0.4)},
    {"turn_detection": SemanticVad(type="semantic_vad", eagerness="low", create_response=False)},
    {"turn_detection": beta.TurnDetection(type="server_vad", silence_duration_ms=300)},
    {"turn_detection": beta.TurnDetection(type="semantic_vad", eagerness="high")},
    {"input_audio_transcription": realtime.AudioTranscription(model="whisper-1", language="de")},
    {"input_audio_transcription": beta.InputAudioTranscription(model="whisper-1", prompt="p")},
    {"input_audio_noise_reduction": "near_field"},
    {"input_audio_noise_reduction": NoiseReduction(type="far_field")},
    {"input_audio_noise_reduction": beta.InputAudioNoiseReduction(type="far_field")},
    {"tracing": "auto"},
    {"tracing": TracingConfiguration(workflow_name="w")},
    {"truncation": "disabled"},
    {"truncation": RATIO},
    {"reasoning": realtime.RealtimeReasoning(effort="low")},
    {"tool_choice": "required"},
    {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
]


async def said(made: Callable[..., llm.RealtimeModel], options: dict[str, Any]) -> Any:
    """The first `session.update` of a model's session."""
    async with serve() as server:
        model = made(base_url=server.url, api_key="k", **options)
        session = model.session()
        await until(lambda: bool(server.sessions))
        update = await server.sessions[0].wait_for(SessionUpdate)
        await session.aclose()
        await model.aclose()
    return msgspec.to_builtins(update.session)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_session_begins_with_the_same_configuration(run: Run, options: dict[str, Any]) -> None:
    async def main() -> None:
        theirs = await said(upstream.realtime.RealtimeModel, options)
        assert await said(RealtimeModel, options) == theirs

    run(main())
