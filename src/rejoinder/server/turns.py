"""The user's turns: from samples to speech marks to committed items to transcripts."""

from __future__ import annotations

import msgspec

from rejoinder.server import usage
from rejoinder.server.audio import Format
from rejoinder.server.beats import split_words
from rejoinder.server.conversation import Conversation, Entry
from rejoinder.server.engines import Mark, Voice
from rejoinder.server.ids import Ids
from rejoinder.server.input_audio import InputAudio
from rejoinder.wire import server_events as events
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.server_events import ServerEvent
from rejoinder.wire.transcription import (
    LogProb,
    TranscriptionTokenDetails,
    TranscriptionUsage,
)


class Turns:
    """The input buffer, and what becomes of it."""

    def __init__(self, ids: Ids, conversation: Conversation, voice: Voice, form: Format) -> None:
        self.input = InputAudio(form)
        self._ids = ids
        self._conversation = conversation
        self._voice = voice

    def mark(self, mark: Mark) -> list[ServerEvent]:
        """Speech began or ended; an end commits it."""
        if mark.started:
            item_id = self._ids.new("item")
            self.input.begin(item_id, mark.at_ms)
            started = events.InputAudioBufferSpeechStarted(
                item_id=item_id, audio_start_ms=mark.at_ms
            )
            return [started]
        item_id = self.input.turn_id or self._ids.new("item")
        stopped = events.InputAudioBufferSpeechStopped(item_id=item_id, audio_end_ms=mark.at_ms)
        return [stopped, *self._committed(item_id, self.input.end(mark.at_ms))]

    @property
    def speaking(self) -> bool:
        """Whether the user is heard right now."""
        return self.input.turn_id is not None

    def silence(self, limit_ms: int) -> list[ServerEvent]:
        """Nobody spoke for so long: the silence itself is committed."""
        item_id = self._ids.new("item")
        end_ms = self.input.end_ms
        start_ms = max(end_ms - limit_ms, 0)
        self.input.begin(item_id, start_ms)
        timeout = events.InputAudioBufferTimeoutTriggered(
            item_id=item_id, audio_start_ms=start_ms, audio_end_ms=end_ms
        )
        return [timeout, *self._committed(item_id, self.input.end(end_ms))]

    def commit(self) -> list[ServerEvent]:
        """The client commits; raises `Refusal` for too little audio.

        In the midst of detected speech this closes the turn, and no ``speech_stopped`` follows.
        """
        item_id = self.input.turn_id or self._ids.new("item")
        return self._committed(item_id, self.input.commit())

    def _committed(self, item_id: str, audio: bytes) -> list[ServerEvent]:
        item = Item(
            type="message",
            id=item_id,
            object="realtime.item",
            status="completed",
            role="user",
            content=[ContentPart(type="input_audio")],
        )
        entry = Entry(item, self.input.form, audio, self._voice.transcribe(item_id))
        before = self._conversation.add(entry)
        return [
            events.InputAudioBufferCommitted(item_id=item_id, previous_item_id=before),
            events.ConversationItemAdded(item=item, previous_item_id=before),
            events.ConversationItemDone(item=item, previous_item_id=before),
        ]

    def transcript(self, item_id: str, model: str, *, sure: bool = False) -> list[ServerEvent]:
        """The words of a committed item: piece by piece, then whole; with ``whisper-1`` in one piece.

        Nothing for an item that was deleted meanwhile. A model that tells speakers apart hears one.
        ``sure``: with the probability of each piece.
        """
        entry = self._conversation.find(item_id)
        if entry is None:
            return []
        words = entry.words
        part = ContentPart(type="input_audio", transcript=words)
        entry.item = msgspec.structs.replace(entry.item, content=[part])
        pieces = ([words] if words else []) if model == "whisper-1" else split_words(words)
        whole = events.ConversationItemInputAudioTranscriptionCompleted(
            item_id=item_id,
            content_index=0,
            transcript=words,
            usage=_bill(entry, model),
            logprobs=_certain(*pieces) if sure else None,
        )
        segments = [self._segment(entry)] if words and "diarize" in model else []
        return [*(_piece(item_id, piece, sure=sure) for piece in pieces), *segments, whole]

    def _segment(self, entry: Entry) -> ServerEvent:
        return events.ConversationItemInputAudioTranscriptionSegment(
            item_id=entry.item_id,
            content_index=0,
            id=self._ids.new("seg"),
            text=entry.words,
            speaker="A",
            start=0.0,
            end=entry.form.milliseconds(len(entry.audio)) / 1000,
        )


def _piece(item_id: str, piece: str, *, sure: bool) -> ServerEvent:
    return events.ConversationItemInputAudioTranscriptionDelta(
        item_id=item_id,
        content_index=0,
        delta=piece,
        logprobs=_certain(piece) if sure else None,
    )


def _certain(*pieces: str) -> list[LogProb]:
    """The script knows what was said: the probability of each piece is 1."""
    return [LogProb(token=piece, logprob=0.0, bytes=list(piece.encode())) for piece in pieces]


def _bill(entry: Entry, model: str) -> TranscriptionUsage:
    milliseconds = entry.form.milliseconds(len(entry.audio))
    if model == "whisper-1":
        return TranscriptionUsage(type="duration", seconds=milliseconds / 1000)
    heard = int(milliseconds / usage.USER_AUDIO_MS_PER_TOKEN)
    written = usage.text_tokens(entry.words)
    return TranscriptionUsage(
        type="tokens",
        input_tokens=heard,
        output_tokens=written,
        total_tokens=heard + written,
        input_token_details=TranscriptionTokenDetails(text_tokens=0, audio_tokens=heard),
    )
