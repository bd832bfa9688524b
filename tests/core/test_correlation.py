"""Whose event is this? By id, by key, by the event that caused it, and at last by order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Cancelled, Completed, Failed, Rejected
from rejoinder.core.responses import KEY
from tests.core.stage import Stage, asked, begun, beside, echoing, speaking

BUSY = "conversation_already_has_active_response"


def opened(stage: Stage) -> list[tuple[str, str, bool]]:
    return [(o.key, o.response_id, o.asked) for o in stage.all(ef.Open) if o.key != "first"]


# -- servers that return our metadata --


def test_a_key_finds_its_request_whatever_the_order() -> None:
    stage = beside("a", "b", "c")
    for response_id, key in (("r3", "c"), ("r1", "a"), ("r2", "b")):
        stage.created(response_id, key, conversation_id="c" if key == "a" else None)
        stage.text(f"for {key}", response_id)
    for response_id in ("r2", "r1", "r3"):
        stage.done(response_id)
    assert [stage.outcome(key).delivered.text for key in "abc"] == ["for a", "for b", "for c"]


def test_once_a_key_came_back_an_unnamed_response_is_never_ours() -> None:
    stage = echoing()
    stage.ask()
    stage.created("s1", key=None)
    stage.text("the server's own", "s1")
    stage.created("r1", "a")
    stage.text("ours")
    stage.done("s1")
    stage.done()
    assert opened(stage) == [("s1", "s1", False), ("a", "r1", True)]
    assert stage.outcome("s1").delivered.text == "the server's own"
    assert stage.outcome("a").delivered.text == "ours"


@pytest.mark.parametrize("start", [begun, speaking])
def test_a_second_response_under_one_key_is_cancelled_by_id_and_never_shown(
    start: Callable[[], Stage],
) -> None:
    stage = start()
    stage.created("r2", "a")
    stage.text("never shown", "r2")
    stage.done("r2", status="cancelled")
    stage.text("shown")
    stage.done()
    assert stage.cancels() == ["r2"]
    assert [o.response_id for o in stage.all(ef.Open)] == ["r1"]
    assert stage.outcome().delivered.text.endswith("shown")
    assert len(stage.notices(ef.ResponseEnded)) == 2  # the stray's tokens were spent too


@pytest.mark.parametrize("end", [{"status": "completed"}, None])
def test_a_response_under_an_abandoned_key_is_cancelled_by_id_and_never_shown(end: Any) -> None:
    stage = asked()
    stage.cancel()
    stage.created()
    stage.text("never shown")
    if end is not None:
        stage.done(**end)
    stage.created("r2", "a")
    assert stage.cancels() == ["r1", "r2"]
    assert stage.all(ef.Open) == []
    assert stage.all(ef.Deliver) == []
    assert stage.outcome() == Cancelled(by="client", asked=1)


def test_a_response_under_somebody_elses_key_is_left_alone() -> None:
    stage = echoing()
    stage.created("f1", "another client's")
    stage.text("not for us", "f1")
    stage.done("f1", metadata={KEY: "another client's"})
    stage.done("f2", metadata={KEY: "another client's"})
    stage.hear("response.error", error={"message": "m"}, metadata={KEY: "another client's"})
    assert stage.odd() == ["foreign", "late", "late", "foreign", "foreign"]
    assert (opened(stage), stage.cancels()) == ([], [])
    assert stage.next_reply_works()


@pytest.mark.parametrize("metadata", [{KEY: 7}, {"other": "a"}, {}])
def test_a_key_that_is_none_of_ours_by_shape_is_no_key(metadata: dict[str, Any]) -> None:
    stage = asked()
    stage.created(metadata=metadata)
    assert opened(stage) == [("a", "r1", True)]
    stage.done(metadata={KEY: "a"})
    stage.ask("b")
    stage.created("r2", key=None)  # still a server that returns nothing
    assert opened(stage)[1:] == [("b", "r2", True)]


@pytest.mark.parametrize("key", [None, "a", "b"])
def test_a_response_whose_id_is_one_of_our_keys_changes_nothing(key: str | None) -> None:
    stage = beside("a", "b")
    stage.created("r1", "a")
    stage.created("b", key)
    assert stage.odd() == ["odd"]
    stage.created("r2", "b", conversation_id=None)
    stage.done("r2")
    stage.done("r1")
    assert stage.outcome("a").ok
    assert stage.outcome("b").ok


@pytest.mark.parametrize(
    ("response_id", "key", "what"),
    [("r1", "a", "odd"), ("r1", None, "odd"), ("r1", "b", "odd"), ("r_first", "a", "late"), (None, "b", "odd")],
)  # fmt: skip
def test_a_second_created_changes_nothing(response_id: Any, key: str | None, what: str) -> None:
    stage = beside("a", "b")
    stage.created("r1", "a")
    stage.created(response_id, key)
    assert stage.odd() == [what]
    assert opened(stage) == [("a", "r1", True)]
    assert stage.cancels() == []


# -- servers that do not --


def test_without_metadata_the_one_unanswered_request_has_the_response() -> None:
    stage = asked()
    stage.created(key=None)
    stage.text("ours")
    stage.done()
    assert opened(stage) == [("a", "r1", True)]
    assert stage.outcome().delivered.text == "ours"


def test_without_metadata_one_request_at_a_time_awaits_its_answer() -> None:
    stage = asked()
    stage.ask("b", conversation="none")
    stage.ask("c", conversation="none")
    assert stage.creates() == ["a.1"]
    stage.created("r1", key=None)
    assert stage.creates() == ["a.1", "b.1"]
    stage.created("r2", key=None, conversation_id=None)
    stage.error(event_id="c.1", code="invalid_value")
    assert opened(stage) == [("a", "r1", True), ("b", "r2", True)]
    assert isinstance(stage.outcome("c"), Rejected)


def test_without_metadata_a_response_that_nobody_asked_for_is_the_servers() -> None:
    stage = Stage()
    stage.created("s1", key=None)
    assert opened(stage) == [("s1", "s1", False)]
    stage.text("by itself", "s1")
    stage.done("s1")
    assert stage.outcome("s1").delivered.text == "by itself"


def test_an_orphan_is_owed_its_answer_and_the_next_request_waits_for_it() -> None:
    stage = asked()
    stage.cancel()
    stage.ask("b")
    assert stage.creates() == ["a.1"]
    stage.created(key=None)
    assert stage.cancels() == ["r1"]
    assert stage.creates() == ["a.1"]
    stage.done(status="cancelled")
    assert stage.creates() == ["a.1", "b.1"]
    stage.created("r2", key=None)
    stage.done("r2")
    assert isinstance(stage.outcome("b"), Completed)
    assert opened(stage) == [("b", "r2", True)]


def test_an_orphan_is_owed_nothing_after_the_created_clock() -> None:
    stage = asked()
    stage.wait(1.0)
    stage.cancel()
    stage.ask("b")
    stage.wait(8.9)
    assert stage.creates() == ["a.1"]
    stage.wait(0.1)
    assert stage.creates() == ["a.1", "b.1"]
    stage.created("r2", key=None)
    assert opened(stage) == [("b", "r2", True)]


def test_an_orphan_is_forgotten_even_where_its_clock_is_shorter_than_what_it_is_owed() -> None:
    stage = Stage(timeouts=Timeouts(orphan=1.0))
    stage.ask()
    stage.cancel()
    stage.wait(10.0)
    assert stage.session.next_deadline() is None
    assert stage.session.state.responses.machines == {}


# -- an id that was taken for ours by order --


def mistaken(wait: bool = True) -> Stage:
    """The server's own response, which it had not announced, taken for the answer to ours."""
    stage = Stage()
    stage.ask(wait=wait)
    stage.created("s1", key=None)
    return stage


