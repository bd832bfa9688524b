"""What goes on the wire now, and what waits: one slot, one order, one clock each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Cancelled, Close, Completed, Lost, Rejected, TimedOut
from rejoinder.core.recovery import Recovery
from rejoinder.core.responses import KEY
from rejoinder.wire import client_events as ce
from rejoinder.wire.response import ResponseParams
from rejoinder.wire.session import SessionConfig
from tests.core.stage import Stage, asked, begun, speaking

BUSY = "conversation_already_has_active_response"


def ours_cancelled() -> Stage:
    stage = begun()
    stage.cancel()
    return stage


def ours_draining() -> Stage:
    stage = ours_cancelled()
    stage.wait(2.0)
    return stage


def servers_own() -> Stage:
    stage = Stage()
    stage.created("r1", key=None)
    return stage


def stray() -> Stage:
    """A response under a key that nobody waits for any more."""
    stage = asked()
    stage.cancel()
    stage.created()
    return stage


HOLDERS = [asked, begun, ours_cancelled, ours_draining, servers_own, stray]


@pytest.mark.parametrize("start", HOLDERS)
def test_a_default_response_in_whatever_state_holds_the_slot_until_its_end(
    start: Callable[[], Stage],
) -> None:
    stage = start()
    before = len(stage.creates())
    stage.ask("b")
    assert len(stage.creates()) == before
    stage.done(metadata={KEY: "a"})
    assert stage.creates()[before:] == ["b.1"]


@pytest.mark.parametrize("start", HOLDERS[1:])
def test_out_of_band_requests_need_no_slot(start: Callable[[], Stage]) -> None:
    stage = start()
    stage.ask("b", conversation="none")
    assert stage.creates()[-1:] == ["b.1"]


@pytest.mark.parametrize("oob", [("b", "a"), ("a", "b")], ids=["asked later", "asked earlier"])
def test_out_of_band_responses_hold_no_slot(oob: tuple[str, str]) -> None:
    stage = Stage()
    stage.ask("a", conversation="none")
    stage.created("r1", "a", conversation_id=None)
    stage.ask("b")
    assert stage.creates() == ["a.1", "b.1"]


def test_requests_go_out_in_the_order_of_asking() -> None:
    stage = begun()
    for key in "bcd":
        stage.ask(key)
    for number, key in enumerate("bcd", 2):
        stage.done(f"r{number - 1}")
        assert stage.creates()[-1] == f"{key}.1"
        stage.created(f"r{number}", key)
    assert stage.creates() == ["a.1", "b.1", "c.1", "d.1"]


def test_a_cancelled_request_leaves_the_queue_without_a_trace_on_the_wire() -> None:
    stage = begun()
    stage.ask("b")
    stage.cancel("b", "unheard of")
    assert stage.outcome("b") == Cancelled(by="client")
    stage.done()
    assert stage.creates() == ["a.1"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {KEY: "a"}),
        ({"metadata": None}, {KEY: "a"}),
        ({"metadata": {"topic": "x"}}, {"topic": "x", KEY: "a"}),
    ],
)
def test_a_request_carries_its_key_beside_the_callers_metadata(
    given: dict[str, Any], sent: dict[str, str]
) -> None:
    stage = Stage()
    stage.ask("a", instructions="Greet.", **given)
    (create,) = stage.sent(ce.ResponseCreate)
    assert create.response.metadata == sent  # type: ignore[union-attr]
    assert create.response.instructions == "Greet."  # type: ignore[union-attr]


# -- not to wait --


@pytest.mark.parametrize("start", HOLDERS)
def test_a_request_that_is_not_to_wait_is_refused_at_once(start: Callable[[], Stage]) -> None:
    stage = start()
    stage.ask("b", wait=False)
    outcome = stage.outcome("b")
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.retryable, outcome.asked) == (BUSY, True, 0)


@pytest.mark.parametrize(("start", "params"), [(Stage, {}), (begun, {"conversation": "none"})])
def test_a_request_that_need_not_wait_goes_out(
    start: Callable[[], Stage], params: dict[str, Any]
) -> None:
    stage = start()
    stage.ask("b", wait=False, **params)
    assert stage.creates()[-1] == "b.1"


def test_a_request_that_is_not_to_wait_does_not_wait_behind_one_that_connecting_sends() -> None:
    stage = Stage(connected=False)
    stage.ask("a")
    stage.ask("b", wait=False)
    assert not stage.settled("b")
    stage.do(inp.Connected())
    assert stage.creates() == ["a.1"]
    assert stage.outcome("b").code == BUSY


def test_a_full_queue_refuses_and_says_so() -> None:
    stage = begun()
    for number in range(256):
        stage.ask(f"q{number}")
    stage.ask("one too many")
    outcome = stage.outcome("one too many")
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.retryable) == ("queue_full", False)
    stage.cancel("q7")
    stage.ask("again")
    assert not stage.settled("again")


# -- clocks --


def test_without_a_socket_a_request_expires_by_the_offline_clock() -> None:
    stage = Stage(connected=False)
    stage.wait(3.0)
    stage.ask()
    stage.wait(9.9)
    assert not stage.settled()
    stage.wait(0.1)
    assert stage.outcome() == TimedOut(why="offline", after=10.0)
    stage.do(inp.Connected())
    assert stage.creates() == []


def test_a_shorter_queue_clock_holds_without_a_socket_too() -> None:
    stage = Stage(connected=False, timeouts=Timeouts(queue=4.0))
    stage.ask()
    stage.wait(4.0)
    assert stage.outcome() == TimedOut(why="queue", after=4.0)


def test_the_offline_clock_stops_when_the_socket_is_there_and_the_queue_clock_goes_on() -> None:
    stage = Stage(connected=False)
    stage.ask("a")
    stage.ask("b")
    stage.wait(9.0)
    stage.do(inp.Connected())
    assert stage.creates() == ["a.1"]
    stage.created()
    for _ in range(4):
        stage.wait(5.0)
        stage.text("still speaking ")
    assert not stage.settled("b")
    stage.wait(1.0)
    assert stage.outcome("b") == TimedOut(why="queue", after=30.0)


def test_the_created_clock_counts_from_the_sending() -> None:
    stage = speaking()
    stage.ask("b")
    stage.wait(5.0)
    stage.done()
    stage.wait(9.9)
    assert not stage.settled("b")
    stage.wait(0.1)
    outcome = stage.outcome("b")
    assert isinstance(outcome, TimedOut)
    assert (outcome.why, outcome.asked) == ("created", 1)


def test_a_late_tick_settles_everything_that_is_due() -> None:
    stage = begun()
    stage.ask("b")
    stage.ask("c", conversation="none")
    stage.now = 1000.0
    stage.do(inp.Tick())
    assert stage.settled("a")
    assert stage.settled("b")
    assert stage.settled("c")


# -- refused as busy --


def busied(wait: bool = True, event_id: str | None = "a.1", **params: Any) -> Stage:
    """A request that the server refuses because its own response runs, which it has announced."""
    stage = Stage()
    stage.ask("a", wait=wait, **params)
    stage.hear("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=5)
    stage.created("s1", key=None)
    stage.error(code=BUSY, event_id=event_id)
    return stage


@pytest.mark.parametrize("event_id", ["a.1", None])
def test_a_busy_refusal_puts_the_request_back_and_it_goes_out_once_more(
    event_id: str | None,
) -> None:
    stage = busied(event_id=event_id)
    assert (stage.settled(), stage.creates()) == (False, ["a.1"])
    assert stage.notices(ef.ServerErrorSeen) == []
    stage.done("s1")
    assert stage.creates() == ["a.1", "a.2"]
    stage.created()
    stage.done()
    outcome = stage.outcome()
    assert isinstance(outcome, Completed)
    assert outcome.asked == 2


def test_a_second_busy_refusal_settles() -> None:
    stage = busied()
    stage.done("s1")
    stage.created("s2", "unheard of")
    stage.error(code=BUSY, event_id="a.2")
    outcome = stage.outcome()
    assert isinstance(outcome, Rejected)
    assert outcome.asked == 2


def test_an_error_that_names_the_older_send_means_nothing_to_the_newer() -> None:
    stage = busied()
    stage.done("s1")
    stage.error(code="invalid_value", event_id="a.1")
    stage.wait(5.0)
    assert not stage.settled()
    assert stage.odd() == ["odd"]


def test_a_late_answer_to_the_first_send_is_an_answer() -> None:
    stage = busied()
    stage.created("r1", "a")
    stage.text("after all")
    stage.done("s1")
    stage.done("r1")
    assert (stage.creates(), stage.outcome().delivered.text) == (["a.1"], "after all")


@pytest.mark.parametrize("code", [BUSY, "invalid_value"])
def test_a_second_refusal_of_what_waits_again_is_late(code: str) -> None:
    stage = busied()
    stage.error(code=code, event_id="a.1")
    assert stage.odd() == ["odd"]
    assert not stage.settled()
    stage.done("s1")
    stage.created("r1")
    stage.done("r1")
    assert stage.outcome().ok


def test_a_requeue_does_not_reset_the_queue_clock() -> None:
    stage = Stage()
    stage.wait(1.0)
    stage.ask()
    stage.wait(9.0)
    stage.hear("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=5)
    stage.created("s1", key=None)
    stage.error(code=BUSY, event_id="a.1")
    for _ in range(21):
        stage.wait(0.99)
        stage.text("on and on ", "s1")
    assert not stage.settled()
    stage.wait(0.3)
    assert stage.outcome() == TimedOut(why="queue", after=30.0, asked=1)


def test_without_a_known_holder_a_busy_refusal_settles() -> None:
    stage = asked()
    stage.error(code=BUSY, event_id="a.1")
    assert isinstance(stage.outcome(), Rejected)
    assert stage.next_reply_works()


def test_a_busy_refusal_of_what_is_not_to_wait_settles() -> None:
    assert isinstance(busied(wait=False).outcome(), Rejected)


@pytest.mark.parametrize("event_id", ["a.1", None])
def test_an_out_of_band_request_that_is_refused_as_busy_by_name_is_asked_again(
    event_id: str | None,
) -> None:
    stage = busied(event_id=event_id, conversation="none")
    assert stage.creates() == (["a.1", "a.2"] if event_id else ["a.1"])


# -- the end --


@pytest.mark.parametrize("end", [inp.Shut(), inp.Disconnected(Close("network", 1006))])
@pytest.mark.parametrize("connected", [True, False])
def test_the_end_settles_what_waits_and_nothing_is_sent_any_more(
    end: inp.Input, connected: bool
) -> None:
    stage = Stage(connected=connected)
    for key in "abc":
        stage.ask(key)
    sent = len(stage.all(ef.Send))
    stage.do(end)
    assert [type(stage.outcome(key)) for key in "abc"] == [Lost, Lost, Lost]
    assert len(stage.all(ef.Send)) == sent
    assert stage.session.next_deadline() is None


# -- after a restoration --


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (SessionConfig(output_modalities=["audio"]), ["audio"]),
        (SessionConfig(instructions="Be brief."), UNSET),
        (None, UNSET),
    ],
)
def test_a_server_that_was_told_the_conversation_is_told_what_responses_consist_of(
    config: SessionConfig | None, said: object
) -> None:
    stage = Stage(config=config, recovery=Recovery())
    stage.ask("a")
    stage.do(inp.Disconnected(Close("network")))
    stage.wait(1.0)
    stage.link = 2
    stage.do(inp.Connected(2))
    stage.hear("session.created", session={"type": "realtime"})
    stage.hear("session.updated", session={"type": "realtime"})
    stage.created()
    stage.done()
    stage.ask("b", output_modalities=["text"])

    params = [create.response for create in stage.sent(ce.ResponseCreate)]
    told = [each.output_modalities for each in params if isinstance(each, ResponseParams)]
    assert told == [UNSET, said, ["text"]]
