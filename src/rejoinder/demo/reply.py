"""One reply of the conversation, and how it ended as far as the one who waits for it can tell."""

from __future__ import annotations

from dataclasses import dataclass

from rejoinder.core.outcomes import Outcome

ENDED = "ended"
CUT = "cut"
ERROR = "error"
INTERRUPTED = "interrupted"
NO_END = "no end"
NO_REPLY = "no reply"

_OVERHEARD = {"Completed": ENDED, "Failed": ERROR, "Lost": ERROR}
"""What stands for an outcome where there are none."""


@dataclass(frozen=True)
class End:
    """How a reply ended. ``why`` is empty when it is a whole one.

    ``name``: that of the typed outcome (``Completed``); a model that has none gets one of the names
    above. ``said``, ``calls``: what had come by then.
    """

    name: str
    said: str = ""
    calls: tuple[str, ...] = ()
    why: str = ""

    @classmethod
    def of(cls, outcome: Outcome) -> End:
        """That of a typed outcome."""
        came = outcome.delivered
        calls = tuple(call.name for call in came.function_calls)
        why = "" if outcome.ok else outcome.describe()
        return cls(type(outcome).__name__, came.text, calls, why)

    def wanted(self, outcome: str) -> str:
        """The name that this end should have, where ``outcome`` is expected."""
        return outcome if self.name[0].isupper() else _OVERHEARD.get(outcome, outcome)


class Reply:
    """One reply. Moments are of the loop's clock, None where it did not happen.

    ``turn`` counts the user's questions from 0. ``asked_at``: when the question had been spoken.
    ``words``, ``called``, ``errors``: what was overheard of it, if it has no typed outcome.
    """

    def __init__(self, response_id: str | None, turn: int, asked_at: float) -> None:
        self.response_id = response_id
        self.turn = turn
        self.asked_at = asked_at
        self.first_audio_at: float | None = None
        self.fault_at: float | None = None
        self.settled_at: float | None = None
        self.end: End | None = None
        self.words: list[str] = []
        self.called: list[str] = []
        self.errors: list[str] = []

    @property
    def first_audio_s(self) -> float | None:
        """Seconds from the end of the question to the first audio of this reply."""
        return None if self.first_audio_at is None else self.first_audio_at - self.asked_at

    @property
    def fault_to_settled_s(self) -> float | None:
        """Seconds from the fault to the moment at which the caller had the outcome."""
        if self.fault_at is None or self.settled_at is None:
            return None
        return self.settled_at - self.fault_at

    @property
    def calls(self) -> tuple[str, ...]:
        """The names of the tools that it called."""
        return self.end.calls if self.end else ()

    def settle(self, end: End, now: float) -> None:
        """It has ended so, unless its time was over before."""
        if self.end is None:
            self.end, self.settled_at = end, now

    def give_up(self, limit: float) -> None:
        """Its time is over, ``limit`` seconds after the question."""
        if self.end is None:
            why = f"no end within {limit:g} s, " + (told(self.errors) or "no error")
            self.end = End(NO_END, "".join(self.words), tuple(self.called), why)


def told(errors: list[str]) -> str:
    """The errors that the client told, in its own words."""
    return "; ".join(errors)
