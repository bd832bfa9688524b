"""The promise, row by row: what the server does, and what the caller of one response is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import (
    Cancelled,
    Completed,
    Failed,
    Incomplete,
    Outcome,
    Rejected,
    TimedOut,
)
from rejoinder.core.responses import KEY
from rejoinder.wire.client_events import ResponseCreate
from tests.core.stage import Stage, asked, begun, speaking

BOOM = {"type": "server_error", "code": "boom", "message": "it broke"}


# -- response.error --


@pytest.mark.parametrize(
    "members",
    [
        {"error": BOOM, "metadata": {KEY: "a"}},
        {"error": BOOM, "response": {"metadata": {KEY: "a"}}},
        {"error": {**BOOM, "event_id": "a.1"}},
        {"error": BOOM},
        {"code": "boom", "message": "it broke"},
        {"error": BOOM, "response_id": "resp_unheard_of"},
    ],
    ids=["metadata", "response.metadata", "event_id", "nobody", "flat", "unheard-of id"],
)
@pytest.mark.parametrize("name", ["response.error", "response.failed"])
def test_response_error_before_created_settles_at_once(name: str, members: dict[str, Any]) -> None:
    stage = asked()
    stage.hear(name, **members)
    outcome = stage.outcome()
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.error.message) == ("boom", "it broke")
    assert stage.next_reply_works()


def test_response_error_that_names_nobody_among_several_settles_within_the_grace() -> None:
    stage = begun()
    stage.ask("b", conversation="none")
    stage.created("r2", "b", conversation_id=None)
    stage.hear("response.error", error=BOOM)
    assert not stage.settled("a")
    stage.text("still here", "r2", "i2")
    stage.wait(1.0)
    outcome = stage.outcome("a")
    assert isinstance(outcome, Failed)
    assert outcome.error.message == "it broke"
    assert not stage.settled("b")
    assert stage.cancels() == ["r1"]


@pytest.mark.parametrize("start", [begun, speaking], ids=["before output", "mid-output"])
@pytest.mark.parametrize(
    "members",
    [
        {"error": BOOM, "response_id": "r1"},
        {"error": BOOM, "response": {"id": "r1"}},
        {"error": BOOM},
        {"error": BOOM, "metadata": {KEY: "a"}},
        {"code": "boom", "message": "it broke"},
        {"code": "boom", "message": "it broke", "response_id": "r1"},
        {"error": {**BOOM, "event_id": "a.1"}},
    ],
    ids=["id", "response.id", "nobody", "metadata", "flat", "flat with id", "event_id"],
)
def test_response_error_after_created_settles_at_once(
    start: Callable[[], Stage], members: dict[str, Any]
) -> None:
    stage = start()
    stage.hear("response.error", **members)
    outcome = stage.outcome()
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.response_id) == ("boom", "r1")
    if start is speaking:
        assert outcome.delivered.text == "half a "
        assert outcome.delivered.audio_seconds == pytest.approx(0.1)
    assert stage.cancels() == ["r1"]
    stage.done(status="cancelled")
    assert stage.next_reply_works()


def test_a_server_that_goes_on_after_its_response_error_is_not_heard() -> None:
    stage = speaking()
    stage.hear("response.error", error=BOOM, response_id="r1")
    before = len(stage.all(ef.Deliver))
    stage.text("and on")
    assert len(stage.all(ef.Deliver)) == before


def test_the_slot_of_a_failed_response_is_free_after_the_close_out_even_without_done() -> None:
    stage = speaking()
    stage.hear("response.error", error=BOOM, response_id="r1")
    stage.ask("next")
    assert [c.event_id for c in stage.sent(ResponseCreate)] == ["a.1"]
    stage.text("dropped deltas do not move the close-out")
    stage.wait(2.0)
    assert [c.event_id for c in stage.sent(ResponseCreate)] == ["a.1", "next.1"]


# -- error, then silence, or not --


@pytest.mark.parametrize("start", [begun, speaking])
@pytest.mark.parametrize("event_id", [None, "not_ours"])
def test_an_error_that_names_nobody_and_then_silence_settles_within_the_grace(
    start: Callable[[], Stage], event_id: str | None
) -> None:
    stage = start()
    stage.error(event_id=event_id)
    assert not stage.settled()
    stage.wait(0.99)
    assert not stage.settled()
    stage.wait(0.02)
    outcome = stage.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.error.message == "boom"
    assert stage.cancels() == ["r1"]


def test_an_error_that_names_nobody_before_created_rejects_within_the_grace() -> None:
    stage = asked()
    stage.error()
    stage.wait(1.0)
    assert isinstance(stage.outcome(), Rejected)
    stage.created()  # late after all: cancelled by id, never shown
    assert stage.cancels() == ["r1"]
    assert not stage.all(ef.Open)


def test_an_error_that_names_the_create_rejects_at_once() -> None:
    stage = asked()
    stage.error(event_id="a.1", code="invalid_value")
    outcome = stage.outcome()
    assert isinstance(outcome, Rejected)
    assert outcome.code == "invalid_value"
    assert stage.next_reply_works()


def test_a_second_error_does_not_move_the_grace() -> None:
    stage = speaking()
    stage.error()
    stage.wait(0.6)
    stage.error(message="again")
    stage.wait(0.4)
    assert isinstance(stage.outcome(), Failed)


@pytest.mark.parametrize(
    "error",
    [
        {},
        {"event_id": "not_ours"},
        {"code": "input_audio_buffer_commit_empty"},
        {"code": "item_truncate_invalid_item_id"},
        {"code": "invalid_tool_call_id"},
        {"param": "session.voice", "code": "unknown_parameter"},
        {"code": "response_cancel_not_active"},
        {"code": "conversation_already_has_active_response"},
    ],
)
def test_a_harmless_error_changes_nothing_when_the_response_goes_on(error: dict[str, Any]) -> None:
    stage = speaking()
    stage.error(**error)
    stage.wait(0.9)
    stage.text("sentence")
    stage.wait(6.0)
    stage.text(" and more")
    stage.done()
    outcome = stage.outcome()
    assert isinstance(outcome, Completed)
    assert outcome.delivered.text == "half a sentence and more"
    assert stage.cancels() == []


@pytest.mark.parametrize(
    "error",
    [
        {"code": "input_audio_buffer_commit_empty"},
        {"code": "item_delete_invalid_item_id"},
        {"param": "session.voice"},
    ],
)
def test_an_error_about_something_else_blames_nobody(error: dict[str, Any]) -> None:
    stage = speaking()
    stage.error(**error)
    stage.wait(5.0)
    assert not stage.settled()


# -- response.done --


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        ({"status": "failed", "status_details": {"error": BOOM}}, Failed, "it broke"),
        ({"status": "failed", "status_details": "overloaded"}, Failed, "overloaded"),
        ({"status": "failed", "status_details": None}, Failed, "no reason"),
        ({"status": "failed"}, Failed, "no reason"),
        ({"status": "incomplete", "status_details": {"reason": "content_filter"}}, Incomplete, "content_filter"),
        ({"status": "incomplete", "status_details": "cut"}, Incomplete, "unknown"),
        ({"status": "incomplete"}, Incomplete, "unknown"),
        ({"status": "cancelled", "status_details": {"reason": "turn_detected"}}, Cancelled, "turn_detected"),
        ({"status": "incomplete", "status_details": {"reason": "turn_detected"}}, Cancelled, "turn_detected"),
        ({"status": "cancelled", "status_details": {"reason": "no_words"}}, Cancelled, "no_words"),
        ({"status": "cancelled"}, Cancelled, "server"),
        ({"status": "exploded"}, Failed, "unknown status 'exploded'"),
        ({"status": None}, Failed, "without saying how"),
        ({"status": "completed"}, Completed, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", [asked, begun, speaking])
def test_response_done_of_any_kind_settles(
    start: Callable[[], Stage], response: dict[str, Any], kind: type[Outcome], words: str
) -> None:
    stage = start()
    stage.hear("response.done", response={"id": "r1", "metadata": {KEY: "a"}, **response})
    outcome = stage.outcome()
    assert isinstance(outcome, kind)
    assert words in outcome.describe()
    assert outcome.response_id == "r1"
    (ended,) = stage.notices(ef.ResponseEnded)
    assert ended.response.id == "r1"
    assert stage.cancels() == []
    assert stage.next_reply_works()


@pytest.mark.parametrize("body", [None, "broken", [], {}])
@pytest.mark.parametrize("start", [asked, begun, speaking])
def test_response_done_without_a_body_settles_the_only_one(
    start: Callable[[], Stage], body: Any
) -> None:
    stage = start()
    stage.hear("response.done", response=body)
    assert isinstance(stage.outcome(), Failed)
    assert stage.next_reply_works()


def test_response_done_without_created_or_metadata_settles_the_only_one() -> None:
    stage = asked()
    stage.done("r9")
    assert isinstance(stage.outcome(), Completed)
    assert stage.outcome().response_id == "r9"
    assert stage.next_reply_works()


def test_response_done_of_another_response_settles_nothing_of_ours() -> None:
    stage = begun()
    stage.done("r_other", status="cancelled")
    assert not stage.settled()
    assert [odd.what for odd in stage.notices(ef.Odd)] == ["foreign"]
    assert len(stage.notices(ef.ResponseEnded)) == 1  # its tokens were spent all the same


def test_what_only_response_done_carries_is_delivered_before_the_outcome() -> None:
    stage = asked()
    call = {
        "id": "f1",
        "type": "function_call",
        "status": "completed",
        "call_id": "c1",
        "name": "look_up",
        "arguments": "{}",
    }
    content = [{"type": "output_text", "text": "Hello."}]
    message = {"id": "i1", "type": "message", "role": "assistant", "content": content}
    stage.done(output=[message, call], metadata={KEY: "a"})
    delivered = stage.outcome().delivered
    assert delivered.text == "Hello."
    assert [c.name for c in delivered.function_calls] == ["look_up"]
    assert isinstance(stage.last[0], ef.Open)
    kinds = [type(effect).__name__ for effect in stage.last]
    assert kinds.index("Settle") > max(i for i, k in enumerate(kinds) if k == "Deliver")


# -- silence --


def test_silence_after_create_times_out_and_the_late_response_is_never_shown() -> None:
    stage = asked()
    stage.wait(9.9)
    assert not stage.settled()
    stage.wait(0.2)
    outcome = stage.outcome()
    assert isinstance(outcome, TimedOut)
    assert (outcome.why, outcome.after) == ("created", 10.0)
    assert stage.next_reply_works()
    stage.created()
    stage.text("too late")
    assert stage.cancels() == ["r1"]
    assert [o.key for o in stage.all(ef.Open)] == ["next"]


@pytest.mark.parametrize("start", [begun, speaking])
def test_silence_after_created_times_out_and_cancels_by_id(start: Callable[[], Stage]) -> None:
    stage = start()
    stage.wait(10.0)
    outcome = stage.outcome()
    assert isinstance(outcome, TimedOut)
    assert (outcome.why, outcome.response_id) == ("gap", "r1")
    assert stage.cancels() == ["r1"]
    stage.wait(2.0)
    assert stage.next_reply_works()


def test_events_of_others_do_not_move_the_gap() -> None:
    stage = speaking()
    for _ in range(9):
        stage.wait(1.0)
        stage.hear("rate_limits.updated", rate_limits=[])
        stage.text("not ours", "r_other", "i_other")
    stage.wait(1.0)
    assert isinstance(stage.outcome(), TimedOut)


def test_silence_after_the_items_end_times_out() -> None:
    stage = speaking()
    item = {"id": "i1", "type": "message", "role": "assistant", "status": "completed"}
    stage.hear("response.output_item.done", response_id="r1", output_index=0, item=item)
    stage.wait(10.0)
    assert isinstance(stage.outcome(), TimedOut)


def test_silence_after_our_cancel_times_out() -> None:
    stage = speaking()
    stage.do(inp.Cancel(("a",)))
    stage.wait(2.0)
    outcome = stage.outcome()
    assert isinstance(outcome, TimedOut)
    assert outcome.why == "cancel"
    stage.wait(2.0)
    assert stage.next_reply_works()


def test_silence_after_the_users_interruption_times_out() -> None:
    stage = speaking()
    stage.hear("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    stage.wait(10.0)
    assert isinstance(stage.outcome(), TimedOut)
    assert stage.cancels() == ["r1"]


def test_a_hosted_call_has_its_own_longer_clock() -> None:
    stage = begun()
    item = {"id": "m1", "type": "mcp_call", "name": "search", "server_label": "docs"}
    stage.hear("response.output_item.added", response_id="r1", output_index=0, item=item)
    stage.hear("response.mcp_call.in_progress", item_id="m1", output_index=0)
    stage.wait(59.0)
    assert not stage.settled()
    stage.hear("response.mcp_call.completed", item_id="m1", output_index=0)
    stage.wait(10.0)
    assert isinstance(stage.outcome(), TimedOut)
