"""The view: what is seen of the connections as rows to show. Deltas are joined; an hour of audio is one row."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from rich.text import Text

from rejoinder.server.audio import Format
from rejoinder.server.effects import (
    Abort,
    Cut,
    Effect,
    GoDown,
    Hangup,
    IgnoreClose,
    Ping,
    Reset,
    Send,
    SendBytes,
    SendFramed,
    SendRaw,
    SlowDown,
    StopReading,
    StopWriting,
)
from rejoinder.server.settings import audio_format
from rejoinder.server.sights import Heard, Joined, Left, Refused, Sight, Struck, Told
from rejoinder.serving.gist import clean, gist_of, joined, name_of, quoted
from rejoinder.wire import client_events as client
from rejoinder.wire import server_events as events

FROM_CLIENT, TO_CLIENT, FAULT, CONNECTION = "<-", "->", "!!", "=="

PATIENCE = 1.0
"""Seconds for which deltas are counted before they are shown."""

_STYLES = {FROM_CLIENT: "cyan", TO_CLIENT: "", FAULT: "bold magenta", CONNECTION: "bold"}
_BAD = frozenset({"error", "response.error", "(refused)"})
_DIM = frozenset({"(ping)", "rate_limits.updated"})

_SOUNDS: TypeAlias = client.InputAudioBufferAppend | events.ResponseOutputAudioDelta
_WORDS: TypeAlias = (
    events.ResponseOutputTextDelta
    | events.ResponseOutputAudioTranscriptDelta
    | events.ResponseFunctionCallArgumentsDelta
    | events.ConversationItemInputAudioTranscriptionDelta
)


class Row(msgspec.Struct, frozen=True):
    """One line: when (seconds since 1970), on which connection (0: none), which way, what, and its gist."""

    at: float
    number: int
    mark: str
    name: str
    gist: str = ""


class _Tally:
    """Deltas of one kind that have not been shown yet."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.count = 0
        self.ms = 0.0
        self.words = ""

    def row(self, number: int, mark: str, name: str) -> Row:
        length = f"{self.ms / 1000:.1f} s" if self.ms else None
        said = quoted(self.words) if self.words else None
        times = f" x{self.count}" if self.count > 1 else ""
        return Row(self.at, number, mark, f"{name}{times}", joined(length, said))


class _Seen:
    """What is known of one connection: the formats of its audio, and what is being counted."""

    def __init__(self) -> None:
        self.heard_in = Format()
        self.spoken_in = Format()
        self.tallies: dict[tuple[str, str], _Tally] = {}

    def learn(self, event: events.SessionCreated | events.SessionUpdated) -> None:
        audio = msgspec.to_builtins(event.session).get("audio") or {}
        self.heard_in = _format(audio.get("input"))
        self.spoken_in = _format(audio.get("output"))


def _format(side: dict[str, Any] | None) -> Format:
    form = {"type": None, "rate": Format().rate, **((side or {}).get("format") or {})}
    return audio_format(form) if form["type"] and form["rate"] else Format()


