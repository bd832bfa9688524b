"""Options, instructions and tools: changed, refused, unanswered."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import function_tool, llm

from rejoinder.livekit import UpdateError
from rejoinder.server.catalogue import point
from rejoinder.server.faults import Fault
from rejoinder.server.strikes import nothing
from rejoinder.testing import Run
from rejoinder.wire.client_events import SessionUpdate
from rejoinder.wire.session import Audio, AudioInput, AudioOutput
from tests.livekit.talk import WORDS, first, talking, weather


@function_tool(raw_schema={"name": "x" * 65, "parameters": {"type": "object"}})
async def longwinded(raw_arguments: dict[str, object]) -> None:
    """Has a name longer than servers take."""


def audio_of(event: SessionUpdate) -> tuple[AudioInput, AudioOutput]:
    assert isinstance(event.session.audio, Audio)
    heard, spoken = event.session.audio.input, event.session.audio.output
    return (
        heard if isinstance(heard, AudioInput) else AudioInput(),
        spoken if isinstance(spoken, AudioOutput) else AudioOutput(),
    )


def test_only_news_is_sent_and_capabilities_follow(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            talk.session.update_options(voice="marin", tool_choice="auto", speed=1.0)
            talk.session.update_options(turn_detection=None, input_audio_transcription=None)
            talk.session.update_options(speed=1.2)
            await talk.reply()

            _, detection, speed = talk.said(SessionUpdate)
            heard, _ = audio_of(detection)
            assert heard == AudioInput(turn_detection=None, transcription=None)
            assert audio_of(speed)[1] == AudioOutput(speed=1.2)
            assert not talk.session.capabilities.turn_detection
            assert not talk.session.capabilities.user_transcription
            assert talk.model.capabilities.turn_detection

    run(main())


def test_a_model_tells_its_sessions(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            talk.model.update_options(voice="cedar", max_response_output_tokens=99)
            await talk.reply()

            update = talk.said(SessionUpdate)[-1]
            assert audio_of(update)[1] == AudioOutput(voice="cedar")
            assert update.session.max_output_tokens == 99

    run(main())


def test_an_option_that_the_server_refuses_is_undone_and_reported(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.reply()
            reported = first(talk.session, "error")
            talk.session.update_options(voice="cedar")
            error = await reported

            assert error.recoverable
            assert isinstance(error.error, llm.RealtimeError)
            updates = len(talk.said(SessionUpdate))
            talk.session.update_options(voice="marin")
            assert (await talk.reply()).text == WORDS
            assert len(talk.said(SessionUpdate)) == updates

    run(main())


def test_tools_are_there_when_the_server_has_them(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_tools([weather])

            assert [tool["name"] for tool in talk.peer.core.settings.config["tools"]] == ["weather"]
            assert list(talk.session.tools.function_tools) == ["weather"]

    run(main())


def test_refused_tools_raise_and_leave_the_old_ones(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_tools([weather])
            with pytest.raises(UpdateError) as caught:
                await talk.session.update_tools([longwinded])

            assert isinstance(caught.value, llm.RealtimeError)
            assert caught.value.code
            assert list(talk.session.tools.function_tools) == ["weather"]
            assert talk.errors == []

    run(main())


def test_a_server_that_confirms_nothing_is_waited_for_once(run: Run) -> None:
    async def main() -> None:
        mute = Fault("no-session-updated", point("instead-updated:0"), nothing)
        async with talking(mute) as talk:
            loop = asyncio.get_running_loop()
            began_at = loop.time()
            await talk.session.update_instructions("Be brief.")
            after_one = loop.time() - began_at
            await talk.session.update_tools([weather])
            after_two = loop.time() - began_at

            assert after_one == pytest.approx(5.0, abs=0.1)
            assert after_two == pytest.approx(after_one, abs=0.1)
            assert (await talk.reply()).text == WORDS

    run(main())
