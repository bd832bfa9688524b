"""The input buffer: what the user said and nobody has committed yet."""

from __future__ import annotations

from rejoinder.server import refusals
from rejoinder.server.audio import Format, samples
from rejoinder.server.engines import Ear, Mark

LEAST_COMMIT_MS = 100
MOST_BUFFERED = 64 * 1024 * 1024
"""Bytes. A client that appends and never commits, or speaks without end, loses the oldest of its audio."""
_LISTENING_BACK_MS = 31_000
"""What may still be asked for while nobody speaks: the padding of a turn, or an idle timeout."""


class InputAudio:
    """Counts all audio ever appended; offsets are milliseconds of that.

    ``turn_id``: the item that the words being spoken will become, reserved when speech began.
    """

    def __init__(self, form: Format) -> None:
        self.form = form
        self.turn_id: str | None = None
        self._ear: Ear | None = None
        self._kept = bytearray()
        self._kept_from = 0  # bytes appended before the first one kept
        self._torn = b""

    @property
    def end_ms(self) -> int:
        """Where the buffer ends: how much audio was appended so far."""
        return int(self.form.milliseconds(self._kept_from + len(self._kept)))

    def retune(self, form: Format, ear: Ear | None) -> None:
        """Another format or ear from here on. Speech in progress is forgotten, its audio is kept."""
        if form != self.form:
            self._kept_from = form.size(self.end_ms)
            self._kept.clear()
            self._torn = b""
        self.form = form
        self.turn_id = None
        self._ear = ear

    def append(self, audio: bytes) -> list[Mark]:
        """Adds samples; returns where speech was found to begin and end, if anyone listens."""
        audio = self._torn + audio
        whole = len(audio) - len(audio) % self.form.sample_bytes
        self._torn = audio[whole:]
        self._kept += audio[:whole]
        self._forget_before(len(self._kept) - MOST_BUFFERED)
        if self._ear is None:
            return []
        marks = self._ear.listen(samples(audio[:whole], self.form.type))
        if not marks and self.turn_id is None:
            self._forget_before(len(self._kept) - self.form.size(_LISTENING_BACK_MS))
        return marks

    def begin(self, turn_id: str, at_ms: int) -> None:
        """Speech began here; what lies before it is nobody's."""
        self.turn_id = turn_id
        self._forget_before(self.form.size(at_ms) - self._kept_from)

    def end(self, at_ms: int) -> bytes:
        """Speech ended here: takes its audio out and leaves what lies behind."""
        size = max(self.form.size(at_ms) - self._kept_from, 0)
        segment = bytes(self._kept[:size])
        self._forget_before(size)
        self.turn_id = None
        return segment

    def commit(self) -> bytes:
        """Takes everything out; raises `Refusal` for less than 100 ms."""
        present_ms = self.form.milliseconds(len(self._kept))
        if present_ms < LEAST_COMMIT_MS:
            raise refusals.commit_empty(present_ms)
        segment = bytes(self._kept)
        self.clear()
        return segment

    def clear(self) -> None:
        """Drops everything, speech in progress included."""
        self._forget_before(len(self._kept))
        self._torn = b""
        self.turn_id = None
        if self._ear is not None:
            self._ear.forget()

    def _forget_before(self, size: int) -> None:
        if size > 0:
            self._kept_from += min(size, len(self._kept))
            del self._kept[:size]
