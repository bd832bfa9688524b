"""Where servers differ: the names of their events, the shapes of their failures, url and headers.

The only file in this room that knows vendors. A dialect is a value; nothing else branches on it. Reading
needs none: every name and shape is understood from every server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import SplitResult, quote, unquote_plus, urlencode, urlsplit, urlunsplit

import msgspec

from rejoinder.errors import ConfigurationError
from rejoinder.wire import flat
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
    **flat.TOLD,
}
"""Names and shapes that gateways borrow from the Responses API or keep from the beta, and how to read
them as ours."""


def canonical(told: Plain) -> Plain:
    """Bring an event that the typed decoder could not read, or not in full, into the protocol's own
    name and shape."""
    reshape = SHAPES.get(told["type"])
    return reshape(told) if reshape else told


# --- url and headers ---------------------------------------------------------------------------

_SCHEMES = {"https": "wss", "http": "ws", "wss": "wss", "ws": "ws"}
_AZURE_HOSTS = (".azure.com", ".azure.us", ".azure.cn")


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


def _at_azure(host: str | None) -> bool:
    return (host or "").rstrip(".").endswith(_AZURE_HOSTS)


def bearer(token: str | None, option: str = "api_key") -> dict[str, str]:
    """A token as the credential of the upgrade request; nothing without one.

    Raises ``ConfigurationError`` naming ``option`` when it cannot stand in a header.
    """
    return {} if token is None else {"Authorization": f"Bearer {_clean(token, option)}"}


def _clean(key: str, option: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            f"{option} is empty or holds spaces, line breaks or other characters that no key "
            "has: pass the key alone"
        )
    return key


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How one family of servers is reached, and what it wants to hear.

    - ``home_variable``, ``key_variable``: the environment variables of its users.
    - ``root``: the path below which a host of its own serves; ``homes``: how an address ends that has
      it already.
    - ``paths``: where a session is, for each path that is no full address.
    - ``model_as``: the member of the query that names the model, unless one of ``named_by`` does.
    - ``query``: what else the query must say; ``forbidden``: what it must not.
    - ``key_header``: where an API key goes, if not into ``Authorization``.
    - ``renames``: names of its events that listeners to raw events see under today's name.
    - ``said``: client events that it wants in another shape; ``unknown``: members of a session for
      which it has no word.
    """

    name: str
    paths: Mapping[str, str]
    base_url: str | None = None
    home_variable: str = "OPENAI_BASE_URL"
    key_variable: str = "OPENAI_API_KEY"
    root: str = ""
    homes: tuple[str, ...] = ("",)
    model_as: str = "model"
    named_by: frozenset[str] = frozenset({"model", "call_id", "intent", "deployment"})
    query: Mapping[str, str] = {}
    forbidden: frozenset[str] = frozenset()
    key_header: str | None = None
    renames: Mapping[str, str] = {}
    said: Mapping[str, Callable[[Plain], Plain]] = {}
    unknown: frozenset[str] = frozenset()

    def home(self, environment: Mapping[str, str]) -> str | None:
        """Where the environment says that the servers are; else where they always are, if anywhere."""
        told = environment.get(self.home_variable, "").strip()
        if not told:
            return self.base_url
        return told if told.rstrip("/").endswith(self.homes) else told.rstrip("/") + self.root

    def url(self, base_url: str | None, model: str | None) -> str:
        """The WebSocket address of a session.

        ``http`` becomes ``ws``; ``/realtime`` is added to a bare host and to ``/v1``; any other path
        and the query stay as given. ``model`` is added unless the query says already which session
        is meant. Raises ``ConfigurationError`` naming ``base_url``, but not its value, which may
        hold a key.
        """
        given = base_url or self.base_url
        if given is None:
            raise ConfigurationError(
                "no server: pass the option `base_url` or set the environment variable "
                f"{self.home_variable}"
            )
        parts = _address(given.strip())
        own = self.root if _at_azure(parts.hostname) else ""
        path = self.paths.get(parts.path.rstrip("/") or own, parts.path)
        query = self._query(parts.query, model)
        return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, query, ""))

    def _query(self, given: str, model: str | None) -> str:
        pairs = [(pair, unquote_plus(pair.partition("=")[0])) for pair in given.split("&") if pair]
        ours = dict(self.query)
        if model and not self.named_by & {name for _, name in pairs}:
            ours[self.model_as] = model
        kept = [pair for pair, name in pairs if name not in self.forbidden and name not in ours]
        return "&".join(filter(None, (*kept, urlencode(ours, quote_via=quote))))

    def headers(self, api_key: str | None) -> dict[str, str]:
        """The credentials of the upgrade request; none without a key.

        Raises ``ConfigurationError`` naming ``api_key`` when it cannot stand in a header.
        """
        if self.key_header is None or api_key is None:
            return bearer(api_key)
        return {self.key_header: _clean(api_key, "api_key")}

    def key(self, environment: Mapping[str, str], url: str) -> str:
        """The API key that the environment holds for the server at ``url``.

        Raises ``ConfigurationError`` when there is none, and when it is OpenAI's and the server is
        Azure's.
        """
        key = environment.get(self.key_variable)
        if not key:
            raise ConfigurationError(
                "no API key: pass the option `api_key` or set the environment variable "
                f"{self.key_variable} (any text will do for a server that asks for none)"
            )
        if self.key_header is None and _at_azure(urlsplit(url).hostname):
            raise ConfigurationError(
                f"base_url is an Azure host, to which the key in {self.key_variable} is not sent: for "
                "an Azure deployment use RealtimeModel.with_azure(...), or connect(dialect=AZURE) "
                "with AZURE_OPENAI_API_KEY; else pass the option `api_key`"
            )
        return key


