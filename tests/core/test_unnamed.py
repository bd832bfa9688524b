"""Servers that do not return our metadata, or not at once: what is ours by order, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Completed, Failed
from rejoinder.wire.client_events import ResponseCreate
from tests.core.stage import Stage, asked, begun, speaking


@pytest.mark.parametrize(
    ("asked_for", "told"), [("auto", None), ("none", "conv_1")], ids=["default", "out-of-band"]
)
def test_an_unnamed_response_of_the_other_conversation_is_not_ours(
    asked_for: str, told: str | None
) -> None:
    stage = Stage()
    stage.ask(conversation=asked_for)
    stage.created("r_other", None, conversation_id=told)
    (opened,) = stage.all(ef.Open)
    assert (opened.key, opened.asked, opened.default) == ("r_other", False, told is not None)
    stage.created("r1")
    stage.done("r1")
    assert isinstance(stage.outcome(), Completed)
    assert stage.outcome().response_id == "r1"


def test_an_id_taken_by_order_is_given_back_when_our_own_comes_by_name() -> None:
    stage = asked()
    stage.created("r_server", None)
    stage.created("r1", "a")
    opened = [(o.key, o.response_id, o.asked) for o in stage.all(ef.Open)]
    assert opened == [("a", "r_server", True), ("r_server", "r_server", False), ("a", "r1", True)]
    assert [w.key for w in stage.all(ef.Withdraw)] == ["a"]
    stage.text("mine", "r1", "i1")
    stage.text("theirs", "r_server", "i2")
    stage.done("r1")
    stage.done("r_server")
    assert stage.outcome("a").delivered.text == "mine"
    assert stage.outcome("r_server").delivered.text == "theirs"
    assert stage.cancels() == []


def test_an_id_taken_by_order_is_kept_once_it_was_heard_and_the_second_is_cancelled() -> None:
    stage = asked()
    stage.created("r_server", None)
    stage.text("heard", "r_server")
    stage.created("r1", "a")
    assert stage.cancels() == ["r1"]
    stage.done("r_server")
    assert stage.outcome().delivered.text == "heard"


def test_a_duplicate_of_what_was_taken_by_order_changes_nothing() -> None:
    stage = asked()
    stage.created("r1", None)
    stage.created("r1", None)
    stage.created("r1", "a")
    assert len(stage.all(ef.Open)) == 1
    assert not stage.all(ef.Withdraw)
    assert [odd.what for odd in stage.notices(ef.Odd)] == ["odd", "odd"]


def test_an_idle_timeout_announces_the_servers_own_response() -> None:
    stage = asked()
    stage.hear(
        "input_audio_buffer.timeout_triggered", item_id="u1", audio_start_ms=0, audio_end_ms=6000
    )
    stage.created("r_server", None)
    assert [(o.key, o.asked) for o in stage.all(ef.Open)] == [("r_server", False)]


@pytest.mark.parametrize("body", [None, {}])
@pytest.mark.parametrize("start", [asked, begun, speaking])
def test_a_bodiless_end_is_told_like_any_other(start: Any, body: Any) -> None:
    stage = start()
    stage.hear("response.done", response=body)
    outcome = stage.outcome()
    assert isinstance(outcome, Failed)
    (ended,) = stage.notices(ef.ResponseEnded)
    assert ended.key == "a"
    assert ended.response.id == (outcome.response_id or "a")


def test_a_response_that_was_given_back_is_asked_for_once_more_after_the_servers_own() -> None:
    stage = asked()
    stage.created("r_server", None)
    stage.error(event_id="a.1", code="conversation_already_has_active_response")
    stage.done("r_server")
    assert [c.event_id for c in stage.sent(ResponseCreate)] == ["a.1", "a.2"]
