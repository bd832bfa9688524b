"""Frames that are no typed event, from either side. Strange is not fatal: they pass and are kept."""

from __future__ import annotations

import msgspec


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that cannot be read as a typed one: a new type, or one without its essence.

    ``raw`` is the frame as it came.
    """

    type: str
    response_id: str | None = None
    event_id: str | None = None
    raw: bytes = b""


class MalformedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is no event, or a client event that does not fit its type.

    ``raw`` is at most the first 2 KiB of it. ``type`` and ``event_id`` are what could be read, and
    ``param`` is the dotted path of the member that does not fit.
    """

    reason: str
    raw: bytes = b""
    type: str | None = None
    event_id: str | None = None
    param: str | None = None
