"""What a session that loses one connection after another leaves behind in its process."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import msgspec
import psutil  # type: ignore[import-untyped]

import rejoinder
from bench.losing import KEY

RECOVERY = rejoinder.Recovery(attempts=100, healthy=0.001)
BRIEF = "In a word, please."
"""Instructions for a reply that is over before anything can happen to it."""

_WARM_UP = 20
_REPLIES = 600
"""So many, each with two edits, fill every memory that a session has for what is over: it keeps the newest
1024 names of edits, as many of replies, which have two each, and less of all else."""

_AT_A_TIME = 50
_SETTLED = 0.2
"""Seconds until sockets that were closed are gone."""


class Held(msgspec.Struct, frozen=True):
    """What a process holds: ``tasks`` of its loop, ``descriptors`` of open files, ``memory`` in bytes."""

    tasks: int
    descriptors: int
    memory: int


class Kept(msgspec.Struct, frozen=True):
    """``before`` and ``after`` so many losses of one session, which is connected at both moments;
    ``apart`` and ``closed``: before it was opened, and after its end."""

    apart: Held
    before: Held
    after: Held
    closed: Held


async def reconnects(
    url: str, amount: int, warm_up: int = _WARM_UP, replies: int = _REPLIES
) -> Kept:
    """Counts it. A few losses come before the counting, for what is loaded on first use, and many replies,
    so that memories of a fixed size are full."""
    tracemalloc.start()
    try:
        apart = await _held()
        async with (
            asyncio.TaskGroup() as group,
            rejoinder.connect(base_url=url, api_key=KEY, recovery=RECOVERY) as session,
        ):
            group.create_task(_take_news(session))
            await _converse(session, replies)
            await _lose(session, warm_up)
            before = await _held()
            await _lose(session, amount)
            after = await _held()
        return Kept(apart, before, after, await _held())
    finally:
        tracemalloc.stop()


async def _take_news(session: rejoinder.Session) -> None:
    """Or the session would keep them, up to a bound."""
    async for _ in session.notices():
        pass


async def _converse(session: rejoinder.Session, amount: int) -> None:
    """Asks for that many brief replies, beside the conversation, and makes twice as many edits."""
    for _ in range(amount // _AT_A_TIME):
        edits = [session.clear_audio() for _ in range(2 * _AT_A_TIME)]
        asked = [
            session.create_response(instructions=BRIEF, conversation="none")
            for _ in range(_AT_A_TIME)
        ]
        for edit in edits:
            await edit
        for response in asked:
            (await response.outcome()).raise_for_outcome()


async def _lose(session: rejoinder.Session, amount: int) -> None:
    """Loses that many connections in mid-reply. What was said by then stays in the conversation, as it
    should, and is deleted."""
    for _ in range(amount):
        outcome = await session.create_response().outcome()
        if not isinstance(outcome, rejoinder.Lost):
            raise RuntimeError(f"the reply was not lost: {outcome}")
        for item in session.conversation.items():
            await session.delete_item(item.id or "")


async def _held() -> Held:
    await asyncio.sleep(_SETTLED)
    for _ in range(3):
        gc.collect()
    memory, _ = tracemalloc.get_traced_memory()
    return Held(len(asyncio.all_tasks()), psutil.Process().num_fds(), memory)
