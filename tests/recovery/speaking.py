"""A microphone whose every sample is its own, so that it can be found again at the servers."""

from __future__ import annotations

import asyncio
import random
import struct

from rejoinder.client.session import Session
from rejoinder.server.audio import tone

FRAME = 4_800
"""Bytes of 100 ms of PCM."""

_VOICE = struct.unpack(f"<{24_000 * 2}h", tone(2.0))
_ENOUGH = 200
"""Bytes of our noise in a row do not come twice."""


class Microphone:
    """What it has said so far is ``stream``. Silence is a noise too low to be taken for speech."""

    def __init__(self, session: Session, seed: int = 5) -> None:
        self.stream = bytearray()
        self._session = session
        self._lots = random.Random(seed)

    async def speak(self, seconds: float) -> None:
        """So long a voice, at its own pace."""
        await self._say(_VOICE[: int(seconds * 24_000)])

    async def rest(self, seconds: float) -> None:
        """So long nothing much."""
        await self._say((0,) * int(seconds * 24_000))

    def where(self, audio: bytes) -> tuple[int, int]:
        """From where to where in the stream this audio was said; it must be one whole stretch of it."""
        begins = self.stream.find(audio[:_ENOUGH])
        assert begins >= 0, "the server has heard what was never said"
        whole = bytes(self.stream[begins : begins + len(audio)]) == audio
        assert whole, f"a stretch of {len(audio)} bytes has a hole or a double"
        return begins, begins + len(audio)

    async def _say(self, samples: tuple[int, ...]) -> None:
        noisy = [sample + self._lots.randint(-8, 8) for sample in samples]
        audio = struct.pack(f"<{len(noisy)}h", *noisy)
        for at in range(0, len(audio), FRAME):
            frame = audio[at : at + FRAME]
            self.stream += frame
            self._session.append_audio(frame)
            await asyncio.sleep(len(frame) / 48_000)
