"""What goes in: the server's ear, the user's words, and the turns that it answers by itself."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from rejoinder.core import effects as ef
from tests.core.stage import Stage, asked

TRANSCRIPTION = "conversation.item.input_audio_transcription"
NO_ANSWER = {
    "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}
}
BY_HAND = {"audio": {"input": {"turn_detection": None}}}
ANSWERS = {"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": None}}}}


def started(stage: Stage, item_id: str = "u1") -> None:
    stage.hear("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=120)


def stopped(stage: Stage) -> None:
    stage.hear("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=900)


def words(stage: Stage, delta: str | None, item_id: str = "u1", part: int | None = 0) -> None:
    stage.hear(f"{TRANSCRIPTION}.delta", item_id=item_id, content_index=part, delta=delta)


def ended(stage: Stage, kind: str, item_id: str = "u1", part: int | None = 0, **more: Any) -> None:
    stage.hear(f"{TRANSCRIPTION}.{kind}", item_id=item_id, content_index=part, **more)


def test_the_ear_of_the_server_is_news() -> None:
    stage = Stage()
    started(stage)
    stopped(stage)
    stage.hear("input_audio_buffer.committed", item_id="u1", previous_item_id="i0")
    assert [announced.notice for announced in stage.all(ef.Announce)] == [
        ef.SpeechStarted("u1", 120),
        ef.SpeechStopped("u1", 900),
        ef.Committed("u1", "i0"),
    ]


def test_a_transcript_grows_by_deltas_and_is_replaced_by_the_final_one() -> None:
    stage = Stage()
    started(stage)
    stage.wait(2.0)
    for delta in ("Hel", None, "lo"):
        words(stage, delta)
    words(stage, "another part", part=1)
    ended(stage, "completed", transcript="Hello!")
    deltas = [(d.content_index, d.text) for d in stage.notices(ef.TranscriptDelta)]
    assert deltas == [(0, "Hel"), (0, "Hel"), (0, "Hello"), (1, "another part")]
    (done,) = stage.notices(ef.TranscriptDone)
    assert (done.item_id, done.content_index, done.text, done.error) == ("u1", 0, "Hello!", None)
    assert done.speech_started_at == 0.0
    words(stage, "anew")
    assert stage.notices(ef.TranscriptDelta)[-1].text == "anew"


@pytest.mark.parametrize(("deltas", "text"), [(["Hel", "lo"], "Hello"), ([], "")])
def test_a_failed_transcription_keeps_what_was_understood_and_says_why(
    deltas: list[str], text: str
) -> None:
    stage = Stage()
    for delta in deltas:
        words(stage, delta, part=None)
    ended(stage, "failed", part=None, error={"type": "transcription_error", "message": "unclear"})
    (done,) = stage.notices(ef.TranscriptDone)
    assert (done.text, done.content_index, done.speech_started_at) == (text, 0, None)
    assert done.error is not None
    assert done.error.message == "unclear"


def test_an_empty_transcript_is_a_transcript() -> None:
    stage = Stage()
    words(stage, "er")
    ended(stage, "completed", transcript="")
    assert [done.text for done in stage.notices(ef.TranscriptDone)] == [""]


UNCLEAR = {"type": "transcription_error", "message": "unclear"}


@pytest.mark.parametrize(
    ("kind", "more"),
    [("completed", {"transcript": "Hello"}), ("failed", {"error": UNCLEAR})],
)
def test_what_repeats_a_final_transcript_is_no_news(kind: str, more: dict[str, Any]) -> None:
    stage = Stage()
    ended(stage, "completed", transcript="Hello")
    ended(stage, kind, **more)
    assert [done.text for done in stage.notices(ef.TranscriptDone)] == ["Hello"]
    assert stage.odd() == ["duplicate"]


def test_a_server_may_correct_itself() -> None:
    stage = Stage()
    ended(stage, "failed", error=UNCLEAR)
    ended(stage, "completed", transcript="Hello")
    ended(stage, "completed", transcript="Hallo")
    assert [done.text for done in stage.notices(ef.TranscriptDone)] == ["", "Hello", "Hallo"]


def test_what_nobody_ever_finishes_is_forgotten() -> None:
    stage, sizes = Stage(), []
    for number in range(300):
        started(stage, f"u{number:03}")
        words(stage, "never to be finished", f"u{number:03}")
        ended(stage, "completed", f"v{number:03}", transcript="finished")
        sizes.append(len(pickle.dumps(stage.session.state)))
    assert max(sizes[200:]) <= sizes[200] + 50
    ended(stage, "completed", "u000", transcript="late")
    assert stage.notices(ef.TranscriptDone)[0].speech_started_at is None


# -- whose is an unnamed response? after an announced turn: the server's --


@pytest.mark.parametrize(
    ("session", "servers"),
    [
        (None, True),
        ({}, True),
        ({"audio": None}, True),
        ({"audio": {"input": None}}, True),
        (ANSWERS, True),
        (NO_ANSWER, False),
        (BY_HAND, False),
    ],
)
def test_a_server_that_answers_turns_has_the_next_unnamed_response(
    session: dict[str, Any] | None, servers: bool
) -> None:
    stage = asked()
    if session is not None:
        stage.hear("session.updated", session=session)
    stopped(stage)
    stage.created(key=None)
    (opened,) = stage.all(ef.Open)
    assert (opened.key, opened.asked) == (("r1", False) if servers else ("a", True))


def test_what_the_session_left_unsaid_does_not_unsay_what_it_said() -> None:
    stage = asked()
    stage.hear("session.created", session=BY_HAND)
    stage.hear("session.updated", session={"audio": {"output": {"voice": "cedar"}}})
    stopped(stage)
    stage.created(key=None)
    assert stage.all(ef.Open)[0].key == "a"


def test_an_announced_turn_is_answered_once() -> None:
    stage = asked()
    stopped(stage)
    stage.created("r1", key=None)
    stage.created("r2", key=None)
    assert [opened.key for opened in stage.all(ef.Open)] == ["r1", "a"]


def test_an_out_of_band_response_is_no_answer_to_a_turn() -> None:
    stage = Stage()
    stage.created("r0", key=None)  # so the server is known to tell the conversation
    stage.done("r0")
    stage.ask()
    stopped(stage)
    stage.created("r1", key=None, conversation_id=None)
    stage.created("r2", key=None)
    assert [opened.key for opened in stage.all(ef.Open)] == ["r0", "r1", "r2"]


@pytest.mark.parametrize(("seconds", "key"), [(9.9, "r1"), (10.0, "a")])
def test_a_turn_that_nobody_answers_is_forgotten_after_the_created_clock(
    seconds: float, key: str
) -> None:
    stage = Stage()
    stopped(stage)
    stage.wait(seconds)
    stage.ask()
    stage.created(key=None)
    assert stage.all(ef.Open)[0].key == key
