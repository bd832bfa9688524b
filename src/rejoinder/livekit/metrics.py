"""LiveKit's metrics, from what the server says of each response and each transcription."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import msgspec
from livekit.agents.metrics import RealtimeModelMetrics, STTMetrics
from livekit.agents.metrics.base import Metadata

from rejoinder.core.effects import ResponseEnded
from rejoinder.wire.response import CachedTokenDetails, InputTokenDetails, OutputTokenDetails, Usage
from rejoinder.wire.server_events import ConversationItemInputAudioTranscriptionCompleted
from rejoinder.wire.transcription import LogProb, TranscriptionTokenDetails


class Source(msgspec.Struct, frozen=True):
    """Whose metrics they are: the model's label, name and provider."""

    label: str
    model: str
    provider: str

    def metadata(self, model: str | None = None) -> Metadata:
        """For ``model``, by default the conversation's own."""
        return Metadata(model_name=model or self.model, model_provider=self.provider)


def of_response(ended: ResponseEnded, source: Source) -> RealtimeModelMetrics:
    """The metrics of one response, whatever became of it.

    ``request_id`` is the response's id. ``ttft`` is the time from its beginning to its first audio
    (first text if it had no audio), -1 if there was neither. Seconds.
    """
    usage = ended.response.usage or Usage()
    duration = _since(ended.created_at, ended.ended_at) or 0.0
    first_at = ended.first_audio_at if ended.first_audio_at is not None else ended.first_text_at
    to_first = _since(ended.created_at, first_at)
    output_tokens = usage.output_tokens or 0
    return RealtimeModelMetrics(
        label=source.label,
        request_id=ended.response.id or ended.key,
        timestamp=time.time() - duration,
        duration=duration,
        ttft=-1 if to_first is None else to_first,
        cancelled=ended.response.status == "cancelled",
        input_tokens=usage.input_tokens or 0,
        output_tokens=output_tokens,
        total_tokens=usage.total_tokens or 0,
        tokens_per_second=output_tokens / duration if duration > 0 else 0.0,
        input_token_details=_input_details(usage.input_token_details or InputTokenDetails()),
        output_token_details=_output_details(usage.output_token_details or OutputTokenDetails()),
        metadata=source.metadata(),
    )


def of_transcription(
    event: ConversationItemInputAudioTranscriptionCompleted, model: str | None, source: Source
) -> STTMetrics | None:
    """What one transcription by ``model`` cost, by tokens or by time; None if the server is silent."""
    usage = event.usage
    if usage is None:
        return None
    details = usage.input_token_details or TranscriptionTokenDetails()
    return STTMetrics(
        label=source.label,
        request_id=event.event_id or event.item_id,
        timestamp=time.time(),
        duration=0.0,
        audio_duration=usage.seconds or 0.0,
        streamed=True,
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        total_tokens=usage.total_tokens or 0,
        input_audio_tokens=details.audio_tokens or 0,
        metadata=source.metadata(model),
    )


def of_connection(seconds: float, source: Source) -> RealtimeModelMetrics:
    """How long it took to connect. LiveKit knows it by its empty request id."""
    return RealtimeModelMetrics(
        label=source.label,
        request_id="",
        timestamp=time.time(),
        acquire_time=seconds,
        connection_reused=False,
        input_token_details=RealtimeModelMetrics.InputTokenDetails(),
        output_token_details=RealtimeModelMetrics.OutputTokenDetails(),
        metadata=source.metadata(),
    )


def confidence(logprobs: Sequence[LogProb] | None) -> float | None:
    """The geometric mean of the tokens' probabilities, 0 to 1; None where none were sent."""
    if not logprobs:
        return None
    return math.exp(sum(token.logprob for token in logprobs) / len(logprobs))


def _since(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(end - start, 0.0)


def _input_details(details: InputTokenDetails) -> RealtimeModelMetrics.InputTokenDetails:
    cached = details.cached_tokens_details or CachedTokenDetails()
    return RealtimeModelMetrics.InputTokenDetails(
        audio_tokens=details.audio_tokens or 0,
        text_tokens=details.text_tokens or 0,
        image_tokens=details.image_tokens or 0,
        cached_tokens=details.cached_tokens or 0,
        cached_tokens_details=RealtimeModelMetrics.CachedTokenDetails(
            audio_tokens=cached.audio_tokens or 0,
            text_tokens=cached.text_tokens or 0,
            image_tokens=cached.image_tokens or 0,
        ),
    )


def _output_details(details: OutputTokenDetails) -> RealtimeModelMetrics.OutputTokenDetails:
    return RealtimeModelMetrics.OutputTokenDetails(
        audio_tokens=details.audio_tokens or 0, text_tokens=details.text_tokens or 0
    )
