"""A frame as a client event, or as the error that the live service answers it with."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

import msgspec

from rejoinder.server import refusals
from rejoinder.server.refusals import Refusal
from rejoinder.wire import codec, plain
from rejoinder.wire.client_events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from rejoinder.wire.strange import MalformedFrame, UnknownEvent

Accepted: TypeAlias = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemTruncate
    | ConversationItemDelete
    | ConversationItemRetrieve
    | ResponseCreate
    | ResponseCancel
)
"""What the live service lists as accepted on a WebSocket; `output_audio_buffer.clear` is not in it."""

LONGEST_EVENT_ID = 512
MOST_APPENDED = 15 * 1024 * 1024
"""Bytes of samples in one append."""

# Audio comes fifty times a second: only the names of its members are looked at a second time.
_look = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAMES = [event.__struct_config__.tag for event in get_args(Accepted)]


class Unreadable(msgspec.Struct, frozen=True):
    """A frame that is refused before anything is done about it."""

    refusal: Refusal
    event_id: str | None = None


def read(frame: str | bytes) -> Accepted | Unreadable:
    """The client event in a frame. Never raises. A ``bytes`` frame came as binary and is refused."""
    if isinstance(frame, bytes):
        message = "Invalid event: expected a text message, but got a binary one."
        return Unreadable(Refusal("invalid_event", message))
    event = codec.decode_client(frame)
    if isinstance(event, MalformedFrame):
        return Unreadable(_malformed(event, frame), event.event_id)
    if isinstance(event, UnknownEvent):
        return Unreadable(_unknown_type(event.type), event.event_id)
    event_id = event.event_id or None
    if isinstance(event, OutputAudioBufferClear):
        return Unreadable(_unknown_type("output_audio_buffer.clear"), event_id)
    if event_id is not None and len(event_id) > LONGEST_EVENT_ID:
        refusal = refusals.too_long("event_id", len(event_id), LONGEST_EVENT_ID)
        return Unreadable(refusal, event_id)
    try:
        trouble = _trouble(event, frame)
    except plain.REFUSALS:  # the codec mends what is not quite JSON; here a client must learn of it
        trouble = not_json()
    return event if trouble is None else Unreadable(trouble, event_id)


def _trouble(event: Accepted, frame: str) -> Refusal | None:
    """What the types do not say of an event; raises what decoders raise if it is not quite JSON."""
    if isinstance(event, InputAudioBufferAppend) and len(event.audio) > MOST_APPENDED:
        return refusals.too_long("audio", len(event.audio), MOST_APPENDED)
    value = (
        _look.decode(frame)
        if isinstance(event, InputAudioBufferAppend)
        else msgspec.json.decode(frame)
    )
    alien = next(_aliens(value, type(event), ""), None)
    return None if alien is None else refusals.unknown_parameter(alien)


def _unknown_type(name: str) -> Refusal:
    return refusals.invalid_value("type", name, ", ".join(map(repr, _NAMES)))


def _malformed(frame: MalformedFrame, text: str) -> Refusal:
    if frame.type is None:
        return _no_event(text)
    if "missing required field" in frame.reason:
        return refusals.missing(frame.param or "")
    if ">= 0" in frame.reason:
        return refusals.negative(
            frame.param or "", "integer" if "`int`" in frame.reason else "decimal"
        )
    if "base64" in frame.reason:
        return refusals.invalid_value(frame.param or "", "...", "base64-encoded bytes")
    return refusals.invalid_type(frame.param, frame.reason)


def not_json() -> Refusal:
    return Refusal("invalid_json", "Invalid JSON: the message could not be parsed.")


def _no_event(text: str) -> Refusal:
    try:
        value = msgspec.json.decode(text)
    except plain.REFUSALS:
        return not_json()
    if not isinstance(value, dict):
        return Refusal("invalid_event", "Invalid event: expected a JSON object.")
    return refusals.missing("type")


# -- members that no schema has --


def _aliens(value: Any, wanted: Any, path: str) -> Iterator[str]:
    """The dotted paths of all members of ``value`` that the type ``wanted`` does not know."""
    if isinstance(value, list):
        for at, one in enumerate(value):
            yield from _aliens(one, _element(wanted), f"{path}[{at}]")
    struct = _struct(wanted)
    if not isinstance(value, dict) or struct is None:
        return
    known = _members(struct)
    for name, member in value.items():
        here = f"{path}.{name}" if path else name
        if name in known:
            yield from _aliens(member, known[name], here)
        else:
            yield here


@cache
def _members(struct: type[msgspec.Struct]) -> dict[str, Any]:
    members: dict[str, Any] = {
        field.encode_name: field.type for field in msgspec.structs.fields(struct)
    }
    return {**members, "type": members.get("type", str)}


@cache
def _choices(wanted: Any) -> tuple[Any, ...]:
    if get_origin(wanted) is Annotated:
        return _choices(get_args(wanted)[0])
    if get_origin(wanted) in (Union, types.UnionType):
        return tuple(one for choice in get_args(wanted) for one in _choices(choice))
    return (wanted,)


def _struct(wanted: Any) -> type[msgspec.Struct] | None:
    """The struct among the types that fit, if an object must be that struct."""
    for choice in _choices(wanted):
        if isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            return choice
    return None


def _element(wanted: Any) -> Any:
    lists = (choice for choice in _choices(wanted) if get_origin(choice) is list)
    return get_args(next(lists, list[Any]))[0]
