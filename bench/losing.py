"""What a lost connection takes away from the caller, and how soon: moments of the client's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
from livekit.agents import llm

import rejoinder
from rejoinder.livekit import RealtimeModel, ReplyCreatedEvent
from rejoinder.wire.items import ContentPart, Item

KEY = "sk-proj-" + "Bench0123456789" * 10


class Loss(msgspec.Struct, frozen=True):
    """When everything of a reply that was cut off had ended, and when the next one was first heard."""

    settled_at: float
    heard_at: float


async def lost_by_client(url: str, items: int) -> Loss:
    """One reply of a session of ours with so many items before it. Raises `RuntimeError` if it is not lost."""
    loop = asyncio.get_running_loop()
    async with rejoinder.connect(base_url=url, api_key=KEY) as session:
        for edit in [session.create_item(_message(number)) for number in range(items)]:
            await edit
        await _cut_off(session.create_response())
        settled_at = loop.time()
        async for part in session.create_response():
            if isinstance(part, rejoinder.Audio):
                return Loss(settled_at, loop.time())
    raise RuntimeError("the next reply was not heard")


async def _cut_off(response: rejoinder.Response) -> None:
    try:
        async for _ in response:
            pass
    except rejoinder.ResponseLostError:
        await response.outcome()
    else:
        raise RuntimeError("the reply was not lost")


async def lost_by_livekit(url: str, items: int) -> Loss:
    """The same through LiveKit's interface."""
    loop = asyncio.get_running_loop()
    session = RealtimeModel(base_url=url, api_key=KEY).session()
    try:
        chat = llm.ChatContext()
        for number in range(items):
            chat.add_message(role="user" if number % 2 else "assistant", content=_words(number))
        await session.update_chat_ctx(chat)
        await _ended(await session.generate_reply())
        settled_at = loop.time()
        created = await session.generate_reply()
        message = await anext(aiter(created.message_stream))
        await anext(aiter(message.audio_stream))
        return Loss(settled_at, loop.time())
    finally:
        await session.aclose()


async def _ended(created: llm.GenerationCreatedEvent) -> None:
    """Returns when every stream of a reply has ended, and its outcome is there."""
    async for message in created.message_stream:
        await asyncio.gather(_drain(message.audio_stream), _drain(message.text_stream))
        await message.modalities
    await _drain(created.function_stream)
    outcome = await created.outcome if isinstance(created, ReplyCreatedEvent) else None
    if not isinstance(outcome, rejoinder.Lost):
        raise RuntimeError(f"the reply was not lost: {outcome}")


async def _drain(stream: object) -> None:
    async for _ in stream:  # type: ignore[attr-defined]
        pass


def _message(number: int) -> Item:
    if number % 2:
        part = ContentPart(type="input_text", text=_words(number))
        return Item(type="message", role="user", content=[part])
    part = ContentPart(type="output_text", text=_words(number))
    return Item(type="message", role="assistant", content=[part])


def _words(number: int) -> str:
    return f"This is said as number {number}, and it is about as long as what people say."


Losing: TypeAlias = Callable[[str, int], Awaitable[Loss]]

CLIENTS: dict[str, Losing] = {"client": lost_by_client, "livekit": lost_by_livekit}


async def losses(url: str, client: str, items: int, amount: int) -> list[Loss]:
    """So many, one after the other, each of a session of its own."""
    return [await CLIENTS[client](url, items) for _ in range(amount)]
