"""A response that speaks before anybody has told of it: its words wait until it is known whose it is."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.early import MOST_BYTES, MOST_EVENTS, Early
from rejoinder.core.outcomes import Completed
from rejoinder.core.parts import Audio, Text
from rejoinder.core.responses import KEY
from rejoinder.wire.server_events import ResponseOutputAudioDelta, ResponseOutputTextDelta
from tests.core.stage import Stage, asked, begun, echoing

WHERE: dict[str, Any] = {"item_id": "i1", "output_index": 0, "content_index": 0}


def spoken_early() -> Stage:
    stage = asked()
    stage.item()
    stage.text("Nine ")
    stage.audio(100)
    return stage


def whole(stage: Stage, key: str = "a") -> bool:
    texts = [part.text for part in stage.parts(key) if isinstance(part, Text)]
    sounds = [part for part in stage.parts(key) if isinstance(part, Audio)]
    return "".join(texts) == "Nine to six." and len(sounds) == 1


def test_what_came_before_response_created_is_delivered_after_it() -> None:
    stage = spoken_early()
    assert stage.parts() == []

    stage.created()
    stage.text("to six.")
    stage.done()

    outcome = stage.outcome()
    assert isinstance(outcome, Completed)
    assert outcome.delivered.text == "Nine to six."
    assert outcome.delivered.audio_seconds == pytest.approx(0.1)
    assert whole(stage)
    opened = stage.said.index(stage.all(ef.Open)[0])
    assert opened < stage.said.index(stage.all(ef.Deliver)[0])


def test_so_it_is_when_response_created_never_comes() -> None:
    stage = spoken_early()
    stage.text("to six.")
    stage.done(metadata={KEY: stage.name("a")})

    assert isinstance(stage.outcome(), Completed)
    assert whole(stage)


def test_so_it_is_for_a_response_of_the_servers_own() -> None:
    stage = Stage()
    stage.text("Nine to six.")
    stage.audio(100)
    stage.created(key=None)

    assert whole(stage, "r1")


def test_what_belongs_to_nobody_is_not_delivered_to_somebody() -> None:
    stage = begun()
    stage.text("not ours", "r_foreign")
    stage.done("r_foreign")
    stage.done()

    assert stage.outcome().delivered.text == ""
    assert stage.odd() == ["foreign", "foreign"]


def test_what_was_said_of_a_response_is_forgotten_with_it() -> None:
    stage = spoken_early()
    stage.hear("response.error", response_id="r1", error={"message": "boom"})
    assert stage.settled()
    assert stage.session.state.responses.early == Early()


def test_an_abandoned_response_stays_abandoned() -> None:
    stage = echoing()
    stage.ask("b")
    stage.cancel("b")
    stage.text("too late", "r2")
    stage.created("r2", "b")

    assert stage.parts("b") == []
    assert stage.cancels() == ["r2"]


def test_the_response_heard_of_first_is_forgotten_when_there_are_too_many_events() -> None:
    early = Early()
    word = ResponseOutputTextDelta(response_id="r", **WHERE, delta="word")
    early.keep("old", word)
    for _ in range(MOST_EVENTS):
        early.keep("new", word)

    assert early.taken("old") == []
    assert early.events == MOST_EVENTS
    assert early.taken("new") == [word] * MOST_EVENTS
    assert early == Early()


def test_so_it_is_when_there_is_too_much_audio() -> None:
    early = Early()
    sound = ResponseOutputAudioDelta(response_id="r", **WHERE, delta=bytes(MOST_BYTES // 2))
    early.keep("old", sound)
    early.keep("old", sound)
    assert early.bytes == MOST_BYTES
    early.keep("new", sound)

    assert early.taken("old") == []
    assert early.taken("new") == [sound]
    assert early == Early()
