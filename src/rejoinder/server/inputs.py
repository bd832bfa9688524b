"""Inputs: everything that can happen to one connection of the server. Time comes in beside them."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder.server.reading import Accepted, Unreadable


class Opened(msgspec.Struct, frozen=True):
    """The WebSocket is up and the client may be here."""


class Received(msgspec.Struct, frozen=True):
    """One client event, or a frame that is none (`reading.read`)."""

    event: Accepted | Unreadable


class Tick(msgspec.Struct, frozen=True):
    """Time has come: the earliest deadline is due."""


class Hold(msgspec.Struct, frozen=True):
    """The response stalls: it stays alive, keeps its slot and says nothing more until cancelled."""

    response_id: str


class Forget(msgspec.Struct, frozen=True):
    """The response ceases to exist without a word, as if its model had died; its slot is free."""

    response_id: str


class Pause(msgspec.Struct, frozen=True):
    """The response says nothing for so many seconds, then goes on. A cancel is answered meanwhile."""

    response_id: str
    seconds: float


class Expire(msgspec.Struct, frozen=True):
    """The session has reached its maximum duration."""


Input: TypeAlias = Opened | Received | Tick | Hold | Forget | Pause | Expire
