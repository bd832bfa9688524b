"""Bytes to events and back. Decoding never raises, whatever a peer sends.

A well-formed event takes one pass: one typed decoder over all events. Only what that refuses, or a
session in an older shape, is read a second time: as a plain object, in the protocol's own shape, member by member.
"""

from __future__ import annotations

import functools
import operator
import re
from typing import Any, get_args

import msgspec
from msgspec import UNSET

from rejoinder.wire import dialects, lenient, plain
from rejoinder.wire.client_events import ClientEvent, RawClientEvent
from rejoinder.wire.server_events import (
    GaServerEvent,
    ResponseError,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
)
from rejoinder.wire.strange import MalformedFrame, UnknownEvent

RAW_LIMIT = 2048
"""How much of a malformed frame is kept, in bytes."""


def _any_of(events: tuple[Any, ...]) -> Any:
    return functools.reduce(operator.or_, events)


def _by_name(events: tuple[Any, ...]) -> dict[str, Any]:
    return {event.__struct_config__.tag: event for event in events}


_CLIENT = get_args(ClientEvent)
_SERVER = (*get_args(GaServerEvent), *dialects.ALIASES.values())

# ResponseError is only read in the second pass: its members may stand at any level.
_client_events: dict[str, type[ClientEvent]] = _by_name(_CLIENT)
_server_events: dict[str, type[GaServerEvent | ResponseError]] = _by_name((*_SERVER, ResponseError))

_client: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(_any_of(_CLIENT))
_server: msgspec.json.Decoder[GaServerEvent] = msgspec.json.Decoder(_any_of(_SERVER))
_encoder = msgspec.json.Encoder()

# To say by isinstance what a struct is not takes as long as to decode a short event.
_SESSIONS = frozenset(
    event
    for event in _server_events.values()
    if issubclass(event, (SessionCreated, SessionUpdated))
)


def encode(
    event: ClientEvent | RawClientEvent | ServerEvent, dialect: dialects.Dialect = dialects.OPENAI
) -> bytes:
    """The event as one JSON text, as this dialect has it; unreadable events as they came.

    Raises ``ValueError``, ``TypeError`` or ``OverflowError`` when a value of the caller's has no JSON
    form.
    """
    raw: dict[str, Any] | bytes | None = getattr(event, "raw", None)
    if isinstance(raw, bytes):
        return raw
    frame = _encoder.encode(event if raw is None else raw)
    if not dialect.said:
        return frame
    name = event.__struct_config__.tag if raw is None else raw.get("type")
    reshape = dialect.said.get(str(name))
    return _encoder.encode(reshape(msgspec.json.decode(frame))) if reshape else frame


def decode_server(data: str | bytes) -> ServerEvent:
    """The server event in a frame; ``UnknownEvent`` or ``MalformedFrame`` if it is none of ours.

    Never raises. Text in a binary frame is read just the same.
    """
    try:
        event = _server.decode(data)
    except plain.REFUSALS:
        return _reread_server(_bytes(data))
    return _nested(event, data) if type(event) in _SESSIONS else event


def _nested(told: Any, data: str | bytes) -> ServerEvent:
    """A session as it is; one that says nothing of audio is perhaps flat, and its members are not ours."""
    event: ServerEvent = told
    return _reread_server(_bytes(data)) if told.session.audio is UNSET else event


def decode_client(data: str | bytes) -> ClientEvent | UnknownEvent | MalformedFrame:
    """The client event in a frame, read strictly, except that ``null`` may stand for absent.

    Never raises. An event that does not fit its type is a ``MalformedFrame`` that names the member.
    """
    try:
        return _client.decode(data)
    except plain.REFUSALS:
        return _reread_client(_bytes(data))


def _reread_server(frame: bytes) -> ServerEvent:
    try:
        said = plain.read(frame)
    except plain.Unreadable as error:
        return MalformedFrame(reason=str(error), raw=frame[:RAW_LIMIT])
    said = dialects.canonical(said)
    event = _server_events.get(said["type"])
    if event is None:
        return _unknown(said, frame)
    try:
        return lenient.build(event, said)
    except lenient.Unfit:
        return _unknown(said, frame)


def _reread_client(frame: bytes) -> ClientEvent | UnknownEvent | MalformedFrame:
    try:
        said = plain.read(frame)
    except plain.Unreadable as error:
        return MalformedFrame(reason=str(error), raw=frame[:RAW_LIMIT])
    event = _client_events.get(said["type"])
    if event is None:
        return _unknown(said, frame)
    said = {name: value for name, value in said.items() if value is not None}
    try:
        return msgspec.convert(said, event)
    except plain.REFUSALS as error:
        return MalformedFrame(
            reason=str(error),
            raw=frame[:RAW_LIMIT],
            type=said["type"],
            event_id=_text(said, "event_id"),
            param=_param(str(error)),
        )


def _bytes(data: str | bytes) -> bytes:
    return data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data)


def _text(said: Any, name: str) -> str | None:
    value = said.get(name) if isinstance(said, dict) else None
    return value if isinstance(value, str) else None


def _unknown(said: dict[str, Any], frame: bytes) -> UnknownEvent:
    return UnknownEvent(
        type=said["type"],
        response_id=_text(said, "response_id") or _text(said.get("response"), "id"),
        event_id=_text(said, "event_id"),
        raw=frame,
    )


def _param(refusal: str) -> str | None:
    """The dotted path in the decoder's message: ``... field `item_id` - at `$.item` ``."""
    missing = re.search(r"required field `(\w+)`", refusal)
    place = re.search(r"`\$\.?(.*)`$", refusal)
    path = [place[1]] if place else []
    return ".".join(path + ([missing[1]] if missing else [])) or None
