"""The older shape of the protocol, as a server hears and tells it: one flat session, other names.

Heard events become today's before they are read; told ones take the older names last of all. What the
older shape does not know is refused in its own words. Source: the older types of the `openai` package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rejoinder.server import reading, refusals, rules
from rejoinder.server.reading import Accepted, Unreadable
from rejoinder.server.refusals import Refusal
from rejoinder.server.rules import Json, Rule
from rejoinder.wire import codec, dialects, flat, plain
from rejoinder.wire.server_events import ServerEvent

TEMPERATURE = 0.8
"""What is told until a client says another. The script's voice heeds it as little as the voice's name."""

UPDATES = {"realtime": "session.update", "transcription": "transcription_session.update"}
"""What configures a session of each kind."""

_HEARING = frozenset(
    "input_audio_format input_audio_transcription input_audio_noise_reduction turn_detection".split()
)
_SPEAKING = frozenset(
    "modalities instructions voice output_audio_format tools tool_choice temperature".split()
)
_SESSIONS: Mapping[str, frozenset[str]] = {
    "realtime": _HEARING
    | _SPEAKING
    | {"model", "max_response_output_tokens", "speed", "tracing", "client_secret"},
    "transcription": _HEARING | {"modalities", "include", "client_secret"},
}
_RESPONSE = _SPEAKING | frozenset(
    "conversation input metadata max_response_output_tokens max_output_tokens".split()
)
_ONLY_GIVEN = frozenset({"modalities", "client_secret"})
"""What a transcription session may be given, and of which nothing comes."""

_PARTS = {"output_text": "text", "output_audio": "audio"}
"""The model's parts: today's name, and the one that they had."""

_NAMES = {
    str(event.__struct_config__.tag): name
    for name, event in dialects.CANONICAL.items()
    if name.startswith("response.")
} | {"conversation.item.added": "conversation.item.created"}

_NO_WORD = (
    "conversation.item.done",
    "conversation.item.input_audio_transcription.segment",
    "input_audio_buffer.timeout_triggered",
    "mcp_list_tools.",
    "response.mcp_call",
)
"""How the names begin that the older shape does not have."""


class Flat:
    """One connection's older shape. ``kind``: ``realtime`` or ``transcription``."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._temperature = TEMPERATURE
        self._asked: float | None = None

    def read(self, frame: str | bytes) -> Accepted | Unreadable:
        """Reads a frame; what is said in today's shape instead is unknown here."""
        name = _name(frame)
        if isinstance(frame, bytes) or name not in _HEARD:
            return reading.read(frame)
        said: Json = {}
        try:
            said = msgspec.json.decode(frame)
            today = msgspec.json.encode(self._heard(name, said)).decode()
        except Refusal as refusal:
            event_id = said.get("event_id")
            return Unreadable(refusal, event_id if isinstance(event_id, str) else None)
        except plain.REFUSALS:
            return reading.read(frame)  # which says what is wrong with it
        return reading.read(today)

    def told(self, event: ServerEvent) -> str | None:
        """The event under its older name and in its older shape; None for what had no name."""
        frame = codec.encode(event)
        name = str(event.__struct_config__.tag)
        if name.startswith(_NO_WORD):
            return None
        if name in _NAMES or name in _TOLD or name in _SESSION_NAMES:
            told = msgspec.json.decode(frame)
            frame = msgspec.json.encode(self._older(name, told))
        return frame.decode()

    def retold(self, frame: str) -> str:
        """A fault's own text: an event of today, however broken, under its older name."""
        name = _name(frame)
        if name not in _NAMES and name not in _RESPONSES:
            return frame
        try:
            told: Json = {**msgspec.json.decode(frame), "type": _NAMES.get(name, name)}
        except plain.REFUSALS:
            return frame  # it only looks like one
        response = told.get("response")
        if isinstance(response, dict) and "output" in response:
            told["response"] = _response(response, self._temperature)
        return msgspec.json.encode(told).decode()

    # -- heard --

    def _heard(self, name: str, said: Json) -> Json:
        if name in UPDATES.values():
            return self._update(name, said)
        return _HEARD[name](said)

    def _update(self, name: str, said: Json) -> Json:
        if name != UPDATES[self._kind]:
            raise refusals.invalid_value("type", name, f"'{UPDATES[self._kind]}'")
        self._asked = None
        session = said.get("session")
        if not isinstance(session, dict):
            return {**said, "type": "session.update"}
        kept = _checked(session, _SESSIONS[self._kind], "session")
        self._asked = kept.pop("temperature", None)
        if self._kind == "transcription":
            kept = {name: value for name, value in kept.items() if name not in _ONLY_GIVEN}
        today = {**flat.nested(kept), "type": self._kind}
        return {**said, "type": "session.update", "session": today}

    # -- told --

    def _older(self, name: str, told: Json) -> Json:
        told["type"] = _NAMES.get(name, name)
        if name in _SESSION_NAMES:
            return self._session(name, told)
        if name in _RESPONSES:
            told["response"] = _response(told["response"], self._temperature)
            return told
        return _TOLD.get(name, _same)(told)

    def _session(self, name: str, told: Json) -> Json:
        if name == "session.updated" and self._asked is not None:
            self._temperature, self._asked = self._asked, None
        session = flat.flattened(told["session"])
        detection = session.get("turn_detection")
        if detection:
            session["turn_detection"] = _without(detection, "idle_timeout_ms")
        if self._kind == "transcription":
            return {**told, "type": f"transcription_{name}", "session": session}
        kept = {n: value for n, value in session.items() if n in _SESSIONS["realtime"] | _OWN}
        return {**told, "session": {**kept, "temperature": self._temperature}}


