"""The user's audio, as the server receives it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from livekit import rtc

from rejoinder.server.audio import tone
from rejoinder.testing import Run
from rejoinder.wire.client_events import InputAudioBufferClear, InputAudioBufferCommit
from tests.livekit.talk import talking


def frame(milliseconds: int, rate: int, channels: int) -> rtc.AudioFrame:
    samples = rate * milliseconds // 1000
    return rtc.AudioFrame(bytes(samples * channels * 2), rate, channels, samples)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_two_seconds_are_two_seconds(run: Run, rate: int, channels: int) -> None:
    async def main() -> None:
        async with talking(turn_detection=None) as talk:
            for _ in range(100):
                talk.session.push_audio(frame(20, rate, channels))
            talk.session.commit_audio()
            await talk.reply()

            assert talk.peer.appended / 48_000 == pytest.approx(2.0, abs=0.05)
            assert len(talk.said(InputAudioBufferCommit)) == 1

    run(main())


def test_it_goes_out_in_pieces_of_100_ms_and_the_rest_with_the_commit(run: Run) -> None:
    spoken = tone(0.25)

    async def main() -> None:
        async with talking(turn_detection=None) as talk:
            await talk.reply()  # before there is a connection, it is kept and goes out in one piece
            sent: list[dict[str, Any]] = []
            talk.session.on("openai_client_event_queued", sent.append)
            for at in range(0, len(spoken), 480):
                piece = spoken[at : at + 480]
                talk.session.push_audio(rtc.AudioFrame(piece, 24_000, 1, len(piece) // 2))
            talk.session.commit_audio()
            await talk.reply()

            pieces = [base64.b64decode(event["audio"]) for event in sent if "audio" in event]
            assert [len(piece) for piece in pieces] == [4_800, 4_800, 2_400]
            assert b"".join(pieces) == spoken
            kinds = [event["type"] for event in sent if "input_audio" in event["type"]]
            assert kinds[-1] == "input_audio_buffer.commit"

    run(main())


def test_clearing_forgets_it_on_both_sides(run: Run) -> None:
    async def main() -> None:
        async with talking(turn_detection=None) as talk:
            await talk.reply()
            talk.session.push_audio(frame(250, 24_000, 1))
            talk.session.clear_audio()
            talk.session.push_audio(frame(50, 24_000, 1))
            talk.session.commit_audio()
            await talk.reply()

            assert talk.peer.appended == (200 + 50) * 48
            assert len(talk.said(InputAudioBufferClear)) == 1
            assert talk.said(InputAudioBufferCommit) == []

    run(main())


def test_what_is_cleared_before_there_is_a_connection_is_never_sent(run: Run) -> None:
    async def main() -> None:
        async with talking(turn_detection=None) as talk:
            talk.session.push_audio(frame(250, 24_000, 1))
            talk.session.clear_audio()
            talk.session.push_audio(frame(250, 24_000, 1))
            talk.session.commit_audio()
            await talk.reply()

            assert talk.peer.appended == 250 * 48
            assert len(talk.said(InputAudioBufferCommit)) == 1

    run(main())
