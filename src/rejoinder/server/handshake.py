"""Who is let in: the upgrade request, judged as the live service judges it.

It answers the upgrade first and refuses inside: one `error`, then a close whose reason is
``<error.type>.<error.code>`` (captures of September 2026). Only an unknown call is refused by HTTP.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from rejoinder.wire.response import ErrorBody

PATHS = ("/v1/realtime", "/realtime", "/openai/v1/realtime")
SUBPROTOCOL = "realtime"
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_TRANSCRIBES = re.compile(r"whisper|transcribe")
"""A model for transcripts is chosen with `session.update`; in the address it is refused."""


class Upgrade(msgspec.Struct, frozen=True):
    """What a client asks for. Header names are in lower case."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    subprotocols: Sequence[str] = ()


class Admitted(msgspec.Struct, frozen=True):
    """A session of this kind (``realtime`` or ``transcription``) on this model."""

    kind: str
    model: str


class Turned(msgspec.Struct, frozen=True):
    """Turned away: after the upgrade with ``error`` and a close, or with an HTTP ``status``."""

    error: ErrorBody
    close_code: int = 4000
    status: int | None = None

    @property
    def reason(self) -> str:
        """The reason of the close frame."""
        return f"{self.error.type}.{self.error.code}" if self.error.code else f"{self.error.type}"


def judge(upgrade: Upgrade, api_key: str | None) -> Admitted | Turned:
    """Lets a client in or turns it away. Without ``api_key`` any key will do, or none."""
    return _key_trouble(upgrade, api_key) or _shape_trouble(upgrade) or _admitted(upgrade)


def _key_trouble(upgrade: Upgrade, api_key: str | None) -> Turned | None:
    given = _key(upgrade)
    if api_key is None or (
        given is not None and hmac.compare_digest(given.encode(), api_key.encode())
    ):
        return None
    if given is None:
        return _turned(None, "Missing bearer or basic authentication in header", 3000)
    return _turned("invalid_api_key", "Incorrect API key provided.", 3000)


def _key(upgrade: Upgrade) -> str | None:
    """The credential, from where the protocol allows it."""
    scheme, _, token = upgrade.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for offered in upgrade.subprotocols:
        if offered.startswith(_KEY_SUBPROTOCOL):
            return offered.removeprefix(_KEY_SUBPROTOCOL)
    return upgrade.headers.get("api-key") or upgrade.query.get("api-key")


def _shape_trouble(upgrade: Upgrade) -> Turned | None:
    if "call_id" in upgrade.query:
        return _turned("call_id_not_found", "No session found for the provided call_id", 4000, 404)
    intent = upgrade.query.get("intent")
    if intent not in (None, "transcription"):
        return _turned("invalid_intent", f"Invalid intent: '{intent}'.")
    model = upgrade.query.get("model", "")
    if _TRANSCRIBES.search(model):
        return _turned("invalid_model", f"Model '{model}' cannot hold a conversation.")
    if intent is None and not model:
        return _turned("missing_model", "You must provide a model parameter.")
    return None


def _admitted(upgrade: Upgrade) -> Admitted:
    kind = "transcription" if "intent" in upgrade.query else "realtime"
    return Admitted(kind, upgrade.query.get("model", ""))


def _turned(
    code: str | None, message: str, close_code: int = 4000, status: int | None = None
) -> Turned:
    error = ErrorBody(type="invalid_request_error", code=code, message=message)
    return Turned(error, close_code, status)
