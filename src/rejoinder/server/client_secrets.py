"""Secrets that stand for a key for a while, and the session that comes with each.

For clients that must not hold a key: a browser, say (OpenAI Realtime reference, "client secrets").
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from rejoinder.server import reading, refusals, rules
from rejoinder.server.handshake import MODEL
from rejoinder.server.ids import CountingIds
from rejoinder.server.reading import Accepted, Unreadable
from rejoinder.server.refusals import Refusal
from rejoinder.server.rules import Json
from rejoinder.server.settings import Settings
from rejoinder.wire import plain
from rejoinder.wire.client_events import SessionUpdate
from rejoinder.wire.session import SessionConfig, SessionObject

PATH = "/client_secrets"
"""Where they are asked for, below the address of a session."""
PREFIX = "ek_"
LASTING = 600
"""Seconds that a secret lasts unless another number is asked for."""
LARGEST_REQUEST = 64 * 1024
"""Bytes."""
MOST_SECRETS = 1000
"""How many are good at a time. One more, and the oldest is good no more."""


class Secret(msgspec.Struct, frozen=True):
    """``until``: seconds since 1970. ``session``: what a session opened with it begins as."""

    until: int
    session: SessionConfig


class ClientSecrets:
    """All that are out. One may open any number of sessions until it expires; they outlive it."""

    def __init__(self) -> None:
        self._issued: dict[str, Secret] = {}
        self._ids = CountingIds("secret")

    def issue(self, value: str, now: float, body: bytes) -> Json:
        """Gives out ``value`` as a secret and returns the reply; raises `Refusal` for a wrong request.

        ``now`` in seconds since 1970.
        """
        asked = _request(body)
        lasting = (asked.get("expires_after") or {}).get("seconds") or LASTING
        change = session_in(_update(asked.get("session")))
        until, session = self.grant(value, now, change, lasting)
        return {"value": value, "expires_at": until, "session": msgspec.to_builtins(session)}

    def grant(
        self, value: str, now: float, change: SessionConfig, lasting: float
    ) -> tuple[int, SessionObject]:
        """Gives out ``value`` for sessions that begin so; returns until when, and such a session.

        ``now`` in seconds since 1970; ``lasting`` in seconds. Raises `Refusal` for a wrong session.
        """
        settings = Settings(self._ids.new("sess"), change.model or MODEL, str(change.type))
        settings.update(change, voice_locked=False)
        self._forget_before(now)
        secret = Secret(int(now + lasting), change)
        self._issued[value] = secret
        if len(self._issued) > MOST_SECRETS:
            del self._issued[next(iter(self._issued))]
        return secret.until, settings.describe()

    def session_of(self, value: str | None, now: float) -> SessionConfig | None:
        """What comes with a secret that is still good; None for any other text."""
        secret = self._issued.get(value or "")
        return secret.session if secret is not None and now < secret.until else None

    def _forget_before(self, now: float) -> None:
        self._issued = {text: one for text, one in self._issued.items() if now < one.until}


def object_in(body: bytes) -> Json:
    """The object that a request has for a body, empty without one. Raises `Refusal` for any other."""
    try:
        asked: Any = msgspec.json.decode(body or b"{}")
    except plain.REFUSALS:
        raise reading.not_json() from None
    if not isinstance(asked, dict):
        raise Refusal("invalid_type", "Invalid type: expected an object.")
    return asked


def _request(body: bytes) -> Json:
    asked = object_in(body)
    for name, given in asked.items():
        if name not in _MEMBERS:
            raise refusals.unknown_parameter(name)
        if given is not None:
            _MEMBERS[name](name, given)
    return asked


expiry = rules.members({}, anchor=rules.one_of("created_at"), seconds=rules.between(10, 7200))
"""How long a secret is to last."""

_MEMBERS: dict[str, rules.Rule] = {"expires_after": expiry, "session": rules.an_object}


def _update(given: Json | None) -> Accepted | Unreadable:
    said = {"type": "realtime"} if given is None else given
    frame = msgspec.json.encode({"type": "session.update", "session": said}).decode()
    return reading.read(frame)


def session_in(event: Accepted | Unreadable) -> SessionConfig:
    """The session asked for, read as `session.update` would be. Raises `Refusal` for a wrong one."""
    if isinstance(event, Unreadable):
        raise event.refusal
    session = event.session if isinstance(event, SessionUpdate) else SessionConfig()
    if session.type is UNSET or session.type is None:
        raise refusals.missing("session.type")
    rules.one_of("realtime", "transcription")("session.type", session.type)
    return session
