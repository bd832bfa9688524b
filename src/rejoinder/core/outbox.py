"""What waits for a connection: client events, in order. (Audio waits in `kept_audio`.)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from rejoinder.wire.client_events import ClientEvent, RawClientEvent

Held: TypeAlias = tuple[str | None, ClientEvent | RawClientEvent]
"""The key of an edit, None for what is not answered; and the event."""


class Outbox(msgspec.Struct):
    """Events asked for while there is no connection, up to ``most`` of them."""

    most: int = 4096
    held: list[Held] = []

    def hold(self, key: str | None, event: ClientEvent | RawClientEvent) -> bool:
        """Keeps an event for later; False if there is no room for it."""
        if len(self.held) >= self.most:
            return False
        self.held.append((key, event))
        return True

    def release(self) -> Iterator[Held]:
        """Gives everything out, in order, and is empty."""
        held, self.held = self.held, []
        yield from held
