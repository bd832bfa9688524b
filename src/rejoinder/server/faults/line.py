"""The line of faults between the server and the wire: each alters what the ones before it left."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import msgspec

from rejoinder.server.effects import Effect, Send
from rejoinder.server.faults.fault import (
    Act,
    AfterNext,
    Delay,
    Fault,
    Scene,
    Then,
    item_id_of,
    type_of,
)
from rejoinder.server.faults.handshake import AnyFault, Door, HandshakeFault, Step
from rejoinder.server.faults.tracks import Marks, Tracks
from rejoinder.server.inputs import Forget, Hold
from rejoinder.server.sights import Struck
from rejoinder.wire import server_events as events

HANDSHAKE = "handshake"
_MOST_STRUCK = 1000


class Armed:
    """A fault, and what it counts over all connections. Events go in, acts come out.

    It strikes each response that it is meant for as its point says. What it has to do with one
    connection is in the `Tracks` of that.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._created = 0
        self._hits = 0  # outside of responses
        self._struck_at: list[str] = []

    def strikes(self) -> list[Struck]:
        """Its strikes since this was asked last."""
        struck, self._struck_at = self._struck_at, []
        return [Struck(self.fault.name, kind) for kind in struck]

    def begin(self, response_id: str, tracks: Tracks) -> None:
        """A response begins."""
        self._created += 1
        if self.fault.response in {0, self._created}:
            tracks.marks(self).targets.add(response_id)

    def through(self, acts: Iterable[Act], tracks: Tracks) -> list[Act]:
        """What is left of acts that were done in one breath.

        What is put behind an event stands behind all that earlier faults have put there.
        """
        out: list[Act] = []
        behind: list[Act] = []
        stalled: set[str] = set()  # what was said in the same breath is lost, the rest is not
        silent = tracks.marks(self).silent
        for act in acts:
            if not isinstance(act, Send):
                out.append(act)
                continue
            owner, item_id = tracks.owner(act), item_id_of(act.event)
            if not {owner, item_id}.isdisjoint(silent | stalled):
                continue
            out += behind
            ahead, behind = self._struck(act, owner, tracks, stalled)
            out += ahead
        return out + behind

    def _struck(
        self, send: Send, owner: str | None, tracks: Tracks, stalled: set[str]
    ) -> tuple[list[Act], list[Act]]:
        """What stands in the place of an event, and what comes behind it."""
        marks = tracks.marks(self)
        kept = marks.kept.pop(owner, None) if owner is not None else None
        late: list[Act] = [] if kept is None else [kept]
        if not self._strikes(send, owner, marks):
            return [send], late
        self._struck_at.append(type_of(send.event))
        said = list(self._said(tracks.scene(send), owner, marks))
        ended = self.fault.then is not Then.GOES_ON
        if ended:
            said += self._end(owner, item_id_of(send.event), marks, stalled)
        match self.fault.point.place:
            case "after":
                return [send], late + said
            case "before" if not ended:
                return [*said, send], late
            case _:  # a response that ends before an event never has it
                return said, late

    def _strikes(self, send: Send, owner: str | None, marks: Marks) -> bool:
        """Counts an event and says whether the fault strikes here."""
        kind, members = type_of(send.event), frozenset(send.event.__struct_fields__)
        needs, point = self.fault.needs, self.fault.point
        if not fnmatchcase(kind, point.event) or not needs.met_by(kind, members):
            return False
        if owner is None:
            if needs.response:
                return False
            self._hits += 1
            return point.nth in (0, self._hits)
        if owner not in marks.targets:
            return False
        marks.hits[owner] += 1
        return point.nth in (0, marks.hits[owner])

    def _said(self, scene: Scene, owner: str | None, marks: Marks) -> Iterator[Act]:
        for act in self.fault.strike(scene):
            if isinstance(act, AfterNext) and owner is not None:
                marks.kept[owner] = act.send
            else:
                yield act.send if isinstance(act, AfterNext) else act

    def _end(
        self, owner: str | None, item_id: str | None, marks: Marks, stalled: set[str]
    ) -> Iterator[Act]:
        """Silences the response, or the item where there is none."""
        if owner is None:
            marks.silent |= {item_id} if item_id else set()
            return
        silenced = stalled if self.fault.then is Then.STALLS else marks.silent
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

    def apply(self, effects: Iterable[Effect], tracks: Tracks, passed: int = 0) -> list[Act]:
        """What goes out in place of ``effects``, the output of one step of the server.

        ``tracks``: those of the connection. ``passed``: so many faults have had their turn, as `Delay`
        says.
        """
        acts: list[Act] = list(effects)
        if not passed:
            self._note(acts, tracks)
        for number, armed in enumerate(self._armed[passed:], start=passed + 1):
            acts = [_counted(act, number) for act in armed.through(acts, tracks)]
            self.struck += armed.strikes()
        return acts

    def _note(self, acts: list[Act], tracks: Tracks) -> None:
        if not self._armed:
            return
        for act in acts:
            if not isinstance(act, Send):
                continue
            tracks.note(act)
            if isinstance(act.event, events.ResponseCreated):
                for armed in self._armed:
                    armed.begin(act.event.response.id or "", tracks)


def _counted(act: Act, number: int) -> Act:
    if isinstance(act, Delay) and not act.passed:
        return msgspec.structs.replace(act, passed=number)
    return act
