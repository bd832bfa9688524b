"""Servers that do not return our metadata, or not at once: what is ours by order, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Completed, Failed
from rejoinder.wire.client_events import ResponseCreate, SessionUpdate
from rejoinder.wire.session import SessionConfig
from tests.core.stage import Stage, asked, begun, speaking


@pytest.mark.parametrize(
    ("asked_for", "told"), [("auto", None), ("none", "conv_1")], ids=["default", "out-of-band"]
)
def test_an_unnamed_response_of_the_other_conversation_is_not_ours(
    asked_for: str, told: str | None
) -> None:
    stage = Stage()
    stage.ask("first")
    stage.created("r_first", None)
    stage.done("r_first")
    stage.ask(conversation=asked_for)
    stage.created("r_other", None, conversation_id=told)
    opened = stage.all(ef.Open)[-1]
    assert (opened.key, opened.asked, opened.default) == ("r_other", False, told is not None)
    stage.created("r1")
    stage.done("r1")
    assert isinstance(stage.outcome(), Completed)
    assert stage.outcome().response_id == "r1"


def test_a_server_that_always_says_null_is_understood_all_the_same() -> None:
    stage = Stage()
    for key in ("a", "b"):
        stage.ask(key)
        stage.created(f"r_{key}", None, conversation_id=None)
        stage.done(f"r_{key}")
        assert isinstance(stage.outcome(key), Completed)
    stage.hear("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=900)
    stage.created("r_server", None, conversation_id=None)
    assert [o.default for o in stage.all(ef.Open)] == [True, True, True]


def test_a_request_taken_for_refused_is_owed_nothing_and_the_next_goes_out_at_once() -> None:
    stage = asked()
    stage.error()
    stage.wait(1.0)
    assert stage.next_reply_works()
    assert stage.now == 1.0


def test_a_busy_refusal_that_names_nobody_means_the_one_that_was_answered_by_order() -> None:
    stage = asked()
    stage.created("r_server", None)
    stage.error(code="conversation_already_has_active_response")
    assert [w.key for w in stage.all(ef.Withdraw)] == ["a"]


def test_a_harmless_error_does_not_cut_a_hosted_call_short() -> None:
    stage = begun()
    stage.hear(
        "response.output_item.added",
        response_id="r1",
        output_index=0,
        item={"id": "m1", "type": "mcp_call"},
    )
    stage.error()
    stage.wait(30.0)
    assert not stage.settled()
    stage.wait(30.0)
    assert isinstance(stage.outcome(), Failed)


def test_a_server_that_gives_every_event_one_id_loses_nothing() -> None:
    stage = speaking()
    for delta in ("ha", "ho", "ha", "ha", "ha"):
        stage.hear_frame(
            '{"type":"response.output_text.delta","event_id":"always","response_id":"r1",'
            f'"item_id":"i1","output_index":0,"content_index":0,"delta":"{delta}"}}'
        )
    stage.done()
    assert stage.outcome().delivered.text == "half a hahohahaha"


def test_an_id_taken_by_order_is_given_back_when_our_own_comes_by_name() -> None:
    stage = asked()
    stage.created("r_server", None)
    stage.created("r1", "a")
    opened = [(o.key, o.response_id, o.asked) for o in stage.all(ef.Open)]
    assert opened == [("a", "r_server", True), ("r_server", "r_server", False), ("a", "r1", True)]
    assert [w.key for w in stage.all(ef.Withdraw)] == ["a"]
    stage.wait(0.9)
    stage.text("theirs", "r_server", "i2")
    stage.wait(5.0)
    stage.text("mine", "r1", "i1")
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


@pytest.mark.parametrize("status", ["failed", "incomplete", None])
def test_a_failure_of_the_servers_own_that_never_began_is_told(status: str | None) -> None:
    stage = Stage()
    stage.hear("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=900)
    stage.done("r_server", status, status_details={"error": {"message": "it broke"}})
    (told,) = stage.notices(ef.ServerErrorSeen)
    assert told.error.message == "it broke"
    stage.done("r_server", status)
    assert len(stage.notices(ef.ServerErrorSeen)) == 1


@pytest.mark.parametrize("named", [{}, {"response_id": "r_server"}])
def test_a_response_error_when_nothing_runs_is_told(named: dict[str, str]) -> None:
    stage = Stage()
    stage.hear("response.error", error={"message": "it broke"}, **named)
    (told,) = stage.notices(ef.ServerErrorSeen)
    assert told.error.message == "it broke"


def test_the_failure_of_a_stranger_is_nothing_to_a_reply_under_way() -> None:
    stage = speaking()
    stage.done("r_stranger", "failed")
    stage.hear("response.error", response_id="r_stranger", error={"message": "it broke"})
    assert stage.notices(ef.ServerErrorSeen) == []
    stage.done()
    stage.hear("response.error", response_id="r1", error={"message": "too late"})
    assert stage.notices(ef.ServerErrorSeen) == []
    assert isinstance(stage.outcome(), Completed)


def test_the_first_session_updated_answers_our_own_configuration() -> None:
    stage = Stage(config=SessionConfig(type="realtime"), connected=False)
    stage.do(inp.Edit("tools", SessionUpdate(event_id="tools", session=SessionConfig(tools=[]))))
    stage.do(inp.Connected())
    stage.hear("session.updated", session={})
    assert stage.all(ef.SettleEdit) == []
    stage.error(event_id="tools", code="invalid_value")
    (settled,) = stage.all(ef.SettleEdit)
    assert isinstance(settled.result, ef.Refused)
