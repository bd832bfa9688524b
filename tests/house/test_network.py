"""The watchman at the network's door."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.house.network import OutsideNetwork, refuse_outside

OUTSIDE: list[tuple[str, tuple[Any, ...]]] = [
    ("socket.connect", (None, ("192.0.2.1", 443))),
    ("socket.connect", (None, ("2001:db8::1", 443, 0, 0))),
    ("socket.sendto", (None, ("192.0.2.1", 53))),
    ("socket.getaddrinfo", ("api.openai.com", 443, 0, 0, 0)),
    ("socket.gethostbyname", ("example.com",)),
]

INSIDE: list[tuple[str, tuple[Any, ...]]] = [
    ("socket.connect", (None, ("127.0.0.1", 80))),
    ("socket.connect", (None, ("::1", 80, 0, 0))),
    ("socket.connect", (None, "/run/some.socket")),
    ("socket.sendmsg", (None, None)),
    ("socket.getaddrinfo", (b"localhost", 80, 0, 0, 0)),
    ("socket.getaddrinfo", (None, 80, 0, 0, 0)),
    ("open", ("192.0.2.1",)),
]


@pytest.mark.parametrize(("event", "args"), OUTSIDE)
def test_outside_is_refused(event: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(OutsideNetwork, match=r"127\.0\.0\.1 only"):
        refuse_outside(event, args)


@pytest.mark.parametrize(("event", "args"), INSIDE)
def test_inside_passes(event: str, args: tuple[Any, ...]) -> None:
    refuse_outside(event, args)


def test_the_watchman_is_on_duty() -> None:
    with pytest.raises(OutsideNetwork):
        socket.getaddrinfo("example.com", 443)
