"""What is lost elsewhere when a connection is lost: rows D and M of `docs/faults.md`."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, llm

from rejoinder.core.outcomes import Lost
from rejoinder.server.audio import tone
from rejoinder.server.shell.served import ServedSession
from rejoinder.testing import Run
from rejoinder.wire.client_events import (
    ConversationItemCreate,
    InputAudioBufferCommit,
    ResponseCreate,
)
from tests.livekit.talk import (
    VAD,
    WORDS,
    Heard,
    Talk,
    back,
    first,
    items_of,
    messages,
    microphone,
    passes,
    talking,
    told,
)

PATIENT = APIConnectOptions(max_retry=6, retry_interval=2.0)
SENTENCE = tone(2.0)
SILENCE = bytes(48_000)
PIECE = 2_400
"""Bytes of 50 ms."""


async def speak(talk: Talk, samples: bytes) -> None:
    """Says something at the pace of life."""
    for at in range(0, len(samples), PIECE):
        piece = samples[at : at + PIECE]
        talk.session.push_audio(rtc.AudioFrame(piece, 24_000, 1, len(piece) // 2))
        await passes(0.05)


def heard_by(session: ServedSession) -> list[bytes]:
    """The user's turns in the conversation of a server, as it has them: their sound."""
    return [bytes(entry.audio) for entry in session.conversation if entry.item.role == "user"]


@pytest.mark.parametrize("where", ["committed", "before-created"])
def test_d1_a_turn_that_was_committed_and_not_transcribed(run: Run, where: str) -> None:
    async def main() -> None:
        async with talking(f"reset@{where}", turn_detection=VAD) as talk:
            final = first(talk.session, "input_audio_transcription_completed", lambda t: t.is_final)
            created = first(talk.session, "generation_created")
            await speak(talk, SENTENCE + SILENCE)
            heard = await talk.listen(await created, Heard())

            assert heard.text == WORDS
            assert len(talk.server.sessions) == 2
            (turn,) = heard_by(talk.newest)
            assert len(turn) >= len(SENTENCE)
            assert SENTENCE[4_800:-4_800] in turn
            assert await final

    run(main())


@pytest.mark.parametrize("where", ["committed", "before-created"])
def test_d1_a_turn_of_ours(run: Run, where: str) -> None:
    async def main() -> None:
        async with talking(f"reset@{where}", turn_detection=None) as talk:
            await speak(talk, SENTENCE)
            talk.session.commit_audio()
            heard = await talk.reply()

            assert heard.text == WORDS
            assert heard_by(talk.newest) == [SENTENCE]
            assert len(told(talk.newest, ResponseCreate)) == 1

    run(main())


@pytest.mark.parametrize("loss", ["reset", "goes-down-2", "expiry"])
def test_d2_the_user_is_speaking(run: Run, loss: str) -> None:
    where = "input_audio_buffer.speech_started"

    async def turn(*faults: str) -> tuple[Talk, bytes]:
        async with talking(*faults, turn_detection=VAD) as talk:
            await talk.session.update_chat_ctx(llm.ChatContext.empty())
            created = first(talk.session, "generation_created")
            await speak(talk, SENTENCE + SILENCE)
            assert (await talk.listen(await created, Heard())).text == WORDS
            (sound,) = heard_by(talk.newest)
            return talk, sound

    async def main() -> None:
        talk, undisturbed = await turn()
        assert len(talk.server.sessions) == 1
        talk, sound = await turn(f"{loss}@{where}")
        assert len(talk.server.sessions) == 2
        assert sound == undisturbed
        assert {told.recoverable for told in talk.errors} == {True}

    run(main())


@pytest.mark.parametrize("loss", ["reset", "goes-down-2"])
def test_d2_the_user_is_speaking_and_turns_are_ours(run: Run, loss: str) -> None:
    async def main() -> None:
        async with talking(f"{loss}@delta", turn_detection=None) as talk:
            asking = asyncio.ensure_future(talk.reply())
            await speak(talk, SENTENCE)
            assert isinstance((await asking).outcome, Lost)
            talk.session.commit_audio()
            await talk.reply()

            assert talk.newest.appended == len(SENTENCE)
            assert heard_by(talk.newest) == [SENTENCE]
            assert len(told(talk.newest, InputAudioBufferCommit)) == 1

    run(main())


@pytest.mark.parametrize("loss", ["reset", "goes-down-2", "half-open"])
def test_d3_the_words_that_were_spoken(run: Run, loss: str) -> None:
    async def main() -> None:
        async with talking(loss) as talk:
            returned = back(talk)
            heard = await talk.reply()
            await returned

            (kept,) = talk.session.chat_ctx.items
            assert isinstance(kept, llm.ChatMessage)
            assert (kept.role, kept.text_content) == ("assistant", heard.text)
            (known,) = talk.newest.conversation.items()
            assert [part.text for part in known.content or ()] == [heard.text]
            assert known.id == kept.id

    run(main())


def test_d4_what_was_said_during_a_long_break(run: Run) -> None:
    async def main() -> None:
        async with talking("goes-down-6", turn_detection=VAD, conn_options=PATIENT) as talk:
            returned = back(talk)
            await talk.reply()
            for number in range(100):
                talk.session.push_audio(microphone(speaking=number / 1000, silent=1.0))
            await returned
            await talk.reply()

            assert 0 < talk.newest.appended <= 5 * 48_000

    run(main())


def test_d5_an_item_that_is_being_created(run: Run) -> None:
    async def main() -> None:
        async with talking("reset@before-item-added") as talk:
            await talk.session.update_chat_ctx(messages("a", "b"))

            assert len(talk.server.sessions) == 2
            assert items_of(talk.newest) == ["item_a", "item_b"]
            created = [event.item.id for event in told(talk.newest, ConversationItemCreate)]
            assert created == ["item_a", "item_b"]
            assert [item.id for item in talk.session.chat_ctx.items] == ["item_a", "item_b"]

    run(main())


def test_d9_an_item_that_is_refused_as_it_is_told_again(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            returned = back(talk)
            await talk.session.update_chat_ctx(messages("a", "b", "c"))
            talk.server.arm("reset")
            talk.server.arm("item-refused")
            await talk.reply()
            told_of = await returned
            await talk.reply()

            (lost,) = told_of.lost
            assert lost.item_id == "item_a"
            assert {"item_b", "item_c"} <= set(told_of.restored)
            assert [item.id for item in talk.session.chat_ctx.items][:2] == ["item_b", "item_c"]
            assert talk.reports == [(True, "connection_lost"), (True, lost.error.code)]

    run(main())


def test_m1_audio_while_there_is_no_connection(run: Run) -> None:
    async def main() -> None:
        async with talking("goes-down-6") as talk:
            await talk.reply()
            second = microphone(speaking=1.0)
            for _ in range(6):
                talk.session.push_audio(second)
            tracemalloc.start()
            for _ in range(60):
                talk.session.push_audio(second)
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()

            assert kept < 500_000  # a minute of audio is 2.9 MB

    run(main())


@pytest.mark.parametrize("fault", ["opens-silent#2", "handshake-hangs#2", "handshake-half#2"])
def test_m6_a_connection_that_comes_to_nothing_is_closed(run: Run, fault: str) -> None:
    async def main() -> None:
        async with talking("reset", fault) as talk:
            await talk.reply()
            assert (await talk.reply()).text == WORDS

            assert talk.server.connections == 3
            failed = talk.server.sessions[1:-1]
            for session in failed:
                await session.wait_closed()
            assert talk.newest.close_code is None

    run(main())
