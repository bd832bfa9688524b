"""Audio as bytes: lengths, G.711, and a voice for lines that have no recording. No dependency."""

from __future__ import annotations

import functools
import math
import struct
from bisect import bisect_left
from itertools import pairwise

import msgspec

PCM = "audio/pcm"
PCMU = "audio/pcmu"
PCMA = "audio/pcma"

FULL_SCALE = 32768


class Format(msgspec.Struct, frozen=True):
    """How samples travel: 16 bit little-endian mono PCM, or 8 bit G.711 at 8 kHz. ``rate`` in Hz."""

    type: str = PCM
    rate: int = 24000

    @property
    def sample_bytes(self) -> int:
        return 2 if self.type == PCM else 1

    @property
    def bytes_per_second(self) -> int:
        return self.rate * self.sample_bytes

    def milliseconds(self, size: int) -> float:
        """How long ``size`` bytes sound."""
        return size * 1000 / self.bytes_per_second

    def size(self, milliseconds: float) -> int:
        """How many bytes (of whole samples) sound for this long, rounded down."""
        return int(milliseconds * self.rate / 1000) * self.sample_bytes


SPEECH = Format()
"""What scripts are recorded in."""


def samples(audio: bytes, kind: str) -> tuple[int, ...]:
    """The samples of ``audio``; ``kind`` is a format type. A torn last sample is left out."""
    if kind == PCM:
        return struct.unpack_from(f"<{len(audio) // 2}h", audio)
    return tuple(map(_decoded(kind).__getitem__, audio))


def encode(pcm: bytes, form: Format) -> bytes:
    """24 kHz PCM16 in another format. Only the three formats of the protocol are possible."""
    if form.type == PCM:
        return pcm
    wide = samples(pcm, PCM)
    narrow = [sum(wide[at : at + 3]) // 3 for at in range(0, len(wide) - 2, 3)]
    table = _encoded(form.type)
    return bytes(table[(sample + FULL_SCALE) >> 2] for sample in narrow)


def tone(seconds: float) -> bytes:
    """A hummed line: 24 kHz PCM16, about four syllables a second, the same samples every time."""
    syllable = _syllable()
    whole = syllable * math.ceil(seconds * SPEECH.bytes_per_second / len(syllable))
    return whole[: SPEECH.size(seconds * 1000)]


@functools.cache
def _syllable() -> bytes:
    length = SPEECH.rate // 4
    wave = []
    for at in range(length):
        swell = math.sin(math.pi * at / length) ** 2
        phase = 2 * math.pi * 180 * at / SPEECH.rate
        voice = math.sin(phase) + 0.5 * math.sin(2 * phase) + 0.25 * math.sin(3 * phase)
        wave.append(int(6000 * swell * voice))
    return struct.pack(f"<{length}h", *wave)


@functools.cache
def _decoded(kind: str) -> tuple[int, ...]:
    """What each of the 256 code words means (ITU-T G.711)."""
    return tuple(map(_ulaw if kind == PCMU else _alaw, range(256)))


def _ulaw(word: int) -> int:
    word = ~word & 0xFF
    size = (((word & 0x0F) << 3) + 0x84) << ((word & 0x70) >> 4)
    return 0x84 - size if word & 0x80 else size - 0x84


def _alaw(word: int) -> int:
    word ^= 0x55
    segment = (word & 0x70) >> 4
    size = ((word & 0x0F) << 4) + (0x108 if segment else 8)
    size <<= max(segment - 1, 0)
    return size if word & 0x80 else -size


@functools.cache
def _encoded(kind: str) -> bytes:
    """The nearest code word for each sample, by its upper 14 bits."""
    words = sorted((value, word) for word, value in enumerate(_decoded(kind)))
    borders = [(low + high) / 2 for (low, _), (high, _) in pairwise(words)]
    centres = (4 * step - FULL_SCALE + 2 for step in range(1 << 14))
    return bytes(words[bisect_left(borders, centre)][1] for centre in centres)
