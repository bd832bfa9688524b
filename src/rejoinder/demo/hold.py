"""The demo: a spoken conversation of six turns with a real AgentSession, over a real WebSocket.

The questions are recordings, spoken into the agent's ear at real pace; turn detection is the server's.
By default the server is our own, fails in the midst of the third answer and cuts the connection in the
midst of the fifth, and the model is ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession, CloseEvent, ErrorEvent, function_tool, llm
from rich.console import Console
from rich.live import Live

from rejoinder.demo.agent import Captions, Ear, Late, Mouth, Recorder, close, conversation
from rejoinder.demo.models import OURS, keeps_journal, made, maker
from rejoinder.demo.script import ANSWERS, QUESTIONS, demo_faults, demo_script, recording
from rejoinder.demo.table import as_expected, drawn
from rejoinder.demo.watch import Watch
from rejoinder.errors import ConfigurationError
from rejoinder.journal import record
from rejoinder.server.serve import Server, serve

EXPECTED = [
    *("Completed", "Completed", "Completed"),
    *("Failed", "Completed"),
    *("Lost", "Completed"),
]
"""Opening hours; the weather (a call, then the answer); returns, cut off by an error, and one more; presents,
cut off by a lost connection, and one that wants the first to be remembered."""

_TURN_LIMIT = 30.0
_LIMIT_OF_OTHERS = 15.0
"""How long a turn may take after its question, in seconds; for another model so long to start and to
close as well."""

_INSTRUCTIONS = (
    "You answer the telephone of a small shop. Answer in one short sentence. "
    "Use the tool for questions about the weather."
)


class Shop(Agent):
    """Who answers."""

    def __init__(self) -> None:
        super().__init__(instructions=_INSTRUCTIONS)

    @function_tool
    async def look_up_weather(self, city: str) -> str:
        """Looks up today's weather in a city."""
        return f"sunny and 23 degrees in {city}"


def check(*, live: bool, client: str | None = None) -> None:
    """Raises `ConfigurationError` when the conversation cannot be held: no such ``client``, or
    ``live`` without a key."""
    if client is not None:
        maker(client)
    elif live and not os.environ.get("OPENAI_API_KEY"):
        raise ConfigurationError("--live talks to OpenAI: set OPENAI_API_KEY to your key")


async def hold(
    out: Path, console: Console, *, live: bool = False, client: str | None = None
) -> bool:
    """Holds the conversation and shows it; True if every reply ended as expected.

    Writes ``reply.wav`` (the user left, the agent right) and ``session.jsonl`` to the directory
    ``out``. ``live``: with OpenAI itself, without the fault; see `check`. ``client``: another LiveKit
    model, MODULE:CLASS; it talks to whom it likes if ``live``, has 15 s for each turn, and a journal
    only if it takes one. When the session dies, the conversation ends there; when only its connection does,
    it goes on. Raises
    `ConfigurationError` when the model cannot be made. Cancelling it closes the session and the server.
    """
    watch, recorder = Watch(None if live else ANSWERS), Recorder()
    limit = _TURN_LIMIT if client is None else _LIMIT_OF_OTHERS
    expected = None if live else EXPECTED
    async with _model(client or OURS, watch, out, live, limit) as model:
        if client is not None:
            console.print(f"With {client}.", markup=False, highlight=False, soft_wrap=True)
        with Live(console=console, get_renderable=lambda: drawn(watch, expected)):
            await _between(model, watch, recorder, limit)
    recorder.write(out / "reply.wav")
    good = _good(watch, expected)
    _conclude(console, watch, out, good, journal=keeps_journal(client or OURS))
    return good


@contextlib.asynccontextmanager
async def _model(
    client: str, watch: Watch, out: Path, live: bool, limit: float
) -> AsyncIterator[llm.RealtimeModel]:
    async with contextlib.AsyncExitStack() as stack:
        options: dict[str, Any] = {}
        if keeps_journal(client):
            options["journal"] = stack.enter_context(record.Recorder(out / "session.jsonl"))
        if not live:
            server = await stack.enter_async_context(_server(watch))
            options |= {"base_url": server.url, "api_key": "local"}
        model = made(client, **options)
        watch.follow(model)
        try:
            yield model
        finally:
            await close(model.aclose(), limit, "The model did not close", watch.trouble.append)


