"""The server events (OpenAI Realtime reference, "server events"), and one that gateways made up.

Every event may carry the server's ``event_id``; the DTMF event never does, and servers forget it
elsewhere. Open enumerations are plain strings. Audio is bytes, decoded from base64 once.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from rejoinder.wire.items import ContentPart, Count, Item, Quantity
from rejoinder.wire.response import ErrorBody, ResponseObject
from rejoinder.wire.session import Conversation, RateLimit, SessionObject
from rejoinder.wire.strange import MalformedFrame as MalformedFrame
from rejoinder.wire.strange import UnknownEvent as UnknownEvent
from rejoinder.wire.transcription import LogProb, TranscriptionLanguage, TranscriptionUsage


class ServerEventBase(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """What every server event has. ``essence`` is the member without which it says nothing."""

    essence: ClassVar[str | None] = None
    event_id: str | None = None


class OutputEventBase(ServerEventBase, frozen=True):
    """What tells where in a response an event belongs."""

    response_id: str
    item_id: str
    output_index: Count


class PartEventBase(OutputEventBase, frozen=True):
    """The same, down to the content part."""

    content_index: Count


class Error(ServerEventBase, frozen=True, tag="error"):
    """Something went wrong; it never says whether the session survives (mostly it does)."""

    error: ErrorBody


class SessionCreated(ServerEventBase, frozen=True, tag="session.created"):
    """The first event of a connection."""

    session: SessionObject


class SessionUpdated(ServerEventBase, frozen=True, tag="session.updated"):
    """The whole session in force after an accepted ``session.update``."""

    session: SessionObject


class ConversationCreated(ServerEventBase, frozen=True, tag="conversation.created"):
    """Typed as following session creation; never wait for it."""

    conversation: Conversation


class RateLimitsUpdated(ServerEventBase, frozen=True, tag="rate_limits.updated"):
    """What is left of the account's limits; at the start of a response, or after its end."""

    rate_limits: list[RateLimit]


class ConversationItemAdded(ServerEventBase, frozen=True, tag="conversation.item.added"):
    """An item joined the default conversation."""

    item: Item
    previous_item_id: str | None = None


class ConversationItemCreated(ConversationItemAdded, frozen=True, tag="conversation.item.created"):
    """The beta's word for an item that joined, and the only one it has: no ``done`` follows."""


class ConversationItemDone(ServerEventBase, frozen=True, tag="conversation.item.done"):
    """An item is final: with its content, without its audio."""

    item: Item
    previous_item_id: str | None = None


class ConversationItemRetrieved(ServerEventBase, frozen=True, tag="conversation.item.retrieved"):
    """The answer to retrieve: the item with its audio."""

    item: Item


class ConversationItemTruncated(ServerEventBase, frozen=True, tag="conversation.item.truncated"):
    """An assistant item's audio now ends at ``audio_end_ms``, and its transcript is gone."""

    item_id: str
    content_index: Count
    audio_end_ms: Count


class ConversationItemDeleted(ServerEventBase, frozen=True, tag="conversation.item.deleted"):
    """An item left the conversation."""

    item_id: str


class ConversationItemInputAudioTranscriptionDelta(
    ServerEventBase, frozen=True, tag="conversation.item.input_audio_transcription.delta"
):
    """More of a user turn's transcript; in no order with anything else."""

    item_id: str
    content_index: Count | None = None
    delta: str | None = None
    logprobs: list[LogProb] | None = None


class ConversationItemInputAudioTranscriptionCompleted(
    ServerEventBase, frozen=True, tag="conversation.item.input_audio_transcription.completed"
):
    """A user turn's transcript, whole; a silent turn may have an empty one."""

    item_id: str
    content_index: Count
    transcript: str
    usage: TranscriptionUsage | None = None
    logprobs: list[LogProb] | None = None
    languages: list[TranscriptionLanguage] | None = None


