"""Events of responses that nobody has told of yet.

Where events overtake one another, or a proxy loses `response.created`, a response speaks before it is
known whose it is. Its words are kept until that turns out, or they would be missing without a sign.
"""

from __future__ import annotations

import msgspec

from rejoinder.wire.server_events import ServerEvent

MOST_BYTES = 8 * 1024 * 1024
"""Of all that is kept, as JSON. Beyond it, the response that was heard of first is given up: a beginning
without a middle is worth nothing."""
MOST_RESPONSES = 64
"""More than any server has under way. Beyond it, the same."""
_MOST_GIVEN_UP = 256


class Held(msgspec.Struct):
    """What one response has said, in order, and how much that is."""

    events: list[ServerEvent] = []
    size: int = 0


class Early(msgspec.Struct):
    """What was said by response id, in the order in which the ids came up.

    ``given_up``: the ids of those that said too much before they were told of. They can never be whole.
    """

    held: dict[str, Held] = {}
    given_up: dict[str, None] = {}

    def keep(self, response_id: str, event: ServerEvent) -> None:
        """One more event of a response that is not known."""
        if response_id in self.given_up:
            return
        held = self.held.setdefault(response_id, Held())
        held.events.append(event)
        held.size += len(msgspec.json.encode(event))
        while self._too_much():
            self._give_up(next(iter(self.held)))

    def taken(self, response_id: str) -> list[ServerEvent]:
        """What one response has said; it is not kept any longer."""
        held = self.held.pop(response_id, None)
        return held.events if held is not None else []

    def forget(self, response_id: str) -> None:
        """Nothing of this response is of interest any more."""
        self.held.pop(response_id, None)
        self.given_up.pop(response_id, None)

    def _too_much(self) -> bool:
        size = sum(one.size for one in self.held.values())
        return size > MOST_BYTES or len(self.held) > MOST_RESPONSES

    def _give_up(self, response_id: str) -> None:
        del self.held[response_id]
        self.given_up[response_id] = None
        if len(self.given_up) > _MOST_GIVEN_UP:
            del self.given_up[next(iter(self.given_up))]