def _server(watch: Watch) -> AbstractAsyncContextManager[Server]:
    return serve(demo_script(), faults=demo_faults(), watch=watch.struck)


async def _between(
    model: llm.RealtimeModel, watch: Watch, recorder: Recorder, limit: float
) -> None:
    """The conversation itself; ``watch`` knows afterwards what it came to."""
    ear, mouth, captions = Ear(recorder), Mouth(recorder), Captions()
    try:
        async with conversation(
            Shop(),
            model,
            ear=ear,
            mouth=mouth,
            captions=captions,
            patience=limit,
            trouble=watch.trouble.append,
        ) as session:
            await _converse(session, watch, ear, limit)
    except Late as late:
        watch.trouble.append(str(late))


async def _converse(session: AgentSession[Any], watch: Watch, ear: Ear, limit: float) -> None:
    """Asks every question, unless the session dies before: then nobody listens any more."""
    over = asyncio.Event()

    def closed(event: CloseEvent) -> None:
        watch.error = watch.error or getattr(event.error, "error", None) or event.reason.value
        over.set()

    def failed(event: ErrorEvent) -> None:
        if not getattr(event.error, "recoverable", True):
            watch.error = getattr(event.error, "error", event.error)
            over.set()  # the session may be too broken to say that it has closed

    session.on("close", closed)
    session.on("error", failed)
    talk = asyncio.ensure_future(_talk(session, watch, ear, limit))
    end = asyncio.ensure_future(over.wait())
    try:
        await asyncio.wait([talk, end], return_when=asyncio.FIRST_COMPLETED)
    finally:
        session.off("close", closed)
        session.off("error", failed)
        end.cancel()
        talk.cancel()
    with contextlib.suppress(asyncio.CancelledError):  # of the talk, which had lost its listener
        await talk


async def _talk(session: AgentSession[Any], watch: Watch, ear: Ear, limit: float) -> None:
    loop = asyncio.get_running_loop()
    for turn in range(len(QUESTIONS)):
        watch.turn = turn
        ear.hear(recording(f"question-{turn + 1}"))
        await ear.heard()
        watch.asked(turn, loop.time())
        try:
            async with asyncio.timeout(limit):
                await _answer(session, watch, turn)
        except TimeoutError:
            watch.give_up(turn, limit)  # the table shows what is missing


async def _answer(session: AgentSession[Any], watch: Watch, turn: int) -> None:
    """Returns when the turn's last reply has ended and the agent listens again."""
    listening = asyncio.Event()

    def changed(_: object) -> None:
        if session.agent_state == "listening":
            listening.set()
        else:
            listening.clear()

    session.on("agent_state_changed", changed)
    changed(None)
    try:
        while not watch.answered(turn):
            watch.news.clear()
            await watch.news.wait()
        await listening.wait()
    finally:
        session.off("agent_state_changed", changed)


def _good(watch: Watch, expected: list[str] | None) -> bool:
    """Whether every reply, and the session itself, ended as it should."""
    return not watch.trouble and (
        _answered(watch) if expected is None else as_expected(watch, expected)
    )


def _answered(watch: Watch) -> bool:
    """With a real service the number of replies is its own affair; each question wants an answer."""
    last = [watch.of(turn)[-1:] for turn in range(len(QUESTIONS))]
    ends = [reply.end for replies in last for reply in replies]
    return len(ends) == len(QUESTIONS) and all(
        end is not None and end.name == end.wanted("Completed") for end in ends
    )


def _conclude(console: Console, watch: Watch, out: Path, good: bool, *, journal: bool) -> None:
    settled = sum(reply.settled_at is not None for reply in watch.replies)
    verdict = "each as expected" if good else "not as expected"
    lines = [f"{settled} of {len(watch.replies)} replies settled, {verdict}."]
    if watch.error is not None:
        lines.append(f"The session ended: {watch.error}")
    lines[1:1] = watch.back
    lines += [f"{trouble}." for trouble in watch.trouble]
    lines.append(f"The conversation is in {out / 'reply.wav'}" + ("," if journal else "."))
    if journal:
        lines.append(f"its journal in {out / 'session.jsonl'}.")
    console.print()
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
