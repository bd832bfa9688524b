"""The devices that stand in for a room: what LiveKit asks of them, and what they record."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from rejoinder.demo.agent import Captions, Ear, Mouth, Recorder
from rejoinder.testing import Run


def frame(seconds: float, level: int = 1000) -> rtc.AudioFrame:
    samples = np.full(round(seconds * 24_000), level, np.int16)
    return rtc.AudioFrame(samples.tobytes(), 24_000, 1, len(samples))


class Listener:
    """What a mouth reports, and when."""

    def __init__(self, mouth: Mouth) -> None:
        self.reports: list[tuple[str, float, float, bool]] = []
        self._began_at = asyncio.get_running_loop().time()
        mouth.on("playback_started", self._started)
        mouth.on("playback_finished", self._finished)

    def _now(self) -> float:
        return round(asyncio.get_running_loop().time() - self._began_at, 3)

    def _started(self, _: Any) -> None:
        self.reports.append(("started", self._now(), 0.0, False))

    def _finished(self, told: Any) -> None:
        position = round(told.playback_position, 3)
        self.reports.append(("finished", self._now(), position, told.interrupted))


def test_an_ear_hears_at_real_pace_and_then_silence_for_ever(run: Run) -> None:
    async def main() -> None:
        ear = Ear(frame_seconds=0.02)
        ear.hear(frame(0.05).data.tobytes())
        began_at = asyncio.get_running_loop().time()
        heard = [await anext(ear) for _ in range(50)]

        assert asyncio.get_running_loop().time() - began_at == pytest.approx(49 * 0.02)
        samples = np.concatenate([np.frombuffer(f.data, np.int16) for f in heard])
        assert len(samples) == 24_000
        assert np.count_nonzero(samples) == 1200
        assert all(samples[:1200] == 1000)
        await ear.heard()

    run(main())


def test_an_ear_says_when_everything_has_been_spoken(run: Run) -> None:
    async def main() -> None:
        ear = Ear(frame_seconds=0.1)
        ear.hear(frame(0.3).data.tobytes())
        waiting = asyncio.create_task(ear.heard())
        await anext(ear)
        await anext(ear)
        assert not waiting.done()
        await anext(ear)
        await waiting

    run(main())


def test_a_mouth_plays_at_real_pace_and_reports_each_segment_once(run: Run) -> None:
    async def main() -> None:
        mouth = Mouth()
        listener = Listener(mouth)
        for _ in range(10):
            await mouth.capture_frame(frame(0.2))
        mouth.flush()
        mouth.flush()
        await mouth.wait_for_playout()
        await mouth.capture_frame(frame(0.5))
        mouth.flush()
        await mouth.wait_for_playout()

        assert listener.reports == [
            ("started", 0.0, 0.0, False),
            ("finished", 2.0, 2.0, False),
            ("started", 2.0, 0.0, False),
            ("finished", 2.5, 0.5, False),
        ]
        assert mouth.said == 2

    run(main())


def test_a_mouth_that_is_cut_reports_what_was_heard(run: Run) -> None:
    async def main() -> None:
        mouth, ear = Mouth(), Ear(frame_seconds=0.1)
        listener = Listener(mouth)
        await mouth.capture_frame(frame(2.0))
        mouth.flush()
        for _ in range(8):
            await anext(ear)
        mouth.clear_buffer()
        mouth.clear_buffer()
        await mouth.wait_for_playout()

        assert listener.reports == [
            ("started", 0.0, 0.0, False),
            ("finished", 0.7, 0.7, True),
        ]

    run(main())


def test_the_rest_of_a_segment_that_was_cut_is_not_played(run: Run) -> None:
    async def main() -> None:
        mouth = Mouth()
        listener = Listener(mouth)
        await mouth.capture_frame(frame(1.0))
        mouth.clear_buffer()
        await mouth.capture_frame(frame(1.0))
        mouth.clear_buffer()
        mouth.flush()
        await mouth.capture_frame(frame(0.5))
        mouth.flush()
        await mouth.wait_for_playout()

        assert listener.reports == [
            ("started", 0.0, 0.0, False),
            ("finished", 0.0, 0.0, True),
            ("started", 0.0, 0.0, False),
            ("finished", 0.5, 0.5, False),
        ]

    run(main())


def test_a_pause_in_what_arrives_is_a_pause_in_what_sounds(run: Run) -> None:
    async def main() -> None:
        mouth, ear = Mouth(), Ear(frame_seconds=0.1)
        listener = Listener(mouth)
        await mouth.capture_frame(frame(0.2))
        for _ in range(6):
            await anext(ear)
        await mouth.capture_frame(frame(0.2))
        mouth.flush()
        await mouth.wait_for_playout()

        assert listener.reports == [
            ("started", 0.0, 0.0, False),
            ("finished", 0.7, 0.4, False),
        ]

    run(main())


def test_a_recording_has_the_user_on_the_left_and_the_agent_on_the_right(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        recorder = Recorder()
        ear, mouth = Ear(recorder, frame_seconds=0.1), Mouth(recorder)
        ear.hear(frame(0.3, 500).data.tobytes())
        for _ in range(4):
            await anext(ear)
        await mouth.capture_frame(frame(0.2, 900))
        mouth.flush()
        await mouth.wait_for_playout()
        recorder.write(tmp_path / "talk.wav")

    run(main())
    with wave.open(str(tmp_path / "talk.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert len(sound) == 12_000
    assert [int(n) for n in np.count_nonzero(sound, axis=0)] == [7200, 4800]
    assert all(sound[:7200, 0] == 500)
    assert all(sound[7200:, 1] == 900)


def test_an_empty_recording_can_be_written(tmp_path: Path) -> None:
    Recorder().write(tmp_path / "nothing.wav")

    with wave.open(str(tmp_path / "nothing.wav")) as file:
        assert file.getnframes() == 0


def test_captions_have_a_line_for_each_segment(run: Run) -> None:
    async def main() -> None:
        seen: list[str] = []
        captions = Captions(seen.append)
        for word in ("Good", " morning."):
            await captions.capture_text(word)
        captions.flush()
        captions.flush()
        await captions.capture_text("Hello.")
        captions.flush()

        assert captions.lines == seen == ["Good morning.", "Hello."]

    run(main())
