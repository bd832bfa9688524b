"""Watching a realtime session from outside: when each reply began, spoke, failed and was settled."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import llm

from rejoinder.core.outcomes import Outcome

_FAULTS = frozenset({"response.error", "response.failed", "error"})


class Reply:
    """One reply. Moments are of the loop's clock, None where it did not happen.

    ``turn`` counts the user's questions from 0. ``asked_at``: when the question had been spoken.
    """

    def __init__(self, response_id: str, turn: int, asked_at: float) -> None:
        self.response_id = response_id
        self.turn = turn
        self.asked_at = asked_at
        self.first_audio_at: float | None = None
        self.fault_at: float | None = None
        self.settled_at: float | None = None
        self.outcome: Outcome | None = None

    @property
    def first_audio_s(self) -> float | None:
        """Seconds from the end of the question to the first audio of this reply."""
        return None if self.first_audio_at is None else self.first_audio_at - self.asked_at

    @property
    def fault_to_settled_s(self) -> float | None:
        """Seconds from the fault to the moment at which the caller had the outcome."""
        if self.fault_at is None or self.settled_at is None:
            return None
        return self.settled_at - self.fault_at

    @property
    def calls(self) -> list[str]:
        """The names of the tools that it called."""
        return [call.name for call in self.outcome.delivered.function_calls] if self.outcome else []


class Watch:
    """Listens to one realtime session.

    ``heard``: what the server understood, by turn. ``error``: what the session died of, if it did.
    """

    def __init__(self) -> None:
        self.error: object = None
        self.replies: list[Reply] = []
        self.heard: dict[int, str] = {}
        self.turn = 0
        self.asked_at = 0.0
        self.news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, session: llm.RealtimeSession[Any]) -> None:
        """Listens from now on."""
        session.on("generation_created", self._created)
        session.on("input_audio_transcription_completed", self._transcribed)
        session.on("openai_server_event_received", self._received)

    def asked(self, turn: int, now: float) -> None:
        """The question of this turn has been spoken."""
        self.turn, self.asked_at = turn, now
        for reply in self.of(turn):
            reply.asked_at = now

    def of(self, turn: int) -> list[Reply]:
        """The replies of a turn so far."""
        return [reply for reply in self.replies if reply.turn == turn]

    def answered(self, turn: int) -> bool:
        """Whether the last reply of a turn has ended and called no tool: no other will follow."""
        replies = self.of(turn)
        return bool(replies) and replies[-1].outcome is not None and not replies[-1].calls

    def _created(self, event: Any) -> None:
        reply = Reply(event.response_id, self.turn, self.asked_at)
        self.replies.append(reply)
        task = asyncio.ensure_future(self._settled(reply, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.news.set()

    async def _settled(self, reply: Reply, event: Any) -> None:
        reply.outcome = await event.outcome
        reply.settled_at = asyncio.get_running_loop().time()
        self.news.set()

    def _transcribed(self, event: llm.InputTranscriptionCompleted) -> None:
        self.heard[self.turn] = event.transcript
        self.news.set()

    def _received(self, event: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        running = [reply for reply in self.replies if reply.outcome is None]
        if event["type"] in _FAULTS:
            for reply in running:
                reply.fault_at = reply.fault_at or now
        elif event["type"] == "response.output_audio.delta":
            for reply in running:
                if reply.response_id == event["response_id"] and reply.first_audio_at is None:
                    reply.first_audio_at = now
                    self.news.set()
