"""Streams: where parts wait for a consumer that may be slower than the server, or not there yet.

Audio arrives faster than real time, and a queued speech reads nothing for a while. So a stream never
blocks the reader and never drops from the middle: it keeps up to 64 MiB (22 minutes of PCM16 audio);
beyond that the response is given up and says so.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, assert_never

from rejoinder.client.signal import Signal
from rejoinder.core.outcomes import Outcome
from rejoinder.core.parts import (
    Audio,
    ContentStarted,
    FunctionCall,
    ItemEnded,
    ItemStarted,
    Part,
    Text,
    Transcript,
)
from rejoinder.errors import ConfigurationError
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody

__all__ = [
    "MOST_BUFFERED",
    "OVERFLOW",
    "Feed",
    "PartStream",
    "Sink",
    "check_sink",
    "plain_function",
    "weight",
]

MOST_BUFFERED = 64 * 1024 * 1024
"""How much one response may hold for its consumer, in bytes."""

OVERFLOW = ErrorBody(
    type="client",
    code="overflow",
    message=f"nobody took the response's parts: more than {MOST_BUFFERED >> 20} MiB were waiting",
)
"""Why a response fails whose consumer does not keep up."""

_OVERHEAD = 128
"""What a part weighs besides its content, in bytes: a flood of tiny parts is bounded too."""

T = TypeVar("T")


class Sink(Protocol):
    """Who receives a response. Called synchronously, in order, on the session's event loop.

    A sink must not block. What it raises is logged and changes nothing. It may call back into the
    session; that takes effect after the step under way.
    """

    def opened(self, response_id: str) -> None:
        """The server began the response. May come twice, and then the last id counts: on a server
        that does not return metadata, an id may turn out to be that of another response."""

    def feed(self, part: Part) -> None:
        """A part, in the order in which the server produced them."""

    def settle(self, outcome: Outcome) -> None:
        """The response's one outcome. Called exactly once, and last."""


def check_sink(name: str, given: object) -> None:
    """Raises `ConfigurationError`, naming what was given, unless it is a `Sink`."""
    methods = (getattr(given, method, None) for method in ("opened", "feed", "settle"))
    if isinstance(given, type) or not all(map(plain_function, methods)):
        raise ConfigurationError(
            f"{name} must be an object with the plain methods opened, feed and settle: "
            "they are called, not awaited"
        )


def plain_function(given: object) -> bool:
    """Whether it can be called, and need not be awaited."""
    return callable(given) and not inspect.iscoroutinefunction(given)


class PartStream:
    """The default sink: keeps parts until they are taken. ``size``: how many bytes it holds."""

    def __init__(self, overflow: Callable[[], None], most: int = MOST_BUFFERED) -> None:
        self.size = 0
        self._parts: deque[Part] = deque()
        self._news = Signal()
        self._outcome: Outcome | None = None
        self._overflow = overflow
        self._most = most
        self._shut = False

    def opened(self, response_id: str) -> None:
        """Nothing to do: parts follow."""

    def feed(self, part: Part) -> None:
        """Keeps a part, or gives the response up when there is no room for it."""
        if self._shut:
            return
        if self.size + weight(part) > self._most:
            self._shut = True
            self._overflow()
            return
        self.size += weight(part)
        self._parts.append(part)
        self._news.set()

    def settle(self, outcome: Outcome) -> None:
        """No more parts: what is kept can still be taken, then iteration ends."""
        self._outcome = outcome
        self._news.set()

    def discard(self) -> None:
        """Nobody will ever take anything: forgets all parts, and those to come."""
        self._shut = True
        self._parts.clear()
        self.size = 0

    async def take(self) -> Part:
        """The next part. After the last one: ``StopAsyncIteration`` if the response completed, else
        the outcome's own exception. Cancelling it loses nothing."""
        while not self._parts:
            if self._outcome is not None:
                self._outcome.raise_for_outcome()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        part = self._parts.popleft()
        self.size -= weight(part)
        return part


class Feed(Generic[T]):
    """News that may be missed: the newest ``most`` are kept, and of those only as many as weigh no more
    than ``heaviest`` together, but always the very newest. ``dropped`` counts the others.

    An asynchronous iterator, which ends after `end` once everything was taken. Several consumers
    share what comes.
    """

    def __init__(self, most: int, heaviest: int = MOST_BUFFERED) -> None:
        self.dropped = 0
        self.waiting: list[T] = []  # few, and most sessions have none: an empty deque is large
        self._weights: list[int] = []
        self._weight = 0
        self._most = most
        self._heaviest = heaviest
        self._news = Signal()
        self._ended = False

    def put(self, thing: T, size: int = 0) -> T | None:
        """Adds the newest, of ``size`` bytes. Returns the last of the older ones that had to go."""
        self.waiting.append(thing)
        self._weights.append(size)
        self._weight += size
        self._news.set()
        dropped = None
        while self._too_much():
            dropped = self.drop()
        return dropped

    def drop(self) -> T:
        """Drops the oldest, and counts it."""
        self.dropped += 1
        return self._oldest()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> Feed[T]:
        return self

    async def __anext__(self) -> T:
        """The next one. Cancelling it loses nothing."""
        while not self.waiting:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._oldest()

    def _oldest(self) -> T:
        self._weight -= self._weights.pop(0)
        return self.waiting.pop(0)

    def _too_much(self) -> bool:
        kept = len(self.waiting)
        return kept > self._most or (kept > 1 and self._weight > self._heaviest)


def weight(part: Part) -> int:
    """What a part costs to keep, in bytes, near enough."""
    match part:
        case Audio():
            return _OVERHEAD + len(part.audio)
        case Transcript() | Text():
            return _OVERHEAD + 4 * len(part.text)
        case FunctionCall():
            return _OVERHEAD + 4 * len(part.arguments)
        case ItemStarted() | ItemEnded():
            return _OVERHEAD + _item_weight(part.item)
        case ContentStarted():
            return _OVERHEAD
        case _:
            assert_never(part)


def _item_weight(item: Item) -> int:
    texts = [item.arguments, item.output]
    for content in item.content or ():
        texts += [content.text, content.transcript, content.image_url]
    audio = sum(len(content.audio or b"") for content in item.content or ())
    return audio + 4 * sum(len(text) for text in texts if text)
