"""Asking again: only what the server itself declared failed, and never past the first deadlines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Cancelled, Completed, Lost, Outcome, Rejected, TimedOut
from rejoinder.core.responses import KEY
from tests.core.stage import Stage, echoing

LIMITED = {"code": "rate_limit_exceeded", "message": "Rate limit reached. Try again in 1.2s."}
CRASHED = {"type": "server_error", "message": "The server had an error."}
Failing = Callable[[Stage], object]


def failed(stage: Stage, **more: Any) -> object:
    return stage.done(status="failed", status_details={"error": CRASHED}, **more)


def refused(stage: Stage) -> None:
    stage.error(**LIMITED, event_id="a.1")


def failed_unborn(stage: Stage) -> None:
    failed(stage, metadata={KEY: "a"})


def crashed(stage: Stage) -> None:
    stage.hear("response.error", response_id="r1", error=CRASHED)


def crashed_unborn(stage: Stage) -> None:
    stage.hear("response.error", error={**CRASHED, "event_id": "a.1"})


def asking(retries: int = 1, **params: Any) -> Stage:
    stage = Stage()
    stage.ask(retries=retries, **params)
    return stage


def born(retries: int = 1) -> Stage:
    stage = asking(retries)
    stage.created()
    return stage


def answered(stage: Stage, response_id: str = "r2") -> Outcome:
    """The server answers the second time it is asked."""
    stage.created(response_id)
    stage.text("fine", response_id, "i2")
    stage.done(response_id)
    return stage.outcome()


@pytest.mark.parametrize(
    ("stage", "failing", "pause"),
    [
        (asking, refused, 1.2),
        (asking, failed_unborn, 0.25),
        (asking, crashed_unborn, 0.25),
        (born, failed, 0.25),
    ],
    ids=["refused", "failed-unborn", "crashed-unborn", "failed"],
)
def test_what_the_server_declared_failed_is_asked_again(
    stage: Callable[[], Stage], failing: Failing, pause: float
) -> None:
    on = stage()
    failing(on)
    on.wait(pause - 0.01)
    assert on.creates() == ["a.1"]
    on.wait(0.01)
    assert on.creates() == ["a.1", "a.2"]
    outcome = answered(on)
    assert isinstance(outcome, Completed)
    assert (outcome.asked, outcome.delivered.text, outcome.response_id) == (2, "fine", "r2")
    assert on.cancels() == []


def test_a_response_that_a_gateway_gave_up_is_cancelled_and_drains_before_the_next() -> None:
    stage = born()
    crashed(stage)
    assert stage.cancels() == ["r1"]
    assert [w.key for w in stage.all(ef.Withdraw)] == ["a"]
    stage.wait(0.5)
    stage.text("after all", "r1")
    assert stage.creates() == ["a.1"]
    stage.done("r1", "cancelled")
    assert stage.creates() == ["a.1", "a.2"]
    assert answered(stage).delivered.text == "fine"


def test_a_response_out_of_band_drains_beside_the_next() -> None:
    stage = asking(conversation="none")
    stage.created(conversation_id=None)
    crashed(stage)
    stage.wait(0.25)
    assert stage.creates() == ["a.1", "a.2"]


def test_each_pause_is_twice_the_one_before() -> None:
    stage = asking(3)
    for number, pause in ((1, 0.25), (2, 0.5), (3, 1.0)):
        stage.error(**CRASHED, event_id=f"a.{number}")
        stage.wait(pause - 0.01)
        assert len(stage.creates()) == number
        stage.wait(0.01)
        assert len(stage.creates()) == number + 1
    stage.error(**CRASHED, event_id="a.4")
    assert isinstance(stage.outcome(), Rejected)
    assert stage.outcome().asked == 4


@pytest.mark.parametrize(
    ("words", "pause"),
    [
        ("try again in 20ms", 0.02),
        ("try again in 500 milliseconds", 0.5),
        ("Please Try Again In 1 s.", 1.0),
        ("Please try again in 5 seconds", 5.0),
        ("Please try again in 0.1m", 6.0),
        ("Please try again in 0m2.5s.", 2.5),
        ("Please try again in 0h0m1s or later", 1.0),
        ("try again in 2s 5 more tries are left", 2.0),
        ("try again in 2 secs; 3 requests are left", 2.0),
        ("try again in 1,200ms", 1.2),
        ("try again in 0 min 1.5 sec", 1.5),
    ],
)
def test_the_servers_hint_is_the_pause(words: str, pause: float) -> None:
    stage = asking()
    stage.error(code="rate_limit_exceeded", message=words, event_id="a.1")
    stage.wait(pause - 0.001)
    assert stage.creates() == ["a.1"]
    stage.wait(0.001)
    assert stage.creates() == ["a.1", "a.2"]


@pytest.mark.parametrize(
    "words", ["6m0s", "1m 0s", "2 minutes", "1h", "a moment", "5 tries", "10.1s"]
)
def test_a_hint_beyond_the_deadline_or_beyond_reading_is_no_pause(words: str) -> None:
    stage = asking()
    stage.error(code="rate_limit_exceeded", message=f"Please try again in {words}.", event_id="a.1")
    assert isinstance(stage.outcome(), Rejected)


def test_a_pause_is_bounded_however_often_it_was_doubled() -> None:
    stage = asking(2000)
    for number in range(1, 1500):
        stage.error(type="server_error", message="try again in 1ms", event_id=f"a.{number}")
        stage.wait(0.001)
    stage.error(**CRASHED, event_id="a.1500")
    assert isinstance(stage.outcome(), Rejected)


def test_by_itself_nothing_is_asked_again() -> None:
    for stage, failing in ((asking(0), refused), (born(0), failed), (born(0), crashed)):
        failing(stage)
        assert stage.settled()
        assert stage.outcome().asked == 1


def begun_and_failed(stage: Stage) -> None:
    stage.item()
    failed(stage)


NEVER: dict[str, tuple[Callable[[], Stage], Failing]] = {
    "timeout": (born, lambda stage: stage.wait(10.0)),
    "timeout-created": (asking, lambda stage: stage.wait(10.0)),
    "grace": (born, lambda stage: (stage.error(**CRASHED), stage.wait(1.0))),
    "grace-unborn": (asking, lambda stage: (stage.error(**CRASHED), stage.wait(1.0))),
    "content": (asking, lambda stage: stage.error(code="invalid_value", event_id="a.1")),
    "no-code": (born, lambda stage: stage.done(status="failed")),
    "incomplete": (born, lambda stage: failed_as(stage, "incomplete")),
    "cancelled": (born, lambda stage: failed_as(stage, "cancelled")),
    "cancel": (born, lambda stage: (stage.cancel(), failed(stage))),
    "nobody-named": (born, lambda stage: stage.hear("response.error", error=CRASHED)),
    "begun": (born, begun_and_failed),
    "output-in-done": (born, lambda stage: failed(stage, output=[{"id": "i", "type": "message"}])),
    "nameless-done": (born, lambda stage: failed(stage, id=None)),
    "unknown-done": (asking, lambda stage: failed(stage)),
}


def failed_as(stage: Stage, status: str) -> None:
    stage.done(status=status, status_details={"error": CRASHED})


@pytest.mark.parametrize("name", NEVER)
def test_anything_else_is_an_answer(name: str) -> None:
    made, failing = NEVER[name]
    stage = made()
    failing(stage)
    assert not stage.outcome().ok
    assert stage.outcome().asked == 1
    stage.wait(60.0)
    assert stage.creates() == ["a.1"]


def test_a_pause_beyond_the_first_deadline_is_no_pause_but_the_end() -> None:
    stage = asking()
    stage.wait(1.0)
    stage.error(code="rate_limit_exceeded", message="Try again in 9s.", event_id="a.1")
    assert isinstance(stage.outcome(), Rejected)


def test_a_retry_does_not_prolong_the_first_deadline() -> None:
    stage = asking()
    stage.wait(6.0)
    stage.error(**CRASHED, event_id="a.1")
    stage.wait(3.9)
    assert stage.creates() == ["a.1", "a.2"]
    assert not stage.settled()
    stage.wait(0.1)
    outcome = stage.outcome()
    assert isinstance(outcome, TimedOut)
    assert (outcome.why, outcome.asked) == ("created", 2)


def test_the_deadline_of_the_queue_bounds_a_retry_too() -> None:
    stage = Stage(timeouts=Timeouts(queue=5.0))
    stage.ask(retries=1)
    stage.error(code="rate_limit_exceeded", message="try again in 5s", event_id="a.1")
    assert isinstance(stage.outcome(), Rejected)


def test_a_busy_refusal_of_the_retry_does_not_move_the_first_deadline() -> None:
    stage = echoing()
    stage.ask(retries=1)
    asked_at = stage.now
    stage.error(**CRASHED, event_id="a.1")
    stage.wait(0.25)
    stage.created("r_server", None)
    stage.error(code="conversation_already_has_active_response", event_id="a.2")
    for _ in range(5):
        stage.wait(1.0)
        stage.text("on and on", "r_server")
    stage.done("r_server")
    assert stage.creates()[-1] == "a.3"
    stage.wait(asked_at + 9.99 - stage.now)
    assert not stage.settled()
    stage.wait(0.01)
    assert isinstance(stage.outcome(), TimedOut)


def test_a_retry_that_times_out_says_why_there_was_one() -> None:
    stage = asking()
    refused(stage)
    stage.wait(10.0)
    outcome = stage.outcome()
    assert isinstance(outcome, TimedOut)
    assert outcome.cause is not None
    assert outcome.cause.code == LIMITED["code"]


@pytest.mark.parametrize("conversation", ["auto", "none"])
def test_who_does_not_wait_for_others_waits_for_the_end_of_its_own_first_try(
    conversation: str,
) -> None:
    stage = Stage()
    stage.ask(wait=False, retries=1, conversation=conversation)
    stage.created(conversation_id="conv_1" if conversation == "auto" else None)
    crashed(stage)
    stage.wait(0.3)
    stage.done("r1", "cancelled")
    assert stage.creates() == ["a.1", "a.2"]
    assert answered(stage).ok


def test_a_leftover_out_of_band_holds_up_nobody() -> None:
    stage = asking(conversation="none")
    stage.created(conversation_id=None)
    crashed(stage)
    stage.ask("b")
    assert stage.creates() == ["a.1", "b.1"]


LATE: dict[str, Failing] = {
    "refused-again": refused,
    "ended-by-key": failed_unborn,
    "crashed-by-key": lambda stage: stage.hear(
        "response.error", metadata={KEY: "a"}, error=CRASHED
    ),
    "crashed-by-event": crashed_unborn,
    "busy": lambda stage: stage.error(
        code="conversation_already_has_active_response", event_id="a.1"
    ),
}


@pytest.mark.parametrize("again", [False, True], ids=["in-the-pause", "afterwards"])
@pytest.mark.parametrize("name", LATE)
def test_a_late_word_about_the_first_try_says_nothing_of_the_second(name: str, again: bool) -> None:
    stage = asking(2)
    refused(stage)
    if again:
        stage.wait(1.2)
    LATE[name](stage)
    assert not stage.settled()
    stage.wait(1.2)
    assert stage.creates() == ["a.1", "a.2"]
    assert answered(stage).asked == 2


@pytest.mark.parametrize("ends_first", [False, True])
def test_a_response_that_was_begun_late_for_the_first_try_is_a_stray(ends_first: bool) -> None:
    stage = asking()
    refused(stage)
    stage.wait(1.2)
    assert stage.creates() == ["a.1", "a.2"]
    stage.created("r1", metadata={KEY: "a"})
    assert stage.cancels() == ["r1"]
    if ends_first:
        failed(stage, metadata={KEY: "a"})
    stage.created("r2")
    if not ends_first:
        failed(stage, metadata={KEY: "a"})
    stage.text("fine", "r2", "i2")
    stage.done("r2")
    assert isinstance(stage.outcome(), Completed)
    assert (stage.outcome().response_id, stage.outcome().delivered.text) == ("r2", "fine")
    assert stage.next_reply_works()


def test_the_end_of_a_response_that_was_named_only_by_its_failure_is_late() -> None:
    stage = asking()
    stage.hear("response.error", response_id="r1", metadata={KEY: "a"}, error=CRASHED)
    stage.wait(0.25)
    failed(stage)
    assert stage.odd() == ["late"]
    assert not stage.settled()


def test_the_second_try_is_measured_by_itself_and_the_first_told_by_its_name() -> None:
    stage = born()
    stage.wait(2.0)
    failed(stage, id=None, metadata={KEY: "a"})
    stage.wait(0.25)
    stage.created("r2")
    stage.done("r2")
    first, second = stage.notices(ef.ResponseEnded)
    assert (first.response.id, first.created_at, first.ended_at) == ("r1", 0.0, 2.0)
    assert (second.response.id, second.created_at) == ("r2", 2.25)


@pytest.mark.parametrize("response_id", [None, "r1"])
@pytest.mark.parametrize("failing", [failed, crashed])
def test_a_cancel_by_hand_in_the_pause_is_the_end(
    failing: Failing, response_id: str | None
) -> None:
    stage = born()
    failing(stage)
    stage.stop(response_id)
    assert isinstance(stage.outcome(), Cancelled)
    stage.wait(60.0)
    assert stage.creates() == ["a.1"]


def test_what_was_taken_for_ours_by_order_is_not_asked_again() -> None:
    stage = asking()
    stage.created("r1", None)
    failed(stage)
    assert not stage.outcome().ok
    stage.wait(10.0)
    assert stage.creates() == ["a.1"]


def test_a_retry_that_finds_the_conversation_taken_waits_no_longer_than_that_deadline() -> None:
    stage = asking()
    stage.error(**CRASHED, event_id="a.1")
    stage.created("r_server", None)
    for _ in range(5):
        stage.wait(2.0)
        stage.text("on and on", "r_server")
    outcome = stage.outcome()
    assert isinstance(outcome, TimedOut)
    assert (outcome.why, outcome.asked) == ("created", 1)


def test_a_cancel_in_the_pause_is_the_end() -> None:
    stage = asking()
    refused(stage)
    stage.cancel()
    assert isinstance(stage.outcome(), Cancelled)
    stage.wait(60.0)
    assert stage.creates() == ["a.1"]


def test_a_request_behind_one_that_pauses_goes_ahead() -> None:
    stage = asking()
    refused(stage)
    stage.ask("b")
    assert stage.creates() == ["a.1", "b.1"]


def test_the_end_of_the_session_is_the_end_of_a_pause() -> None:
    stage = asking()
    refused(stage)
    stage.error(code="insufficient_quota")
    assert isinstance(stage.outcome(), Lost)
