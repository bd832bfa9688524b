"""The realtime connection of the `openai` package, driven as its README shows it.

Its example creates an item and a response and reads events until `response.done`. It raises for an `error`
event, for a response that failed, and when the events end; as it does so inside its ``async with``, that
closes the connection, and whoever asks again connects again.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import msgspec
from openai import AsyncOpenAI, OpenAIError
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from rejoinder.conformance.driver import (
    ABILITIES,
    COMPLETE,
    CUT,
    ERROR,
    TOOL,
    TOOL_OUTPUT,
    Heard,
)

_BYTES_PER_SECOND = 48_000
_FRAME = _BYTES_PER_SECOND // 50
_WORDS = ("response.output_audio_transcript.delta", "response.output_text.delta")
_CUTS = ("cancelled", "incomplete")
_Ask: TypeAlias = Callable[[AsyncRealtimeConnection], Awaitable[None]]
_TOOLS = [
    {
        "type": "function",
        "name": TOOL,
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


class _Reply(msgspec.Struct):
    """A reply as far as it has come: no end yet is what the example raises for.

    ``calls``: those of the tool, when it is complete.
    """

    said: str = ""
    size: int = 0
    end: str = ERROR
    why: str = ""
    calls: tuple[Any, ...] = ()

    @property
    def heard(self) -> Heard:
        """What the user has of it."""
        return Heard(self.said, self.size / _BYTES_PER_SECOND, self.end, self.why)

    def done(self, response: Any) -> None:
        """The server said how it ended. Raises unless it completed or was cut."""
        if response.status == "completed":
            calls = (item for item in response.output or () if item.type == "function_call")
            self.end, self.calls = COMPLETE, tuple(calls)
            return
        self.why = f"{response.status}: {response.status_details}"
        if response.status not in _CUTS:
            raise OpenAIError(f"The Realtime response did not complete: {self.why}")
        self.end = CUT


class Driver:
    """One connection at a time. Their example hears one reply after the other, so there is no ``pair``."""

    can = ABILITIES - {"pair"}

    def __init__(self, url: str) -> None:
        self._client = AsyncOpenAI(api_key="any", websocket_base_url=url)
        self._session: dict[str, Any] = {"type": "realtime", "tools": _TOOLS}
        self._block = AsyncExitStack()
        self._connection: AsyncRealtimeConnection | None = None

    async def open(self) -> None:
        await self._connected()

    async def ask(self, question: str) -> Heard:
        return (await self._reply(_creating(_message(question)))).heard

    async def speak(self, samples: bytes) -> Heard:
        async def speaking(connection: AsyncRealtimeConnection) -> None:
            for at in range(0, len(samples), _FRAME):
                audio = base64.b64encode(samples[at : at + _FRAME]).decode()
                await connection.input_audio_buffer.append(audio=audio)

        return (await self._reply(speaking)).heard

    async def use_tool(self, question: str) -> Heard:
        first = await self._reply(_creating(_message(question)))
        if first.end != COMPLETE or not first.calls:
            return first.heard
        return (await self._reply(_creating(*map(_output, first.calls)))).heard

    async def cut(self, question: str) -> Heard:
        return (await self._reply(_creating(_message(question)), cut=True)).heard

    async def instruct(self, instructions: str) -> Heard:
        try:
            heard = await _instructed(await self._connected(), instructions)
        except Exception:
            await self._leave()
            raise
        self._session["instructions"] = instructions
        return heard

    async def close(self) -> None:
        await self._leave()
        await self._client.close()

    async def _connected(self) -> AsyncRealtimeConnection:
        if self._connection is None:
            connecting = self._client.realtime.connect(model="gpt-realtime")
            self._connection = await self._block.enter_async_context(connecting)
            session: Any = self._session
            await self._connection.session.update(session=session)
        return self._connection

    async def _leave(self) -> None:
        """Leaves the ``async with`` of the connection."""
        self._connection = None
        await self._block.aclose()

    async def _reply(self, ask: _Ask, *, cut: bool = False) -> _Reply:
        reply = _Reply()
        try:
            connection = await self._connected()
            await ask(connection)
            await _read(connection, reply, cut=cut)
        except Exception as error:  # noqa: BLE001 - whatever is raised leaves the example's block
            reply.why = f"{type(error).__name__}: {error}"
            await self._leave()
        return reply


def _message(text: str) -> Any:
    part = {"type": "input_text", "text": text}
    return {"type": "message", "role": "user", "content": [part]}


def _output(call: Any) -> Any:
    return {"type": "function_call_output", "call_id": call.call_id, "output": TOOL_OUTPUT}


def _creating(*items: Any) -> _Ask:
    async def creating(connection: AsyncRealtimeConnection) -> None:
        for item in items:
            await connection.conversation.item.create(item=item)
        await connection.response.create()

    return creating


async def _read(connection: AsyncRealtimeConnection, reply: _Reply, *, cut: bool) -> None:
    """Reads events until the reply is over; ``cut``: cancels it at its first sound."""
    async for event in connection:
        told: Any = event
        if told.type in _WORDS:
            reply.said += told.delta
        elif told.type == "response.output_audio.delta":
            reply.size += _size(told.delta)
            if cut:
                cut = False
                await connection.response.cancel()
        elif told.type == "response.done":
            return reply.done(told.response)
        elif told.type == "error":
            raise OpenAIError(f"Realtime returned an error: {told.error}")
    raise OpenAIError("Realtime disconnected before response.done")


def _size(delta: str | None) -> int:
    """Bytes of sound, none where it is no base64: what a user does with that is not the client's."""
    try:
        return len(base64.b64decode(delta or "", validate=True))
    except ValueError:
        return 0


async def _instructed(connection: AsyncRealtimeConnection, instructions: str) -> Heard:
    session: Any = {"type": "realtime", "instructions": instructions}
    await connection.session.update(session=session)
    async for event in connection:
        told: Any = event
        if told.type == "session.updated" and told.session.instructions == instructions:
            return Heard()
        if told.type == "error":
            return Heard(beside=f"Realtime returned an error: {told.error}")
    raise OpenAIError("Realtime disconnected before session.updated")
