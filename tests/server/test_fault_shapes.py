"""What faults say: the shapes that servers, gateways and networks were seen to send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rejoinder.server import frames
from rejoinder.server.core import EXPIRED
from rejoinder.server.effects import Abort, GoDown, Hangup, Send, SendRaw, SlowDown
from rejoinder.server.faults.catalogue import FAULTS, POINTS, fault, point
from rejoinder.server.faults.fault import Fault
from rejoinder.server.faults.strikes import (
    FOREIGN_CALL,
    FOREIGN_ITEM,
    FOREIGN_RESPONSE,
    WHAT_FAILED,
)
from rejoinder.server.script import Call, Script, Text, Turn
from rejoinder.server.shapes import Nested, shaped
from rejoinder.wire import codec
from rejoinder.wire import server_events as events
from rejoinder.wire.response import StatusDetails
from tests.server.desk import Desk, every, only, refusal, sent, types
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

# -- shapes --


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("response-error", {"response_id": "resp_c1_0001"}),
        ("response-error-unnamed", {}),
        ("response-error-metadata", {"metadata": {"key": "k1"}}),
    ],
)
def test_response_error_names_its_response_in_one_way_or_in_none(
    name: str, members: dict[str, Any]
) -> None:
    (frame,) = raw_objects(exchange(name))
    body = {"type": "server_error", "code": "inference_failed", "message": WHAT_FAILED}
    assert frame == {"type": "response.error", "error": body, **members}
    read_back = codec.decode_server(json.dumps(frame))
    assert isinstance(read_back, events.ResponseError)


def test_other_shapes_of_a_terminal_failure() -> None:
    (frame,) = raw_objects(exchange("response-error-event-id"))
    assert frame["error"]["event_id"] == "c1"
    (frame,) = raw_objects(exchange("response-error-flat"))
    assert (frame["code"], frame["message"]) == ("inference_failed", WHAT_FAILED)
    (frame,) = raw_objects(exchange("response-error-text"))
    assert frame["error"] == WHAT_FAILED
    (frame,) = raw_objects(exchange("response-error-bare"))
    assert frame == {"type": "response.error"}
    for kind in ("failed", "cancelled", "incomplete"):
        (frame,) = raw_objects(exchange(f"response-{kind}"))
        assert frame["type"] == f"response.{kind}"
        assert frame["response"]["id"] == "resp_c1_0001"
        assert frame["response"]["status_details"]["error"]["message"] == WHAT_FAILED


def test_errors_name_nobody_somebody_else_or_the_request() -> None:
    (frame,) = raw_objects(exchange("error-unnamed"))
    assert frame["error"]["event_id" if "event_id" in frame["error"] else "param"] is None
    (frame,) = raw_objects(exchange("error-foreign-id"))
    assert frame["error"]["event_id"] == FOREIGN_ITEM
    (frame,) = raw_objects(exchange("error-event-id-then-silence"))
    assert frame["error"]["event_id"] == "c1"


@pytest.mark.parametrize(
    ("name", "status", "details"),
    [
        ("done-completed", "completed", None),
        ("done-failed-no-details", "failed", None),
        ("done-unknown-status", "evaporated", None),
        (
            "done-incomplete",
            "incomplete",
            StatusDetails(type="incomplete", reason="max_output_tokens"),
        ),
        (
            "done-interrupted",
            "cancelled",
            StatusDetails(type="cancelled", reason="turn_detected"),
        ),
    ],
)
def test_strange_ends_stand_in_the_place_of_the_end(
    name: str, status: str, details: StatusDetails | None
) -> None:
    stream = exchange(name)
    assert told(stream) == HEALTHY
    done = only(events.ResponseDone, sent(stream)).response
    assert (done.status, done.status_details, done.metadata) == (status, details, {"key": "k1"})
    assert done.output == []


def test_strange_ends_may_come_early() -> None:
    stream = exchange("done-failed@delta:2")
    assert told(stream) == [*until(DELTA, 2), "response.done"]
    details = only(events.ResponseDone, sent(stream)).response.status_details
    assert details is not None
    assert details.error is not None
    assert details.error.message == WHAT_FAILED


def test_an_end_may_be_plain_json() -> None:
    (frame,) = raw_objects(exchange("done-failed-text-details"))
    assert frame["response"]["status_details"] == "the model crashed"
    (frame,) = raw_objects(exchange("done-no-id"))
    assert frame["response"]["id"] is None


def test_an_error_and_then_the_end() -> None:
    stream = told(exchange("error-then-done"))
    assert stream[-3].startswith('raw {"type":"error"')
    assert stream[-2:] == ["response.done", "rate_limits.updated"]


def test_a_refusal_answers_the_request() -> None:
    (effect,) = exchange("busy")
    assert isinstance(effect, Send)
    assert isinstance(effect.event, events.Error)
    error = effect.event.error
    assert (error.code, error.event_id) == ("conversation_already_has_active_response", "c1")
    (effect,) = exchange("busy-unnamed")
    assert isinstance(effect, Send)
    assert isinstance(effect.event, events.Error)
    assert effect.event.error.event_id is None


def test_foreign_and_stale_events() -> None:
    delta = every(events.ResponseOutputAudioDelta, sent(exchange("foreign-delta")))[3]
    assert (delta.response_id, delta.item_id) == (FOREIGN_RESPONSE, FOREIGN_ITEM)
    done = every(events.ResponseDone, sent(exchange("foreign-done")))[0]
    assert done.response.id == FOREIGN_RESPONSE
    begun = every(events.ResponseCreated, sent(exchange("foreign-response-unended")))[1]
    assert (begun.response.id, begun.response.metadata) == (FOREIGN_RESPONSE, None)
    assert len(every(events.ResponseDone, sent(exchange("foreign-response")))) == 2
    late = every(events.ResponseOutputAudioDelta, sent(exchange("delta-after-done")))[-1]
    assert (late.response_id, late.item_id) == ("resp_c1_0001", "item_c1_0001")
    early = every(events.ResponseOutputAudioDelta, sent(exchange("delta-after-done@created")))[0]
    assert early.item_id == FOREIGN_ITEM


OF_THE_SERVICE = (
    *("error-unnamed", "error-then-silence", "error-then-done", "refused", "busy-unnamed"),
    *("done-failed", "done-failed-text-details", "done-without-created", "delta-null"),
    *("foreign-delta", "foreign-done", "foreign-response", "delta-after-done"),
)


@pytest.mark.parametrize("name", OF_THE_SERVICE)
def test_what_a_fault_says_has_an_id_of_its_own_like_any_event(name: str) -> None:
    stream = exchange(name)
    ids = [event.event_id for event in sent(stream)]
    ids += [frame.get("event_id") for frame in raw_objects(stream)]
    assert all(ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("delta-null", {"delta": None}),
        ("delta-missing", {}),
        ("delta-number", {"delta": 7}),
        ("delta-not-base64", {"delta": "*** not base64 ***"}),
    ],
)
def test_broken_deltas_belong_to_the_response(name: str, frame: dict[str, Any]) -> None:
    (found,) = raw_objects(exchange(name))
    place = {"output_index": 0, "content_index": 0}
    where = {"response_id": "resp_c1_0001", "item_id": "item_c1_0001", **place}
    assert found == {"type": DELTA, "event_id": found["event_id"], **where, **frame}
    (found,) = raw_objects(exchange(f"{name}@created"))
    assert found["item_id"] == FOREIGN_ITEM


def test_binary_frames_are_binary() -> None:
    (frame,) = [one for one in exchange("frame-binary") if isinstance(one, SendRaw)]
    assert isinstance(frame.frame, bytes)


# -- streams that are a little different --


def test_things_left_out() -> None:
    stream = sent(exchange("no-metadata"))
    assert only(events.ResponseCreated, stream).response.metadata is None
    assert only(events.ResponseDone, stream).response.metadata is None
    assert types(stream) == HEALTHY
    assert {event.event_id for event in sent(exchange("no-event-ids"))} == {None}
    assert only(events.ResponseDone, sent(exchange("no-output-in-done"))).response.output == []
    assert "response.done" not in told(exchange("no-done"))
    mirror = [name for name in HEALTHY if not name.startswith("conversation.item")]
    assert told(exchange("no-conversation-items")) == mirror
    desk = Desk(SCRIPT, fault("no-session-created"), fault("no-error-event-id"))
    assert desk.greeting == []
    assert refusal(desk.say("response.cancel", event_id="c9")).event_id is None


def test_altered_streams_alter_only_what_they_mean() -> None:
    desk = Desk(
        SCRIPT,
        Fault("odd", point("instead-any:0"), FAULTS["no-error-event-id"].strike, response=0),
        Fault("odd", point("instead-any:0"), FAULTS["no-output-in-done"].strike, response=0),
        Fault("odd", point("instead-any:0"), FAULTS["no-metadata"].strike, response=0),
    )
    assert types(desk.write("x")) == ["conversation.item.added", "conversation.item.done"]


def test_things_twice() -> None:
    stream = told(exchange("duplicates"))
    for name in set(HEALTHY):
        times = 2 if name.startswith("response.") else 1
        assert stream.count(name) == HEALTHY.count(name) * times
    assert told(exchange("duplicate-done")).count("response.done") == 2


def test_things_out_of_order() -> None:
    stream = told(exchange("late-created"))
    assert sorted(stream) == sorted(HEALTHY)
    assert stream.index("response.created") > stream.index(DELTA)
    stream = told(exchange("late-item"))
    assert stream.index("response.output_item.added") > stream.index(DELTA)


def test_things_that_come_later() -> None:
    desk = Desk(SCRIPT, fault("late-response"))
    early = told(ask(desk, seconds=14.9))
    assert [name for name in early if name.startswith("response.")] == []
    late = told(desk.effects(2.0))
    expected = [name for name in HEALTHY if name.startswith("response.")]
    assert [name for name in late if name.startswith("response.")] == expected


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("call-incomplete", "status", "incomplete"),
        ("call-without-arguments", "arguments", ""),
        ("call-without-id", "call_id", None),
        ("call-without-name", "name", None),
    ],
)
def test_calls_that_lack_something(name: str, member: str, value: str | None) -> None:
    script = Script(Turn(None, Text("Hm."), Call("f", {"a": 1})))
    stream = sent(exchange(name, script=script))
    message, call = every(events.ResponseOutputItemDone, stream)
    assert message.item.status == "completed"
    assert getattr(call.item, member) == value


# -- ends of connections --


def test_connections_end() -> None:
    assert told(exchange("close-1011")) == [*until(DELTA, 3), "Hangup"]
    assert Hangup(4004, "fault") in exchange("close-4004")
    assert Abort() in exchange("abort")
    assert Hangup(1013, "insufficient_quota.insufficient_quota") in exchange("quota-close")
    expiry = exchange("expiry")
    assert isinstance(expiry[-1], Hangup)
    assert expiry[-1].code == 1001
    assert told(expiry)[:-2] == until(DELTA, 3)


# -- edits --


def test_an_edit_is_refused_or_never_answered_and_the_next_is_not() -> None:
    desk = Desk(SCRIPT, fault("item-refused"), fault("update-swallowed"))
    error = refusal(desk.write("one", id="u1"))
    assert error.code == "invalid_value"
    assert types(desk.write("two")) == ["conversation.item.added", "conversation.item.done"]
    assert desk.configure() == []
    assert types(desk.configure()) == ["session.updated"]
    desk = Desk(SCRIPT, fault("item-swallowed"), fault("update-refused"))
    assert desk.write("one") == []
    assert refusal(desk.configure()).code == "invalid_value"


def test_an_item_is_called_otherwise() -> None:
    (added,) = Desk(SCRIPT, fault("item-renamed")).write("one", id="u1")
    assert isinstance(added, events.ConversationItemAdded)
    assert added.item.id == "their_u1"


def test_items_of_a_response_are_not_edits() -> None:
    assert told(exchange("item-swallowed")) == HEALTHY


def test_a_call_that_is_told_only_at_the_end() -> None:
    script = Script(Turn(None, Text("Hm."), Call("f", {"a": 1})))
    stream = sent(exchange("call-only-in-done", script=script))
    assert [one.item.type for one in every(events.ResponseOutputItemDone, stream)] == ["message"]
    assert every(events.ResponseFunctionCallArgumentsDone, stream) == []
    assert [item.type for item in only(events.ResponseDone, stream).response.output] == [
        "message",
        "function_call",
    ]


@pytest.mark.parametrize("name", ["transcription-failed", "duplicate-transcription"])
def test_transcripts_go_wrong(name: str) -> None:
    desk = Desk(Script(Turn("Hm?")), fault(name))
    desk.configure(
        audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
    )
    desk.hear(bytes(9600))
    committed = only(events.InputAudioBufferCommitted, desk.say("input_audio_buffer.commit"))
    stream = desk.run()
    if name == "duplicate-transcription":
        whole = every(events.ConversationItemInputAudioTranscriptionCompleted, stream)
        assert len(whole) == 2
        return
    failure = only(events.ConversationItemInputAudioTranscriptionFailed, stream)
    assert (failure.item_id, failure.error.code) == (committed.item_id, "audio_unintelligible")


def test_a_large_frame_is_large() -> None:
    (frame,) = [one for one in exchange("frame-large") if isinstance(one, SendRaw)]
    assert len(frame.frame) > 5 * 1024 * 1024


# -- events under wrong names --


def test_events_of_another_response_item_or_call() -> None:
    delta = every(events.ResponseOutputAudioDelta, sent(exchange("wrong-response-id")))[2]
    assert (delta.response_id, delta.item_id) == (FOREIGN_RESPONSE, "item_c1_0001")
    done = only(events.ResponseDone, sent(exchange("wrong-response-id@done")))
    assert done.response.id == FOREIGN_RESPONSE
    delta = every(events.ResponseOutputAudioDelta, sent(exchange("wrong-item-id")))[2]
    assert (delta.response_id, delta.item_id) == ("resp_c1_0001", FOREIGN_ITEM)
    added = only(events.ResponseOutputItemAdded, sent(exchange("wrong-item-id@item")))
    assert added.item.id == FOREIGN_ITEM
    script = Script(Turn(None, Text("Hm."), Call("f", {"a": 1})))
    message, call = every(
        events.ResponseOutputItemDone, sent(exchange("wrong-call-id", script=script))
    )
    assert (message.item.call_id, call.item.call_id) == (None, FOREIGN_CALL)
    stream = sent(exchange("wrong-call-id@arguments", script=script))
    arguments, *_ = every(events.ResponseFunctionCallArgumentsDelta, stream)
    assert arguments.call_id == FOREIGN_CALL


def test_an_event_of_another_type_and_in_another_frame() -> None:
    (frame,) = raw_objects(exchange("wrong-type@delta:1"))
    assert frame["type"] not in POINTS.values()
    assert frame["delta"]
    effects = [shaped(one, Nested()) for one in exchange("event-binary")]
    binary = [
        one.frame for one in effects if isinstance(one, SendRaw) and isinstance(one.frame, bytes)
    ]
    assert [json.loads(frame)["type"] for frame in binary] == ["response.done"]


def test_an_answer_in_text_instead_of_sound() -> None:
    stream = sent(exchange("answers-in-text"))
    assert not [name for name in types(stream) if "audio" in name]
    deltas = every(events.ResponseOutputTextDelta, stream)
    assert "".join(delta.delta for delta in deltas) == ANSWER.transcript
    assert only(events.ResponseOutputTextDone, stream).text == ANSWER.transcript
    assert only(events.ResponseContentPartDone, stream).part.type == "text"
    response = only(events.ResponseDone, stream).response
    assert response.output_modalities == ["text"]
    (item,) = response.output
    assert [(part.type, part.text) for part in item.content or []] == [
        ("output_text", ANSWER.transcript)
    ]
    assert {event.event_id is None for event in stream} == {False}


def test_an_answer_in_text_leaves_the_rest_as_it_is() -> None:
    script = Script(Turn(None, Text("Hm."), Call("f", {"a": 1})))
    written, healthy = exchange("answers-in-text", script=script), exchange(script=script)
    ends = [only(events.ResponseDone, sent(one)).response for one in (written, healthy)]
    assert ends[0].output[1] == ends[1].output[1]
    desk = Desk(script, fault("answers-in-text"))
    assert types(desk.write("x")) == ["conversation.item.added", "conversation.item.done"]


# -- pauses --


def test_a_response_pauses_and_goes_on() -> None:
    desk = Desk(SCRIPT, fault("pause-6"))
    assert told(ask(desk, 5.9)) == until(DELTA, 3)
    assert told(desk.effects(5.0)) == HEALTHY[len(until(DELTA, 3)) :]


def test_a_response_that_pauses_can_be_cancelled() -> None:
    desk = Desk(SCRIPT, fault("pause-60"))
    ask(desk)
    assert types(desk.say("response.cancel"))[-2:] == ["response.done", "rate_limits.updated"]
    assert desk.run(120.0) == []


def test_a_response_that_is_gone_or_stalls_does_not_go_on() -> None:
    desk = Desk(SCRIPT, fault("silence-mid-audio"), fault("pause-1"))
    assert told(ask(desk, 30.0)) == until(DELTA, 3)
    desk = Desk(SCRIPT, fault("response-error"), fault("pause-1"))
    assert len(told(ask(desk, 30.0))) == len(until(DELTA, 3)) + 1


# -- bytes --


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_of_any_size(size: int) -> None:
    whole = frames.frame(frames.BINARY, bytes(size))
    assert whole[0] == 0x82
    assert len(whole) == size + (2 if size < 126 else 4 if size < 65536 else 10)
    assert frames.fragments(frames.TEXT, b"", 16) == frames.frame(frames.TEXT, b"")


def test_wire_faults_are_effects_in_their_place() -> None:
    assert told(exchange("frame-half"))[len(until(DELTA, 3)) :][:2] == ["SendFramed", "StopWriting"]
    assert told(exchange("half-open"))[len(until(DELTA, 3)) :][:2] == ["StopReading", "StopWriting"]
    assert told(exchange("close-none")) == [*until(DELTA, 3), "SendBytes", "Cut"]
    assert told(exchange("cut")) == [*until(DELTA, 3), "Cut"]
    assert exchange("goes-down-1.5")[-1] == GoDown(1.5)
    assert SlowDown(9) in exchange("slow-loris-9")
    assert Hangup(1001, EXPIRED) in exchange("close-1001-expired")
