"""What the members of a session, or of one response, may be: a `Rule` for each.

A rule takes the member's path and its value, never ``null``, and raises `Refusal` if it will not do.
The types that are fixed were checked before (`reading`); what is free-form there is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from rejoinder.server import refusals

Json: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[str, Any], None]

PCM = "audio/pcm"
FORMATS: Mapping[str, Json] = {
    PCM: {"type": PCM, "rate": 24000},
    "audio/pcmu": {"type": "audio/pcmu"},
    "audio/pcma": {"type": "audio/pcma"},
}
"""The formats there are, by type."""

LISTENING_MODEL = "gpt-realtime-whisper"
"""The one transcription model that listens while the user speaks (OpenAI Realtime reference)."""

LOGPROBS = "item.input_audio_transcription.logprobs"
"""The one thing that a session may ask to be told besides."""


# -- kinds of rules --


def one_of(*accepted: Any) -> Rule:
    words = ", ".join(map(repr, accepted))

    def check(path: str, value: Any) -> None:
        if value not in accepted:
            raise refusals.invalid_value(path, value, words)

    return check


def between(least: float, most: float) -> Rule:
    def check(path: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refusals.invalid_type(path, "expected a number")
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


def an_object(path: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise refusals.invalid_type(path, "expected an object")


def a_text(path: str, value: Any) -> None:
    if not isinstance(value, str):
        raise refusals.invalid_type(path, "expected a string")


def a_flag(path: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise refusals.invalid_type(path, "expected a boolean")


def texts(path: str, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise refusals.invalid_type(path, "expected an array of strings")


def members(needed: Mapping[str, Rule], **optional: Rule) -> Rule:
    """An object of these members and no other; ``null`` stands for absent."""
    known = {**needed, **optional}

    def check(path: str, value: Any) -> None:
        an_object(path, value)
        for name in needed:
            if value.get(name) is None:
                raise refusals.missing(f"{path}.{name}")
        for name, given in value.items():
            if name not in known:
                raise refusals.unknown_parameter(f"{path}.{name}")
            if given is not None:
                known[name](f"{path}.{name}", given)

    return check


def word_or(words: Rule, otherwise: Rule) -> Rule:
    """A string by one rule, anything else by another."""

    def check(path: str, value: Any) -> None:
        (words if isinstance(value, str) else otherwise)(path, value)

    return check


# -- what is said and heard --


token_limit = word_or(one_of("inf"), between(1, 4096))
"""``"inf"``, or a whole number of tokens."""

modalities = one_of(["audio"], ["text"])
"""Audio or text; the live service refuses both together."""

effort = one_of("minimal", "low", "medium", "high", "xhigh")
"""How hard a reasoning model thinks."""


def form(path: str, value: Json) -> None:
    """One of the three formats; PCM only at 24 kHz."""
    one_of(*FORMATS)(f"{path}.type", value["type"])
    if value["type"] == PCM:
        between(24000, 24000)(f"{path}.rate", value.get("rate", 24000))


def noise_reduction(path: str, value: Json) -> None:
    """Needs a type."""
    if value.get("type") is None:
        raise refusals.missing(f"{path}.type")
    one_of("near_field", "far_field")(f"{path}.type", value["type"])


def turn_detection(defaults: Mapping[str, Json]) -> Rule:
    """One of the types in ``defaults``, with the members that it has there."""

    def check(path: str, value: Json) -> None:
        one_of(*defaults)(f"{path}.type", value["type"])
        for name in value:
            if name not in defaults[value["type"]]:
                raise refusals.unknown_parameter(f"{path}.{name}")

    return check


def transcription(path: str, value: Json) -> None:
    """Only the model that listens along can be told to wait, and it takes no prompt."""
    model = value.get("model")
    alien = "prompt" if model == LISTENING_MODEL else "delay"
    if value.get(alien) is not None:
        raise refusals.unknown_parameter(f"{path}.{alien}")
    if value.get("prompt") is not None:
        at_most(1024)(f"{path}.prompt", value["prompt"])
    if value.get("delay") is not None:
        effort(f"{path}.delay", value["delay"])


def include(path: str, value: list[str]) -> None:
    """There is one thing to include."""
    for name in value:
        one_of(LOGPROBS)(path, name)


# -- what is free-form in the protocol's types --


def metadata(path: str, value: dict[str, str]) -> None:
    """At most 16 pairs, keys up to 64 and values up to 512 characters."""
    if len(value) > 16:
        message = f"Invalid '{path}': too many properties. Expected at most 16."
        raise refusals.Refusal("object_above_max_properties", message, param=path)
    for name, text in value.items():
        at_most(64)(path, name)
        at_most(512)(f"{path}.{name}", text)


tracing = word_or(
    one_of("auto"), members({}, workflow_name=a_text, group_id=a_text, metadata=an_object)
)
"""``"auto"``, or what to call the trace."""

truncation = word_or(
    one_of("auto", "disabled"),
    members(
        {"type": one_of("retention_ratio"), "retention_ratio": between(0.0, 1.0)},
        token_limits=members({}, post_instructions=between(0, 2**53)),
    ),
)
"""How the context is kept within its limit."""

prompt = members({"id": a_text}, version=a_text, variables=an_object)
"""A prompt that is kept elsewhere, by its id."""


def _chosen_tool(path: str, value: Any) -> None:
    an_object(path, value)
    if value.get("type") is None:
        raise refusals.missing(f"{path}.type")
    kind = one_of("function", "mcp")
    kind(f"{path}.type", value["type"])
    by_name = members({"type": kind, "name": a_text})
    by_label = members({"type": kind, "server_label": a_text}, name=a_text)
    (by_name if value["type"] == "function" else by_label)(path, value)


tool_choice = word_or(one_of("none", "auto", "required"), _chosen_tool)
"""A word, or one tool by its name."""


WAYS = ("server_url", "connector_id", "tunnel_id")
"""How an MCP server may be reached."""


def tools(known: Collection[str]) -> Rule:
    """Functions need a name, MCP servers a label that occurs once and one way to reach them.

    ``known``: labels that were defined before, for which the label is enough.
    """

    def check(path: str, value: list[Json]) -> None:
        labels: list[Any] = []
        for at, tool in enumerate(value):
            here = f"{path}[{at}]"
            if "type" not in tool:
                raise refusals.missing(f"{here}.type")
            one_of("function", "mcp")(f"{here}.type", tool["type"])
            if tool["type"] == "function":
                _function(here, tool)
            else:
                _mcp(here, tool, labels, known)

    return check


def _function(path: str, tool: Json) -> None:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise refusals.missing(f"{path}.name")
    at_most(64)(f"{path}.name", name)
    if tool.get("parameters") is not None:
        an_object(f"{path}.parameters", tool["parameters"])


def _mcp(path: str, tool: Json, labels: list[Any], known: Collection[str]) -> None:
    label = tool.get("server_label")
    if not isinstance(label, str) or not label:
        raise refusals.missing(f"{path}.server_label")
    if label in labels:
        raise refusals.invalid_value(f"{path}.server_label", label, "labels not yet used")
    labels.append(label)
    ways = {name for name in WAYS if tool.get(name) is not None}
    if len(ways) > 1:
        raise refusals.invalid_value(f"{path}.server_url", tool.get("server_url"), "one way only")
    if not ways and label not in known:
        raise refusals.missing(f"{path}.server_url")
    _mcp_key(path, tool)
    if tool.get("allowed_tools") is not None:
        _allowed_tools(f"{path}.allowed_tools", tool["allowed_tools"])


def _allowed_tools(path: str, value: Any) -> None:
    """Names, or an object with them."""
    if isinstance(value, list):
        texts(path, value)
    else:
        members({}, tool_names=texts, read_only=a_flag)(path, value)


def _mcp_key(path: str, tool: Json) -> None:
    headers = tool.get("headers")
    if headers is None:
        return
    an_object(f"{path}.headers", headers)
    if tool.get("authorization") is not None and "authorization" in map(str.lower, headers):
        accepted = "a key in one place, here or in the headers"
        raise refusals.invalid_value(f"{path}.authorization", "...", accepted)
