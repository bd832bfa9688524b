"""Faults: what goes wrong, as transforms of the outgoing stream, each aimed at a point of it.

A `Fault` is data. A `FaultLine` holds those that are armed and counts what passes; `peer` puts it
behind the protocol server. The named ones are in `catalogue`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from enum import Enum
from fnmatch import fnmatchcase
from typing import TypeAlias

import msgspec

from rejoinder.server.effects import Effect, Send
from rejoinder.server.inputs import Forget, Hold, Input
from rejoinder.server.sights import Struck
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ResponseObject
from rejoinder.wire.server_events import ServerEvent


class Point(msgspec.Struct, frozen=True):
    """Where a fault strikes: ``before``, ``after`` or ``instead`` of an event.

    ``event`` is a type, or a pattern of types (``response.*``). ``nth`` counts the events that match,
    within one response where they belong to one; 0 means every one of them.
    """

    event: str
    nth: int = 1
    place: str = "after"


class Delay(msgspec.Struct, frozen=True):
    """An effect to be carried out so many seconds later."""

    seconds: float
    effect: Effect


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


Strike: TypeAlias = Callable[[Scene], Iterable[Act]]


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
    of responses are struck whichever response is under way; with None, only they are.
    """

    name: str
    point: Point
    strike: Strike
    then: Then = Then.GOES_ON
    response: int | None = 1

    def at(self, point: Point) -> Fault:
        """The same, aimed elsewhere."""
        return msgspec.structs.replace(self, point=point)

    def in_response(self, number: int) -> Fault:
        """The same, in the n-th response from arming (0: in all)."""
        return msgspec.structs.replace(self, response=number)


class Track:
    """What is known of one response by what has passed of it. ``scrap``: nothing more gets out."""

    def __init__(self, response: ResponseObject, cause: str | None) -> None:
        self.response = response
        self.cause = cause
        self.item_ids: list[str] = []
        self.scrap = False

    @property
    def response_id(self) -> str:
        return self.response.id or ""

    def scene(self, send: Send) -> Scene:
        return Scene(send, self.response, self.cause, tuple(self.item_ids))


class Armed:
    """A fault and its count. It strikes each response that it is meant for as its point says."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._created = 0
        self._targets: set[str] = set()
        self._hits: Counter[str] = Counter()

    def begin(self, response_id: str) -> None:
        """A response begins."""
        self._created += 1
        if self.fault.response in {0, self._created}:
            self._targets.add(response_id)

    def struck_by(self, kind: str, response_id: str | None) -> bool:
        """Counts an event of this type and says whether the fault strikes here."""
        if not fnmatchcase(kind, self.fault.point.event):
            return False
        if response_id is not None and response_id not in self._targets:
            return False
        owner = response_id or ""
        self._hits[owner] += 1
        return self.fault.point.nth in (0, self._hits[owner])


class FaultLine:
    """What stands between the server and the wire: passes everything, but where a fault strikes.

    ``struck``: the latest strikes. Whoever tells of them empties it.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._armed: list[Armed] = []
        self._tracks: dict[str, Track] = {}
        self._owners: dict[str, str] = {}
        self._lost_items: set[str] = set()
        self.struck: deque[Struck] = deque(maxlen=1000)
        for fault in faults:
            self.arm(fault)

    def arm(self, fault: Fault) -> None:
        """The fault counts from here on."""
        self._armed.append(Armed(fault))

    def apply(self, effects: Iterable[Effect]) -> list[Act]:
        """What goes out in place of ``effects``, the output of one step of the server."""
        if not self._armed:
            return list(effects)
        acts: list[Act] = []
        stalled: list[Track] = []
        for effect in effects:
            acts += self._pass(effect, stalled) if isinstance(effect, Send) else (effect,)
        for track in stalled:
            track.scrap = False
        return acts

    def _pass(self, send: Send, stalled: list[Track]) -> list[Act]:
        kind = type_of(send.event)
        response_id = self._owner(send)
        track = self._tracks.get(response_id or "") or Track(ResponseObject(), send.cause)
        if track.scrap or _item_id_of(send.event) in self._lost_items:
            return []
        acts: list[Act] = [send]
        for armed in self._armed:
            if not armed.struck_by(kind, response_id):
                continue
            self.struck.append(Struck(armed.fault.name, kind))
            acts = _placed(acts, armed.fault, track.scene(send))
            if armed.fault.then is not Then.GOES_ON and response_id is not None:
                return [*acts, self._end(armed.fault.then, track, stalled)]
            if armed.fault.then is not Then.GOES_ON and (item_id := _item_id_of(send.event)):
                self._lost_items.add(item_id)
        return acts

    def _end(self, then: Then, track: Track, stalled: list[Track]) -> Act:
        track.scrap = True
        if then is Then.DIES:
            return Forget(track.response_id)
        if then is Then.STALLS:
            stalled.append(track)  # what was said in the same breath is lost, the rest is not
        return Hold(track.response_id)

    def _owner(self, send: Send) -> str | None:
        """The response that an event belongs to; remembers what it tells of that response."""
        event = send.event
        if isinstance(event, events.ResponseCreated):
            return self._begin(event.response, send.cause)
        item_id = _item_id_of(event) or ""
        response_id = response_id_of(event) or self._owners.get(item_id)
        track = self._tracks.get(response_id or "")
        if track is not None and item_id and item_id not in track.item_ids:
            self._owners[item_id] = track.response_id
            track.item_ids.append(item_id)
        return response_id

    def _begin(self, response: ResponseObject, cause: str | None) -> str:
        response_id = response.id or ""
        self._tracks[response_id] = Track(response, cause)
        for armed in self._armed:
            armed.begin(response_id)
        return response_id


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


def _item_id_of(event: ServerEvent) -> str | None:
    item = getattr(event, "item", None)
    named: str | None = item.id if item is not None else getattr(event, "item_id", None)
    return named


def _placed(acts: list[Act], fault: Fault, scene: Scene) -> list[Act]:
    """The strike, put where the point says; a response that ends before an event never has it."""
    struck = list(fault.strike(scene))
    match fault.point.place:
        case "after":
            return [*acts, *struck]
        case "before" if fault.then is Then.GOES_ON:
            return [*struck, *acts]
        case _:
            return struck
