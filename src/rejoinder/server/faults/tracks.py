"""What faults know of the responses of one connection, and what each has done to them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable

from rejoinder.server.effects import Send
from rejoinder.server.faults.fault import Scene, item_id_of, response_id_of
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ResponseObject

MOST_TRACKED = 1000
"""Responses of one connection that are known. No fault strikes at one so long over."""


class Track:
    """What is known of one response by what the server has said of it."""

    def __init__(self, response: ResponseObject, cause: str | None) -> None:
        self.response = response
        self.cause = cause
        self.item_ids: list[str] = []


class Marks:
    """What one fault has to do with one connection.

    ``targets``: the responses that it is meant for. ``hits``: the events counted of each. ``silent``:
    responses and items of which nothing more is said. ``kept``: events held back, by response.
    """

    def __init__(self) -> None:
        self.targets: set[str] = set()
        self.hits: Counter[str] = Counter()
        self.silent: set[str] = set()
        self.kept: dict[str, Send] = {}

    def forget(self, response_id: str) -> None:
        """Nothing of this response is left."""
        self.targets.discard(response_id)
        self.hits.pop(response_id, None)
        self.silent.discard(response_id)
        self.kept.pop(response_id, None)


class Tracks:
    """The latest responses of one connection, which items are whose, and the marks of each fault."""

    def __init__(self) -> None:
        self._marks: defaultdict[Hashable, Marks] = defaultdict(Marks)
        self._tracks: dict[str, Track] = {}
        self._owners: dict[str, str] = {}

    def marks(self, fault: Hashable) -> Marks:
        """The marks of this fault."""
        return self._marks[fault]

    def note(self, send: Send) -> None:
        """Remembers what an event of the server tells of a response."""
        event = send.event
        if isinstance(event, events.ResponseCreated):
            self._tracks[event.response.id or ""] = Track(event.response, send.cause)
            if len(self._tracks) > MOST_TRACKED:
                self._forget(next(iter(self._tracks)))
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

    def _forget(self, response_id: str) -> None:
        for item_id in self._tracks.pop(response_id).item_ids:
            del self._owners[item_id]
        for marks in self._marks.values():
            marks.forget(response_id)
