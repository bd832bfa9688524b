"""Where the server listens. It may be away for a while, and the kernel then refuses who comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

_WAITING = 128


class Listener:
    """The listening sockets: open, away, or ended. ``address`` is the first of them.

    ``factory`` makes the protocol of each new connection.
    """

    def __init__(self, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        self.address: tuple[str, int] = ("", 0)
        self._factory = factory
        self._servers: list[asyncio.Server] = []
        self._held: list[socket.socket] = []
        self._timer: asyncio.TimerHandle | None = None
        self._returning: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> None:
        """Begins to listen. Raises `OSError` when the address cannot be had."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._factory, host, port, backlog=_WAITING)
        self._servers = [server]
        self.address = server.sockets[0].getsockname()[:2]

    def leave(self, seconds: float | None) -> None:
        """Listens no more, for so many seconds or for good. Connections live on."""
        self._stop()
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._return)

    def end(self) -> None:
        """Listens no more, and leaves the address to others."""
        self._stop()
        for held in self._held:
            held.close()
        self._held = []

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._returning is not None:
            self._returning.cancel()
        for server in self._servers:
            addresses = [(one.family, one.getsockname()) for one in server.sockets]
            server.close()
            self._held += [_bound(family, address) for family, address in addresses]
        self._servers = []

    def _return(self) -> None:
        self._returning = asyncio.get_running_loop().create_task(self._listen_again())

    async def _listen_again(self) -> None:
        loop = asyncio.get_running_loop()
        while self._held:
            held = self._held.pop()
            self._servers.append(
                await loop.create_server(self._factory, sock=held, backlog=_WAITING)
            )


def _bound(family: int, address: object) -> socket.socket:
    """A socket that keeps an address from others and does not listen: the kernel refuses."""
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held.bind(address)  # type: ignore[arg-type]
    return held
