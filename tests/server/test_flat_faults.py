"""Faults in a session of the older shape: what they break is broken in that shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rejoinder.server.effects import Effect, SendBytes, SendRaw
from rejoinder.server.faults.catalogue import FAULTS, fault
from rejoinder.server.flat import Flat
from rejoinder.server.script import Call, Script, Speech, Turn
from rejoinder.server.serve import serve
from rejoinder.server.shapes import shaped
from rejoinder.testing import Run
from tests.server.desk import Desk
from tests.server.stream import ask
from tests.server.test_serve import connected

SCRIPT = Script(otherwise=Turn(None, Speech("One two three four."), Call("f", {"a": 1})))
TODAY = (
    "output_audio.",
    "output_audio_tr",
    "output_text",
    "output_mod",
    "item.added",
    "item.done",
    "audio/pcm",
)
"""What no frame of the older shape has in it, but in the name of an output item's event."""


def said(*names: str) -> list[str | bytes]:
    """All that goes out for one `response.create`."""
    shape = Flat("realtime")
    desk = Desk(SCRIPT, *(fault(name) for name in names))
    effects: list[Effect | None] = [shaped(one, shape) for one in ask(desk, 30.0)]
    frames: list[str | bytes] = []
    for effect in effects:
        frames += [effect.frame] if isinstance(effect, SendRaw) else []
        frames += [effect.data] if isinstance(effect, SendBytes) else []
    return frames


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"frame-huge"}))
def test_no_fault_speaks_of_today(name: str) -> None:
    for frame in said(name):
        text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
        text = text.replace("response.output_item.", "")
        assert [word for word in TODAY if word in text] == [], text[:200]


def objects(*names: str) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in said(*names) if isinstance(frame, str)]


@pytest.mark.parametrize("name", ["delta-null", "delta-missing", "delta-number", "delta-empty"])
def test_broken_audio_has_its_older_name(name: str) -> None:
    deltas = [one for one in objects(name) if one["type"] == "response.audio.delta"]
    assert deltas[3].get("delta") in (None, 7, "")
    assert deltas[3]["item_id"] == deltas[0]["item_id"]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("done-failed-text-details", {"status_details": "the model crashed"}),
        ("done-no-status", {"status": None}),
        ("done-no-id", {"id": None}),
        ("done-unnamed-without-created", {"metadata": None, "status": "completed"}),
    ],
)
def test_a_broken_end_is_flat(name: str, changed: dict[str, Any]) -> None:
    (done,) = [one for one in objects(name) if one["type"] == "response.done"]
    response = done["response"]
    assert {member: response[member] for member in changed} == changed
    assert (response["modalities"], response["temperature"]) == (["audio", "text"], 0.8)


@pytest.mark.parametrize("name", ["done-null", "done-no-body", "done-text-body"])
def test_an_end_that_is_none_stays_as_it_is(name: str) -> None:
    (done,) = [one for one in objects(name) if one["type"] == "response.done"]
    assert done.get("response") in (None, "over")


def test_what_only_looks_like_an_event_stays_as_it_is() -> None:
    frame = '{"type":"response.output_audio.delta","n":1e999}'
    assert Flat("realtime").retold(frame) == frame


def test_what_the_older_shape_has_no_word_for_is_in_no_other_frame_either() -> None:
    assert "conversation.item.done" not in str(said("event-binary@conversation.item.done:1#0"))


@pytest.mark.parametrize("name", ["frame-fragmented", "event-binary@delta:3"])
def test_an_event_in_another_frame_is_the_same_event(run: Run, name: str) -> None:
    async def exchange() -> None:
        async with (
            serve(SCRIPT, faults=[name], dialect="flat") as server,
            connected(server) as client,
        ):
            await client.say("response.create")
            deltas = 0
            while (kind := json.loads((await client.socket.receive()).data)["type"]) != (
                "response.done"
            ):
                deltas += kind == "response.audio.delta"
            assert deltas == 12

    run(exchange())
