"""The energy gate: speech and nothing else begins a turn, a pause does not end it."""

from __future__ import annotations

import wave
from array import array
from pathlib import Path

import pytest

from rejoinder.server.gate import VadSettings, settings_of
from rejoinder.server.vad import EnergyVad, loudness_db
from tests.server.signals import hiss, joined, mixed, rumble, silence, vowel

DATA = Path(__file__).parent.parent / "data"


def turns(sound: array[int], settings: VadSettings | None = None) -> list[tuple[int, int | None]]:
    """The (start, end) of each turn in ms, fed in pieces of 37 ms; None while it lasts."""
    vad = EnergyVad(24000, settings or VadSettings())
    marks = [mark for at in range(0, len(sound), 888) for mark in vad.listen(sound[at : at + 888])]
    starts = [mark.at_ms for mark in marks if mark.started]
    ends: list[int | None] = [mark.at_ms for mark in marks if not mark.started]
    assert len(starts) - len(ends) in (0, 1)
    return list(zip(starts, [*ends, None], strict=False))


def recorded(name: str) -> array[int]:
    with wave.open(str(DATA / name), "rb") as file:
        return array("h", file.readframes(file.getnframes()))


def test_a_turn_begins_with_its_padding_and_ends_after_the_silence() -> None:
    ((start, end),) = turns(joined(silence(1.0), vowel(1.0), silence(1.0)))
    assert 640 <= start <= 740  # 300 ms before the onset
    assert end is not None
    assert 2440 <= end <= 2560  # 500 ms after the last of it


def test_the_padding_does_not_reach_back_before_the_beginning_or_into_the_turn_before() -> None:
    ((start, _),) = turns(joined(vowel(1.0), silence(1.0)))
    assert start == 0
    settings = VadSettings(silence_ms=200)
    first, second = turns(joined(vowel(0.5), silence(0.3), vowel(0.5), silence(0.3)), settings)
    assert first[1] is not None
    assert second[0] == first[1]


@pytest.mark.parametrize("room", [hiss(4.3, -45), hiss(4.3, -35), rumble(4.3, -24)])
def test_a_pause_of_300_ms_in_a_noisy_room_does_not_end_the_turn(room: array[int]) -> None:
    speech = joined(silence(1.0), vowel(0.8), silence(0.3), vowel(0.7), silence(1.5))
    ((start, end),) = turns(mixed(room, speech))
    assert 640 <= start <= 760
    assert end is not None
    assert 3220 <= end <= 3500


def test_spoken_words_in_noise_with_a_pause_are_one_turn() -> None:
    ((start, end),) = turns(recorded("pause-in-noise.wav"))
    assert 300 <= start <= 700
    assert end is not None
    assert 4200 <= end <= 5200


def test_a_longer_pause_is_the_end_and_patience_is_an_option() -> None:
    speech = joined(silence(0.5), vowel(0.6), silence(0.8), vowel(0.6), silence(1.5))
    assert len(turns(speech)) == 2
    assert len(turns(speech, VadSettings(silence_ms=1000))) == 1


@pytest.mark.parametrize("level_db", [-60, -45, -38])
def test_noise_alone_is_not_speech(level_db: float) -> None:
    assert turns(hiss(5.0, level_db)) == []


def test_hum_and_rumble_are_not_speech() -> None:
    assert turns(rumble(4.0, -24)) == []


def test_a_click_is_not_speech() -> None:
    click = array("h", [20000, -20000] * 200)
    assert turns(joined(silence(1.0), click, silence(1.0), click, silence(1.0))) == []


def test_a_room_that_grows_noisy_is_a_turn_that_ends_in_the_end() -> None:
    louder = joined(hiss(2.0, -60), hiss(15.0, -40, seed=2))
    found = turns(louder)
    assert len(found) <= 1
    assert all(end is not None for _, end in found)
    spoken = mixed(louder, joined(silence(15.0), vowel(0.5)))
    ((start, _),) = [turn for turn in turns(spoken) if turn[0] > 14400]
    assert 14640 <= start <= 14800


def test_a_long_vowel_is_one_turn() -> None:
    ((_, end),) = turns(joined(silence(1.0), vowel(8.0), silence(1.0)))
    assert end is not None
    assert end > 9000


def test_a_deaf_gate_needs_louder_speech() -> None:
    faint = mixed(hiss(3.0, -50), joined(silence(1.0), vowel(1.0, level_db=-34)))
    assert len(turns(faint, VadSettings(threshold=0.3))) == 1
    assert turns(faint, VadSettings(threshold=1.0)) == []


def test_what_is_forgotten_is_not_marked_and_the_clock_goes_on() -> None:
    vad = EnergyVad(24000, VadSettings(), at_ms=5000)
    (started,) = vad.listen(joined(silence(1.0), vowel(0.5)))
    assert started.started
    vad.forget()
    assert vad.listen(silence(1.0)) == []
    (again,) = vad.listen(vowel(0.5))
    assert again.started
    assert 7150 <= again.at_ms <= 7300


def test_it_listens_to_telephones_too() -> None:
    vad = EnergyVad(8000, VadSettings())
    narrow = joined(silence(1.0), vowel(1.0), silence(1.0))[::3]
    assert [mark.started for mark in vad.listen(narrow)] == [True, False]


def test_loudness_leaves_out_what_stands_still() -> None:
    assert loudness_db(array("h", [12000] * 480)) < -100
    assert -4 < loudness_db(array("h", [32767, -32768] * 240)) <= 0.1


def test_settings_come_from_the_protocol() -> None:
    assert settings_of(
        {
            "type": "server_vad",
            "threshold": 0.7,
            "prefix_padding_ms": 100,
            "silence_duration_ms": 250,
        }
    ) == VadSettings(threshold=0.7, prefix_ms=100, silence_ms=250)
    patient = settings_of({"type": "semantic_vad", "eagerness": "low"})
    eager = settings_of({"type": "semantic_vad", "eagerness": "high"})
    assert (
        patient.silence_ms > settings_of({"type": "semantic_vad", "eagerness": "auto"}).silence_ms
    )
    assert eager.silence_ms >= VadSettings().silence_ms
