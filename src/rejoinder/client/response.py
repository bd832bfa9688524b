"""`Response`: one reply, from the asking to its one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rejoinder.client.streams import PartStream, Sink
from rejoinder.core.effects import Open
from rejoinder.core.outcomes import Outcome
from rejoinder.core.parts import Part
from rejoinder.errors import ConfigurationError
from rejoinder.wire.response import ErrorBody

__all__ = ["Record", "Response"]


class Record:
    """What the shell knows of one response. The caller's `Response` reads it.

    ``default``: it belongs to the session's conversation, as far as anybody has said.
    """

    def __init__(self, key: str, *, asked: bool, sink: Sink) -> None:
        self.key = key
        self.asked = asked
        self.sink = sink
        self.default = True
        self.response_id: str | None = None
        self.settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def open(self, effect: Open) -> None:
        """The server has named it."""
        self.response_id = effect.response_id
        self.default = effect.default

    def withdraw(self) -> None:
        """The name was another's."""
        self.response_id = None

    def settle(self, outcome: Outcome) -> None:
        """Its end."""
        self.response_id = outcome.response_id or self.response_id
        self.settled.set_result(outcome)

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, or None while it has not."""
        return self.settled.result() if self.settled.done() else None


class Response:
    """A reply that was asked for, or that the server began by itself.

    Iterate it for its parts, await `outcome` for how it ended; do either, or both, in any order::

        async for part in response:          # Audio | Transcript | Text | FunctionCall | ...
            ...
        outcome = await response.outcome()   # exactly one, always

    Iterating delivers what has arrived, in order, and then ends if the response completed. If it ended
    in any other way, iterating raises that outcome's exception (`rejoinder.errors.OutcomeError`)
    after the last part, so that a reply cut off in the middle cannot be taken for a whole one; this
    holds for a cancelled one too. Several consumers would share the parts between them.

    Stopping to iterate, or cancelling the task that does, changes nothing on the server: `cancel`
    does, and so does leaving the session.
    """

    def __init__(
        self,
        record: Record,
        cancel: Callable[[str], None],
        abandon: Callable[[str, ErrorBody], None],
    ) -> None:
        self._record = record
        self._cancel = cancel
        self._abandon = abandon

    @property
    def key(self) -> str:
        """Our name for the request; for a response that the server began, its id."""
        return self._record.key

    @property
    def id(self) -> str | None:
        """The server's name for the response; None until it has begun."""
        return self._record.response_id

    @property
    def asked(self) -> bool:
        """Whether we asked for it; False for a response that the server began by itself."""
        return self._record.asked

    @property
    def default(self) -> bool:
        """Whether it belongs to the session's conversation; False for an out-of-band response."""
        return self._record.default

    @property
    def result(self) -> Outcome | None:
        """The outcome, or None while there is none."""
        return self._record.outcome

    async def outcome(self) -> Outcome:
        """How the response ended. Always returns, once one of the clocks in `Timeouts` has run out.

        Never raises; `Outcome.raise_for_outcome` turns all but `Completed` into exceptions.
        Cancelling it changes nothing; it can be awaited again, by any number of tasks.
        """
        return await asyncio.shield(self._record.settled)

    def cancel(self) -> None:
        """Asks the server to stop, by the response's id, as soon as that is known.

        The outcome follows within the cancel clock: `Cancelled`, also if the server was faster, since
        what it still sends is not delivered any more; `TimedOut` if it never answers. Parts that
        have arrived can still be taken. Does nothing after the end. Needs the session's event loop;
        raises `ConfigurationError` elsewhere.
        """
        self._cancel(self._record.key)

    def abandon(self, error: ErrorBody) -> None:
        """Gives the response up because its sink cannot go on, and says why.

        It settles `Failed` with ``error`` at once and is cancelled by its id. Does nothing after the
        end. Needs the session's event loop; raises `ConfigurationError` elsewhere.
        """
        self._abandon(self._record.key, error)

    def __aiter__(self) -> Response:
        self._stream()
        return self

    async def __anext__(self) -> Part:
        """The next part. Cancelling it loses nothing."""
        return await self._stream().take()

    def _stream(self) -> PartStream:
        stream = self._record.sink
        if isinstance(stream, PartStream):
            return stream
        raise ConfigurationError(
            "this response was given a sink of its own, which receives its parts: "
            "iterate a response that was created without `sink`"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Response) and self._record is other._record

    def __hash__(self) -> int:
        return hash(self._record.key)

    def __repr__(self) -> str:
        outcome = self._record.outcome
        state = type(outcome).__name__ if outcome else ("running" if self.id else "asked")
        return f"<Response {self.id or self.key} {state}>"
