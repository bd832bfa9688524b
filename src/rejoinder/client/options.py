"""Options: checked before anything is done, refused with the option's name and the remedy."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

import msgspec
from msgspec import UNSET

from rejoinder.client.transport import Dial, HttpSession
from rejoinder.client.waiting import OnEvent, OnNotice, OnResponse
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.recovery import Recovery
from rejoinder.errors import ConfigurationError
from rejoinder.wire import codec
from rejoinder.wire.client_events import (
    ClientEvent,
    ClientEventBase,
    RawClientEvent,
    SessionUpdate,
)
from rejoinder.wire.dialects import OPENAI, Dialect
from rejoinder.wire.items import Item
from rejoinder.wire.session import AudioFormat, AudioInput, AudioOutput, SessionConfig
from rejoinder.wire.strange import MalformedFrame

__all__ = [
    "Busy",
    "Options",
    "Policy",
    "address",
    "checked",
    "clocks",
    "configuration",
    "credentials",
    "metadata",
    "policy",
    "recovery",
]

Busy = Literal["wait", "fail"]

_KEY_HEADERS = frozenset({"authorization", "api-key", "x-api-key"})
_SAMPLE_BYTES = {"audio/pcm": 2, "audio/pcmu": 1, "audio/pcma": 1}
_PCM_RATE = 24_000

_MOST_RETRIES = 100
MOST_ATTEMPTS = 100

_RECOVERY_REMEDIES = {
    "pause": "attempts=1 makes a single one, after 0.1 s",
    "give_up": "attempts=0 gives up at once",
    "healthy": "a short time lets nearly every connection count as healthy",
    "keep_audio": "a short time keeps nearly nothing",
    "renew_after": "None renews no connection for its age",
}
"""What to say instead of a value out of bounds."""

_MOST_METADATA = 15
"""Sixteen pairs are allowed (OpenAI Realtime reference), and one is ours."""


class Reach(TypedDict, total=False):
    """How the server is reached."""

    model: str | None
    api_key: str | None
    base_url: str | None
    dialect: Dialect
    headers: Mapping[str, str] | None
    http_session: HttpSession | None
    dial: Dial | None


class Options(Reach, total=False):
    """What `connect` and `Session.start` take, all by keyword; `connect` explains each."""

    session: SessionConfig | None
    timeouts: Timeouts
    recovery: Recovery
    busy: Busy
    retries: int
    journal: OnEvent | None
    on_response: OnResponse | None
    on_notice: OnNotice | None
    on_event_in: OnEvent | None
    on_event_out: OnEvent | None


def address(base_url: str | None, model: str | None, dialect: Dialect = OPENAI) -> str:
    """The WebSocket address. ``base_url`` defaults to what the environment says; see `Dialect.home`."""
    if not isinstance(dialect, Dialect):
        raise ConfigurationError("dialect must be a Dialect of rejoinder.wire.dialects")
    _text("base_url", base_url, "https://api.openai.com/v1")
    _text("model", model, "gpt-realtime")
    url = dialect.url(base_url or dialect.home(os.environ), model)
    if "@" in url.split("/")[2]:
        raise ConfigurationError("base_url holds a user name or password: use `headers` for them")
    return url


def credentials(
    api_key: str | None, headers: Mapping[str, str] | None, url: str, dialect: Dialect = OPENAI
) -> dict[str, str]:
    """The headers of the upgrade request. Those given take precedence over the key."""
    if headers is not None and not isinstance(headers, Mapping):
        raise ConfigurationError("headers must map names to values, as a dict does")
    extra = dict(headers or {})
    if not all(_one_line(text) for pair in extra.items() for text in pair):
        raise ConfigurationError("headers must map names to values, each of one line of text")
    if {name.lower() for name in extra} & _KEY_HEADERS:
        return extra
    _text("api_key", api_key, "sk-...")
    key = dialect.key(os.environ, url) if api_key is None else api_key
    return {**dialect.headers(key), **extra}


def clocks(timeouts: Timeouts) -> Timeouts:
    """The clocks, each a positive number of seconds."""
    if not isinstance(timeouts, Timeouts):
        raise ConfigurationError(
            f"timeouts must be a rejoinder.Timeouts, not {type(timeouts).__name__}"
        )
    for name in timeouts.__struct_fields__:
        seconds = _seconds(f"timeouts.{name}", getattr(timeouts, name))
        if not math.isfinite(seconds) or seconds <= 0:
            raise ConfigurationError(
                f"timeouts.{name} must be positive and finite: a clock that never runs out is a hang"
            )
    return timeouts


def recovery(given: Recovery) -> Recovery:
    """The policy of reconnecting, every member of it in its bounds."""
    if not isinstance(given, Recovery):
        raise ConfigurationError(
            f"recovery must be a rejoinder.Recovery, not {type(given).__name__}"
        )
    if type(given.attempts) is not int or not 0 <= given.attempts <= MOST_ATTEMPTS:
        raise ConfigurationError(
            f"recovery.attempts must be a whole number up to {MOST_ATTEMPTS}: "
            "0 ends the session with its first connection"
        )
    for name, remedy in _RECOVERY_REMEDIES.items():
        if (name, getattr(given, name)) != ("renew_after", None):
            seconds = _seconds(f"recovery.{name}", getattr(given, name))
            if not math.isfinite(seconds) or seconds <= 0:
                raise ConfigurationError(f"recovery.{name} must be positive and finite: {remedy}")
    before = _seconds("recovery.renew_before", given.renew_before)
    if not math.isfinite(before) or before < 0:
        raise ConfigurationError(
            "recovery.renew_before must be finite and not negative: 0 waits for the very end"
        )
    return given


def _seconds(name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds")
    return given


def reach(dial: object, http_session: object) -> None:
    """Raises `ConfigurationError` unless one can dial with these."""
    if dial is not None and not callable(dial):
        raise ConfigurationError("dial must be a function that opens a transport")
    if http_session is not None and not isinstance(http_session, HttpSession):
        raise ConfigurationError(
            f"http_session must be an aiohttp.ClientSession, not {type(http_session).__name__}"
        )


class Policy(msgspec.Struct, frozen=True):
    """How requests are treated: whether one waits while another response holds the conversation, and
    how often it is asked again when the server declares it failed."""

    waits: bool
    retries: int


def policy(busy: Busy, retries: int) -> Policy:
    """The policy that these options stand for."""
    if busy not in ("wait", "fail"):
        raise ConfigurationError("busy must be 'wait' or 'fail'")
    if type(retries) is not int or not 0 <= retries <= _MOST_RETRIES:
        raise ConfigurationError(
            f"retries must be a whole number up to {_MOST_RETRIES}: 0, the default, asks only once"
        )
    return Policy(busy == "wait", retries)


def metadata(given: Mapping[str, str] | None) -> None:
    """Raises `ConfigurationError` where our key would be one pair too many."""
    if given is not None and len(given) > _MOST_METADATA:
        raise ConfigurationError(f"metadata may have {_MOST_METADATA} pairs, not {len(given)}")


def configuration(session: SessionConfig, dialect: Dialect = OPENAI) -> SessionConfig:
    """A configuration that can be sent; ``type`` is filled in where it was left out.

    The GA protocol asks for ``session.type`` in every update (OpenAI Realtime reference).
    """
    if not isinstance(session, SessionConfig):
        raise ConfigurationError(
            f"session must be a rejoinder.SessionConfig, not {type(session).__name__}"
        )
    full = (
        session if session.type is not UNSET else msgspec.structs.replace(session, type="realtime")
    )
    checked("session", SessionUpdate(session=full))
    for name in dialect.unknown:
        if getattr(full, name) is not UNSET:
            raise ConfigurationError(f"session.{name} is unknown to {dialect.name}: leave it out")
    for name, direction in (("input", _input(full)), ("output", _output(full))):
        if isinstance(direction, msgspec.Struct) and isinstance(direction.format, AudioFormat):
            _check_format(f"session.audio.{name}.format", direction.format)
    return full


def sample_bytes(session: SessionConfig | None) -> int | None:
    """How many bytes one sample of input audio has; None where the configuration does not say."""
    direction = _input(session) if session is not None else None
    form = direction.format if isinstance(direction, AudioInput) else None
    named = form.type if isinstance(form, AudioFormat) else None
    return _SAMPLE_BYTES.get(named) if isinstance(named, str) else None


def item(given: Item | Mapping[str, Any]) -> Item:
    """An item, from a plain mapping too."""
    if isinstance(given, Item):
        return given
    try:
        return msgspec.convert(given, Item)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"item does not fit the protocol: {error}") from error


def checked(name: str, event: ClientEvent | RawClientEvent) -> None:
    """Raises `ConfigurationError` when the event cannot be sent or does not fit the protocol."""
    try:
        frame = codec.encode(event)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ConfigurationError(f"{name} cannot be written as JSON: {error}") from error
    read = codec.decode_client(frame)
    # A mapping is sent as it is, for servers that know more than we do; only a name it must have.
    if isinstance(read, MalformedFrame) and (
        read.type is None or isinstance(event, ClientEventBase)
    ):
        raise ConfigurationError(f"{name} does not fit the protocol: {read.reason}")


def _input(session: SessionConfig) -> AudioInput | None:
    audio = session.audio
    given = audio.input if isinstance(audio, msgspec.Struct) else None
    return given if isinstance(given, AudioInput) else None


def _output(session: SessionConfig) -> AudioOutput | None:
    audio = session.audio
    given = audio.output if isinstance(audio, msgspec.Struct) else None
    return given if isinstance(given, AudioOutput) else None


def _check_format(name: str, form: AudioFormat) -> None:
    if isinstance(form.type, str) and form.type not in _SAMPLE_BYTES:
        raise ConfigurationError(
            f"{name}.type {form.type!r} is not supported: use one of {', '.join(_SAMPLE_BYTES)}"
        )
    pcm = form.type in ("audio/pcm", UNSET)
    if isinstance(form.rate, int) and pcm and form.rate != _PCM_RATE:
        raise ConfigurationError(
            f"{name}.rate {form.rate} is not supported: the protocol knows PCM at {_PCM_RATE} Hz "
            "only; resample the audio before append_audio"
        )


def _text(name: str, given: object, example: str) -> None:
    if given is not None and not (isinstance(given, str) and given.strip()):
        raise ConfigurationError(f"{name} must be a text, such as {example!r}")


def _one_line(text: object) -> bool:
    return isinstance(text, str) and not any(letter in text for letter in "\r\n\0")