OPENAI = Dialect(
    name="openai",
    base_url="https://api.openai.com/v1",
    paths={path: f"{path}/realtime" for path in ("", "/v1", "/openai", "/openai/v1")},
)
"""OpenAI, and everybody who serves the same protocol."""

AZURE = Dialect(
    name="azure",
    home_variable="AZURE_OPENAI_ENDPOINT",
    key_variable="AZURE_OPENAI_API_KEY",
    root="/openai",
    homes=("/openai", "/openai/v1", "/realtime"),
    paths={
        "": "/v1/realtime",
        "/openai": "/openai/v1/realtime",
        "/openai/v1": "/openai/v1/realtime",
    },
    named_by=frozenset({"model", "call_id", "intent"}),
    forbidden=frozenset({"api-version"}),
    key_header="api-key",
    renames={
        **{name: str(event.__struct_config__.tag) for name, event in CANONICAL.items()},
        "conversation.item.created": "conversation.item.added",
    },
)
"""Azure OpenAI; the deployment's name stands for the model's."""


OLDER_HEADER = ("openai-beta", "realtime=v1")
"""A header, in lower case, and one of its words, by which a client says that it speaks the beta."""
OLDER_SUBPROTOCOL = "openai-beta.realtime-v1"
"""The same for browsers, which cannot set headers."""
OLDER_PATH = "/openai/realtime"
OLDER_QUERY = frozenset({"api-version", "deployment"})
"""Where Azure's preview is, and what its address says: the beta protocol, too."""


def azure_legacy(version: str) -> Dialect:
    """Azure OpenAI's preview, by its API version such as ``2024-10-01-preview``: the beta protocol,
    with a flat session. Deprecated since April 2026."""
    return msgspec.structs.replace(
        AZURE,
        name="azure-legacy",
        paths={
            "": "/realtime",
            "/openai": "/openai/realtime",
            "/openai/v1": "/openai/v1/realtime",
        },
        model_as="deployment",
        named_by=frozenset(),
        query={"api-version": version},
        forbidden=frozenset(),
        said=flat.SAID,
        unknown=flat.UNKNOWN,
    )
