"""Every event against the official `openai` package's types, both ways."""

from __future__ import annotations

import json
import re
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields
from pydantic import BaseModel

from rejoinder.wire import codec
from rejoinder.wire.client_events import ClientEvent
from rejoinder.wire.dialects import CANONICAL
from rejoinder.wire.server_events import GaServerEvent
from tests.wire import official

Struct = type[msgspec.Struct]


def tag(struct: Struct) -> str:
    return str(struct.__struct_config__.tag)


OURS: dict[str, Struct] = {tag(e): e for e in (*get_args(GaServerEvent), *get_args(ClientEvent))}

DELIBERATE = {
    ("InputAudioBufferDtmfEventReceived", "event_id"): "every event of ours can hold one",
    ("ContentPart", "id"): "the beta's item_reference part has one",
    ("SessionObject", "id"): "on the wire in session.created, untyped there",
    ("SessionObject", "object"): "on the wire in session.created, untyped there",
    ("SessionObject", "expires_at"): "on the wire in session.created, untyped there",
    ("ResponseOutputAudioTranscriptDelta", "start_time"): "an addition of some servers",
}
"""(struct, member) that only we have, and why. The other way round there is none."""


def test_there_are_46_server_events_and_11_client_events() -> None:
    assert len(get_args(GaServerEvent)) == len(official.SERVER) == 46
    assert len(get_args(ClientEvent)) == len(official.CLIENT) == 11


def test_both_have_the_same_events() -> None:
    assert {tag(event) for event in get_args(GaServerEvent)} == official.SERVER.keys()
    assert {tag(event) for event in get_args(ClientEvent)} == official.CLIENT.keys()


@pytest.mark.parametrize("name", OURS)
def test_a_class_is_named_after_its_type_string(name: str) -> None:
    assert OURS[name].__name__ == "".join(w.capitalize() for w in re.split(r"[._]", name))


def test_both_have_the_same_members_but_for_the_deliberate_differences() -> None:
    theirs: dict[Struct, set[str]] = {}
    for name, model in (official.SERVER | official.CLIENT).items():
        collect(OURS[name], model, theirs)
    ours = {struct: {f.encode_name for f in fields(struct)} for struct in theirs}
    only_ours = {(s.__name__, name) for s in ours for name in ours[s] - theirs[s]}
    only_theirs = {(s.__name__, name) for s in ours for name in theirs[s] - ours[s]}
    assert only_ours == DELIBERATE.keys()
    assert {name for _, name in only_theirs} == {"type"}, "the tag is no field, all else is"
    assert {name for name, _ in only_theirs} == {event.__name__ for event in OURS.values()}


def collect(struct: Struct, model: official.Model, theirs: dict[Struct, set[str]]) -> None:
    """Note which members the package gives to what we hold in ``struct``, here and below."""
    theirs.setdefault(struct, set()).update(model.model_fields)
    for field in fields(struct):
        known = model.model_fields.get(field.encode_name)
        for inner in official.models_in(known.annotation) if known else ():
            for ours in structs_in(field.type):
                collect(ours, inner, theirs)


def structs_in(wanted: Any) -> list[Struct]:
    found: list[Struct] = []
    for choice in official.choices(wanted):
        if get_origin(choice) is list:
            found += structs_in(get_args(choice)[0])
        elif isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            found.append(choice)
    return found


# --- examples, there and back --------------------------------------------------------------------


def without_nulls(value: Any) -> Any:
    """What a reader sees: absent and ``null`` are the same to it."""
    match value:
        case dict():
            return {k: without_nulls(v) for k, v in value.items() if v is not None}
        case list():
            return [without_nulls(each) for each in value]
        case _:
            return value


def plain(model: BaseModel) -> Any:
    return without_nulls(model.model_dump(mode="json"))


EXAMPLES = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])


@EXAMPLES
@pytest.mark.parametrize("name", official.SERVER)
@given(data=st.data())
def test_a_server_event_goes_there_and_back(name: str, data: st.DataObject) -> None:
    model = official.SERVER[name]
    theirs = data.draw(official.instances(model))
    ours = codec.decode_server(theirs.model_dump_json(exclude_unset=True))
    assert type(ours) is OURS[name]
    assert plain(model.model_validate_json(codec.encode(ours))) == plain(theirs)
    assert codec.decode_server(codec.encode(ours)) == ours


@EXAMPLES
@pytest.mark.parametrize("name", official.CLIENT)
@given(data=st.data())
def test_a_client_event_goes_there_and_back(name: str, data: st.DataObject) -> None:
    model = official.CLIENT[name]
    theirs = data.draw(official.instances(model))
    ours = codec.decode_client(theirs.model_dump_json(exclude_unset=True))
    assert type(ours) is OURS[name]
    assert plain(model.model_validate_json(codec.encode(ours))) == plain(theirs)
    assert codec.decode_client(codec.encode(ours)) == ours


@EXAMPLES
@pytest.mark.parametrize("name", official.BETA_SERVER)
@given(data=st.data())
def test_a_beta_event_is_read_as_the_event_it_became(name: str, data: st.DataObject) -> None:
    theirs = data.draw(official.instances(official.BETA_SERVER[name]))
    ours = codec.decode_server(theirs.model_dump_json(exclude_unset=True))
    assert isinstance(ours, CANONICAL[name] if name in CANONICAL else OURS[name])


def test_every_beta_name_is_known() -> None:
    known = official.SERVER.keys() | CANONICAL.keys()
    assert official.BETA_SERVER.keys() <= known
    documented_only = {"transcription_session.created"}
    assert known - official.SERVER.keys() - documented_only <= official.BETA_SERVER.keys()


@EXAMPLES
@given(data=st.data())
def test_a_session_update_keeps_absent_null_and_value_apart(data: st.DataObject) -> None:
    theirs = data.draw(official.instances(official.CLIENT["session.update"]))
    ours = codec.decode_client(theirs.model_dump_json(exclude_unset=True))
    there, back = theirs.model_dump_json(exclude_unset=True), codec.encode(ours)
    assert json.loads(back)["session"] == json.loads(there)["session"]
