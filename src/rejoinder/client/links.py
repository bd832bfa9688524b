"""The links of one session: by number, from the dial to the end of the last."""

from __future__ import annotations

import asyncio
import time

from rejoinder.client.ending import Ending
from rejoinder.client.link import Dialled, Hearer, Link
from rejoinder.client.signal import Signal
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.inputs import FIRST_LINK

__all__ = ["Links"]


class Links:
    """Every link of a session, until nothing of it is left.

    ``live``: by number, those that are not closing.
    ``used``: one of them was usable once. ``known``: set when one was, or when none ever will be.
    ``serving``: set while there is a connection, and when there never will be one any more. ``over``: set
    when the session has ended and no link is left. ``ending``: of the last one that failed.
    """

    def __init__(self, clocks: Timeouts) -> None:
        self.used = False
        self.known = Signal()
        self.serving = Signal()
        self.over = Signal()
        self.ending = Ending()
        self._clocks = clocks
        self._dial: Dialled | None = None
        self.live: dict[int, Link] = {}
        self._closing: tuple[Link, ...] = ()
        self._final = False
        self._epoch = time.time() - asyncio.get_running_loop().time()

    @property
    def state(self) -> str:
        """In one word, for people."""
        if self.serving.is_set():
            return "open"
        return "reconnecting" if self.used else "connecting"

    def date(self) -> float:
        """The date, in seconds since 1970, as far as the loop's clock has come: where that is virtual, this
        is, too."""
        return self._epoch + asyncio.get_running_loop().time()

    def start(self, hearer: Hearer, dial: Dialled) -> None:
        """Begins to connect the first one. Later ones are dialled in the same way."""
        self._dial = dial
        self.open(hearer, FIRST_LINK, self._clocks.connect)

    def open(self, hearer: Hearer, number: int, within: float) -> None:
        """Begins to connect another one, with ``within`` seconds for it to be usable."""
        if self._dial is not None and not self._final:
            link = self.live[number] = Link(hearer, self._clocks, number)
            link.open(self._dial, within)

    def greet(self, link: Link) -> None:
        """This link is usable. Later ones serve when the session says so."""
        link.greet()
        if not self.used:
            self.used = True
            self.known.set()
            self.serving.set()

    def close(self, number: int, code: int = 1000, reason: str = "") -> None:
        """Begins to hang up, if that has not begun."""
        link = self.live.pop(number, None)
        if link is not None:
            self._closing += (link,)
            if link.ending.told:
                self.ending = link.ending
            link.close(code, reason)

    def close_all(self, code: int = 1000, reason: str = "") -> None:
        """Begins to hang up everywhere."""
        for number in tuple(self.live):
            self.close(number, code, reason)

    def end(self) -> None:
        """The session has ended: no link is opened any more."""
        self._final = True
        self._see_whether_over()

    def forget(self, link: Link) -> None:
        """All of this link is closed."""
        self._closing = tuple(other for other in self._closing if other is not link)
        self._see_whether_over()

    async def drained(self) -> None:
        """Returns when nothing waits to be written, or never will be. Cancelling it is safe."""
        while True:
            await self.serving.wait()
            for link in self._all():
                await link.outbox.drained()
            if self.serving.is_set() and all(link.outbox.idle for link in self._all()):
                return

    def _all(self) -> tuple[Link, ...]:
        return (*self.live.values(), *self._closing)

    def _see_whether_over(self) -> None:
        if self._final and not self._all():
            self.known.set()
            self.serving.set()
            self.over.set()
