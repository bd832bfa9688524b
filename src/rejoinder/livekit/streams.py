"""The streams that LiveKit reads: unbounded, filled by the pump, never raising.

LiveKit swallows what a stream raises, and one that raises leaves the agent "speaking" for ever. So a
stream can only end; why it ended is told elsewhere (`SpeechHandle.exception()`, the outcome).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from livekit import rtc

from rejoinder.livekit.options import NUM_CHANNELS, SAMPLE_RATE

T = TypeVar("T")


class _Kept(Generic[T]):
    """What waits for a reader, until the end.

    ``on_read`` is called at each read, in the reader's own context. Cancelling a read loses nothing.
    """

    __slots__ = ("_closed", "_items", "_on_read", "_readers")

    def __init__(self, on_read: Callable[[], None]) -> None:
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
            if self._readers:
                self._wake()

    def close(self) -> None:
        """Ends the stream after what has been put into it."""
        self._closed = True
        self._wake()

    async def aclose(self) -> None:
        """The reader has gone: what it did not read is dropped. LiveKit calls this at its own end."""
        self._items.clear()
        self.close()

    async def _arrival(self) -> None:
        """Returns once there is an item; raises ``StopAsyncIteration`` if there will be none."""
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            reader = asyncio.get_running_loop().create_future()
            self._readers.add(reader)
            try:
                await reader
            finally:
                self._readers.discard(reader)

    def _wake(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)


class Stream(_Kept[T]):
    """An async iterator over what is put into it, until it is closed."""

    __slots__ = ()

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        self._on_read()
        if not self._items:
            await self._arrival()
        return self._items.popleft()


class Tally:
    """How many ``bytes`` of audio wait for a reader, in all the streams of one response."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class AudioStream(_Kept[bytes]):
    """The same for samples, which come out as frames: made when they are read, because of a reply that is
    cut off most are never read."""

    __slots__ = ("_tally",)

    def __init__(self, on_read: Callable[[], None], tally: Tally) -> None:
        super().__init__(on_read)
        self._tally = tally

    def put(self, item: bytes) -> None:
        """Adds samples. What comes after the end is dropped."""
        if not self._closed:
            self._tally.bytes += len(item)
        super().put(item)

    async def aclose(self) -> None:
        """The reader has gone: what it did not read is dropped. LiveKit calls this at its own end."""
        self._tally.bytes -= sum(map(len, self._items))
        await super().aclose()

    def __aiter__(self) -> AudioStream:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        self._on_read()
        if not self._items:
            await self._arrival()
        samples = self._items.popleft()
        self._tally.bytes -= len(samples)
        if len(samples) & 1:  # a sample has two bytes
            samples = samples[:-1]
        return rtc.AudioFrame(samples, SAMPLE_RATE, NUM_CHANNELS, len(samples) // 2)
