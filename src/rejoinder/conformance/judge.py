"""What became of a cell. Pure: what was heard against what was to be heard."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from rejoinder.conformance.driver import COMPLETE, ERROR, Heard
from rejoinder.conformance.scenarios import LINES, Line

_LEAST_OF_SOUND = 0.95
"""Of what was sent. A resampler may keep its last samples."""
_MOST_OF_SOUND = 1.05


OPEN, BEFORE, NEXT, CLOSE = "open", "before", "next", "close"
"""Names of steps that are not the acts of a scenario."""


class Verdict(Enum):
    """The best first; a cell is as bad as the worst of its steps."""

    SETTLED = "settled"
    OVER_EAGER = "over-eager"
    LATE = "late"
    TRUNCATED = "silently truncated"
    CROSSED = "crossed"
    DEAD = "dead"
    HANG = "hang"


MEANING = {
    Verdict.SETTLED: "In time: the reply, or an end of which the client says that it is none.",
    Verdict.OVER_EAGER: "Nothing was wrong, or nothing that mattered, and the client told of a failure.",
    Verdict.LATE: "As it should be, but after its bound.",
    Verdict.TRUNCATED: (
        "The client said that all was well, and it was not: a reply without all of its words and "
        "sound, a change that was refused."
    ),
    Verdict.CROSSED: "A reply with words that are not its own, or with its own twice.",
    Verdict.DEAD: "The server is well, and the next reply could not be had.",
    Verdict.HANG: "No end was heard until the cell was given up.",
}


class Expect(Enum):
    """What a step must come to. In each case within its bound."""

    WHOLE = "whole"
    """The whole reply: nothing happened that would excuse less."""
    TOLD = "told"
    """The whole reply, or the client's word that it is not whole."""
    ENDED = "ended"
    """An end, whichever: nobody can know better."""


class Step(msgspec.Struct, frozen=True):
    """One act, as it went.

    ``name``: the act. ``line``: the reply that it was to be, None where none was asked for. ``seconds``:
    from the asking to the end. ``heard``: None if there was no end.
    """

    name: str
    line: Line | None = None
    seconds: float = 0.0
    heard: Heard | None = None


class Bounds(msgspec.Struct, frozen=True):
    """What the steps of a cell must come to, in seconds.

    ``struck``: expected of the acts that the fault is for, ``within`` so many seconds. ``after``: of the
    reply that is asked for afterwards; ``survives``: the connection is to be had for it. ``opens``: it is
    to be had to begin with.
    """

    expect: Expect
    within: float
    after: float
    survives: bool = True
    opens: bool = True


def judge(steps: Sequence[Step], bounds: Bounds) -> tuple[Verdict, Step | None]:
    """The verdict on a cell, and the step on which it was passed: the worst, of equals the slowest of
    those that the fault was for. Without a step, a hang."""
    judged = [(_judged(step, bounds), step) for step in steps]
    return max(judged, key=_weight, default=(Verdict.HANG, None))


def _weight(judged: tuple[Verdict, Step]) -> tuple[int, bool, float]:
    verdict, step = judged
    struck = step.name not in (OPEN, BEFORE, NEXT, CLOSE)
    return _SEVERITY[verdict], struck or verdict is Verdict.HANG, step.seconds


_SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}


def _judged(step: Step, bounds: Bounds) -> Verdict:
    if step.heard is None:
        return Verdict.HANG
    if _strange(step.heard, step.line):
        return Verdict.CROSSED
    if step.name == NEXT:
        return _next(step, step.heard, bounds)
    if step.name == OPEN and step.heard.end == ERROR and bounds.opens:
        return Verdict.OVER_EAGER
    if step.name in (OPEN, CLOSE):
        return _in_time(step, bounds.within)
    expect = Expect.WHOLE if step.name == BEFORE else bounds.expect
    return _against(expect, step, step.heard, bounds)


def _against(expect: Expect, step: Step, heard: Heard, bounds: Bounds) -> Verdict:
    complete, told = heard.end == COMPLETE, bool(heard.beside)
    of_edit = expect is Expect.WHOLE  # of an edit that is said to be in force
    whole = _whole(step.line, heard) if step.line else of_edit
    if expect is Expect.WHOLE and not (whole and complete):
        return Verdict.TRUNCATED if complete and not told else Verdict.OVER_EAGER
    if expect is Expect.TOLD and complete and not whole and not told:
        return Verdict.TRUNCATED
    return _in_time(step, bounds.within)


def _next(step: Step, heard: Heard, bounds: Bounds) -> Verdict:
    whole, complete = _whole(step.line, heard), heard.end == COMPLETE
    if complete and not whole and not heard.beside:
        return Verdict.TRUNCATED
    if bounds.survives and not whole:
        return Verdict.DEAD
    return _in_time(step, bounds.after)


def _in_time(step: Step, within: float) -> Verdict:
    return Verdict.SETTLED if step.seconds <= within else Verdict.LATE


def _whole(line: Line | None, heard: Heard) -> bool:
    """Whether all of the reply arrived, words and sound."""
    if line is None or _words(heard.said) != _words(line.reply):
        return False
    return heard.audio >= line.seconds * _LEAST_OF_SOUND


def _strange(heard: Heard, line: Line | None) -> bool:
    """Whether there are words of another reply in it that are not its own, or more than its own."""
    if line is None:
        return False
    said, own = _words(heard.said), _words(line.reply)
    others = {word for one in LINES if one != line for word in _words(one.reply)}
    too_long = heard.audio > line.seconds * _MOST_OF_SOUND
    return bool((set(said) & others) - set(own)) or len(said) > len(own) or too_long


def _words(text: str) -> list[str]:
    return text.casefold().replace(",", " ").replace(".", " ").split()
