"""The session in force: its defaults, and what an update may make of it.

An update is all or nothing: it is merged into a copy, the copy is checked against a table of rules,
and only then takes the place of the old (OpenAI Realtime reference, "session.update").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from rejoinder.server import refusals, rules
from rejoinder.server.audio import Format
from rejoinder.server.rules import FORMATS, PCM, Rule
from rejoinder.server.rules import Json as Json
from rejoinder.wire.session import SessionConfig, SessionObject

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
_FIRST: dict[str, Json] = {"session.audio.input.noise_reduction": {"strength": 1.0}}
"""What is there when something is switched on; from then on, what was last said is kept."""

_REASONS = re.compile(r"gpt-realtime-[2-9](\.\d+)?(-(?!\d)|$)")
_DOES_NOT = re.compile(r"gpt-(realtime|4o|audio)(-|$)")
_REASONING: Json = {"parallel_tool_calls": True, "reasoning": {"effort": "low"}}
"""What only a model that reasons has, with the defaults. A model of an unknown name may have it."""


class Settings:
    """The configuration of one session.

    ``config`` is plain JSON, always complete and always valid. ``kind`` is ``realtime`` or
    ``transcription`` and never changes; nor does the model. ``expires_at``: seconds since 1970.
    ``labels``: of all MCP servers that were ever among the tools.
    """

    def __init__(self, session_id: str, model: str, kind: str = "realtime") -> None:
        self.id = session_id
        self.kind = kind
        self.expires_at = 0
        self.config = _defaults(kind, model)
        self.labels: set[str] = set()

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
        rules.tools(self.labels)("session.tools", merged.get("tools", []))
        self._check_fixed(merged, voice_locked=voice_locked)
        _check_together(merged)
        self.config = merged
        self.labels |= {tool["server_label"] for tool in self.tools if tool["type"] == "mcp"}

    def _check_fixed(self, merged: Json, *, voice_locked: bool) -> None:
        """What can be said once only, or not at all."""
        if voice_locked and _at(merged, "audio.output.voice") != self.voice:
            raise refusals.voice_locked()
        if merged.get("model") != self.config.get("model"):
            accepted = "the session's own model"
            raise refusals.invalid_value("session.model", merged["model"], accepted)
        if self.config.get("tracing") not in (None, merged.get("tracing")):
            raise refusals.tracing_fixed()
        check_reasoning(self.config.get("model", ""), merged, "session")

    @property
    def tools(self) -> list[Json]:
        found: list[Json] = self.config.get("tools", [])
        return found

    @property
    def logprobs(self) -> bool:
        """Whether transcripts come with the probability of each token."""
        return rules.LOGPROBS in (self.config["include"] or ())

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
    rules.form("response.audio.output.format", merged["audio"]["output"]["format"])
    return merged


def audio_format(form: Json) -> Format:
    """A format object of the protocol as a `Format`; G.711 is always at 8 kHz."""
    return Format(form["type"], form.get("rate", 24000) if form["type"] == PCM else 8000)


def check_reasoning(model: str, given: Json, path: str) -> None:
    """Raises `Refusal` for a say about reasoning to a model that is known not to reason."""
    if not _DOES_NOT.match(model) or _REASONS.match(model):
        return
    for name in _REASONING:
        if given.get(name) is not None:
            raise refusals.unknown_parameter(f"{path}.{name}")


def _defaults(kind: str, model: str) -> Json:
    hearing: Json = {
        "format": FORMATS["audio/pcm"],
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": _TURN_DETECTION["server_vad"],
    }
    if kind == "transcription":
        return {"type": kind, "include": None, "audio": {"input": hearing}}
    speaking = {"format": FORMATS["audio/pcm"], "voice": "marin", "speed": 1.0}
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
        **(_REASONING if _REASONS.match(model) else {}),
    }


def _check_listening_only(config: Json) -> None:
    """A transcription session has no say about output."""
    for name in config.keys() - {"type", "include", "audio"}:
        raise refusals.unknown_parameter(f"session.{name}")
    if "output" in config["audio"]:
        raise refusals.unknown_parameter("session.audio.output")


def _check_together(config: Json) -> None:
    """The transcription model that listens along leaves it to the client to commit."""
    hearing = config["audio"]["input"]
    listening = (hearing["transcription"] or {}).get("model") == rules.LISTENING_MODEL
    if listening and hearing["turn_detection"] is not None:
        kind = hearing["turn_detection"]["type"]
        raise refusals.invalid_value("session.audio.input.turn_detection", kind, "null")


# -- merging --

_CLEARABLE = {
    "session.audio.input.turn_detection",
    "session.audio.input.transcription",
    "session.audio.input.noise_reduction",
    "session.audio.input.turn_detection.idle_timeout_ms",
    "session.include",
    "session.prompt",
    "session.tracing",
    *(
        f"session.audio.input.transcription.{name}"
        for name in ("language", "languages", "prompt", "keywords", "delay")
    ),
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
    members = dict(base)
    for name, value in new.items():
        member = _merged(base.get(name), value, f"{path}.{name}")
        if member is not None or name in base or f"{path}.{name}" in _CLEARABLE:
            members[name] = member
    return members


def _base(old: Any, new: Json, path: str) -> Json:
    """What ``new`` is laid over: what was there, or the defaults of the type that it switches to."""
    known = _KINDS.get(path, {})
    before: Json = old if isinstance(old, dict) else _FIRST.get(path, {})
    kind = new.get("type")
    if isinstance(kind, str) and kind in known and kind != before.get("type"):
        return known[kind]
    return before


_KINDS: dict[str, Mapping[str, Json]] = {
    "session.audio.input.turn_detection": _TURN_DETECTION,
    "session.audio.input.format": FORMATS,
    "session.audio.output.format": FORMATS,
}


def _at(config: Json, path: str) -> Any:
    found: Any = config
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


_RULES: dict[str, Rule] = {
    "output_modalities": rules.modalities,
    "max_output_tokens": rules.token_limit,
    "tool_choice": rules.tool_choice,
    "tracing": rules.tracing,
    "truncation": rules.truncation,
    "prompt": rules.prompt,
    "include": rules.include,
    "reasoning.effort": rules.effort,
    "audio.input.format": rules.form,
    "audio.input.noise_reduction": rules.noise_reduction,
    "audio.input.transcription": rules.transcription,
    "audio.input.turn_detection": rules.turn_detection(_TURN_DETECTION),
    "audio.input.turn_detection.threshold": rules.between(0.0, 1.0),
    "audio.input.turn_detection.idle_timeout_ms": rules.between(5000, 30000),
    "audio.input.turn_detection.eagerness": rules.one_of("low", "medium", "high", "auto"),
    "audio.output.format": rules.form,
    "audio.output.speed": rules.between(0.25, 1.5),
}
