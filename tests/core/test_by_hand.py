"""Events that the application wrote by hand are kept track of like all others."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Cancelled, Completed, Rejected
from rejoinder.core.responses import KEY
from rejoinder.wire import client_events as ce
from rejoinder.wire.response import ResponseParams
from rejoinder.wire.session import SessionConfig
from tests.core.stage import Stage, begun, echoing, speaking

BUSY = "conversation_already_has_active_response"


def by_hand(stage: Stage, event: dict[str, Any], key: str = "a") -> list[dict[str, Any]]:
    """Asks with an event as somebody wrote it; returns what went out, as it went out."""
    body = event.get("response") or {}
    params = ResponseParams(
        conversation=body.get("conversation"), metadata=body.get("metadata", {})
    )
    raw = ce.RawClientEvent({"type": "response.create", **event})
    stage.do(inp.Ask(key, params, given=raw))
    return [sent.raw for sent in stage.sent(ce.RawClientEvent)]


def test_a_request_keeps_what_its_caller_wrote() -> None:
    body = {"novelty": {"new": 1}, "metadata": {"mine": "x"}, "tool_choice": "none"}
    (sent,) = by_hand(Stage(), {"event_id": "mine", "response": body, "beside": True})
    assert sent == {
        "type": "response.create",
        "event_id": "mine",
        "beside": True,
        "response": {**body, "metadata": {"mine": "x", KEY: "a"}},
    }


@pytest.mark.parametrize("event", [{}, {"response": None}, {"event_id": ""}, {"event_id": 7}])
def test_a_request_that_says_nothing_is_named_all_the_same(event: dict[str, Any]) -> None:
    (sent,) = by_hand(Stage(), event)
    assert sent["event_id"] == "a.1"
    assert sent["response"] == {"metadata": {KEY: "a"}}


def test_its_answer_is_found_by_the_name_that_its_caller_gave() -> None:
    stage = Stage()
    by_hand(stage, {"event_id": "mine"})
    stage.error(code="invalid_value", event_id="mine")
    assert isinstance(stage.outcome(), Rejected)


def test_only_the_first_send_has_that_name() -> None:
    stage = echoing()
    stage.created("r_server", None)
    stage.done("r_server", "failed")
    by_hand(stage, {"event_id": "mine"})
    stage.created("r_other", None)
    stage.error(code=BUSY, event_id="mine")
    stage.done("r_other")
    assert [sent.raw["event_id"] for sent in stage.sent(ce.RawClientEvent)] == ["mine", "a.2"]
    stage.error(code="invalid_value", event_id="mine")
    assert stage.odd() == ["odd"]
    stage.created("r1", "a.2")
    stage.done("r1")
    assert isinstance(stage.outcome(), Completed)


def test_it_waits_its_turn() -> None:
    stage = speaking()
    assert by_hand(stage, {}, "b") == []
    stage.done("r1")
    assert len(stage.sent(ce.RawClientEvent)) == 1


def test_out_of_band_it_does_not() -> None:
    stage = Stage()
    stage.ask("first")
    stage.created("r_first", "first")
    (sent,) = by_hand(stage, {"response": {"conversation": "none"}})
    assert sent["response"]["conversation"] == "none"


# -- cancels --


def test_a_cancel_by_id_settles_the_response() -> None:
    stage = speaking()
    stage.stop("r1")
    assert stage.cancels() == ["r1"]
    stage.done("r1", "cancelled")
    assert isinstance(stage.outcome(), Cancelled)


def test_a_cancel_without_an_id_means_the_one_that_holds_the_conversation() -> None:
    stage = speaking()
    stage.ask("o", conversation="none")
    stage.created("r_o", "o", conversation_id=None)
    stage.ask("waiting")
    stage.stop()
    assert stage.cancels() == ["r1"]
    assert not stage.settled("o")
    assert not stage.settled("waiting")


def test_a_cancel_before_the_id_is_known_is_sent_when_it_is() -> None:
    stage = Stage()
    stage.ask()
    stage.stop()
    assert isinstance(stage.outcome(), Cancelled)
    assert stage.cancels() == []
    stage.created()
    assert stage.cancels() == ["r1"]


def test_a_cancel_means_the_newest_that_speaks() -> None:
    stage = Stage()
    stage.created("r1", None)
    stage.wait(10.0)  # it fell silent, and drains
    stage.created("r2", None)
    stage.created("r3", None)
    stage.stop()
    assert stage.cancels() == ["r1", "r3"]


@pytest.mark.parametrize("online", [True, False])
def test_a_cancel_before_there_is_a_connection_leaves_nothing_to_send(online: bool) -> None:
    stage = Stage(connected=online)
    by_hand(stage, {})
    stage.stop()
    assert isinstance(stage.outcome(), Cancelled)
    stage.do(inp.Connected())
    assert len(stage.sent(ce.RawClientEvent)) == online


@pytest.mark.parametrize("response_id", [None, "r1"])
def test_a_cancel_of_what_is_over_says_nothing(response_id: str | None) -> None:
    stage = begun()
    stage.done("r1")
    assert stage.stop(response_id) == []


def test_a_response_that_we_never_heard_of_is_cancelled_by_its_id() -> None:
    stage = Stage()
    assert stage.stop("r9") == [ef.Send(ce.ResponseCancel(event_id="stop", response_id="r9"))]


# -- names --


def test_a_name_is_taken_until_its_answer_is_final() -> None:
    stage = Stage(config=SessionConfig())
    by_hand(stage, {"event_id": "mine"})
    by_hand(stage, {"event_id": "next"}, "b")
    stage.do(inp.Edit("e", ce.InputAudioBufferClear(event_id="e")))
    names = ["mine", "next", "e", "rejoinder_config", "a.2", "nobody's"]
    assert [stage.session.taken(name) for name in names] == [True] * 4 + [False] * 2
    stage.created()
    stage.done()
    stage.hear("input_audio_buffer.cleared")
    assert [stage.session.taken(name) for name in names] == [False, True, False, True, False, False]


def test_a_key_is_never_the_id_of_a_response() -> None:
    stage = Stage()
    stage.ask()
    stage.created("b")
    with pytest.raises(ValueError, match="'b' was used before"):
        stage.ask("b")


# -- edits --

RAW: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"type": "conversation.item.create", "item": {"id": "i1", "x": 1}}, "item.added", {"item": {"id": "i1", "type": "message"}}),
    ({"type": "conversation.item.delete", "item_id": "i1"}, "item.deleted", {"item_id": "i1"}),
    ({"type": "conversation.item.truncate", "item_id": "i1"}, "item.truncated", {"item_id": "i1", "content_index": 0, "audio_end_ms": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "answer", "members"), RAW, ids=lambda given: str(given)[:40])
def test_an_edit_is_acknowledged(raw: dict[str, Any], answer: str, members: dict[str, Any]) -> None:
    stage = Stage()
    event = ce.RawClientEvent({**raw, "event_id": "e"})
    assert stage.do(inp.Edit("e", event)) == [ef.Send(event)]
    stage.hear("conversation.item.deleted", item_id="another")
    assert stage.results("e") == []
    stage.hear(f"conversation.{answer}", **members)
    (result,) = stage.results("e")
    assert isinstance(result, ef.Acknowledged)


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "session.update", "session": {}},
        {"type": "conversation.item.create", "item": "nonsense"},
        {"type": "conversation.item.delete", "item_id": 7},
    ],
)
def test_an_edit_is_refused(raw: dict[str, Any]) -> None:
    stage = Stage()
    stage.do(inp.Edit("e", ce.RawClientEvent({**raw, "event_id": "e"})))
    stage.error(code="invalid_value", event_id="e")
    (result,) = stage.results("e")
    assert isinstance(result, ef.Refused)
