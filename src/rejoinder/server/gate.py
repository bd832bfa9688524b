"""Where speech begins and ends, once each frame of sound is known to be loud or quiet.

Hysteresis: speech begins with frames that are surely speech and ends only when none may be. Hang-over:
it ends after ``silence_ms`` of that, so that a breath does not end a turn.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from rejoinder.server.engines import Mark

_PATIENCE_MS = {"low": 2000, "medium": 1000, "auto": 1000, "high": 500}
"""How long semantic turn detection waits here, by eagerness: no ear of ours knows any meaning."""


class VadSettings(msgspec.Struct, frozen=True):
    """``threshold`` from 0 (keen) to 1 (deaf); the rest in milliseconds."""

    threshold: float = 0.5
    prefix_ms: int = 300
    silence_ms: int = 500


def settings_of(turn_detection: dict[str, Any]) -> VadSettings:
    """A turn detection object of the protocol as settings of an ear."""
    if turn_detection["type"] == "semantic_vad":
        return VadSettings(silence_ms=_PATIENCE_MS[turn_detection["eagerness"]])
    return VadSettings(
        threshold=turn_detection["threshold"],
        prefix_ms=turn_detection["prefix_padding_ms"],
        silence_ms=turn_detection["silence_duration_ms"],
    )


class Onset(msgspec.Struct, frozen=True):
    """So many loud frames out of the last ``window`` begin speech: a click does not."""

    loud: int
    window: int


class Gate:
    """Marks speech, frame by frame. ``frame_ms``: how long a frame is; ``at_ms``: where the first is."""

    def __init__(self, settings: VadSettings, frame_ms: int, onset: Onset, at_ms: int) -> None:
        self._settings = settings
        self._frame_ms = frame_ms
        self._onset = onset
        self._now_ms = at_ms
        self._not_before_ms = at_ms
        self._loud: deque[bool] = deque(maxlen=onset.window)
        self._quiet_ms: int | None = None

    @property
    def open(self) -> bool:
        """Whether speech has begun and not ended."""
        return self._quiet_ms is not None

    def hear(self, *, surely: bool, perhaps: bool) -> Mark | None:
        """Takes the next frame: ``surely`` speech, ``perhaps`` still speech once there was some."""
        self._now_ms += self._frame_ms
        if self._quiet_ms is None:
            self._loud.append(surely)
            return self._begin() if sum(self._loud) >= self._onset.loud else None
        self._quiet_ms = 0 if perhaps else self._quiet_ms + self._frame_ms
        return self._end() if self._quiet_ms >= self._settings.silence_ms else None

    def forget(self) -> None:
        """Speech in progress is over and will not be marked. The clock goes on."""
        self._quiet_ms = None
        self._loud.clear()
        self._not_before_ms = self._now_ms

    def _begin(self) -> Mark:
        since_onset = len(self._loud) - self._loud.index(True)
        started_ms = self._now_ms - since_onset * self._frame_ms - self._settings.prefix_ms
        self._quiet_ms = 0
        self._loud.clear()
        return Mark(started=True, at_ms=max(started_ms, self._not_before_ms))

    def _end(self) -> Mark:
        self._quiet_ms = None
        self._not_before_ms = self._now_ms
        return Mark(started=False, at_ms=self._now_ms)
