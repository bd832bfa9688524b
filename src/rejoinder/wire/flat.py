"""The older shape of the protocol: one flat session, and other names for the same members.

Plain objects in, plain objects out; what is in the wanted shape already stays as it is. Source:
OpenAI's migration guide, and the older types of the `openai` package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Plain = dict[str, Any]

FORMATS: Mapping[str, Plain] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
"""Audio formats, which had a name each instead of an object."""

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "output_audio_format": ("audio", "output", "format"),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
}
"""Each flat member and where it stands today."""

UNKNOWN = frozenset({"truncation"})
"""Members of today's session for which the flat one has no word."""

_NESTED_ONLY = frozenset({"type", "audio", "output_modalities", "max_output_tokens"})
_NAMES = {form["type"]: name for name, form in FORMATS.items()}
_ABSENT = object()


def flattened(nested: Plain) -> Plain:
    """A session, or the parameters of a response, in the flat shape; a ``null`` stays a ``null``."""
    flat = {name: value for name, value in nested.items() if name not in _NESTED_ONLY}
    for name, path in MEMBERS.items():
        value = _at(nested, path)
        if value is not _ABSENT:
            flat[name] = _FLATTEN.get(name, _same)(value)
    return flat


def nested(flat: Plain) -> Plain:
    """A flat session in today's shape."""
    if isinstance(flat.get("audio"), dict):
        return flat
    told = {n: value for n, value in flat.items() if n not in MEMBERS and n != "audio"}
    for name, (*places, last) in MEMBERS.items():
        if name in flat:
            inner = told
            for place in places:
                inner = inner.setdefault(place, {})
            inner[last] = _NEST.get(name, _same)(flat[name])
    return told


# --- events ------------------------------------------------------------------------------------


def _session_update(said: Plain) -> Plain:
    session = said.get("session")
    return {**said, "session": flattened(session)} if isinstance(session, dict) else said


def _item_create(said: Plain) -> Plain:
    return {**said, "item": _item(said["item"])} if "item" in said else said


def _response_create(said: Plain) -> Plain:
    response = said.get("response")
    if not isinstance(response, dict):
        return said
    flat = flattened(response)
    if isinstance(flat.get("input"), list):
        flat["input"] = [_item(item) for item in flat["input"]]
    return {**said, "response": flat}


def _session_told(told: Plain) -> Plain:
    session = told.get("session")
    return {**told, "session": nested(session)} if isinstance(session, dict) else told


SAID: Mapping[str, Callable[[Plain], Plain]] = {
    "session.update": _session_update,
    "conversation.item.create": _item_create,
    "response.create": _response_create,
}
"""Client events that look different in the flat protocol."""

TOLD: Mapping[str, Callable[[Plain], Plain]] = dict.fromkeys(
    (
        "session.created",
        "session.updated",
        "transcription_session.created",
        "transcription_session.updated",
    ),
    _session_told,
)
"""Server events that look different there. Parts of items need no help: their types are open."""


def _item(item: Any) -> Any:
    content = item.get("content") if isinstance(item, dict) else None
    return {**item, "content": [_part(p) for p in content]} if isinstance(content, list) else item


def _part(part: Any) -> Any:
    """The model's own words were a ``text`` there; strict servers refuse any other name."""
    written = isinstance(part, dict) and part.get("type") == "output_text"
    return {**part, "type": "text"} if written else part


def _at(whole: Any, path: tuple[str, ...]) -> Any:
    for place in path:
        if not isinstance(whole, dict) or place not in whole:
            return _ABSENT
        whole = whole[place]
    return whole


def _same(value: Any) -> Any:
    return value


def _format_name(form: Any) -> Any:
    return _NAMES.get(form.get("type"), form.get("type")) if isinstance(form, dict) else form


def _format(name: Any) -> Any:
    return FORMATS.get(name, {"type": name}) if isinstance(name, str) else name


def _both(modalities: Any) -> Any:
    """Audio brings its transcript along, and had to say so: audio alone was refused."""
    return ["audio", "text"] if modalities == ["audio"] else modalities


def _one(modalities: Any) -> Any:
    return ["audio"] if isinstance(modalities, list) and "audio" in modalities else modalities


_FLATTEN: Mapping[str, Callable[[Any], Any]] = {
    "modalities": _both,
    "input_audio_format": _format_name,
    "output_audio_format": _format_name,
}
_NEST: Mapping[str, Callable[[Any], Any]] = {
    "modalities": _one,
    "input_audio_format": _format,
    "output_audio_format": _format,
}
