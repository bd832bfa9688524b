"""Client events that the application writes by hand: what of them must be known to keep track of them.

Everything else in them is sent as it is, for servers that know more than we do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from rejoinder.client import options as opt
from rejoinder.core import requests
from rejoinder.errors import ConfigurationError
from rejoinder.wire import client_events as ce
from rejoinder.wire import codec
from rejoinder.wire.response import ResponseParams
from rejoinder.wire.session import SessionConfig

__all__ = ["appended", "configuration", "params", "plain", "stopped"]


def plain(event: ce.ClientEvent | ce.RawClientEvent | Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an event as a plain object. Raises `ConfigurationError` if it is none."""
    typed = ce.RawClientEvent(dict(event)) if isinstance(event, Mapping) else event
    opt.checked("event", typed)
    copied: dict[str, Any] = msgspec.json.decode(codec.encode(typed))
    return copied


def configuration(raw: dict[str, Any]) -> SessionConfig | None:
    """What a `session.update` says of the session, as far as it can be read."""
    return requests.configuration(ce.RawClientEvent(raw))


def params(raw: dict[str, Any]) -> ResponseParams:
    """What of a `response.create` says where it belongs and whose it is.

    Raises `ConfigurationError` where our key could not be added to it.
    """
    body = raw.get("response")
    if body is None:
        return ResponseParams()
    if not isinstance(body, dict):
        raise ConfigurationError("response.create: `response` must be an object, or left out")
    conversation, metadata = body.get("conversation"), body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise ConfigurationError("response.create: `metadata` must be an object, or left out")
    opt.metadata(metadata)
    return ResponseParams(
        conversation=conversation if isinstance(conversation, str) else UNSET,
        metadata=metadata,
    )


def stopped(raw: dict[str, Any]) -> str | None:
    """Which response a `response.cancel` means; None: the one that holds the conversation.

    Raises `ConfigurationError` if its id is no text.
    """
    response_id = raw.get("response_id")
    if response_id is not None and not isinstance(response_id, str):
        raise ConfigurationError("response.cancel: `response_id` must be a text, or left out")
    return response_id or None


def appended(raw: dict[str, Any]) -> ce.ClientEvent | ce.RawClientEvent:
    """Audio as such, so that only the newest of it waits for a connection; anything else as it is."""
    read = codec.decode_client(msgspec.json.encode(raw))
    return read if isinstance(read, ce.InputAudioBufferAppend) else ce.RawClientEvent(raw)
