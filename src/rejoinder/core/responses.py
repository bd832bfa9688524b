"""The responses of a session, one machine each, moved by the table in `lifecycle`.

This file carries the table's acts out and sets the clocks. Which response an event belongs to is
decided in `correlation`; what goes on the wire, and when, in `queue`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import assert_never

import msgspec

from rejoinder.core import clocks, retry, verdict
from rejoinder.core import effects as ef
from rejoinder.core.deadlines import Deadline, Deadlines, Timeouts
from rejoinder.core.early import Early
from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.lifecycle import TABLE, Act, Cell, Guard, State, Trigger
from rejoinder.core.machine import Blame, Machine, Moments, Request
from rejoinder.core.outcomes import Outcome
from rejoinder.core.output import OutputItem
from rejoinder.core.parts import Audio, Part, Text, Transcript
from rejoinder.core.verdict import Facts
from rejoinder.wire import client_events as ce
from rejoinder.wire.response import ErrorBody, ResponseObject
from rejoinder.wire.server_events import ServerEvent

KEY = "rejoinder_key"
"""The member of `response.metadata` that carries our key to the server and back."""

_QUEUED = State.QUEUED  # an enum's attribute is slow to read
_HOLDS = frozenset({State.REQUESTED, State.ACTIVE, State.CANCELLING, State.DRAINING})
_MOST_ORPHANS = 256
_MOST_PAST = 1024
_MOST_SPOKEN = 256


class Responses(msgspec.Struct):
    """Every response that is not over, by key and by id, and the names of those lately over.

    ``past`` maps an id or key to whether its `response.done` was seen. ``offline_since`` is None while
    a socket is usable. ``hearing``: the link on which something is told.
    ``bytes_per_second``: of the output format. ``early``: what was said of others. ``spoken``: what came
    of each item of those lately over.
    """

    timeouts: Timeouts
    machines: dict[str, Machine] = {}
    by_id: dict[str, str] = {}
    past: dict[str, bool] = {}
    deadlines: Deadlines = msgspec.field(default_factory=Deadlines)
    offline_since: float | None = 0.0
    bytes_per_second: int = 48_000
    early: Early = msgspec.field(default_factory=Early)
    hearing: int = FIRST_LINK
    spoken: dict[str, OutputItem] = {}

    # -- who is there --

    def named(self, response_id: str | None) -> Machine | None:
        """The machine of a response id, if it is not over."""
        key = self.by_id.get(response_id or "")
        return self.machines[key] if key is not None else None

    def within(self, *states: State) -> list[Machine]:
        """All machines in these states, oldest first."""
        return [m for m in self.machines.values() if m.state in states]

    def heard(self, *states: State) -> list[Machine]:
        """The same, but only those of whom the link that is heard can tell."""
        return [m for m in self.within(*states) if m.link == self.hearing]

    def queued(self) -> bool:
        """Whether any waits its turn; asked at every step."""
        for machine in self.machines.values():  # noqa: SIM110 - a generator costs twice as much
            if machine.state is _QUEUED:
                return True
        return False

    def holder(self, besides: Machine | None = None) -> Machine | None:
        """Who holds the default conversation's one slot, ours or the server's own."""
        for machine in self.machines.values():
            if machine.default and machine.state in _HOLDS and machine is not besides:
                return machine
        return None

    def asked_to_stop(self, response_id: str | None) -> Machine | None:
        """Whom a `response.cancel` means: the one with this id, now or before it was asked again; without
        an id the newest that speaks in the conversation, or else is about to."""
        if response_id is not None:
            earlier = (m for m in self.machines.values() if response_id in m.earlier)
            return next(earlier, None) or self.named(response_id)
        offline = self.offline_since is not None
        waiting = [m for m in self.within(State.QUEUED) if offline or m.retried]
        order = (
            *reversed(self.within(State.ACTIVE)),
            *reversed(self.within(State.REQUESTED)),
            *waiting,
        )
        return next((machine for machine in order if machine.default), None)

    def owed_until(self, machine: Machine) -> float:
        """Until when a request that went out may still be answered by `response.created`."""
        return clocks.owed_until(machine, self.timeouts)

    # -- how they come and go --

    def ask(self, key: str, request: Request) -> Machine:
        """A new request, in the queue."""
        now = request.asked_at
        machine = Machine(key, request.params.conversation != "none", request, Moments(now))
        self.machines[key] = machine
        self._arm(now, machine)
        return machine

    def found(self, now: float, response: ResponseObject, state: State) -> Machine:
        """A response of the server's own; ``response.id`` is not None and new."""
        response_id = response.id or ""
        default = response.conversation_id is not None
        machine = Machine(
            response_id, default, None, Moments(now, now), state, response_id, link=self.hearing
        )
        self.machines[response_id] = machine
        self.by_id[response_id] = response_id
        return machine

    def apply(
        self, now: float, machine: Machine, trigger: Trigger, facts: Facts
    ) -> Iterator[ef.Effect]:
        """Moves one machine, and yields all that follows from it."""
        cell = self._cell(now, machine, trigger, facts)
        if cell.guard is not None and cell.guard is not Guard.MAY_RETRY:
            machine.spent = machine.spent | {trigger}
        for act in cell.acts:
            yield from self._act(now, machine, trigger, act, facts)
        if cell.to is State.ORPHANED and machine.request and machine.blame:
            machine.request.refused = True
        if cell.to is not machine.state:
            self._enter(now, machine, cell.to)
        self._arm(now, machine)
        if cell.to is State.ORPHANED:
            yield from self._forget_oldest_orphan(now)

    def deliver(self, now: float, machine: Machine, event: ServerEvent | None) -> list[ef.Effect]:
        """DELTA for the one cell that matters for speed; the same as `apply` would do."""
        if machine.blame is not None:
            machine.blame = Blame(machine.blame.error, math.inf)
        machine.moments.last_event = now
        effects = [] if event is None else self._parts(now, machine, machine.output.feed(event))
        self.deadlines.set(machine.key, now + clocks.gap(machine, self.timeouts), "gap")
        return effects

    def each(self, now: float, trigger: Trigger, facts: Facts) -> Iterator[ef.Effect]:
        """The same for all of them: the session is gone."""
        for machine in tuple(self.machines.values()):
            yield from self.apply(now, machine, trigger, facts)

    def lose(self, now: float, link: int, facts: Facts) -> Iterator[ef.Effect]:
        """A link is gone, and with it what lives there."""
        for machine in tuple(self.machines.values()):
            if machine.link == link and machine.state is not _QUEUED:
                yield from self.apply(now, machine, Trigger.LOST, facts)

    def expire(self, now: float, due: Deadline) -> Iterator[ef.Effect]:
        """A clock ran out."""
        machine = self.machines[due.whose]
        if due.why in clocks.WAKES:  # nobody's outcome: but from now on the queue sees it otherwise
            self._arm(now, machine)
            return
        after = verdict.length(self.timeouts, due.why)
        yield from self.apply(now, machine, Trigger.EXPIRED, Facts(why=due.why, after=after))

    def reach(self, now: float, online: bool) -> None:
        """The socket became usable, or ceased to be: the queue's clocks follow."""
        self.offline_since = None if online else now
        for machine in self.within(State.QUEUED):
            self._arm(now, machine)

    # -- carrying out --

    def _cell(self, now: float, machine: Machine, trigger: Trigger, facts: Facts) -> Cell:
        cell = TABLE[machine.state][trigger]
        while cell.otherwise is not None and not self._holds(now, machine, trigger, cell, facts):
            cell = cell.otherwise
        return cell

    def _holds(
        self, now: float, machine: Machine, trigger: Trigger, cell: Cell, facts: Facts
    ) -> bool:
        if cell.guard is Guard.MAY_RETRY:
            return retry.asked_again(now, machine, facts, self.timeouts) is not None
        if trigger in machine.spent:
            return False
        match cell.guard:
            case Guard.MAY_WAIT:
                return machine.patient and self.holder(besides=machine) is not None
            case Guard.MISTAKEN:
                return machine.mistakable
            case Guard.MISTAKEN_MAY_WAIT:
                return machine.patient and machine.mistakable
            case _:
                return True

    def _act(
        self, now: float, machine: Machine, trigger: Trigger, act: Act, facts: Facts
    ) -> Iterator[ef.Effect]:
        match act:
            case Act.OPEN:
                yield from self._open(now, machine, facts.response or ResponseObject())
            case Act.DELIVER:
                yield from self.deliver(now, machine, facts.event)
            case Act.SETTLE:
                yield from self._settle(now, machine, trigger, facts)
            case Act.CANCEL:
                yield from self._cancel(machine, facts.response)
            case Act.GRACE:
                self._blame(now, machine, facts.error)
            case Act.RECLAIM:
                yield from self._reclaim(now, machine)
            case Act.RELEASE:
                yield from self._release(now, machine, trigger)
            case Act.RETRY:
                machine.request = retry.asked_again(now, machine, facts, self.timeouts)
            case Act.ODD | Act.LATE:
                if facts.event is not None:
                    yield ef.Announce(ef.Odd(act.value, facts.event))
            case Act.STRAY | Act.DROP:
                return
            case _:
                assert_never(act)

    def _open(self, now: float, machine: Machine, response: ResponseObject) -> Iterator[ef.Effect]:
        self._name(machine, response.id)
        machine.moments.created = machine.moments.last_event = now
        yield ef.Open(
            machine.key,
            machine.response_id or "",
            machine.request is not None,
            machine.default,
            response,
        )
        for event in self.early.taken(machine.response_id or ""):
            yield from self._parts(now, machine, machine.output.feed(event))

    def _name(self, machine: Machine, response_id: str | None) -> None:
        if response_id:
            machine.response_id = response_id
            self.by_id[response_id] = machine.key

    def _parts(self, now: float, machine: Machine, parts: Iterable[Part]) -> list[ef.Effect]:
        effects: list[ef.Effect] = []
        moments = machine.moments
        for part in parts:
            if moments.first_audio is None and isinstance(part, Audio):
                moments.first_audio = now
            elif moments.first_text is None and isinstance(part, (Text, Transcript)):
                moments.first_text = now
            effects.append(ef.Deliver(machine.key, part))
        return effects

    def _settle(
        self, now: float, machine: Machine, trigger: Trigger, facts: Facts
    ) -> Iterator[ef.Effect]:
        response = facts.response
        if response is not None and machine.state is not State.CANCELLING:
            if machine.response_id is None and (response.id or response.output):
                yield from self._open(now, machine, response)
            yield from self._parts(now, machine, machine.output.finish(response))
        yield ef.Settle(machine.key, self._outcome(machine, trigger, facts))

    def _outcome(self, machine: Machine, trigger: Trigger, facts: Facts) -> Outcome:
        blame, request = machine.blame, machine.request
        earlier = request.failure if request and trigger is Trigger.EXPIRED else None
        ground = verdict.Ground(
            machine.response_id,
            machine.output.delivered(self.bytes_per_second),
            blame.error if blame else earlier,
            blame is not None and blame.until < math.inf,
            machine.sends,
        )
        return verdict.outcome(machine.state, trigger, ground, facts)

    def _cancel(self, machine: Machine, response: ResponseObject | None) -> Iterator[ef.Effect]:
        if machine.state is State.ORPHANED and response is not None:
            self._name(machine, response.id)
        if machine.response_id is not None:  # without an id it would hit whichever one runs
            cancel = ce.ResponseCancel(
                event_id=cancel_id(machine.key), response_id=machine.response_id
            )
            yield ef.Send(cancel, machine.link)

    def _blame(self, now: float, machine: Machine, error: ErrorBody | None) -> None:
        under_way = machine.blame is not None and machine.blame.until < math.inf
        if error is not None and not under_way:
            machine.blame = Blame(error, now + self.timeouts.grace)

    def _reclaim(self, now: float, machine: Machine) -> Iterator[ef.Effect]:
        """A busy refusal shows that the id taken by order was the server's own."""
        response_id, machine.response_id, machine.by_order = machine.response_id, None, False
        yield ef.Withdraw(machine.key)
        response = ResponseObject(id=response_id, conversation_id=msgspec.UNSET)
        server_own = self.found(now, response, State.ACTIVE)
        yield from self._open(now, server_own, response)
        self._arm(now, server_own)

    def _release(self, now: float, machine: Machine, trigger: Trigger) -> Iterator[ef.Effect]:
        """Its response has failed and another one will take its place. What a gateway declared failed
        may go on all the same: it is cancelled, and drains apart."""
        response_id, machine.response_id = machine.response_id or "", None
        machine.earlier = (*machine.earlier, response_id)
        machine.moments = Moments(now)
        yield ef.Withdraw(machine.key)
        del self.by_id[response_id]
        if trigger in (Trigger.DONE, Trigger.LOST):
            self.remember(response_id)
            return
        elsewhere = msgspec.UNSET if machine.default else None
        response = ResponseObject(id=response_id, conversation_id=elsewhere)
        left = self.found(now, response, State.DRAINING)
        yield from self._cancel(left, None)
        self._arm(now, left)

    def _enter(self, now: float, machine: Machine, state: State) -> None:
        machine.state = state
        machine.moments.entered = now
        machine.blame = None
        if state is State.OVER:
            self._forget(machine)

    def _forget(self, machine: Machine) -> None:
        del self.machines[machine.key]
        self._keep_spoken(machine)
        self.remember(machine.key)
        if machine.response_id is not None:
            self.by_id.pop(machine.response_id, None)
            self.remember(machine.response_id)

    def remember(self, name: str, done: bool = False) -> None:
        """Keeps the name of a response that is over, and whether its end was told."""
        self.past[name] = self.past.pop(name, False) or done
        self.early.forget(name)
        if len(self.past) > _MOST_PAST:
            del self.past[next(iter(self.past))]

    def _keep_spoken(self, machine: Machine) -> None:
        """What came of an item tells later how much of it was heard, if it is cut short, and what stays of
        it, if its server never brought it to an end."""
        self.spoken |= machine.output.items
        while len(self.spoken) > _MOST_SPOKEN:
            del self.spoken[next(iter(self.spoken))]

    def sound_of(self, item_id: str) -> int:
        """How much audio came of an item, in bytes; 0 if it is not known any more."""
        for machine in self.machines.values():
            if item_id in machine.output.items:
                return machine.output.items[item_id].audio_bytes
        return self.spoken[item_id].audio_bytes if item_id in self.spoken else 0

    def words_of(self, item_id: str) -> str:
        """What came so far of an item that is being spoken."""
        items = (machine.output.items.get(item_id) for machine in self.machines.values())
        spoken = next((item for item in items if item is not None), None)
        return "".join(text for _, text in sorted(spoken.words.items())) if spoken else ""

    def _forget_oldest_orphan(self, now: float) -> Iterator[ef.Effect]:
        orphans = self.within(State.ORPHANED)
        if len(orphans) > _MOST_ORPHANS:
            yield from self.apply(now, orphans[0], Trigger.EXPIRED, Facts())

    # -- clocks --

    def _arm(self, now: float, machine: Machine) -> None:
        if machine.state is State.OVER:
            self.deadlines.clear(machine.key)
            return
        when, why = clocks.due(now, machine, self.timeouts, self.offline_since)
        self.deadlines.set(machine.key, when, why)


def cancel_id(key: str) -> str:
    """The event id of the cancel of a response."""
    return f"{key}.cancel"
