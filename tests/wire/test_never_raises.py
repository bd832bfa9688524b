"""Whatever arrives, decoding returns an event; and what settles something is still that event."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rejoinder.wire import codec
from rejoinder.wire.client_events import ClientEvent
from rejoinder.wire.dialects import CANONICAL
from rejoinder.wire.server_events import GaServerEvent, ResponseError, ServerEvent, ServerEventBase
from rejoinder.wire.strange import MalformedFrame, UnknownEvent
from tests.wire import official

SERVER = {
    str(event.__struct_config__.tag): event for event in (*get_args(GaServerEvent), ResponseError)
}
WITHOUT_ESSENCE = sorted(name for name, event in SERVER.items() if event.essence is None)
NAMES = st.sampled_from(
    sorted({*SERVER, *CANONICAL, *official.CLIENT, "response.canceled", "ping"})
)

WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=6)
    | st.text(st.characters(categories=["Cs"]), max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON and a little more: huge numbers, NaN, infinities, halves of characters."""

MEMBERS = st.sampled_from(
    sorted(
        {name for model in official.SERVER.values() for name in model.model_fields}
        | {"code", "message", "metadata", "status", "status_details", "usage", "output", "id"}
    )
)
MANY = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])


def check(data: str | bytes) -> ServerEvent:
    """Decode from either side; what comes out can be written and read again."""
    asked = codec.decode_client(data)
    assert isinstance(asked, (*get_args(ClientEvent), UnknownEvent, MalformedFrame))
    event = codec.decode_server(data)
    assert isinstance(event, (ServerEventBase, UnknownEvent, MalformedFrame))
    if not isinstance(event, MalformedFrame):
        assert codec.decode_server(codec.encode(event)) == event
    return event


@MANY
@given(st.binary() | st.text() | st.text(st.characters(categories=["Cs", "Nd"])))
def test_any_bytes_and_any_text(data: str | bytes) -> None:
    check(data)


@MANY
@given(WILD)
def test_any_json(value: Any) -> None:
    check(json.dumps(value))


@MANY
@given(NAMES, st.dictionaries(MEMBERS, WILD, max_size=6))
def test_any_members_under_a_known_name(name: str, members: dict[str, Any]) -> None:
    event = check(json.dumps({**members, "type": name}))
    assert not isinstance(event, MalformedFrame)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, each in inner:
        found.append((*path, key))
        if isinstance(each, dict | list):
            found += places(each, (*path, key))
    return found


def spoil(event: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    at: Any = event
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value


@MANY
@given(st.data())
def test_a_spoiled_event_is_still_that_event_unless_its_essence_is_gone(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(WITHOUT_ESSENCE))
    model = official.SERVER.get(name, official.SERVER["error"])
    said = json.loads(json.dumps({**data.draw(official.objects(model)), "type": name}))
    for path in data.draw(st.lists(st.sampled_from(places(said)), max_size=3)):
        if path != ("type",) and path in places(said):
            spoil(said, path, data.draw(WILD))
    assert type(check(json.dumps(said))) is SERVER[name]


@MANY
@given(st.data())
def test_a_frame_cut_off_or_overwritten_anywhere(data: st.DataObject) -> None:
    model = official.SERVER[data.draw(st.sampled_from(sorted(official.SERVER)))]
    frame = bytearray(json.dumps(data.draw(official.objects(model))).encode())
    start = data.draw(st.integers(0, len(frame)))
    frame[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=4))
    check(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


def test_no_depth_is_too_deep() -> None:
    for depth in (10, 200, 500, 900, 1000, 1100, 2000, 100_000):
        for inner in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            check(f'{{"type":"response.done","response":{{"id":"r","metadata":{{"k":{inner}}}}}}}')
            check(f'{{"type":"error","error":{{"message":{inner}}}}}')
            check(inner)


def test_events_hold_only_what_json_holds() -> None:
    event = codec.decode_server(b'{"type":"session.created","session":{"tools":[{"n":NaN}]}}')
    assert msgspec.json.encode(event).count(b"null") == 2
