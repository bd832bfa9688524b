"""One session as a state machine: ``effects = session.step(now, input)``.

This file only routes what we are asked; what the server tells us is routed in `intake`. Responses live
in `responses`, what an event belongs to in `correlation`, edits in `requests`, the mirror in
`conversation`, the microphone in `kept_audio` and the server's ear for it in `input_audio`, connections in
`links`. Time is an argument, ids come in with the inputs, and every consequence is in the returned list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from rejoinder.core import edits, intake, linking, queue
from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.conversation import Conversation
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.machine import Request
from rejoinder.core.outcomes import Close
from rejoinder.core.partials import keep_words
from rejoinder.core.recovery import Recovery
from rejoinder.core.state import SessionState, begin
from rejoinder.core.verdict import Facts
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import SessionConfig

_CLOSED_BY_US = Close("caller", 1000, "the session was closed")
_SILENT = Close("network", None, "nothing came on the connection since it was asked for a response")


class Session:
    """The core of a session.

    ``config`` is sent as the first `session.update` on every connection. ``recovery``: how the session
    outlives its connections. Two sessions are equal if they know the same; `copy.deepcopy` makes one that
    goes its own way.
    """

    def __init__(
        self,
        *,
        config: SessionConfig | None = None,
        timeouts: Timeouts | None = None,
        recovery: Recovery | None = None,
    ) -> None:
        self.state = begin(config, timeouts or Timeouts(), recovery or Recovery())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Session) and self.state == other.state

    __hash__ = None  # type: ignore[assignment]

    @property
    def conversation(self) -> Conversation:
        """The mirror of the conversation; to be read, not written."""
        return self.state.conversation

    @property
    def ended(self) -> Close | None:
        """How the session ended, or None while it lives."""
        return self.state.ended

    @property
    def online(self) -> bool:
        """Whether something can be put on the wire."""
        return self.state.online

    def step(self, now: float, given: inp.Input) -> list[ef.Effect]:
        """Everything that follows from ``given`` at the moment ``now``, in order.

        Raises `ValueError` for an `Ask` with a key that was used before; nothing else, whatever the
        peer sends.
        """
        state = self.state
        following = _INPUTS[type(given)](state, now, given)
        effects = following if isinstance(following, list) else list(following)
        if state.links.coming is not None or state.links.tells_on:
            effects.extend(linking.follow(state, now))
        if state.responses.queued() and state.online and state.ended is None:
            state.hear(state.serving)
            way = queue.Way(state.serving, state.usual_response, state.heard.unheard)
            effects.extend(queue.dispatch(now, state.responses, state.correlation, way))
        return effects

    def taken(self, event_id: str) -> bool:
        """Whether an event id stands for something that is still to be answered."""
        state = self.state
        pending = event_id.startswith("rejoinder_") or event_id in state.requests.pending
        return pending or state.correlation.takes(event_id)

    def next_deadline(self) -> float | None:
        """The moment at which a `Tick` is due, or None."""
        state, soonest = self.state, math.inf
        for deadlines in (state.responses.deadlines, state.requests.deadlines, state.deadlines):
            first = deadlines.earliest()
            if first is not None and first.when < soonest:
                soonest = first.when
        return None if soonest == math.inf else soonest


def _shut(state: SessionState, now: float, _: inp.Shut) -> Iterator[ef.Effect]:
    yield from state.end(now, _CLOSED_BY_US)


def _tick(state: SessionState, now: float, _: inp.Tick) -> Iterator[ef.Effect]:
    while (due := state.responses.deadlines.due(now)) is not None:
        machine = state.responses.machines[due.whose]
        silent = linking.silent_since_asked(state, due)
        yield from state.responses.expire(now, due)
        if machine.state is State.OVER:
            yield from keep_words(state, machine)
        if silent is not None:
            close = msgspec.structs.replace(_SILENT, silent=state.timeouts.created)
            yield from linking.lose(state, now, silent, close)
    while (due := state.requests.deadlines.due(now)) is not None:
        yield from edits.answered(state, state.requests.expire(due.whose))
    while (due := state.deadlines.due(now)) is not None:
        yield from linking.due(state, now, due.why)


def _ask(state: SessionState, now: float, given: inp.Ask) -> Iterator[ef.Effect]:
    responses = state.responses
    if (
        given.key in responses.machines
        or given.key in responses.past
        or given.key in responses.by_id
    ):
        raise ValueError(f"the key {given.key!r} was used before: a key names one request")
    full = len(responses.within(State.QUEUED)) >= queue.MOST
    request = Request(given.params, given.wait, now, given.given, retries=given.retries)
    machine = responses.ask(given.key, request)
    if given.given is not None:
        _name(state, given.given)
    if state.ended is not None:
        facts = Facts(close=state.ended)
        yield from responses.apply(now, machine, Trigger.CLOSED, facts)
    elif full:
        yield from responses.apply(now, machine, Trigger.REJECTED, Facts(error=queue.FULL))


def _cancel(state: SessionState, now: float, given: inp.Cancel) -> Iterator[ef.Effect]:
    for key in given.keys:
        machine = state.responses.machines.get(key)
        if machine is not None:
            yield from state.responses.apply(now, machine, Trigger.CANCEL, Facts())


def _stop(state: SessionState, now: float, given: inp.Stop) -> Iterator[ef.Effect]:
    responses, response_id = state.responses, given.response_id
    machine = responses.asked_to_stop(response_id)
    if machine is not None:
        yield from responses.apply(now, machine, Trigger.CANCEL, Facts())
    elif response_id is not None and response_id not in responses.past:
        cancel = ce.ResponseCancel(event_id=given.key, response_id=response_id)
        yield from _say(state, now, inp.Say(cancel))


def _abandon(state: SessionState, now: float, given: inp.Abandon) -> Iterator[ef.Effect]:
    machine = state.responses.machines.get(given.key)
    if machine is not None:
        facts = Facts(error=given.error)
        yield from state.responses.apply(now, machine, Trigger.FAILED, facts)


def _say(state: SessionState, now: float, given: inp.Say) -> Iterator[ef.Effect]:
    if state.ended is not None:
        return
    event = given.event
    _name(state, event)
    if isinstance(event, ce.InputAudioBufferAppend):  # as if it came from the microphone
        state.kept_audio.append(event.audio, state.links.serving is not None)
    if state.online:
        yield ef.Send(event, state.serving)
    elif isinstance(event, ce.InputAudioBufferAppend):
        return  # it goes out with what else nobody has heard yet
    elif not state.outbox.hold(None, event):
        yield ef.Announce(ef.ServerErrorSeen(queue.FULL, benign=False, suspected=False))


def _name(state: SessionState, event: ce.ClientEvent | ce.RawClientEvent) -> None:
    """Remembers the event id of what its caller wrote, so that an error about it is known for that."""
    own = event.raw.get("event_id") if isinstance(event, ce.RawClientEvent) else event.event_id
    if isinstance(own, str):
        state.requests.name(own)


def _append(state: SessionState, now: float, given: inp.Append) -> Iterable[ef.Effect]:
    if state.ended is not None:
        return ()
    state.kept_audio.append(given.audio, state.links.serving is not None)
    if not state.online:
        return ()  # it goes out with what else nobody has heard yet
    return (ef.Send(ce.InputAudioBufferAppend(audio=given.audio), state.serving),)


_INPUTS: dict[type, Callable[[SessionState, float, Any], Iterable[ef.Effect]]] = {
    inp.Received: intake.receive,
    inp.Append: _append,
    inp.Tick: _tick,
    inp.Ask: _ask,
    inp.Cancel: _cancel,
    inp.Stop: _stop,
    inp.Abandon: _abandon,
    inp.Edit: edits.ask,
    inp.Say: _say,
    inp.Connected: linking.connected,
    inp.Disconnected: linking.disconnected,
    inp.Shut: _shut,
}
