"""What waits to be written: encoded events, in order, up to a bound."""

from __future__ import annotations

from rejoinder.client.signal import Signal

__all__ = ["MOST_OUTBOUND", "Outbox"]

MOST_OUTBOUND = 64 * 1024 * 1024
"""How much may wait, in bytes. A new server is told everything at once: up to 16 MiB of images, 16 MiB of what
was said, two minutes of what is being said (both a third longer on the wire), and all the words."""


class Outbox:
    """A bounded queue between the step, which never waits, and the writer, which does.

    ``bytes``: how much waits, the frame under way included.
    """

    def __init__(self, most: int = MOST_OUTBOUND) -> None:
        self.bytes = 0
        self._later: list[bytes] = []
        self._next: list[bytes] = []
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
        self._later.append(frame)
        self._news.set()
        self._low.clear()
        return True

    async def get(self) -> bytes | None:
        """The next frame; None after `close`, once all were taken. Cancelling it loses nothing."""
        if self._next:
            return self._next.pop()
        while not self._later:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        # Two lists rather than a deque, which is ten times as large while it is empty.
        self._later, self._next = self._next, self._later
        self._next.reverse()
        return self._next.pop()

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

    @property
    def idle(self) -> bool:
        """Whether nothing waits any more, or never will be written."""
        return self._low.is_set()

    async def drained(self) -> None:
        """Returns when nothing waits any more, or never will be written. Cancelling it is safe."""
        await self._low.wait()
