"""A signal: something that has happened, or has not, and may be waited for."""

from __future__ import annotations

import asyncio

__all__ = ["Signal"]


class Signal:
    """What `asyncio.Event` is, at a tenth of its size: each session has several, and waits for few."""

    __slots__ = ("_given", "_waiters")

    def __init__(self) -> None:
        self._given = False
        self._waiters: tuple[asyncio.Future[None], ...] = ()

    def is_set(self) -> bool:
        """Whether it has been given."""
        return self._given

    def set(self) -> None:
        """Gives it: all who wait go on."""
        self._given = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Takes it back, for those who wait from now on."""
        self._given = False

    async def wait(self) -> None:
        """Returns when it has been given. Cancelling it is safe."""
        if self._given:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters += (waiter,)
        try:
            await waiter
        finally:
            self._waiters = tuple(other for other in self._waiters if other is not waiter)
