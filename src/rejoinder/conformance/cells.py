"""The cells of the matrix: which fault in which scenario, and what a client must come to.

A `Case` says of one fault what can be expected of anybody. The names are those of
`rejoinder.server.faults.catalogue`, and the points at which they strike are fitted to the scenario here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import msgspec

from rejoinder.conformance.driver import ABILITIES
from rejoinder.conformance.judge import Bounds, Expect
from rejoinder.conformance.scenarios import SCENARIOS, Scenario
from rejoinder.errors import ConfigurationError

AT_ONCE = 6.0
"""Seconds for what the server says aloud: the reply itself takes less than one, an error's grace
another; the rest is for a busy machine."""
IN_SILENCE = 15.0
"""Seconds for what only a clock can find out; ten is what clients wait by default."""
RETRYING = 10.0
"""Seconds for what may be tried again: until there is another connection, or the client gives up."""
GIVEN_UP = 60.0
"""Seconds after which a step is a hang. Some clients find out by keepalive, which takes them fifty."""

WHOLE, TOLD, ENDED = Expect.WHOLE, Expect.TOLD, Expect.ENDED


class Kind(Enum):
    """What sort of thing goes wrong."""

    CONTROL = "Nothing is wrong, or nothing that matters"
    BADLY = "All is well, but told badly"
    FAILURE = "The server says that the reply has failed"
    END = "The reply ends otherwise than it should"
    REFUSAL = "The request is refused, or answered by nothing but an end"
    SILENCE = "The server falls silent"
    CLOSE = "The connection is closed"
    BREAK = "The connection breaks"
    STALL = "The connection stalls"
    DOOR = "The connection is not to be had"
    CALL = "The call of a tool is told badly"
    EDIT = "A change of the session goes wrong"


class Case(msgspec.Struct, frozen=True):
    """One fault. ``faults``: how it is said to the server, several if it takes several.

    ``name``: for people, as it stands in the matrix. ``within``, ``after``: as in `Bounds`. ``survives``:
    whether the same connection serves the next reply.
    """

    name: str
    faults: tuple[str, ...]
    kind: Kind = Kind.CONTROL
    expect: Expect = TOLD
    within: float = AT_ONCE
    after: float = AT_ONCE
    survives: bool = True


class Cell(msgspec.Struct, frozen=True):
    """One case in one scenario."""

    scenario: Scenario
    case: Case

    @property
    def name(self) -> str:
        """``scenario x fault``: what `rejoinder faults --only` takes."""
        return f"{self.scenario.name} x {self.case.name}"

    @property
    def bounds(self) -> Bounds:
        """What its steps must come to. Who interrupts a reply cannot complain of its end."""
        case = self.case
        expect = ENDED if self.scenario.name == "cut" else case.expect
        opens = case.kind is not Kind.DOOR
        return Bounds(expect, case.within, case.after, case.survives, opens)


def _named(kind: Kind, names: str, aim: str = "", **more: Any) -> list[Case]:
    """Cases of faults, by their names in one string."""
    return [Case(f"{name}{aim}", (f"{name}{aim}",), kind, **more) for name in names.split()]


HEALTHY = Case("healthy", (), expect=WHOLE)

_PAUSES = _named(Kind.CONTROL, "pause-6", "@delta:3", expect=WHOLE, within=AT_ONCE + 6)

_HARMLESS = _named(
    Kind.CONTROL,
    """error-unnamed error-foreign-id error-input-buffer error-item error-session error-cancel
    response-error-foreign foreign-delta foreign-done foreign-response unknown-event ping-event
    frame-empty frame-array frame-null frame-number frame-no-type frame-type-null frame-large
    frame-fragmented delta-empty duplicate-created duplicate-done delta-after-done no-event-ids
    no-output-in-done no-rate-limits""",
    expect=WHOLE,
)
_BADLY = _named(
    Kind.BADLY,
    """late-created late-item no-created no-metadata delta-null delta-missing delta-not-base64
    frame-not-json frame-binary""",
)
_UNENDED = _named(
    Kind.CONTROL,
    "foreign-response-unended",
    expect=WHOLE,
    within=IN_SILENCE,
    after=IN_SILENCE,
)
_LATE_DOOR = _named(Kind.CONTROL, "handshake-slow", "#1", expect=WHOLE)

_FAILURES = _named(
    Kind.FAILURE,
    """response-error response-error-unnamed error-then-silence response-error-nested
    response-error-flat response-error-text response-error-bare response-error-metadata
    response-error-event-id response-failed response-incomplete
    error-event-id-then-silence error-text-then-silence error-null-then-silence
    error-flat-then-silence error-foreign-id-then-silence""",
)
_SOME_FAILURES = _FAILURES[:3]

_ENDS = _named(
    Kind.END,
    """done-failed done-incomplete done-filtered done-null done-failed-rate-limit
    done-failed-no-details done-failed-text-details done-unknown-status
    done-no-status done-no-body done-text-body done-no-id error-then-done""",
    "@delta:3",
)
_SOME_ENDS = _ENDS[:4]
_EMPTY = _named(Kind.END, "completed-empty response-cancelled", expect=ENDED)
_EMPTY += _named(
    Kind.END,
    "done-cancelled done-cancelled-no-details done-interrupted",
    "@delta:3",
    expect=ENDED,
)
_FATAL_END = _named(Kind.END, "done-failed-quota", "@delta:3", survives=False)

_REFUSALS = _named(Kind.REFUSAL, "busy busy-unnamed refused refused-unnamed")
_FATAL_REFUSAL = _named(Kind.REFUSAL, "refused-quota", survives=False)
_UNBEGUN = _named(Kind.REFUSAL, "done-without-created done-unnamed-without-created", expect=ENDED)

_SILENCES = _named(
    Kind.SILENCE,
    "silence-after-created silence-mid-audio silence-after-item no-done",
    within=IN_SILENCE,
)
_MUTE = _named(Kind.SILENCE, "silence-for-good swallowed", within=IN_SILENCE)

_CLOSES = _named(
    Kind.CLOSE,
    """close-1011 close-1001-expired close-1000 close-1001 close-1008 close-1012 close-1013
    close-3000 close-4000 close-4004 close-none expiry quota-close""",
    after=RETRYING,
    survives=False,
)
_BREAKS = _named(
    Kind.BREAK,
    "reset cut frame-garbage frame-not-utf8 frame-huge goes-down",
    after=RETRYING,
    survives=False,
)
_STALLED = _named(
    Kind.STALL,
    "half-open frame-half slow-loris stops-reading close-ignored",
    within=IN_SILENCE,
    after=IN_SILENCE,
    survives=False,
)
_SOME_LOSSES = [*_CLOSES[:2], *_BREAKS[:2], *_STALLED[:1]]

_SHUT_DOOR = _named(
    Kind.DOOR,
    """http-400 http-401 http-403 http-404 turned-away-invalid_api_key turned-away-invalid_model
    turned-away-insufficient_quota""",
    "#0",
    survives=False,
)
_JAMMED_DOOR = _named(
    Kind.DOOR,
    """http-429 http-500 http-503 handshake-cut handshake-refused handshake-garbage
    handshake-wrong-accept opens-then-closes""",
    "#0",
    within=RETRYING,
    after=RETRYING,
    survives=False,
)
_DOOR = [*_SHUT_DOOR, *_JAMMED_DOOR]
_SLOW_DOOR = _named(
    Kind.DOOR,
    "handshake-hangs handshake-half opens-silent",
    "#0",
    within=IN_SILENCE,
    after=IN_SILENCE,
    survives=False,
)

_IN_TURN = [msgspec.structs.replace(case, within=2 * IN_SILENCE) for case in _STALLED[:1]]
"""For two replies, where the clock of the second begins to run when the first has given way."""

_CALLS = _named(
    Kind.CALL,
    "call-only-in-done call-without-arguments call-without-id call-without-name",
    expect=WHOLE,
)
_CUT_CALL = _named(Kind.CALL, "call-incomplete", expect=ENDED)

_EDITS = [
    *_named(Kind.CONTROL, "error-unnamed", "@before-updated", expect=WHOLE),
    *_named(Kind.EDIT, "update-refused"),
    *_named(Kind.EDIT, "update-swallowed", expect=ENDED, within=IN_SILENCE),
    *_named(
        Kind.EDIT,
        "close-1011 reset",
        "@before-updated",
        expect=ENDED,
        after=RETRYING,
        survives=False,
    ),
    *_named(
        Kind.EDIT,
        "half-open",
        "@before-updated",
        expect=ENDED,
        within=IN_SILENCE,
        after=IN_SILENCE,
        survives=False,
    ),
]


def _aimed(cases: Iterable[Case], aim: str) -> list[Case]:
    """The same, struck elsewhere: at a point, in another response, or both."""
    return [_at(case, aim) for case in cases]


def _at(case: Case, aim: str) -> Case:
    faults = tuple(fault.partition("@")[0] + aim for fault in case.faults)
    return msgspec.structs.replace(case, name=case.name.partition("@")[0] + aim, faults=faults)


CASES: dict[str, list[Case]] = {
    "asked": [
        HEALTHY,
        *_PAUSES,
        *_aimed(_PAUSES, "@created"),
        *_LATE_DOOR,
        *_HARMLESS,
        *_BADLY,
        *_UNENDED,
        *_FAILURES,
        *_ENDS,
        *_EMPTY,
        *_FATAL_END,
        *_REFUSALS,
        *_FATAL_REFUSAL,
        *_UNBEGUN,
        *_SILENCES,
        *_MUTE,
        *_CLOSES,
        *_BREAKS,
        *_STALLED,
        *_DOOR,
        *_SLOW_DOOR,
    ],
    "spoken": [
        HEALTHY,
        *_PAUSES,
        *_HARMLESS[:1],
        *_BADLY[:1],
        *_SOME_FAILURES,
        *_SOME_ENDS,
        *_SILENCES,
        *_SOME_LOSSES,
    ],
    "tool": [
        HEALTHY,
        *_aimed(_PAUSES, "@arguments:1"),
        *_CALLS,
        *_CUT_CALL,
        *_aimed(_SOME_FAILURES, "@arguments:1"),
        *_aimed(_SOME_FAILURES, "@delta:3#2"),
        *_aimed(_ENDS[:1], "@delta:3#2"),
        *_aimed(_REFUSALS, "#2"),
        *_aimed(_SILENCES[:3], "@arguments:1"),
        *_aimed(_SILENCES[1:2], "@delta:3#2"),
        *_aimed(_SOME_LOSSES, "@arguments:1"),
    ],
    "cut": [
        HEALTHY,
        *_named(Kind.CONTROL, "error-cancel duplicate-done", expect=ENDED),
        *_SILENCES[3:4],
        *_MUTE[:1],
        *_SOME_LOSSES,
    ],
    "pair": [
        HEALTHY,
        *_named(Kind.BADLY, "no-metadata late-created"),
        *_SOME_FAILURES,
        *_ENDS[:1],
        *_REFUSALS,
        *_SILENCES[:2],
        *_SOME_LOSSES[:-1],
        *_IN_TURN,
    ],
    "edit": [HEALTHY, *_EDITS],
}


def cells(abilities: frozenset[str]) -> Iterator[Cell]:
    """All cells of a client that can do these things."""
    for name, cases in CASES.items():
        if SCENARIOS[name].needs in abilities:
            yield from (Cell(SCENARIOS[name], case) for case in cases)


def chosen(every: Iterable[Cell], patterns: Iterable[str]) -> list[Cell]:
    """Those that one of ``patterns`` names, or whose name contains one that is no name; all, if there is
    none. Raises `ConfigurationError` for a pattern that no cell of any client fits."""
    every, known = list(every), [cell.name for cell in cells(ABILITIES)]
    wanted = list(patterns)
    for pattern in wanted:
        if not pattern or not any(pattern in name for name in known):
            raise ConfigurationError(
                f"no cell is called anything like {pattern!r}; they are called as in "
                f"{known[0]!r}: give a part of that"
            )
    exact = {pattern for pattern in wanted if pattern in known}
    parts = [pattern for pattern in wanted if pattern not in exact]
    return [
        cell
        for cell in every
        if not wanted or cell.name in exact or any(part in cell.name for part in parts)
    ]
