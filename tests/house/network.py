"""No test leaves this machine: an audit hook that refuses every address but loopback.

An audit hook sees what Python's own sockets do, whoever asked for it, and patches nothing.
"""

from __future__ import annotations

import ipaddress
from typing import Any

WITH_ADDRESS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
WITH_HOST = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


class OutsideNetwork(BaseException):
    """A test reached for the outside. Not an `Exception`: no retry may swallow it."""


def refuse_outside(event: str, args: tuple[Any, ...]) -> None:
    """Raises `OutsideNetwork` for a look-up or connection that would leave this machine."""
    if event in WITH_ADDRESS:
        host = args[1][0] if isinstance(args[1], tuple) else None  # a path is a local socket
    elif event in WITH_HOST:
        host = args[0]
    else:
        return
    if not is_local(host):
        raise OutsideNetwork(f"{event} to {host!r}: tests talk to 127.0.0.1 only")


def is_local(host: str | bytes | None) -> bool:
    """Whether this host is this machine: loopback, ``localhost``, or none at all."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
