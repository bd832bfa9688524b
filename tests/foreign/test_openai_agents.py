"""Realtime agents of the `openai-agents` package on our server, with nothing of ours on their side."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import agents
import pytest
from agents.realtime import (
    RealtimeAgent,
    RealtimePlaybackTracker,
    RealtimeRunner,
    RealtimeSession,
)
from websockets.exceptions import ConnectionClosedError

from rejoinder.demo.script import recording
from rejoinder.server.script import Call, Script, Speech, Turn, after_tool
from rejoinder.server.serve import Server
from rejoinder.testing import Run, Serve
from rejoinder.wire.client_events import ConversationItemTruncate, ResponseCancel
from tests.foreign.sdk import strictly

agents.set_tracing_disabled(True)  # its export would leave this machine

MODEL = "gpt-realtime"
HOURS = "We are open from nine to six."
QUESTION = "What are your opening hours?"
SILENCE = bytes(72_000)
LONG = Speech("One two three four five six seven eight nine ten.", lasting=20.0, pace=2.0)


@agents.function_tool
async def look_up_weather(city: str) -> str:
    """The weather in a city."""
    return f"dry in {city}"


class Talk:
    """A realtime session of theirs, and what it told of; its raw events are read strictly."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.heard: list[Any] = []
        self._events = session.__aiter__()

    async def until(self, wanted: Callable[[Any], bool] | str) -> Any:
        """The next event that is wanted, or of this type."""
        fits = (lambda told: told.type == wanted) if isinstance(wanted, str) else wanted
        while True:
            told = await anext(self._events)
            if told.type != "raw_model_event":
                self.heard.append(told)
            elif told.data.type == "raw_server_event":
                strictly(json.dumps(told.data.data).encode())
            if fits(told):
                return told

    def types(self) -> list[str]:
        """What was told, each stretch of the same kind once, histories apart."""
        kinds = [told.type for told in self.heard if not told.type.startswith("history")]
        return [kind for at, kind in enumerate(kinds) if kinds[at - 1 : at] != [kind]]

    def samples(self) -> bytes:
        """All audio so far."""
        return b"".join(told.audio.data for told in self.heard if told.type == "audio")

    def history(self) -> list[tuple[str, str | None]]:
        """Who said what, as the last history has it."""
        last = next(told for told in reversed(self.heard) if told.type == "history_updated")
        messages = [item for item in last.history if item.type == "message"]
        return [(m.role, _words(part)) for m in messages for part in m.content]

    async def updated(self) -> None:
        """The server's word that an update is in force."""
        await self.until(lambda told: _raw_type(told) == "session.updated")


def _words(part: Any) -> str | None:
    return part.transcript if part.type in ("audio", "input_audio") else str(part.text)


def _raw_type(told: Any) -> str | None:
    if told.type != "raw_model_event" or told.data.type != "raw_server_event":
        return None
    return str(told.data.data["type"])


@contextlib.asynccontextmanager
async def talking(server: Server, **options: Any) -> AsyncIterator[Talk]:
    """A session with a tool, as theirs are by default; any error that it tells of is a failure."""
    settings = {"model_name": MODEL, **options.pop("settings", {})}
    agent = RealtimeAgent(name="Shop", instructions="Be brief.", tools=[look_up_weather])
    config: Any = {
        "url": f"{server.url}/realtime?model={MODEL}",
        "api_key": "any",
        "initial_model_settings": settings,
        **options,
    }
    async with await RealtimeRunner(agent).run(model_config=config) as session:
        talk = Talk(session)
        yield talk
    assert [told.error for told in talk.heard if told.type == "error"] == []


