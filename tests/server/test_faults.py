"""Faults: each strikes where it is aimed, once, and what comes after it is as it says."""

from __future__ import annotations

import gc
import json
import re

import pytest

from rejoinder.errors import ConfigurationError
from rejoinder.server.effects import Effect, Send, SendRaw
from rejoinder.server.faults.catalogue import (
    FAULTS,
    HANDSHAKES,
    POINTS,
    Described,
    described,
    fault,
    point,
)
from rejoinder.server.faults.fault import Fault, Point, Then
from rejoinder.server.faults.handshake import HandshakeFault, Wait
from rejoinder.server.faults.line import FaultLine
from rejoinder.server.faults.strikes import nothing, raw
from rejoinder.server.faults.tracks import MOST_TRACKED, Marks, Track, Tracks
from rejoinder.server.inputs import Received
from rejoinder.server.reading import read
from rejoinder.server.script import Call, Script, Speech, Turn
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire import server_events as events
from rejoinder.wire.items import Item
from rejoinder.wire.response import ResponseObject
from rejoinder.wire.strange import UnknownEvent
from tests.server.desk import Desk, refusal, types
from tests.server.stream import (
    ANSWER,
    DELTA,
    HEALTHY,
    SCRIPT,
    ask,
    exchange,
    raw_objects,
    told,
    until,
)
from tests.server.test_serve import connected

# -- aiming --


def aimed_at(text: str) -> Fault:
    named = fault(text)
    assert isinstance(named, Fault)
    return named


def test_a_fault_is_named_and_aimed_in_one_word() -> None:
    assert fault("response-error") == FAULTS["response-error"]
    aimed = aimed_at("response-error@before-text:2#3")
    assert aimed.point == Point("response.output_text.delta", 2, "before")
    assert (aimed.response, aimed.then) == (3, Then.DIES)
    assert aimed_at("busy#0").response == 0
    assert aimed_at("busy#0").point == FAULTS["busy"].point
    assert point("instead-done").place == "instead"
    assert point("conversation.item.*:0").event == "conversation.item.*"
    assert {point(name).event for name in POINTS} == set(POINTS.values())


