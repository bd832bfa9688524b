"""What a LiveKit `AgentSession` needs in place of a room: an ear, a mouth, captions, a recorder.

LiveKit asks two things of such devices. An input must never end, or the agent goes deaf; and an output
must report each segment's end exactly once, or whoever waits for the speech waits for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities, TextOutput

SAMPLE_RATE = 24_000
"""Hz. All audio here is PCM16 mono at this rate."""

_BYTES_PER_SECOND = SAMPLE_RATE * 2


class Recorder:
    """A stereo recording of the conversation as it sounded: the user left, the agent right."""

    def __init__(self) -> None:
        self._started_at: float | None = None
        self._tracks = (bytearray(), bytearray())

    def user(self, samples: bytes, at: float) -> None:
        """What the user said, from the moment ``at`` of the loop's clock."""
        self._add(0, samples, at)

    def agent(self, samples: bytes, at: float) -> None:
        """What the agent's mouth played, from the moment ``at`` of the loop's clock."""
        self._add(1, samples, at)

    def write(self, path: Path) -> None:
        """Writes the recording as a WAV file."""
        longest = max(len(track) for track in self._tracks)
        sides = [
            np.frombuffer(bytes(track.ljust(longest, b"\0")), np.int16) for track in self._tracks
        ]
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(np.stack(sides, axis=1).tobytes())

    def _add(self, side: int, samples: bytes, at: float) -> None:
        if self._started_at is None:
            self._started_at = at
        offset = max(0, round((at - self._started_at) * SAMPLE_RATE)) * 2
        track = self._tracks[side]
        track.extend(bytes(max(0, offset - len(track))))
        track[offset : offset + len(samples)] = samples


class Ear(AudioInput):
    """What the agent hears: what it is told to `hear`, at real pace, and silence for ever after.

    ``frame_seconds``: how much sound it hands over at a time.
    """

    def __init__(self, recorder: Recorder | None = None, *, frame_seconds: float = 0.02) -> None:
        super().__init__(label="recording")
        self._recorder = recorder
        self._seconds = frame_seconds
        self._bytes = round(SAMPLE_RATE * frame_seconds) * 2
        self._waiting = bytearray()
        self._next_at: float | None = None
        self._silent = asyncio.Event()
        self._silent.set()

    def hear(self, samples: bytes) -> None:
        """Speaks ``samples`` into the ear, after what it still has to hear."""
        self._waiting += samples
        self._silent.clear()

    async def heard(self) -> None:
        """Returns when everything has been spoken. Cancelling it is safe."""
        await self._silent.wait()

    async def __anext__(self) -> rtc.AudioFrame:
        loop = asyncio.get_running_loop()
        now = loop.time()
        at = now if self._next_at is None else self._next_at
        self._next_at = max(at, now - 1.0) + self._seconds  # a stalled loop is not made up for
        await asyncio.sleep(at - now)
        samples = bytes(self._waiting[: self._bytes])
        del self._waiting[: self._bytes]
        if samples and self._recorder is not None:
            self._recorder.user(samples, at)
        if not self._waiting:
            self._silent.set()
        return _frame(samples.ljust(self._bytes, b"\0"))


class _Segment:
    """A stretch of speech between two flushes. It is played as it comes, without catching up."""

    def __init__(self, now: float) -> None:
        self.started_at = now
        self.ends_at = now
        self.samples = bytearray()
        self.end: asyncio.TimerHandle | None = None

    def add(self, samples: bytes, now: float) -> None:
        self.ends_at = max(self.ends_at, now) + len(samples) / _BYTES_PER_SECOND
        self.samples += samples

    def played(self, now: float) -> float:
        """Seconds of it that have sounded by now."""
        return max(0.0, len(self.samples) / _BYTES_PER_SECOND - max(0.0, self.ends_at - now))


