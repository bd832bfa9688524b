"""What is measured of a conversation, as it comes over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents.metrics import RealtimeModelMetrics, STTMetrics

from rejoinder.testing import Run
from tests.livekit.far_end import Face, face_to_face
from tests.livekit.talk import first

USAGE: dict[str, Any] = {
    "total_tokens": 150,
    "input_tokens": 100,
    "output_tokens": 50,
    "input_token_details": {
        "text_tokens": 60,
        "audio_tokens": 30,
        "image_tokens": 10,
        "cached_tokens": 40,
        "cached_tokens_details": {"text_tokens": 25, "audio_tokens": 12, "image_tokens": 3},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 30},
}
AUDIO = {"name": "response.output_audio.delta", "delta": "AAAA"}
WORDS = {"name": "response.output_audio_transcript.delta", "delta": "Hello."}


async def pause(seconds: float) -> None:
    """Lets virtual time pass: nothing happens meanwhile."""
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


async def measured(
    face: Face, *spoken: dict[str, str], status: str = "completed"
) -> RealtimeModelMetrics:
    """The metrics of a reply that says each of these after another quarter of a second."""
    told = first(face.session, "metrics_collected", lambda metrics: bool(metrics.request_id))
    asking = asyncio.ensure_future(face.reply())
    await face.peer.begin("r1")
    for delta in spoken:
        await pause(0.25)
        await face.peer.part(delta["name"], "r1", delta=delta["delta"])
    await pause(0.5)
    await face.peer.done("r1", status, usage=USAGE)
    await asking
    metrics: RealtimeModelMetrics = await told
    return metrics


def test_a_reply_field_by_field(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            told = await measured(face, WORDS, AUDIO)

            assert told.request_id == "r1"
            assert told.ttft == pytest.approx(0.5)
            assert told.duration == pytest.approx(1.0)
            assert told.tokens_per_second == pytest.approx(50.0)
            assert not told.cancelled
            assert (told.input_tokens, told.output_tokens, told.total_tokens) == (100, 50, 150)
            assert told.input_token_details.model_dump() == USAGE["input_token_details"]
            details = told.output_token_details
            assert (details.text_tokens, details.audio_tokens) == (20, 30)
            assert told.metadata is not None
            assert told.metadata.model_name == "gpt-realtime"
            assert told.label == "rejoinder.livekit.model.RealtimeModel"

    run(main())


@pytest.mark.parametrize(
    ("spoken", "ttft"), [((WORDS, AUDIO), 0.5), ((AUDIO, WORDS), 0.25), ((WORDS,), 0.25), ((), -1)]
)
def test_the_first_audio_counts_or_else_the_first_word(
    run: Run, spoken: tuple[dict[str, str], ...], ttft: float
) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            assert (await measured(face, *spoken)).ttft == pytest.approx(ttft)

    run(main())


def test_a_cancelled_reply_is_measured_as_such(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            assert (await measured(face, AUDIO, status="cancelled")).cancelled

    run(main())


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            {
                "type": "tokens",
                "input_tokens": 14,
                "output_tokens": 6,
                "total_tokens": 20,
                "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
            },
            (14, 6, 20, 10, 0.0),
        ),
        ({"type": "duration", "seconds": 2.5}, (0, 0, 0, 0, 2.5)),
    ],
    ids=["tokens", "seconds"],
)
def test_a_transcription_by_tokens_or_by_time(
    run: Run, usage: dict[str, Any], counted: tuple[float, ...]
) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            told = first(face.session, "metrics_collected", lambda m: isinstance(m, STTMetrics))
            await face.peer.say(
                "conversation.item.input_audio_transcription.completed",
                item_id="u1",
                content_index=0,
                transcript="Hello.",
                usage=usage,
            )
            cost: STTMetrics = await told
            tokens = (cost.input_tokens, cost.output_tokens, cost.total_tokens)

            assert (*tokens, cost.input_audio_tokens, cost.audio_duration) == counted
            assert cost.metadata is not None
            assert cost.metadata.model_name == "gpt-4o-mini-transcribe"

    run(main())


def test_connecting_lasts_until_the_server_says_who_it_is(run: Run) -> None:
    async def main() -> None:
        async with face_to_face(greet=False) as face:
            told = first(face.session, "metrics_collected")
            await pause(0.5)
            await face.peer.say("session.created", session={"type": "realtime"})
            connection: RealtimeModelMetrics = await told

            assert (connection.request_id, connection.connection_reused) == ("", False)
            assert connection.acquire_time == pytest.approx(0.5)

    run(main())
