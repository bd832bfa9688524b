"""Any `RealtimeModel` of LiveKit Agents that can be pointed at a server: ``base_url``, ``api_key``.

Driven as `AgentSession` drives it: the streams of a generation are read to their end, a failure is an
exception of `generate_reply` or an ``error`` event, and tools are answered through the chat context. A
generation may carry more than LiveKit asks for: an awaitable ``outcome``, which then tells how it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.agents import function_tool, llm

from rejoinder.conformance.driver import (
    ABILITIES,
    COMPLETE,
    CUT,
    ERROR,
    TOOL,
    TOOL_OUTPUT,
    Heard,
)

_RATE = 24_000
_FRAME = _RATE // 50 * 2


@function_tool(name=TOOL)
async def _look_up_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: {TOOL_OUTPUT}"


class Driver:
    """One session of a model. ``make`` is the model's class, or a function like it."""

    can = ABILITIES

    def __init__(self, url: str, make: Callable[..., llm.RealtimeModel]) -> None:
        self._url = url
        self._make = make
        self._errors: list[str] = []
        self._begun: asyncio.Queue[llm.GenerationCreatedEvent] = asyncio.Queue()
        self._trouble = asyncio.Event()
        self._model: llm.RealtimeModel
        self._session: llm.RealtimeSession[Any]

    async def open(self) -> None:
        self._model = self._make(base_url=self._url, api_key="any")
        self._session = self._model.session()
        self._session.on("error", self._failed)
        self._session.on("generation_created", self._generation)
        await self._session.update_tools([_look_up_weather])

    def _failed(self, event: llm.RealtimeModelError) -> None:
        self._errors.append(str(event.error))
        self._trouble.set()

    def _generation(self, event: llm.GenerationCreatedEvent) -> None:
        if not event.user_initiated:
            self._begun.put_nowait(event)

    async def ask(self, question: str) -> Heard:
        known = len(self._errors)
        return await self._hear(await self._session.generate_reply(instructions=question), known)

    async def speak(self, samples: bytes) -> Heard:
        known = len(self._errors)
        for at in range(0, len(samples), _FRAME):
            piece = samples[at : at + _FRAME]
            self._session.push_audio(rtc.AudioFrame(piece, _RATE, 1, len(piece) // 2))
        begun = await self._first_of(known)
        if begun is None:
            return Heard(end=ERROR, why=self._errors[-1])
        return await self._hear(begun, known)

    async def _first_of(self, known: int) -> llm.GenerationCreatedEvent | None:
        """The next generation that the server began, or None once an error is told instead."""
        self._trouble.clear()
        begun = asyncio.ensure_future(self._begun.get())
        trouble = asyncio.ensure_future(self._trouble.wait())
        try:
            if len(self._errors) == known:
                await asyncio.wait([begun, trouble], return_when=asyncio.FIRST_COMPLETED)
            return begun.result() if begun.done() else None
        finally:
            begun.cancel()
            trouble.cancel()

    async def use_tool(self, question: str) -> Heard:
        known = len(self._errors)
        calls: list[llm.FunctionCall] = []
        first = await self._session.generate_reply(instructions=question)
        heard = await self._hear(first, known, calls)
        if heard.end != COMPLETE or not calls:
            return heard
        context = self._session.chat_ctx.copy()
        for call in calls:
            output = llm.FunctionCallOutput(
                call_id=call.call_id, name=call.name, output=TOOL_OUTPUT, is_error=False
            )
            context.items.append(output)
        await self._session.update_chat_ctx(context)
        return await self._hear(await self._session.generate_reply(), known)

    async def cut(self, question: str) -> Heard:
        known = len(self._errors)
        event = await self._session.generate_reply(instructions=question)
        return await self._hear(event, known, cut=self._session.interrupt)

    async def instruct(self, instructions: str) -> None:
        await self._session.update_instructions(instructions)

    async def close(self) -> None:
        await self._session.aclose()
        await self._model.aclose()

    async def _hear(
        self,
        event: llm.GenerationCreatedEvent,
        known: int,
        calls: list[llm.FunctionCall] | None = None,
        cut: Callable[[], None] | None = None,
    ) -> Heard:
        said: list[str] = []
        samples = [0]
        await asyncio.gather(
            _messages(event, said, samples, cut),
            _calls(event, calls if calls is not None else []),
        )
        await asyncio.sleep(0)  # an error of the same moment is told after the streams have ended
        outcome = getattr(event, "outcome", None)
        end, why = await _told(outcome) if outcome is not None else (COMPLETE, "")
        beside = "; ".join(self._errors[known:])
        return Heard("".join(said), samples[0] / _RATE, end, why, beside)


async def _messages(
    event: llm.GenerationCreatedEvent,
    said: list[str],
    samples: list[int],
    cut: Callable[[], None] | None,
) -> None:
    async for message in event.message_stream:
        await asyncio.gather(_words(message, said), _sound(message, samples, cut), _kind(message))


async def _kind(message: llm.MessageGeneration) -> None:
    """What it consists of, for which `AgentSession` waits before it speaks."""
    await message.modalities


async def _words(message: llm.MessageGeneration, said: list[str]) -> None:
    said.extend([str(words) async for words in message.text_stream])


async def _sound(
    message: llm.MessageGeneration, samples: list[int], cut: Callable[[], None] | None
) -> None:
    async for frame in message.audio_stream:
        if cut is not None and samples[0] == 0:
            cut()
        samples[0] += frame.samples_per_channel


async def _calls(event: llm.GenerationCreatedEvent, calls: list[llm.FunctionCall]) -> None:
    calls.extend([call async for call in event.function_stream])


async def _told(outcome: Any) -> tuple[str, str]:
    settled = await outcome
    name = type(settled).__name__
    if name == "Completed":
        return COMPLETE, ""
    return (CUT if name in ("Cancelled", "Incomplete") else ERROR), settled.describe()
