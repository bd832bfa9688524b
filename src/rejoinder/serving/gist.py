"""The gist of an event: what matters of it, in a few words. Never a key, and no character that moves a cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rejoinder.server.reading import Unreadable
from rejoinder.wire import client_events as client
from rejoinder.wire import server_events as events
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody, ResponseObject, ResponseParams

LONGEST = 72
"""Characters of somebody's words that are shown."""
_LONGEST_GIST = 300


def name_of(event: Any) -> str:
    """The type of an event as it stands on the wire."""
    if isinstance(event, Unreadable):
        return "(refused)"
    return clean(getattr(event, "type", None) or str(type(event).__struct_config__.tag))


def gist_of(event: Any) -> str:
    """What matters of a client or server event; empty when its type says it all."""
    teller = _TELLERS.get(type(event), _where)
    return clean(teller(event), _LONGEST_GIST)  # ids are the client's words, too


def quoted(words: str) -> str:
    """Somebody's words, short and harmless."""
    return f'"{clean(words)}"'


def clean(words: str, longest: int = LONGEST) -> str:
    """The words without line breaks and control characters, cut to ``longest`` characters."""
    beginning = words[: longest + 1]
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in beginning)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def joined(*said: str | None) -> str:
    """What there is to say, in one line."""
    return "  ".join(one for one in said if one)


# -- of the client --


def _update(event: client.SessionUpdate) -> str:
    return clean(", ".join(_paths(msgspec.to_builtins(event.session))), 2 * LONGEST)


def _paths(given: dict[str, Any], above: str = "") -> list[str]:
    """The names of all that is set, down to the audio's; none of the values."""
    paths: list[str] = []
    for name, value in given.items():
        inner = isinstance(value, dict) and name in ("audio", "input", "output")
        paths += _paths(value, f"{above}{name}.") if inner else [f"{above}{name}"]
    return paths


def _create(event: client.ResponseCreate) -> str:
    params = event.response or ResponseParams()
    aside = "out of band" if params.conversation == "none" else None
    instructions = quoted(params.instructions) if params.instructions else None
    return joined(aside, instructions, _metadata(params.metadata or None))


def _created_item(event: client.ConversationItemCreate) -> str:
    return _item(event.item)


def _unreadable(event: Unreadable) -> str:
    return joined(event.refusal.code, clean(event.refusal.message))


# -- of the server --


def _session(event: events.SessionCreated | events.SessionUpdated) -> str:
    session = msgspec.to_builtins(event.session)
    hearing = (session.get("audio") or {}).get("input") or {}
    detection = (hearing.get("turn_detection") or {}).get("type", "no turn detection")
    return joined(session.get("id"), session.get("model"), detection)


def _error(event: Any) -> str:
    caused = event.error.event_id
    return joined(_body(event.error), f"caused by {clean(caused)}" if caused else None)


def _body(error: ErrorBody) -> str:
    return joined(error.code or error.type, clean(error.message or ""))


def _response(event: events.ResponseCreated | events.ResponseDone) -> str:
    response: ResponseObject = event.response
    details = response.status_details
    return joined(
        response.id,
        response.status if isinstance(event, events.ResponseDone) else None,
        details.reason if details else None,
        _body(details.error) if details and details.error else None,
        _metadata(response.metadata),
    )


def _metadata(metadata: dict[str, Any] | None) -> str | None:
    if not metadata:
        return None
    return clean(", ".join(f"{name}={value}" for name, value in metadata.items()))


def _output_item(event: Any) -> str:
    return _item(event.item)


def _item(item: Item) -> str:
    """What an item is, and what it says."""
    if item.type == "function_call":
        return joined(item.id, f"{clean(item.name or '?')}({clean(item.arguments or '')})")
    if item.type == "function_call_output":
        return joined(item.id, "output", item.call_id, quoted(item.output or ""))
    parts = item.content or []
    said = " ".join(part.text or part.transcript or f"[{part.type}]" for part in parts)
    return joined(item.id, clean(item.role or item.type), quoted(said) if said else None)


def _limits(event: events.RateLimitsUpdated) -> str:
    return joined(*(f"{one.remaining} {one.name} left" for one in event.rate_limits))


def _where(event: Any) -> str:
    """For want of anything better: what it is about."""
    return joined(getattr(event, "item_id", None), getattr(event, "response_id", None) or None)


def _milliseconds(name: str) -> Callable[[Any], str]:
    return lambda event: joined(f"at {getattr(event, name)} ms", event.item_id)


def _words(name: str) -> Callable[[Any], str]:
    return lambda event: joined(event.item_id, quoted(getattr(event, name)))


_TELLERS: dict[type, Callable[[Any], str]] = {
    Unreadable: _unreadable,
    client.SessionUpdate: _update,
    client.ConversationItemCreate: _created_item,
    client.ConversationItemTruncate: _milliseconds("audio_end_ms"),
    client.ResponseCreate: _create,
    events.SessionCreated: _session,
    events.SessionUpdated: _session,
    events.Error: _error,
    events.ConversationItemInputAudioTranscriptionFailed: _error,
    events.ResponseCreated: _response,
    events.ResponseDone: _response,
    events.ConversationItemAdded: _output_item,
    events.ConversationItemCreated: _output_item,
    events.ConversationItemDone: _output_item,
    events.ConversationItemRetrieved: _output_item,
    events.ConversationItemTruncated: _milliseconds("audio_end_ms"),
    events.InputAudioBufferSpeechStarted: _milliseconds("audio_start_ms"),
    events.InputAudioBufferSpeechStopped: _milliseconds("audio_end_ms"),
    events.ConversationItemInputAudioTranscriptionCompleted: _words("transcript"),
    events.ResponseOutputItemAdded: _output_item,
    events.ResponseOutputItemDone: _output_item,
    events.ResponseOutputTextDone: _words("text"),
    events.ResponseOutputAudioTranscriptDone: _words("transcript"),
    events.ResponseFunctionCallArgumentsDone: _words("arguments"),
    events.RateLimitsUpdated: _limits,
}
