"""What goes in: microphone audio, the server's ear for it, and the user's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from rejoinder.core import effects as ef
from rejoinder.wire import server_events as ev
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.session import Audio, AudioInput, SessionConfig

Heard: TypeAlias = (
    ev.InputAudioBufferSpeechStarted
    | ev.InputAudioBufferSpeechStopped
    | ev.InputAudioBufferCommitted
    | ev.InputAudioBufferTimeoutTriggered
    | ev.ConversationItemInputAudioTranscriptionDelta
    | ev.ConversationItemInputAudioTranscriptionCompleted
    | ev.ConversationItemInputAudioTranscriptionFailed
)


class InputAudio(msgspec.Struct):
    """The user's side of the conversation.

    ``announced_at``: when a user turn that nobody has answered yet came to its end (None: there is
    none). Until it is answered, the next response of which nothing is known is the server's answer to
    it. ``heard_at``: when each item's speech began. ``words``: transcripts under way; ``told``: those
    that are final, of late.
    """

    responds: bool = True
    interrupts: bool = True
    transcribes: bool = False
    announced_at: float | None = None
    heard_at: dict[str, float] = {}
    words: dict[tuple[str, int], str] = {}
    told: dict[tuple[str, int], str] = {}

    def configured(self, session: SessionConfig) -> None:
        """Learns from the effective session what the server does with a turn by itself."""
        heard = _input(session)
        detection = heard.turn_detection
        if detection is not msgspec.UNSET:
            self.responds = detection is not None and detection.create_response is not False
            self.interrupts = detection is not None and detection.interrupt_response is not False
        if heard.transcription is not msgspec.UNSET:
            self.transcribes = heard.transcription is not None

    def unanswered(self, now: float, patience: float) -> bool:
        """Whether a user turn announced within the last ``patience`` seconds awaits its response."""
        return self.announced_at is not None and now - self.announced_at < patience

    def answered(self) -> None:
        """The server has begun a response by itself."""
        self.announced_at = None

    def receive(self, now: float, event: Heard) -> Iterator[ef.Notice]:
        """The news in an event about the input buffer or a transcription."""
        match event:
            case ev.InputAudioBufferSpeechStarted():
                self.heard_at[event.item_id] = now
                _bound(self.heard_at)
                yield ef.SpeechStarted(event.item_id, event.audio_start_ms)
            case ev.InputAudioBufferSpeechStopped():
                self.announced_at = now if self.responds else None
                yield ef.SpeechStopped(event.item_id, event.audio_end_ms)
            case ev.InputAudioBufferTimeoutTriggered():
                self.announced_at = now  # the silence is committed and answered
            case ev.InputAudioBufferCommitted():
                yield ef.Committed(event.item_id, event.previous_item_id)
            case ev.ConversationItemInputAudioTranscriptionDelta():
                yield self._delta(event)
            case ev.ConversationItemInputAudioTranscriptionCompleted():
                yield self._done(event, event.transcript, None)
            case _:
                yield self._done(event, None, event.error)

    def _delta(self, event: ev.ConversationItemInputAudioTranscriptionDelta) -> ef.TranscriptDelta:
        part = (event.item_id, event.content_index or 0)
        self.words[part] = self.words.get(part, "") + (event.delta or "")
        _bound(self.words)
        return ef.TranscriptDelta(*part, self.words[part])

    def _done(
        self,
        event: ev.ConversationItemInputAudioTranscriptionCompleted
        | ev.ConversationItemInputAudioTranscriptionFailed,
        transcript: str | None,
        error: ErrorBody | None,
    ) -> ef.Notice:
        """The final transcript. What repeats it is no news, though a server may still correct it."""
        part = (event.item_id, event.content_index or 0)
        so_far = self.words.pop(part, "")
        if part in self.told and transcript in (None, self.told[part]):
            return ef.Odd("duplicate", event)
        text = self.told[part] = so_far if transcript is None else transcript
        _bound(self.told)
        return ef.TranscriptDone(*part, text, event, error, self.heard_at.get(event.item_id))


_MOST = 64


def _bound(table: dict[str, float] | dict[tuple[str, int], str]) -> None:
    """Forgets the oldest entry of a table that a session without transcription never empties."""
    if len(table) > _MOST:
        del table[next(iter(table))]  # type: ignore[arg-type]


def _input(session: SessionConfig) -> AudioInput:
    """What the session says of the audio that goes in."""
    given = session.audio.input if isinstance(session.audio, Audio) else msgspec.UNSET
    return given if isinstance(given, AudioInput) else AudioInput()
