"""The eleven client events (OpenAI Realtime reference, "client events").

None of the positive answers repeats ``event_id``; only ``error`` may.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from rejoinder.wire.items import Count, Item
from rejoinder.wire.response import ResponseParams
from rejoinder.wire.session import SessionConfig


class ClientEventBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every client event has: an id of our choice, at most 512 characters."""

    event_id: str | UnsetType = UNSET


class SessionUpdate(ClientEventBase, frozen=True, tag="session.update"):
    """Change what is said of the session, all or nothing. Answer: ``session.updated``."""

    session: SessionConfig


class InputAudioBufferAppend(ClientEventBase, frozen=True, tag="input_audio_buffer.append"):
    """Add samples to the input buffer, at most 15 MiB. Never answered."""

    audio: bytes


class InputAudioBufferCommit(ClientEventBase, frozen=True, tag="input_audio_buffer.commit"):
    """Turn the buffer into a user message. Answer: ``input_audio_buffer.committed``."""


class InputAudioBufferClear(ClientEventBase, frozen=True, tag="input_audio_buffer.clear"):
    """Drop the buffer. Answer: ``input_audio_buffer.cleared``."""


class OutputAudioBufferClear(ClientEventBase, frozen=True, tag="output_audio_buffer.clear"):
    """Cut the server's own playback; WebRTC and SIP only."""


class ConversationItemCreate(ClientEventBase, frozen=True, tag="conversation.item.create"):
    """Add an item: at the end, after ``previous_item_id``, or first if that is ``"root"``."""

    item: Item
    previous_item_id: str | UnsetType | None = UNSET


class ConversationItemRetrieve(ClientEventBase, frozen=True, tag="conversation.item.retrieve"):
    """Ask for an item with its audio. Answer: ``conversation.item.retrieved``."""

    item_id: str


class ConversationItemTruncate(ClientEventBase, frozen=True, tag="conversation.item.truncate"):
    """Keep the first ``audio_end_ms`` of an assistant item's audio, and none of its transcript."""

    item_id: str
    content_index: Count
    audio_end_ms: Count


class ConversationItemDelete(ClientEventBase, frozen=True, tag="conversation.item.delete"):
    """Remove an item. Answer: ``conversation.item.deleted``."""

    item_id: str


class ResponseCreate(ClientEventBase, frozen=True, tag="response.create"):
    """Ask for a response. Answer: ``response.created`` and ``response.done``, or one ``error``."""

    response: ResponseParams | UnsetType = UNSET


class ResponseCancel(ClientEventBase, frozen=True, tag="response.cancel"):
    """Stop a response; without an id, the one running in the default conversation."""

    response_id: str | UnsetType = UNSET


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
)


class RawClientEvent(msgspec.Struct, frozen=True):
    """An event that is not typed here, given by the user; it is sent as it is."""

    raw: dict[str, Any]
