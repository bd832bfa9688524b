"""A protocol server on the desk: feed it client events and time, look at what comes out."""

from __future__ import annotations

import base64
import json
from typing import Any, TypeVar

from rejoinder.server.core import EarMaker, Session, Terms
from rejoinder.server.ears import energy_ear
from rejoinder.server.effects import Effect, Send
from rejoinder.server.engines import ScriptedVoice
from rejoinder.server.faults.fault import type_of
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.faults.line import FaultLine
from rejoinder.server.ids import CountingIds
from rejoinder.server.inputs import Input, Opened, Received, Tick
from rejoinder.server.peer import Peer
from rejoinder.server.reading import read
from rejoinder.server.script import Script
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.server_events import Error, ServerEvent

T = TypeVar("T")


class Desk:
    """One connection, opened. ``now`` moves only by `run` and `tick`."""

    def __init__(
        self,
        script: Script | None = None,
        *faults: AnyFault,
        terms: Terms | None = None,
        ear: EarMaker = energy_ear,
    ) -> None:
        self.now = 100.0
        voice = ScriptedVoice(script or Script())
        self.session = Session(CountingIds(), voice, ear, terms or Terms())
        self.peer = Peer(self.session, FaultLine(faults))
        self.greeting = self.give(Opened())

    def give(self, given: Input) -> list[Effect]:
        return self.peer.step(self.now, given)

    def frame(self, frame: str | bytes) -> list[ServerEvent]:
        return sent(self.give(Received(read(frame))))

    def say(self, kind: str, **members: Any) -> list[ServerEvent]:
        """A client event; returns the server's immediate answer."""
        return self.frame(json.dumps({"type": kind, **members}))

    def tick(self) -> list[Effect]:
        """To the next deadline."""
        self.now = self.peer.next_deadline() or self.now
        return self.give(Tick())

    def run(self, seconds: float = 10.0) -> list[ServerEvent]:
        """All events of the next seconds."""
        return sent(self.effects(seconds))

    def effects(self, seconds: float) -> list[Effect]:
        end = self.now + seconds
        effects: list[Effect] = []
        while (when := self.peer.next_deadline()) is not None and when <= end:
            effects += self.tick()
        self.now = end
        return effects

    def configure(self, **members: Any) -> list[ServerEvent]:
        return self.say("session.update", session={"type": "realtime", **members})

    def manual(self) -> None:
        """The client commits from here on."""
        self.configure(audio={"input": {"turn_detection": None}})

    def write(self, text: str, **item: Any) -> list[ServerEvent]:
        """The user types."""
        content = [{"type": "input_text", "text": text}]
        return self.say(
            "conversation.item.create",
            item={"type": "message", "role": "user", "content": content, **item},
        )

    def hear(self, pcm: bytes, milliseconds: int = 100) -> list[ServerEvent]:
        """The user speaks: appended in pieces of this length."""
        size = 48 * milliseconds
        told: list[ServerEvent] = []
        for at in range(0, len(pcm), size):
            told += self.say("input_audio_buffer.append", audio=base64_of(pcm[at : at + size]))
        return told


def base64_of(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def sent(effects: list[Effect]) -> list[ServerEvent]:
    return [effect.event for effect in effects if isinstance(effect, Send)]


def types(events: list[ServerEvent]) -> list[str]:
    return [type_of(event) for event in events]


def only(kind: type[T], events: list[ServerEvent]) -> T:
    """The one event of this type."""
    (found,) = every(kind, events)
    return found


def every(kind: type[T], events: list[ServerEvent]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def refusal(events: list[ServerEvent]) -> ErrorBody:
    """The error, when that is the whole answer."""
    (error,) = events
    assert isinstance(error, Error)
    assert error.error.type == "invalid_request_error"
    return error.error
