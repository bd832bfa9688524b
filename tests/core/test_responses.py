"""Carrying out: each cell of the table, applied to a machine, does what the table says and no more.

Impossible cells too, and without whatever usually comes with the trigger: a peer may do anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.lifecycle import TABLE, Act, Cell, Guard, State, Trigger
from rejoinder.core.machine import Machine, Request
from rejoinder.core.outcomes import Close, Failed, Incomplete, TimedOut
from rejoinder.core.responses import Responses
from rejoinder.core.verdict import Facts
from rejoinder.wire import client_events as ce
from rejoinder.wire.response import ErrorBody, ResponseObject, ResponseParams
from rejoinder.wire.server_events import RateLimitsUpdated
from tests.core.stage import Stage, begun

EVENT = RateLimitsUpdated(rate_limits=[])
PASSING = ErrorBody(code="rate_limit_exceeded")
FULL = Facts(EVENT, ErrorBody(message="m"), ResponseObject(id="r1"), Close("network"), "gap", 10.0)
NAMED = {State.ACTIVE, State.CANCELLING, State.DRAINING}
SHOWN: dict[type[ef.Effect], set[Act]] = {
    ef.Open: {Act.OPEN},
    ef.Settle: {Act.SETTLE},
    ef.Withdraw: {Act.RECLAIM, Act.RELEASE},
}


def machine_in(responses: Responses, state: State, wait: bool = True, retries: int = 0) -> Machine:
    """A request in this state, with an id where it must have one."""
    request = Request(ResponseParams(), wait, 0.0, sends=1, answer_by=10.0, retries=retries)
    machine = responses.ask("a", request)
    machine.state, machine.by_order = state, True
    if state in NAMED:
        machine.response_id = "r1"
        responses.by_id["r1"] = "a"
    return machine


def guards(holder: bool, wait: bool) -> Iterator[Guard | None]:
    """The conditions that hold, for a first time, with and without another holder of the slot."""
    yield from (None, Guard.ONCE, Guard.MISTAKEN)
    if wait:
        yield Guard.MISTAKEN_MAY_WAIT
    if wait and holder:
        yield Guard.MAY_WAIT


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("state", State)
def test_a_cell_does_what_it_says(state: State, trigger: Trigger) -> None:
    for facts in (FULL, Facts()):
        for holder, wait in ((True, True), (True, False), (False, True)):
            carried_out(state, trigger, holder, wait, facts)


def carried_out(state: State, trigger: Trigger, holder: bool, wait: bool, facts: Facts) -> None:
    responses = Responses(Timeouts())
    machine = machine_in(responses, state, wait)
    if holder:
        responses.found(0.0, ResponseObject(id="s1", conversation_id="c"), State.ACTIVE)
    held = set(guards(holder, wait))
    cell = next(branch for branch in TABLE[state][trigger].branches() if branch.guard in held)
    effects = list(responses.apply(1.0, machine, trigger, facts))
    assert machine.state is cell.to
    assert ("a" in responses.machines) == (cell.to is not State.OVER) or state is State.OVER
    shown(cell, state, effects, facts)


def shown(cell: Cell, state: State, effects: list[ef.Effect], facts: Facts) -> None:
    for effect, acts in SHOWN.items():
        told = [e for e in effects if isinstance(e, effect) and getattr(e, "key", None) == "a"]
        found_at_its_end = effect is ef.Open and Act.SETTLE in cell.acts
        assert len(told) == len(acts & set(cell.acts)) or found_at_its_end
    odd = [e for e in effects if isinstance(e, ef.Announce)]
    assert bool(odd) == (bool({Act.ODD, Act.LATE} & set(cell.acts)) and facts.event is not None)
    cancels = [e.event for e in effects if isinstance(e, ef.Send)]
    known = state in NAMED or facts.response is not None
    expected = [ce.ResponseCancel(event_id="a.cancel", response_id="r1")]
    assert cancels == (expected if Act.CANCEL in cell.acts and known else [])


MAY_RETRY = [
    (state, trigger)
    for state in State
    for trigger in Trigger
    if TABLE[state][trigger].guard is Guard.MAY_RETRY
]


@pytest.mark.parametrize(("state", "trigger"), MAY_RETRY)
def test_a_failure_that_may_pass_is_asked_again(state: State, trigger: Trigger) -> None:
    responses = Responses(Timeouts())
    machine = machine_in(responses, state, retries=1)
    machine.by_order = False
    facts = Facts(EVENT, PASSING, named=True)
    assert TABLE[state][trigger].to is State.QUEUED
    effects = list(responses.apply(1.0, machine, trigger, facts))
    assert machine.state is State.QUEUED
    assert machine.response_id is None
    shown(TABLE[state][trigger], State.QUEUED, [e for e in effects if not is_cancel(e)], facts)
    machine.state = state
    effects = list(responses.apply(2.0, machine, trigger, facts))
    assert any(isinstance(effect, ef.Settle) for effect in effects)


def is_cancel(effect: ef.Effect) -> bool:
    return isinstance(effect, ef.Send) and isinstance(effect.event, ce.ResponseCancel)


ONCE = [t for t in Trigger if TABLE[State.REQUESTED][t].guard in (Guard.ONCE, Guard.MAY_WAIT)]


@pytest.mark.parametrize("trigger", ONCE)
def test_a_chance_is_given_once(trigger: Trigger) -> None:
    responses = Responses(Timeouts())
    machine = machine_in(responses, State.REQUESTED)
    responses.found(0.0, ResponseObject(id="s1", conversation_id="c"), State.ACTIVE)
    assert list(responses.apply(1.0, machine, trigger, Facts())) == []
    assert machine.state is State.QUEUED
    machine.state = State.REQUESTED
    (settled,) = responses.apply(2.0, machine, trigger, Facts())
    assert isinstance(settled, ef.Settle)


# -- blame --


def test_a_relieved_suspect_stays_the_cause_of_an_end_that_gives_no_other() -> None:
    stage = begun()
    stage.error(code="boom", message="it broke")
    stage.text("closing words")
    stage.done(status="failed")
    outcome = stage.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.error.message == "it broke"


@pytest.mark.parametrize(
    ("reason", "code"), [(None, "boom"), ("max_output_tokens", "max_output_tokens")]
)
def test_a_suspect_does_not_contradict_a_reason(reason: str | None, code: str) -> None:
    stage = begun()
    stage.error(code="boom")
    stage.done(status="incomplete", status_details={"reason": reason})
    outcome = stage.outcome()
    assert isinstance(outcome, Incomplete)
    assert outcome.code == code


def test_an_error_long_before_a_silence_does_not_shorten_it_but_is_remembered() -> None:
    stage = begun()
    stage.error(code="boom")
    stage.text("words")
    stage.wait(9.9)
    assert not stage.settled()
    stage.wait(0.1)
    outcome = stage.outcome()
    assert isinstance(outcome, TimedOut)
    assert outcome.cause is not None
    assert (outcome.code, outcome.cause.code) == ("timeout_gap", "boom")


def test_a_new_error_after_a_sign_of_life_has_a_grace_of_its_own_and_the_last_word() -> None:
    stage = begun()
    stage.error(code="first")
    stage.wait(0.9)
    stage.text("words")
    stage.error(code="second")
    stage.wait(0.9)
    assert not stage.settled()
    stage.wait(0.1)
    assert stage.outcome().code == "second"


@pytest.mark.parametrize("seconds", [0.0, 9.0, 9.5])
def test_an_error_before_a_silence_gives_its_reason_whichever_clock_runs_out(
    seconds: float,
) -> None:
    stage = begun()
    stage.wait(seconds)
    stage.error(code="boom")
    stage.wait(1.0)
    assert isinstance(stage.outcome(), Failed)
    assert stage.outcome().code == "boom"


# -- cancelling --


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed", None])
def test_a_cancelled_response_ends_cancelled_with_what_came_before_the_cancel(
    status: str | None,
) -> None:
    stage = begun()
    stage.text("before")
    stage.cancel()
    stage.text("after")
    stage.done(status=status, output=[{"id": "i9", "type": "message"}])
    outcome = stage.outcome()
    assert (outcome.code, outcome.delivered.text) == ("client", "before")
    assert stage.last[:-1] == [ef.Settle("a", outcome)]


def test_cancelling_twice_cancels_once() -> None:
    stage = begun()
    stage.cancel()
    stage.cancel()
    assert stage.cancels() == ["r1"]


def test_dropped_deltas_move_no_clock() -> None:
    stage = begun()
    stage.cancel()
    for _ in range(4):
        stage.wait(0.5)
        stage.text("on and on")
    assert stage.settled()
    for _ in range(4):
        stage.wait(0.5)
        stage.text("on and on")
    assert stage.session.state.responses.machines == {}


def test_a_cancelled_response_that_fails_is_cancelled_and_drained() -> None:
    stage = begun()
    stage.cancel()
    stage.hear("response.error", response_id="r1", error={"message": "m"})
    assert stage.outcome().code == "client"
    assert stage.cancels() == ["r1"]
    stage.ask("b")
    assert stage.creates() == ["a.1"]
    stage.wait(2.0)
    assert stage.creates() == ["a.1", "b.1"]


def test_a_response_of_the_servers_own_can_be_cancelled_by_its_id() -> None:
    stage = Stage()
    stage.created("s1", key=None)
    stage.cancel("s1")
    stage.done("s1", status="cancelled")
    assert stage.outcome("s1").asked == 0
    assert stage.cancels() == ["s1"]
