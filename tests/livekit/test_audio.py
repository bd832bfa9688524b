"""The microphone: chunks, rates, channels, and when a turn may be committed."""

from __future__ import annotations

import numpy as np
import pytest
from livekit import rtc

from rejoinder.errors import ConfigurationError
from rejoinder.livekit.audio import Microphone


def frame(milliseconds: int, *, rate: int = 24_000, channels: int = 1) -> rtc.AudioFrame:
    samples = rate * milliseconds // 1000
    return rtc.AudioFrame(bytes(samples * channels * 2), rate, channels, samples)


def seconds(chunks: list[bytes]) -> float:
    return sum(len(chunk) for chunk in chunks) / 48_000


def test_audio_leaves_in_chunks_of_100_ms() -> None:
    microphone = Microphone()

    chunks = [chunk for _ in range(25) for chunk in microphone.push(frame(10))]

    assert [len(chunk) for chunk in chunks] == [4800, 4800]
    assert len(microphone.flush()[0]) == 50 * 48


def test_samples_come_through_unchanged() -> None:
    microphone = Microphone()
    samples = np.arange(4800, dtype=np.int16).tobytes()

    chunks = microphone.push(rtc.AudioFrame(samples, 24_000, 1, 4800))

    assert b"".join(chunks) == samples


def test_stereo_is_mixed_down_and_keeps_its_length() -> None:
    microphone = Microphone()
    left_and_right = np.tile(np.array([1000, 3000], dtype=np.int16), 24_000)

    chunks = microphone.push(rtc.AudioFrame(left_and_right.tobytes(), 24_000, 2, 24_000))

    assert seconds(chunks) == 1.0
    assert set(np.frombuffer(b"".join(chunks), np.int16)) == {2000}


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (48_000, 1), (16_000, 1), (8_000, 2)])
def test_other_rates_are_resampled(rate: int, channels: int) -> None:
    microphone = Microphone()

    chunks = [
        chunk
        for _ in range(100)
        for chunk in microphone.push(frame(20, rate=rate, channels=channels))
    ]

    assert 1.8 <= seconds(chunks) <= 2.0


def test_the_rate_may_change_and_nothing_is_lost() -> None:
    microphone = Microphone()

    chunks = [
        chunk
        for rate in (48_000, 24_000, 16_000)
        for _ in range(50)
        for chunk in microphone.push(frame(20, rate=rate))
    ]
    chunks.append(microphone.flush()[0])

    assert 2.95 <= seconds(chunks) <= 3.01


@pytest.mark.parametrize("rate", [1, 7_999, 192_001])
def test_an_unsupported_rate_is_refused(rate: int) -> None:
    with pytest.raises(ConfigurationError, match=f"unsupported sample rate {rate} Hz"):
        Microphone().push(rtc.AudioFrame(bytes(20), rate, 1, 10))


@pytest.mark.parametrize(("milliseconds", "enough"), [(90, False), (100, False), (110, True)])
def test_a_turn_must_be_longer_than_100_ms(milliseconds: int, enough: bool) -> None:
    microphone = Microphone()
    pushed = microphone.push(frame(milliseconds))

    rest, worth_it = microphone.flush()

    assert seconds(pushed) + len(rest) / 48_000 == milliseconds / 1000
    assert worth_it is enough


def test_each_turn_counts_for_itself() -> None:
    microphone = Microphone()
    microphone.push(frame(500))

    assert microphone.flush()[1]
    assert not microphone.flush()[1]


def test_a_short_turn_is_not_lost_but_joins_the_next() -> None:
    microphone = Microphone()
    microphone.push(frame(60))
    assert not microphone.flush()[1]

    microphone.push(frame(60))

    assert microphone.flush()[1]


def test_clearing_forgets_the_chunk_begun() -> None:
    microphone = Microphone()
    microphone.push(frame(250))

    microphone.clear()

    assert microphone.flush() == (b"", False)


def test_what_the_server_committed_by_itself_is_not_committed_again() -> None:
    microphone = Microphone()
    microphone.push(frame(500))

    microphone.committed()

    assert not microphone.flush()[1]


def test_the_answer_to_our_own_commit_does_not_touch_the_next_turn() -> None:
    microphone = Microphone()
    microphone.push(frame(500))
    assert microphone.flush()[1]
    microphone.push(frame(500))

    microphone.committed()

    assert microphone.flush()[1]


def test_a_refused_commit_is_not_waited_for() -> None:
    microphone = Microphone()
    microphone.push(frame(500))
    assert microphone.flush()[1]
    microphone.refused()
    microphone.push(frame(500))

    microphone.committed()

    assert not microphone.flush()[1]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_chunk_leaves_with_the_frame_that_completes_it_at_any_rate(rate: int) -> None:
    microphone = Microphone()
    direct = rtc.AudioResampler(input_rate=rate, output_rate=24_000)
    sent = wanted = resampled = 0

    for _ in range(100):
        sent += len(microphone.push(frame(10, rate=rate)))
        resampled += sum(f.samples_per_channel for f in direct.push(frame(10, rate=rate)))
        wanted = resampled // 2400
        assert sent == wanted

    assert wanted == 9
