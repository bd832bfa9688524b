"""The protocol's events as dicts, for those who listen to them, and in the debugging log.

With ``LK_OPENAI_DEBUG`` set to a number other than 0 each event is a DEBUG record of the logger
``rejoinder.livekit``, under the extra key ``lk.pii.event``; audio is left out.
"""

from __future__ import annotations

import logging
from typing import Any, TypedDict

import msgspec
from livekit.agents.utils import resolve_env_int

from rejoinder.client.waiting import OnEvent
from rejoinder.livekit.emitter import Listeners
from rejoinder.wire.dialects import Dialect

logger = logging.getLogger("rejoinder.livekit")

_SERVER_EVENT = "openai_server_event_received"
_CLIENT_EVENT = "openai_client_event_queued"
_APPEND = "input_audio_buffer.append"
_AUDIO = {"response.output_audio.delta": "delta", "response.audio.delta": "delta"}


class Taps(TypedDict):
    """Whom the client shows the events on the wire."""

    on_event_in: OnEvent | None
    on_event_out: OnEvent | None


class RawEvents:
    """Shows each event to those who listen. What they change in its dict is what is handled, or sent.

    Where nobody listens no dict is made.
    """

    def __init__(self, listeners: Listeners, dialect: Dialect) -> None:
        self._listeners = listeners
        self._renames = dialect.renames
        self._debug = bool(resolve_env_int("LK_OPENAI_DEBUG"))

    def taps(self) -> Taps:
        """What the client must show to whom, now: nobody is shown what nobody wants to see."""
        seen, sent = (self._debug or self._listeners.any(e) for e in (_SERVER_EVENT, _CLIENT_EVENT))
        return {
            "on_event_in": self.received if seen else None,
            "on_event_out": self.queued if sent else None,
        }

    def received(self, frame: str | bytes, event: object) -> bytes | None:
        """The server's event, before it is handled; what to handle in its place, if it was changed."""
        plain = _plain(frame)
        if plain is None:
            return None
        name = plain.get("type")
        if isinstance(name, str):
            plain["type"] = self._renames.get(name, name)
        other = self._shown(_SERVER_EVENT, plain)
        if self._debug:
            _log("<<<", plain)
        return other

    def queued(self, event: object, frame: bytes) -> bytes | None:
        """The client's event, before it is sent; what to send in its place, if it was changed."""
        plain = _plain(frame)
        if plain is None:
            return None
        other = self._shown(_CLIENT_EVENT, plain)
        if self._debug and plain.get("type") != _APPEND:
            _log(">>>", plain)
        return other

    def _shown(self, name: str, plain: dict[str, Any]) -> bytes | None:
        if not self._listeners.any(name):
            return None
        before = msgspec.json.encode(plain)
        self._listeners.tell(name, plain)
        try:
            after = msgspec.json.encode(plain)
        except (TypeError, ValueError, OverflowError, RecursionError):
            logger.exception("a listener to %r made of the event what is no JSON: ignored", name)
            return None
        return after if after != before else None


def _plain(frame: str | bytes) -> dict[str, Any] | None:
    try:
        plain = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # no event: the journal has it
    return plain if isinstance(plain, dict) else None


def _log(direction: str, plain: dict[str, Any]) -> None:
    audio = _AUDIO.get(str(plain.get("type")))
    shown = plain if audio is None else {**plain, audio: "..."}
    logger.debug(direction, extra={"lk.pii.event": shown})
