"""The line of faults between the server and the wire: each alters what the ones before it left."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import msgspec

from rejoinder.server.effects import Effect, Send
from rejoinder.server.faults import (
    Act,
    AfterNext,
    Delay,
    Fault,
    Scene,
    Then,
    item_id_of,
    response_id_of,
    type_of,
)
from rejoinder.server.handshake_faults import AnyFault, Door, HandshakeFault, Step
from rejoinder.server.inputs import Forget, Hold
from rejoinder.server.sights import Struck
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ResponseObject

HANDSHAKE = "handshake"
_MOST_STRUCK = 1000


class Track:
    """What is known of one response by what the server has said of it."""

    def __init__(self, response: ResponseObject, cause: str | None) -> None:
        self.response = response
        self.cause = cause
        self.item_ids: list[str] = []


class Tracks:
    """Every response so far, and which items are whose."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}
        self._owners: dict[str, str] = {}

    def note(self, send: Send) -> None:
        """Remembers what an event of the server tells of a response."""
        event = send.event
        if isinstance(event, events.ResponseCreated):
            self._tracks[event.response.id or ""] = Track(event.response, send.cause)
            return
        response_id, item_id = self.owner(send), item_id_of(event)
        track = self._tracks.get(response_id or "")
        if track is not None and item_id and item_id not in track.item_ids:
            self._owners[item_id] = response_id or ""
            track.item_ids.append(item_id)

    def owner(self, send: Send) -> str | None:
        """The response that an event belongs to."""
        return response_id_of(send.event) or self._owners.get(item_id_of(send.event) or "")

    def scene(self, send: Send) -> Scene:
        """What a fault sees that strikes here."""
        track = self._tracks.get(self.owner(send) or "") or Track(ResponseObject(), send.cause)
        return Scene(send, track.response, track.cause, tuple(track.item_ids))


class Armed:
    """A fault, what it counts and what it holds back. Events go in, acts come out.

    It strikes each response that it is meant for as its point says.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._created = 0
        self._targets: set[str] = set()
        self._hits: Counter[str] = Counter()
        self._silent: set[str] = set()
        self._kept: dict[str, Send] = {}
        self._struck_at: list[str] = []

    def strikes(self) -> list[Struck]:
        """Its strikes since this was asked last."""
        struck, self._struck_at = self._struck_at, []
        return [Struck(self.fault.name, kind) for kind in struck]

    def begin(self, response_id: str) -> None:
        """A response begins."""
        self._created += 1
        if self.fault.response in {0, self._created}:
            self._targets.add(response_id)

    def through(self, acts: Iterable[Act], tracks: Tracks) -> list[Act]:
        """What is left of acts that were done in one breath.

        What is put behind an event stands behind all that earlier faults have put there.
        """
        out: list[Act] = []
        behind: list[Act] = []
        stalled: set[str] = set()  # what was said in the same breath is lost, the rest is not
        for act in acts:
            if not isinstance(act, Send):
                out.append(act)
                continue
            owner, item_id = tracks.owner(act), item_id_of(act.event)
            if not {owner, item_id}.isdisjoint(self._silent | stalled):
                continue
            out += behind
            ahead, behind = self._struck(act, owner, tracks, stalled)
            out += ahead
        return out + behind

    def _struck(
        self, send: Send, owner: str | None, tracks: Tracks, stalled: set[str]
    ) -> tuple[list[Act], list[Act]]:
        """What stands in the place of an event, and what comes behind it."""
        kept = self._kept.pop(owner, None) if owner is not None else None
        late: list[Act] = [] if kept is None else [kept]
        if not self._strikes(send, owner):
            return [send], late
        self._struck_at.append(type_of(send.event))
        said = list(self._said(tracks.scene(send), owner))
        ended = self.fault.then is not Then.GOES_ON
        if ended:
            said += self._end(owner, item_id_of(send.event), stalled)
        match self.fault.point.place:
            case "after":
                return [send], late + said
            case "before" if not ended:
                return [*said, send], late
            case _:  # a response that ends before an event never has it
                return said, late

    def _strikes(self, send: Send, owner: str | None) -> bool:
        """Counts an event and says whether the fault strikes here."""
        kind, members = type_of(send.event), frozenset(send.event.__struct_fields__)
        needs, point = self.fault.needs, self.fault.point
        if not fnmatchcase(kind, point.event) or not needs.met_by(kind, members):
            return False
        if (owner is None and needs.response) or (owner is not None and owner not in self._targets):
            return False
        self._hits[owner or ""] += 1
        return point.nth in (0, self._hits[owner or ""])

    def _said(self, scene: Scene, owner: str | None) -> Iterator[Act]:
        for act in self.fault.strike(scene):
            if isinstance(act, AfterNext) and owner is not None:
                self._kept[owner] = act.send
            else:
                yield act.send if isinstance(act, AfterNext) else act

    def _end(self, owner: str | None, item_id: str | None, stalled: set[str]) -> Iterator[Act]:
        """Silences the response, or the item where there is none."""
        if owner is None:
            self._silent |= {item_id} if item_id else set()
            return
        silenced = stalled if self.fault.then is Then.STALLS else self._silent
        silenced.add(owner)
        yield Forget(owner) if self.fault.then is Then.DIES else Hold(owner)


class FaultLine:
    """What stands between the server and the wire: passes everything, but where a fault strikes.

    Faults act in the order in which they were armed, each on what the ones before it left: it
    counts and alters their events, and never sees what they have swallowed. ``knock`` tells what
    goes wrong in the handshake. ``struck``: the latest strikes; whoever tells of them empties it.
    """

    def __init__(self, faults: Iterable[AnyFault] = ()) -> None:
        self.struck: deque[Struck] = deque(maxlen=_MOST_STRUCK)
        self._armed: list[Armed] = []
        self._tracks = Tracks()
        self._door = Door()
        for fault in faults:
            self.arm(fault)

    def arm(self, fault: AnyFault) -> None:
        """The fault counts from here on."""
        if isinstance(fault, HandshakeFault):
            self._door.arm(fault)
        else:
            self._armed.append(Armed(fault))

    def knock(self) -> tuple[Step, ...]:
        """A client connects: what goes wrong before it is let in."""
        faults = self._door.knock()
        self.struck += (Struck(fault.name, HANDSHAKE) for fault in faults)
        return tuple(step for fault in faults for step in fault.steps)

    def apply(self, effects: Iterable[Effect], passed: int = 0) -> list[Act]:
        """What goes out in place of ``effects``, the output of one step of the server.

        ``passed``: so many faults have had their turn, as `Delay` says.
        """
        acts: list[Act] = list(effects)
        if not passed:
            self._note(acts)
        for number, armed in enumerate(self._armed[passed:], start=passed + 1):
            acts = [_counted(act, number) for act in armed.through(acts, self._tracks)]
            self.struck += armed.strikes()
        return acts

    def _note(self, acts: list[Act]) -> None:
        if not self._armed:
            return
        for act in acts:
            if not isinstance(act, Send):
                continue
            self._tracks.note(act)
            if isinstance(act.event, events.ResponseCreated):
                for armed in self._armed:
                    armed.begin(act.event.response.id or "")


def _counted(act: Act, number: int) -> Act:
    if isinstance(act, Delay) and not act.passed:
        return msgspec.structs.replace(act, passed=number)
    return act
