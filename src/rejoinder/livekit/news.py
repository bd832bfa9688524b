"""What the server says, as LiveKit's events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from livekit.agents import llm

from rejoinder.client.session import Session
from rejoinder.core import blame
from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Failed, Lost
from rejoinder.livekit import metrics, options
from rejoinder.livekit.conversation import Conversation
from rejoinder.livekit.emitter import Listeners
from rejoinder.livekit.errors import ConnectionLost, ReplyError, SessionEnded, SessionError
from rejoinder.livekit.generation import ReplyCreatedEvent
from rejoinder.wire.server_events import ConversationItemInputAudioTranscriptionCompleted
from rejoinder.wire.session import SessionConfig

logger = logging.getLogger("rejoinder.livekit")

_DEADLY = (blame.About.FATAL, blame.About.SESSION_EXPIRED)


class SessionReconnectedEvent(llm.RealtimeSessionReconnectedEvent):
    """LiveKit's event, with what `Reconnected` says: ``restored`` and ``lost``, ``down`` and ``unheard``."""

    def __init__(self, notice: ef.Reconnected) -> None:
        self.restored = notice.restored
        self.lost = notice.lost
        self.down = notice.down
        self.unheard = notice.unheard


class News:
    """Announces things to those who listen. ``closing``: `aclose` was called, so the end is no news."""

    def __init__(
        self,
        listeners: Listeners,
        source: metrics.Source,
        client: Session,
        config: Callable[[], SessionConfig],
    ) -> None:
        self.closing = False
        self._listeners = listeners
        self._source = source
        self._client = client
        self._config = config
        self._connected = False
        self._began_at = asyncio.get_running_loop().time()

    def tell(self, notice: ef.Notice, conversation: Conversation) -> None:
        """Whatever follows from a notice for those who listen."""
        match notice:
            case ef.SessionChanged() if not self._connected:
                self._connected = True
                seconds = asyncio.get_running_loop().time() - self._began_at
                self._emit("metrics_collected", metrics.of_connection(seconds, self._source))
            case ef.SpeechStarted():
                self._emit("input_speech_started", llm.InputSpeechStartedEvent())
            case ef.SpeechStopped():
                transcribed = options.transcription(self._config()) is not None
                stopped = llm.InputSpeechStoppedEvent(user_transcription_enabled=transcribed)
                self._emit("input_speech_stopped", stopped)
            case ef.TranscriptDelta(item_id, _, text) if text:
                self._transcribed(item_id, text, is_final=False)
            case ef.TranscriptDone():
                self._heard(notice, conversation)
            case ef.ResponseEnded():
                self._emit("metrics_collected", metrics.of_response(notice, self._source))
            case ef.ServerErrorSeen(error, benign=False, suspected=False):
                words = error.message or error.code or "the server reported an error"
                self.failed(SessionError(words, code=error.code or error.type))
            case ef.Reconnecting() if not self.closing:
                self.failed(ConnectionLost.by(notice))
            case ef.Reconnected():
                self._back(notice, conversation)
            case ef.Ended(close) if not self.closing:
                self._error(SessionEnded.by(close), recoverable=False)
            case _:
                self._item(notice, conversation)

    def _back(self, notice: ef.Reconnected, conversation: Conversation) -> None:
        """There is a connection again, and it knows what the old one knew, or we say what it does not. Of one
        that was only renewed nobody needs to hear."""
        for item_id, other in notice.renamed.items():
            conversation.renamed(item_id, other)
        for lost in notice.lost:
            words = f"{lost.what} {lost.item_id or ''} was not restored: {lost.error.message}"
            self.failed(SessionError(words, code=lost.error.code or lost.error.type))
        if not notice.planned:
            self._emit("session_reconnected", SessionReconnectedEvent(notice))

    def reply_created(self, event: ReplyCreatedEvent) -> None:
        """A response surfaces."""
        self._emit("generation_created", event)

    def reply_failed(self, error: ReplyError) -> None:
        """A reply failed. One that took the connection or the session with it is reported as the loss of
        that; but not one that was lost with a connection that had been replaced already."""
        match error.outcome:
            case Lost() if not self._client.online:
                return
            case Failed(error=cause) if blame.subject(cause) in _DEADLY:
                return
            case _:
                self.failed(error)

    def failed(self, error: llm.RealtimeError) -> None:
        """Something failed, and the session goes on."""
        self._error(error, recoverable=True)

    def _error(self, error: llm.RealtimeError, *, recoverable: bool) -> None:
        told = llm.RealtimeModelError(
            timestamp=time.time(), label=self._source.label, error=error, recoverable=recoverable
        )
        self._emit("error", told)

    def _item(self, notice: ef.Notice, conversation: Conversation) -> None:
        match notice:
            case ef.ItemAdded(item, _):
                told = conversation.added(item)
                if told is not None:
                    self._emit("remote_item_added", told)
            case ef.ItemDeleted(item_id):
                conversation.forget(item_id)
            case _:
                pass  # nothing that LiveKit has a word for

    def _heard(self, done: ef.TranscriptDone, conversation: Conversation) -> None:
        """The user's words are final, also when the transcription failed: somebody waits for them."""
        confidence, event = None, done.event
        if isinstance(event, ConversationItemInputAudioTranscriptionCompleted):
            confidence = metrics.confidence(event.logprobs)
            conversation.trust(done.item_id, confidence)
        else:
            logger.warning("the server could not transcribe the user's speech: %s", done.error)
        began_at = _wall_clock(done.speech_started_at)
        self._transcribed(
            done.item_id, done.text, is_final=True, confidence=confidence, began_at=began_at
        )
        if isinstance(event, ConversationItemInputAudioTranscriptionCompleted):
            by = options.transcription(self._config())
            model = by.model if by is not None and isinstance(by.model, str) else None
            cost = metrics.of_transcription(event, model, self._source)
            if cost is not None:
                self._emit("metrics_collected", cost)

    def _transcribed(
        self,
        item_id: str,
        text: str,
        *,
        is_final: bool,
        confidence: float | None = None,
        began_at: float | None = None,
    ) -> None:
        self._emit(
            "input_audio_transcription_completed",
            llm.InputTranscriptionCompleted(
                item_id=item_id,
                transcript=text,
                is_final=is_final,
                confidence=confidence,
                turn_started_at=began_at,
            ),
        )

    def _emit(self, event: str, *args: object) -> None:
        self._listeners.tell(event, *args)


def _wall_clock(moment: float | None) -> float | None:
    """A moment of the loop's clock as seconds since the epoch."""
    if moment is None:
        return None
    return time.time() - (asyncio.get_running_loop().time() - moment)
