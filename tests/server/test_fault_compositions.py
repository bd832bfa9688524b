"""Faults in company: each alters what the ones before it left."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from rejoinder.server.effects import Effect, Ending, Hangup, Send
from rejoinder.server.faults.catalogue import FAULTS, fault
from rejoinder.server.faults.fault import AfterNext, Fault, Point, Then
from rejoinder.server.faults.line import FaultLine
from rejoinder.server.faults.strikes import FOREIGN_RESPONSE
from rejoinder.server.faults.tracks import Tracks
from rejoinder.server.inputs import Expire
from rejoinder.server.script import Call, Script, Turn
from rejoinder.wire import server_events as events
from tests.server.desk import Desk, every, only, refusal, sent, types
from tests.server.stream import DELTA, HEALTHY, SCRIPT, ask, exchange, told, until


def test_two_alterations_of_one_event_are_both_done() -> None:
    for names in itertools.permutations(["no-metadata", "late-created", "no-event-ids"]):
        stream = exchange(*names)
        created = only(events.ResponseCreated, sent(stream))
        assert (created.response.metadata, created.event_id) == (None, None)
        assert told(stream).index("response.created") > told(stream).index(DELTA)
        assert sorted(told(stream)) == sorted(HEALTHY)


def test_delays_add_up() -> None:
    desk = Desk(SCRIPT, fault("late-created"), fault("late-response"))
    ask(desk, 15.1)
    assert "response.created" not in types(desk.run(0.05))
    assert "response.created" in types(desk.run(0.1))


def test_a_duplicate_is_altered_like_its_event() -> None:
    created = every(events.ResponseCreated, sent(exchange("duplicates", "no-metadata")))
    assert [one.response.metadata for one in created] == [None, None]
    created = every(events.ResponseCreated, sent(exchange("no-metadata", "duplicate-created")))
    assert [one.response.metadata for one in created] == [None, None]


def test_what_was_swallowed_stays_swallowed() -> None:
    stream = exchange("no-created", "no-metadata", "late-created", "duplicate-created")
    assert "response.created" not in told(stream)
    names = told(exchange("dropped@done", "done-failed", "close-1011@done"))
    assert [name for name in HEALTHY if name != "response.done"] == names


def test_the_order_of_arming_decides() -> None:
    desk = Desk(SCRIPT, fault("no-error-event-id"), fault("busy"))
    error = only(events.Error, sent(ask(desk))).error
    assert error.event_id == "c1"
    desk = Desk(SCRIPT, fault("busy"), fault("no-error-event-id"))
    error = only(events.Error, sent(ask(desk))).error
    assert error.event_id is None


def test_an_end_that_stands_in_for_another_is_altered_too() -> None:
    stream = exchange("done-failed", "no-metadata", "duplicate-done")
    ends = every(events.ResponseDone, sent(stream))
    assert [(end.response.status, end.response.metadata) for end in ends] == [("failed", None)] * 2


def test_a_late_event_meets_the_later_faults_in_its_own_time() -> None:
    stream = told(exchange("late-created", "close-1011@created"))
    assert stream[-2:] == ["response.created", "Hangup"]
    assert DELTA in stream
    stream = told(exchange("late-done", "silence-for-good@delta:3"))
    assert stream == until(DELTA, 3)
    stream = told(exchange("late-created", "response-error@delta:1"))
    assert "response.created" not in stream
    stream = told(exchange("response-error@delta:1", "late-created"))
    assert "response.created" in stream


def test_a_later_fault_counts_what_is_left() -> None:
    assert told(exchange("duplicates", "close-1011@delta:3")).count(DELTA) == 3
    assert told(exchange("dropped@delta:1", "close-1011@delta:3")).count(DELTA) == 3
    only_once = told(exchange("dropped@delta:1", "dropped@delta:1"))
    assert only_once.count(DELTA) == HEALTHY.count(DELTA) - 2


def test_two_ends_the_first_ends_it() -> None:
    stream = told(exchange("response-error@delta:2", "response-error@delta:3"))
    assert len([name for name in stream if name.startswith("raw")]) == 1
    stream = told(
        exchange("frame-null@delta:2", "error-then-silence@delta:2", "frame-number@delta:2")
    )
    delta, null, error, number = stream[-4:]
    assert (delta, null, number) == (DELTA, "raw null", "raw 42")
    assert error.startswith('raw {"type":"error"')


def test_a_wire_fault_after_an_altered_event() -> None:
    stream = exchange("wrong-type@delta:2", "reset@delta:2")
    assert told(stream)[-1] == "Reset"
    assert told(stream).count(DELTA) == 2


def test_an_effect_inside_the_server_may_be_late_as_well() -> None:
    stream = exchange("late-done", "expiry@done")
    assert isinstance(stream[-1], Hangup)
    assert stream[-1].code == 1001


# -- reordering --


def test_an_event_comes_behind_the_next_one() -> None:
    stream = sent(exchange("reordered@delta:2"))
    healthy = sent(exchange())
    moved = next(at for at, one in enumerate(healthy) if one == every(DeltaEvent, healthy)[1])
    healthy[moved], healthy[moved + 1] = healthy[moved + 1], healthy[moved]
    assert stream == healthy


DeltaEvent = events.ResponseOutputAudioDelta


def test_what_has_no_next_one_is_lost() -> None:
    assert "response.done" not in told(exchange("reordered@done"))


def test_outside_of_a_response_nothing_is_reordered() -> None:
    send = Send(events.InputAudioBufferCleared())
    fault = Fault("mine", Point("*", place="instead"), lambda scene: [AfterNext(scene.send)])
    assert FaultLine([fault]).apply([send], Tracks()) == [send]
    desk = Desk(SCRIPT, FAULTS["reordered"].at(Point("conversation.item.added", 0, "instead")))
    assert types(desk.write("x")) == ["conversation.item.added", "conversation.item.done"]


def test_a_strike_may_hand_its_event_on_by_itself() -> None:
    desk = Desk(
        SCRIPT,
        Fault("late", Point("conversation.item.added", 0, "instead"), lambda _: [Expire()]),
    )
    desk.write("x")
    assert desk.peer.next_deadline() is None


# -- events that cannot be struck pass --


@pytest.mark.parametrize("name", ["transcription-failed", "item-renamed", "response-error"])
def test_an_event_that_lacks_what_a_fault_needs_passes(name: str) -> None:
    struck = FAULTS[name]
    where = Point("*", 0, "instead" if struck.alters else "after")
    desk = Desk(SCRIPT, struck.at(where))
    assert types(desk.configure()) == ["session.updated"]
    assert refusal(desk.say("response.cancel")).code == "response_cancel_not_active"


def test_a_pattern_strikes_the_first_event_that_can_be_struck() -> None:
    assert told(exchange("response-error@any:1"))[:1] == ["response.created"]
    assert len(told(exchange("response-error@any:1"))) == 2


@pytest.mark.parametrize("names", list(itertools.combinations(sorted(FAULTS), 2))[::41])
def test_any_two_faults_go_together(names: tuple[str, str]) -> None:
    script = Script(Turn(None, Call("f", {"a": 1})), otherwise=SCRIPT.otherwise)
    desk = Desk(script, *(FAULTS[name] for name in names if name != "frame-huge"))
    effects: list[Effect] = ask(desk) + desk.effects(20.0)
    endings = [at for at, one in enumerate(effects) if isinstance(one, Ending)]
    assert endings in ([], [len(effects) - 1])
    ended = Counter(done.response.id for done in every(events.ResponseDone, sent(effects)))
    del ended[FOREIGN_RESPONSE]  # two faults may make up the same
    twice = DUPLICATES.intersection(names)
    assert all(count == 1 or twice for count in ended.values())


DUPLICATES = frozenset({"duplicates", "duplicate-done"})


def test_a_struck_item_is_silent_through_all_that_follows() -> None:
    mine = Fault("mine", Point("conversation.item.added"), lambda _: [], Then.DIES, response=None)
    desk = Desk(SCRIPT, mine, fault("frame-null@conversation.item.done"))
    assert types(desk.write("one")) == ["conversation.item.added"]
    assert types(desk.write("two")) == ["conversation.item.added", "conversation.item.done"]
