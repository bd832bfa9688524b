"""A realtime session of the `openai-agents` package, driven as its quickstart shows it.

A message is sent, and the session's events are read until ``agent_end``, the end of a turn. An ``error``
event names no turn. Before ``agent_start`` it is taken for the answer to what was asked; after that the
quickstart goes on to ``agent_end``, and so does this, with the error told beside the reply.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import agents
import msgspec
from agents.realtime import (
    RealtimeAgent,
    RealtimeAgentStartEvent,
    RealtimeAudio,
    RealtimeAudioInterrupted,
    RealtimeError,
    RealtimeRawModelEvent,
    RealtimeRunner,
    RealtimeSession,
    RealtimeSessionEvent,
)

from rejoinder.conformance.driver import (
    ABILITIES,
    COMPLETE,
    CUT,
    ERROR,
    TOOL,
    TOOL_OUTPUT,
    Heard,
)

_MODEL = "gpt-realtime"
_BYTES_PER_SECOND = 48_000
_FRAME = _BYTES_PER_SECOND // 50


@agents.function_tool(name_override=TOOL)
async def _look_up_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: {TOOL_OUTPUT}"


class _Turn(msgspec.Struct):
    """A turn as far as it has come. ``calls``: how many of the tool."""

    said: str = ""
    size: int = 0
    end: str = ERROR
    why: str = ""
    beside: str = ""
    begun: bool = False
    calls: int = 0

    @property
    def heard(self) -> Heard:
        """What the user has of it."""
        return Heard(self.said, self.size / _BYTES_PER_SECOND, self.end, self.why, self.beside)

    def take(self, event: RealtimeSessionEvent) -> None:
        """Notes what an event says of the turn."""
        match event:
            case RealtimeAgentStartEvent():
                self.begun = True
            case RealtimeAudio():
                self.size += len(event.audio.data)
            case RealtimeAudioInterrupted() if self.begun:
                self.why = event.type
            case RealtimeRawModelEvent(data=data):
                if data.type == "transcript_delta" or data.type == "output_text_delta":
                    self.said += data.delta
                self.calls += data.type == "function_call"
            case RealtimeError() if self.begun:
                self.beside = str(event.error)
            case RealtimeError():
                self.why = str(event.error)
            case _:
                pass


class Driver:
    """One session. Turns follow each other in it, so there is no ``pair``."""

    can = ABILITIES - {"pair"}

    def __init__(self, url: str) -> None:
        self._url = f"{url}/realtime?model={_MODEL}"
        self._agent: RealtimeAgent[Any] = RealtimeAgent(
            name="Assistant",
            instructions="You are a helpful voice assistant.",
            tools=[_look_up_weather],
        )
        self._session: RealtimeSession

    async def open(self) -> None:
        agents.set_tracing_disabled(True)  # its export would leave this machine
        runner = RealtimeRunner(self._agent, config={"model_settings": {"model_name": _MODEL}})
        self._session = await runner.run(model_config={"url": self._url, "api_key": "any"})
        await self._session.enter()

    async def ask(self, question: str) -> Heard:
        return (await self._turn(self._session.send_message(question))).heard

    async def speak(self, samples: bytes) -> Heard:
        return (await self._turn(self._spoken(samples))).heard

    async def _spoken(self, samples: bytes) -> None:
        for at in range(0, len(samples), _FRAME):
            await self._session.send_audio(samples[at : at + _FRAME])

    async def use_tool(self, question: str) -> Heard:
        turn = await self._turn(self._session.send_message(question))
        if turn.end == COMPLETE and turn.calls:  # the session runs the tool and asks by itself
            turn = await self._turn()
        return turn.heard

    async def cut(self, question: str) -> Heard:
        return (await self._turn(self._session.send_message(question), cut=True)).heard

    async def instruct(self, instructions: str) -> Heard:
        self._agent = self._agent.clone(instructions=instructions)
        await self._session.update_agent(self._agent)
        async for event in self._session:
            if event.type == "error":
                return Heard(beside=str(event.error))
            if _instructions(event) == instructions:
                return Heard()
        raise RuntimeError("the session ended before session.updated")

    async def close(self) -> None:
        await self._session.close()

    async def _turn(self, asking: Awaitable[None] | None = None, *, cut: bool = False) -> _Turn:
        turn = _Turn()
        try:
            if asking is not None:
                await asking
            await self._read(turn, cut=cut)
        except Exception as error:  # noqa: BLE001 - whatever the session raises is what its user hears
            turn.why = f"{type(error).__name__}: {error}"
        return turn

    async def _read(self, turn: _Turn, *, cut: bool = False) -> None:
        """Reads events until the turn is over; ``cut``: interrupts it at its first sound."""
        async for event in self._session:
            turn.take(event)
            if event.type == "audio" and cut:
                cut = False
                await self._session.interrupt()
            elif event.type == "error" and not turn.begun:
                return
            elif event.type == "agent_end":
                turn.end = CUT if turn.why else COMPLETE
                return
        turn.why = "the events ended before agent_end"


def _instructions(event: Any) -> str | None:
    """Those that the server says are in force, in an event that says it."""
    if event.type != "raw_model_event" or event.data.type != "raw_server_event":
        return None
    told = event.data.data
    return told["session"].get("instructions") if told.get("type") == "session.updated" else None
