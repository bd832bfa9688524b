"""One exchange with faults armed, and the stream that comes of it."""

from __future__ import annotations

import json
from typing import Any

from rejoinder.server.effects import Effect, Ping, Send, SendRaw
from rejoinder.server.faults.catalogue import fault
from rejoinder.server.faults.fault import type_of
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.inputs import Received
from rejoinder.server.reading import read
from rejoinder.server.script import Script, Speech, Turn
from tests.server.desk import Desk

ANSWER = Speech("One two three four five six.", bytes(4800 * 6))
SCRIPT = Script(otherwise=Turn(None, ANSWER))
CREATE = {"type": "response.create", "event_id": "c1", "response": {"metadata": {"key": "k1"}}}


def exchange(*aims: str | AnyFault, script: Script = SCRIPT, seconds: float = 5.0) -> list[Effect]:
    """All that goes out for one `response.create` with these faults armed."""
    return ask(Desk(script, *map(armed, aims)), seconds)


def armed(aim: str | AnyFault) -> AnyFault:
    return fault(aim) if isinstance(aim, str) else aim


def ask(desk: Desk, seconds: float = 5.0) -> list[Effect]:
    return desk.give(Received(read(json.dumps(CREATE)))) + desk.effects(seconds)


def told(effects: list[Effect]) -> list[str]:
    """The stream as types; raw frames as what they are, pings left out."""
    return [_told(effect) for effect in effects if not isinstance(effect, Ping)]


def _told(effect: Effect) -> str:
    match effect:
        case Send(event):
            return type_of(event)
        case SendRaw(str() as frame):
            return f"raw {frame}"
        case _:
            return type(effect).__name__


def raw_objects(effects: list[Effect]) -> list[Any]:
    return [json.loads(effect.frame) for effect in effects if isinstance(effect, SendRaw)]


HEALTHY = told(exchange())
DELTA = "response.output_audio.delta"


def until(kind: str, nth: int = 1) -> list[str]:
    """The healthy stream up to and with the n-th of these."""
    places = [at for at, name in enumerate(HEALTHY) if name == kind]
    return HEALTHY[: places[nth - 1] + 1]
