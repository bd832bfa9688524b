"""Beats: a reply taken apart into what goes out when. Data; `responses` performs it."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec

from rejoinder.server.audio import Format, encode, tone
from rejoinder.server.script import AskApproval, Call, McpCall, Output, Pause, Speech, Text
from rejoinder.wire.response import ErrorBody

DELTA_MS = 100
_WORD_SECONDS = 0.01
_SECONDS_PER_CHARACTER = 0.06
_LONGEST_HUM = 60.0
"""Seconds, unless the script itself says how long: a plan is held in memory whole."""
_ARGUMENT_PIECE = 12


class OpenItem(msgspec.Struct, frozen=True):
    """An output item begins: a message, with ``name`` a function call, or what is ``hosted``."""

    name: str | None = None
    call_id: str | None = None
    hosted: McpCall | AskApproval | None = None


class OpenPart(msgspec.Struct, frozen=True):
    """A content part begins: ``audio`` or ``text``."""

    kind: str


class Delta(msgspec.Struct, frozen=True):
    """More of what is open: ``text``, ``transcript`` or ``arguments``."""

    kind: str
    delta: str


class AudioDelta(msgspec.Struct, frozen=True):
    """More samples, in the output format."""

    delta: bytes


class RunHosted(msgspec.Struct, frozen=True):
    """The open hosted call has all its arguments and runs."""


class CloseItem(msgspec.Struct, frozen=True):
    """The open item is complete, and with it its part."""


class End(msgspec.Struct, frozen=True):
    """The response is over."""

    status: str = "completed"
    reason: str | None = None
    error: ErrorBody | None = None


Beat: TypeAlias = OpenItem | OpenPart | Delta | AudioDelta | RunHosted | CloseItem | End


class Plan:
    """A whole reply: each beat with the seconds between it and the one before.

    ``spoken`` False: the response is of modality ``text``, so a spoken line is written.
    """

    def __init__(self, form: Format, *, spoken: bool = True, thinking: float = 0.0) -> None:
        self.beats: list[tuple[float, Beat]] = []
        self._form = form
        self._spoken = spoken
        self._wait = thinking

    def add(self, output: Output) -> None:
        """Appends one output."""
        match output:
            case Pause():
                self._wait += output.seconds
            case Speech() if self._spoken:
                self._speak(output)
            case Speech(transcript=text) | Text(text=text):
                self._write(text)
            case Call():
                self._then(OpenItem(output.name, output.call_id))
                self._argue(output.arguments)
                self._then(CloseItem())
            case McpCall():
                self._then(OpenItem(hosted=output))
                self._argue(output.arguments)
                self._then(RunHosted())
                self._wait = output.lasting
                self._then(CloseItem())
            case AskApproval():
                self._then(OpenItem(hosted=output))
                self._then(CloseItem())
            case _:
                self._then(End(output.status, output.reason, output.error))

    def end(self) -> None:
        """Appends the ordinary end."""
        self._then(End())

    def _then(self, beat: Beat) -> None:
        self.beats.append((self._wait, beat))
        self._wait = 0.0

    def _speak(self, line: Speech) -> None:
        audio = encode(_audio(line), self._form)
        size = self._form.size(DELTA_MS)
        deltas = [audio[at : at + size] for at in range(0, len(audio), size)]
        words = split_words(line.transcript)
        self._then(OpenItem())
        self._then(OpenPart("audio"))
        said = 0
        for number, delta in enumerate(deltas, start=1):
            ahead = -(-len(words) * 3 * number // (2 * len(deltas)))  # words run ahead of sound
            for word in words[said:ahead]:
                self._then(Delta("transcript", word))
            said = ahead
            self._then(AudioDelta(delta))
            self._wait = self._form.milliseconds(len(delta)) / 1000 / line.pace
        for word in words[said:]:
            self._then(Delta("transcript", word))
        self._then(CloseItem())

    def _write(self, text: str) -> None:
        self._then(OpenItem())
        self._then(OpenPart("text"))
        for word in split_words(text):
            self._then(Delta("text", word))
            self._wait = _WORD_SECONDS
        self._then(CloseItem())

    def _argue(self, arguments: dict[str, Any] | str) -> None:
        text = written(arguments)
        for at in range(0, len(text), _ARGUMENT_PIECE):
            self._then(Delta("arguments", text[at : at + _ARGUMENT_PIECE]))
            self._wait = _WORD_SECONDS


def written(arguments: dict[str, Any] | str) -> str:
    """The arguments of a call as the text that is sent."""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def split_words(text: str) -> list[str]:
    """The words, each with the space before it, so that joined they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def _audio(line: Speech) -> bytes:
    if line.audio is not None:
        return line.audio
    as_words = min(len(line.transcript) * _SECONDS_PER_CHARACTER, _LONGEST_HUM)
    return tone(line.lasting or as_words)
