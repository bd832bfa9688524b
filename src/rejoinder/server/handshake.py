"""Who is let in: the upgrade request, judged as the live service judges it.

It answers the upgrade first and refuses inside: one `error`, then a close whose reason is
``<error.type>.<error.code>`` (captures of September 2026). Only an unknown call is refused by HTTP.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from rejoinder.wire import dialects
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.session import SessionConfig

PATHS = ("/v1/realtime", "/realtime", "/openai/v1/realtime", dialects.OLDER_PATH)
DIALECTS = ("auto", "ga", "flat")
"""What a server may speak: what the client asks for, today's protocol, or the older flat one."""
SUBPROTOCOL = "realtime"
MODEL = "gpt-realtime"
"""The model of a session that comes with a client secret, if neither names one."""
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_TRANSCRIBES = re.compile(r"whisper|transcribe")
"""A model for transcripts is chosen with `session.update`; in the address it is refused."""


class Upgrade(msgspec.Struct, frozen=True):
    """What a client asks for. Header names are in lower case."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    subprotocols: Sequence[str] = ()
    path: str = PATHS[0]


class Admitted(msgspec.Struct, frozen=True):
    """A session of this kind (``realtime`` or ``transcription``) on this model.

    ``flat``: in the older shape of the protocol.
    """

    kind: str
    model: str
    flat: bool = False


class Turned(msgspec.Struct, frozen=True):
    """Turned away: after the upgrade with ``error`` and a close, or with an HTTP ``status``."""

    error: ErrorBody
    close_code: int = 4000
    status: int | None = None

    @property
    def reason(self) -> str:
        """The reason of the close frame."""
        return f"{self.error.type}.{self.error.code}" if self.error.code else f"{self.error.type}"


def judge(
    upgrade: Upgrade,
    api_key: str | None,
    dialect: str = "auto",
    secret: SessionConfig | None = None,
) -> Admitted | Turned:
    """Lets a client in or turns it away. Without ``api_key`` any key will do, or none.

    ``dialect``: one of `DIALECTS`. With ``ga``, who asks for the older shape is turned away.
    ``secret``: the session that comes with the client's key, if that is a client secret.
    """
    trouble = None if secret is not None else key_trouble(upgrade, api_key)
    if trouble is None and dialect == "ga":
        trouble = _older_trouble(upgrade)
    if trouble is None:
        trouble = _shape_trouble(upgrade, secret)
    return trouble or _admitted(upgrade, dialect, secret)


def key_trouble(upgrade: Upgrade, api_key: str | None) -> Turned | None:
    """Why this client's key will not do, or None."""
    given = key_of(upgrade)
    if api_key is None or (given is not None and _same(given, api_key)):
        return None
    if given is None:
        return _turned(None, "Missing bearer or basic authentication in header", 3000)
    return _turned("invalid_api_key", "Incorrect API key provided.", 3000)


def _same(given: str, key: str) -> bool:
    # Bytes that are no UTF-8 come as halves of surrogate pairs.
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), key.encode())


def key_of(upgrade: Upgrade) -> str | None:
    """The credential, from where the protocol allows it."""
    scheme, _, token = upgrade.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for offered in upgrade.subprotocols:
        if offered.startswith(_KEY_SUBPROTOCOL):
            return offered.removeprefix(_KEY_SUBPROTOCOL)
    return upgrade.headers.get("api-key") or upgrade.query.get("api-key")


def _shape_trouble(upgrade: Upgrade, secret: SessionConfig | None) -> Turned | None:
    if "call_id" in upgrade.query:
        return _turned("call_id_not_found", "No session found for the provided call_id", 4000, 404)
    intent = upgrade.query.get("intent")
    if intent not in (None, "transcription"):
        return _turned("invalid_intent", f"Invalid intent: '{intent}'.")
    if _TRANSCRIBES.search(upgrade.query.get("model", "")):
        return _turned("invalid_model", "A transcription model cannot hold a conversation.")
    if intent is None and not _model(upgrade) and secret is None:
        return _turned("missing_model", "You must provide a model parameter.")
    return None


def _model(upgrade: Upgrade) -> str:
    return upgrade.query.get("model") or upgrade.query.get("deployment", "")


def _admitted(upgrade: Upgrade, dialect: str, secret: SessionConfig | None) -> Admitted:
    kind, model = "transcription" if "intent" in upgrade.query else "realtime", _model(upgrade)
    if secret is not None:
        # What came with the secret was found good for its own model, and may not be for another.
        kind, model = str(secret.type), secret.model or model or MODEL
    asked = _asks_by_word(upgrade) or _asks_by_address(upgrade)
    return Admitted(kind, model, dialect == "flat" or (dialect == "auto" and asked))


def _asks_by_word(upgrade: Upgrade) -> bool:
    name, word = dialects.OLDER_HEADER
    words = map(str.strip, upgrade.headers.get(name, "").split(","))
    return word in words or dialects.OLDER_SUBPROTOCOL in upgrade.subprotocols


def _asks_by_address(upgrade: Upgrade) -> bool:
    return upgrade.path == dialects.OLDER_PATH or not dialects.OLDER_QUERY.isdisjoint(upgrade.query)


def _older_trouble(upgrade: Upgrade) -> Turned | None:
    """The older shape was switched off: told inside to who asks by word, by HTTP for its addresses."""
    if _asks_by_word(upgrade):
        return _turned("beta_api_shape_disabled", "This shape of the protocol is switched off.")
    if _asks_by_address(upgrade):
        return _turned("address_switched_off", "This address is switched off.", 4000, 401)
    return None


def _turned(
    code: str | None, message: str, close_code: int = 4000, status: int | None = None
) -> Turned:
    error = ErrorBody(type="invalid_request_error", code=code, message=message)
    return Turned(error, close_code, status)
