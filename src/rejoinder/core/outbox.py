"""What waits for the socket: client events in order, and of the microphone only the newest."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rejoinder.wire.client_events import ClientEvent, InputAudioBufferAppend, RawClientEvent


class Outbox(msgspec.Struct):
    """Events asked for while the socket is not usable.

    Audio is kept to the newest ``keep_bytes``: a caller who speaks into a dead line must not be heard
    in a burst of stale sound when it comes back. Everything else is kept, up to ``most`` events in
    all; audio in tiny pieces gives way too.
    """

    keep_bytes: int
    most: int = 4096
    events: list[ClientEvent | RawClientEvent] = []
    audio_bytes: int = 0

    def hold(self, event: ClientEvent | RawClientEvent) -> bool:
        """Keeps an event for later; False if there is no room for it."""
        if isinstance(event, InputAudioBufferAppend):
            self.audio_bytes += len(event.audio)
            self.events.append(event)
            self._forget_old_audio()
            return True
        if len(self.events) >= self.most:
            return False
        self.events.append(event)
        return True

    def release(self) -> Iterator[ClientEvent | RawClientEvent]:
        """Gives everything out, in order, and is empty."""
        events, self.events, self.audio_bytes = self.events, [], 0
        yield from events

    def _forget_old_audio(self) -> None:
        while self.audio_bytes > self.keep_bytes or len(self.events) > self.most:
            oldest = next(e for e in self.events if isinstance(e, InputAudioBufferAppend))
            self.events.remove(oldest)
            self.audio_bytes -= len(oldest.audio)
