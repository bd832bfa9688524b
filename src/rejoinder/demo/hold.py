"""The demo: a spoken conversation of four turns with a real AgentSession, over a real WebSocket.

The questions are recordings, spoken into the agent's ear at real pace; turn detection is the server's.
By default the server is our own and fails in the midst of the third answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession, CloseEvent, function_tool
from rich.console import Console
from rich.live import Live

from rejoinder.demo.agent import Captions, Ear, Mouth, Recorder, conversation
from rejoinder.demo.script import QUESTIONS, demo_faults, demo_script, recording
from rejoinder.demo.table import as_expected, drawn, outcome_name
from rejoinder.demo.watch import Watch
from rejoinder.errors import ConfigurationError
from rejoinder.journal import record
from rejoinder.livekit import RealtimeModel, RealtimeSession
from rejoinder.server.serve import serve

EXPECTED = ["Completed", "Completed", "Completed", "Failed", "Completed"]
"""Opening hours; the weather (a call, then the answer); returns, cut off; and one more."""

_TURN_LIMIT = 30.0
_INSTRUCTIONS = (
    "You answer the telephone of a small shop. Answer in one short sentence. "
    "Use the tool for questions about the weather."
)


class Watched(RealtimeModel):
    """A model whose sessions are watched; nothing else about it differs."""

    def __init__(self, watch: Watch, **options: Any) -> None:
        super().__init__(**options)
        self._watch = watch

    def session(self, *, turn_detection_disabled: bool = False) -> RealtimeSession:
        """A session, and somebody who looks at it."""
        session = super().session(turn_detection_disabled=turn_detection_disabled)
        self._watch.attach(session)
        return session


class Shop(Agent):
    """Who answers."""

    def __init__(self) -> None:
        super().__init__(instructions=_INSTRUCTIONS)

    @function_tool
    async def look_up_weather(self, city: str) -> str:
        """Looks up today's weather in a city."""
        return f"sunny and 23 degrees in {city}"


def check(*, live: bool) -> None:
    """Raises `ConfigurationError` when the conversation cannot be held: ``live`` needs a key."""
    if live and not os.environ.get("OPENAI_API_KEY"):
        raise ConfigurationError("--live talks to OpenAI: set OPENAI_API_KEY to your key")


async def hold(out: Path, console: Console, *, live: bool = False) -> bool:
    """Holds the conversation and shows it; True if every reply ended as expected.

    Writes ``reply.wav`` (the user left, the agent right) and ``session.jsonl`` to the directory
    ``out``. ``live``: with OpenAI itself, without the fault; see `check`. When the session dies, the
    conversation ends there. Cancelling it closes the session and the server.
    """
    watch, recorder, captions = Watch(), Recorder(), Captions()
    ear, mouth = Ear(recorder), Mouth(recorder)
    with record.Recorder(out / "session.jsonl") as journal:
        async with _model(watch, journal, live) as model:
            expected = None if live else EXPECTED
            with Live(console=console, get_renderable=lambda: drawn(watch, expected)):
                async with conversation(
                    Shop(), model, ear=ear, mouth=mouth, captions=captions
                ) as session:
                    await _converse(session, watch, ear)
    recorder.write(out / "reply.wav")
    good = _answered(watch) if live else as_expected(watch, EXPECTED)
    _conclude(console, watch, out, good)
    return good


@contextlib.asynccontextmanager
async def _model(
    watch: Watch, journal: record.Recorder, live: bool
) -> AsyncIterator[RealtimeModel]:
    async with contextlib.AsyncExitStack() as stack:
        options: dict[str, Any] = {}
        if not live:
            server = await stack.enter_async_context(serve(demo_script(), faults=demo_faults()))
            options = {"base_url": server.url, "api_key": "local"}
        model = Watched(watch, journal=journal, **options)
        stack.push_async_callback(model.aclose)
        yield model


async def _converse(session: AgentSession[Any], watch: Watch, ear: Ear) -> None:
    """Asks every question, unless the session dies before: then nobody listens any more."""
    closed = asyncio.Event()

    def died(event: CloseEvent) -> None:
        watch.error = getattr(event.error, "error", None) or event.reason.value
        closed.set()

    session.on("close", died)
    talk = asyncio.ensure_future(_talk(session, watch, ear))
    over = asyncio.ensure_future(closed.wait())
    try:
        await asyncio.wait([talk, over], return_when=asyncio.FIRST_COMPLETED)
    finally:
        session.off("close", died)
        over.cancel()
        talk.cancel()
    with contextlib.suppress(asyncio.CancelledError):  # of the talk, which had lost its listener
        await talk


async def _talk(session: AgentSession[Any], watch: Watch, ear: Ear) -> None:
    loop = asyncio.get_running_loop()
    for turn in range(len(QUESTIONS)):
        watch.turn = turn
        ear.hear(recording(f"question-{turn + 1}"))
        await ear.heard()
        watch.asked(turn, loop.time())
        with contextlib.suppress(TimeoutError):  # the table then shows what is missing
            async with asyncio.timeout(_TURN_LIMIT):
                await _answer(session, watch, turn)


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


def _answered(watch: Watch) -> bool:
    """With OpenAI itself the number of replies is its own affair; each question wants an answer."""
    return all(
        watch.of(turn) and outcome_name(watch.of(turn)[-1]) == "Completed"
        for turn in range(len(QUESTIONS))
    )


def _conclude(console: Console, watch: Watch, out: Path, good: bool) -> None:
    settled = sum(reply.outcome is not None for reply in watch.replies)
    verdict = "each as expected" if good else "not as expected"
    lines = [f"{settled} of {len(watch.replies)} replies settled, {verdict}."]
    if watch.error is not None:
        lines.append(f"The session ended: {watch.error}")
    lines.append(f"The conversation is in {out / 'reply.wav'},")
    lines.append(f"its journal in {out / 'session.jsonl'}.")
    console.print()
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
