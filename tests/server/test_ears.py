"""Each ear on speech in noise: it finds the speech where it is. Only the model knows noise from speech."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import wave
from array import array
from pathlib import Path

import numpy as np
import pytest

import rejoinder
from rejoinder.server.core import EarMaker
from rejoinder.server.ears import ear_maker, energy_ear
from rejoinder.server.engines import Ear
from rejoinder.server.rules import Json
from rejoinder.server.script import Script, Text, Turn
from rejoinder.server.serve import serve
from rejoinder.server.speech_model import Resampler, speech_ear
from rejoinder.server.vad import loudness_db
from rejoinder.testing import Run
from rejoinder.wire import server_events as events
from tests.server.desk import Desk, only, types
from tests.server.signals import RATE, hiss, joined, mixed, rumble, silence
from tests.server.test_serve import connected
from tests.server.test_turns import TURN

DEMO = Path(rejoinder.__file__).parent / "demo"
EARS = pytest.mark.parametrize("ear", [energy_ear, speech_ear], ids=["energy", "speech"])
SETTINGS = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
}


def question(number: int) -> array[int]:
    """A recorded question, with a second of silence before and after."""
    with wave.open(str(DEMO / f"question-{number}.wav"), "rb") as file:
        words = array("h", file.readframes(file.getnframes()))
    return joined(silence(1.0), words, silence(1.0))


def spoken_ms(clean: array[int]) -> tuple[int, int]:
    """Where the words of a clean recording are, by their loudness."""
    size = RATE // 50
    frames = [clean[at : at + size] for at in range(0, len(clean) - size, size)]
    loud = [at for at, frame in enumerate(frames) if loudness_db(frame) > -40]
    return loud[0] * 20, (loud[-1] + 1) * 20


def level_db(sound: array[int]) -> float:
    power = sum(sample * sample for sample in sound) / len(sound)
    return 10 * math.log10(power / 32768**2)


def in_noise(clean: array[int], ratio_db: float) -> array[int]:
    """The words in white noise, so many dB below them."""
    start, end = spoken_ms(clean)
    words = clean[start * RATE // 1000 : end * RATE // 1000]
    return mixed(clean, hiss(len(clean) / RATE, level_db(words) - ratio_db))


def heard(
    ear: EarMaker, sound: array[int], rate: int = RATE, **settings: float
) -> list[tuple[bool, int]]:
    listening = ear(rate, {**SETTINGS, **settings}, 0)
    marks = [
        mark for at in range(0, len(sound), 888) for mark in listening.listen(sound[at : at + 888])
    ]
    return [(mark.started, mark.at_ms) for mark in marks]


@EARS
@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("ratio_db", [30, 15])
def test_words_in_noise_are_one_turn_where_they_are(
    ear: EarMaker, number: int, ratio_db: float
) -> None:
    clean = question(number)
    start, end = spoken_ms(clean)
    (began, began_ms), (ended, ended_ms) = heard(ear, in_noise(clean, ratio_db))
    assert (began, ended) == (True, False)
    assert abs(began_ms - (start - 300)) <= 150
    assert abs(ended_ms - (end + 500)) <= 250


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_model_hears_words_that_are_hardly_louder_than_the_noise(number: int) -> None:
    clean = question(number)
    start, end = spoken_ms(clean)
    (began, began_ms), *_, (_, ended_ms) = heard(speech_ear, in_noise(clean, 3))
    assert began
    assert abs(began_ms - (start - 300)) <= 250
    assert abs(ended_ms - (end + 500)) <= 350


BURSTS = joined(*(joined(silence(0.7), hiss(0.4, -18, seed=n)) for n in range(5)), silence(1.0))
DRUMMING = joined(*(joined(silence(0.2), rumble(0.2, -10)) for _ in range(10)), silence(1.0))


@pytest.mark.parametrize("noise", [BURSTS, DRUMMING, hiss(4.0, -25), rumble(4.0, -12)])
def test_the_model_keeps_quiet_where_nobody_speaks(noise: array[int]) -> None:
    assert heard(speech_ear, noise) == []


def test_the_gate_takes_bursts_for_words() -> None:
    assert len(heard(energy_ear, BURSTS)) == 10


def test_the_model_finds_the_words_among_bursts() -> None:
    clean = question(2)
    start, _ = spoken_ms(clean)
    ((began, began_ms), (ended, _)) = heard(speech_ear, joined(BURSTS, clean))
    assert (began, ended) == (True, False)
    assert abs(began_ms - (len(BURSTS) * 1000 // RATE + start - 300)) <= 150


def test_the_model_listens_to_telephones_and_to_what_needs_no_resampling() -> None:
    clean = question(3)
    start, end = spoken_ms(clean)
    for rate, sound in ((8000, clean[::3]), (16000, halved(clean))):
        (_, began_ms), (_, ended_ms) = heard(speech_ear, sound, rate)
        assert abs(began_ms - (start - 300)) <= 150
        assert abs(ended_ms - (end + 500)) <= 250


def halved(sound: array[int]) -> array[int]:
    """Two samples of three: 16 kHz, roughly."""
    return array("h", (sample for at, sample in enumerate(sound) if at % 3 != 2))


def test_the_model_minds_its_settings() -> None:
    clean = question(4)
    start, end = spoken_ms(clean)
    settings = {"prefix_padding_ms": 0, "silence_duration_ms": 900}
    (_, began_ms), (_, ended_ms) = heard(speech_ear, clean, **settings)
    assert abs(began_ms - start) <= 150
    assert abs(ended_ms - (end + 900)) <= 250
    assert heard(speech_ear, clean, threshold=1.0) == []


def test_the_model_hears_the_same_twice_and_in_any_pieces() -> None:
    sound = in_noise(question(1), 10)
    once, again = speech_ear(RATE, SETTINGS, 0), speech_ear(RATE, SETTINGS, 0)
    marks = [mark for at in range(0, len(sound), 77) for mark in again.listen(sound[at : at + 77])]
    assert once.listen(sound) == marks
    assert again.listen(()) == []


def test_what_the_model_is_told_to_forget_is_not_marked_and_the_clock_goes_on() -> None:
    clean = question(1)
    _, end = spoken_ms(clean)
    ear = speech_ear(RATE, SETTINGS, 5000)
    (began,) = ear.listen(clean[: RATE * 2])
    assert began.started
    ear.forget()
    marks = ear.listen(clean[RATE * 2 :]) + ear.listen(clean)
    assert [mark.started for mark in marks[-2:]] == [True, False]
    total_ms = len(clean) * 1000 // RATE
    assert abs(marks[-1].at_ms - (5000 + total_ms + end + 500)) <= 250


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_a_tone_keeps_its_pitch_and_its_strength(rate: int) -> None:
    sound = [10000 * math.sin(2 * math.pi * 440 * at / rate) for at in range(rate)]
    resampler = Resampler(rate, 16000)
    parts = [resampler.take(np.asarray(sound[at : at + 333])) for at in range(0, rate, 333)]
    out = [float(sample) for part in parts for sample in part]
    assert len(out) == 16000
    settled = out[8000:]
    rises = sum(1 for before, after in itertools.pairwise(settled) if before < 0 <= after)
    assert abs(rises - 220) <= 1
    assert 9900 <= max(settled) <= 10100


# -- as an option --


def test_a_session_may_listen_with_the_model() -> None:
    desk = Desk(Script(Turn("Hours?", Text("Nine to six."))), ear=speech_ear)
    told = desk.hear(question(1).tobytes()) + desk.run()
    assert types(told)[:5] == TURN
    assert only(events.ResponseOutputTextDone, told).text == "Nine to six."
    assert desk.hear(BURSTS.tobytes()) == []


def mine(rate: int, turn_detection: Json, at_ms: int) -> Ear:
    return energy_ear(rate, turn_detection, at_ms)


def test_an_ear_is_chosen_by_name_or_brought_along(run: Run) -> None:
    assert ear_maker("energy") is energy_ear
    assert ear_maker("speech") is speech_ear
    assert ear_maker(mine) is mine

    async def exchange() -> None:
        async with serve(ear="speech") as server, connected(server) as client:
            assert (await client.hear())["type"] == "session.created"
        async with serve(ear="third"):
            pass

    with pytest.raises(rejoinder.ConfigurationError, match="ear 'third': use 'energy', 'speech'"):
        run(exchange())


WITHOUT_THE_MODEL = """
import sys
sys.modules["livekit.local_inference"] = None
from rejoinder.errors import ConfigurationError
from rejoinder.server.ears import ear_maker
ear_maker("energy")
assert "numpy" not in sys.modules
try:
    ear_maker("speech")
except ConfigurationError as error:
    assert "rejoinder[livekit]" in str(error), error
else:
    raise AssertionError("there is a model without LiveKit")
"""


def test_without_the_extra_the_refusal_says_what_to_install() -> None:
    script = [sys.executable, "-W", "error", "-c", WITHOUT_THE_MODEL]
    subprocess.run(script, check=True, timeout=60)
