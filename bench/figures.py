"""The figures: what is measured, in which unit, and what is hoped for. Data."""

from __future__ import annotations

from typing import Final

import msgspec

OURS: Final = "rejoinder"
THEIRS: Final = "openai"
CLIENTS: Final = (OURS, THEIRS)


class Figure(msgspec.Struct, frozen=True):
    """One row of the table.

    ``kind`` and ``size`` say what is done, see `client`; ``amount`` how often. ``scale`` turns what is
    measured (seconds, bytes) into ``unit``. ``target``: ours divided by theirs, at most.
    """

    name: str
    kind: str
    size: int
    amount: int
    unit: str
    scale: float
    target: float | None = None


FIGURES: Final = (
    Figure("idle session", "idle", 0, 100, "KiB", 1 / 1024, 1.00),
    Figure("audio frame of 20 ms", "reply", 20, 2_000, "µs", 1e6, 0.30),
    Figure("audio frame of 100 ms", "reply", 100, 1_000, "µs", 1e6, 0.30),
    Figure("the same, each alone", "paced", 20, 200, "µs", 1e6),
    Figure("microphone, 24 kHz", "microphone", 24_000, 40, "ms", 1e3, 0.60),
    Figure("microphone, 48 kHz", "microphone", 48_000, 20, "ms", 1e3, 0.60),
)
"""In the order in which they are measured: memory while the process is still fresh."""