class Mouth(AudioOutput):
    """What the agent says, played at real pace, one segment after the other.

    ``said`` counts the segments that came to their end, cut ones included.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        super().__init__(
            label="mouth",
            capabilities=AudioOutputCapabilities(pause=False),
            sample_rate=SAMPLE_RATE,
        )
        self._recorder = recorder
        self._open: _Segment | None = None
        self._playing: list[_Segment] = []
        self._cut = False
        self.said = 0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Takes a frame in, faster than it plays if need be."""
        await super().capture_frame(frame)
        if self._cut:
            return  # the rest of a segment that was cleared: nobody wants to hear it
        now = asyncio.get_running_loop().time()
        if self._open is None:
            free_at = self._playing[-1].ends_at if self._playing else now
            self._open = _Segment(max(now, free_at))
            self._playing.append(self._open)
            self.on_playback_started(created_at=time.time() + self._open.started_at - now)
        self._open.add(frame.data.tobytes(), now)

    def flush(self) -> None:
        """The segment is complete; its end is reported when it has been played."""
        super().flush()
        segment, self._open, self._cut = self._open, None, False
        if segment is None:
            return
        loop = asyncio.get_running_loop()
        segment.end = loop.call_at(segment.ends_at, self._finish, segment, False)

    def clear_buffer(self) -> None:
        """Falls silent at once."""
        self._cut, self._open = self._cut or self._open is not None, None
        for segment in tuple(self._playing):
            self._finish(segment, True)

    def _finish(self, segment: _Segment, interrupted: bool) -> None:
        if segment.end is not None:
            segment.end.cancel()
        self._playing.remove(segment)
        self.said += 1
        played = segment.played(asyncio.get_running_loop().time())
        if self._recorder is not None:
            heard = bytes(segment.samples[: round(played * SAMPLE_RATE) * 2])
            self._recorder.agent(heard, segment.started_at)
        self.on_playback_finished(playback_position=played, interrupted=interrupted)


class Captions(TextOutput):
    """The agent's words, one line for each segment; ``on_line`` hears of each when it is complete."""

    def __init__(self, on_line: Callable[[str], None] | None = None) -> None:
        super().__init__(label="captions", next_in_chain=None)
        self._on_line = on_line
        self._words: list[str] = []
        self.lines: list[str] = []

    async def capture_text(self, text: str) -> None:
        """Takes some words in."""
        self._words.append(text)

    def flush(self) -> None:
        """The line is complete."""
        if not self._words:
            return
        self.lines.append("".join(self._words))
        self._words.clear()
        if self._on_line is not None:
            self._on_line(self.lines[-1])


class Late(TimeoutError):
    """Something took longer than it may; the message says what, and how long that is."""


async def in_time(doing: Awaitable[object], limit: float, what: str) -> None:
    """Waits for it, ``limit`` seconds at most: then it is cancelled, and `Late` is raised."""
    bound = asyncio.timeout(limit)
    try:
        async with bound:
            await doing
    except TimeoutError as error:
        if bound.expired():
            raise Late(f"{what} within {limit:g} s") from error
        raise


async def close(
    closing: Awaitable[object],
    limit: float,
    what: str,
    trouble: Callable[[str], None] | None = None,
) -> None:
    """Waits for it, ``limit`` seconds at most. What goes wrong, ``what`` first, is told to ``trouble``; if
    there is nobody to tell it to, it is raised."""
    try:
        await in_time(closing, limit, what)
    except Exception as error:  # models of others raise here, and LiveKit lets them: it is told
        if trouble is None:
            raise
        trouble(str(error) if isinstance(error, Late) else f"{what}: {error}")


@contextlib.asynccontextmanager
async def conversation(
    agent: Agent,
    model: llm.RealtimeModel,
    *,
    ear: Ear,
    mouth: Mouth,
    captions: Captions,
    patience: float = 30.0,
    trouble: Callable[[str], None] | None = None,
) -> AsyncIterator[AgentSession[Any]]:
    """A started `AgentSession` between these devices; closed at the end, whatever happens.

    It may take ``patience`` seconds to start, and again to close. Raises `Late` when it does not start
    in time. What goes wrong at its close is raised as well, unless there is a ``trouble`` to tell it to.

    The model's own turn detection is used: no local voice activity detector is loaded, and LiveKit's
    pause for echo cancellers at the beginning (which would discard the first question) is off.
    """
    session: AgentSession[Any] = AgentSession(
        llm=model,
        vad=None,
        aec_warmup_duration=None,
        turn_handling={
            "turn_detection": "realtime_llm",
            "interruption": {"resume_false_interruption": False},
        },
    )
    session.input.audio = ear
    session.output.audio = mouth
    session.output.transcription = captions
    try:
        started = session.start(agent, record=False)
        await in_time(started, patience, "The agent's session did not start")
        yield session
    finally:
        await close(session.aclose(), patience, "The agent's session did not close", trouble)


def _frame(samples: bytes) -> rtc.AudioFrame:
    return rtc.AudioFrame(samples, SAMPLE_RATE, 1, len(samples) // 2)
