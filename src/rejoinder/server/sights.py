"""Sights: what somebody who watches the server gets to see, as it happens.

``serve(watch=...)`` takes a `Watch`. It is told everything and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from rejoinder.server.effects import Effect
from rejoinder.server.reading import Unreadable
from rejoinder.wire.client_events import ClientEvent


class Joined(msgspec.Struct, frozen=True):
    """A client was let in. ``kind`` is ``realtime`` or ``transcription``."""

    model: str
    kind: str


class Refused(msgspec.Struct, frozen=True):
    """A client was turned away, by an HTTP status or by a close code; ``reason`` says why."""

    code: int
    reason: str


class Heard(msgspec.Struct, frozen=True):
    """The client said something."""

    event: ClientEvent | Unreadable


class Told(msgspec.Struct, frozen=True):
    """Something goes out to the client."""

    effect: Effect


class Struck(msgspec.Struct, frozen=True):
    """A fault strikes at an event of this type. Told before what goes out because of it."""

    fault: str
    at: str


class Left(msgspec.Struct, frozen=True):
    """The connection has ended. ``code`` 1006: without a close frame; 1005: with one that had no code."""

    code: int
    reason: str = ""


Sight: TypeAlias = Joined | Refused | Heard | Told | Struck | Left

Watch: TypeAlias = Callable[[int, Sight], None]
"""Takes the number of the connection (from 1; 0 was never let in) and what happened on it.

May not raise; if it does, no session suffers, and the logger ``rejoinder`` is told once.
"""


def nobody(_number: int, _sight: Sight) -> None:
    """Sees nothing: nobody watches."""