@pytest.mark.parametrize(
    "aim",
    ["", "mischief", "busy@nowhere", "busy@delta:x", "busy#one", "busy@", "@delta", "busy@#1"],
)
def test_what_names_no_fault_or_point_is_refused(aim: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no such (fault|point)"):
        fault(aim)


@pytest.mark.parametrize(
    ("aim", "why"),
    [
        ("transcription-failed@created", "needs a completed transcription"),
        ("item-renamed@instead-delta:2", "needs an event with an item"),
        ("response-error@opened", "needs an event of a response"),
        ("silence-mid-audio@session.*", "needs an event of a response"),
        ("reordered@error", "needs an event of a response"),
        ("no-metadata@updated", "needs response.created or response.done"),
        ("dropped@before-delta", "stands in the place of an event"),
        ("reset@handshake", "say reset@delta:3"),
        ("http-503@delta:3", "say http-503#2"),
        ("opens-silent@opened", "fault of the handshake"),
        ("http-200", "say 400 to 599"),
        ("http-600", "say 400 to 599"),
        ("http-4.5", "no such fault"),
        ("close-999", "3000-4999"),
        ("close-1005", "1007-1014"),
        ("close-1015", "1007-1014"),
        ("close-2000", "3000-4999"),
        ("close-5000", "3000-4999"),
        ("slow-loris-0", "at least one byte"),
        ("pause-", "pause-SECONDS"),
        ("turned-away-nobody", "turned-away-"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(aim: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as refused:
        fault(aim)
    assert re.split("[@#]", aim)[0] in str(refused.value)


def test_without_a_place_an_alteration_stands_in_the_place_of_its_event() -> None:
    assert aimed_at("dropped@delta:2").point == Point(POINTS["delta"], 2, "instead")
    assert aimed_at("late-done@created").point.place == "instead"
    assert aimed_at("duplicates@delta:2").point.place == "after"
    assert aimed_at("done-failed@delta:2").point.place == "after"
    assert aimed_at("frame-null@before-delta").point.place == "before"


def test_faults_of_the_handshake_are_named_in_the_same_way() -> None:
    assert fault("handshake-hangs") == HANDSHAKES["handshake-hangs"]
    second = fault("http-503@handshake#2")
    assert isinstance(second, HandshakeFault)
    assert (second.name, second.connection) == ("http-503", 2)


def test_a_door_counts_for_each_fault_from_its_arming() -> None:
    line = FaultLine([fault("handshake-slow#0")])
    assert line.knock() == (Wait(3.0),)
    line.arm(fault("handshake-hangs#2"))
    line.arm(fault("handshake-slow-1.5#2"))
    assert [len(line.knock()) for _ in range(3)] == [1, 3, 1]


def test_every_name_says_what_it_does_and_where() -> None:
    lines = described()
    assert len({line.name for line in lines}) == len(lines)
    assert {*FAULTS, *HANDSHAKES} < {line.name for line in lines}
    assert all(line.says and "\n" not in line.says for line in lines)
    for line in lines:
        if line.point != "handshake":
            assert str(point(line.point)) == line.point
    assert Described("reset", "delta:3", "a TCP reset") in lines
    assert {line.name: line.point for line in lines}["http-STATUS"] == "handshake"


@pytest.mark.parametrize("name", sorted({*FAULTS, *HANDSHAKES}))
def test_every_name_can_be_said(name: str) -> None:
    assert fault(name).name == name


def test_a_slip_of_the_pen_is_pointed_out() -> None:
    with pytest.raises(ConfigurationError, match="response-error-nested"):
        fault("response-error-nestd")
    with pytest.raises(ConfigurationError, match=r"did you mean response\.output_text\.delta"):
        fault("busy@response.output_text.detla")


NOT_HERE = {
    "duplicate-transcription": "nothing is transcribed",
    "transcription-failed": "nothing is transcribed",
    "item-refused": "no item is made",
    "item-swallowed": "no item is made",
    "item-renamed": "no item is made",
    "update-refused": "the session is not updated",
    "update-swallowed": "the session is not updated",
    "no-error-event-id": "nothing is refused",
}
"""Faults that have nothing to strike in a bare exchange."""

LASTING = {"abort", "expiry", "quota-close", "reset", "cut", "goes-down"}
LASTING |= {name for name, one in FAULTS.items() if name.startswith("close-") or one.response == 0}
"""Faults after which no response is whole any more."""


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_named_fault_alters_the_exchange(name: str) -> None:
    assert FAULTS[name].name == name
    script = Script(Turn(None, ANSWER, Call("f", {"a": 1})))
    desk, healthy = Desk(script, FAULTS[name]), Desk(script)
    whole = healthy.greeting + ask(healthy)
    assert (desk.greeting + ask(desk) == whole) == (name in NOT_HERE)


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - LASTING))
def test_after_a_fault_the_next_response_is_whole(name: str) -> None:
    desk = Desk(SCRIPT, FAULTS[name])
    ask(desk)
    desk.say("response.cancel")
    desk.effects(30.0)
    assert told(ask(desk)) == HEALTHY


# -- where it strikes --


def test_after_an_event() -> None:
    stream = told(exchange("frame-null@delta:2"))
    assert stream[: len(until(DELTA, 2)) + 1] == [*until(DELTA, 2), "raw null"]
    assert [name for name in stream if name != "raw null"] == HEALTHY


def test_before_an_event() -> None:
    stream = told(exchange("frame-null@before-created"))
    assert stream == ["raw null", *HEALTHY]


def test_instead_of_an_event() -> None:
    stream = told(exchange("frame-null@instead-part"))
    assert "response.content_part.added" not in stream
    assert stream.count("raw null") == 1


def test_every_event_of_a_kind() -> None:
    stream = told(exchange("frame-null@delta:0"))
    assert stream.count("raw null") == 6


def test_in_the_response_that_is_meant() -> None:
    desk = Desk(SCRIPT, fault("frame-null#2"))
    assert ["raw null" in told(ask(desk)) for _ in range(3)] == [False, True, False]
    desk = Desk(SCRIPT, fault("frame-null#0"))
    assert ["raw null" in told(ask(desk)) for _ in range(3)] == [True, True, True]


def test_outside_of_responses() -> None:
    desk = Desk(SCRIPT, fault("frame-null@item-added:2"))
    assert [len(desk.give(Received(read(_item(n))))) for n in range(3)] == [2, 3, 2]


def _item(number: int) -> str:
    item = {
        "type": "message",
        "role": "user",
        "id": f"u{number}",
        "content": [{"type": "input_text", "text": "x"}],
    }
    return json.dumps({"type": "conversation.item.create", "event_id": "c1", "item": item})


def test_several_faults_at_once() -> None:
    stream = told(exchange("frame-null@delta:1", "frame-number@delta:1", "no-rate-limits"))
    assert stream == [*until(DELTA), "raw null", "raw 42", *HEALTHY[len(until(DELTA)) : -1]]


def test_a_fault_armed_later_counts_from_then() -> None:
    line = FaultLine()
    effects: list[Effect] = [Send(events.InputAudioBufferCleared())]
    assert line.apply(effects, Tracks()) == effects
    line.arm(Fault("mine", Point("input_audio_buffer.cleared"), raw("x")))
    assert line.apply(effects, Tracks()) == [*effects, SendRaw("x")]
    assert line.apply(effects, Tracks()) == effects


def test_events_of_unknown_types_can_be_aimed_at_as_well() -> None:
    line = FaultLine([Fault("mine", Point("mood.*", place="instead"), nothing, Then.DIES)])
    assert line.apply([Send(UnknownEvent(type="mood.changed"))], Tracks()) == []


def test_counts_go_on_over_connections() -> None:
    line = FaultLine([fault("dropped@created#2"), fault("dropped@input_audio_buffer.cleared:2")])
    for expected in (2, 0, 2):
        begun = events.ResponseCreated(response=ResponseObject(id="r"))
        effects: list[Effect] = [Send(begun), Send(events.InputAudioBufferCleared())]
        assert len(line.apply(effects, Tracks())) == expected


def test_what_is_known_of_a_connection_goes_with_it(run: Run) -> None:
    async def exchange() -> None:
        async with serve(SCRIPT, faults=["ping-event#0"], remember=False) as server:
            for _ in range(3):
                async with connected(server) as client:
                    await client.say("response.create")
                    await client.until("response.done")
                    await client.socket.close()
        assert server.sessions == []
        assert known() == before

    before = known()
    run(exchange())


def known() -> int:
    gc.collect()
    return len([one for one in gc.get_objects() if isinstance(one, Track | Marks)])


def test_what_is_known_of_a_connection_has_a_bound() -> None:
    line, tracks = FaultLine([fault("reordered@item:1#0")]), Tracks()
    for number in range(MOST_TRACKED + 1):
        response = ResponseObject(id=f"r{number}")
        begun = Send(events.ResponseCreated(response=response))
        added = Send(added_to(f"r{number}"))
        assert line.apply([begun, added], tracks) == [begun]
    first, last = tracks.scene(Send(added_to("r0"))), tracks.scene(Send(added_to("r1000")))
    assert (first.response.id, first.item_ids) == (None, ())
    assert (last.response.id, last.item_ids) == ("r1000", ("i-r1000",))
    ended = Send(events.ResponseDone(response=ResponseObject(id="r0")))
    assert line.apply([ended], tracks) == [ended]  # what was held back is gone


def added_to(response_id: str) -> events.ResponseOutputItemAdded:
    item = Item(type="message", id=f"i-{response_id}")
    return events.ResponseOutputItemAdded(response_id=response_id, output_index=0, item=item)


# -- what becomes of the response --


def test_it_dies_and_leaves_its_slot() -> None:
    desk = Desk(SCRIPT, fault("response-error"))
    stream = ask(desk)
    assert told(stream)[:-1] == until(DELTA, 3)
    assert refusal(desk.say("response.cancel")).code == "response_cancel_not_active"
    assert told(ask(desk)) == HEALTHY


def test_it_dies_before_it_was_created() -> None:
    (only_frame,) = raw_objects(exchange("response-error-metadata@before-created"))
    assert only_frame["metadata"] == {"key": "k1"}


def test_it_stalls_until_it_is_cancelled() -> None:
    desk = Desk(SCRIPT, fault("silence-mid-audio"))
    assert told(ask(desk)) == until(DELTA, 3)
    assert refusal(desk.say("response.create")).code == "conversation_already_has_active_response"
    assert types(desk.say("response.cancel"))[-2:] == ["response.done", "rate_limits.updated"]
    assert told(ask(desk)) == HEALTHY


def test_what_was_said_in_the_same_breath_is_lost_too() -> None:
    script = Script(Turn(None, Speech("All at once", bytes(48000), pace=1e9), thinking=0.0))
    assert told(exchange("silence-after-created", script=script)) == ["response.created"]


def test_it_falls_silent_for_good() -> None:
    desk = Desk(SCRIPT, fault("silence-for-good"))
    assert told(ask(desk)) == until(DELTA, 3)
    assert types(desk.say("response.cancel")) == ["rate_limits.updated"]
    assert told(ask(desk)) == HEALTHY


def test_it_was_swallowed() -> None:
    desk = Desk(SCRIPT, fault("swallowed"))
    assert ask(desk) == []
    assert told(ask(desk)) == HEALTHY