def test_a_busy_refusal_shows_that_the_id_was_the_servers_and_hands_it_back() -> None:
    stage = mistaken()
    stage.error(code=BUSY, event_id="a.1")
    assert stage.all(ef.Withdraw) == [ef.Withdraw("a")]
    assert opened(stage) == [("a", "s1", True), ("s1", "s1", False)]
    assert stage.notices(ef.ServerErrorSeen) == []
    stage.text("the server's", "s1")
    stage.done("s1")
    assert stage.creates() == ["a.1", "a.2"]
    stage.created("r1", key=None)
    stage.text("ours")
    stage.done()
    assert stage.outcome("s1").delivered.text == "the server's"
    assert stage.outcome("a").delivered.text == "ours"
    assert stage.outcome("a").response_id == "r1"


def test_what_is_not_to_wait_is_refused_when_its_id_is_handed_back() -> None:
    stage = mistaken(wait=False)
    stage.error(code=BUSY, event_id="a.1")
    kinds = [type(effect).__name__ for effect in stage.last]
    assert kinds == ["Withdraw", "Open", "Settle"]
    outcome = stage.outcome("a")
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.response_id) == (BUSY, None)
    stage.done("s1")
    assert stage.outcome("s1").ok
    assert stage.next_reply_works()


def test_an_id_is_handed_back_once() -> None:
    stage = mistaken()
    stage.error(code=BUSY, event_id="a.1")
    stage.done("s1")
    stage.created("s2", key=None)
    stage.error(code=BUSY, event_id="a.2")
    assert len(stage.all(ef.Withdraw)) == 1
    stage.done("s2")
    assert stage.outcome("a").ok


@pytest.mark.parametrize("key", ["a", None])
def test_an_id_that_is_ours_by_key_or_has_delivered_is_kept(key: str | None) -> None:
    stage = asked()
    stage.created("r1", key)
    if key is None:
        stage.item()
    stage.error(code=BUSY, event_id="a.1")
    assert stage.all(ef.Withdraw) == []
    assert stage.odd() == ["odd"]
    stage.wait(5.0)
    assert not stage.settled()


# -- several in the conversation --


def test_a_response_that_begins_beside_another_has_perhaps_replaced_it() -> None:
    stage = speaking()
    stage.created("s1", key=None)
    stage.text("instead", "s1")
    stage.wait(1.0)
    outcome = stage.outcome("a")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.delivered.text) == ("response_superseded", "half a ")
    assert stage.cancels() == ["r1"]
    assert not stage.settled("s1")


@pytest.mark.parametrize("oob", ["older", "newer", None])
def test_a_response_that_goes_on_was_not_replaced(oob: str | None) -> None:
    stage = Stage()
    stage.ask("a", conversation="none" if oob == "older" else "auto")
    stage.created("r1", "a")
    stage.created("s1", key=None, **({"conversation_id": None} if oob == "newer" else {}))
    stage.wait(0.9)
    if oob is None:
        stage.text("both run")
    stage.wait(1.0)
    assert not stage.settled("a")
