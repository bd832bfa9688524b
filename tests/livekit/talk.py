"""A session of ours with a server that may fail, and everything that the caller gets to see of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from livekit.agents import function_tool, llm
from livekit.agents.metrics import RealtimeModelMetrics, STTMetrics

from rejoinder.core.outcomes import Outcome
from rejoinder.livekit import (
    RealtimeModel,
    RealtimeSession,
    ReplyCreatedEvent,
    ReplyError,
    SessionReconnectedEvent,
)
from rejoinder.server.audio import tone
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Fault
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.faults.strikes import under_another_id
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.server.serve import Server, serve
from rejoinder.server.shell.served import ServedSession
from rejoinder.wire.client_events import ClientEventBase, ResponseCancel

VAD = {"type": "server_vad", "silence_duration_ms": 300}
WORDS = "Good morning, and welcome to the little shop."
SPOKEN = Script(otherwise=Turn(None, Speech(WORDS, lasting=0.8)))


@dataclass
class Heard:
    """What came of one reply. ``took``: seconds from the asking to the end of everything."""

    took: float = 0.0
    event: ReplyCreatedEvent | None = None
    error: ReplyError | None = None
    outcome: Outcome | None = None
    text: str = ""
    audio_seconds: float = 0.0
    modalities: list[list[str]] = field(default_factory=list)
    calls: list[llm.FunctionCall] = field(default_factory=list)


class OurSide:
    """A session, and what it announced."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.errors: list[llm.RealtimeModelError] = []
        self.created: list[llm.GenerationCreatedEvent] = []
        self.metrics: list[RealtimeModelMetrics | STTMetrics] = []
        session.on("error", self.errors.append)
        session.on("generation_created", self.created.append)
        session.on("metrics_collected", self.metrics.append)

    @property
    def reports(self) -> list[tuple[bool, str | None]]:
        """Of each error event whether the session goes on, and the code."""
        assert all(isinstance(told.error, llm.RealtimeError) for told in self.errors)
        return [(told.recoverable, getattr(told.error, "code", None)) for told in self.errors]

    @property
    def usage(self) -> list[RealtimeModelMetrics]:
        """The metrics of responses."""
        told = [told for told in self.metrics if isinstance(told, RealtimeModelMetrics)]
        return [told for told in told if told.request_id]

    async def reply(self, **arguments: Any) -> Heard:
        """Asks for a reply and reads it to its end, as LiveKit does."""
        loop = asyncio.get_running_loop()
        asked_at, heard = loop.time(), Heard()
        try:
            event = await self.session.generate_reply(**arguments)
        except ReplyError as error:
            heard.error, heard.outcome = error, error.outcome
        else:
            await self.listen(event, heard)
        heard.took = loop.time() - asked_at
        return heard

    async def listen(self, event: llm.GenerationCreatedEvent, heard: Heard) -> Heard:
        """Reads every stream of a reply to its end."""
        assert isinstance(event, ReplyCreatedEvent)
        heard.event = event
        await asyncio.gather(_messages(event, heard), _calls(event, heard))
        heard.outcome = await event.outcome
        return heard


class Talk(OurSide):
    """A session, its server, and what the session announced."""

    def __init__(self, server: Server, model: RealtimeModel, session: RealtimeSession) -> None:
        super().__init__(session)
        self.server = server
        self.model = model

    @property
    def peer(self) -> ServedSession:
        """The server's side of the session."""
        return self.server.sessions[0]

    @property
    def newest(self) -> ServedSession:
        """The server's side of the connection that was made last."""
        return self.server.sessions[-1]

    def said(self, kind: type[ClientEventBase]) -> list[Any]:
        """The client events of a type that the server has received."""
        return told(self.peer, kind)

    @property
    def cancelled(self) -> list[str]:
        """The responses that the server was told to stop. A cancel without an id fails the test."""
        cancels = self.said(ResponseCancel)
        assert all(isinstance(event.response_id, str) for event in cancels)
        return [str(event.response_id) for event in cancels]


async def _messages(event: llm.GenerationCreatedEvent, heard: Heard) -> None:
    async for message in event.message_stream:
        await asyncio.gather(_text(message, heard), _audio(message, heard))
        heard.modalities.append(list(await message.modalities))
        assert await message.modalities == heard.modalities[-1]


async def _text(message: llm.MessageGeneration, heard: Heard) -> None:
    async for text in message.text_stream:
        heard.text += text


async def _audio(message: llm.MessageGeneration, heard: Heard) -> None:
    async for frame in message.audio_stream:
        assert (frame.sample_rate, frame.num_channels) == (24_000, 1)
        heard.audio_seconds += frame.duration


async def _calls(event: llm.GenerationCreatedEvent, heard: Heard) -> None:
    async for call in event.function_stream:
        heard.calls.append(call)


@contextlib.asynccontextmanager
async def talking(
    *faults: AnyFault | str, script: Script = SPOKEN, **options: Any
) -> AsyncIterator[Talk]:
    """A session with a server that speaks ``script`` and has these faults."""
    async with serve(script, faults=faults) as server:
        model = RealtimeModel(base_url=server.url, api_key="any", **options)
        session = model.session()
        try:
            yield Talk(server, model, session)
        finally:
            await session.aclose()


def first(
    session: Any, event: str, wanted: Callable[[Any], bool] = lambda _: True
) -> asyncio.Future[Any]:
    """The first announcement of an event from now on that is wanted."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def tell(told: Any) -> None:
        if not future.done() and wanted(told):
            future.set_result(told)

    session.on(event, tell)
    return future


def told(session: ServedSession, kind: type[ClientEventBase]) -> list[Any]:
    """The client events of a type that came on one connection."""
    return [event for event in session.received if isinstance(event, kind)]


def items_of(session: ServedSession) -> list[str | None]:
    """The ids of the server's conversation, in order."""
    return [item.id for item in session.conversation.items()]


def back(talk: Talk) -> asyncio.Future[SessionReconnectedEvent]:
    """The next announcement that there is a connection again."""
    return first(talk.session, "session_reconnected")


async def passes(seconds: float) -> None:
    """So much time goes by. In virtual time it takes none."""
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


def microphone(*, speaking: float = 0.0, silent: float = 0.0) -> rtc.AudioFrame:
    """So many seconds of something to be heard, then of nothing."""
    samples = tone(speaking) + bytes(int(silent * 24_000) * 2)
    return rtc.AudioFrame(samples, 24_000, 1, len(samples) // 2)


def messages(*texts: str) -> llm.ChatContext:
    """A chat context of user messages, each named after its text."""
    return llm.ChatContext(
        [llm.ChatMessage(id=f"item_{text}", role="user", content=[text]) for text in texts]
    )


@function_tool
async def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def renaming() -> list[Fault]:
    """A server that gives every item an id of its own."""
    events = ("conversation.item.added", "conversation.item.done")
    return [
        Fault("renaming", point(f"instead-{event}:0"), under_another_id, response=None)
        for event in events
    ]


async def transcripts_of(talk: Talk) -> list[llm.InputTranscriptionCompleted]:
    """Speaks a turn and returns what is told of it, until it is final."""
    told: list[llm.InputTranscriptionCompleted] = []
    talk.session.on("input_audio_transcription_completed", told.append)
    final = first(talk.session, "input_audio_transcription_completed", lambda event: event.is_final)
    talk.session.push_audio(microphone(speaking=1.0, silent=1.0))
    await final
    return told


@function_tool(raw_schema={"name": "x" * 65, "parameters": {"type": "object"}})
async def longwinded(raw_arguments: dict[str, object]) -> None:
    """Has a name longer than servers take."""
