"""The session in force: its defaults, and what an update may make of it.

An update is all or nothing: it is merged into a copy, the copy is checked against a table of rules,
and only then takes the place of the old (OpenAI Realtime reference, "session.update").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from rejoinder.server import refusals
from rejoinder.server.audio import PCM, Format
from rejoinder.wire.session import SessionConfig, SessionObject

Json: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[str, Any], None]

DEFAULT_INSTRUCTIONS = "You are a helpful, friendly assistant. Talk quickly and briefly."

_OBJECTS = {"realtime": "realtime.session", "transcription": "realtime.transcription_session"}

_TURN_DETECTION: dict[str, Json] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}
_FORMATS: dict[str, Json] = {
    "audio/pcm": {"type": "audio/pcm", "rate": 24000},
    "audio/pcmu": {"type": "audio/pcmu"},
    "audio/pcma": {"type": "audio/pcma"},
}


class Settings:
    """The configuration of one session.

    ``config`` is plain JSON, always complete and always valid. ``kind`` is ``realtime`` or
    ``transcription`` and never changes; nor does the model. ``expires_at``: seconds since 1970.
    """

    def __init__(self, session_id: str, model: str, kind: str = "realtime") -> None:
        self.id = session_id
        self.kind = kind
        self.expires_at = 0
        self.config = _defaults(kind, model)

    def describe(self) -> SessionObject:
        """The full effective session, as `session.created` and `session.updated` show it."""
        known = {"id": self.id, "object": _OBJECTS[self.kind], "expires_at": self.expires_at}
        return msgspec.convert({**self.config, **known}, SessionObject)

    def update(self, change: SessionConfig, *, voice_locked: bool) -> None:
        """Applies ``change`` whole, or raises `Refusal` and changes nothing.

        ``voice_locked``: assistant audio exists, so another voice is refused.
        """
        if change.type is UNSET or change.type is None:
            raise refusals.missing("session.type")
        if change.type != self.kind:
            raise refusals.invalid_value("session.type", change.type, f"'{self.kind}'")
        merged = _merged(self.config, msgspec.to_builtins(change), "session")
        if self.kind == "transcription":
            _check_listening_only(merged)
        for path, rule in _RULES.items():
            value = _at(merged, path)
            if value is not None:
                rule(f"session.{path}", value)
        if voice_locked and _at(merged, "audio.output.voice") != self.voice:
            raise refusals.voice_locked()
        if merged.get("model") != self.config.get("model"):
            raise refusals.invalid_value(
                "session.model", merged["model"], "the session's own model"
            )
        self.config = merged

    @property
    def turn_detection(self) -> Json | None:
        found: Json | None = self.config["audio"]["input"]["turn_detection"]
        return found

    @property
    def transcription(self) -> Json | None:
        found: Json | None = self.config["audio"]["input"]["transcription"]
        return found

    @property
    def input_format(self) -> Format:
        return audio_format(self.config["audio"]["input"]["format"])

    @property
    def voice(self) -> Any:
        return _at(self.config, "audio.output.voice")


def overridden(config: Json, given: Json) -> Json:
    """A session's configuration with the overrides of one response, or `Refusal`."""
    merged: Json = _merged(config, given, "session")
    form("response.audio.output.format", merged["audio"]["output"]["format"])
    return merged


def audio_format(form: Json) -> Format:
    """A format object of the protocol as a `Format`; G.711 is always at 8 kHz."""
    return Format(form["type"], form.get("rate", 24000) if form["type"] == PCM else 8000)


def _defaults(kind: str, model: str) -> Json:
    hearing: Json = {
        "format": _FORMATS["audio/pcm"],
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": _TURN_DETECTION["server_vad"],
    }
    if kind == "transcription":
        return {"type": kind, "include": None, "audio": {"input": hearing}}
    speaking = {"format": _FORMATS["audio/pcm"], "voice": "marin", "speed": 1.0}
    return {
        "type": kind,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {"input": hearing, "output": speaking},
    }


def _check_listening_only(config: Json) -> None:
    """A transcription session has no say about output."""
    for name in config.keys() - {"type", "include", "audio"}:
        raise refusals.unknown_parameter(f"session.{name}")
    if "output" in config["audio"]:
        raise refusals.unknown_parameter("session.audio.output")


# -- merging --

_CLEARABLE = {
    "session.audio.input.turn_detection",
    "session.audio.input.transcription",
    "session.audio.input.noise_reduction",
    "session.audio.input.turn_detection.idle_timeout_ms",
    "session.include",
    "session.prompt",
    "session.tracing",
}
_WHOLE = {"session.prompt", "session.tracing", "session.truncation", "session.tool_choice"}
_WHOLE |= {"session.audio.output.voice"}


