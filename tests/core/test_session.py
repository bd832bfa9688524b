"""The session as a whole: how it begins and ends, and how events find their way."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close, Completed, Failed, Lost
from rejoinder.core.session import Session
from rejoinder.wire import client_events as ce
from rejoinder.wire.response import ErrorBody, ResponseParams
from rejoinder.wire.session import SessionConfig
from tests.core.stage import Stage, begun, speaking

CONFIG = SessionConfig(instructions="Be kind.")
NETWORK = Close("network", 1006)
CLEAR = ce.InputAudioBufferClear()


def busy_session() -> Stage:
    """Something of everything: running, queued, cancelled, orphaned, out-of-band, an edit."""
    stage = speaking()
    stage.ask("queued")
    stage.ask("oob", conversation="none")
    stage.ask("orphan", conversation="none")
    stage.cancel("orphan")
    stage.created("s1", key=None)
    stage.cancel("s1")
    stage.edit("edit", ce.SessionUpdate, session=CONFIG)
    return stage


# -- the beginning --


def test_a_session_without_configuration_sends_none() -> None:
    assert Stage().said == []


def test_the_configuration_goes_first_and_nobody_waits_for_its_answer() -> None:
    stage = Stage(config=CONFIG)
    (configure,) = stage.sent(ce.SessionUpdate)
    assert configure.session == CONFIG
    stage.hear("session.updated", session={"instructions": "Be kind."})
    (changed,) = stage.notices(ef.SessionChanged)
    assert (changed.session.instructions, changed.created) == ("Be kind.", False)
    assert stage.all(ef.SettleEdit) == []
    assert stage.session.next_deadline() is None


@pytest.mark.parametrize("event_id", ["rejoinder_config", None])
def test_a_refused_configuration_is_news_once(event_id: str | None) -> None:
    stage = Stage(config=CONFIG)
    stage.error(event_id=event_id, param="session.instructions", message="too kind")
    (seen,) = stage.notices(ef.ServerErrorSeen)
    assert (seen.error.message, seen.benign, seen.suspected) == ("too kind", False, False)
    assert stage.all(ef.SettleEdit) == []


def test_an_unanswered_configuration_disturbs_nobody() -> None:
    stage = Stage(config=CONFIG)
    assert stage.wait(5.0) == []
    assert stage.next_reply_works()


def test_session_created_is_news_but_answers_no_update() -> None:
    stage = Stage()
    stage.edit("edit", ce.SessionUpdate, session=CONFIG)
    stage.hear("session.created", session={"model": "m"})
    assert [changed.created for changed in stage.notices(ef.SessionChanged)] == [True]
    assert stage.results("edit") == []


# -- the end --


@pytest.mark.parametrize(
    ("end", "close"),
    [
        (inp.Shut(), Close("caller", 1000, "the session was closed")),
        (inp.Disconnected(NETWORK), NETWORK),
    ],
)
def test_the_end_settles_everything_before_it_is_told(end: inp.Input, close: Close) -> None:
    stage = busy_session()
    stage.do(end)
    for key in ("a", "queued", "oob", "s1"):
        outcome = stage.outcome(key)
        assert isinstance(outcome, Lost)
        assert outcome.close == close
    assert stage.results("edit") == [ef.Gone(close)]
    assert stage.last[-2:] == [ef.Announce(ef.Ended(close)), ef.Hangup()]
    assert stage.session.ended == close
    assert stage.session.next_deadline() is None
    assert stage.session.state.responses.machines == {}


@pytest.mark.parametrize(
    "given",
    [
        inp.Shut(),
        inp.Disconnected(NETWORK),
        inp.Connected(),
        inp.Tick(),
        inp.Append(b"\0\0"),
        inp.Say(CLEAR),
        inp.Say(ce.RawClientEvent({"type": "x"})),
        inp.Cancel(("a", "queued")),
        inp.Stop("stop"),
        inp.Stop("stop", "r1"),
        inp.Stop("stop", "unheard-of"),
        inp.Abandon("a", ErrorBody()),
    ],
)
def test_after_the_end_nothing_happens_any_more(given: inp.Input) -> None:
    stage = busy_session()
    stage.do(inp.Shut())
    assert stage.do(given) == []
    assert stage.text("late") == []


@pytest.mark.parametrize("connected", [True, False])
def test_after_the_end_whoever_asks_is_told_at_once(connected: bool) -> None:
    stage = Stage(connected=connected)
    stage.do(inp.Disconnected(NETWORK))
    stage.ask("late")
    assert stage.outcome("late") == Lost(close=NETWORK)
    stage.edit("edit", ce.SessionUpdate, session=CONFIG)
    assert stage.results("edit") == [ef.Gone(NETWORK)]
    assert stage.session.next_deadline() is None


FATAL = ["insufficient_quota", "invalid_api_key", "model_not_found", "account_deactivated"]


@pytest.mark.parametrize(
    "error",
    [*[{"code": code} for code in FATAL], {"code": None, "type": "insufficient_quota"},
     {"code": "session_expired"}, {"message": "Your session hit the maximum duration of 60 minutes."}],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["error", "response.error", "response.done"])
def test_an_error_after_which_nothing_can_succeed_ends_the_session_in_the_servers_words(
    kind: str, error: dict[str, Any]
) -> None:
    error = {"type": "invalid_request_error", "message": "the end", **error}
    stage = speaking()
    stage.ask("queued")
    members: dict[str, Any] = {"error": error}
    if kind == "response.done":
        details = {"type": "failed", "error": error}
        members = {"response": {"id": "r1", "status": "failed", "status_details": details}}
    stage.hear(kind, **members)
    assert isinstance(stage.outcome("a"), Lost if kind == "error" else Failed)
    outcome = stage.outcome("queued")
    assert isinstance(outcome, Lost)
    assert outcome.describe() == error["message"]
    assert (outcome.code, outcome.close.by) == (error.get("code") or error["type"], "server")
    assert stage.last[-1] == ef.Hangup()


def test_a_fatal_error_may_have_no_words() -> None:
    stage = speaking()
    stage.error(code="insufficient_quota", message=None)
    (ended,) = stage.notices(ef.Ended)
    assert ended.close.reason == ""
    assert stage.outcome().describe() == "the server closed the connection"


@pytest.mark.parametrize("event_id", ["a.1", "edit"])
def test_a_fatal_error_is_fatal_whatever_it_names(event_id: str) -> None:
    stage = busy_session()
    stage.error(code="insufficient_quota", event_id=event_id)
    assert stage.session.ended is not None
    assert isinstance(stage.results("edit")[0], ef.Gone)


# -- asking --


@pytest.mark.parametrize("key", ["a", "over", "r1"])
def test_a_key_that_was_used_before_is_refused_and_changes_nothing(key: str) -> None:
    stage = Stage()
    stage.ask("over")
    stage.cancel("over")
    stage.wait(100.0)
    stage.ask("a")
    stage.created(key=None)
    stage.done()
    before = pickle.dumps(stage.session.state)
    with pytest.raises(ValueError, match=f"'{key}' was used before"):
        stage.session.step(stage.now, inp.Ask(key, ResponseParams()))
    assert pickle.dumps(stage.session.state) == before


# -- giving up on our side --


@pytest.mark.parametrize("key", ["a", "nobody"])
def test_a_response_that_our_side_gives_up_fails_and_is_cancelled(key: str) -> None:
    stage = speaking()
    stage.do(inp.Abandon(key, ErrorBody(type="client", code="overflow", message="full")))
    assert stage.cancels() == (["r1"] if key == "a" else [])
    for outcome in stage.outcomes():
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.delivered.text) == ("overflow", "half a ")
    assert stage.settled() == (key == "a")


# -- events --


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("rate_limits.updated", {"rate_limits": []}),
        ("conversation.created", {"conversation": {"id": "c"}}),
        ("mcp_list_tools.in_progress", {"item_id": "m"}),
        ("input_audio_buffer.timeout_triggered", {"item_id": "u", "audio_start_ms": 0, "audio_end_ms": 1}),
        ("input_audio_buffer.dtmf_event_received", {"event": "1", "received_at": 1}),
        ("response.mcp_call.in_progress", {"item_id": "nobody's", "output_index": 0}),
    ],
)  # fmt: skip
def test_events_from_which_nothing_follows_have_no_effect(
    name: str, members: dict[str, Any]
) -> None:
    assert speaking().hear(name, **members) == []


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        ('{"type":"ping"}', "unknown"),
        ('{"type":"response.brand_new","response_id":"r1"}', "unknown"),
        ("not json", "malformed"),
    ],
)
def test_strange_frames_are_news(frame: str, what: str) -> None:
    stage = begun()
    stage.hear_frame(frame)
    assert stage.odd() == [what]


def test_an_unknown_event_of_a_response_is_a_sign_of_life() -> None:
    stage = begun()
    for _ in range(3):
        stage.wait(9.0)
        stage.hear("response.brand_new", response_id="r1")
    assert not stage.settled()


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"event_id": "e"}, {"event_id": "e"}, "x"),
        ({"event_id": "e1"}, {"event_id": "e2"}, "xx"),
        ({"event_id": "e"}, {"event_id": "e", "delta": "y"}, "xy"),
        ({"event_id": None}, {"event_id": None}, "xx"),
        ({"event_id": ""}, {"event_id": ""}, "xx"),
        ({}, {}, "xx"),
    ],
)
def test_the_very_same_event_counts_once(
    first: dict[str, Any], second: dict[str, Any], words: str
) -> None:
    stage = begun()
    delta = {"type": "response.output_text.delta", "response_id": "r1", "item_id": "i1"}
    for more in (first, second):
        stage.hear_frame(
            json.dumps({**delta, "content_index": 0, "output_index": 0, "delta": "x", **more})
        )
    stage.done()
    assert stage.outcome().delivered.text == words


def test_only_the_latest_events_are_remembered() -> None:
    stage = begun()
    frame = '{"type":"ping","event_id":"%s"}'
    stage.hear_frame(frame % "old")
    for number in range(64):
        stage.hear_frame(frame % number)
    stage.hear_frame(frame % "old")
    assert set(stage.odd()) == {"unknown"}
    stage.hear_frame(frame % 63)
    assert stage.odd()[-1] == "duplicate"


BETA = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
    "conversation.item.created": "conversation.item.added",
}


@pytest.mark.parametrize(("beta", "canonical"), BETA.items())
def test_a_beta_name_has_the_effects_of_its_canonical_one(beta: str, canonical: str) -> None:
    members = {
        "response_id": "r1", "item_id": "i2", "output_index": 0, "content_index": 0,
        "delta": "AAAA", "text": "half a day", "transcript": "half a day",
        "session": {"model": "m"}, "item": {"id": "i9", "type": "message"},
    }  # fmt: skip
    one, other = speaking(), speaking()
    assert one.hear(beta, **members) == other.hear(canonical, **members)
    assert one.last or beta == "response.audio.done"


# -- memory --


def test_a_long_life_leaves_nothing_behind() -> None:
    stage, sizes = Stage(), []
    for number in range(1600):
        response_id, key = f"r{number:05}", f"k{number:05}"
        stage.ask(key)
        stage.created(response_id, key)
        stage.error()
        stage.text("words", response_id)
        stage.hear("input_audio_buffer.speech_stopped", item_id=f"u{number:05}", audio_end_ms=1)
        stage.edit(f"e{number:05}", ce.ConversationItemDelete, item_id="nobody")
        stage.done(response_id)
        stage.wait(1.0)
        if number % 50 == 0:
            sizes.append(len(pickle.dumps(stage.session.state)))
    assert max(sizes[24:]) - sizes[24] < 200


def test_a_long_response_leaves_nothing_behind_but_its_words() -> None:
    stage, sizes = begun(), []
    for number in range(300):
        stage.error(message=f"{number:04}")
        stage.wait(0.5)
        stage.audio(5)
        sizes.append(len(pickle.dumps(stage.session.state)))
    assert max(sizes[200:]) - sizes[200] < 100
    stage.done()
    assert isinstance(stage.outcome(), Completed)


def test_sessions_are_equal_if_they_know_the_same() -> None:
    assert speaking().session == speaking().session
    assert speaking().session != begun().session
    assert Session() != "a session"
