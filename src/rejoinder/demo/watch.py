"""Watching a realtime session from outside: when each reply began, spoke, failed and was settled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from livekit.agents import llm

from rejoinder.demo.overheard import Overheard
from rejoinder.demo.reply import NO_REPLY, End, Reply, told
from rejoinder.livekit.news import SessionReconnectedEvent
from rejoinder.server.sights import Sight, Struck

_FAULTS = frozenset({"response.error", "response.failed", "error"})


class Watch:
    """Listens to one realtime session.

    ``answers``: what the server says in each turn, if that is known. ``heard``: what the server
    understood, by turn. ``back``: what was told each time that a lost connection was replaced. ``error``:
    what the session died of, if it did. ``trouble``: what else went wrong with it.
    """

    def __init__(self, answers: Sequence[str] | None = None) -> None:
        self.error: object = None
        self.trouble: list[str] = []
        self.replies: list[Reply] = []
        self.heard: dict[int, str] = {}
        self.back: list[str] = []
        self.turn = 0
        self.asked_at = 0.0
        self.news = asyncio.Event()
        self._answers = answers
        self._overheard: list[Overheard] = []
        self._loose: dict[int, list[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, model: llm.RealtimeModel) -> None:
        """Listens to every session that the model makes; nothing else about it differs."""
        make = model.session

        def session(**options: Any) -> llm.RealtimeSession[Any]:
            made = make(**options)
            self.attach(made)
            return made

        model.session = session  # type: ignore[method-assign]

    def attach(self, session: llm.RealtimeSession[Any]) -> None:
        """Listens from now on."""
        session.on("generation_created", self._created)
        session.on("input_audio_transcription_completed", self._transcribed)
        session.on("openai_server_event_received", self._received)
        session.on("error", self._told)
        session.on("session_reconnected", self._reconnected)

    def struck(self, _connection: int, sight: Sight) -> None:
        """Something happened at the server (`rejoinder.server.sights`): that a fault strikes, it knows first."""
        if isinstance(sight, Struck):
            self._fault(asyncio.get_running_loop().time())

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
        return bool(replies) and replies[-1].end is not None and not replies[-1].calls

    def give_up(self, turn: int, limit: float) -> None:
        """The turn's time, ``limit`` seconds, is over: what has not ended by now gets no other end."""
        replies = self.of(turn)
        if not replies or replies[-1].calls:
            missing = Reply(None, turn, self.asked_at)
            errors = told(self._loose.get(turn, [])) or "no error"
            missing.end = End(NO_REPLY, why=f"nothing within {limit:g} s, {errors}")
            self.replies.append(missing)
        for reply in replies:
            reply.give_up(limit)

    def _created(self, event: Any) -> None:
        reply = Reply(event.response_id, self.turn, self.asked_at)
        self.replies.append(reply)
        outcome = getattr(event, "outcome", None)
        if outcome is None:
            self._overheard.append(Overheard(reply, event, self._answer(), self.news.set))
        else:
            task = asyncio.ensure_future(self._settled(reply, outcome))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.news.set()

    def _answer(self) -> str | None:
        return self._answers[self.turn] if self._answers else None

    async def _settled(self, reply: Reply, outcome: Any) -> None:
        end = End.of(await outcome)
        reply.settle(end, asyncio.get_running_loop().time())
        self.news.set()

    def _told(self, event: llm.RealtimeModelError) -> None:
        """An error is about the replies that are running; else about the turn's last one, if any."""
        of_turn = [one for one in self._overheard if one.reply.turn == self.turn]
        running = [one for one in self._overheard if one.reply.end is None]
        about = running or of_turn[-1:]
        for one in about:
            one.told(event.error, fatal=not event.recoverable)
        if not about:
            self._loose.setdefault(self.turn, []).append(str(event.error))

    def _transcribed(self, event: llm.InputTranscriptionCompleted) -> None:
        self.heard[self.turn] = event.transcript
        self.news.set()

    def _received(self, event: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        if event["type"] in _FAULTS:
            self._fault(now)
        elif event["type"] == "response.output_audio.delta":
            for reply in self._running():
                if reply.response_id == event["response_id"] and reply.first_audio_at is None:
                    reply.first_audio_at = now
                    self.news.set()

    def _fault(self, now: float) -> None:
        for reply in self._running():
            reply.fault_at = reply.fault_at or now

    def _running(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.end is None]

    def _reconnected(self, event: llm.RealtimeSessionReconnectedEvent) -> None:
        """LiveKit's own event says nothing of what the new server knows."""
        told = "The connection was lost, and there is another."
        if isinstance(event, SessionReconnectedEvent):
            lost = f"; {len(event.lost)} could not be restored" if event.lost else ""
            told = (
                f"The connection was lost, and was back {event.down:.2f} s later"
                f" with {len(event.restored)} items of the conversation{lost}."
            )
        self.back.append(told)
