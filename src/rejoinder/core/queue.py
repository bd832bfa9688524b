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
from rejoinder.core.outcomes import BUSY_CODE
from rejoinder.core.responses import KEY, Machine, Request, Responses
from rejoinder.core.verdict import OURS, Facts
from rejoinder.wire import client_events as ce
from rejoinder.wire.response import ErrorBody

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


def dispatch(now: float, responses: Responses, correlation: Correlation) -> Iterator[ef.Effect]:
    """Sends every request whose turn has come, and refuses those that were not to wait for it."""
    for machine in responses.within(State.QUEUED):
        if machine.default and responses.holder() is not None:
            if not machine.patient:
                yield from responses.apply(now, machine, Trigger.BUSY, Facts(error=TAKEN))
        elif machine.request is not None and (correlation.echoes or not correlation.owed(now)):
            yield from _send(now, machine, machine.request, responses)


def _send(
    now: float, machine: Machine, request: Request, responses: Responses
) -> Iterator[ef.Effect]:
    request.sends += 1
    request.sent_at = now
    named = request.params.metadata or {}
    params = msgspec.structs.replace(request.params, metadata={**named, KEY: machine.key})
    yield ef.Send(ce.ResponseCreate(event_id=f"{machine.key}.{request.sends}", response=params))
    yield from responses.apply(now, machine, Trigger.SENT, Facts())
