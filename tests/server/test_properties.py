"""Whatever a client says, in whatever order: nothing raises, everything ends, the mirror agrees."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rejoinder.server.faults.catalogue import FAULTS
from rejoinder.server.script import Call, Pause, Script, Speech, Text, Turn
from rejoinder.wire import server_events as events
from rejoinder.wire.server_events import ServerEvent
from tests.server.desk import Desk, base64_of, every, types
from tests.server.signals import silence, vowel

LOUD = base64_of(vowel(0.4).tobytes())
QUIET = base64_of(silence(0.4).tobytes())
REPLY = Turn(
    None, Speech("One two three.", bytes(24000), pace=1), Call("f", {"a": 1}, "call_f"), Pause(0.5)
)

IDS = st.sampled_from(["u1", "u2", "item_c1_0001", "resp_c1_0001", "", "root", "no such id!"])


def said(kind: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind)}, optional=members)


PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "output_text", "input_audio", "input_image", "odd"])},
    optional={"text": st.just("hello"), "audio": st.just(QUIET), "image_url": st.just("data:,")},
)
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output", "odd"])},
    optional={
        "id": IDS,
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": st.lists(PART, max_size=2),
        "call_id": st.sampled_from(["call_f", "call_x"]),
        "name": st.just("f"),
        "arguments": st.just("{}"),
        "output": st.just("4"),
    },
)
DETECTION = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["server_vad", "semantic_vad"])},
    optional={
        "interrupt_response": st.booleans(),
        "create_response": st.booleans(),
        "idle_timeout_ms": st.sampled_from([5000, 100]),
    },
)
HEARING = st.fixed_dictionaries(
    {},
    optional={
        "turn_detection": DETECTION,
        "transcription": st.none() | st.just({"model": "whisper-1"}),
        "format": st.sampled_from([{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}]),
    },
)
SESSION = st.fixed_dictionaries(
    {"type": st.just("realtime")}, optional={"audio": st.fixed_dictionaries({"input": HEARING})}
)
RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none"]),
        "input": st.lists(ITEM, max_size=2),
        "output_modalities": st.sampled_from([["audio"], ["text"], []]),
        "max_output_tokens": st.sampled_from([1, 5, "inf"]),
        "metadata": st.just({"key": "k"}),
    },
)
SAYING = st.one_of(
    said("session.update", session=SESSION),
    said("input_audio_buffer.append", audio=st.sampled_from([LOUD, QUIET, "AA==", "*"])),
    said("input_audio_buffer.commit"),
    said("input_audio_buffer.clear"),
    said("conversation.item.create", item=ITEM, previous_item_id=IDS),
    said("conversation.item.delete", item_id=IDS),
    said("conversation.item.retrieve", item_id=IDS),
    said(
        "conversation.item.truncate",
        item_id=IDS,
        content_index=st.just(0),
        audio_end_ms=st.sampled_from([0, 300, 10**9]),
    ),
    said("response.create", response=RESPONSE),
    said("response.cancel", response_id=IDS),
    said("output_audio_buffer.clear"),
    said("odd", member=st.just(1)),
)
STEPS = st.lists(SAYING | st.sampled_from([0.03, 0.3, 2.0]), max_size=25)


def held(desk: Desk, steps: list[Any]) -> list[ServerEvent]:
    told: list[ServerEvent] = []
    for step in steps:
        if isinstance(step, float):
            told += desk.run(step)
        else:
            told += desk.say(step.pop("type"), **step)
    return told


def mirror(told: list[ServerEvent]) -> list[str]:
    """The conversation as a client knows it by its events."""
    ids: list[str] = []
    for event in told:
        if isinstance(event, events.ConversationItemAdded):
            before = event.previous_item_id
            ids.insert(ids.index(before) + 1 if before else 0, event.item.id or "")
        elif isinstance(event, events.ConversationItemDeleted):
            ids.remove(event.item_id)
    return ids


@given(STEPS)
@settings(max_examples=150)
def test_whatever_is_said_every_response_ends_once_and_the_mirror_agrees(steps: list[Any]) -> None:
    desk = Desk(Script(otherwise=REPLY))
    told = held(desk, steps) + desk.run(60.0)
    created = [event.response.id for event in every(events.ResponseCreated, told)]
    done = [event.response.id for event in every(events.ResponseDone, told)]
    assert sorted(map(str, created)) == sorted(map(str, done))
    assert mirror(told) == [item.id for item in desk.session.conversation.items()]
    ids = [event.event_id for event in told]
    assert len(set(ids)) == len(ids)
    assert all(item.status != "in_progress" for item in desk.session.conversation.items())


@given(STEPS)
@settings(max_examples=100)
def test_within_a_response_everything_is_in_order(steps: list[Any]) -> None:
    desk = Desk(Script(otherwise=REPLY))
    told = held(desk, steps) + desk.run(60.0)
    for created in every(events.ResponseCreated, told):
        own = [event for event in told if response_of(event) == created.response.id]
        names = types(own)
        assert (names[0], names[-1]) == ("response.created", "response.done")
        for item in every(events.ResponseOutputItemDone, own):
            about = [event for event in own if getattr(event, "item_id", None) == item.item.id]
            assert own.index(item) > max(map(own.index, about), default=0)
        spoken = joined(every(events.ResponseOutputAudioTranscriptDelta, own))
        whole = "".join(
            event.transcript for event in every(events.ResponseOutputAudioTranscriptDone, own)
        )
        assert spoken == whole


def joined(deltas: list[events.ResponseOutputAudioTranscriptDelta]) -> str:
    return "".join(event.delta for event in deltas)


def response_of(event: ServerEvent) -> str | None:
    response = getattr(event, "response", None)
    named: str | None = response.id if response else getattr(event, "response_id", None)
    return named


@given(STEPS, st.lists(st.sampled_from(sorted(FAULTS)), max_size=4))
@settings(max_examples=100)
def test_faults_in_any_company_never_raise(steps: list[Any], names: list[str]) -> None:
    desk = Desk(Script(Turn("hello", Text("Hi.")), otherwise=REPLY), *map(FAULTS.get, names))  # type: ignore[arg-type]
    held(desk, steps)
    desk.run(60.0)
