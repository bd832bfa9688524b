"""What waits to be written: encoded events, in order, up to a bound."""

from __future__ import annotations

from collections import deque

from rejoinder.client.signal import Signal

__all__ = ["MOST_OUTBOUND", "Outbox"]

MOST_OUTBOUND = 32 * 1024 * 1024
"""How much may wait, in bytes. At real pace it holds more than eight minutes of PCM16 audio."""


class Outbox:
    """A bounded queue between the step, which never waits, and the writer, which does.

    ``bytes``: how much waits, the frame under way included.
    """

    def __init__(self, most: int = MOST_OUTBOUND) -> None:
        self.bytes = 0
        self._frames: deque[bytes] = deque()
        self._most = most
        self._closed = False
        self._news = Signal()
        self._low = Signal()
        self._low.set()

    def put(self, frame: bytes) -> bool:
        """Adds a frame. False when there is no room for it: then nothing is accepted any more.

        A single frame is always accepted, however large.
        """
        if self._closed or (self.bytes and self.bytes + len(frame) > self._most):
            self.close()
            return False
        self.bytes += len(frame)
        self._frames.append(frame)
        self._news.set()
        self._low.clear()
        return True

    async def get(self) -> bytes | None:
        """The next frame; None after `close`, once all were taken. Cancelling it loses nothing."""
        while not self._frames:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        return self._frames.popleft()

    def written(self, frame: bytes) -> None:
        """A frame that `get` gave out has been written."""
        self.bytes -= len(frame)
        if not self.bytes:
            self._low.set()

    def close(self) -> None:
        """Nothing more will be put; what waits can still be taken."""
        self._closed = True
        self._news.set()

    def release(self) -> None:
        """Nobody writes any more: ends every `drained`."""
        self.close()
        self._low.set()

    async def drained(self) -> None:
        """Returns when nothing waits any more, or never will be written. Cancelling it is safe."""
        await self._low.wait()
