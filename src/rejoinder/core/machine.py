"""One response: what was asked, what is known of it, and when things happened."""

from __future__ import annotations

import msgspec

from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.output import Output
from rejoinder.wire.client_events import RawClientEvent
from rejoinder.wire.response import ErrorBody, ResponseParams


class Request(msgspec.Struct):
    """What was asked of the server.

    ``given``: the event as its caller wrote it, if it was written by hand. ``sends``: how often it went
    out; ``sent_at``: last, else 0. ``refused``: an error that named nobody was taken for its refusal.

    ``retries``: how often it may still be asked again after a failure; ``failure``: the last one that it
    was asked again for. ``answer_by``: until when it must have been created; a retry does not move it.
    ``again_at``: when the last retry may go out, 0 without one.
    """

    params: ResponseParams
    wait: bool
    asked_at: float
    given: RawClientEvent | None = None
    sends: int = 0
    sent_at: float = 0.0
    refused: bool = False
    retries: int = 0
    answer_by: float = 0.0
    again_at: float = 0.0
    failure: ErrorBody | None = None


class Blame(msgspec.Struct, frozen=True):
    """An error that may concern a response: its suspected cause, should nothing more come of it.

    ``until``: the end of the grace, infinite once the response has gone on.
    """

    error: ErrorBody
    until: float


class Moments(msgspec.Struct):
    """When things happened, by the clock that comes in with each step."""

    entered: float
    last_event: float = 0.0
    created: float | None = None
    first_audio: float | None = None
    first_text: float | None = None


class Machine(msgspec.Struct):
    """One response. ``request`` is None for those that the server began by itself.

    ``default``: it belongs to the default conversation. ``by_order``: its id was taken for ours only
    because nothing else fitted. ``spent``: the triggers whose one chance is used up. ``earlier``: the
    ids of its responses that failed before it was asked again. ``link``: the connection that it lives on,
    0 while it is not on the wire.
    """

    key: str
    default: bool
    request: Request | None
    moments: Moments
    state: State = State.QUEUED
    response_id: str | None = None
    by_order: bool = False
    blame: Blame | None = None
    spent: set[Trigger] = set()
    output: Output = msgspec.field(default_factory=Output)
    earlier: tuple[str, ...] = ()
    link: int = 0

    @property
    def sends(self) -> int:
        """How often it was asked for on the wire."""
        return self.request.sends if self.request else 0

    @property
    def own_id(self) -> str | None:
        """The event id that its caller wrote by hand; its first send has it."""
        given = self.request.given if self.request else None
        own = given.raw.get("event_id") if given else None
        return own if isinstance(own, str) and own else None

    @property
    def event_id(self) -> str:
        """The event id of its latest send."""
        own = self.own_id if self.sends == 1 else None
        return own or f"{self.key}.{self.sends}"

    @property
    def name(self) -> str:
        """What its latest send is called in the metadata: its key, and from the second send on with the
        number, so that the end of an earlier one is known for what it is."""
        return self.key if self.sends <= 1 else f"{self.key}.{self.sends}"

    @property
    def retried(self) -> bool:
        """Whether it has been, or will be, asked again after a failure."""
        return self.request is not None and self.request.again_at > 0

    @property
    def mistakable(self) -> bool:
        """Whether its id may still turn out to be another's: taken by order, and nothing came of it."""
        return self.by_order and not self.output.begun()

    @property
    def patient(self) -> bool:
        """Whether its caller waits for a turn rather than be refused."""
        return self.request is not None and self.request.wait
