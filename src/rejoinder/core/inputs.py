"""Inputs: everything that can happen to a session. Ids come in with them; time comes in beside them."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder.core.outcomes import Close
from rejoinder.wire.client_events import ClientEvent, RawClientEvent
from rejoinder.wire.response import ErrorBody, ResponseParams
from rejoinder.wire.server_events import ServerEvent


class Connected(msgspec.Struct, frozen=True):
    """The socket is usable. What waited for it goes out now."""


class Disconnected(msgspec.Struct, frozen=True):
    """The socket is gone, or could not be had."""

    close: Close


class Received(msgspec.Struct, frozen=True):
    """One event of the server's."""

    event: ServerEvent


class Tick(msgspec.Struct, frozen=True):
    """Time has come: the earliest deadline (`Session.next_deadline`) is due."""


class Ask(msgspec.Struct, frozen=True):
    """Ask for a response. ``key`` is new and unique; it names the request for good.

    The n-th send of it has the event id ``<key>.<n>``. ``wait`` False: settle at once rather than
    queue behind a running response.
    """

    key: str
    params: ResponseParams
    wait: bool = True


class Cancel(msgspec.Struct, frozen=True):
    """The caller no longer wants these responses (by key). Unknown and settled keys are ignored."""

    keys: tuple[str, ...]


class Abandon(msgspec.Struct, frozen=True):
    """Our side cannot go on with a response (its stream is full): it fails with ``error``."""

    key: str
    error: ErrorBody


class Edit(msgspec.Struct, frozen=True):
    """An edit of the conversation or the session that the server acknowledges.

    ``event`` carries ``key`` as its event id.
    """

    key: str
    event: ClientEvent


class Say(msgspec.Struct, frozen=True):
    """A client event that nobody waits for (clear, commit, or one that we do not type)."""

    event: ClientEvent | RawClientEvent


class Append(msgspec.Struct, frozen=True):
    """Microphone audio in the session's input format."""

    audio: bytes


class Shut(msgspec.Struct, frozen=True):
    """`aclose`: end the session."""


Input: TypeAlias = (
    Connected | Disconnected | Received | Tick | Ask | Cancel | Abandon | Edit | Say | Append | Shut
)
