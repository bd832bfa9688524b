"""Whose end is this? Ends, failures and errors that name a response well, badly or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Cancelled, Failed, TimedOut
from rejoinder.core.responses import KEY
from tests.core.stage import Stage, asked, begun, beside, echoing

BUSY = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"


def test_an_end_names_its_request_by_key_if_nobody_knows_its_id() -> None:
    stage = beside("a", "b")
    stage.done("r9", metadata={KEY: "b"})
    assert (stage.settled("a"), stage.outcome("b").response_id) == (False, "r9")


@pytest.mark.parametrize(
    ("response", "what"),
    [
        ({"id": "r9", "metadata": {KEY: "a"}}, "foreign"),
        ({"id": "r_first", "metadata": {KEY: "b"}}, "late"),
        ({"id": None, "metadata": {KEY: "unheard of"}}, "foreign"),
        ({"id": "r9"}, "foreign"),
    ],
    ids=["the key has another id", "the id is over", "unknown key", "unknown id among several"],
)
def test_an_end_that_fits_nobody_settles_nobody(response: dict[str, Any], what: str) -> None:
    stage = beside("a", "b")
    stage.created("r1", "a")
    stage.hear("response.done", response={"status": "completed", **response})
    assert stage.odd() == [what]
    assert not stage.settled("a")
    assert not stage.settled("b")


def test_a_nameless_end_among_several_settles_within_the_grace_those_that_fall_silent() -> None:
    stage = beside("a", "b")
    stage.created("r1", "a")
    stage.created("r2", "b", conversation_id=None)
    stage.done(None)
    assert stage.odd() == ["odd"]
    stage.wait(0.5)
    stage.text("still here", "r2")
    stage.wait(0.5)
    outcome = stage.outcome("a")
    assert isinstance(outcome, Failed)
    assert outcome.code == "response_done_without_body"
    assert not stage.settled("b")


def test_a_nameless_end_or_failure_of_nothing_changes_nothing() -> None:
    stage = echoing()
    stage.done(None)
    stage.hear("response.error", error={"message": "m"})
    assert stage.odd() == ["odd", "odd"]
    assert stage.next_reply_works()


def test_a_failure_that_names_the_create_by_event_id_settles_that_one() -> None:
    stage = beside("a", "b")
    stage.hear("response.error", error={"message": "m", "event_id": "b.1"})
    assert isinstance(stage.outcome("b"), Failed)
    assert not stage.settled("a")


def test_an_end_is_news_once_whatever_comes_after() -> None:
    stage = begun()
    for status in ("completed", "failed", "completed"):
        stage.done(status=status)
    (ended,) = stage.notices(ef.ResponseEnded)
    assert (ended.key, ended.response.status, ended.created_at) == ("a", "completed", 0.0)


def test_an_end_that_comes_after_we_gave_up_is_news_all_the_same() -> None:
    stage = begun()
    stage.wait(12.0)
    assert stage.session.state.responses.machines == {}
    stage.done()
    (ended,) = stage.notices(ef.ResponseEnded)
    assert ended.response.id == "r1"
    assert isinstance(stage.outcome(), TimedOut)


def test_the_end_tells_when_what_happened() -> None:
    stage = asked()
    for moment in (stage.created, stage.item, lambda: stage.audio(5), lambda: stage.text("x")):
        stage.wait(1.0)
        moment()
    stage.wait(1.0)
    stage.audio(5)
    stage.text("y")
    stage.done()
    (ended,) = stage.notices(ef.ResponseEnded)
    moments = (ended.created_at, ended.first_audio_at, ended.first_text_at, ended.ended_at)
    assert moments == (1.0, 3.0, 4.0, 5.0)


# -- errors --


def test_a_busy_refusal_that_names_nobody_among_several_settles_nobody() -> None:
    stage = Stage()
    for key in ("a", "b"):
        stage.ask(key, conversation="none")
    stage.error(code=BUSY)
    stage.wait(5.0)
    assert not stage.settled("a")
    assert not stage.settled("b")


def two_cancelled() -> Stage:
    stage = beside("a", "b")
    stage.created("r1", "a")
    stage.created("r2", "b", conversation_id=None)
    stage.cancel("a", "b")
    return stage


@pytest.mark.parametrize(
    ("event_id", "settled"), [("a.cancel", "a"), ("b.cancel", "b"), (None, ""), ("x", "")]
)
def test_nothing_to_cancel_ends_the_one_whose_cancel_is_named(
    event_id: str | None, settled: str
) -> None:
    stage = two_cancelled()
    stage.error(code=NOT_ACTIVE, event_id=event_id)
    assert [key for key in "ab" if stage.settled(key)] == list(settled)
    assert all(isinstance(stage.outcome(key), Cancelled) for key in settled)


def test_nothing_to_cancel_that_names_a_cancel_of_somebody_elses_ends_nothing() -> None:
    stage = begun()
    stage.cancel()
    stage.error(code=NOT_ACTIVE, event_id="x")
    assert not stage.settled()


@pytest.mark.parametrize("seconds", [0.0, 2.0], ids=["cancelling", "draining"])
def test_nothing_to_cancel_without_a_name_ends_the_only_one_that_was_cancelled(
    seconds: float,
) -> None:
    stage = begun()
    stage.cancel()
    stage.wait(seconds)
    stage.error(code=NOT_ACTIVE)
    assert isinstance(stage.outcome(), TimedOut if seconds else Cancelled)
    assert stage.next_reply_works()
    assert stage.notices(ef.ServerErrorSeen) == []


def test_an_error_in_answer_to_a_cancel_blames_nobody() -> None:
    stage = two_cancelled()
    stage.ask("c", conversation="none")
    stage.error(code="boom", event_id="a.cancel")
    assert stage.odd() == ["odd"]
    stage.wait(1.5)
    assert not stage.settled("c")


@pytest.mark.parametrize("event_id", ["first.1", "first.cancel"])
def test_an_error_that_names_what_is_over_blames_nobody(event_id: str) -> None:
    stage = beside("a")
    stage.error(code="boom", event_id=event_id)
    assert stage.odd() == ["odd"]
    stage.wait(1.5)
    assert not stage.settled("a")


# -- what is over --


def test_of_abandoned_requests_only_the_newest_are_remembered() -> None:
    stage = echoing()
    for number in range(257):
        stage.ask(f"q{number}", conversation="none")
        stage.cancel(f"q{number}")
    assert len(stage.session.state.responses.machines) == 256
    assert "q0" not in stage.session.state.responses.machines


def test_of_what_is_over_only_the_latest_names_are_remembered() -> None:
    stage = Stage()
    for number in range(600):
        stage.ask(f"k{number}")
        stage.created(f"r{number}", f"k{number}")
        stage.done(f"r{number}")
    stage.text("late", "r599")
    stage.text("too long ago to be known as late", "r0")
    assert stage.odd() == ["late", "foreign"]
