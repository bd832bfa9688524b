"""The life of one response, as a table. There is no "current" response anywhere: one machine each.

The state's name tells both stories, the caller's and the wire's:

=============  =====================================================================================
QUEUED         asked for, not on the wire: the socket is down, or the conversation's slot is taken
REQUESTED      `response.create` is on the wire, unanswered
ACTIVE         `response.created` has come; parts are delivered
CANCELLING     cancelled by id; the caller waits for the server's word
ORPHANED       settled for the caller, but the server may still create it: a cancel sent before
               `response.created` does nothing on the wire, so the machine waits for the id
DRAINING       settled for the caller, cancelled by id; holds the slot until the server is done
OVER           nothing more is expected; whatever comes is late
=============  =====================================================================================

The line between CANCELLING and ORPHANED is the caller's: above it somebody waits, below it nobody
does. **An outcome is settled by exactly those transitions that cross the line**, none crosses back,
and from every state above it a clock (EXPIRED) and the end (CLOSED) cross. So each response settles
exactly once, which `tests/core/test_lifecycle.py` proves by reading the table.

Every cell is written, the impossible ones too: a peer may send anything at any time.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec


class State(enum.Enum):
    """Where a response is."""

    QUEUED = "queued"
    REQUESTED = "requested"
    ACTIVE = "active"
    CANCELLING = "cancelling"
    ORPHANED = "orphaned"
    DRAINING = "draining"
    OVER = "over"

    @property
    def settled(self) -> bool:
        """Whether the caller has the outcome already."""
        return self in _BELOW_THE_LINE


_BELOW_THE_LINE = frozenset({State.ORPHANED, State.DRAINING, State.OVER})


class Trigger(enum.Enum):
    """What can happen to a response."""

    SENT = "sent"
    """Its `response.create` went out."""
    CREATED = "created"
    """`response.created`."""
    DELTA = "delta"
    """Any other event of this response."""
    DONE = "done"
    """`response.done`, of whatever status."""
    FAILED = "failed"
    """A terminal failure outside `response.done`: a gateway's `response.error`, or our own end gave up."""
    REJECTED = "rejected"
    """An `error` that names its `response.create`."""
    BUSY = "busy"
    """Refused because another response holds the conversation."""
    BLAMED = "blamed"
    """An `error` that may concern it, or may not."""
    INACTIVE = "inactive"
    """The server says that there is nothing to cancel."""
    CANCEL = "cancel"
    """Its caller no longer wants it."""
    EXPIRED = "expired"
    """Its clock ran out."""
    LOST = "lost"
    """The socket is gone."""
    CLOSED = "closed"
    """The session is over: `aclose`, a fatal error, or no way to reconnect."""


class Act(enum.Enum):
    """What a transition does, apart from moving."""

    OPEN = "open"
    """tell the caller that it exists"""
    DELIVER = "deliver"
    """hand its parts to the caller"""
    SETTLE = "settle"
    """give the caller the outcome"""
    CANCEL = "cancel by id"
    """send `response.cancel` with its id"""
    GRACE = "grace"
    """keep the error as the suspected cause and shorten the clock"""
    RECLAIM = "reclaim"
    """the id was the server's own: give it back"""
    RELEASE = "let its response go"
    """it failed, another one takes its place: withdraw it, and cancel it by id if it may go on"""
    RETRY = "ask again"
    """after the pause that the server's words ask for"""
    STRAY = "cancel the stray"
    """a response under an abandoned key: cancel it by its id, never show it"""
    DROP = "drop"
    """expected, and of no interest any more"""
    ODD = "odd"
    """breaks the protocol; noted, nothing changes"""
    LATE = "late"
    """came after the end; noted, nothing changes"""


class Guard(enum.Enum):
    """A condition of a cell."""

    ONCE = "once"
    """this trigger has not moved this response yet"""
    MAY_WAIT = "once, another response is known to hold the slot, and its caller may wait"
    MISTAKEN = "once, its id was ours by order only, and nothing was delivered"
    MISTAKEN_MAY_WAIT = "the same, and its caller may wait"
    MAY_RETRY = "the failure is its own and may pass, nothing was delivered, and retries are left"