class ConversationItemInputAudioTranscriptionSegment(
    ServerEventBase, frozen=True, tag="conversation.item.input_audio_transcription.segment"
):
    """One speaker's piece of a transcript, from ``start`` to ``end`` in seconds."""

    essence = "text"
    item_id: str
    content_index: Count
    id: str
    text: str
    speaker: str
    start: Quantity
    end: Quantity


class ConversationItemInputAudioTranscriptionFailed(
    ServerEventBase, frozen=True, tag="conversation.item.input_audio_transcription.failed"
):
    """A user turn could not be transcribed; the conversation goes on."""

    item_id: str
    content_index: Count
    error: ErrorBody


class InputAudioBufferCommitted(ServerEventBase, frozen=True, tag="input_audio_buffer.committed"):
    """The buffer became the user item ``item_id``."""

    item_id: str
    previous_item_id: str | None = None


class InputAudioBufferCleared(ServerEventBase, frozen=True, tag="input_audio_buffer.cleared"):
    """The buffer is empty."""


class InputAudioBufferSpeechStarted(
    ServerEventBase, frozen=True, tag="input_audio_buffer.speech_started"
):
    """The user began to speak, ``audio_start_ms`` into all audio ever appended."""

    audio_start_ms: Count
    item_id: str


class InputAudioBufferSpeechStopped(
    ServerEventBase, frozen=True, tag="input_audio_buffer.speech_stopped"
):
    """The user stopped, ``audio_end_ms`` into all audio ever appended."""

    audio_end_ms: Count
    item_id: str


class InputAudioBufferTimeoutTriggered(
    ServerEventBase, frozen=True, tag="input_audio_buffer.timeout_triggered"
):
    """Nobody spoke for the idle timeout; the silence is committed and answered."""

    audio_start_ms: Count
    audio_end_ms: Count
    item_id: str


class InputAudioBufferDtmfEventReceived(
    ServerEventBase, frozen=True, tag="input_audio_buffer.dtmf_event_received"
):
    """A key was pressed on a phone (SIP only), at ``received_at`` seconds since the epoch."""

    event: str
    received_at: Count


class OutputAudioBufferStarted(ServerEventBase, frozen=True, tag="output_audio_buffer.started"):
    """The server's own playback began; WebRTC and SIP only."""

    response_id: str


class OutputAudioBufferStopped(ServerEventBase, frozen=True, tag="output_audio_buffer.stopped"):
    """The server's own playback ended; WebRTC and SIP only."""

    response_id: str


class OutputAudioBufferCleared(ServerEventBase, frozen=True, tag="output_audio_buffer.cleared"):
    """The server's own playback was cut; WebRTC and SIP only."""

    response_id: str


class ResponseCreated(ServerEventBase, frozen=True, tag="response.created"):
    """A response begins: ours (its metadata comes back) or the server's own."""

    response: ResponseObject


class ResponseDone(ServerEventBase, frozen=True, tag="response.done"):
    """A response is over, whatever became of it."""

    response: ResponseObject


class ResponseOutputItemAdded(ServerEventBase, frozen=True, tag="response.output_item.added"):
    """The response begins an item."""

    response_id: str
    output_index: Count
    item: Item


class ResponseOutputItemDone(ServerEventBase, frozen=True, tag="response.output_item.done"):
    """The response ended an item, also when it was interrupted or cut off."""

    response_id: str
    output_index: Count
    item: Item


class ResponseContentPartAdded(PartEventBase, frozen=True, tag="response.content_part.added"):
    """The item begins a content part."""

    part: ContentPart


class ResponseContentPartDone(PartEventBase, frozen=True, tag="response.content_part.done"):
    """The item ended a content part."""

    part: ContentPart


class ResponseOutputTextDelta(PartEventBase, frozen=True, tag="response.output_text.delta"):
    """More text."""

    essence = "delta"
    delta: str


