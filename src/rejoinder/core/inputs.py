"""Inputs: everything that can happen to a session. Ids come in with them; time comes in beside them."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder.core.outcomes import Close
from rejoinder.wire.client_events import ClientEvent, RawClientEvent
from rejoinder.wire.response import ErrorBody, ResponseParams
from rejoinder.wire.server_events import ServerEvent

FIRST_LINK = 1
"""The number of the link that is dialled without being asked for. Each later `Connect` names its own."""


class Connected(msgspec.Struct, frozen=True):
    """A socket is open. ``epoch``: the date at this moment, in seconds since 1970; servers tell by it when
    a session ends. 0: not known."""

    link: int = FIRST_LINK
    epoch: float = 0.0


class Disconnected(msgspec.Struct, frozen=True):
    """A socket is gone, or could not be had.

    ``status`` and ``retry_after`` (seconds): of a refused upgrade. ``lot``: a number from 0 to 1, drawn by
    lot, by which the next attempt keeps away from everybody else's.
    """

    close: Close
    link: int = FIRST_LINK
    status: int | None = None
    retry_after: float | None = None
    lot: float = 1.0


class Received(msgspec.Struct, frozen=True, gc=False):
    """One event of the server's."""

    event: ServerEvent
    link: int = FIRST_LINK


class Tick(msgspec.Struct, frozen=True):
    """Time has come: the earliest deadline (`Session.next_deadline`) is due."""


class Ask(msgspec.Struct, frozen=True):
    """Ask for a response. ``key`` is new and unique; it names the request for good.

    The n-th send of it has the event id ``<key>.<n>``. ``wait`` False: settle at once rather than
    queue behind a running response. ``retries``: how often it may be asked again, within the deadlines
    of its first send, when the server itself declares it failed by a code that may pass and nothing
    was delivered. ``given``: the event as its caller wrote it, which is sent with our key added and,
    the first time, under its own event id; ``params`` says what of it matters here.
    """

    key: str
    params: ResponseParams
    wait: bool = True
    retries: int = 0
    given: RawClientEvent | None = None


class Cancel(msgspec.Struct, frozen=True):
    """The caller no longer wants these responses (by key). Unknown and settled keys are ignored."""

    keys: tuple[str, ...]


class Stop(msgspec.Struct, frozen=True):
    """The protocol's `response.cancel`: of this response, or (None) of the one that speaks in the
    conversation, or is about to. It is cancelled by id in either case. ``key`` is the event id of a
    cancel whose response is nobody's here."""

    key: str
    response_id: str | None = None


class Abandon(msgspec.Struct, frozen=True):
    """Our side cannot go on with a response (its stream is full): it fails with ``error``."""

    key: str
    error: ErrorBody


class Edit(msgspec.Struct, frozen=True):
    """An edit of the conversation or the session that the server acknowledges.

    ``event`` carries ``key`` as its event id, also one that its caller wrote by hand. ``heard``: of an item
    that is cut short, the words that the user has heard; None: not known.
    """

    key: str
    event: ClientEvent | RawClientEvent
    heard: str | None = None


class Say(msgspec.Struct, frozen=True):
    """A client event that is never answered, or one that we do not know."""

    event: ClientEvent | RawClientEvent


class Append(msgspec.Struct, frozen=True, gc=False):
    """Microphone audio in the session's input format."""

    audio: bytes


class Shut(msgspec.Struct, frozen=True):
    """`aclose`: end the session."""


Input: TypeAlias = (
    Connected
    | Disconnected
    | Received
    | Tick
    | Ask
    | Cancel
    | Stop
    | Abandon
    | Edit
    | Say
    | Append
    | Shut
)