class Cell(msgspec.Struct, frozen=True):
    """One transition: where to, what is done, under which condition, and what otherwise."""

    to: State
    acts: tuple[Act, ...] = ()
    guard: Guard | None = None
    otherwise: Cell | None = None

    def branches(self) -> Iterator[Cell]:
        """This transition and the one that its guard falls back to."""
        yield self
        if self.otherwise is not None:
            yield from self.otherwise.branches()


_S, _A = State, Act
_OVER = Cell(_S.OVER)
_SETTLE = Cell(_S.OVER, (_A.SETTLE,))
_ORPHAN = Cell(_S.ORPHANED, (_A.SETTLE,))
_OPEN = Cell(_S.ACTIVE, (_A.OPEN,))
_CLOSE_OUT = Cell(_S.DRAINING, (_A.SETTLE, _A.CANCEL))


def _stay(state: State, *acts: Act) -> Cell:
    return Cell(state, acts)


def _again(guard: Guard, otherwise: Cell) -> Cell:
    return Cell(_S.QUEUED, (), guard, otherwise)


def _retry(otherwise: Cell, *acts: Act) -> Cell:
    return Cell(_S.QUEUED, (*acts, _A.RETRY), Guard.MAY_RETRY, otherwise)


def _queued() -> dict[Trigger, Cell]:
    odd = _stay(_S.QUEUED, _A.ODD)
    return {
        Trigger.SENT: Cell(_S.REQUESTED),
        Trigger.CREATED: _OPEN,  # of an earlier send, after a requeue
        Trigger.DELTA: odd,
        Trigger.DONE: _SETTLE,
        Trigger.FAILED: _SETTLE,
        Trigger.REJECTED: _SETTLE,
        Trigger.BUSY: _SETTLE,
        Trigger.BLAMED: _stay(_S.QUEUED),
        Trigger.INACTIVE: odd,
        Trigger.CANCEL: _SETTLE,
        Trigger.EXPIRED: _SETTLE,
        Trigger.LOST: _stay(_S.QUEUED),
        Trigger.CLOSED: _SETTLE,
    }


def _requested() -> dict[Trigger, Cell]:
    odd = _stay(_S.REQUESTED, _A.ODD)
    return {
        Trigger.SENT: odd,
        Trigger.CREATED: _OPEN,
        Trigger.DELTA: odd,
        Trigger.DONE: _retry(_SETTLE),
        Trigger.FAILED: _retry(_SETTLE),
        Trigger.REJECTED: _retry(_SETTLE),
        Trigger.BUSY: _again(Guard.MAY_WAIT, _SETTLE),
        Trigger.BLAMED: _stay(_S.REQUESTED, _A.GRACE),
        Trigger.INACTIVE: odd,
        Trigger.CANCEL: _ORPHAN,
        Trigger.EXPIRED: _ORPHAN,
        Trigger.LOST: _again(Guard.ONCE, _SETTLE),
        Trigger.CLOSED: _SETTLE,
    }


def _active() -> dict[Trigger, Cell]:
    odd = _stay(_S.ACTIVE, _A.ODD)
    return {
        Trigger.SENT: odd,
        Trigger.CREATED: Cell(_S.ACTIVE, (_A.RECLAIM, _A.OPEN), Guard.MISTAKEN, odd),
        Trigger.DELTA: _stay(_S.ACTIVE, _A.DELIVER),
        Trigger.DONE: _retry(_SETTLE, _A.RELEASE),
        Trigger.FAILED: _retry(_CLOSE_OUT, _A.RELEASE),  # the server may go on all the same
        Trigger.REJECTED: _stay(_S.ACTIVE, _A.GRACE),
        Trigger.BUSY: Cell(
            _S.QUEUED,
            (_A.RECLAIM,),
            Guard.MISTAKEN_MAY_WAIT,
            Cell(_S.OVER, (_A.RECLAIM, _A.SETTLE), Guard.MISTAKEN, odd),
        ),
        Trigger.BLAMED: _stay(_S.ACTIVE, _A.GRACE),
        Trigger.INACTIVE: odd,
        Trigger.CANCEL: Cell(_S.CANCELLING, (_A.CANCEL,)),
        Trigger.EXPIRED: _CLOSE_OUT,
        Trigger.LOST: _retry(_SETTLE, _A.RELEASE),
        Trigger.CLOSED: _SETTLE,
    }


