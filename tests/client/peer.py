"""A far end that a test speaks for, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, Unpack

import msgspec

from rejoinder.client.memory import MemoryTransport, connected, pair
from rejoinder.client.options import Options
from rejoinder.client.response import Response
from rejoinder.client.session import Session
from rejoinder.core.outcomes import Close
from rejoinder.core.parts import Part
from rejoinder.core.recovery import Recovery

CREATED: dict[str, Any] = {
    "type": "session.created",
    "event_id": "s1",
    "session": {"type": "realtime"},
}


class End(Protocol):
    """The server's end of a connection."""

    async def send(self, data: bytes | str) -> None:
        """Sends a text frame."""

    async def receive(self) -> str | bytes | Close:
        """The client's next frame, or how it ended."""


class Speaker:
    """What a server would say and hear. ``close``: how the client ended the connection."""

    def __init__(self, end: End) -> None:
        self.end = end
        self.close: Close | None = None

    async def say(self, type: str, **members: Any) -> None:
        """Sends an event."""
        await self.end.send(msgspec.json.encode({"type": type, **members}))

    async def hear(self, type: str | None = None) -> dict[str, Any]:
        """The next event of the client's, or the next of this type."""
        while True:
            frame = await self.end.receive()
            if isinstance(frame, Close):
                self.close = frame
                raise ConnectionError(f"the client closed: {frame}")
            event: dict[str, Any] = msgspec.json.decode(frame)
            if type in (None, event["type"]):
                return event

    async def hear_close(self) -> Close:
        """Reads to the end."""
        try:
            while True:
                await self.hear()
        except ConnectionError:
            return self.close or Close("network")

    async def begin(self, response_id: str) -> str:
        """Hears a request and begins the response; our key, as it came in the metadata."""
        asked = await self.hear("response.create")
        metadata = asked["response"]["metadata"]
        await self.created(response_id, metadata=metadata)
        return str(metadata["rejoinder_key"])

    async def created(self, response_id: str, **members: Any) -> None:
        """`response.created`."""
        response = {"id": response_id, "conversation_id": "conv", "status": "in_progress"}
        await self.say("response.created", response={**response, **members})

    async def text(self, response_id: str, delta: str, item_id: str = "i1") -> None:
        """A stretch of text."""
        await self.part("response.output_text.delta", response_id, item_id, delta=delta)

    async def part(self, type: str, response_id: str, item_id: str = "i1", **members: Any) -> None:
        """An event of a content part."""
        place = {"response_id": response_id, "item_id": item_id}
        await self.say(type, **place, output_index=0, content_index=0, **members)

    async def done(self, response_id: str, status: str = "completed", **members: Any) -> None:
        """`response.done`."""
        await self.say("response.done", response={"id": response_id, "status": status, **members})

    async def answer(self, response_id: str, text: str = "Hello") -> None:
        """A whole response to the next request."""
        await self.begin(response_id)
        await self.text(response_id, text)
        await self.done(response_id)


class Peer(Speaker):
    """A speaker at the far end of a connection in memory."""

    def __init__(self, transport: MemoryTransport) -> None:
        super().__init__(transport)
        self.transport = transport


MORTAL = Recovery(attempts=0, renew_after=None)
"""For a session that ends with its connection."""


@asynccontextmanager
async def conversation(
    greet: bool = True, **options: Unpack[Options]
) -> AsyncIterator[tuple[Session, Peer]]:
    """A session and the peer at its other end."""
    ours, theirs = pair()
    settings: Options = {"model": "m", "api_key": "k", "dial": connected(ours), **options}
    session = Session.start(**settings)
    peer = Peer(theirs)
    try:
        if greet:
            await theirs.send(msgspec.json.encode(CREATED))
            await session.opened()
        yield session, peer
    finally:
        await session.aclose()


async def until(holds: Callable[[], bool]) -> None:
    """Lets the loop run until something holds; soon, or it never will."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


async def take_all(response: Response, parts: list[Part]) -> None:
    """Iterates a response to its end, whichever that is."""
    async for part in response:
        parts.append(part)
