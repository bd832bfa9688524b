"""A response that speaks before anybody has told of it: its words wait until it is known whose it is."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.early import MOST_BYTES, MOST_RESPONSES, Early
from rejoinder.core.outcomes import Completed, Failed
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


def test_on_a_server_that_returns_keys_a_nameless_end_is_nobodys() -> None:
    stage = echoing()
    stage.ask("b")
    stage.text("not ours", "r_foreign")
    stage.done("r_foreign")
    assert not stage.settled("b")

    stage.created("r2", "b")
    stage.text("ours", "r2")
    stage.done("r2")
    assert stage.outcome("b").delivered.text == "ours"


def too_much(response_id: str = "r1") -> Stage:
    stage = asked()
    for _ in range(7):
        stage.audio(20_000, response_id)
    return stage


def test_what_said_too_much_to_be_kept_fails_when_it_is_created() -> None:
    stage = too_much()
    stage.created()

    outcome = stage.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.code == "response_torn"
    assert stage.parts() == []
    assert stage.cancels() == ["r1"]
    stage.done()
    assert stage.next_reply_works()


def test_so_it_does_when_it_is_only_ended() -> None:
    stage = too_much()
    stage.done(metadata={KEY: stage.name("a")})

    assert isinstance(stage.outcome(), Failed)
    assert stage.outcome().code == "response_torn"
    assert stage.next_reply_works()


def test_the_response_heard_of_first_is_given_up_when_there_is_too_much() -> None:
    early = Early()
    sound = ResponseOutputAudioDelta(response_id="r", **WHERE, delta=bytes(MOST_BYTES // 4))
    early.keep("old", sound)
    early.keep("old", sound)
    early.keep("new", sound)
    assert list(early.given_up) == ["old"]
    early.keep("old", sound)

    assert early.taken("old") == []
    assert early.taken("new") == [sound]
    early.forget("old")
    assert early == Early()


def test_words_count_as_well() -> None:
    early = Early()
    text = ResponseOutputTextDelta(response_id="r", **WHERE, delta="x" * (MOST_BYTES // 2))
    early.keep("r", text)
    early.keep("r", text)
    assert early.taken("r") == []
    assert list(early.given_up) == ["r"]


def test_so_many_are_remembered_as_given_up() -> None:
    early = Early()
    sound = ResponseOutputAudioDelta(response_id="r", **WHERE, delta=bytes(MOST_BYTES))
    for number in range(300):
        early.keep(f"r{number}", sound)
    assert len(early.given_up) == 256
    assert "r299" in early.given_up


def test_so_many_responses_are_waited_for() -> None:
    """Or a server that never names one twice would cost more with every event."""
    early = Early()
    word = ResponseOutputTextDelta(response_id="r", **WHERE, delta="word")
    for number in range(MOST_RESPONSES + 1):
        early.keep(f"r{number}", word)
    assert list(early.given_up) == ["r0"]
    assert len(early.held) == MOST_RESPONSES