_RESPONSES = ("response.created", "response.done")
_SESSION_NAMES = ("session.created", "session.updated")
_OWN = frozenset({"id", "object", "expires_at"})


def _name(frame: str | bytes) -> str:
    try:
        return msgspec.json.decode(frame, type=_Named).type
    except plain.REFUSALS:
        return ""


class _Named(msgspec.Struct):
    type: str


# -- what is heard --


def _checked(given: Json, known: frozenset[str], path: str) -> Json:
    """The members that are given, each as the older shape allows; ``null`` where that says something."""
    for name, value in given.items():
        here = f"{path}.{name}"
        if name not in known:
            raise refusals.unknown_parameter(here)
        if value is not None and name in _RULES:
            _RULES[name](here, value)
    kept = {name: value for name, value in given.items() if name != "client_secret"}
    if isinstance(kept.get("turn_detection"), dict):
        kept["turn_detection"] = {"type": "server_vad", **kept["turn_detection"]}
    return kept


def _modalities(path: str, value: Any) -> None:
    """Text, or audio with the text that comes along."""
    if value not in (["text"], ["audio", "text"], ["text", "audio"]):
        raise refusals.invalid_value(path, value, "['text'] and ['audio', 'text']")


def _turn_detection(path: str, value: Any) -> None:
    if isinstance(value, dict) and "idle_timeout_ms" in value:
        raise refusals.unknown_parameter(f"{path}.idle_timeout_ms")


def _tools(path: str, value: Any) -> None:
    """Functions are all there is."""
    for at, tool in enumerate(value if isinstance(value, list) else []):
        kind = tool.get("type", "function") if isinstance(tool, dict) else "function"
        rules.one_of("function")(f"{path}[{at}].type", kind)


_RULES: Mapping[str, Rule] = {
    "modalities": _modalities,
    "input_audio_format": rules.one_of(*flat.FORMATS),
    "output_audio_format": rules.one_of(*flat.FORMATS),
    "temperature": rules.between(0.6, 1.2),
    "turn_detection": _turn_detection,
    "tools": _tools,
}


