"""What the user has said, kept for as long as the server might have to hear it again.

Positions count the bytes of input audio that the caller has appended since the session began. A server
counts from the first byte that it was given; `begin` says which that was.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from rejoinder.wire import server_events as ev
from rejoinder.wire.items import Item
from rejoinder.wire.session import Audio, AudioFormat, AudioInput, SessionConfig

_TINY = 960
"""Pieces are joined up to so many bytes: 20 ms of PCM."""

E = TypeVar("E", bound=ev.ServerEvent)

G711 = ("audio/pcmu", "audio/pcma")
_PCM, _G711 = 48, 8
"""Bytes in a millisecond."""

_LOOK_BACK_MS = 2_000
"""How much silence is kept: speech is announced after it began, and with some of what came before it."""

_ENOUGH_MS = 2_500
"""More than this of silence is too much; less often than at each frame it is cut to what is kept."""

_LONGEST_MS = 120_000
"""Of an utterance that goes on for longer only the newest two minutes are kept."""

_MOST_BYTES = 16 * 1024 * 1024
"""How much may wait for its transcript: five minutes and a half of PCM."""


class Speech(msgspec.Struct):
    """The user, as the server hears: up to ``stopped_at``, or (None) still. ``item_id``: of the item that is
    to become of it."""

    item_id: str
    stopped_at: int | None = None


class KeptAudio(msgspec.Struct):
    """Input audio by what has become of it.

    ``open``: neither committed nor cleared; it begins at ``start``, and the caller is at ``position``.
    ``manual``: the client commits, so that all of it is the user's turn. ``speech``: what the server
    hears and has not committed. ``committing``: audio of commits that are not acknowledged, by
    the key of each. ``untranscribed``: what became an item whose words are not known yet, by its id.
    ``origin``: the position of the first byte that the server was given. ``given``: how much it had been
    given when input was halted. ``whole_until``: the position up to which nothing is let go.
    """

    keep_ms: int
    bytes_per_ms: int = 48
    manual: bool = False
    open: list[bytes] = []
    start: int = 0
    position: int = 0
    speech: Speech | None = None
    committing: dict[str, bytes] = {}
    untranscribed: dict[str, bytes] = {}
    origin: int = 0
    given: int = 0
    whole_until: int = 0

    @property
    def speaking(self) -> bool:
        """Whether the server hears something that it has not committed."""
        return self.speech is not None

    # -- the caller's side --

    def append(self, audio: bytes, online: bool) -> None:
        """More of the microphone."""
        pieces, size = self.open, len(audio)
        if pieces and len(pieces[-1]) + size <= _TINY:
            pieces[-1] += audio  # pieces of a sample each would weigh more than they hold
        else:
            pieces.append(audio)
        self.position += size
        if not online:
            self._bound(self.keep_ms)
        elif self.position - self.start > _ENOUGH_MS * self.bytes_per_ms:
            self._bound(_LOOK_BACK_MS)

    def commit(self, key: str) -> None:
        """What is open is about to become an item."""
        self.committing[key] = self.take()
        self.speech = None

    def returned(self, key: str) -> None:
        """A commit was refused: what it was to commit is open still."""
        audio = self.committing.pop(key, b"")
        if audio:
            self.open.insert(0, audio)
            self.start -= len(audio)

    def clear(self) -> None:
        """What is open is dropped."""
        self.open.clear()
        self.start = self.position
        self.speech = None

    def take(self) -> bytes:
        """Takes out what is open."""
        audio = b"".join(self.open)
        self.open.clear()
        self.start = self.position
        return audio

    def unfinished(self) -> bytes:
        """What is open; it stays."""
        return b"".join(self.open)

    def unheard(self, silent: float) -> float:
        """Of what was said while a server was silent for so many seconds, how much may have been heard by
        nobody and is not kept either. A server that hears speech says so; one that is gone does not."""
        kept = self.manual or self.speaking or not self.position
        return 0.0 if kept else max(silent - _LOOK_BACK_MS / 1000, 0.0)

    # -- the server's side --

    def halt(self) -> None:
        """The server that hears is given nothing more, for now or at all."""
        self.given = self.position - self.origin
        self._bound(_LOOK_BACK_MS)

    def begin(self, before: int) -> None:
        """What is open is heard from now on by a server that has been given so much before. Whether anybody
        speaks in it, that one has yet to say; so it stays whole for a while."""
        self.origin = self.start - before
        self.speech = None
        self.whole_until = self.position + _LOOK_BACK_MS * self.bytes_per_ms

    def configured(self, session: SessionConfig) -> None:
        """Learns from the session who ends the user's turns, and how many bytes a millisecond has."""
        audio = session.audio.input if isinstance(session.audio, Audio) else None
        if not isinstance(audio, AudioInput):
            return
        if audio.turn_detection is not msgspec.UNSET:
            self.manual = audio.turn_detection is None
        if isinstance(audio.format, AudioFormat):
            self.bytes_per_ms = _G711 if audio.format.type in G711 else _PCM

    def placed(self, event: E) -> E:
        """An event of the server's ear, with the caller's time in place of the server's own."""
        match event:
            case ev.InputAudioBufferSpeechStarted():
                at = self._position_of(event.audio_start_ms)
                self.speech = Speech(event.item_id)
                self._forget_before(at)
                return msgspec.structs.replace(event, audio_start_ms=at // self.bytes_per_ms)
            case ev.InputAudioBufferSpeechStopped():
                at = self._position_of(event.audio_end_ms)
                self.speech = Speech(event.item_id, at)
                return msgspec.structs.replace(event, audio_end_ms=at // self.bytes_per_ms)
            case _:
                return event

    def made(self, item_id: str, item: Item | None) -> None:
        """The caller has made an item of audio by itself."""
        audio = b"".join(part.audio or b"" for part in (item.content or () if item else ()))
        self._keep(item_id, audio)

    def committed(self, item_id: str, key: str | None) -> None:
        """What was said is an item: by a commit of ours, or by the server's own."""
        if key is not None:
            self._keep(item_id, self.committing.pop(key, b""))
        elif not self.manual and item_id not in self.untranscribed:
            # Else it answers a commit that nobody waits for any more, or says what is known already.
            self._keep(item_id, self._until_stopped())

    def answered(self) -> None:
        """The server begins a response by itself. What it had heard to its end is committed by then, though
        some do not say so (stdapi.ai#274)."""
        if self.speech is not None and self.speech.stopped_at is not None:
            self.committed(self.speech.item_id, None)

    def rename(self, item_id: str, other: str) -> None:
        """The item has another id from now on."""
        if item_id in self.untranscribed:
            self.untranscribed[other] = self.untranscribed.pop(item_id)

    def transcribed(self, item_id: str) -> None:
        """The item's words are known, or it is gone."""
        self.untranscribed.pop(item_id, None)

    # -- inside --

    def _keep(self, item_id: str, audio: bytes) -> None:
        if audio:
            self.untranscribed[item_id] = audio
        while sum(map(len, self.untranscribed.values())) > _MOST_BYTES:
            del self.untranscribed[next(iter(self.untranscribed))]

    def _position_of(self, ms: int) -> int:
        return self.origin + ms * self.bytes_per_ms

    def _until_stopped(self) -> bytes:
        """Takes out what the server has committed by itself; without an end, all that is open."""
        told = self.speech.stopped_at if self.speech is not None else None
        end = self.position if told is None else told
        audio = b"".join(self.open)
        cut = min(max(end - self.start, 0), len(audio))
        self.open.clear()
        if cut < len(audio):
            self.open.append(audio[cut:])
        self.start += cut
        self.speech = None
        return audio[:cut]

    def _forget_before(self, position: int) -> None:
        whole = 0
        while whole < len(self.open) and self.start + len(self.open[whole]) <= position:
            self.start += len(self.open[whole])
            whole += 1
        del self.open[:whole]
        if self.open and self.start < position:
            self.open[0] = self.open[0][position - self.start :]
            self.start = position

    def _bound(self, silent_ms: int) -> None:
        """Of silence the newest moments are kept, of a turn nearly all."""
        whole = self.speech is not None or self.manual or self.position <= self.whole_until
        most = (_LONGEST_MS if whole else silent_ms) * self.bytes_per_ms
        if self.position - self.start > most:
            self._forget_before(self.position - most)
