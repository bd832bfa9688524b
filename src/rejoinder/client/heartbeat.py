"""The heartbeat: a connection on which nothing comes is asked whether it still is one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from rejoinder.client.alarm import Alarm

__all__ = ["Heartbeat"]


class Heartbeat(asyncio.Protocol):
    """Stands before a connection's protocol, passes everything on, and notes when something has come.

    ``ping`` is called after ``every`` seconds without a byte, ``lost`` when none has come half as long
    after that. Bytes count, and not frames: a large one may be long under way, and no pong comes in the
    midst of it.

    aiohttp's own heartbeat is not used because it takes a loop that was blocked for a dead connection:
    the pong that lies in the socket is read too late for it.
    """

    __slots__ = ("_above", "_alarm", "_asked", "_every", "_heard_at", "_lost", "_now", "_ping")

    def __init__(
        self,
        connection: asyncio.Transport,
        every: float,
        *,
        ping: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._every = every
        self._ping = ping
        self._lost = lost
        self._now = asyncio.get_running_loop().time
        self._heard_at = self._now()
        self._asked = False
        self._alarm = Alarm(self._rings)
        self._alarm.set(self._heard_at + every)
        self._above = cast(asyncio.Protocol, connection.get_protocol())
        connection.set_protocol(self)

    def stop(self) -> None:
        """Asks no more."""
        self._alarm.clear()

    # -- what asyncio says --

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        self._heard_at = self._now()
        self._asked = False
        self._above.data_received(data)

    def eof_received(self) -> bool | None:
        """Nothing more will come."""
        return self._above.eof_received()

    def pause_writing(self) -> None:
        """There is no room."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """There is room again."""
        self._above.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        self.stop()
        self._above.connection_lost(error)

    # -- the heartbeat --

    def _rings(self, when: float) -> None:
        if self._asked:
            self._lost()
        elif self._heard_at + self._every > when:
            self._alarm.set(self._heard_at + self._every)
        else:
            self._asked = True
            self._alarm.set(self._now() + self._every / 2)
            self._ping()
