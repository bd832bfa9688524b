"""Whose event is this? A known response id first, then our key in the metadata, then an event id.

Servers that never echo the metadata are recognised by never having done so, and met with order: one
unanswered create at a time, and what comes unnamed is its answer only if nothing else could be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from rejoinder.core import effects as ef
from rejoinder.core.blame import About
from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.machine import Machine
from rejoinder.core.responses import KEY, Responses, cancel_id
from rejoinder.core.verdict import OURS, Facts
from rejoinder.wire import server_events as ev
from rejoinder.wire.response import ErrorBody, ResponseObject

Metadata: TypeAlias = dict[str, Any] | None

_MOST_DIGITS = 9
_OUT = tuple(state for state in State if state is not State.QUEUED)
_UNDER_WAY = (State.ACTIVE, State.CANCELLING, State.DRAINING)
_SUPERSEDED = ErrorBody(
    type=OURS,
    code="response_superseded",
    message="the server began another response and fell silent about this one",
)
_BODILESS = ErrorBody(
    type=OURS,
    code="response_done_without_body",
    message="the server ended a response without saying which",
)


class Correlation(msgspec.Struct):
    """Routes the events that begin and end responses.

    ``echoes``: the server returns our metadata. ``tells``: it has named a conversation, so that null
    means out-of-band; some servers write null always.
    """

    responses: Responses
    echoes: bool = False
    tells: bool = False

    # -- beginnings --

    def created(
        self, now: float, event: ev.ResponseCreated, announced: bool
    ) -> Iterator[ef.Effect]:
        """`response.created`. ``announced``: a user turn awaits the server's own response."""
        response, facts = event.response, Facts(event, response=event.response)
        key, send = self._sent(response.metadata)
        self.tells = self.tells or isinstance(response.conversation_id, str)
        known = self.responses.named(response.id) is not None
        if known or not response.id or response.id in self.responses.machines:  # a key is no id
            yield ef.Announce(ef.Odd("odd", event))
        elif response.id in self.responses.past:
            yield ef.Announce(ef.Odd("late", event))
        elif key is not None:
            yield from self._created_for(now, key, send, event)
        else:
            yield from self._created_unnamed(now, response, facts, announced)

    def _created_for(
        self, now: float, key: str, send: int, event: ev.ResponseCreated
    ) -> Iterator[ef.Effect]:
        self.echoes = True
        response, facts = event.response, Facts(event, response=event.response)
        machine = self.responses.machines.get(key)
        free = machine is not None and (machine.response_id is None or machine.mistakable)
        if machine is not None and free and send >= machine.sends:
            yield from self._supersede(now, machine)
            yield from self.responses.apply(now, machine, Trigger.CREATED, facts)
        elif machine is not None or key in self.responses.past:
            stray = self.responses.found(now, response, State.ORPHANED)
            yield from self.responses.apply(now, stray, Trigger.CREATED, facts)
        else:
            self.responses.remember(response.id or "")
            yield ef.Announce(ef.Odd("foreign", event))

    def _created_unnamed(
        self, now: float, response: ResponseObject, facts: Facts, announced: bool
    ) -> Iterator[ef.Effect]:
        machine = None if self.echoes or announced else self._next_in_order(now, response)
        if machine is not None:
            machine.by_order = True
        else:
            machine = self.responses.found(now, response, State.QUEUED)
            # A user turn is answered in the conversation, whatever a server that never tells says.
            machine.default = machine.default or (announced and not self.tells)
        yield from self._supersede(now, machine)
        yield from self.responses.apply(now, machine, Trigger.CREATED, facts)

    def _supersede(self, now: float, newer: Machine) -> Iterator[ef.Effect]:
        """A default response that begins while another runs has perhaps replaced it."""
        for older in self.responses.heard(State.ACTIVE):
            if older.default and newer.default and older is not newer:
                facts = Facts(error=_SUPERSEDED)
                yield from self.responses.apply(now, older, Trigger.BLAMED, facts)

    def _next_in_order(self, now: float, response: ResponseObject) -> Machine | None:
        """Whose answer an unnamed `response.created` must be: the one request that is owed one, if it
        was asked for in the conversation that the response says it belongs to."""
        owed, told = self.owed(now), response.conversation_id
        if len(owed) != 1:
            return None
        elsewhere = told is None and self.tells if owed[0].default else isinstance(told, str)
        return None if elsewhere else owed[0]

    def owed(self, now: float) -> list[Machine]:
        """The requests on the wire that may still be answered by `response.created`."""
        return [
            m
            for m in self.responses.heard(State.REQUESTED, State.ORPHANED)
            if m.state is State.REQUESTED or now < self.responses.owed_until(m)
        ]

    # -- ends --

    def ending(self, response: ResponseObject) -> Machine | None:
        """Whose end a `response.done` is, in whatever shape it comes."""
        if response.id or self._key(response.metadata):
            return self._ended(response.id, response.metadata)
        meant = self._nameless()
        return meant[0] if len(meant) == 1 else None

    def done(self, now: float, event: ev.ResponseDone) -> Iterator[ef.Effect]:
        """`response.done`."""
        response = event.response
        machine = self.ending(response)
        if machine is not None:
            named = self._names(machine, response.id, response.metadata)
            facts = Facts(event, response=response, named=named)
            yield from self.responses.apply(now, machine, Trigger.DONE, facts)
        elif response.id or self._key(response.metadata):
            past = (response.id or "") in self.responses.past
            yield ef.Announce(ef.Odd("late" if past else "foreign", event))
        else:
            yield ef.Announce(ef.Odd("odd", event))
            for machine in self._nameless():
                facts = Facts(event, _BODILESS)
                yield from self.responses.apply(now, machine, Trigger.BLAMED, facts)

    def _nameless(self) -> list[Machine]:
        """Whom the end of a response without a name may concern."""
        return self.responses.heard(*_UNDER_WAY) or self.responses.heard(State.REQUESTED)

    def failed(self, now: float, event: ev.ResponseError) -> Iterator[ef.Effect]:
        """`response.error` and its kin: terminal, whomever it names."""
        error, response_id, metadata = event.error, event.response_id, event.metadata
        sent, facts = self.sent_as(error.event_id), Facts(event, event.error)
        machine = self._ended(response_id, metadata) or sent
        if machine is not None:
            named = machine is sent or self._names(machine, response_id, metadata)
            facts = Facts(event, error, named=named)
            yield from self.responses.apply(now, machine, Trigger.FAILED, facts)
            if response_id and self.responses.named(response_id) is None:
                self.responses.remember(response_id)  # its own end may follow
        elif response_id or self._key(metadata) or self.is_ours(error.event_id):
            yield ef.Announce(ef.Odd("foreign", event))
        else:
            yield from self._failed_nobody(now, event, facts)

    def _failed_nobody(
        self, now: float, event: ev.ResponseError, facts: Facts
    ) -> Iterator[ef.Effect]:
        meant = self.responses.heard(State.ACTIVE) or self.responses.heard(State.REQUESTED)
        if len(meant) == 1:
            yield from self.responses.apply(now, meant[0], Trigger.FAILED, facts)
        else:
            yield from self.blamed(now, facts)
        if not meant:
            yield ef.Announce(ef.Odd("odd", event))

    def _ended(self, response_id: str | None, metadata: Metadata) -> Machine | None:
        """Who is meant by an end: by id, by key, or, on a server that returns no key, as the only one
        there is."""
        key, send = self._sent(metadata)
        known = self.responses.named(response_id)
        if known is not None or (response_id or "") in self.responses.past:
            return known
        if key is not None:
            keyed = self._unanswered(key, send)
            fits = keyed is not None and not (response_id and keyed.response_id)
            return keyed if fits else None
        alive = self.responses.heard(*_OUT)
        alone = response_id and len(alive) == 1 and alive[0].state is State.REQUESTED
        return alive[0] if alone and not self.echoes else None

    def _unanswered(self, key: str, send: int) -> Machine | None:
        """The machine of a key, if this send of it has not been answered: a late word about an earlier
        one says nothing of the one that is out, or will be."""
        machine = self.responses.machines.get(key)
        answered = machine is None or machine.state is State.QUEUED or send < machine.sends
        return None if answered else machine

    def _names(self, machine: Machine, response_id: str | None, metadata: Metadata) -> bool:
        """Whether these are names of this response, and not just of the only one there could be."""
        key, _ = self._sent(metadata)
        return machine.key == key or self.responses.named(response_id) is machine

    # -- errors --

    def refused(
        self, now: float, machine: Machine, about: About, facts: Facts
    ) -> Iterator[ef.Effect]:
        """An `error` that names the create of ``machine``."""
        trigger = Trigger.BUSY if about is About.BUSY else Trigger.REJECTED
        facts = msgspec.structs.replace(facts, named=True)
        yield from self.responses.apply(now, machine, trigger, facts)

    def busy(self, now: float, facts: Facts) -> Iterator[ef.Effect]:
        """A busy refusal that names nobody: it means the one default create that is unanswered, or
        seems answered only because the order of events said so."""
        waiting = [
            m
            for m in self.responses.heard(State.REQUESTED, State.ACTIVE)
            if m.default and (m.state is State.REQUESTED or m.mistakable)
        ]
        if len(waiting) == 1:
            yield from self.responses.apply(now, waiting[0], Trigger.BUSY, facts)

    def inactive(self, now: float, facts: Facts) -> Iterator[ef.Effect]:
        """There was nothing to cancel: the response whose cancel is named, or the only one waiting."""
        waiting = self.responses.heard(State.CANCELLING, State.DRAINING)
        event_id = facts.error.event_id if facts.error else None
        named = [m for m in waiting if event_id == cancel_id(m.key)]
        if event_id is None and len(waiting) == 1:
            named = waiting
        for machine in named:
            yield from self.responses.apply(now, machine, Trigger.INACTIVE, facts)

    def suspects(self) -> list[Machine]:
        """Whom an error that names nobody may concern."""
        return self.responses.heard(State.REQUESTED, State.ACTIVE)

    def blamed(self, now: float, facts: Facts) -> Iterator[ef.Effect]:
        """An error that names nobody: it may concern whatever is under way."""
        for machine in self.suspects():
            yield from self.responses.apply(now, machine, Trigger.BLAMED, facts)

    def sent_as(self, event_id: str | None) -> Machine | None:
        """The machine whose latest create, if that is out, had this event id."""
        waiting = self.responses.machines.values()
        sent = (m for m in waiting if m.state is not State.QUEUED and m.event_id == event_id)
        return next(sent, None) if event_id else None

    def takes(self, event_id: str) -> bool:
        """Whether an event id belongs to a request that has not been answered for good."""
        return any(event_id in (m.own_id, m.event_id) for m in self.responses.machines.values())

    def is_ours(self, event_id: str | None) -> bool:
        """Whether an event id is one that we gave to a create or a cancel, now or earlier."""
        return self._known((event_id or "").rpartition(".")[0])

    def _key(self, metadata: Metadata) -> str | None:
        return self._sent(metadata)[0]

    def _sent(self, metadata: Metadata) -> tuple[str | None, int]:
        """Which request the metadata names, and which send of it."""
        name = (metadata or {}).get(KEY)
        if not isinstance(name, str) or self._known(name):
            return name if isinstance(name, str) else None, 1
        key, _, number = name.rpartition(".")
        counts = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
        numbered = counts and self._known(key)
        return (key, int(number)) if numbered else (name, 1)

    def _known(self, key: str) -> bool:
        return key in self.responses.machines or key in self.responses.past