def _merged(old: Any, new: Any, path: str) -> Any:
    """``new`` over ``old``: objects member by member, all else replaced, null only where it clears."""
    if new is None:
        return None if path in _CLEARABLE else old
    if not isinstance(new, dict) or path in _WHOLE:
        return new
    base = _base(old, new, path)
    members = {
        name: _merged(base.get(name), value, f"{path}.{name}") for name, value in new.items()
    }
    return {**base, **members}


def _base(old: Any, new: Json, path: str) -> Json:
    """What ``new`` is laid over: what was there, or the defaults of the type that it switches to."""
    known = _KINDS.get(path, {})
    before: Json = old if isinstance(old, dict) else {}
    kind = new.get("type")
    if isinstance(kind, str) and kind in known and kind != before.get("type"):
        return known[kind]
    return before


_KINDS: dict[str, dict[str, Json]] = {
    "session.audio.input.turn_detection": _TURN_DETECTION,
    "session.audio.input.format": _FORMATS,
    "session.audio.output.format": _FORMATS,
}


def _at(config: Json, path: str) -> Any:
    found: Any = config
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


# -- rules --


def one_of(*accepted: Any) -> Rule:
    words = ", ".join(map(repr, accepted))

    def check(path: str, value: Any) -> None:
        if value not in accepted:
            raise refusals.invalid_value(path, value, words)

    return check


def between(least: float, most: float) -> Rule:
    def check(path: str, value: float) -> None:
        if value < least:
            raise refusals.below_minimum(path, value, least)
        if value > most:
            raise refusals.above_maximum(path, value, most)

    return check


def at_most(length: int) -> Rule:
    def check(path: str, value: str) -> None:
        if len(value) > length:
            raise refusals.too_long(path, len(value), length)

    return check


def token_limit(path: str, value: Any) -> None:
    """``"inf"``, or a whole number of tokens."""
    if isinstance(value, str):
        one_of("inf")(path, value)
    else:
        between(1, 4096)(path, value)


def modalities(path: str, value: Any) -> None:
    """Audio or text; the live service refuses both together."""
    one_of(["audio"], ["text"])(path, value)


def form(path: str, value: Json) -> None:
    """One of the three formats; PCM only at 24 kHz."""
    one_of(*_FORMATS)(f"{path}.type", value["type"])
    if value["type"] == PCM:
        between(24000, 24000)(f"{path}.rate", value.get("rate", 24000))


def metadata(path: str, value: dict[str, str]) -> None:
    """At most 16 pairs, keys up to 64 and values up to 512 characters."""
    if len(value) > 16:
        message = f"Invalid '{path}': too many properties. Expected at most 16."
        raise refusals.Refusal("object_above_max_properties", message, param=path)
    for name, text in value.items():
        at_most(64)(path, name)
        at_most(512)(f"{path}.{name}", text)


def _includes(path: str, value: list[str]) -> None:
    for name in value:
        one_of("item.input_audio_transcription.logprobs")(path, name)


def tools(path: str, value: list[Json]) -> None:
    """Functions need a name, MCP servers a label that occurs once and one way to reach them."""
    labels: list[Any] = []
    for at, tool in enumerate(value):
        here = f"{path}[{at}]"
        if "type" not in tool:
            raise refusals.missing(f"{here}.type")
        one_of("function", "mcp")(f"{here}.type", tool["type"])
        if tool["type"] == "function":
            _function(here, tool)
        else:
            _mcp(here, tool, labels)


def _function(path: str, tool: Json) -> None:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise refusals.missing(f"{path}.name")
    at_most(64)(f"{path}.name", name)


def _mcp(path: str, tool: Json, labels: list[Any]) -> None:
    label = tool.get("server_label")
    if not isinstance(label, str) or not label:
        raise refusals.missing(f"{path}.server_label")
    if label in labels:
        raise refusals.invalid_value(f"{path}.server_label", label, "labels not yet used")
    labels.append(label)
    # A tool that was defined before may be named by its label alone, so none of these is required.
    if len({"server_url", "connector_id", "tunnel_id"} & tool.keys()) > 1:
        raise refusals.invalid_value(f"{path}.server_url", tool.get("server_url"), "one way only")


_RULES: dict[str, Rule] = {
    "output_modalities": modalities,
    "max_output_tokens": token_limit,
    "tools": tools,
    "include": _includes,
    "reasoning.effort": one_of("minimal", "low", "medium", "high", "xhigh"),
    "audio.input.format": form,
    "audio.input.noise_reduction.type": one_of("near_field", "far_field"),
    "audio.input.transcription.prompt": at_most(1024),
    "audio.input.turn_detection.type": one_of("server_vad", "semantic_vad"),
    "audio.input.turn_detection.threshold": between(0.0, 1.0),
    "audio.input.turn_detection.idle_timeout_ms": between(5000, 30000),
    "audio.input.turn_detection.eagerness": one_of("low", "medium", "high", "auto"),
    "audio.output.format": form,
    "audio.output.speed": between(0.25, 1.5),
}
