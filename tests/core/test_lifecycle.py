"""Exactly once, proven by reading the table; and the same promise, tried on the running core."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.lifecycle import TABLE, Act, Cell, Guard, State, Trigger, drawn
from rejoinder.core.outcomes import Close
from rejoinder.core.responses import KEY
from rejoinder.core.session import Session
from rejoinder.wire import client_events as ce
from rejoinder.wire.codec import decode_server
from rejoinder.wire.response import ResponseParams

Table = Mapping[State, Mapping[Trigger, Cell]]


def gaps(table: Table) -> Iterator[str]:
    """Every way in which a table breaks the promise."""
    for state in State:
        for trigger in Trigger:
            cell = table[state].get(trigger)
            if cell is None:
                yield f"{state.name} x {trigger.name} is not written"
                continue
            yield from broken(state, trigger, cell)


def broken(state: State, trigger: Trigger, cell: Cell) -> Iterator[str]:
    branches = list(cell.branches())
    name = f"{state.name} x {trigger.name}"
    for branch in branches:
        crosses = not state.settled and branch.to.settled
        if crosses and Act.SETTLE not in branch.acts:
            yield f"{name} crosses the line without settling"
        if Act.SETTLE in branch.acts and not crosses:
            yield f"{name} settles without crossing the line"
        if state.settled and not branch.to.settled:
            yield f"{name} crosses back"
        if trigger in (Trigger.EXPIRED, Trigger.CLOSED) and not branch.to.settled:
            yield f"{name} leaves somebody waiting"
        if trigger in (Trigger.EXPIRED, Trigger.CLOSED) and branch.to is state is not State.OVER:
            yield f"{name} never ends"
    if branches[-1].guard is not None:
        yield f"{name} has a condition and no otherwise"
    if any(branch.guard is None for branch in branches[:-1]):
        yield f"{name} has a branch that is never reached"


def test_every_response_settles_exactly_once() -> None:
    assert list(gaps(TABLE)) == []


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("state", State)
def test_the_proof_notices_a_broken_cell(state: State, trigger: Trigger) -> None:
    """Each cell in turn is emptied, or made to settle the other way round."""
    good = TABLE[state][trigger]
    assert list(gaps({**TABLE, state: {k: v for k, v in TABLE[state].items() if k is not trigger}}))
    acts = tuple(set(good.acts) ^ {Act.SETTLE})
    wrong = Cell(good.to, acts, good.guard, good.otherwise)
    assert list(gaps({**TABLE, state: {**TABLE[state], trigger: wrong}}))


def test_a_cancel_goes_out_only_where_an_id_is_known_or_comes_with_the_trigger() -> None:
    for state in State:
        for trigger, cell in TABLE[state].items():
            for branch in cell.branches():
                if Act.CANCEL in branch.acts:
                    assert state is State.ACTIVE or trigger is Trigger.CREATED


def test_a_requeue_has_a_bound() -> None:
    for state in State:
        for cell in TABLE[state].values():
            for branch in cell.branches():
                if branch.to is State.QUEUED and state is not State.QUEUED:
                    once = (Guard.ONCE, Guard.MAY_WAIT, Guard.MISTAKEN_MAY_WAIT)
                    assert branch.guard in once or Act.RETRY in branch.acts
                assert (Act.RETRY in branch.acts) == (branch.guard is Guard.MAY_RETRY)


def test_the_table_can_be_drawn() -> None:
    lines = drawn().splitlines()
    assert len(lines) == 2 + len(Trigger)
    assert all(line.count("|") == len(State) + 2 for line in lines)
    (cancel,) = (line for line in lines if line.startswith("| **CANCEL** |"))
    start = "| **CANCEL** | settle → OVER | settle → ORPHANED | cancel by id → CANCELLING | · |"
    assert cancel.startswith(start)


# -- the running core against a rule-breaking server --


def frame(type_: str, **members: object) -> inp.Input:
    return inp.Received(decode_server(json.dumps({"type": type_, **members})))


def created(response_id: str, key: str | None) -> inp.Input:
    metadata = {KEY: key} if key else None
    return frame(
        "response.created",
        response={"id": response_id, "conversation_id": "c", "metadata": metadata},
    )


def delta(response_id: str) -> inp.Input:
    return frame(
        "response.output_text.delta",
        response_id=response_id,
        item_id=f"i_{response_id}",
        output_index=0,
        content_index=0,
        delta="x",
    )


def done(response_id: str | None, key: str | None = None) -> inp.Input:
    metadata = {KEY: key} if key else None
    return frame(
        "response.done", response={"id": response_id, "status": "completed", "metadata": metadata}
    )


def error(code: str | None = None, event_id: str | None = None) -> inp.Input:
    return frame("error", error={"code": code, "message": "m", "event_id": event_id})


BUSY, CRASH = "conversation_already_has_active_response", "server_error"
WORDS: dict[str, Callable[[Session], inp.Input]] = {
    "ask a": lambda s: inp.Ask("a", ResponseParams()) if unused(s, "a") else inp.Tick(),
    "ask b": lambda s: inp.Ask("b", ResponseParams()) if unused(s, "b") else inp.Tick(),
    "ask with a retry": lambda s: (
        inp.Ask("t", ResponseParams(), retries=2) if unused(s, "t") else inp.Tick()
    ),
    "r4 created for t": lambda s: created("r4", "t"),
    "t limited": lambda s: error("rate_limit_exceeded", "t.1"),
    "r4 crashed": lambda s: frame("response.error", response_id="r4", error={"type": CRASH}),
    "r4 failed": lambda s: frame(
        "response.done",
        response={"id": "r4", "status": "failed", "status_details": {"error": {"type": CRASH}}},
    ),
    "stop r1": lambda s: inp.Stop("stop", "r1"),
    "stop": lambda s: inp.Stop("stop"),
    "ask out of band": lambda s: (
        inp.Ask("o", ResponseParams(conversation="none")) if unused(s, "o") else inp.Tick()
    ),
    "cancel a": lambda s: inp.Cancel(("a",)),
    "cancel all": lambda s: inp.Cancel(("a", "b", "o", "t", "r1", "r2", "r3")),
    "r1 created for a": lambda s: created("r1", "a"),
    "r2 created for a": lambda s: created("r2", "a"),
    "r2 created for b": lambda s: created("r2", "b"),
    "r1 created": lambda s: created("r1", None),
    "r3 created": lambda s: created("r3", None),
    "r1 delta": lambda s: delta("r1"),
    "r3 delta": lambda s: delta("r3"),
    "r1 done": lambda s: done("r1"),
    "a done": lambda s: done("r1", "a"),
    "r3 done": lambda s: done("r3"),
    "bodiless done": lambda s: done(None),
    "bodiless done with output": lambda s: frame(
        "response.done",
        response={"status": "completed", "output": [{"id": "i", "type": "message"}]},
    ),
    "an id that is a key": lambda s: created("b", "a"),
    "error": lambda s: error(),
    "a refused": lambda s: error("invalid_value", "a.1"),
    "a busy": lambda s: error(BUSY, "a.1"),
    "busy": lambda s: error(BUSY),
    "nothing to cancel": lambda s: error("response_cancel_not_active"),
    "r1 failed": lambda s: frame("response.error", response_id="r1", error={"message": "m"}),
    "failed": lambda s: frame("response.error", error={"message": "m"}),
    "time passes": lambda s: inp.Tick(),
}


def unused(session: Session, key: str) -> bool:
    responses = session.state.responses
    return key not in {*responses.machines, *responses.past, *responses.by_id}


class Play:
    """One session, one clock, and the promise checked at each step."""

    def __init__(self) -> None:
        self.session, self.now = Session(), 0.0
        self.asked: set[str] = set()
        self.open: set[str] = set()
        self.settled: set[str] = set()
        self.feed(inp.Connected())

    def say(self, word: str) -> None:
        given = WORDS[word](self.session)
        if isinstance(given, inp.Tick):
            self.now = max(self.now, self.session.next_deadline() or self.now)
        if isinstance(given, inp.Ask):
            self.asked.add(given.key)
        self.feed(given)

    def feed(self, given: inp.Input) -> None:
        for effect in self.session.step(self.now, given):
            self.check(effect)
        waiting = (self.asked | self.open) - self.settled
        due = self.session.next_deadline()
        assert not waiting or (due is not None and due < self.now + 61), (waiting, due)

    def check(self, effect: ef.Effect) -> None:
        match effect:
            case ef.Settle():
                assert effect.key not in self.settled, f"{effect.key} settled twice"
                self.settled.add(effect.key)
            case ef.Open():
                assert effect.key not in self.settled, f"{effect.key} opened after its end"
                self.open.add(effect.key)
            case ef.Deliver():
                assert effect.key in self.open - self.settled, f"{effect.key} delivered in no state"
            case ef.Send(ce.ResponseCancel() as cancel):
                assert isinstance(cancel.response_id, str), "a cancel without an id"
            case _:
                return

    def fall_silent(self) -> None:
        """Nothing more comes, so every clock runs out."""
        while (due := self.session.next_deadline()) is not None:
            self.now = max(self.now, due)
            self.feed(inp.Tick())
        assert self.settled >= self.asked | self.open, "somebody waits for ever"
        assert self.session.state.responses.machines == {}, "something is left behind"
        assert self.session.state.responses.by_id == {}, "a name is left behind"

    def close(self) -> None:
        self.feed(inp.Shut())
        assert self.settled >= self.asked | self.open, "somebody waits for ever"
        assert self.session.next_deadline() is None


def played(words: tuple[str, ...]) -> Play:
    play = Play()
    for word in words:
        play.say(word)
    return play


STARTS = [
    ("ask a",),
    ("ask a", "r1 created for a", "ask b"),
    ("ask with a retry", "r4 created for t", "r4 crashed"),
]


@pytest.mark.parametrize("start", STARTS)
def test_no_order_of_events_breaks_the_promise(start: tuple[str, ...]) -> None:
    """Every order of three more events; states that are alike are explored once."""
    seen: set[str] = set()
    edge = [start]
    for _ in range(3):
        following = []
        for words in edge:
            for word in WORDS:
                play = played((*words, word))
                mark = repr((play.session.state, play.settled))
                if mark not in seen:
                    seen.add(mark)
                    following.append((*words, word))
                    play.close()
        edge = following
    assert len(seen) > 500


ENDS = ["shut", "lost", "silence"]


@given(st.lists(st.sampled_from(sorted(WORDS)), max_size=40), st.sampled_from(ENDS))
def test_no_longer_play_breaks_the_promise(words: list[str], end: str) -> None:
    play = Play()
    for word in words:
        play.say(word)
    if end == "lost":
        play.feed(inp.Disconnected(Close("network", 1006)))
    if end == "silence":
        play.fall_silent()
    play.close()


@given(st.lists(st.sampled_from(sorted(WORDS)), max_size=30))
def test_a_copy_goes_its_own_way_and_the_same_steps_give_the_same_state(words: list[str]) -> None:
    first = Play()
    for word in words:
        first.say(word)
    second = copy.deepcopy(first)
    assert second.session == first.session
    second.say("ask out of band")
    second.close()
    replay = Play()
    for word in words:
        replay.say(word)
    assert replay.session == first.session
