"""Under a real `AgentSession`: turns, tools, interruptions, and agents that hand over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import Agent, function_tool, llm

from rejoinder.core.outcomes import Completed
from rejoinder.server.script import Call, Script, Speech, Turn, after_tool
from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemTruncate, ResponseCancel, ResponseCreate
from tests.livekit.line import HOURS, VAD, Kept, Shop, calling


def test_a_spoken_question_is_answered(run: Run) -> None:
    async def main() -> None:
        async with calling(script=Script(Turn("When are you open?", Speech(HOURS)))) as call:
            speech = await call.answer()

            assert speech.exception() is None
            assert not speech.interrupted
            assert call.mouth.said == 1
            assert set(call.words()) == {("user", "When are you open?"), ("assistant", HOURS)}
            assert call.session.usage.model_usage
            assert call.errors == []

    run(main())


def test_a_tool_is_called_and_its_result_is_spoken(run: Run) -> None:
    script = Script(
        Turn("How is the weather in Rome?", Call("look_up_weather", {"city": "Rome"})),
        Turn(after_tool("look_up_weather"), Speech("It is sunny in Rome.")),
    )

    async def main() -> None:
        async with calling(script=script) as call:
            speech = await call.answer()

            assert speech.exception() is None
            assert ("assistant", "It is sunny in Rome.") in call.words()
            outputs = [i for i in speech.chat_items if isinstance(i, llm.FunctionCallOutput)]
            assert [output.output for output in outputs] == ["sunny in Rome"]
            assert call.said(ResponseCancel) == []
            assert len(call.said(ResponseCreate)) == 1

    run(main())


def test_who_is_interrupted_has_said_only_what_was_heard(run: Run) -> None:
    script = Script(
        Turn("When are you open?", Speech(HOURS)), Turn("Stop.", Speech("As you wish."))
    )

    async def main() -> None:
        async with calling(script=script) as call:
            first = await call.ask()
            second = await call.answer()

            assert first.interrupted
            assert first.exception() is None
            assert second.exception() is None
            (cut,) = call.said(ConversationItemTruncate)
            assert 0 < cut.audio_end_ms < 4000
            assert ("assistant", "As you wish.") in call.words()
            item = call.server.sessions[0].core.conversation.find(cut.item_id)
            assert item is not None
            assert item.form.milliseconds(len(item.audio)) == pytest.approx(cut.audio_end_ms, abs=1)

    run(main())


def test_a_reply_interrupted_before_its_first_output_is_never_heard(run: Run) -> None:
    script = Script(
        Turn(lambda prompt: prompt.kind == "nothing", Speech(HOURS), thinking=3.0),
        Turn("Wait.", Speech("As you wish.")),
    )
    vad = {**VAD, "interrupt_response": False}

    async def main() -> None:
        async with calling(script=script, turn_detection=vad) as call:
            speech = call.session.generate_reply(instructions="Greet the caller.")
            assert await call.speeches.get() is speech
            following = await call.answer()

            assert speech.interrupted
            assert speech.exception() is None
            assert following.exception() is None
            (cancel,) = call.said(ResponseCancel)
            assert cancel.response_id == "resp_c1_0001"
            assert call.mouth.said == 1
            assert [text for who, text in call.words() if who == "assistant"] == ["As you wish."]

    run(main())


def test_an_update_reaches_the_server_before_the_first_reply(run: Run) -> None:
    async def main() -> None:
        async with calling(script=Script()) as call:
            config = call.server.sessions[0].core.settings.config

            assert config["instructions"] == "Be brief."
            assert [tool["name"] for tool in config["tools"]] == ["look_up_weather"]

    run(main())


class Meddler(Agent):
    """Has a tool that has another reply made and then interrupts, as LiveKit does after a tool."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.outcome: Any = None

    @function_tool
    async def meddle(self) -> str:
        """Meddles."""
        model = self.session.llm
        assert isinstance(model, Kept)
        created: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        model.last.once("generation_created", created.set_result)
        model.last.send_event({"type": "response.create"})
        event = await created
        model.last.interrupt()
        self.outcome = await event.outcome
        return "meddled"


def test_an_interruption_inside_a_speech_concerns_that_speech_alone(run: Run) -> None:
    script = Script(
        Turn("Meddle.", Call("meddle", {})),
        Turn(after_tool("meddle"), Speech("It is done.")),
        otherwise=Turn(None, Speech(HOURS)),
    )

    async def main() -> None:
        meddler = Meddler()
        async with calling(script=script, agent=meddler) as call:
            await call.answer()

            assert isinstance(meddler.outcome, Completed)
            assert call.said(ResponseCancel) == []

    run(main())


class Loiterer(Agent):
    """Has a tool that leaves a task behind, which interrupts when it is told to."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.now = asyncio.Event()
        self.left: asyncio.Task[None] | None = None

    @function_tool
    async def loiter(self) -> str:
        """Loiters."""
        self.left = asyncio.create_task(self.interrupt_later())
        return "gone"

    async def interrupt_later(self) -> None:
        await self.now.wait()
        self.realtime_llm_session.interrupt()


def test_a_task_that_outlived_its_speech_speaks_for_the_whole_session(run: Run) -> None:
    script = Script(
        Turn("Loiter.", Call("loiter", {})),
        Turn(after_tool("loiter"), Speech("It is done.")),
        otherwise=Turn(None, Speech(HOURS), thinking=3.0),
    )

    async def main() -> None:
        loiterer = Loiterer()
        async with calling(script=script, agent=loiterer) as call:
            await call.answer()
            speech = call.session.generate_reply()
            await call.server.sessions[0].wait_for(ResponseCreate, 2)
            loiterer.now.set()
            await speech

            assert len(call.said(ResponseCancel)) == 1
            assert HOURS not in [text for _, text in call.words()]

    run(main())


class Host(Agent):
    """Hands the caller on."""

    def __init__(self) -> None:
        super().__init__(instructions="Find out what they want.")

    @function_tool
    async def hand_over(self) -> Agent:
        """Hands the caller over."""
        return Shop()


def test_agents_hand_over_and_keep_the_session(run: Run) -> None:
    script = Script(
        Turn("The shop, please.", Call("hand_over", {})),
        Turn(after_tool("hand_over"), Speech("One moment.")),
        Turn("When are you open?", Speech(HOURS)),
    )

    async def main() -> None:
        async with calling(script=script, agent=Host()) as call:
            await call.answer()
            second = await call.answer()

            assert second.exception() is None
            assert len(call.server.sessions) == 1
            config = call.server.sessions[0].core.settings.config
            assert config["instructions"] == "Be brief."
            assert ("assistant", HOURS) in call.words()

    run(main())


def test_closing_in_mid_speech_leaves_nothing_behind(run: Run) -> None:
    async def main() -> None:
        async with calling(script=Script(Turn("When are you open?", Speech(HOURS)))) as call:
            speech = await call.ask()
            await call.session.aclose()

            assert speech.done()

    run(main())


def test_a_video_does_not_hide_what_the_user_says(run: Run) -> None:
    frame = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))
    script = Script(Turn("When are you open?", Speech(HOURS)))

    async def main() -> None:
        async with calling(script=script, input_audio_transcription=None) as call:
            call.realtime.push_video(frame)
            await call.answer()
            agent = call.session.current_agent
            await agent.update_chat_ctx(agent.chat_ctx.copy())

            roles = [item.role for item in call.server.sessions[0].core.conversation.items()]
            assert roles == ["user", "user", "assistant"]

    run(main())
