"""Recordings: what can be used, and what resampling leaves of it."""

from __future__ import annotations

import io
import math
import struct
import wave

import pytest

from rejoinder.server.sound import RATES, Unsuitable, recorded, resampled

LOUD = 20_000


def sine(hz: float, rate: int, seconds: float = 0.4, level: float = LOUD) -> bytes:
    count = round(rate * seconds)
    wave_of = (round(level * math.sin(2 * math.pi * hz * at / rate)) for at in range(count))
    return struct.pack(f"<{count}h", *wave_of)


def wav(audio: bytes, rate: int = 24_000, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(audio)
    return file.getvalue()


def inner(audio: bytes) -> list[int]:
    """The samples, without the edges that a filter blurs."""
    samples = [sample for (sample,) in struct.iter_unpack("<h", audio)]
    return samples[200:-200]


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate != 24_000])
def test_a_tone_stays_that_tone_at_any_rate(rate: int) -> None:
    made, ideal = inner(resampled(sine(1000, rate), rate)), inner(sine(1000, 24_000))
    error = max(abs(one - other) for one, other in zip(made, ideal, strict=True))
    assert error < LOUD / 1000  # 60 dB down


@pytest.mark.parametrize(
    ("hz", "rate"), [(15_000, 48_000), (20_000, 44_100), (14_000, 32_000), (30_000, 96_000)]
)
def test_what_24_khz_cannot_hold_does_not_fold_back(hz: int, rate: int) -> None:
    assert max(map(abs, inner(resampled(sine(hz, rate), rate)))) < LOUD / 1000


def test_no_image_of_what_espeak_says_is_added() -> None:
    """A tone of 9 kHz, recorded at 22050 Hz, has an image at 13050 Hz, which would fold to 10950."""
    made = inner(resampled(sine(9_000, 22_050), 22_050))
    turns = [2 * math.pi * 10_950 * at / 24_000 for at in range(len(made))]
    real = sum(sample * math.cos(turn) for sample, turn in zip(made, turns, strict=True))
    imaginary = sum(sample * math.sin(turn) for sample, turn in zip(made, turns, strict=True))
    assert 2 * math.hypot(real, imaginary) / len(made) < LOUD / 500


def test_full_scale_does_not_wrap_around() -> None:
    square = struct.pack("<200h", *([32767] * 20 + [-32768] * 20) * 5)
    made = struct.unpack("<400h", resampled(square, 12_000))
    assert max(made) == 32767
    assert min(made) == -32768


def test_a_recording_of_24_khz_is_taken_as_it_is() -> None:
    audio = sine(440, 24_000)
    assert recorded(wav(audio)) == audio


def test_a_recording_that_was_torn_loses_half_a_sample() -> None:
    audio = sine(440, 24_000)
    assert recorded(wav(audio)[:-1]) == audio[:-2]


def test_a_recording_sounds_as_long_as_before() -> None:
    assert len(recorded(wav(sine(440, 22_050, 2.0), 22_050))) == 2 * 48_000


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "is not a WAV file of 16 bit PCM (it ends too early)"),
        (b"RIFF", "is not a WAV file of 16 bit PCM"),
        (b"ID3" + bytes(100), "is not a WAV file of 16 bit PCM"),
        (wav(bytes(400), channels=2), "has 2 channel(s) of 16 bit at 24000 Hz"),
        (wav(bytes(400), width=1), "has 1 channel(s) of 8 bit at 24000 Hz"),
        (wav(bytes(400), rate=22_051), "has 1 channel(s) of 16 bit at 22051 Hz"),
        (wav(b""), "holds no sound"),
    ],
)
def test_what_cannot_be_used_says_what_it_is(file: bytes, why: str) -> None:
    with pytest.raises(Unsuitable) as refused:
        recorded(file)
    assert str(refused.value).startswith(why)
    assert "ffmpeg" in str(refused.value) or why == "holds no sound"
