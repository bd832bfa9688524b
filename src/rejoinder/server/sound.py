"""Recordings: a WAV file as the samples of a spoken line, whatever rate it was recorded at. No dependency."""

from __future__ import annotations

import functools
import io
import math
import struct
import wave
from operator import mul

from rejoinder.server.audio import FULL_SCALE, PCM, SPEECH, samples

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
"""Hz. What is not 24000 is resampled."""

_REMEDY = "convert it: ffmpeg -i IN -ac 1 -ar 24000 -c:a pcm_s16le OUT.wav"

_REACH = 24
"""Samples of the slower side that count on either side of a new one."""
_CUTOFF = 0.92
"""Where the filter is half-way down, in parts of the lower of both Nyquist frequencies."""
_STEEPNESS = 7.0
"""Kaiser's: what must not be heard is 70 dB down."""


class Unsuitable(Exception):
    """Not a recording that can be used; says why and what to do."""


def recorded(wav: bytes) -> bytes:
    """The samples of a WAV file as 24 kHz mono PCM16. Raises `Unsuitable`: 16 bit, mono, one of `RATES`."""
    try:
        with wave.open(io.BytesIO(wav)) as file:
            shape = file.getnchannels(), file.getsampwidth(), file.getframerate()
            audio = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        why = str(error) or "it ends too early"
        raise Unsuitable(f"is not a WAV file of 16 bit PCM ({why}); {_REMEDY}") from None
    channels, width, rate = shape
    if (channels, width) != (1, 2) or rate not in RATES:
        what = f"has {channels} channel(s) of {8 * width} bit at {rate} Hz"
        raise Unsuitable(f"{what}, not one of 16 bit at 24000 Hz; {_REMEDY}")
    if len(audio) < 2:
        raise Unsuitable("holds no sound")
    return resampled(audio, rate)


def resampled(audio: bytes, rate: int) -> bytes:
    """Mono PCM16 of one of `RATES` at 24 kHz, as long as before."""
    if rate == SPEECH.rate:
        return audio[: len(audio) // 2 * 2]
    given = samples(audio, PCM)
    filters = _filters(rate)
    reach, step = len(filters[0]) // 2, rate // math.gcd(rate, SPEECH.rate)
    padded = (0,) * (reach - 1) + given + (0,) * (reach + 1)
    made = []
    for number in range(len(given) * len(filters) // step):
        at, phase = divmod(number * step, len(filters))
        heard = sum(map(mul, filters[phase], padded[at : at + 2 * reach]))
        made.append(min(max(round(heard), -FULL_SCALE), FULL_SCALE - 1))
    return struct.pack(f"<{len(made)}h", *made)


@functools.cache
def _filters(rate: int) -> list[list[float]]:
    """One filter for each place that a new sample can have between two old ones."""
    slower = min(1.0, SPEECH.rate / rate)
    reach = math.ceil(_REACH / slower)
    phases = SPEECH.rate // math.gcd(rate, SPEECH.rate)
    filters = []
    for phase in range(phases):
        distances = (at - phase / phases for at in range(1 - reach, reach + 1))
        weights = [_weight(distance, slower * _CUTOFF, reach) for distance in distances]
        whole = sum(weights)
        filters.append([weight / whole for weight in weights])
    return filters


def _weight(distance: float, cutoff: float, reach: int) -> float:
    """A sinc in a Kaiser window."""
    turn = math.pi * cutoff * distance
    sinc = math.sin(turn) / turn if turn else 1.0
    inside = max(1 - (distance / reach) ** 2, 0.0)
    return sinc * _bessel(_STEEPNESS * math.sqrt(inside)) / _bessel(_STEEPNESS)


def _bessel(x: float) -> float:
    """The modified Bessel function of order nought."""
    terms = [1.0]
    for k in range(1, 20):
        terms.append(terms[-1] * (x / 2 / k) ** 2)
    return math.fsum(terms)
