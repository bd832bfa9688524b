"""Faults: what goes wrong, as transforms of the outgoing stream, each aimed at a point of it.

A `Fault` is data. `line` arms several and carries them out one behind the other; the named
ones are in `catalogue`. What goes wrong before there is a stream is in `handshake`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeAlias

import msgspec

from rejoinder.errors import ConfigurationError
from rejoinder.server.effects import Effect, Send
from rejoinder.server.faults.aims import ANYTHING, Needs, Point
from rejoinder.server.inputs import Input
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ResponseObject
from rejoinder.wire.server_events import ServerEvent

__all__ = [
    "Act",
    "AfterNext",
    "Delay",
    "Fault",
    "Point",
    "Scene",
    "Strike",
    "Then",
    "item_id_of",
    "response_id_of",
    "type_of",
]


class Delay(msgspec.Struct, frozen=True):
    """An effect to be carried out so many seconds later.

    ``passed``: how many faults it has passed by then; it meets the others when its time has come.
    """

    seconds: float
    effect: Effect
    passed: int = 0


class AfterNext(msgspec.Struct, frozen=True):
    """An event to be sent behind the next one of its response."""

    send: Send


Act: TypeAlias = Effect | Delay | Input
"""What a fault does: something goes out, now or later, or something happens inside the server."""


class Scene(msgspec.Struct, frozen=True):
    """What a fault sees when it strikes.

    ``send``: the event at the point. ``response``: the response that it belongs to, as created.
    ``cause``: the event id of that one's `response.create`. ``item_ids``: its items so far.
    """

    send: Send
    response: ResponseObject
    cause: str | None
    item_ids: tuple[str, ...]


Strike: TypeAlias = Callable[[Scene], Iterable[Act | AfterNext]]


class Then(Enum):
    """What becomes of the response that was struck; outside of one, of the item.

    An item has only one other way than to go on: nothing more is said of it.
    """

    GOES_ON = "goes on"
    STALLS = "stalls"
    """It keeps its slot and says nothing until it is cancelled; that it answers."""
    DIES = "dies"
    """It is gone: nothing more is said of it, its slot is free, a cancel finds nothing."""
    MUTE = "mute"
    """It stalls, and not even the answer to a cancel gets out; its slot is free from then on."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that goes wrong.

    ``response``: it happens to the n-th response created after arming; 0 is every one. Events outside
    of responses are struck whichever response is under way; with None, only they are. ``needs``: what
    an event must be to be struck; others pass unchanged. ``alters``: it puts something in the place
    of the event, and so can be aimed in no other way. ``says``: what it does, in one line.
    """

    name: str
    point: Point
    strike: Strike
    then: Then = Then.GOES_ON
    response: int | None = 1
    needs: Needs = ANYTHING
    alters: bool = False
    says: str = ""

    def at(self, point: Point) -> Fault:
        """The same, aimed elsewhere. Raises `ConfigurationError` where it could never strike."""
        if not self.needs.found_at(point):
            raise ConfigurationError(
                f"{self.name} cannot be aimed at {point}: it needs {self.needs.word}"
            )
        if self.alters and point.place != "instead":
            raise ConfigurationError(
                f"{self.name} cannot be aimed at {point}: it stands in the place of an event, "
                "so leave out before-"
            )
        return msgspec.structs.replace(self, point=point)

    def in_response(self, number: int) -> Fault:
        """The same, in the n-th response from arming (0: in all)."""
        return msgspec.structs.replace(self, response=number)


def type_of(event: ServerEvent) -> str:
    """The type as it stands on the wire."""
    if isinstance(event, events.UnknownEvent):
        return event.type
    return str(type(event).__struct_config__.tag)


def response_id_of(event: ServerEvent) -> str | None:
    """The response that an event names, if it names one."""
    if isinstance(event, events.ResponseCreated | events.ResponseDone):
        return event.response.id
    named: str | None = getattr(event, "response_id", None)
    return named


def item_id_of(event: ServerEvent) -> str | None:
    """The item that an event has or names, if any."""
    item = getattr(event, "item", None)
    named: str | None = item.id if item is not None else getattr(event, "item_id", None)
    return named
