"""Where servers differ: the names of their events, the shapes of their failures, url and headers.

The only file in this room that knows vendors. A dialect is a value; nothing else branches on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

from rejoinder.errors import ConfigurationError
from rejoinder.wire import server_events as ev

Plain = dict[str, Any]

CANONICAL: Mapping[str, type[ev.ServerEventBase]] = {
    "response.audio.delta": ev.ResponseOutputAudioDelta,
    "response.audio.done": ev.ResponseOutputAudioDone,
    "response.audio_transcript.delta": ev.ResponseOutputAudioTranscriptDelta,
    "response.audio_transcript.done": ev.ResponseOutputAudioTranscriptDone,
    "response.text.delta": ev.ResponseOutputTextDelta,
    "response.text.done": ev.ResponseOutputTextDone,
    "transcription_session.created": ev.SessionCreated,
    "transcription_session.updated": ev.SessionUpdated,
}
"""Beta names and the GA events they stand for (OpenAI's migration guide)."""


def _alias(name: str, event: type[ev.ServerEventBase]) -> type[ev.ServerEventBase]:
    alias = msgspec.defstruct(
        f"{event.__name__}Alias", [], bases=(event,), module=__name__, frozen=True, tag=name
    )
    return cast("type[ev.ServerEventBase]", alias)


ALIASES: Mapping[str, type[ev.ServerEventBase]] = {
    name: _alias(name, event) for name, event in CANONICAL.items()
}
"""Each is a subclass of its GA event, so ``isinstance`` and ``match`` see no difference."""


# --- shapes ------------------------------------------------------------------------------------


def _object(value: object) -> Plain:
    return value if isinstance(value, dict) else {}


def _said(told: Plain, names: tuple[str, ...]) -> Plain:
    return {name: told[name] for name in names if told.get(name) is not None}


def _error(told: Plain) -> Plain:
    """The error that an object tells: an object, a string beside its code, or its own members."""
    body = told.get("error")
    if isinstance(body, dict):
        return body
    flat = _said(told, ("code", "message", "param"))
    return flat if body is None else {**flat, "message": body}


def _plain_error(told: Plain) -> Plain:
    return {**told, "error": _error(told)}


def _details(told: Plain) -> Plain:
    details = told.get("status_details")
    return {"error": details} if isinstance(details, str) else _object(details)


def _failure(told: Plain) -> Plain:
    """A terminal failure: its response and its error may be told at any of four places."""
    response = _object(told.get("response"))
    places = (told, response, _details(response), _details(told))
    errors = (error for place in places if (error := _error(place)))
    return {
        "type": ev.ResponseError.__struct_config__.tag,
        "event_id": told.get("event_id"),
        "response_id": told.get("response_id") or response.get("id"),
        "metadata": told.get("metadata") or response.get("metadata"),
        "error": next(errors, {}),
    }


def _ended(status: str | None) -> Callable[[Plain], Plain]:
    """A response's end, whose body may be missing and its members told at the top level."""

    def done(told: Plain) -> Plain:
        said = _said(told, ("status", "status_details", "metadata", "output", "usage"))
        said["id"] = told.get("response_id")
        response = _object(told.get("response"))
        said |= {k: v for k, v in response.items() if v is not None or k not in said}
        if status:
            said["status"] = status
        return {
            "type": ev.ResponseDone.__struct_config__.tag,
            "event_id": told.get("event_id"),
            "response": said,
        }

    return done


SHAPES: Mapping[str, Callable[[Plain], Plain]] = {
    "error": _plain_error,
    "response.error": _failure,
    "response.failed": _failure,
    "response.done": _ended(None),
    "response.completed": _ended("completed"),
    "response.cancelled": _ended("cancelled"),
    "response.canceled": _ended("cancelled"),
    "response.incomplete": _ended("incomplete"),
}
"""Names and shapes that gateways borrow from the Responses API, and how to read them as ours."""


def canonical(told: Plain) -> Plain:
    """Bring an event that the typed decoder refused into the protocol's own name and shape."""
    reshape = SHAPES.get(told["type"])
    return reshape(told) if reshape else told


# --- url and headers ---------------------------------------------------------------------------

_SCHEMES = {"https": "wss", "http": "ws", "wss": "wss", "ws": "ws"}
_BARE_PATHS = frozenset({"", "/v1", "/openai", "/openai/v1"})
_SESSION_NAMES = frozenset({"model", "call_id", "intent", "deployment"})
"""What in a query says which session is meant; one of them is enough (OpenAI's WebSocket guide)."""


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"base_url {why}: give an address such as 'https://api.openai.com/v1' "
        "or 'ws://127.0.0.1:8765'"
    )


def _address(given: str) -> SplitResult:
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise _refused("is not a URL") from None
    if parts.scheme not in _SCHEMES:
        raise _refused("needs one of the schemes https, http, wss and ws")
    if not parts.hostname or port == 0 or not given.isprintable() or " " in given:
        raise _refused("names no host that can be reached")
    return parts


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How one family of servers is reached and what its events are called."""

    name: str
    base_url: str
    aliases: Mapping[str, type[ev.ServerEventBase]]

    def url(self, base_url: str | None, model: str | None) -> str:
        """The WebSocket address of a session.

        ``http`` becomes ``ws``; ``/realtime`` is added to a bare host and to ``/v1``; any other path
        and the query stay as given. ``model`` is added unless the query says already which session
        is meant. Raises ``ConfigurationError`` naming ``base_url``, but not its value, which may
        hold a key.
        """
        parts = _address((base_url or self.base_url).strip())
        bare = parts.path.rstrip("/")
        path = f"{bare}/realtime" if bare in _BARE_PATHS else parts.path
        query = parts.query
        said = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
        if model and not said & _SESSION_NAMES:
            query = "&".join(filter(None, (query, urlencode({"model": model}, quote_via=quote))))
        return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, query, ""))

    def headers(self, api_key: str | None) -> dict[str, str]:
        """The credentials of the upgrade request; none without a key.

        Raises ``ConfigurationError`` naming ``api_key`` when it cannot stand in a header.
        """
        if api_key is None:
            return {}
        if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            raise ConfigurationError(
                "api_key is empty or holds spaces, line breaks or other characters that no key "
                "has: pass the key alone"
            )
        return {"Authorization": f"Bearer {api_key}"}


OPENAI = Dialect(name="openai", base_url="https://api.openai.com/v1", aliases=ALIASES)
