"""Events of responses that nobody has told of yet.

Where events overtake one another, or a proxy loses `response.created`, a response speaks before it is
known whose it is. Its words are kept until that turns out, or they would be missing without a sign.
"""

from __future__ import annotations

import msgspec

from rejoinder.wire.server_events import ServerEvent

MOST_EVENTS = 4096
MOST_BYTES = 8 * 1024 * 1024
"""Of audio. Beyond either, the response that was heard of first is forgotten whole."""


class Early(msgspec.Struct):
    """Events by response id, in the order in which they came; ids in the order of their first."""

    held: dict[str, list[ServerEvent]] = {}
    events: int = 0
    bytes: int = 0

    def keep(self, response_id: str, event: ServerEvent) -> None:
        """One more of a response that is not known."""
        self.held.setdefault(response_id, []).append(event)
        self._count(event, 1)
        while self.events > MOST_EVENTS or self.bytes > MOST_BYTES:
            self.taken(next(iter(self.held)))

    def taken(self, response_id: str) -> list[ServerEvent]:
        """Those of one response, which are not kept any longer."""
        if response_id not in self.held:
            return []
        events = self.held.pop(response_id)
        for event in events:
            self._count(event, -1)
        return events

    def _count(self, event: ServerEvent, times: int) -> None:
        delta = getattr(event, "delta", None)
        self.events += times
        self.bytes += times * len(delta) if isinstance(delta, bytes) else 0
