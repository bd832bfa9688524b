"""A line to an agent: a real `AgentSession`, without a room, and a server that may fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from livekit.agents import Agent, AgentSession, function_tool, llm
from livekit.agents.voice import SpeechHandle

from rejoinder.demo.agent import Captions, Ear, Mouth, conversation
from rejoinder.livekit import RealtimeModel, RealtimeSession
from rejoinder.server.audio import tone
from rejoinder.server.faults.fault import Fault
from rejoinder.server.script import Script
from rejoinder.server.serve import Server, serve

QUESTION = tone(1.0)
HOURS = "We are open from nine to five, but on Sundays we are closed."
COMPLAINT = "The server had an error while processing your request."
VAD = {"type": "server_vad", "silence_duration_ms": 300}


class Shop(Agent):
    """Who answers."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look_up_weather(self, city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"


class Kept(RealtimeModel):
    """A model that remembers its sessions."""

    def session(self, *, turn_detection_disabled: bool = False) -> RealtimeSession:
        self.last = super().session(turn_detection_disabled=turn_detection_disabled)
        return self.last


class Line:
    """A conversation, and what becomes of its speeches."""

    def __init__(self, server: Server, session: AgentSession[Any], ear: Ear, mouth: Mouth) -> None:
        self.server = server
        self.session = session
        self.ear = ear
        self.mouth = mouth
        self.speeches: asyncio.Queue[SpeechHandle] = asyncio.Queue()
        self.errors: list[Any] = []
        session.on("speech_created", lambda told: self.speeches.put_nowait(told.speech_handle))
        session.on("error", self.errors.append)

    @property
    def realtime(self) -> RealtimeSession:
        """The session of ours that the agent's session has."""
        model = self.session.llm
        assert isinstance(model, Kept)
        return model.last

    def said(self, kind: type[Any]) -> list[Any]:
        """The client events of a type that the server has received."""
        return [e for e in self.server.sessions[0].received if isinstance(e, kind)]

    async def ask(self) -> SpeechHandle:
        """Speaks a question and returns the speech that answers it."""
        self.ear.hear(QUESTION)
        return await self.speeches.get()

    async def answer(self) -> SpeechHandle:
        """Speaks a question and waits for the whole answer."""
        speech = await self.ask()
        await speech
        return speech

    def words(self) -> list[tuple[str, str | None]]:
        """Who said what, in the order in which it was said."""
        messages = [i for i in self.session.history.items if isinstance(i, llm.ChatMessage)]
        return [(message.role, message.text_content) for message in messages]


@contextlib.asynccontextmanager
async def calling(
    *faults: Fault | str, script: Script, agent: Agent | None = None, **options: Any
) -> AsyncIterator[Line]:
    async with serve(script, faults=faults) as server:
        told = {"turn_detection": VAD, **options}
        model = Kept(base_url=server.url, api_key="any", **told)
        ear, mouth = Ear(frame_seconds=0.1), Mouth()
        async with conversation(
            agent or Shop(), model, ear=ear, mouth=mouth, captions=Captions()
        ) as session:
            yield Line(server, session, ear, mouth)
