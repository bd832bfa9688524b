"""What a script file says, as data, while the sound of its lines is still to be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from rejoinder.server.core import Terms
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.script import (
    Call,
    Condition,
    Pause,
    Prompt,
    Refuse,
    Script,
    Speech,
    Stop,
    Text,
    Turn,
    after_tool,
)

HUM = "hum"
ESPEAK = "espeak-ng"


class Line(msgspec.Struct, frozen=True):
    """A spoken line. Its sound is a recording (``wav``), or the words in a ``voice``.

    ``at``: where in the file it stands. The other two are those of `Speech`.
    """

    words: str
    at: int
    wav: str | None = None
    voice: str = HUM
    pace: float = 10.0
    lasting: float | None = None

    @property
    def needs_sound(self) -> bool:
        """Whether a file must be read, or a program run, before it can be said."""
        return self.wav is not None or self.voice != HUM


Planned: TypeAlias = Line | Text | Call | Pause | Stop | Refuse


class Conditions(msgspec.Struct, frozen=True):
    """What a turn is the reply to: all that is said here must hold; nothing said means anything.

    ``user`` stands alone. ``after``: a function that was called; ``output``: words in what it returned.
    ``instructions``: words in those in force.
    """

    user: str | None = None
    after: str | None = None
    output: str = ""
    instructions: str = ""
    metadata: dict[str, str] = {}
    out_of_band: bool | None = None

    def asked(self) -> str | Condition | None:
        """The same as a turn of the Python form has it."""
        if self == Conditions(self.user):
            return self.user
        return self._hold

    def _hold(self, prompt: Prompt) -> bool:
        return (
            self._follows_the_tool(prompt)
            and _within(self.instructions, prompt.instructions)
            and self.metadata.items() <= prompt.metadata.items()
            and self.out_of_band in (None, prompt.out_of_band)
        )

    def _follows_the_tool(self, prompt: Prompt) -> bool:
        if self.after is None:
            return True
        output = prompt.tool_outputs.get(self.after, "")
        return after_tool(self.after)(prompt) and _within(self.output, output)


class PlannedTurn(msgspec.Struct, frozen=True):
    """One reply, and what it is the reply to."""

    conditions: Conditions
    outputs: tuple[Planned, ...]
    thinking: float

    def spoken(self, sounds: Mapping[Line, bytes]) -> Turn:
        """The turn, its lines sounding."""
        outputs = [_spoken(one, sounds) for one in self.outputs]
        return Turn(self.conditions.asked(), *outputs, thinking=self.thinking)


class ScriptPlan(msgspec.Struct, frozen=True):
    """A whole file. ``terms`` are members of `Terms`."""

    turns: tuple[PlannedTurn, ...] = ()
    otherwise: PlannedTurn | None = None
    faults: tuple[AnyFault, ...] = ()
    terms: dict[str, Any] = {}

    def lines(self) -> Iterator[Line]:
        """The lines that need a sound, in order."""
        for turn in (*self.turns, *([self.otherwise] if self.otherwise else ())):
            for one in turn.outputs:
                if isinstance(one, Line) and one.needs_sound:
                    yield one

    def spoken(self, sounds: Mapping[Line, bytes]) -> ScriptFile:
        """What can be served. ``sounds``: 24 kHz mono PCM16 for each of `lines`."""
        otherwise = self.otherwise.spoken(sounds) if self.otherwise else None
        script = Script(*(turn.spoken(sounds) for turn in self.turns), otherwise=otherwise)
        return ScriptFile(script, self.faults, Terms(**self.terms))


class ScriptFile(msgspec.Struct, frozen=True):
    """What a script file says: the conversation, what goes wrong in it, what a connection is granted."""

    script: Script
    faults: tuple[AnyFault, ...] = ()
    terms: Terms = Terms()


def _spoken(one: Planned, sounds: Mapping[Line, bytes]) -> Any:
    if isinstance(one, Line):
        return Speech(one.words, sounds.get(one), one.pace, one.lasting)
    return one


def _within(words: str, text: str) -> bool:
    return words.casefold() in text.casefold()
