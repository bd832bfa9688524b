"""The short way of a delta to an active response does what the table does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rejoinder.core.lifecycle import Trigger
from rejoinder.core.verdict import Facts
from rejoinder.wire import server_events as ev
from tests.core.stage import Stage, begun, speaking

PART: dict[str, Any] = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}


def blamed() -> Stage:
    stage = speaking()
    stage.error()
    return stage


def hosted() -> Stage:
    stage = begun()
    stage.hear("response.mcp_call.in_progress", response_id="r1", item_id="i2", output_index=0)
    return stage


EVENTS: list[ev.ServerEvent] = [
    ev.ResponseOutputAudioDelta(**PART, delta=b"\0\0"),
    ev.ResponseOutputAudioDelta(**PART, delta=b""),
    ev.ResponseOutputAudioTranscriptDelta(**PART, delta="word"),
    ev.ResponseOutputTextDelta(**PART, delta="word"),
    ev.ResponseFunctionCallArgumentsDelta(
        response_id="r1", item_id="i3", output_index=1, call_id="c1", delta="{}"
    ),
    ev.UnknownEvent(type="response.new_thing", response_id="r1"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("before", [begun, speaking, blamed, hosted])
def test_deliver_is_the_cell_active_x_delta(before: Any, event: ev.ServerEvent) -> None:
    short, table = before().session, before().session
    assert short == table
    one, other = (session.state.responses for session in (short, table))

    effects = one.deliver(3.0, one.machines["a"], event)

    assert effects == list(other.apply(3.0, other.machines["a"], Trigger.DELTA, Facts(event)))
    assert short == table
    assert short.next_deadline() == table.next_deadline()


def test_a_copy_does_not_follow() -> None:
    session = speaking().session
    kept = copy.deepcopy(session)
    responses = session.state.responses
    responses.deliver(3.0, responses.machines["a"], EVENTS[0])
    assert session != kept
