"""Who waits for what: the handles that were given out, and how news reaches them.

What the application's callbacks raise ends here: it is logged, and nothing else changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from rejoinder.client.edit import Edit, failure
from rejoinder.client.response import Record, Response
from rejoinder.client.streams import (
    MOST_BUFFERED,
    OVERFLOW,
    Feed,
    PartStream,
    Sink,
    check_sink,
    plain_function,
)
from rejoinder.core import blame
from rejoinder.core.effects import EditResult, Ended, Expired, Gone, Notice, Open, Refused
from rejoinder.core.outcomes import Cancelled, Close, Completed, Lost, Outcome
from rejoinder.core.parts import Part
from rejoinder.errors import ConfigurationError
from rejoinder.wire.response import ErrorBody

__all__ = ["Listeners", "Unheard", "Waiting", "guarded"]

logger = logging.getLogger("rejoinder")

MOST_NOTICES = 256
"""How many notices are kept for `Session.notices`."""

HEAVIEST_NOTICES = 16 * 1024 * 1024
"""How much they may weigh, in bytes: an unknown event is kept as it came, however large."""

MOST_UNCLAIMED = 32
"""How many responses that the server began are kept for `Session.responses`."""

R = TypeVar("R")

OnResponse = Callable[[Response], Sink | None]
OnNotice = Callable[[Notice], None]
OnEvent = Callable[..., object]


class Listeners(msgspec.Struct, frozen=True, kw_only=True):
    """The application's callbacks, all optional, all synchronous, on the session's event loop."""

    on_response: OnResponse | None = None
    on_notice: OnNotice | None = None
    on_event_in: OnEvent | None = None
    on_event_out: OnEvent | None = None
    journal: OnEvent | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            given = getattr(self, name)
            if given is not None and not plain_function(given):
                raise ConfigurationError(
                    f"{name} must be a plain function: it is called, not awaited; "
                    "let it start a task if it has to wait"
                )


class Unheard:
    """The sink of a response in which the application has no interest."""

    def opened(self, response_id: str) -> None:
        """Nothing to do."""

    def feed(self, part: Part) -> None:
        """Nothing to do."""

    def settle(self, outcome: Outcome) -> None:
        """Nothing to do."""


class Waiting:
    """Responses and edits that are not settled yet, by key, and the news for everybody.

    ``cancel`` and ``abandon`` are what a response's handle and its stream call back with their key.
    """

    def __init__(
        self,
        listeners: Listeners,
        *,
        cancel: Callable[[str], None],
        abandon: Callable[[str, ErrorBody], None],
    ) -> None:
        self.responses: dict[str, Record] = {}
        self.edits: dict[str, Edit] = {}
        self.notices: Feed[Notice] = Feed(MOST_NOTICES, HEAVIEST_NOTICES)
        self.unclaimed: Feed[Record] = Feed(MOST_UNCLAIMED)
        self._listeners = listeners
        self._cancel = cancel
        self._abandon = abandon

    # -- what is given out --

    def asked(self, key: str, sink: Sink | None) -> Response:
        """A handle for a response that is being asked for."""
        record = Record(key, asked=True, sink=self._stream(key) if sink is None else sink)
        self.responses[key] = record
        return self.handle(record)

    def handle(self, record: Record) -> Response:
        """The caller's view of a response."""
        return Response(record, self._cancel, self._abandon)

    def edit(self, key: str, item_id: str | None) -> Edit:
        """A handle for an edit that is being asked for."""
        edit = self.edits[key] = Edit(key, item_id)
        return edit

    # -- what comes back --

    def open(self, effect: Open) -> None:
        """A response has begun: one of ours, or a new one of the server's."""
        record = self.responses.get(effect.key)
        if record is None:
            record = self._begun_by_server(effect)
        else:
            record.open(effect)
        guarded(record.sink.opened, effect.response_id)

    def withdraw(self, key: str) -> None:
        """A response has not begun after all."""
        if key in self.responses:
            self.responses[key].withdraw()

    def deliver(self, key: str, part: Part) -> None:
        """A part for its caller."""
        record = self.responses.get(key)
        if record is None:
            return
        guarded(record.sink.feed, part)
        if self.unclaimed.waiting:
            self._bound_unclaimed()

    def settle(self, key: str, outcome: Outcome) -> None:
        """The end of a response. Every one but `Completed` and `Cancelled` is a line in the log."""
        if not isinstance(outcome, (Completed, Cancelled)):
            _warn(key, outcome)
        record = self.responses.pop(key, None)
        if record is not None:
            record.settle(outcome)
            guarded(record.sink.settle, outcome)

    def settle_edit(self, key: str, result: EditResult) -> None:
        """The end of an edit. A refusal that nobody awaits is a line in the log."""
        edit = self.edits.pop(key, None)
        if edit is not None:
            edit.settle(result)
        if isinstance(result, (Refused, Expired)) and not (edit is not None and edit.awaited):
            benign = isinstance(result, Refused) and _benign(result)
            level = logging.DEBUG if benign else logging.WARNING
            error = failure(result)
            logger.log(level, "edit %s: %s (code %s)", key, _line(error.message), error.code)

    def announce(self, notice: Notice, size: int = 0) -> None:
        """News, from a frame of ``size`` bytes. After `Ended` there is no more."""
        if self._listeners.on_notice is None:
            self.notices.put(notice, size)
        else:
            guarded(self._listeners.on_notice, notice)
        if isinstance(notice, Ended):
            self.notices.end()
            self.unclaimed.end()

    def abandon(self, close: Close) -> None:
        """The core cannot go on: whatever still waits is settled here, so that nothing hangs."""
        for key in tuple(self.responses):
            self.settle(key, Lost(close=close, response_id=self.responses[key].response_id))
        for key in tuple(self.edits):
            self.settle_edit(key, Gone(close))
        self.announce(Ended(close))

    # -- responses that the server begins --

    def _begun_by_server(self, effect: Open) -> Record:
        record = Record(effect.key, asked=effect.asked, sink=Unheard())
        record.open(effect)
        self.responses[effect.key] = record
        listener = self._listeners.on_response
        if listener is not None:
            chosen = guarded(_chosen, listener, self.handle(record))
            record.sink = record.sink if chosen is None else chosen
            return record
        record.sink = self._stream(effect.key)
        dropped = self.unclaimed.put(record)
        if dropped is not None:
            self._forsake(dropped)
        return record

    def _stream(self, key: str) -> PartStream:
        return PartStream(lambda: self._abandon(key, OVERFLOW))

    def _bound_unclaimed(self) -> None:
        """Audio that nobody asked for must not grow without bound: the oldest response gives way."""
        while len(self.unclaimed.waiting) > 1 and self._unclaimed_bytes() > MOST_BUFFERED:
            self._forsake(self.unclaimed.drop())

    def _unclaimed_bytes(self) -> int:
        sinks = [record.sink for record in self.unclaimed.waiting]
        return sum(sink.size for sink in sinks if isinstance(sink, PartStream))

    def _forsake(self, record: Record) -> None:
        if self.unclaimed.dropped == 1:
            logger.warning(
                "nobody takes the responses that the server begins, so the oldest are dropped: "
                "iterate session.responses() or pass on_response"
            )
        if isinstance(record.sink, PartStream):
            record.sink.discard()


def guarded(call: Callable[..., R], *args: Any) -> R | None:
    """Calls the application. What it raises is logged; the result is then None.

    Only what ends the program passes. Everything else counts, also what is no ``Exception``, as test
    frameworks raise it: it would end the reader, and nobody would be told.
    """
    try:
        return call(*args)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # logged, with its traceback: the application may raise anything at all
        logger.exception("a callback of the application raised; the session goes on")
        return None


def _chosen(listener: OnResponse, response: Response) -> Sink:
    sink = listener(response)
    if sink is None:
        return Unheard()
    check_sink("what on_response returns", sink)
    return sink


def _warn(key: str, outcome: Outcome) -> None:
    logger.warning(
        "response %s ended %s: %s (code %s)",
        outcome.response_id or key,
        type(outcome).__name__,
        _line(outcome.describe()),
        outcome.code,
    )


def _benign(result: Refused) -> bool:
    return blame.benign(result.error, blame.subject(result.error))


def _line(text: str) -> str:
    """A peer's words on one line of the log, whatever they contain."""
    words = " ".join(text.split())[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in words)
