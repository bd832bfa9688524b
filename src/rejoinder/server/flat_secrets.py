"""Client secrets in the older shape: a flat session is asked for, and comes back with its secret."""

from __future__ import annotations

from typing import Any

import msgspec

from rejoinder.server import client_secrets, rules
from rejoinder.server.client_secrets import ClientSecrets
from rejoinder.server.flat import UPDATES, Flat
from rejoinder.server.refusals import Refusal
from rejoinder.server.rules import Json
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.server_events import ServerEvent

PATHS = {"/sessions": "realtime", "/transcription_sessions": "transcription"}
"""Where they are asked for, below the address of a session, and for which kind of session."""
LASTING = 60
"""Seconds that a secret lasts unless another number is asked for."""

_secret = rules.members({}, expires_after=client_secrets.expiry)


def issue(secrets: ClientSecrets, kind: str, value: str, now: float, body: bytes) -> Json:
    """As `ClientSecrets.issue`; a `Refusal` names the member as the older shape does."""
    shape = Flat(kind)
    try:
        asked = client_secrets.object_in(body)
        frame = msgspec.json.encode({"type": UPDATES[kind], "session": asked}).decode()
        change = client_secrets.session_in(shape.read(frame))
        until, session = secrets.grant(value, now, change, _lasting(asked.get("client_secret")))
    except Refusal as refusal:
        error = msgspec.convert(
            _told(shape, events.Error(error=refusal.body(None)))["error"], ErrorBody
        )
        raise Refusal(error.code, error.message or "", param=error.param) from None
    told: Json = _told(shape, events.SessionUpdated(session=session))["session"]
    return {**told, "client_secret": {"value": value, "expires_at": until}}


def _told(shape: Flat, event: ServerEvent) -> Any:
    return msgspec.json.decode(shape.told(event) or "{}")


def _lasting(given: Any) -> float:
    if given is None:
        return LASTING
    _secret("session.client_secret", given)
    return (given.get("expires_after") or {}).get("seconds") or LASTING