class View:
    """Takes what is seen, and returns the rows that are ready to be shown, in order."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def take(self, now: float, number: int, sight: Sight) -> list[Row]:
        """Something was seen at ``now`` (seconds since 1970)."""
        match sight:
            case Heard(event):
                return self._event(now, number, FROM_CLIENT, event)
            case Told(Send(event)):
                return self._event(now, number, TO_CLIENT, event)
            case _:
                rows = [*self._shown(number), _row(now, number, sight)]
        if isinstance(sight, Left):
            self._seen.pop(number, None)
        return rows

    def tick(self, now: float) -> list[Row]:
        """Time has passed: what has been counted for long enough is shown."""
        return [row for number in self._seen for row in self._shown(number, now - PATIENCE)]

    def end(self) -> list[Row]:
        """Whatever has not been shown yet."""
        return [row for number in self._seen for row in self._shown(number)]

    def _event(self, now: float, number: int, mark: str, event: Any) -> list[Row]:
        seen = self._seen.setdefault(number, _Seen())
        if isinstance(event, _SOUNDS | _WORDS):
            tally = seen.tallies.setdefault((mark, name_of(event)), _Tally(now))
            tally.count += 1
            _add(tally, seen, event)
            return self._shown(number, now - PATIENCE)
        if isinstance(event, events.SessionCreated | events.SessionUpdated):
            seen.learn(event)
        return [*self._shown(number), Row(now, number, mark, name_of(event), gist_of(event))]

    def _shown(self, number: int, before: float | None = None) -> list[Row]:
        """The rows of what has been counted, or of that which began ``before``; it is counted no more."""
        tallies = self._seen.setdefault(number, _Seen()).tallies
        ripe = [key for key, tally in tallies.items() if before is None or tally.at <= before]
        return [tallies.pop(key).row(number, *key) for key in ripe]


def _add(tally: _Tally, seen: _Seen, event: Any) -> None:
    if isinstance(event, client.InputAudioBufferAppend):
        tally.ms += seen.heard_in.milliseconds(len(event.audio))
    elif isinstance(event, events.ResponseOutputAudioDelta):
        tally.ms += seen.spoken_in.milliseconds(len(event.delta))
    else:
        tally.words += event.delta or ""


def _row(now: float, number: int, sight: Joined | Refused | Told | Struck | Left) -> Row:
    match sight:
        case Joined(model, kind):
            gist = joined(clean(model), kind if kind != "realtime" else None)
            return Row(now, number, CONNECTION, "connected", gist)
        case Refused(code, reason):
            return Row(now, number, CONNECTION, "turned away", joined(str(code), clean(reason)))
        case Struck(fault, at):
            return Row(now, number, FAULT, fault, f"strikes at {at}")
        case Left(code, reason):
            return Row(now, number, CONNECTION, "closed", joined(str(code), clean(reason)))
        case Told(effect):
            return Row(now, number, TO_CLIENT, *_told(effect))


def _told(effect: Effect) -> tuple[str, str]:
    match effect:
        case SendRaw(frame):
            return _raw(frame)
        case Ping():
            return "(ping)", ""
        case Hangup(code, reason):
            return "(close)", joined(str(code), clean(reason))
        case Send(event):
            return name_of(event), gist_of(event)
        case SendFramed(event, framing):
            return name_of(event), joined(f"({framing.value})", gist_of(event))
        case SendBytes(data):
            return "(raw bytes)", f"{len(data)} bytes"
        case SlowDown(rate):
            return "(slows down)", f"{rate} bytes a second"
        case GoDown(seconds):
            return "(goes down)", "for good" if seconds is None else f"for {seconds:g} s"
        case _:
            return _BROKEN[type(effect)], "no close frame" if isinstance(effect, Abort) else ""


_BROKEN: dict[type[Effect], str] = {
    Abort: "(connection torn)",
    Reset: "(TCP reset)",
    Cut: "(connection ended without a close frame)",
    StopReading: "(stops reading)",
    StopWriting: "(stops writing)",
    IgnoreClose: "(will not answer a close)",
}


def _raw(frame: str | bytes) -> tuple[str, str]:
    """A frame that only a fault sends: under its type, if it has one."""
    if isinstance(frame, bytes):
        return "(binary frame)", f"{len(frame)} bytes"
    try:
        value = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        value = None
    kind = value.get("type") if isinstance(value, dict) else None
    return clean(kind) if isinstance(kind, str) else "(raw frame)", clean(frame, 120)


def drawn(row: Row, clock: str) -> Text:
    """A row with its colours. ``clock``: how its moment is written."""
    style = "red" if row.name in _BAD else "dim" if row.name in _DIM else _STYLES[row.mark]
    text = Text(f"{clock} ", style="dim")
    text.append(f"#{row.number} " if row.number else "   ", style="default")
    text.append(f"{row.mark} {row.name}", style=style or "default")
    if row.gist:
        text.append(f"  {row.gist}", style="dim" if style == "dim" else "default")
    return text