def _create_item(said: Json) -> Json:
    return {**said, "item": _item_heard(said["item"], "item")} if "item" in said else said


def _create_response(said: Json) -> Json:
    response = said.get("response")
    if not isinstance(response, dict):
        return said
    kept = _checked(response, _RESPONSE, "response")
    kept.pop("temperature", None)
    limit = kept.pop("max_output_tokens", None)  # named so in the text of the reference
    today = flat.nested(kept if limit is None else {"max_response_output_tokens": limit, **kept})
    if isinstance(today.get("input"), list):
        items = enumerate(today["input"])
        today["input"] = [_item_heard(item, f"response.input[{at}]") for at, item in items]
    return {**said, "response": today}


def _item_heard(item: Any, path: str) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("content"), list):
        return item
    spoken = item.get("role") == "assistant"
    parts = enumerate(item["content"])
    content = [_part_heard(part, f"{path}.content[{at}]", spoken=spoken) for at, part in parts]
    return {**item, "content": content}


def _part_heard(part: Any, path: str, *, spoken: bool) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        return part
    if kind in _PARTS:
        raise refusals.invalid_value(f"{path}.type", kind, "'text'")
    today = next((new for new, old in _PARTS.items() if old == kind), None)
    return {**part, "type": today} if spoken and today else part


_HEARD: Mapping[str, Callable[[Json], Json]] = {
    "conversation.item.create": _create_item,
    "response.create": _create_response,
    **dict.fromkeys(UPDATES.values(), dict),
}


# -- what is told --


def _response(response: Json, temperature: float) -> Json:
    older = flat.flattened(response)
    older["max_output_tokens"] = older.pop("max_response_output_tokens", None)
    older["output"] = [_item_told(item) for item in response["output"]]
    older["temperature"] = temperature
    usage = response.get("usage") or {}
    if "input_token_details" in usage:
        details = _without(usage["input_token_details"], "image_tokens", "cached_tokens_details")
        older["usage"] = {**usage, "input_token_details": details}
    return older


def _item_told(item: Json) -> Json:
    content = item.get("content")
    if content is None:
        return item
    return {**item, "content": [{**p, "type": _PARTS.get(p["type"], p["type"])} for p in content]}


def _with_item(told: Json) -> Json:
    return {**told, "item": _item_told(told["item"])}


def _nameless(told: Json) -> Json:
    return _without(told, "name")


def _error(told: Json) -> Json:
    """Names the member as the client knows it, in the words as well."""
    error = told["error"]
    words, param = error["message"], error["param"]
    renamed = {f"'{today}'": f"'{older}'" for today, older in _PARTS.items()}
    if param is not None:
        # An unknown parameter of this very name was the client's own word for it.
        renamed[param] = _param(param, whole=error["code"] != "unknown_parameter")
    for today, older in renamed.items():
        words = words and words.replace(today, older)
    return {**told, "error": {**error, "param": renamed.get(param), "message": words}}


def _param(path: str, *, whole: bool) -> str:
    """The older path of a member, or of a member of that; with ``whole`` False only the latter."""
    root, _, rest = path.partition(".")
    for name, places in flat.MEMBERS.items():
        place = ".".join(places)
        if (whole and rest == place) or rest.startswith(f"{place}."):
            return f"{root}.{name}{rest[len(place) :]}"
    return path


def _without(whole: Json, *names: str) -> Json:
    return {name: value for name, value in whole.items() if name not in names}


def _same(told: Json) -> Json:
    return told


_TOLD: Mapping[str, Callable[[Json], Json]] = {
    "error": _error,
    "conversation.item.added": _with_item,
    "conversation.item.retrieved": _with_item,
    "response.output_item.added": _with_item,
    "response.output_item.done": _with_item,
    "response.function_call_arguments.done": _nameless,
    **dict.fromkeys(_RESPONSES, _same),
}
