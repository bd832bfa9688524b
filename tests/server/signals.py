"""Sounds made of numbers: the same every time, and no recording needed."""

from __future__ import annotations

import math
import random
from array import array

RATE = 24000


def silence(seconds: float) -> array[int]:
    return array("h", bytes(2 * int(seconds * RATE)))


def hiss(seconds: float, level_db: float, seed: int = 1) -> array[int]:
    """White noise at this level below full scale, the same second over and over."""
    source = random.Random(seed)
    sigma = 32768 * 10 ** (level_db / 20)
    second = array("h", (int(source.gauss(0, sigma)) for _ in range(RATE)))
    return (second * math.ceil(seconds))[: int(seconds * RATE)]


def vowel(seconds: float, level_db: float = -20.0) -> array[int]:
    """A voiced sound of 140 Hz with harmonics, swelling as syllables do."""
    size = int(seconds * RATE)
    loud = 32768 * 10 ** (level_db / 20)
    return array("h", (int(loud * _voice(at) * _swell(at)) for at in range(size)))


def _voice(at: int) -> float:
    phase = 2 * math.pi * 140 * at / RATE
    return sum(math.sin(n * phase) / n for n in range(1, 6))


def _swell(at: int) -> float:
    return 0.55 + 0.45 * math.cos(2 * math.pi * 4 * at / RATE)


def rumble(seconds: float, level_db: float) -> array[int]:
    """Mains hum and traffic: 50 Hz and a slow drift, with an offset."""
    loud = 32768 * 10 ** (level_db / 20)
    return array("h", (int(loud * _slow(at) + 300) for at in range(int(seconds * RATE))))


def _slow(at: int) -> float:
    turn = 2 * math.pi * at / RATE
    return math.sin(50 * turn) + 0.5 * math.sin(7 * turn) * math.sin(31 * turn)


def mixed(*sounds: array[int]) -> array[int]:
    """All at once, as long as the longest."""
    longest = max(map(len, sounds))
    sums = [sum(sound[at] for sound in sounds if at < len(sound)) for at in range(longest)]
    return array("h", (max(-32768, min(32767, one)) for one in sums))


def joined(*sounds: array[int]) -> array[int]:
    whole = array("h")
    for sound in sounds:
        whole += sound
    return whole
