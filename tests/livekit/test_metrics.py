"""LiveKit's metrics, from what the server says."""

from __future__ import annotations

import math
import time

import pytest

from rejoinder.core.effects import ResponseEnded
from rejoinder.livekit import metrics
from rejoinder.wire.response import (
    CachedTokenDetails,
    InputTokenDetails,
    OutputTokenDetails,
    ResponseObject,
    Usage,
)
from rejoinder.wire.server_events import ConversationItemInputAudioTranscriptionCompleted
from rejoinder.wire.transcription import LogProb, TranscriptionTokenDetails, TranscriptionUsage

SOURCE = metrics.Source("label", "gpt-realtime", "api.example")
USAGE = Usage(
    total_tokens=150,
    input_tokens=100,
    output_tokens=50,
    input_token_details=InputTokenDetails(
        text_tokens=60,
        audio_tokens=30,
        image_tokens=10,
        cached_tokens=40,
        cached_tokens_details=CachedTokenDetails(text_tokens=25, audio_tokens=12, image_tokens=3),
    ),
    output_token_details=OutputTokenDetails(text_tokens=20, audio_tokens=30),
)


def ended(
    status: str | None = "completed",
    usage: Usage | None = USAGE,
    created_at: float | None = 10.0,
    first_audio_at: float | None = 10.5,
    first_text_at: float | None = 10.25,
) -> ResponseEnded:
    return ResponseEnded(
        key="rj_1",
        response=ResponseObject(id="resp_1", status=status, usage=usage),
        created_at=created_at,
        first_audio_at=first_audio_at,
        first_text_at=first_text_at,
        ended_at=12.0,
    )


def test_a_response_field_by_field() -> None:
    told = metrics.of_response(ended(), SOURCE)

    assert told.model_dump(exclude={"timestamp"}) == {
        "type": "realtime_model_metrics",
        "label": "label",
        "request_id": "resp_1",
        "duration": 2.0,
        "session_duration": 0.0,
        "ttft": 0.5,
        "cancelled": False,
        "input_tokens": 100,
        "output_tokens": 50,
        "total_tokens": 150,
        "tokens_per_second": 25.0,
        "input_token_details": {
            "audio_tokens": 30,
            "text_tokens": 60,
            "image_tokens": 10,
            "cached_tokens": 40,
            "cached_tokens_details": {"audio_tokens": 12, "text_tokens": 25, "image_tokens": 3},
        },
        "output_token_details": {"text_tokens": 20, "audio_tokens": 30, "image_tokens": 0},
        "acquire_time": 0.0,
        "connection_reused": False,
        "metadata": {"model_name": "gpt-realtime", "model_provider": "api.example"},
    }
    assert time.time() - 3.0 < told.timestamp < time.time() - 1.0


def test_without_audio_the_first_text_counts() -> None:
    assert metrics.of_response(ended(first_audio_at=None), SOURCE).ttft == 0.25


def test_without_any_output_there_is_no_first_token() -> None:
    told = metrics.of_response(ended(first_audio_at=None, first_text_at=None), SOURCE)

    assert told.ttft == -1


def test_a_cancelled_response_that_never_began_has_metrics_too() -> None:
    told = metrics.of_response(ended("cancelled", None, None, None, None), SOURCE)

    assert told.cancelled
    assert (told.duration, told.ttft, told.tokens_per_second, told.total_tokens) == (0, -1, 0, 0)


def transcribed(
    usage: TranscriptionUsage | None,
) -> ConversationItemInputAudioTranscriptionCompleted:
    return ConversationItemInputAudioTranscriptionCompleted(
        event_id="event_1", item_id="item_1", content_index=0, transcript="hello", usage=usage
    )


def test_a_transcription_billed_by_tokens() -> None:
    usage = TranscriptionUsage(
        type="tokens",
        input_tokens=14,
        output_tokens=6,
        total_tokens=20,
        input_token_details=TranscriptionTokenDetails(text_tokens=4, audio_tokens=10),
    )

    told = metrics.of_transcription(transcribed(usage), "whisper-1", SOURCE)

    assert told is not None
    assert (told.request_id, told.streamed, told.audio_duration) == ("event_1", True, 0.0)
    assert (told.input_tokens, told.output_tokens, told.total_tokens) == (14, 6, 20)
    assert told.input_audio_tokens == 10
    assert told.metadata is not None
    assert told.metadata.model_name == "whisper-1"


def test_a_transcription_billed_by_time() -> None:
    usage = TranscriptionUsage(type="duration", seconds=2.5)

    told = metrics.of_transcription(transcribed(usage), None, SOURCE)

    assert told is not None
    assert (told.audio_duration, told.total_tokens) == (2.5, 0)


def test_a_transcription_without_usage_has_no_metrics() -> None:
    assert metrics.of_transcription(transcribed(None), "whisper-1", SOURCE) is None


def test_a_connection() -> None:
    told = metrics.of_connection(0.3, SOURCE)

    assert (told.request_id, told.acquire_time, told.connection_reused) == ("", 0.3, False)


def test_confidence_is_the_geometric_mean_of_the_probabilities() -> None:
    tokens = [LogProb(token=str(p), logprob=math.log(p), bytes=[]) for p in (0.5, 0.8, 0.9)]

    assert metrics.confidence(tokens) == pytest.approx((0.5 * 0.8 * 0.9) ** (1 / 3))
    assert metrics.confidence([]) is None
    assert metrics.confidence(None) is None