def test_a_tool_is_called_and_its_output_spoken(run: Run, realtime_server: Serve) -> None:
    script = Script(
        Turn("weather", Call("look_up_weather", {"city": "Lisbon"})),
        Turn(after_tool("look_up_weather"), Speech("It stays dry.", recording("answer-2"))),
    )

    async def main() -> None:
        async with realtime_server(script) as server, talking(server) as talk:
            await talk.session.send_message("How is the weather in Lisbon?")
            end = await talk.until("tool_end")
            assert (end.tool.name, end.output) == ("look_up_weather", "dry in Lisbon")
            await talk.until("audio_end")
            last = await talk.until("agent_end")
            assert talk.samples() == recording("answer-2")
            assert talk.types() == [
                *("agent_start", "agent_end", "tool_start", "tool_end"),
                *("agent_start", "audio", "audio_end", "agent_end"),
            ]
            assert talk.history() == [
                ("user", "How is the weather in Lisbon?"),
                ("assistant", "It stays dry."),
            ]
            assert last.info.context.usage.requests == 2
            assert last.info.context.usage.output_tokens > 0
            (tool,) = server.sessions[0].core.settings.config["tools"]
            assert tool["name"] == "look_up_weather"

    run(main())


def test_a_spoken_question_is_heard_and_answered(run: Run, realtime_server: Serve) -> None:
    script = Script(Turn(QUESTION, Speech(HOURS, recording("answer-1"))))

    async def main() -> None:
        async with realtime_server(script) as server, talking(server) as talk:
            await talk.updated()
            await talk.session.send_audio(recording("question-1") + SILENCE)
            await talk.until("agent_end")
            assert talk.samples() == recording("answer-1")
            assert set(talk.history()) == {("user", QUESTION), ("assistant", HOURS)}

    run(main())


def test_speech_interrupts_a_reply(run: Run, realtime_server: Serve) -> None:
    script = Script(Turn("count", LONG), Turn(QUESTION, Speech(HOURS)))

    async def main() -> None:
        tracker = RealtimePlaybackTracker()
        async with (
            realtime_server(script) as server,
            talking(server, playback_tracker=tracker) as talk,
        ):
            await talk.session.send_message("Please count.")
            first = await talk.until("audio")
            tracker.on_play_ms(first.item_id, first.content_index, 40)
            await talk.session.send_audio(recording("question-1") + SILENCE)
            cut = await talk.until("audio_interrupted")
            assert cut.item_id == first.item_id
            await talk.until("agent_end")
            await talk.until("agent_end")
            (truncate,) = (
                event
                for event in server.sessions[0].received
                if isinstance(event, ConversationItemTruncate)
            )
            assert (truncate.item_id, truncate.audio_end_ms) == (first.item_id, 40)
            assert ("assistant", HOURS) in talk.history()

    run(main())


def test_a_reply_is_interrupted_by_hand(run: Run, realtime_server: Serve) -> None:
    by_hand = {"turn_detection": {"type": "semantic_vad", "interrupt_response": False}}
    script = Script(Turn("count", LONG), Turn("open", Speech(HOURS)))

    async def main() -> None:
        async with (
            realtime_server(script) as server,
            talking(server, settings=by_hand) as talk,
        ):
            await talk.session.send_message("Please count.")
            await talk.until("audio")
            await talk.session.interrupt()
            await talk.until("audio_interrupted")
            await talk.until("agent_end")
            assert any(isinstance(told, ResponseCancel) for told in server.sessions[0].received)
            await talk.session.send_message("When are you open?")
            await talk.until("agent_end")
            assert ("assistant", HOURS) in talk.history()

    run(main())


def test_an_agent_takes_over_from_another(run: Run, realtime_server: Serve) -> None:
    script = Script(Turn("open", Speech(HOURS)))

    async def main() -> None:
        async with realtime_server(script) as server, talking(server) as talk:
            await talk.session.send_message("When are you open?")
            await talk.until("agent_end")
            await talk.session.update_agent(RealtimeAgent(name="Till", instructions="Be polite."))
            await talk.updated()
            config = server.sessions[0].core.settings.config
            assert (config["instructions"], config["tools"]) == ("Be polite.", [])
            assert config["tracing"] == "auto"

    run(main())


async def refused(server: Server) -> None:
    """Listens to a session that is refused until it ends."""
    async with talking(server) as talk:
        told = await talk.until("error")
        assert told.error.code == "invalid_api_key"
        await talk.until("a type that there is not")


def test_a_wrong_key_ends_the_session_with_its_close(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server(api_key="right") as server:
            with pytest.raises(ConnectionClosedError) as closed:
                await refused(server)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 3000

    run(main())
