"""One session as a state machine: ``effects = session.step(now, input)``.

This file only routes what we are asked; what the server tells us is routed in `intake`. Responses live
in `responses`, what an event belongs to in `correlation`, edits in `requests`, the mirror in
`conversation`, the microphone in `input_audio` and `outbox`. Time is an argument, ids come in with the
inputs, and every consequence is in the returned list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core import intake, queue
from rejoinder.core.conversation import Conversation
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.machine import Request
from rejoinder.core.outcomes import Close
from rejoinder.core.state import SessionState, begin
from rejoinder.core.verdict import Facts
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import SessionConfig

_INPUT_BYTES_PER_SECOND = 48_000
_CLOSED_BY_US = Close("caller", 1000, "the session was closed")


class Session:
    """The core of a session.

    ``config`` is sent as the first `session.update` when the socket becomes usable.
    ``keep_audio_seconds``: how much microphone audio is kept, at most, while it is not. Two sessions
    are equal if they know the same; `copy.deepcopy` makes one that goes its own way.
    """

    def __init__(
        self,
        *,
        config: SessionConfig | None = None,
        timeouts: Timeouts | None = None,
        keep_audio_seconds: float = 5.0,
    ) -> None:
        keep = int(keep_audio_seconds * _INPUT_BYTES_PER_SECOND)
        self.state = begin(config, timeouts or Timeouts(), keep)

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

    def step(self, now: float, given: inp.Input) -> list[ef.Effect]:
        """Everything that follows from ``given`` at the moment ``now``, in order.

        Raises `ValueError` for an `Ask` with a key that was used before; nothing else, whatever the
        peer sends.
        """
        state = self.state
        following = _INPUTS[type(given)](state, now, given)
        effects = following if isinstance(following, list) else list(following)
        if state.responses.queued() and state.online and state.ended is None:
            effects.extend(queue.dispatch(now, state.responses, state.correlation))
        return effects

    def taken(self, event_id: str) -> bool:
        """Whether an event id stands for something that is still to be answered."""
        state = self.state
        pending = event_id == intake.CONFIG or event_id in state.requests.pending
        return pending or state.correlation.takes(event_id)

    def next_deadline(self) -> float | None:
        """The moment at which a `Tick` is due, or None."""
        response = self.state.responses.deadlines.earliest()
        edit = self.state.requests.deadlines.earliest()
        if response is None or edit is None:
            first = response or edit
            return None if first is None else first.when
        return min(response.when, edit.when)


def _connected(state: SessionState, now: float, _: inp.Connected) -> Iterator[ef.Effect]:
    if state.ended is not None:
        return
    state.responses.reach(now, True)
    if state.config is not None:
        configure = ce.SessionUpdate(event_id=intake.CONFIG, session=state.config)
        state.requests.ask_before_all(now, intake.CONFIG, configure)
        yield ef.Send(configure)
    for event in state.outbox.release():
        yield ef.Send(event)


def _disconnected(state: SessionState, now: float, given: inp.Disconnected) -> Iterator[ef.Effect]:
    yield from state.end(now, given.close)


def _shut(state: SessionState, now: float, _: inp.Shut) -> Iterator[ef.Effect]:
    yield from state.end(now, _CLOSED_BY_US)


def _tick(state: SessionState, now: float, _: inp.Tick) -> Iterator[ef.Effect]:
    while (due := state.responses.deadlines.due(now)) is not None:
        yield from state.responses.expire(now, due)
    while (due := state.requests.deadlines.due(now)) is not None:
        yield from intake.answered(state.requests.expire(due.whose))


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


def _edit(state: SessionState, now: float, given: inp.Edit) -> Iterator[ef.Effect]:
    if state.ended is not None:
        yield ef.SettleEdit(given.key, ef.Gone(state.ended))
    elif not state.online and not state.outbox.hold(given.event):
        yield ef.SettleEdit(given.key, ef.Refused(queue.FULL))
    else:
        state.requests.ask(now, given.key, given.event)
        if state.online:
            yield ef.Send(given.event)


def _say(state: SessionState, now: float, given: inp.Say) -> Iterator[ef.Effect]:
    if state.ended is not None:
        return
    event = given.event
    _name(state, event)
    if state.online:
        yield ef.Send(event)
    elif not state.outbox.hold(event):
        yield ef.Announce(ef.ServerErrorSeen(queue.FULL, benign=False, suspected=False))


def _name(state: SessionState, event: ce.ClientEvent | ce.RawClientEvent) -> None:
    """Remembers the event id of what its caller wrote, so that an error about it is known for that."""
    own = event.raw.get("event_id") if isinstance(event, ce.RawClientEvent) else event.event_id
    if isinstance(own, str):
        state.requests.name(own)


def _append(state: SessionState, now: float, given: inp.Append) -> Iterable[ef.Effect]:
    event = ce.InputAudioBufferAppend(audio=given.audio)
    if state.ended is not None:
        return ()
    if state.online:
        return (ef.Send(event),)
    state.outbox.hold(event)  # there is always room for audio: the oldest gives way
    return ()


_INPUTS: dict[type, Callable[[SessionState, float, Any], Iterable[ef.Effect]]] = {
    inp.Received: intake.receive,
    inp.Append: _append,
    inp.Tick: _tick,
    inp.Ask: _ask,
    inp.Cancel: _cancel,
    inp.Stop: _stop,
    inp.Abandon: _abandon,
    inp.Edit: _edit,
    inp.Say: _say,
    inp.Connected: _connected,
    inp.Disconnected: _disconnected,
    inp.Shut: _shut,
}
