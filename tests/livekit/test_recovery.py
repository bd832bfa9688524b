"""A session that outlives its connections, as LiveKit gets to see it."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import APIConnectOptions, llm

from rejoinder.core.outcomes import Completed, Lost
from rejoinder.livekit import ConnectionLost, ReplyError, SessionEnded
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemCreate, ResponseCreate, SessionUpdate
from tests.livekit.line import HOURS, calling
from tests.livekit.talk import (
    WORDS,
    back,
    first,
    items_of,
    messages,
    microphone,
    passes,
    talking,
    told,
    weather,
)

TWICE = APIConnectOptions(max_retry=2, retry_interval=1.0)


def test_a_connection_that_cannot_be_had_is_tried_again_soon_and_then_at_the_interval(
    run: Run,
) -> None:
    async def main() -> None:
        async with talking("http-500#0", conn_options=TWICE) as talk:
            ended = await first(talk.session, "error", lambda told: not told.recoverable)
            await passes(60.0)

            tried = [told.error for told in talk.errors if isinstance(told.error, ConnectionLost)]
            attempts = [error.attempt for error in tried]
            assert [told.recoverable for told in talk.errors] == [True, True, False]
            assert attempts == [1, 2]
            assert [error.after for error in tried] == [
                pytest.approx(0.1),
                pytest.approx(0.75, abs=0.25),
            ]
            assert isinstance(ended.error, SessionEnded)
            assert talk.errors[-1] is ended
            assert talk.server.connections == 3

    run(main())


def test_what_was_asked_for_while_connecting_survives_a_handshake_that_fails(run: Run) -> None:
    async def main() -> None:
        async with talking("http-500", turn_detection=None) as talk:
            updating = asyncio.ensure_future(talk.session.update_chat_ctx(messages("a")))
            instructing = asyncio.ensure_future(talk.session.update_instructions("Be brief."))
            talk.session.push_audio(microphone(speaking=1.0))
            talk.session.commit_audio()
            heard = await talk.reply()
            await asyncio.gather(updating, instructing)

            assert heard.text == WORDS
            assert talk.reports == [(True, "http_500")]
            assert talk.newest.appended == 48_000
            (*_, instructed) = told(talk.newest, SessionUpdate)
            assert instructed.session.instructions == "Be brief."
            assert items_of(talk.newest)[0] == "item_a"

    run(main())


def test_a_connection_is_renewed_and_nobody_hears_of_it(run: Run) -> None:
    async def main() -> None:
        async with talking("pause-3@delta:3", max_session_duration=1.0) as talk:
            returned = back(talk)
            await talk.session.update_chat_ctx(messages("a"))
            heard = await talk.reply()
            assert isinstance(heard.outcome, Completed)
            assert heard.text == WORDS
            await talk.server.sessions[0].wait_closed()
            assert (await talk.reply()).text == WORDS

            spoken = [item.id for item in talk.session.chat_ctx.items]
            assert len(spoken) == 3
            assert items_of(talk.newest) == spoken
            assert talk.errors == []
            assert not returned.done()

    run(main())


def test_a_new_server_is_told_everything_in_order(run: Run) -> None:
    async def main() -> None:
        async with talking("goes-down-1@done") as talk:
            returned = back(talk)
            await talk.session.update_instructions("Be brief.")
            await talk.session.update_tools([weather])
            await talk.session.update_chat_ctx(messages("a", "b"))
            await talk.reply()
            history = talk.session.chat_ctx
            await talk.session.update_chat_ctx(
                llm.ChatContext([*history.items, *messages("c").items])
            )
            await returned
            await talk.reply()

            configured, *others = talk.newest.received
            assert isinstance(configured, SessionUpdate)
            assert configured.session.instructions == "Be brief."
            assert talk.newest.core.settings.tools
            kinds = [type(event) for event in others]
            assert kinds == [ConversationItemCreate] * 4 + [ResponseCreate]
            items = [event.item.id for event in told(talk.newest, ConversationItemCreate)]
            assert items == [*(item.id for item in history.items), "item_c"]

    run(main())


def test_what_is_told_of_a_reconnection(run: Run) -> None:
    async def main() -> None:
        async with talking("reset") as talk:
            events: list[llm.RealtimeSessionReconnectedEvent] = []
            talk.session.on("session_reconnected", events.append)
            returned = back(talk)
            await talk.session.update_chat_ctx(messages("a"))
            heard = await talk.reply()
            event = await returned
            await talk.reply()

            assert heard.outcome is not None
            assert isinstance(heard.outcome, Lost)
            assert events == [event]
            assert event.restored == tuple(item.id for item in talk.session.chat_ctx.items[:2])
            assert event.lost == ()
            assert event.down == pytest.approx(0.1, abs=0.05)

    run(main())


@pytest.mark.parametrize("loss", ["reset", "goes-down-2", "expiry"])
def test_an_agents_session_goes_on(run: Run, loss: str) -> None:
    script = Script(otherwise=Turn(None, Speech(HOURS)))

    async def main() -> None:
        async with calling(loss, script=script) as call:
            cut = await call.answer()
            assert isinstance(cut.exception(), ReplyError)
            following = await call.answer()

            assert following.exception() is None
            assert call.words()[-1] == ("assistant", HOURS)
            assert all(told.error.recoverable for told in call.errors)

    run(main())
