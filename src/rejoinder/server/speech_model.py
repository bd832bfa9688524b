"""The ear that knows speech from noise: the model that comes with livekit-agents. Needs that extra.

It hears 16 kHz, a window of 32 ms at a time, and says how likely that is speech.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from livekit.local_inference import VAD, VAD_WINDOW_SAMPLES

from rejoinder.server.engines import Ear, Mark
from rejoinder.server.gate import Gate, Onset, VadSettings, settings_of
from rejoinder.server.rules import Json

RATE = 16000
WINDOW_MS = VAD_WINDOW_SAMPLES * 1000 // RATE
_ONSET = Onset(loud=2, window=3)
_HYSTERESIS = 0.15
"""Speech goes on while it is this much less likely than it had to be to begin."""
_LEAST = 0.01
_LOBES = 12
"""Zero crossings of the low-pass on either side: what is above the lower rate's half is 40 dB down."""

Samples = npt.NDArray[np.float64]


def speech_ear(rate: int, turn_detection: Json, at_ms: int) -> Ear:
    """An ear for samples of any rate in Hz."""
    return SpeechVad(rate, settings_of(turn_detection), at_ms)


class SpeechVad:
    """One stream of sound; the model remembers what it has heard. A tenth of a millisecond a window."""

    def __init__(self, rate: int, settings: VadSettings, at_ms: int = 0) -> None:
        self._sure = settings.threshold
        self._unsure = max(settings.threshold - _HYSTERESIS, _LEAST)
        self._model = VAD()
        self._resampler = Resampler(rate, RATE)
        self._rest: Samples = np.zeros(0)
        self._gate = Gate(settings, WINDOW_MS, _ONSET, at_ms)

    def listen(self, samples: Sequence[int]) -> list[Mark]:
        heard = self._resampler.take(np.asarray(samples, dtype=np.float64))
        pending = np.concatenate((self._rest, heard))
        whole = len(pending) - len(pending) % VAD_WINDOW_SAMPLES
        self._rest = pending[whole:]
        windows = pending[:whole].reshape(-1, VAD_WINDOW_SAMPLES)
        marks = [self._hear(window) for window in windows]
        return [mark for mark in marks if mark is not None]

    def forget(self) -> None:
        self._gate.forget()

    def _hear(self, window: Samples) -> Mark | None:
        likely = self._model.predict(np.clip(np.rint(window), -32768, 32767).astype(np.int16))
        return self._gate.hear(surely=likely > self._sure, perhaps=likely > self._unsure)


class Resampler:
    """From one rate to another, as the samples come: low-pass and pick, less than 2 ms late."""

    def __init__(self, rate: int, wanted: int) -> None:
        common = math.gcd(rate, wanted)
        self._up, self._down = wanted // common, rate // common
        self._low_pass = _low_pass(self._up, self._down)
        self._past: Samples = np.zeros(len(self._low_pass) - 1)
        self._skip = 0

    def take(self, samples: Samples) -> Samples:
        """The samples at the wanted rate that have become known with these."""
        spread = np.zeros(len(samples) * self._up)
        spread[:: self._up] = samples
        known = np.concatenate((self._past, spread))
        self._past = known[len(spread) :]
        if not len(spread):
            return spread
        picked = np.convolve(known, self._low_pass, "valid")[self._skip :: self._down]
        self._skip = (self._skip - len(spread)) % self._down
        return picked


def _low_pass(up: int, down: int) -> Samples:
    """A windowed sinc that cuts at half the lower of both rates."""
    widest = max(up, down)
    at = np.arange(-_LOBES * widest, _LOBES * widest + 1)
    taps: Samples = np.sinc(at / widest) * np.hamming(len(at))
    taps *= up / taps.sum()
    return taps
