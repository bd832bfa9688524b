"""The drop-in beside what it stands in for, `livekit-plugins-openai`: each difference, with its reason.

The differences are found by looking at both; the reasons stand here. `tests/livekit/test_parity.py`
fails on a difference without a reason, and on a reason without a difference; `make docs` writes them
into `docs/parity.md`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

THEIRS = "livekit.plugins.openai.realtime"
OURS = "livekit.plugins.rejoinder.realtime"
MODULES = (
    "gpt_live_model",
    "gpt_live_types",
    "inference_realtime_model",
    "realtime_model",
    "utils",
)
CLASSES = ("RealtimeModel", "RealtimeSession")

Difference: TypeAlias = tuple[str, str]
"""Where, and what."""

_ON_TOP = "ours on top: see the docstring of `RealtimeModel`"
_SWALLOWED = (
    "upstream swallows any name silently; here an option that does not exist is a `TypeError`"
)
_VERSION = "upstream reads it out of `**kwargs`"
_TYPED = "every failure is a typed error, and these are the types"
_FRAMES = "upstream swallows it silently in `with_azure`"

_ASIDE = "ours on top: a reply out-of-band, with an input and a modality of its own"

REASONS: dict[Difference, str] = {
    ("`RealtimeModel()`", "`**kwargs` is missing"): _SWALLOWED,
    ("`RealtimeModel()`", "`api_version` is added"): _VERSION,
    ("`RealtimeModel()`", "`busy` is added"): _ON_TOP,
    ("`RealtimeModel()`", "`journal` is added"): _ON_TOP,
    ("`RealtimeModel()`", "`max_response_output_tokens` is added"): (
        "upstream takes it in `update_options` alone, and swallows it here"
    ),
    ("`RealtimeModel()`", "`retries` is added"): _ON_TOP,
    ("`RealtimeModel()`", "`timeouts` is added"): _ON_TOP,
    ("`RealtimeModel.with_azure()`", "`**kwargs` is missing"): _SWALLOWED,
    ("`RealtimeModel.with_azure()`", "`api_version` is added"): _VERSION,
    ("`RealtimeModel.with_azure()`", "`busy` is added"): _ON_TOP,
    ("`RealtimeModel.with_azure()`", "`conn_options` is added"): _FRAMES,
    ("`RealtimeModel.with_azure()`", "`journal` is added"): _ON_TOP,
    ("`RealtimeModel.with_azure()`", "`max_response_output_tokens` is added"): _FRAMES,
    ("`RealtimeModel.with_azure()`", "`model` is added"): _FRAMES,
    ("`RealtimeModel.with_azure()`", "`retries` is added"): _ON_TOP,
    ("`RealtimeModel.with_azure()`", "`timeouts` is added"): _ON_TOP,
    ("`RealtimeModel.with_azure()`", "`tool_choice` is added"): _FRAMES,
    ("`RealtimeModel.with_azure()`", "`truncation` is added"): _FRAMES,
    ("`RealtimeSession`", "`configure` is added"): "how a model tells its live sessions",
    ("`RealtimeSession.generate_reply()`", "`conversation` is added"): _ASIDE,
    ("`RealtimeSession.generate_reply()`", "`input` is added"): _ASIDE,
    ("`RealtimeSession.generate_reply()`", "`modalities` is added"): _ASIDE,
    ("module `realtime`", "`ConnectionLost` is added"): _TYPED,
    ("module `realtime`", "`ReplyCreatedEvent` is added"): "the event carries the typed outcome",
    ("module `realtime`", "`ReplyError` is added"): _TYPED,
    ("module `realtime`", "`SessionEnded` is added"): _TYPED,
    ("module `realtime`", "`SessionError` is added"): _TYPED,
    ("module `realtime`", "`SessionReconnectedEvent` is added"): (
        "the event says what was restored, what was not, and how long it took"
    ),
    ("module `realtime`", "`UpdateError` is added"): _TYPED,
}

MODES: dict[str, dict[str, Any]] = {
    "OpenAI": {},
    "Azure": {"is_azure": True, "azure_deployment": "my deployment"},
    "Azure without a deployment": {"is_azure": True},
    "Azure's preview": {"is_azure": True, "azure_deployment": "d", "api_version": "2024-10-01"},
    "Azure's preview without a deployment": {"is_azure": True, "api_version": "2024-10-01"},
}
"""What `process_base_url` is asked for, beside a URL and a model."""

_PATHS = ("", "/", "/v1", "/v1/", "/openai", "/openai/", "/openai/v1", "/v1/realtime", "/my/path/")
_QUERIES = ("", "?model=m", "?x=1&y=a%20b", "?api-version=1&x=1", "?x=1&x=2")
ADDRESSES = (
    *(f"https://host{path}{query}" for path in _PATHS for query in _QUERIES),
    *(f"{scheme}://host:8080/v1" for scheme in ("https", "http", "wss", "ws")),
    "https://r.openai.azure.com/openai",
    "https://r.openai.azure.com/openai/v1/",
    "https://r.openai.azure.com/openai/realtime?deployment=e",
    "https://r.openai.azure.com",
    "https://host/v1?call_id=rtc_1",
    "https://host/v1?intent=transcription",
    "https://host/v1?deployment=e",
    "https://host/v1?x=",
    "ftp://host/v1",
    "host/v1",
    "",
)

ADDRESS_REASONS: dict[str, str] = {
    "https://r.openai.azure.com": "Azure serves nothing at `/v1/realtime`, which upstream makes of it",
    "https://r.openai.azure.com/openai/realtime?deployment=e": (
        "an address that names its deployment needs no `model` beside it"
    ),
    "https://host/v1?call_id=rtc_1": "a call is joined by its id; `model` would ask for a new session",
    "https://host/v1?intent=transcription": "a transcription session has no `model` in its address",
    "https://host/v1?deployment=e": "an address that names its deployment needs no `model` beside it",
    "https://host/v1?x=": "upstream drops an empty member of the query",
    "ftp://host/v1": "refused by name, where upstream fails on connecting",
    "": "no address is OpenAI's own; for Azure it is refused",
    "host/v1": "refused by name, where upstream fails on connecting",
}
"""Addresses of which the two make different ones in some mode."""


def found() -> list[Difference]:
    """Every difference between the two, in order."""
    return sorted({*_of_modules(), *_of_members(), *_of_signatures()})


def drawn() -> str:
    """The differences and their reasons as a table."""
    rows = [f"| {where} | {what} | {REASONS[where, what]} |" for where, what in sorted(REASONS)]
    return "\n".join(["| where | difference | why |", "|---|---|---|", *rows])


def drawn_addresses() -> str:
    """The addresses of which the two make different ones, as a table."""
    rows = [
        f"| `{address or '(none)'}` | {reason} |" for address, reason in ADDRESS_REASONS.items()
    ]
    return "\n".join(["| base URL | why |", "|---|---|", *rows])


def differing() -> set[str]:
    """The addresses of which the two make different ones in some mode."""
    theirs, ours = (
        importlib.import_module(f"{home}.realtime_model").process_base_url
        for home in (THEIRS, OURS)
    )
    return {
        url
        for url in ADDRESSES
        for mode in MODES.values()
        if _parts(theirs, url, mode) != _parts(ours, url, mode)
    }


def _parts(made: Callable[..., str], url: str, mode: dict[str, Any]) -> Any:
    """An address, but for the order and the spelling of its query; None if it is refused."""
    try:
        parts = urlsplit(made(url, "gpt realtime/x", **mode))
    except ValueError:
        return None
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    return parts.scheme, parts.netloc, parts.path, query


def counterparts() -> Iterator[tuple[str, Any, Any]]:
    """Where, theirs and ours: each class that both have."""
    for name in CLASSES:
        yield name, *(getattr(importlib.import_module(home), name) for home in (THEIRS, OURS))


def public(module: str) -> set[str]:
    """The names that a module gives to others: ``__all__``, or else what it defines or renames."""
    loaded = importlib.import_module(module)
    told = getattr(loaded, "__all__", None)
    if told is not None:
        return set(told)
    tree = ast.parse(Path(inspect.getsourcefile(loaded) or "").read_text("utf-8"))
    return {name for node in tree.body for name in _given(node) if not name.startswith("_")}


def _given(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.ImportFrom(names=names):
            yield from (alias.asname for alias in names if alias.asname == alias.name)
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            yield name
        case _:
            pass


def _of_modules() -> Iterator[Difference]:
    for module in ("", *(f".{name}" for name in MODULES)):
        where = f"module `realtime{module}`"
        yield from _compared(where, public(THEIRS + module), public(OURS + module))


def _of_members() -> Iterator[Difference]:
    for name, theirs, ours in counterparts():
        members = [{n for n in dir(kind) if not n.startswith("_")} for kind in (theirs, ours)]
        yield from _compared(f"`{name}`", *members)
        for member in sorted(members[0] & members[1]):
            old, new = (_kind(kind, member) for kind in (theirs, ours))
            if old != new:
                yield f"`{name}`", f"`{member}` is a {new}, not a {old}"


def _of_signatures() -> Iterator[Difference]:
    for name, theirs, ours in counterparts():
        yield from _signatures(f"`{name}()`", theirs.__init__, ours.__init__)
        for member in dir(theirs):
            old, new = (getattr(kind, member, None) for kind in (theirs, ours))
            if not member.startswith("_") and callable(old) and callable(new):
                yield from _signatures(f"`{name}.{member}()`", old, new)
    homes = [importlib.import_module(f"{home}.realtime_model") for home in (THEIRS, OURS)]
    yield from _signatures("`process_base_url()`", *(home.process_base_url for home in homes))


def _signatures(
    where: str, theirs: Callable[..., Any], ours: Callable[..., Any]
) -> Iterator[Difference]:
    old, new = ({p.name: p for p in _parameters(function)} for function in (theirs, ours))
    yield from _compared(
        where, {_shown(p) for p in old.values()}, {_shown(p) for p in new.values()}
    )
    for name in old.keys() & new.keys():
        if old[name].kind is not new[name].kind:
            yield where, f"`{name}` is {new[name].kind.description}"
        if old[name].default != new[name].default:
            yield where, f"`{name}` is {new[name].default!r}, not {old[name].default!r}"
    places = [[n for n in names if names[n].kind is POSITIONAL] for names in (old, new)]
    if places[0] != places[1][: len(places[0])]:
        yield where, f"the order is {places[1]}"


POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.name != "self"]


def _shown(parameter: inspect.Parameter) -> str:
    return str(parameter.replace(annotation=parameter.empty, default=parameter.empty))


def _compared(where: str, theirs: set[str], ours: set[str]) -> Iterator[Difference]:
    yield from ((where, f"`{name}` is missing") for name in theirs - ours)
    yield from ((where, f"`{name}` is added") for name in ours - theirs)


def _kind(owner: type[Any], member: str) -> str:
    value = inspect.getattr_static(owner, member)
    if isinstance(value, property):
        return "property"
    if isinstance(value, classmethod):
        return "class method"
    return "coroutine method" if inspect.iscoroutinefunction(value) else "method"
