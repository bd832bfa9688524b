"""Responses: each a small machine that performs its plan and can be stopped at any moment.

Only what was opened is closed; what is closed holds what was sent, not what was planned.
"""

from __future__ import annotations

from collections import deque

import msgspec

from rejoinder.server import usage
from rejoinder.server.beats import (
    AudioDelta,
    Beat,
    CloseItem,
    Delta,
    End,
    OpenItem,
    OpenPart,
    Plan,
    RunHosted,
)
from rejoinder.server.drafts import Draft, HostedCall, Stage, draft_of
from rejoinder.server.usage import Meter
from rejoinder.wire import server_events as events
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody, FailureBody, ResponseObject, StatusDetails
from rejoinder.wire.server_events import ServerEvent


class LiveResponse:
    """One response from `response.created` to `response.done`.

    ``head``: the response object without what changes. ``due_at``: the moment of its next beat, None
    while it stalls and when it is ``over``. ``cause``: the event id of its `response.create`.
    """

    def __init__(
        self,
        head: ResponseObject,
        plan: Plan,
        stage: Stage,
        meter: Meter,
        *,
        now: float,
        cause: str | None,
    ) -> None:
        self.head = head
        self.cause = cause
        self.over = False
        self.due_at: float | None = now + plan.beats[0][0]
        self._beats: deque[tuple[float, Beat]] = deque(plan.beats)
        self._stage = stage
        self._meter = meter
        self._items: list[Item] = []
        self._draft: Draft | None = None
        self._sounds_from = now

    @property
    def silent_at(self) -> float:
        """The moment at which a client that plays what it gets at once has played it all."""
        return self._sounds_from + self._meter.sounding

    @property
    def id(self) -> str:
        return self.head.id or ""

    @property
    def default(self) -> bool:
        """Whether it writes to the default conversation, and so holds its one slot."""
        return self._stage.conversation is not None

    def begin(self) -> list[ServerEvent]:
        """The first event."""
        return [events.ResponseCreated(response=self.head)]

    def perform(self, now: float) -> list[ServerEvent]:
        """All that is due by now."""
        told: list[ServerEvent] = []
        while self.due_at is not None and self.due_at <= now:
            _, beat = self._beats.popleft()
            at = self.due_at
            self.due_at += self._beats[0][0] if self._beats else 0.0
            told += self._perform(beat, at)
            if self._meter.exhausted and not self.over:
                told += self.stop("incomplete", "max_output_tokens")
        return told

    def hold(self) -> None:
        """Stalls until stopped."""
        self.due_at = None

    def pause(self, seconds: float) -> None:
        """Goes on so much later; one that stalls does not."""
        if self.due_at is not None:
            self.due_at += seconds

    def stop(
        self, status: str, reason: str | None = None, error: ErrorBody | None = None
    ) -> list[ServerEvent]:
        """Ends here: closes what is open, with what was sent, and says `response.done`."""
        self.due_at = None
        self.over = True
        told = self._close("incomplete")
        failure = FailureBody(**msgspec.structs.asdict(error)) if error is not None else None
        details = StatusDetails(type=status, reason=reason, error=failure)
        response = msgspec.structs.replace(
            self.head,
            status=status,
            status_details=None if status == "completed" else details,
            output=list(self._items),
            usage=usage.nothing() if status == "failed" else self._meter.usage(),
        )
        return [*told, events.ResponseDone(response=response)]

    def _perform(self, beat: Beat, at: float) -> list[ServerEvent]:
        if isinstance(beat, OpenItem):
            self._draft = draft_of(self._stage, self.id, len(self._items), beat)
            self._sounds_from = at if not self._items else self._sounds_from
            return self._draft.begin()
        if isinstance(beat, End):
            return self.stop(beat.status, beat.reason, beat.error)
        if isinstance(beat, CloseItem):
            return self._close("completed")
        if isinstance(beat, RunHosted):
            return self._draft.run() if isinstance(self._draft, HostedCall) else []
        return self._write(self._draft, beat) if self._draft is not None else []

    def _write(self, draft: Draft, beat: OpenPart | Delta | AudioDelta) -> list[ServerEvent]:
        if isinstance(beat, OpenPart):
            return draft.begin_part(beat.kind)
        if isinstance(beat, Delta):
            self._meter.wrote(beat.delta)
            return draft.write(beat.kind, beat.delta)
        self._meter.spoke(self._stage.form.milliseconds(len(beat.delta)))
        return draft.sound(beat.delta)

    def _close(self, status: str) -> list[ServerEvent]:
        if self._draft is None:
            return []
        item, told = self._draft.close(status)
        self._items.append(item)
        self._draft = None
        return told
