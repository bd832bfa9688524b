"""LiveKit's own OpenAI plugin on our server: spoken turns of a real `AgentSession`, without a room."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from livekit.agents import Agent, AgentSession, function_tool, llm
from livekit.agents.voice import SpeechHandle
from livekit.plugins.openai.realtime import RealtimeModel
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from rejoinder.demo.agent import Captions, Ear, Mouth, conversation
from rejoinder.demo.script import recording
from rejoinder.server.script import Call, Script, Speech, Turn, after_tool
from rejoinder.server.serve import Server
from rejoinder.testing import Run, Serve
from rejoinder.wire.client_events import ConversationItemTruncate

HOURS = "We are open from nine to six."
QUESTION = "What are your opening hours?"
VAD = ServerVad(
    type="server_vad",
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=500,
    create_response=True,
    interrupt_response=True,
)


class Shop(Agent):
    """Who answers."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look_up_weather(self, city: str) -> str:
        """The weather in a city."""
        return f"dry in {city}"


class Line:
    """A conversation, and what became of it."""

    def __init__(self, session: AgentSession[Any], ear: Ear, mouth: Mouth) -> None:
        self.session = session
        self.ear = ear
        self.mouth = mouth
        self.speeches: asyncio.Queue[SpeechHandle] = asyncio.Queue()
        self.errors: list[Any] = []
        session.on("speech_created", lambda told: self.speeches.put_nowait(told.speech_handle))
        session.on("error", self.errors.append)

    async def ask(self, question: str) -> SpeechHandle:
        """Speaks one of the recordings and returns the speech that answers it."""
        self.ear.hear(recording(question))
        return await self.speeches.get()

    def words(self) -> list[tuple[str, str | None]]:
        """Who said what, in the order in which it was said."""
        messages = [i for i in self.session.history.items if isinstance(i, llm.ChatMessage)]
        return [(message.role, message.text_content) for message in messages]


@contextlib.asynccontextmanager
async def calling(server: Server) -> AsyncIterator[Line]:
    """Their model under a started `AgentSession`; any error that it reports is a failure."""
    async with aiohttp.ClientSession() as http:
        model = RealtimeModel(
            base_url=server.url, api_key="any", turn_detection=VAD, http_session=http
        )
        ear, mouth = Ear(frame_seconds=0.1), Mouth()
        async with conversation(
            Shop(), model, ear=ear, mouth=mouth, captions=Captions()
        ) as session:
            line = Line(session, ear, mouth)
            yield line
        assert line.errors == []
        await model.aclose()


def test_a_spoken_question_is_answered(run: Run, realtime_server: Serve) -> None:
    script = Script(Turn(QUESTION, Speech(HOURS, recording("answer-1"))))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as line:
            speech = await line.ask("question-1")
            await speech

            assert speech.exception() is None
            assert line.mouth.said == 1
            assert set(line.words()) == {("user", QUESTION), ("assistant", HOURS)}
            assert server.sessions[0].core.settings.config["instructions"] == "Be brief."

    run(main())


def test_a_tool_is_called_and_its_output_spoken(run: Run, realtime_server: Serve) -> None:
    script = Script(
        Turn("How is the weather in Lisbon?", Call("look_up_weather", {"city": "Lisbon"})),
        Turn(after_tool("look_up_weather"), Speech("It stays dry.")),
    )

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as line:
            speech = await line.ask("question-2")
            await speech

            outputs = [i for i in speech.chat_items if isinstance(i, llm.FunctionCallOutput)]
            assert [output.output for output in outputs] == ["dry in Lisbon"]
            assert ("assistant", "It stays dry.") in line.words()

    run(main())


def test_who_is_interrupted_has_said_only_what_was_heard(run: Run, realtime_server: Serve) -> None:
    script = Script(
        Turn(QUESTION, Speech(HOURS, lasting=20.0)), Turn("Stop.", Speech("As you wish."))
    )

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as line:
            first = await line.ask("question-1")
            second = await line.ask("question-3")
            await second

            assert first.interrupted
            assert ("assistant", "As you wish.") in line.words()
            (cut,) = (
                told
                for told in server.sessions[0].received
                if isinstance(told, ConversationItemTruncate)
            )
            assert 0 < cut.audio_end_ms < 20_000

    run(main())
