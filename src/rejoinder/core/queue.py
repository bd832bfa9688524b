"""Which requests go on the wire now, and which wait their turn.

The default conversation has one slot (OpenAI Realtime reference: a second `response.create` is
refused while one runs). Out-of-band requests need none. On a server that has not returned our
metadata yet, answers can be told apart only by order, so there is one unanswered request at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rejoinder.core import effects as ef
from rejoinder.core.correlation import Correlation
from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.machine import Machine, Request
from rejoinder.core.outcomes import BUSY_CODE
from rejoinder.core.responses import KEY, Responses
from rejoinder.core.verdict import OURS, Facts
from rejoinder.wire import client_events as ce
from rejoinder.wire.response import ErrorBody, ResponseParams

MOST = 256
"""How many requests may wait."""

FULL = ErrorBody(
    type=OURS,
    code="queue_full",
    message="too much waits already, for the connection or its turn: ask again when some is done",
)
TAKEN = ErrorBody(
    type=OURS,
    code=BUSY_CODE,
    message="another response is running in the conversation, and this one was not to wait",
)


class Way(msgspec.Struct, frozen=True):
    """How requests go out: on which ``link``. ``usual``: what is said in each that does not say otherwise.
    ``unheard`` takes the keys of those that went out."""

    link: int
    usual: ResponseParams
    unheard: list[str]


def dispatch(
    now: float, responses: Responses, correlation: Correlation, way: Way
) -> Iterator[ef.Effect]:
    """Sends every request whose turn has come, and refuses those that were not to wait for it."""
    for machine in responses.within(State.QUEUED):
        request = machine.request
        if request is None or now < request.again_at:
            continue
        if machine.default and responses.holder() is not None:
            if not machine.patient and not machine.retried:  # a retry has a deadline already
                yield from responses.apply(now, machine, Trigger.BUSY, Facts(error=TAKEN))
        elif correlation.echoes or not correlation.owed(now):
            yield from _send(now, machine, request, responses, way)


def _send(
    now: float, machine: Machine, request: Request, responses: Responses, way: Way
) -> Iterator[ef.Effect]:
    request.sends += 1
    request.sent_at = now
    if not request.again_at:  # a retry keeps the deadline of the send that failed
        request.answer_by = now + responses.timeouts.created
    machine.link = way.link
    way.unheard.append(machine.key)
    yield ef.Send(_event(machine, request, way.usual), machine.link)
    yield from responses.apply(now, machine, Trigger.SENT, Facts())


def _event(
    machine: Machine, request: Request, usual: ResponseParams
) -> ce.ResponseCreate | ce.RawClientEvent:
    """The request under its key. One that was written by hand keeps whatever else it says."""
    metadata = {**(request.params.metadata or {}), KEY: machine.name}
    if request.given is None:
        spoken = request.params.output_modalities
        if spoken is msgspec.UNSET:
            spoken = usual.output_modalities
        params = msgspec.structs.replace(
            request.params, metadata=metadata, output_modalities=spoken
        )
        return ce.ResponseCreate(event_id=machine.event_id, response=params)
    raw = request.given.raw
    body = {**(raw.get("response") or {}), "metadata": metadata}
    return ce.RawClientEvent({**raw, "event_id": machine.event_id, "response": body})
