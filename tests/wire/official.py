"""OpenAI's own event types, as the `openai` package generates them, and examples of them.

The package's pydantic models are the only statement of the protocol that a machine can read, so our
structs are held against them.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from hypothesis import strategies as st
from openai.types.beta.realtime.realtime_server_event import (
    RealtimeServerEvent as BetaServerEvent,
)
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import BaseModel

Model: TypeAlias = type[BaseModel]
Json: TypeAlias = Any

AUDIO = {
    ("ResponseAudioDeltaEvent", "delta"),
    ("InputAudioBufferAppendEvent", "audio"),
    ("Content", "audio"),
    ("Part", "audio"),
}
"""(model, member) that is base64; to the package it is any string."""

GIVEN = {("RealtimeResponse", "output"), ("Content", "type"), ("Part", "type")}
"""(model, member) that the package lets be absent or ``null``, and no server leaves out."""


def choices(wanted: Any) -> tuple[Any, ...]:
    """The members of a union, flat and without annotations; of anything else, itself."""
    if get_origin(wanted) is Annotated:
        return choices(get_args(wanted)[0])
    if get_origin(wanted) in (Union, types.UnionType):
        return tuple(one for choice in get_args(wanted) for one in choices(choice))
    return (wanted,)


def by_type(union: Any) -> dict[str, Model]:
    """The events of a union by their type string."""
    return {get_args(event.model_fields["type"].annotation)[0]: event for event in choices(union)}


SERVER = by_type(RealtimeServerEvent)
CLIENT = by_type(RealtimeClientEvent)
BETA_SERVER = by_type(BetaServerEvent)


def is_model(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, BaseModel)


def models_in(wanted: Any) -> list[Model]:
    """The models that a member may hold, directly or in a list."""
    found: list[Model] = []
    for choice in choices(wanted):
        if is_model(choice):
            found.append(choice)
        elif get_origin(choice) is list:
            found += models_in(get_args(choice)[0])
    return found


def instances(model: Model) -> st.SearchStrategy[BaseModel]:
    """Valid instances of a model, with every combination of its optional members."""
    return objects(model).map(model.model_validate)


def objects(model: Model) -> st.SearchStrategy[dict[str, Json]]:
    """The same as plain JSON objects; an optional member is there, ``null`` or absent."""
    always: dict[str, st.SearchStrategy[Json]] = {}
    sometimes: dict[str, st.SearchStrategy[Json]] = {}
    for name, field in model.model_fields.items():
        place = (model.__name__, name)
        given = field.is_required() or place in GIVEN
        values = BASE64 if place in AUDIO else _values(field.annotation, null=not given)
        (always if given else sometimes)[name] = values
    return st.fixed_dictionaries(always, optional=sometimes)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
BASE64 = st.sampled_from(["", "AAAA", "gIA=", "/+8="])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
SIMPLE: dict[Any, st.SearchStrategy[Json]] = {
    str: TEXT,
    int: st.integers(0, 2**40),
    float: st.floats(0, 1e9),
    bool: st.booleans(),
    type(None): st.none(),
    object: st.dictionaries(TEXT, JSON, max_size=2),
}


def _values(wanted: Any, *, null: bool = True) -> st.SearchStrategy[Json]:
    return st.one_of([_one(c) for c in choices(wanted) if null or c is not type(None)])


def _one(wanted: Any) -> st.SearchStrategy[Json]:
    if is_model(wanted):
        return st.deferred(lambda: objects(wanted))
    made: dict[Any, Callable[..., st.SearchStrategy[Json]]] = {
        Literal: lambda *names: st.sampled_from(names),
        list: lambda inner: st.lists(_values(inner), max_size=2),
        dict: lambda key, inner: st.dictionaries(_values(key), _values(inner), max_size=2),
    }
    origin = get_origin(wanted)
    return made[origin](*get_args(wanted)) if origin in made else SIMPLE[wanted]
