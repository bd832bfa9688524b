"""An energy gate: where speech begins and ends, by loudness over an adaptive noise floor.

Speech begins well above the floor and ends only when the sound stays just above it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from operator import mul

from rejoinder.server.audio import FULL_SCALE
from rejoinder.server.engines import Mark
from rejoinder.server.gate import Gate, Onset, VadSettings

FRAME_MS = 20
_ONSET = Onset(loud=3, window=5)
_HYSTERESIS_DB = 4.0
_QUIETEST_FLOOR_DB = -66.0
_LEAST_ONSET_DB = -46.0
"""Nothing below this is speech, however silent the room."""
_LOUDEST_FIRST_FLOOR_DB = -38.0
"""What is louder than this from the first frame on is taken for speech, not for a noisy room."""
_FLOOR_WINDOW = 100
"""Frames over which the quietest is sought (2 s): speech pauses more often than that."""
_FLOOR_SMOOTHING = 6
"""Frames that make a moment: noise has quiet frames, too, which say nothing about the room."""
_FLOOR_RISE_DB = 12.0 * FRAME_MS / 1000
"""How fast the floor follows a room that grows noisier, per frame, while nobody speaks."""
_FLOOR_RISE_IN_SPEECH_DB = 1.5 * FRAME_MS / 1000
"""The same in speech: a loud new noise ends the turn in the end; a long vowel does not."""

_STRETCHES = FRAME_MS // 4


class EnergyVad:
    """The ear that needs nothing but Python. About 50 frames a second, 20 microseconds each."""

    def __init__(self, rate: int, settings: VadSettings, at_ms: int = 0) -> None:
        self._threshold = settings.threshold
        self._frame = rate * FRAME_MS // 1000
        self._rest: list[int] = []
        self._floor = NoiseFloor()
        self._gate = Gate(settings, FRAME_MS, _ONSET, at_ms)

    def listen(self, samples: Sequence[int]) -> list[Mark]:
        marks: list[Mark] = []
        pending = [*self._rest, *samples] if self._rest else samples
        whole = len(pending) - len(pending) % self._frame
        for at in range(0, whole, self._frame):
            mark = self._hear(loudness_db(pending[at : at + self._frame]))
            if mark is not None:
                marks.append(mark)
        self._rest = list(pending[whole:])
        return marks

    def forget(self) -> None:
        self._gate.forget()

    def _hear(self, level_db: float) -> Mark | None:
        floor_db = self._floor.update(level_db, speaking=self._gate.open)
        onset_db = max(floor_db + 5.0 + 10.0 * self._threshold, _LEAST_ONSET_DB)
        return self._gate.hear(
            surely=level_db > onset_db, perhaps=level_db > onset_db - _HYSTERESIS_DB
        )


class NoiseFloor:
    """The loudness of the room: the quietest moment of the last two seconds, followed slowly
    upwards."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=_FLOOR_SMOOTHING)
        self._recent: deque[float] = deque(maxlen=_FLOOR_WINDOW)
        self._floor_db: float | None = None

    def update(self, level_db: float, *, speaking: bool) -> float:
        """Takes the next frame's loudness and returns the floor, in dB of full scale."""
        self._latest.append(level_db)
        self._recent.append(sum(self._latest) / len(self._latest))
        target = max(min(self._recent), _QUIETEST_FLOOR_DB)
        if self._floor_db is None:
            self._floor_db = min(target, _LOUDEST_FIRST_FLOOR_DB)
        rise = _FLOOR_RISE_IN_SPEECH_DB if speaking else _FLOOR_RISE_DB
        self._floor_db = min(target, self._floor_db + rise)
        return self._floor_db


def loudness_db(frame: Sequence[int]) -> float:
    """The power of a frame in dB of full scale, without what is slower than speech.

    Each stretch of 4 ms counts without its own mean. That takes out a microphone's offset, hum and
    rumble (below 150 Hz or so), at the price of a subtraction.
    """
    size = -(-len(frame) // _STRETCHES)
    power = 0.0
    for at in range(0, len(frame), size):
        stretch = frame[at : at + size]
        power += sum(map(mul, stretch, stretch)) - sum(stretch) ** 2 / len(stretch)
    return 10 * math.log10(max(power / len(frame), 1e-3) / FULL_SCALE**2)
