"""An energy gate: where speech begins and ends, by loudness over an adaptive noise floor.

Hysteresis: speech begins well above the floor and ends only when the sound stays just above it.
Hang-over: it ends after ``silence_ms`` of that, so that a breath does not end a turn.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from operator import mul
from typing import Any

import msgspec

from rejoinder.server.audio import FULL_SCALE
from rejoinder.server.engines import Mark

FRAME_MS = 20
_ONSET_FRAMES = 3
"""So many loud frames out of the last `_ONSET_WINDOW` begin speech: a click does not."""
_ONSET_WINDOW = 5
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

_PATIENCE_MS = {"low": 2000, "medium": 1000, "auto": 1000, "high": 500}
"""How long semantic turn detection waits here, by eagerness: the gate knows no meaning."""


class VadSettings(msgspec.Struct, frozen=True):
    """``threshold`` from 0 (keen) to 1 (deaf); the rest in milliseconds."""

    threshold: float = 0.5
    prefix_ms: int = 300
    silence_ms: int = 500


def settings_of(turn_detection: dict[str, Any]) -> VadSettings:
    """A turn detection object of the protocol as settings of this gate."""
    if turn_detection["type"] == "semantic_vad":
        return VadSettings(silence_ms=_PATIENCE_MS[turn_detection["eagerness"]])
    return VadSettings(
        threshold=turn_detection["threshold"],
        prefix_ms=turn_detection["prefix_padding_ms"],
        silence_ms=turn_detection["silence_duration_ms"],
    )


class EnergyVad:
    """The ear that needs nothing but Python. About 50 frames a second, 20 microseconds each."""

    def __init__(self, rate: int, settings: VadSettings, at_ms: int = 0) -> None:
        self._settings = settings
        self._frame = rate * FRAME_MS // 1000
        self._rest: list[int] = []
        self._now_ms = at_ms
        self._not_before_ms = at_ms
        self._floor = NoiseFloor()
        self._loud: deque[bool] = deque(maxlen=_ONSET_WINDOW)
        self._quiet_ms: int | None = None

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
        self._quiet_ms = None
        self._loud.clear()
        self._not_before_ms = self._now_ms

    def _hear(self, level_db: float) -> Mark | None:
        speaking = self._quiet_ms is not None
        floor_db = self._floor.update(level_db, speaking=speaking)
        onset_db = max(floor_db + 5.0 + 10.0 * self._settings.threshold, _LEAST_ONSET_DB)
        self._now_ms += FRAME_MS
        if self._quiet_ms is None:
            self._loud.append(level_db > onset_db)
            return self._begin() if sum(self._loud) >= _ONSET_FRAMES else None
        loud = level_db > onset_db - _HYSTERESIS_DB
        self._quiet_ms = 0 if loud else self._quiet_ms + FRAME_MS
        return self._end() if self._quiet_ms >= self._settings.silence_ms else None

    def _begin(self) -> Mark:
        since_onset = len(self._loud) - self._loud.index(True)
        started_ms = self._now_ms - since_onset * FRAME_MS - self._settings.prefix_ms
        self._quiet_ms = 0
        self._loud.clear()
        return Mark(started=True, at_ms=max(started_ms, self._not_before_ms))

    def _end(self) -> Mark:
        self._quiet_ms = None
        self._not_before_ms = self._now_ms
        return Mark(started=False, at_ms=self._now_ms)


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
