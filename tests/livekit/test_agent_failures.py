"""Under a real `AgentSession`: what fails is seen on its speech, and the conversation goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import AgentSession, function_tool, llm
from livekit.agents.voice import SpeechHandle

from rejoinder.core.outcomes import Failed, Incomplete, TimedOut
from rejoinder.demo.agent import Captions, Ear, Mouth, conversation
from rejoinder.livekit import RealtimeModel, RealtimeSession, ReplyError, SessionEnded
from rejoinder.server.script import Call, Refuse, Script, Speech, Turn, after_tool
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire.client_events import ResponseCreate
from tests.livekit.line import COMPLAINT, HOURS, VAD, Shop, calling


def failure(speech: SpeechHandle) -> ReplyError:
    error = speech.exception()
    assert isinstance(error, ReplyError)
    return error


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("response-error@delta:3", Failed, "inference_failed"),
        ("error-then-silence@delta:3", Failed, "server_error"),
        ("silence-mid-audio", TimedOut, "timeout_gap"),
        ("done-incomplete", Incomplete, "max_output_tokens"),
        ("done-failed", Failed, "server_error"),
    ],
)
def test_a_reply_that_fails_in_the_middle_shows_on_its_speech(
    run: Run, fault: str, kind: type[Any], code: str
) -> None:
    script = Script(Turn("When are you open?", Speech(HOURS)), Turn("Hello?", Speech("I am here.")))

    async def main() -> None:
        async with calling(fault, script=script) as call:
            speech = await call.answer()

            error = failure(speech)
            assert isinstance(error.outcome, kind)
            assert error.code == code
            assert [told.error.error for told in call.errors] == [error]
            heard = [text for who, text in call.words() if who == "assistant"]
            assert heard == [error.outcome.delivered.text]
            assert call.session.agent_state == "listening"

            following = await call.answer()
            assert following.exception() is None
            assert ("assistant", "I am here.") in call.words()

    run(main())


def test_a_reply_that_fails_before_its_first_output_shows_on_its_speech(run: Run) -> None:
    async def main() -> None:
        async with calling("response-error@created", script=Script()) as call:
            speech = call.session.generate_reply(instructions="Greet the caller.")
            await speech

            assert str(failure(speech)) == COMPLAINT
            assert call.session.agent_state == "listening"
            following = call.session.generate_reply(instructions="Greet the caller.")
            await following
            assert following.exception() is None

    run(main())


def test_a_refused_reply_shows_on_its_speech(run: Run) -> None:
    script = Script(otherwise=Turn(None, Refuse("invalid_value", "No such voice.")))

    async def main() -> None:
        async with calling(script=script) as call:
            speech = call.session.generate_reply()
            await speech

            error = failure(speech)
            assert (error.code, str(error)) == ("invalid_value", "No such voice.")

    run(main())


def test_a_reply_of_the_servers_own_that_fails_at_once_shows_on_its_speech(run: Run) -> None:
    script = Script(Turn("When are you open?", Speech(HOURS)))

    async def main() -> None:
        async with calling("response-error@created", script=script) as call:
            speech = await call.answer()

            assert str(failure(speech)) == COMPLAINT
            assert call.session.agent_state == "listening"

    run(main())


def test_who_interrupts_is_not_told_that_the_server_never_confirmed_it(run: Run) -> None:
    script = Script(Turn(lambda prompt: prompt.kind == "nothing", Speech(HOURS)))

    async def main() -> None:
        async with calling("silence-for-good", script=script) as call:
            speaking: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

            def tell(event: Any) -> None:
                if event.new_state == "speaking":
                    speaking.set_result(None)

            call.session.on("agent_state_changed", tell)
            speech = call.session.generate_reply(instructions="Greet the caller.")
            await speaking
            speech.interrupt()
            await speech
            while call.realtime.has_active_generation:
                await anext(call.ear)

            assert speech.interrupted
            assert speech.exception() is None
            assert call.errors == []

    run(main())


def test_run_raises_what_failed(run: Run) -> None:
    async def main() -> None:
        async with calling("response-error@delta:3", script=Script()) as call:
            with pytest.raises(ReplyError, match="The server had an error"):
                await call.session.run(user_input="When are you open?")

    run(main())


def test_a_later_step_that_goes_well_clears_the_failure(run: Run) -> None:
    script = Script(
        Turn(
            "How is the weather in Rome?",
            Speech("Let me see."),
            Call("look_up_weather", {"city": "Rome"}),
        ),
        Turn(after_tool("look_up_weather"), Speech("It is sunny in Rome.")),
    )

    async def main() -> None:
        async with calling("done-failed", script=script) as call:
            speech = await call.answer()

            assert len(call.errors) == 1
            assert ("assistant", "It is sunny in Rome.") in call.words()
            assert speech.exception() is None

    run(main())


def test_a_later_step_that_is_cancelled_does_not_clear_the_failure(run: Run) -> None:
    script = Script(
        Turn("How is the weather in Rome?", Call("look_up_weather", {"city": "Rome"})),
        Turn(after_tool("look_up_weather"), Speech("It is sunny in Rome.")),
    )

    async def main() -> None:
        async with calling("done-failed", "done-cancelled#2", script=script) as call:
            speech = await call.answer()

            assert ("assistant", "It is sunny in Rome.") in call.words()
            assert failure(speech).code == "server_error"

    run(main())


def test_a_tool_reply_that_fails_shows_on_the_speech(run: Run) -> None:
    script = Script(
        Turn("How is the weather in Rome?", Call("look_up_weather", {"city": "Rome"})),
        Turn(after_tool("look_up_weather"), Speech("It is sunny in Rome.")),
    )

    async def main() -> None:
        async with calling("response-error@delta:3#2", script=script) as call:
            speech = await call.answer()

            assert str(failure(speech)) == COMPLAINT

    run(main())


def test_the_end_of_the_session_closes_the_agent_session(run: Run) -> None:
    async def main() -> None:
        async with calling("refused-quota", script=Script()) as call:
            closed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            call.session.on("close", closed.set_result)
            speech = call.session.generate_reply()
            await speech

            told = await closed
            assert told.error is not None
            assert told.error.error.code == "insufficient_quota"

    run(main())


def test_a_refused_key_closes_the_agent_session_while_it_starts(run: Run) -> None:
    async def main() -> None:
        async with serve(api_key="right") as server:
            model = RealtimeModel(base_url=server.url, api_key="wrong", turn_detection=VAD)
            closed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            session: AgentSession[Any] = AgentSession(
                llm=model, vad=None, turn_handling={"turn_detection": "realtime_llm"}
            )
            session.on("close", closed.set_result)
            await session.start(Shop(), record=False)

            told = await closed
            assert isinstance(told.error.error, SessionEnded)
            await session.aclose()

    run(main())


def test_the_fallback_adapter_goes_on_with_another_model(run: Run) -> None:
    script = Script(otherwise=Turn(None, Speech("I am here.")))

    async def main() -> None:
        async with serve(faults=["refused-quota"]) as broke, serve(script) as sound:
            models = [
                RealtimeModel(base_url=server.url, api_key="any", turn_detection=VAD)
                for server in (broke, sound)
            ]
            adapter = llm.RealtimeModelFallbackAdapter(list[llm.RealtimeModel](models))
            ear, mouth, captions = Ear(frame_seconds=0.1), Mouth(), Captions()
            async with conversation(
                Shop(), adapter, ear=ear, mouth=mouth, captions=captions
            ) as session:
                failed = session.generate_reply()
                await failed
                while not sound.sessions:
                    await anext(ear)
                following = session.generate_reply()
                await following

                assert following.exception() is None
                assert captions.lines == ["I am here."]

    run(main())


class Curious(Shop):
    """Has a tool that asks aside, and does not mind if that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.error: llm.RealtimeError | None = None

    @function_tool
    async def wonder(self) -> None:
        """Wonders."""
        realtime = self.realtime_llm_session
        assert isinstance(realtime, RealtimeSession)
        try:
            event = await realtime.generate_reply(conversation="none", modalities=["text"])
            async for message in event.message_stream:
                async for _ in message.text_stream:
                    pass
        except llm.RealtimeError as error:
            self.error = error


@pytest.mark.parametrize(
    "fault", ["response-error@created#2", "response-error@text:1#2"], ids=["before", "after"]
)
def test_what_fails_beside_the_conversation_is_no_failure_of_the_speech(
    run: Run, fault: str
) -> None:
    script = Script(
        Turn("Is it so?", Call("wonder", {})),
        Turn(lambda prompt: prompt.out_of_band, Speech("I wonder.")),
    )

    async def main() -> None:
        curious = Curious()
        async with calling(fault, script=script, agent=curious) as call:
            speech = await call.answer()

            assert speech.exception() is None
            assert (curious.error is not None) == (fault == "response-error@created#2")
            assert len(call.said(ResponseCreate)) == 1
            assert call.errors == []

    run(main())
