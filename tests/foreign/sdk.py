"""The official SDK's realtime connection to our server, and a strict reading of all that it hears."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, Field, TypeAdapter

from rejoinder.server.serve import Server

STRICT: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])

UNTYPED = {
    ("RealtimeSessionCreateRequest", "id"),
    ("RealtimeSessionCreateRequest", "object"),
    ("RealtimeSessionCreateRequest", "expires_at"),
    ("RealtimeTranscriptionSessionCreateRequest", "id"),
    ("RealtimeTranscriptionSessionCreateRequest", "object"),
    ("RealtimeTranscriptionSessionCreateRequest", "expires_at"),
}
"""(model, member) that the live service sends in a session and the package has no type for."""


def strictly(frame: bytes) -> Any:
    """The frame as one of the SDK's own events. Fails if a member is missing, mistyped or unknown."""
    event = STRICT.validate_json(frame, strict=True)
    assert set(_unknown(event)) <= UNTYPED, frame
    return event


def _unknown(value: Any) -> Iterator[tuple[str, str]]:
    """(model, member) of everything that no type of theirs speaks of."""
    if isinstance(value, BaseModel):
        yield from ((type(value).__name__, name) for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name))
    elif isinstance(value, list):
        for one in value:
            yield from _unknown(one)


class Caller:
    """A realtime connection of the SDK's. ``heard``: every event so far."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.heard: list[Any] = []

    async def hear(self) -> Any:
        """The next event as the SDK has it, which is what a strict reading makes of it."""
        frame = await self.connection.recv_bytes()
        event = self.connection.parse_event(frame)
        assert event == strictly(frame)
        self.heard.append(event)
        return event

    async def until(self, kind: str) -> Any:
        """The next event of this type. An error on the way is a failure."""
        while (event := await self.hear()).type != kind:
            assert event.type != "error", event
        return event

    async def refusal(self) -> Any:
        """The next event, which must be an error: what it says."""
        event = await self.hear()
        assert event.type == "error", event
        return event.error

    async def update(self, **members: Any) -> Any:
        """Updates the session and returns it as the server now has it."""
        session: Any = {"type": "realtime", **members}
        await self.connection.session.update(session=session)
        return (await self.until("session.updated")).session

    async def type(self, text: str) -> None:
        """Puts a typed message into the conversation."""
        part = {"type": "input_text", "text": text}
        item: Any = {"type": "message", "role": "user", "content": [part]}
        await self.connection.conversation.item.create(item=item)
        await self.until("conversation.item.done")

    async def ask(self, text: str) -> Any:
        """Types a question and returns the response when it is done."""
        await self.type(text)
        return await self.reply()

    async def reply(self, **response: Any) -> Any:
        """Asks for a response and returns it when it is done."""
        given: Any = response
        await self.connection.response.create(response=given)
        return (await self.until("response.done")).response

    async def speak(self, samples: bytes) -> None:
        """Appends audio, a tenth of a second at a time."""
        for at in range(0, len(samples), 4800):
            audio = base64.b64encode(samples[at : at + 4800]).decode()
            await self.connection.input_audio_buffer.append(audio=audio)

    def told(self, kind: str) -> list[Any]:
        """The events of this type so far."""
        return [event for event in self.heard if event.type == kind]

    def text(self, kind: str) -> str:
        """The deltas of this type, put together."""
        return "".join(event.delta for event in self.told(kind))

    def samples(self) -> bytes:
        """All audio so far."""
        deltas = self.told("response.output_audio.delta")
        return b"".join(base64.b64decode(event.delta) for event in deltas)


def client(server: Server, key: str = "any") -> openai.AsyncOpenAI:
    """The SDK's client, with the server's address and nothing else of ours."""
    return openai.AsyncOpenAI(
        base_url=server.url.replace("ws:", "http:"), websocket_base_url=server.url, api_key=key
    )


@contextlib.asynccontextmanager
async def calling(server: Server, key: str = "any", **options: Any) -> AsyncIterator[Caller]:
    """A connection, before its first event."""
    async with (
        client(server, key) as sdk,
        sdk.realtime.connect(**{"model": "gpt-realtime", **options}) as connection,
    ):
        yield Caller(connection)
