"""The recorder: one JSON line per step, ``{"now": ..., "input": {...}, "effects": [...]}``.

Every struct is an object whose member ``$`` names its type (`Received`, `Deliver`, `ResponseDone`);
members that have their default value are left out. Audio is its length and a hash, so that a journal
can be compared, kept and shown without holding anybody's voice. ``now`` is in seconds of the session's
own clock, which has no relation to the date.

The API key never reaches the core, and so never a journal; credentials inside a configuration (of a
hosted tool, for instance) are replaced by ``[hidden]``.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from rejoinder.core.effects import Effect
from rejoinder.core.inputs import Input

__all__ = ["Recorder", "plain", "read"]

logger = logging.getLogger("rejoinder")

_HIDDEN = "[hidden]"
_CREDENTIALS = frozenset(
    {"authorization", "headers", "api_key", "api-key", "client_secret", "token", "access_token"}
)
_RAW = "raw"
_DEEPEST = 64
"""How deeply plain objects and lists may be nested; what is deeper is left out."""
_MOST_RAW = 2048
"""How much of an event that could not be read is kept as text, in bytes."""


class Recorder:
    """Writes a journal. Give it to `connect` as ``journal``; close it after the session, or use it as
    a context manager.

    ``file``: a path (an existing file is replaced) or a file open for writing bytes, which stays open.
    ``audio``: keep the audio itself, as base64. Each line is handed to the operating system before the
    step's effects are carried out.

    A disk that is full, or a file that somebody closed, ends the journal: it is reported once, on the
    logger ``rejoinder``, and the session goes on. ``error`` then holds what went wrong.
    """

    def __init__(self, file: str | PathLike[str] | BinaryIO, audio: bool = False) -> None:
        self._own = isinstance(file, (str, PathLike))
        self._file: BinaryIO = _opened(file) if isinstance(file, (str, PathLike)) else file
        self._audio = audio
        self.error: Exception | None = None

    def __call__(self, now: float, given: Input, effects: Iterable[Effect]) -> None:
        """Writes one step. Raises nothing."""
        if self.error is not None:
            return
        try:
            line = {
                "now": now,
                "input": plain(given, audio=self._audio),
                "effects": [plain(effect, audio=self._audio) for effect in effects],
            }
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except (OSError, ValueError, TypeError, OverflowError) as error:
            self.error = error
            logger.warning("the journal ends here, the session goes on: %s", error)

    def close(self) -> None:
        """Closes the file, if the recorder opened it. May be called again."""
        if self._own:
            try:
                self._file.close()
            except OSError as error:
                self.error = self.error or error

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a journal, as plain data, in order.

    A last line that was cut off in the middle (the disk was full, the process was killed) is left
    out. Raises ``OSError`` when the file cannot be read, ``ValueError`` naming any other line that is
    not a step.
    """
    lines: list[dict[str, Any]] = []
    given = Path(path).read_bytes().split(b"\n")
    for number, text in enumerate(given, 1):
        if not text:
            continue
        try:
            lines.append(msgspec.json.decode(text, type=dict[str, Any]))
        except msgspec.MsgspecError as error:
            if number == len(given):  # no newline: it was cut off
                break
            raise ValueError(f"{path}, line {number} is not a step: {error}") from error
    return lines


def plain(value: Any, *, audio: bool = False) -> Any:
    """A value of the core as plain data, in the form in which journals hold and compare it."""
    return _plain(value, audio)


def _plain(value: Any, audio: bool, room: int = _DEEPEST) -> Any:
    match value:
        case str() | int() | float() | None:
            return value
        case bytes():
            return _sound(value, audio)
        case msgspec.Struct():
            return {"$": type(value).__name__, **_members(value, audio)}
        case _ if not room:
            return "[nested too deeply]"
        case Mapping():
            return {
                str(name): _foreign(str(name), each, audio, room - 1)
                for name, each in value.items()
            }
        case _ if isinstance(value, Iterable):
            return [_plain(each, audio, room - 1) for each in value]
        case _:
            return str(value)


def _opened(path: str | PathLike[str]) -> BinaryIO:
    return Path(path).open("wb")


def _members(value: msgspec.Struct, audio: bool) -> dict[str, Any]:
    return {
        name: _member(name, member, audio)
        for name, default in _defaults(type(value))
        if (member := getattr(value, name)) is not msgspec.UNSET and not _same(member, default)
    }


def _member(name: str, value: Any, audio: bool) -> Any:
    """A member of one of our own types."""
    return (
        _text(value, audio) if name == _RAW and isinstance(value, bytes) else _plain(value, audio)
    )


def _foreign(name: str, value: Any, audio: bool, room: int) -> Any:
    """A member of a plain object, about which only its name says what it may be."""
    if name.lower() in _CREDENTIALS and value is not None:
        return _HIDDEN
    if name == "audio" and isinstance(value, str) and not audio:
        return _sound(value.encode("utf-8", "replace"), False)
    return _plain(value, audio, room)


def _same(member: Any, default: Any) -> bool:
    return type(member) is type(default) and bool(member == default)


_known: dict[type[msgspec.Struct], tuple[tuple[str, Any], ...]] = {}


def _defaults(struct: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """The members of a type, each with the default that need not be written."""
    if struct not in _known:
        _known[struct] = tuple(
            (field.name, _default(field.default, field.default_factory))
            for field in msgspec.structs.fields(struct)
        )
    return _known[struct]


def _default(value: Any, factory: Callable[[], Any] | Any) -> Any:
    return factory() if factory is not msgspec.NODEFAULT else value


def _sound(audio: bytes, whole: bool) -> dict[str, Any]:
    if whole:
        return {"bytes": len(audio), "base64": base64.b64encode(audio).decode("ascii")}
    return {"bytes": len(audio), "sha256": hashlib.sha256(audio).hexdigest()[:16]}


def _text(raw: bytes, audio: bool) -> Any:
    """An event that could not be read is worth reading; a long one may hold audio."""
    if len(raw) > _MOST_RAW:
        return _sound(raw, audio)
    try:
        return _plain(msgspec.json.decode(raw), audio)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return raw.decode("utf-8", "backslashreplace")