class ResponseOutputTextDone(PartEventBase, frozen=True, tag="response.output_text.done"):
    """The text, whole."""

    essence = "text"
    text: str


class ResponseOutputAudioTranscriptDelta(
    PartEventBase, frozen=True, omit_defaults=True, tag="response.output_audio_transcript.delta"
):
    """More words of the audio, ahead of it. ``start_time``: seconds into the audio, from some servers only."""

    essence = "delta"
    delta: str
    start_time: Quantity | None = None


class ResponseOutputAudioTranscriptDone(
    PartEventBase, frozen=True, tag="response.output_audio_transcript.done"
):
    """The words of the audio, whole."""

    essence = "transcript"
    transcript: str


class ResponseOutputAudioDelta(PartEventBase, frozen=True, tag="response.output_audio.delta"):
    """More audio, in the session's output format; it comes faster than it plays."""

    essence = "delta"
    delta: bytes


class ResponseOutputAudioDone(OutputEventBase, frozen=True, tag="response.output_audio.done"):
    """The part has no more audio."""

    content_index: Count


class ResponseFunctionCallArgumentsDelta(
    OutputEventBase, frozen=True, tag="response.function_call_arguments.delta"
):
    """More of a call's argument text."""

    essence = "delta"
    call_id: str
    delta: str


class ResponseFunctionCallArgumentsDone(
    OutputEventBase, frozen=True, tag="response.function_call_arguments.done"
):
    """A call's argument text, whole. ``name`` is often missing: the item has it."""

    essence = "arguments"
    call_id: str
    arguments: str
    name: str | None = None


class ResponseMcpCallArgumentsDelta(
    OutputEventBase, frozen=True, tag="response.mcp_call_arguments.delta"
):
    """More of a hosted call's argument text; ``obfuscation`` is padding."""

    essence = "delta"
    delta: str
    obfuscation: str | None = None


class ResponseMcpCallArgumentsDone(
    OutputEventBase, frozen=True, tag="response.mcp_call_arguments.done"
):
    """A hosted call's argument text, whole."""

    essence = "arguments"
    arguments: str


class ResponseMcpCallInProgress(ServerEventBase, frozen=True, tag="response.mcp_call.in_progress"):
    """The server runs a hosted call. It does not name its response."""

    item_id: str
    output_index: Count


class ResponseMcpCallCompleted(ServerEventBase, frozen=True, tag="response.mcp_call.completed"):
    """A hosted call returned."""

    item_id: str
    output_index: Count


class ResponseMcpCallFailed(ServerEventBase, frozen=True, tag="response.mcp_call.failed"):
    """A hosted call failed; the item has the error."""

    item_id: str
    output_index: Count


class McpListToolsInProgress(ServerEventBase, frozen=True, tag="mcp_list_tools.in_progress"):
    """The server asks an MCP server for its tools; may precede ``session.updated``."""

    item_id: str


class McpListToolsCompleted(ServerEventBase, frozen=True, tag="mcp_list_tools.completed"):
    """The tools are known and usable."""

    item_id: str


class McpListToolsFailed(ServerEventBase, frozen=True, tag="mcp_list_tools.failed"):
    """The tools could not be listed; no reason is given."""

    item_id: str


class ResponseError(ServerEventBase, frozen=True, tag="response.error"):
    """A gateway's terminal failure of a response, under whichever name and in whichever shape.

    Not in the protocol (livekit/agents#5566). Either way of naming the response may be missing.
    """

    error: ErrorBody
    response_id: str | None = None
    metadata: dict[str, Any] | None = None


GaServerEvent = (
    Error
    | SessionCreated
    | SessionUpdated
    | ConversationCreated
    | RateLimitsUpdated
    | ConversationItemAdded
    | ConversationItemCreated
    | ConversationItemDone
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionSegment
    | ConversationItemInputAudioTranscriptionFailed
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
)
ServerEvent = GaServerEvent | ResponseError | UnknownEvent | MalformedFrame
