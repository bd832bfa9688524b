"""Who hears and who speaks: the two engines behind a session, and the scripted one of the latter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from rejoinder.server.rules import Json
from rejoinder.server.script import Prompt, Reply, Script, Turn
from rejoinder.wire.items import Item


class Mark(msgspec.Struct, frozen=True):
    """Speech begins or ends. ``at_ms`` counts all samples that the ear was ever given."""

    started: bool
    at_ms: int


class Ear(Protocol):
    """Hears where speech begins and ends, in the samples alone."""

    def listen(self, samples: Sequence[int]) -> list[Mark]:
        """Takes the next samples and returns the marks found by now, in order."""

    def forget(self) -> None:
        """Speech in progress, if any, is over and will not be marked. The clock goes on."""


class Voice(Protocol):
    """Decides what the user has said and what is answered."""

    def transcribe(self, item_id: str) -> str:
        """The words of a user turn that has just been committed as this item."""

    def tools_of(self, server_label: str) -> list[Json] | None:
        """The tools that this MCP server lists; None when it cannot be asked."""

    def reply(self, prompt: Prompt, answered: Item | None) -> tuple[Reply, float]:
        """The reply, and how many seconds to think about it. ``answered``: the item replied to."""


class ScriptedVoice:
    """Reads its lines from a `Script`; one per connection, because lines are used up."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._unused = list(script.turns)
        self._spoken: dict[str, Turn] = {}

    def transcribe(self, item_id: str) -> str:
        turn = next((turn for turn in self._unused if not callable(turn.asked)), None)
        if turn is None:
            return ""
        self._unused.remove(turn)
        self._spoken[item_id] = turn
        return str(turn.asked or "")

    def tools_of(self, server_label: str) -> list[Json] | None:
        return self._script.tools_of(server_label)

    def reply(self, prompt: Prompt, answered: Item | None) -> tuple[Reply, float]:
        turn = self._find(prompt, answered)
        return turn.reply(prompt), turn.thinking

    def _find(self, prompt: Prompt, answered: Item | None) -> Turn:
        if answered is not None and answered.id in self._spoken:
            return self._spoken[answered.id]
        for turn in self._unused:
            if turn.answers(prompt):
                self._unused.remove(turn)
                return turn
        return self._script.otherwise
