"""Options, instructions and tools: changed, refused, unanswered."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from livekit.agents import llm

from rejoinder.errors import ConfigurationError
from rejoinder.livekit import RealtimeModel, RealtimeSession, UpdateError
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Fault
from rejoinder.server.faults.strikes import nothing
from rejoinder.testing import Run
from rejoinder.wire.client_events import ResponseCreate, SessionUpdate
from rejoinder.wire.session import Audio, AudioInput, AudioOutput
from tests.livekit.talk import WORDS, first, longwinded, talking, weather


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


def test_who_waits_for_an_option_is_told_what_became_of_it(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_options(voice="cedar")
            await talk.session.update_options(voice="cedar")
            assert len(talk.said(SessionUpdate)) == 2
            await talk.reply()
            with pytest.raises(UpdateError) as refusal:
                await talk.session.update_options(voice="ash")
            assert refusal.value.code == talk.reports[0][1]
            talk.session.update_options(voice="ash").cancel()
            await talk.session.update_options(speed=1.2)
            assert len(talk.reports) == 2

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


def test_refused_instructions_are_not_those_of_later_replies(run: Run) -> None:
    async def main() -> None:
        async with talking("update-refused@instead-updated:2") as talk:
            await talk.reply()
            with pytest.raises(UpdateError):
                await talk.session.update_instructions("Be rude.")
            await talk.reply(instructions="Greet me.")

            create = talk.said(ResponseCreate)[-1]
            assert create.response.instructions == "Greet me."

    run(main())


@pytest.mark.parametrize("refused_first", [True, False])
def test_of_two_updates_at_once_only_the_refused_one_is_undone(
    run: Run, refused_first: bool
) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.reply()
            updates = [talk.session.update_tools([tool]) for tool in (longwinded, weather)]
            results = await asyncio.gather(
                *(updates if refused_first else reversed(updates)), return_exceptions=True
            )

            assert [isinstance(result, UpdateError) for result in results].count(True) == 1
            assert list(talk.session.tools.function_tools) == ["weather"]
            sent = len(talk.said(SessionUpdate))
            talk.session.update_options(tool_choice="none")
            talk.session.update_options(tool_choice="required")
            await talk.reply()
            assert len(talk.said(SessionUpdate)) == sent + 2

    run(main())


def test_of_two_refused_options_neither_is_in_force(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.reply()
            talk.session.update_options(voice="cedar")
            talk.session.update_options(voice="ash")
            await talk.reply()
            updates = len(talk.said(SessionUpdate))
            talk.session.update_options(voice="cedar")
            await talk.reply()

            assert len(talk.said(SessionUpdate)) == updates + 1
            assert talk.reports == [(True, "cannot_update_voice")] * 3

    run(main())


def test_a_refusal_that_comes_after_the_waiting_is_undone_and_reported(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_tools([weather])
            waiting = asyncio.create_task(talk.session.update_tools([longwinded]))
            await asyncio.sleep(0)
            waiting.cancel()
            error = await first(talk.session, "error")

            assert waiting.cancelled()
            assert error.recoverable
            assert list(talk.session.tools.function_tools) == ["weather"]

    run(main())


@pytest.mark.parametrize("option", [{"speed": "fast"}, {"voice": 5}, {"tool_choice": 5}])
def test_options_that_cannot_be_sent_change_nothing(run: Run, option: dict[str, Any]) -> None:
    async def main() -> None:
        async with talking() as talk:
            for place in (talk.session, talk.model):
                with pytest.raises(ConfigurationError):
                    place.update_options(**option)
            await talk.session.aclose()
            session = talk.model.session()
            with pytest.raises(ConfigurationError):
                talk.model.update_options(**option)
            await session.generate_reply()

            assert talk.server.sessions[-1].core.settings.voice == "marin"
            await session.aclose()

    run(main())


def test_closing_while_an_update_is_under_way_is_no_error_and_leaves_no_task(run: Run) -> None:
    async def main() -> None:
        model = RealtimeModel(base_url="ws://127.0.0.1:9", api_key="any")
        before, errors = asyncio.all_tasks(), list[llm.RealtimeModelError]()
        session = model.session()
        session.on("error", errors.append)
        session.update_options(voice="cedar")
        await session.aclose()

        assert asyncio.all_tasks() == before
        assert errors == []

    run(main())


def test_who_listens_does_not_do_so_as_part_of_the_speech_that_asked(run: Run) -> None:
    speech = contextvars.ContextVar("speech", default="none")
    seen: list[str] = []

    async def change(session: RealtimeSession) -> None:
        speech.set("a")
        session.update_options(voice="cedar")

    async def main() -> None:
        async with talking() as talk:
            await talk.reply()
            talk.session.on("error", lambda _: seen.append(speech.get()))
            await asyncio.create_task(change(talk.session))
            await talk.reply()

    run(main())
    assert seen == ["none"]


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
