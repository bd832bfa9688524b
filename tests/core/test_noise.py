"""Duplicate, late, foreign, unordered and broken events: nothing else changes, the session lives."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Completed
from rejoinder.core.responses import KEY
from tests.core.stage import begun, speaking


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "not json",
        "[]",
        "null",
        "3",
        "{}",
        '{"type":3}',
        '{"type":"response.output_text.delta","response_id":"r1","item_id":"i1","delta":null}',
        '{"type":"response.output_audio.delta","response_id":"r1","item_id":"i1","delta":"@@"}',
        '{"type":"response.brand_new","response_id":"r1"}',
        b"\x00\xff\x01",
        '{"type":"response.created","response":{"id":"r1"}}',
        '{"type":"response.created","response":null}',
        '{"type":"response.output_text.delta","response_id":"r_foreign","item_id":"x","output_index":0,"content_index":0,"delta":"x"}',
        '{"type":"response.done","response":{"id":"r_foreign","status":"completed"}}',
        '{"type":"response.error","response_id":"r_foreign","error":{"message":"x"}}',
        '{"type":"ping"}',
        '{"type":"conversation.item.deleted","item_id":"nobody"}',
        '{"type":"conversation.item.truncated","item_id":"nobody","content_index":0,"audio_end_ms":0}',
    ],
)
def test_strange_frames_change_nothing(frame: str | bytes) -> None:
    stage = speaking()
    stage.hear_frame(frame)
    assert not stage.settled()
    stage.text("sentence")
    stage.done()
    assert isinstance(stage.outcome(), Completed)
    assert stage.outcome().delivered.text == "half a sentence"
    assert stage.next_reply_works()


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "\u0662", "7" * 10, "9" * 5000])
def test_a_name_that_we_never_gave_is_nobodys(number: str) -> None:
    stage = speaking()
    for type_ in ("response.created", "response.done"):
        response = {"id": "r_odd", "status": "failed", "metadata": {KEY: f"a.{number}"}}
        stage.hear(type_, response=response)
    assert not stage.settled()
    stage.text("sentence")
    stage.done()
    assert stage.outcome().delivered.text == "half a sentence"
    assert stage.next_reply_works()


def test_duplicated_and_late_events_change_nothing() -> None:
    stage = speaking()
    twice = (
        '{"type":"response.output_text.delta","event_id":"same","response_id":"r1","item_id":"i1",'
        '"output_index":0,"content_index":0,"delta":"sentence"}'
    )
    stage.hear_frame(twice)
    stage.hear_frame(twice)
    stage.done()
    stage.done()
    stage.text("late")
    stage.done(status="failed")
    assert isinstance(stage.outcome(), Completed)
    assert stage.outcome().delivered.text == "half a sentence"
    assert [odd.what for odd in stage.notices(ef.Odd)] == ["duplicate", "late", "late", "late"]
    assert stage.next_reply_works()


def test_output_before_its_item_is_announced_is_delivered() -> None:
    stage = begun()
    stage.text("early ")
    stage.item()
    stage.text("bird")
    stage.done()
    assert stage.outcome().delivered.text == "early bird"
