"""Effects: every consequence of a step, in order. The shell carries them out and adds nothing."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.outcomes import Close, Outcome
from rejoinder.core.parts import Part
from rejoinder.wire.client_events import ClientEvent, RawClientEvent
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody, ResponseObject
from rejoinder.wire.server_events import ServerEvent
from rejoinder.wire.session import SessionConfig


class Connect(msgspec.Struct, frozen=True):
    """Dial the same server again, as a new link of this number. ``within`` so many seconds it must have
    said something that is no error; else the link is closed and reported as disconnected."""

    link: int
    within: float


class Send(msgspec.Struct, frozen=True):
    """Put this event on the wire of a link, after all that were sent there before it."""

    event: ClientEvent | RawClientEvent
    link: int = FIRST_LINK


class Open(msgspec.Struct, frozen=True):
    """A response exists on the server. ``response_id`` is empty if it ended and was never named.

    ``asked`` False: the server began it by itself, and ``key`` is its id. ``default`` False: it is
    out-of-band and stays outside the conversation.
    """

    key: str
    response_id: str
    asked: bool
    default: bool
    response: ResponseObject


class Withdraw(msgspec.Struct, frozen=True):
    """An `Open` was a mistake: the id was the server's own. The request waits in the queue again."""

    key: str


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """A part for the response's caller."""

    key: str
    part: Part


class Settle(msgspec.Struct, frozen=True):
    """The response's one outcome. Nothing more will be delivered under this key."""

    key: str
    outcome: Outcome


class Acknowledged(msgspec.Struct, frozen=True):
    """The server carried the edit out. ``item`` where it answered with one."""

    item: Item | None = None


class Refused(msgspec.Struct, frozen=True):
    """The server refused the edit."""

    error: ErrorBody


class Expired(msgspec.Struct, frozen=True):
    """No answer to the edit within ``after`` seconds."""

    after: float


class Gone(msgspec.Struct, frozen=True):
    """The connection or the session ended before the edit was answered."""

    close: Close


EditResult: TypeAlias = Acknowledged | Refused | Expired | Gone


class SettleEdit(msgspec.Struct, frozen=True):
    """The edit's one result."""

    key: str
    result: EditResult


# -- notices: news that nobody waits for, but somebody may listen to --


class SessionChanged(msgspec.Struct, frozen=True):
    """`session.created` or `session.updated`: the full effective session, as the server reports it."""

    session: SessionConfig
    created: bool


class SpeechStarted(msgspec.Struct, frozen=True):
    """The server hears the user. ``audio_start_ms`` counts all audio appended in this session."""

    item_id: str
    audio_start_ms: int


class SpeechStopped(msgspec.Struct, frozen=True):
    """The server no longer hears the user."""

    item_id: str
    audio_end_ms: int


class Committed(msgspec.Struct, frozen=True):
    """The input buffer became a user item."""

    item_id: str
    previous_item_id: str | None


class TranscriptDelta(msgspec.Struct, frozen=True):
    """The user's words so far: ``text`` is the whole transcript of the part up to now."""

    item_id: str
    content_index: int
    text: str


class TranscriptDone(msgspec.Struct, frozen=True):
    """The user's words, final. ``event`` holds usage and log-probabilities.

    ``error`` is set when the transcription failed; ``text`` is then what had come by deltas.
    ``speech_started_at``: the moment (of the core's clock) at which the server heard the item begin.
    """

    item_id: str
    content_index: int
    text: str
    event: ServerEvent
    error: ErrorBody | None = None
    speech_started_at: float | None = None


class ItemAdded(msgspec.Struct, frozen=True):
    """An item joined the conversation, after ``previous_item_id`` (None: first)."""

    item: Item
    previous_item_id: str | None


class ItemChanged(msgspec.Struct, frozen=True):
    """An item of the mirror changed: finished, truncated, transcribed."""

    item: Item


class ItemDeleted(msgspec.Struct, frozen=True):
    """An item left the conversation."""

    item_id: str


class ResponseEnded(msgspec.Struct, frozen=True):
    """A `response.done`, whoever asked for it and whether or not anybody still listens.

    Moments are of the core's clock, None where it did not happen.
    """

    key: str
    response: ResponseObject
    created_at: float | None
    first_audio_at: float | None
    first_text_at: float | None
    ended_at: float


class ServerErrorSeen(msgspec.Struct, frozen=True):
    """An `error` event that settled nothing, or something of ours that was not sent (type ``client``).

    ``benign``: of a kind that needs no attention. ``suspected``: a response under way may be meant; if
    it is, its outcome says so within the grace.
    """

    error: ErrorBody
    benign: bool
    suspected: bool


class Odd(msgspec.Struct, frozen=True):
    """Something that does not fit: unknown, late, foreign, out of order, or unreadable. Nothing changed.

    ``what`` is one of ``unknown``, ``malformed``, ``foreign``, ``late``, ``odd``, ``duplicate``.
    """

    what: str
    event: ServerEvent


class Reconnecting(msgspec.Struct, frozen=True):
    """There is no connection, and there will be another attempt, ``after`` seconds from now. ``close``: how
    the last one ended. ``attempt`` counts from 1, since the last healthy connection; 0: a renewal was under
    way already, and goes on."""

    close: Close
    attempt: int
    after: float


class Unrestored(msgspec.Struct, frozen=True):
    """Something that the server knew and does not know any more. ``what``: ``item`` or ``update``
    (of the configuration); ``item_id``: of an item. ``error``: why."""

    what: str
    item_id: str | None
    error: ErrorBody


class Reconnected(msgspec.Struct, frozen=True):
    """A new connection serves, and knows what the old one knew.

    ``planned``: the session was renewed, before the old connection ended. ``restored``: the ids of the
    items of the conversation that were confirmed, in order. ``lost``: what could not be restored.
    ``renamed``: items that the server has given other ids, old to new. ``down``: for how many seconds
    there was no connection. ``unheard``: the old one had been silent before that was noticed, and of what
    the user said in that time up to so many seconds may have been heard by nobody.
    """

    planned: bool
    restored: tuple[str, ...] = ()
    lost: tuple[Unrestored, ...] = ()
    renamed: dict[str, str] = {}
    down: float = 0.0
    unheard: float = 0.0


class Ended(msgspec.Struct, frozen=True):
    """The session has ended for good. Everything was settled before this."""

    close: Close


Notice: TypeAlias = (
    SessionChanged
    | SpeechStarted
    | SpeechStopped
    | Committed
    | TranscriptDelta
    | TranscriptDone
    | ItemAdded
    | ItemChanged
    | ItemDeleted
    | ResponseEnded
    | ServerErrorSeen
    | Odd
    | Reconnecting
    | Reconnected
    | Ended
)


class Announce(msgspec.Struct, frozen=True):
    """News for whoever listens."""

    notice: Notice


class Hangup(msgspec.Struct, frozen=True):
    """Close the socket of a link, within the close clock. What it still brings is of no interest."""

    link: int = FIRST_LINK


Effect: TypeAlias = (
    Connect | Send | Open | Withdraw | Deliver | Settle | SettleEdit | Announce | Hangup
)
