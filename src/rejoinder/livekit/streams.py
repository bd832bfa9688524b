"""The streams that LiveKit reads: unbounded, filled by the pump, never raising.

LiveKit swallows what a stream raises, and one that raises leaves the agent "speaking" for ever. So a
stream can only end; why it ended is told elsewhere (`SpeechHandle.exception()`, the outcome).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """An async iterator over what is put into it, until it is closed.

    ``on_read`` is called at each read, in the reader's own context. Cancelling a read loses nothing.
    ``size`` is what the items weigh that wait for a reader.
    """

    __slots__ = ("_closed", "_items", "_on_read", "_readers", "_weigh", "size")

    def __init__(
        self, on_read: Callable[[], None], weigh: Callable[[T], int] | None = None
    ) -> None:
        self.size = 0
        self._weigh = weigh or _weightless
        self._items: deque[T] = deque()
        self._readers: set[asyncio.Future[None]] = set()
        self._closed = False
        self._on_read = on_read

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    def put(self, item: T) -> None:
        """Adds an item. What comes after the end is dropped."""
        if not self._closed:
            self._items.append(item)
            self.size += self._weigh(item)
            self._wake()

    def close(self) -> None:
        """Ends the stream after what has been put into it."""
        self._closed = True
        self._wake()

    async def aclose(self) -> None:
        """The reader has gone: what it did not read is dropped. LiveKit calls this at its own end."""
        self._items.clear()
        self.size = 0
        self.close()

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        self._on_read()
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            reader = asyncio.get_running_loop().create_future()
            self._readers.add(reader)
            try:
                await reader
            finally:
                self._readers.discard(reader)
        item = self._items.popleft()
        self.size -= self._weigh(item)
        return item

    def _wake(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)


def _weightless(_: object) -> int:
    return 0