def _cancelling() -> dict[Trigger, Cell]:
    odd, stay = _stay(_S.CANCELLING, _A.ODD), _stay(_S.CANCELLING)
    return {
        Trigger.SENT: odd,
        Trigger.CREATED: odd,
        Trigger.DELTA: _stay(_S.CANCELLING, _A.DROP),
        Trigger.DONE: _SETTLE,
        Trigger.FAILED: Cell(_S.DRAINING, (_A.SETTLE,)),
        Trigger.REJECTED: stay,
        Trigger.BUSY: odd,
        Trigger.BLAMED: stay,
        Trigger.INACTIVE: _SETTLE,
        Trigger.CANCEL: stay,
        Trigger.EXPIRED: Cell(_S.DRAINING, (_A.SETTLE,)),
        Trigger.LOST: _SETTLE,
        Trigger.CLOSED: _SETTLE,
    }


def _orphaned() -> dict[Trigger, Cell]:
    odd, stay = _stay(_S.ORPHANED, _A.ODD), _stay(_S.ORPHANED)
    return {
        Trigger.SENT: odd,
        Trigger.CREATED: Cell(_S.DRAINING, (_A.CANCEL,)),
        Trigger.DELTA: odd,
        Trigger.DONE: _OVER,
        Trigger.FAILED: _OVER,
        Trigger.REJECTED: _OVER,
        Trigger.BUSY: _OVER,
        Trigger.BLAMED: stay,
        Trigger.INACTIVE: odd,
        Trigger.CANCEL: stay,
        Trigger.EXPIRED: _OVER,
        Trigger.LOST: _OVER,
        Trigger.CLOSED: _OVER,
    }


def _draining() -> dict[Trigger, Cell]:
    odd, stay = _stay(_S.DRAINING, _A.ODD), _stay(_S.DRAINING)
    return {
        Trigger.SENT: odd,
        Trigger.CREATED: odd,
        Trigger.DELTA: _stay(_S.DRAINING, _A.DROP),
        Trigger.DONE: _OVER,
        Trigger.FAILED: stay,
        Trigger.REJECTED: stay,
        Trigger.BUSY: odd,
        Trigger.BLAMED: stay,
        Trigger.INACTIVE: _OVER,
        Trigger.CANCEL: stay,
        Trigger.EXPIRED: _OVER,
        Trigger.LOST: _OVER,
        Trigger.CLOSED: _OVER,
    }


def _over() -> dict[Trigger, Cell]:
    late = dict.fromkeys(Trigger, _stay(_S.OVER, _A.LATE))
    return {**late, Trigger.CREATED: _stay(_S.OVER, _A.STRAY)}


TABLE: Mapping[State, Mapping[Trigger, Cell]] = MappingProxyType(
    {
        State.QUEUED: MappingProxyType(_queued()),
        State.REQUESTED: MappingProxyType(_requested()),
        State.ACTIVE: MappingProxyType(_active()),
        State.CANCELLING: MappingProxyType(_cancelling()),
        State.ORPHANED: MappingProxyType(_orphaned()),
        State.DRAINING: MappingProxyType(_draining()),
        State.OVER: MappingProxyType(_over()),
    }
)
"""What happens in each state on each trigger. Complete: ``TABLE[state][trigger]`` always exists."""


def drawn() -> str:
    """The table as Markdown, for the documents: a column for each state, a row for each trigger."""
    head = "| | " + " | ".join(state.name for state in State) + " |"
    rule = "|---" * (len(State) + 1) + "|"
    rows = [
        f"| **{trigger.name}** | "
        + " | ".join(_words(state, TABLE[state][trigger]) for state in State)
        + " |"
        for trigger in Trigger
    ]
    return "\n".join([head, rule, *rows])


def _words(state: State, cell: Cell) -> str:
    acts = ", ".join(act.value for act in cell.acts)
    move = "" if cell.to is state else f"→ {cell.to.name}"
    text = " ".join(word for word in (acts, move) if word) or "·"
    if cell.otherwise is None:
        return text
    return (
        f"{text} if {cell.guard.value if cell.guard else ''}; else {_words(state, cell.otherwise)}"
    )
