"""The small pure parts: audio, agenda, handshake, ids, the input buffer's bounds."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import pytest

from rejoinder.server.agenda import Agenda
from rejoinder.server.audio import PCM, PCMA, PCMU, Format, encode, samples, tone
from rejoinder.server.beats import split_words
from rejoinder.server.engines import Mark
from rejoinder.server.handshake import Admitted, Turned, Upgrade, judge
from rejoinder.server.ids import CountingIds, FreshIds
from rejoinder.server.input_audio import MOST_BUFFERED, InputAudio

# -- audio --


def test_lengths() -> None:
    pcm, telephone = Format(), Format(PCMU, 8000)
    assert (pcm.milliseconds(4800), pcm.size(100), pcm.size(0.03)) == (100.0, 4800, 0)
    assert (telephone.milliseconds(800), telephone.size(100.9)) == (100.0, 807)


@pytest.mark.parametrize("kind", [PCMU, PCMA])
def test_g711_is_near_what_was_said(kind: str) -> None:
    wave = [int(12000 * math.sin(at / 40)) for at in range(4800)]
    said = array("h", wave)
    heard = samples(encode(said.tobytes(), Format(kind, 8000)), kind)
    assert len(heard) == 1600
    middle = [sum(wave[at : at + 3]) / 3 for at in range(0, 4800, 3)]
    assert max(abs(a - b) for a, b in zip(heard, middle, strict=True)) <= 600


@pytest.mark.parametrize(
    ("kind", "word", "sample"),
    [
        (PCMU, 0xFF, 0),
        (PCMU, 0x00, -32124),
        (PCMU, 0x80, 32124),
        (PCMA, 0xD5, 8),
        (PCMA, 0x2A, -32256),
    ],
)
def test_g711_words_mean_what_the_standard_says(kind: str, word: int, sample: int) -> None:
    assert list(samples(bytes([word]), kind)) == [sample]


def test_a_torn_sample_is_left_out() -> None:
    assert list(samples(b"\x01\x00\x02", PCM)) == [1]


def test_a_hummed_line_is_as_long_as_asked_and_can_be_heard() -> None:
    hummed = tone(0.7)
    assert len(hummed) == 33600
    assert max(samples(hummed, PCM)) > 4000
    assert tone(0.7) == hummed


def test_words_joined_are_the_text() -> None:
    for text in ("one two  three", " lead and trail ", "", "\n"):
        assert "".join(split_words(text)) == text


# -- the agenda --


def test_the_agenda_gives_what_is_due_by_its_moment() -> None:
    agenda = Agenda()
    assert (agenda.next(), agenda.due(9.0)) == (None, None)
    for whose, when in (("b", 2.0), ("a", 1.0), ("c", 3.0), ("b", 2.5)):
        agenda.set(whose, when)
    assert agenda.next() == 1.0
    assert [agenda.due(2.5), agenda.due(2.5), agenda.due(2.5)] == ["a", "b", None]
    assert agenda.next() == 3.0
    agenda.clear("c")
    agenda.clear("c")
    assert agenda.next() is None


# -- ids --


def test_ids_count_by_kind_and_fit_the_protocol() -> None:
    ids = CountingIds("c2")
    assert [ids.new("item"), ids.new("resp"), ids.new("item")] == [
        "item_c2_0001",
        "resp_c2_0001",
        "item_c2_0002",
    ]


# -- who is let in --

MODEL = {"model": "gpt-realtime"}
KEY = {"authorization": "Bearer sk-right"}


@pytest.mark.parametrize(
    "upgrade",
    [
        Upgrade(MODEL, KEY),
        Upgrade(MODEL, {"authorization": "bearer sk-right"}),
        Upgrade(MODEL, {"api-key": "sk-right"}),
        Upgrade({**MODEL, "api-key": "sk-right"}, {}),
        Upgrade(MODEL, {}, ["realtime", "openai-insecure-api-key.sk-right"]),
    ],
)
def test_the_key_may_come_in_several_ways(upgrade: Upgrade) -> None:
    assert judge(upgrade, "sk-right") == Admitted("realtime", "gpt-realtime")


def test_without_a_key_of_its_own_anybody_is_let_in() -> None:
    assert judge(Upgrade(MODEL, {}), None) == Admitted("realtime", "gpt-realtime")
    assert judge(Upgrade(MODEL, KEY), None) == Admitted("realtime", "gpt-realtime")


def test_an_intent_makes_a_listening_session() -> None:
    assert judge(Upgrade({"intent": "transcription"}, {}), None) == Admitted("transcription", "")


@pytest.mark.parametrize(
    ("upgrade", "code", "close_code", "reason"),
    [
        (
            Upgrade(MODEL, {"authorization": "Bearer sk-wrong"}),
            "invalid_api_key",
            3000,
            "invalid_request_error.invalid_api_key",
        ),
        (Upgrade(MODEL, {"authorization": "Basic sk-right"}), None, 3000, "invalid_request_error"),
        (Upgrade(MODEL, {}, ["realtime"]), None, 3000, "invalid_request_error"),
        (Upgrade({}, KEY), "missing_model", 4000, "invalid_request_error.missing_model"),
        (
            Upgrade({"model": "gpt-4o-transcribe"}, KEY),
            "invalid_model",
            4000,
            "invalid_request_error.invalid_model",
        ),
        (
            Upgrade({"intent": "mischief"}, KEY),
            "invalid_intent",
            4000,
            "invalid_request_error.invalid_intent",
        ),
    ],
)
def test_who_is_turned_away_after_the_upgrade(
    upgrade: Upgrade, code: str | None, close_code: int, reason: str
) -> None:
    verdict = judge(upgrade, "sk-right")
    assert isinstance(verdict, Turned)
    assert (verdict.error.code, verdict.close_code, verdict.reason) == (code, close_code, reason)
    assert verdict.status is None
    assert "sk-" not in repr(verdict)


def test_an_unknown_call_is_turned_away_by_http() -> None:
    verdict = judge(Upgrade({"call_id": "rtc_1"}, KEY), "sk-right")
    assert isinstance(verdict, Turned)
    assert verdict.status == 404


# -- ids --


def test_only_ids_of_what_a_client_may_name_are_looked_up() -> None:
    asked: list[str] = []

    def taken(made: str) -> bool:
        asked.append(made)
        return made == "item_c1_0001"

    ids = FreshIds(CountingIds(), taken)
    assert [ids.new("event"), ids.new("item")] == ["event_c1_0001", "item_c1_0002"]
    assert asked == ["item_c1_0001", "item_c1_0002"]


# -- the input buffer --


def test_a_client_that_never_commits_loses_the_oldest() -> None:
    buffer = InputAudio(Format())
    piece = bytes(8 * 1024 * 1024)
    for _ in range(9):
        buffer.append(piece)
    assert len(buffer.commit()) == MOST_BUFFERED
    assert buffer.end_ms == int(Format().milliseconds(9 * len(piece)))


def test_who_never_ends_a_turn_loses_the_oldest_as_well() -> None:
    buffer = InputAudio(Format())
    buffer.retune(Format(), Deaf())
    buffer.begin("item", 0)
    for _ in range(9):
        buffer.append(bytes(8 * 1024 * 1024))
    assert len(buffer.end(buffer.end_ms)) <= MOST_BUFFERED


class Deaf:
    """An ear that hears no end."""

    def listen(self, samples: Sequence[int]) -> list[Mark]:
        return []

    def forget(self) -> None:
        """Knows nothing that it could forget."""


def test_another_format_goes_on_counting() -> None:
    buffer = InputAudio(Format())
    buffer.append(bytes(48000))
    buffer.retune(Format(PCMU, 8000), None)
    buffer.append(bytes(4000))
    assert buffer.end_ms == 1500
    assert len(buffer.commit()) == 4000
