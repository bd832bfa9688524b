"""Any `RealtimeModel` of LiveKit Agents that can be pointed at a server: ``base_url``, ``api_key``.

Driven as `AgentSession` drives it: the streams of a generation are read to their end, a failure is an
exception of `generate_reply` or an ``error`` event, an event that is not recoverable is the end of the session,
and tools are answered through the chat context. What a model tells beyond LiveKit's interface is not heard.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from livekit import rtc
from livekit.agents import function_tool, llm

from rejoinder.conformance.driver import (
    ABILITIES,
    COMPLETE,
    ERROR,
    TOOL,
    TOOL_OUTPUT,
    Heard,
)

_RATE = 24_000
_FRAME = _RATE // 50 * 2
_A_MOMENT = 0.25
"""Seconds to listen on when a reply has ended without a word: an ``error`` may be told just after it."""


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
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._begun: asyncio.Queue[llm.GenerationCreatedEvent] = asyncio.Queue()
        self._model: llm.RealtimeModel
        self._session: llm.RealtimeSession[Any]

    async def open(self) -> None:
        self._model = self._make(base_url=self._url, api_key="any")
        if not isinstance(self._model, llm.RealtimeModel):
            raise TypeError(f"{type(self._model).__name__} is no RealtimeModel of LiveKit's")
        self._session = self._model.session()
        self._session.on("error", self._failed)
        self._session.on("generation_created", self._generation)
        await self._session.update_tools([_look_up_weather])

    def _failed(self, event: llm.RealtimeModelError) -> None:
        self._errors.append(str(event.error))
        self._news.set()
        if not event.recoverable:
            self._over.set()

    def _generation(self, event: llm.GenerationCreatedEvent) -> None:
        if not event.user_initiated:
            self._begun.put_nowait(event)

    async def ask(self, question: str) -> Heard:
        return await self._while_it_lives(lambda: self._asked(question))

    async def speak(self, samples: bytes) -> Heard:
        return await self._while_it_lives(lambda: self._spoken(samples))

    async def use_tool(self, question: str) -> Heard:
        return await self._while_it_lives(lambda: self._used(question))

    async def cut(self, question: str) -> Heard:
        return await self._while_it_lives(lambda: self._asked(question, self._session.interrupt))

    async def instruct(self, instructions: str) -> Heard:
        known = len(self._errors)
        await self._session.update_instructions(instructions)
        lag = await self._listen_on(known)
        return Heard(beside=self._told(known), lag=lag)

    async def close(self) -> None:
        await self._session.aclose()
        await self._model.aclose()

    async def _while_it_lives(self, talk: Callable[[], Coroutine[Any, Any, Heard]]) -> Heard:
        """What comes of it, or, once the session is over for good, that: `AgentSession` closes then."""
        if self._over.is_set():
            return Heard(end=ERROR, why=self._errors[-1])
        talking = asyncio.ensure_future(talk())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait([talking, over], return_when=asyncio.FIRST_COMPLETED)
            return talking.result() if talking.done() else Heard(end=ERROR, why=self._errors[-1])
        finally:
            over.cancel()
            talking.cancel()

    async def _asked(self, question: str, cut: Callable[[], None] | None = None) -> Heard:
        known = len(self._errors)
        event = await self._session.generate_reply(instructions=question)
        return await self._hear(event, known, cut=cut)

    async def _spoken(self, samples: bytes) -> Heard:
        known = len(self._errors)
        for at in range(0, len(samples), _FRAME):
            piece = samples[at : at + _FRAME]
            self._session.push_audio(rtc.AudioFrame(piece, _RATE, 1, len(piece) // 2))
        return await self._hear(await self._begun.get(), known)

    async def _used(self, question: str) -> Heard:
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
        if self._model.capabilities.auto_tool_reply_generation:
            return await self._hear(await self._begun.get(), known)
        return await self._hear(await self._session.generate_reply(), known)

    async def _hear(
        self,
        event: llm.GenerationCreatedEvent,
        known: int,
        calls: list[llm.FunctionCall] | None = None,
        cut: Callable[[], None] | None = None,
    ) -> Heard:
        said: list[str] = []
        seconds = [0.0]
        await asyncio.gather(
            _messages(event, said, seconds, cut),
            _calls(event, calls if calls is not None else []),
        )
        lag = await self._listen_on(known)
        return Heard("".join(said), seconds[0], beside=self._told(known), lag=lag)

    async def _listen_on(self, known: int) -> float:
        """Waits a moment for an error, unless one was told already; returns how long that took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_A_MOMENT):
                while len(self._errors) == known:
                    await self._news.wait()
        return loop.time() - begun

    def _told(self, known: int) -> str:
        return "; ".join(self._errors[known:])


async def _messages(
    event: llm.GenerationCreatedEvent,
    said: list[str],
    seconds: list[float],
    cut: Callable[[], None] | None,
) -> None:
    async for message in event.message_stream:
        await asyncio.gather(_words(message, said), _sound(message, seconds, cut), _kind(message))


async def _kind(message: llm.MessageGeneration) -> None:
    """What it consists of, for which `AgentSession` waits before it speaks."""
    await message.modalities


async def _words(message: llm.MessageGeneration, said: list[str]) -> None:
    said.extend([str(words) async for words in message.text_stream])


async def _sound(
    message: llm.MessageGeneration, seconds: list[float], cut: Callable[[], None] | None
) -> None:
    async for frame in message.audio_stream:
        if cut is not None and not seconds[0]:
            cut()
        seconds[0] += frame.duration


async def _calls(event: llm.GenerationCreatedEvent, calls: list[llm.FunctionCall]) -> None:
    calls.extend([call async for call in event.function_stream])
