"""The second reading: what the typed decoder refused, member by member.

One alien member voids a whole message in msgspec. Here each member is fitted on its own: one that
does not fit becomes its default, or blank where it has none. So an event that settles something is
read even when its body is alien. The walk follows our own types, never the depth of the data.
"""

from __future__ import annotations

import json
import types
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from rejoinder.wire.items import ItemError
from rejoinder.wire.plain import REFUSALS
from rejoinder.wire.response import ErrorBody, StatusDetails

S = TypeVar("S", bound=msgspec.Struct)

BARE: dict[object, str] = {ErrorBody: "message", ItemError: "message", StatusDetails: "type"}
"""Objects that servers also send as a bare string, and the member that the string is."""

SPELLED = frozenset({"message", "arguments", "output"})
"""Texts that servers also send as an object: read as its JSON text. Never what is spoken."""

_BLANKS: dict[object, Any] = {str: "", int: 0, float: 0.0}


class Unfit(Exception):
    """No reading of the value fits the type."""


def build(struct: type[S], value: dict[str, Any]) -> S:
    """Make a struct of what fits; raises ``Unfit`` when its essence is missing or does not."""
    members = {}
    for field in msgspec.structs.fields(struct):
        try:
            members[field.name] = _member(field, value)
        except Unfit:
            if field.name == getattr(struct, "essence", None):
                raise
            if field.required:
                members[field.name] = _blank(field.type)
    return struct(**members)


def fit(wanted: Any, value: Any) -> Any:
    """Read the value as the wanted type, as much of it as fits; raises ``Unfit`` if nothing does."""
    try:
        return msgspec.convert(value, wanted, strict=False)
    except REFUSALS:
        return _apart(_choices(wanted), value)


def _member(field: msgspec.structs.FieldInfo, value: dict[str, Any]) -> Any:
    if field.encode_name not in value:
        raise Unfit
    given = value[field.encode_name]
    if field.name in SPELLED and isinstance(given, dict | list) and str in _choices(field.type):
        return _spelled(given)
    return fit(field.type, given)


def _apart(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if isinstance(value, dict) and _is_struct(choice):
            return build(choice, value)
        if isinstance(value, str) and choice in BARE:
            return choice(**{BARE[choice]: value})
        if isinstance(value, list) and get_origin(choice) is list:
            return _fitting(get_args(choice)[0], value)
    if str in choices and isinstance(value, int | float):
        return _spelled(value)
    raise Unfit


def _fitting(wanted: Any, values: list[Any]) -> list[Any]:
    kept = []
    for value in values:
        try:
            kept.append(fit(wanted, value))
        except Unfit:
            continue
    return kept


def _spelled(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except REFUSALS as error:
        raise Unfit from error


def _blank(wanted: Any) -> Any:
    choice = _choices(wanted)[0]
    if _is_struct(choice):
        return build(choice, {})
    return [] if get_origin(choice) is list else _BLANKS[choice]


@cache
def _choices(wanted: Any) -> tuple[Any, ...]:
    """The members of a union, without their annotations; a single type is a union of one."""
    if get_origin(wanted) is Annotated:
        return _choices(get_args(wanted)[0])
    if get_origin(wanted) in (Union, types.UnionType):
        return tuple(one for choice in get_args(wanted) for one in _choices(choice))
    return (wanted,)


def _is_struct(choice: Any) -> bool:
    return isinstance(choice, type) and issubclass(choice, msgspec.Struct)
