"""A user who talks: sound that an ear takes for speech, and in which no two moments are alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import msgspec
import numpy as np

from rejoinder.server.audio import SPEECH, tone

FRAME_BYTES = SPEECH.size(20)
SAMPLE_BYTES = SPEECH.sample_bytes

_SPOKEN = tone(1.0)
_SILENCES = (1.6, 1.3, 0.6, 1.7)
"""Seconds after each spoken part. After the short one the user falls into the reply."""

_LAST_SILENCE = 2.5
_NOISE = 8
"""The noise's greatest sample: far below anything that is taken for speech, in either direction."""


class Spoken(msgspec.Struct, frozen=True):
    """One thing that the user says, from one sample to before another."""

    begins: int
    ends: int


class Microphone(msgspec.Struct, frozen=True):
    """All that is recorded, in PCM16, and where in it the user speaks."""

    audio: bytes
    spoken: list[Spoken]


def microphone(number: int, seconds: float) -> Microphone:
    """The same for the same number, as long as that or a little longer."""
    silences = itertools.islice(itertools.cycle(_SILENCES), number, None)
    audio, spoken = bytes(SPEECH.size(500)), []
    while len(audio) < SPEECH.size(seconds * 1000):
        begins = len(audio) // SAMPLE_BYTES
        spoken.append(Spoken(begins, begins + len(_SPOKEN) // SAMPLE_BYTES))
        audio += _SPOKEN + bytes(SPEECH.size(next(silences) * 1000))
    audio += bytes(SPEECH.size(_LAST_SILENCE * 1000))
    return Microphone(_told_apart(audio, number), spoken)


def _told_apart(audio: bytes, number: int) -> bytes:
    """With noise of which a few samples never come twice."""
    samples = np.frombuffer(audio, "<i2")
    noise = np.random.default_rng(number).integers(-_NOISE, _NOISE, len(samples))
    return (samples + noise).astype("<i2").tobytes()


def frames(audio: bytes) -> Iterable[bytes]:
    """As a microphone gives them: 20 ms at a time."""
    return (audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES))
