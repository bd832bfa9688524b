"""What settles far too late elsewhere when a connection is lost or refused: rows T of `docs/faults.md`."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import APIConnectOptions, llm

from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Lost
from rejoinder.livekit import UpdateError
from rejoinder.server.faults.catalogue import fault
from rejoinder.server.faults.handshake import AnyFault, HandshakeFault, Respond
from rejoinder.testing import Run
from rejoinder.wire.client_events import ResponseCreate
from tests.livekit.promise import AT_ONCE
from tests.livekit.talk import (
    WORDS,
    Heard,
    Talk,
    back,
    first,
    items_of,
    messages,
    passes,
    talking,
    told,
)

PATIENT = APIConnectOptions(max_retry=6, retry_interval=2.0)


def failed_with(code: str, heard: Heard) -> bool:
    """Whether the future raised an error of this code."""
    return heard.error is not None and heard.error.code == code


@pytest.mark.parametrize("stalled", [(), ("handshake-hangs#2", "handshake-half#3")])
def test_t4_the_socket_drops_in_the_middle(run: Run, stalled: tuple[str, ...]) -> None:
    async def main() -> None:
        async with talking("reset", *stalled) as talk:
            heard = await talk.reply()
            assert isinstance(heard.outcome, Lost)
            assert 0 < len(heard.text) < len(WORDS)
            assert heard.took <= AT_ONCE
            assert talk.reports == [(True, "connection_lost")]

            following = await talk.reply()
            assert following.text == WORDS
            assert following.took <= 7.0 + AT_ONCE

    run(main())


@pytest.mark.parametrize("loss", ["goes-down", "reset"])
def test_t4_the_socket_drops_and_the_server_is_down(run: Run, loss: str) -> None:
    async def main() -> None:
        async with talking(loss) as talk:
            loop = asyncio.get_running_loop()
            given_up = first(talk.session, "error", lambda told: not told.recoverable)
            if loss == "reset":
                await talk.session.update_chat_ctx(messages("a"))
                talk.server.arm("handshake-hangs#0")
            heard = await talk.reply()
            lost_at = loop.time()
            assert isinstance(heard.outcome, Lost)
            assert heard.took <= AT_ONCE

            await given_up
            assert loop.time() - lost_at <= 7.0
            assert [told.recoverable for told in talk.errors][-2:] == [True, False]
            assert [told.recoverable for told in talk.errors].count(False) == 1

    run(main())


def test_t5_the_socket_drops_while_a_reply_is_asked_for(run: Run) -> None:
    async def main() -> None:
        async with talking("reset@before-created") as talk:
            heard = await talk.reply()

            assert heard.text == WORDS
            assert heard.took <= 1.0
            assert talk.reports == [(True, "connection_lost")]
            asked = [len(told(session, ResponseCreate)) for session in talk.server.sessions]
            assert asked == [1, 1]

    run(main())


def test_t5_it_drops_once_more(run: Run) -> None:
    async def main() -> None:
        async with talking("reset@before-created", "reset@before-created#2") as talk:
            loop, lost = asyncio.get_running_loop(), list[float]()
            talk.session.on("error", lambda told: lost.append(loop.time()))
            heard = await talk.reply()

            assert heard.error is not None
            assert isinstance(heard.outcome, Lost)
            assert loop.time() == lost[-1]
            assert [told.recoverable for told in talk.errors] == [True, True]
            assert (await talk.reply()).text == WORDS

    run(main())


def test_t5_and_nobody_takes_us_back(run: Run) -> None:
    async def main() -> None:
        async with talking("goes-down@before-created") as talk:
            heard = await talk.reply()

            assert isinstance(heard.outcome, Lost)
            assert heard.took <= 7.0 + AT_ONCE
            assert talk.errors[-1].recoverable is False

    run(main())


def test_t6_asked_for_while_there_is_no_connection(run: Run) -> None:
    async def main() -> None:
        slow = Timeouts(offline=1.0, created=2.0)
        async with talking("goes-down-3", timeouts=slow) as talk:
            await talk.reply()
            returned = back(talk)
            heard = await talk.reply()
            assert failed_with("timeout_offline", heard)
            assert heard.took == pytest.approx(1.0, abs=0.1)

            await returned
            assert (await talk.reply()).text == WORDS
            assert len(told(talk.newest, ResponseCreate)) == 1

    run(main())


def test_t6_its_clock_begins_when_it_is_sent(run: Run) -> None:
    async def main() -> None:
        slow = Timeouts(created=1.0)
        async with talking("goes-down-3", timeouts=slow) as talk:
            await talk.reply()
            heard = await talk.reply()

            assert heard.text == WORDS
            assert 3.0 <= heard.took <= 7.0

    run(main())


def test_t10_an_update_while_there_is_no_connection(run: Run) -> None:
    async def main() -> None:
        async with talking("goes-down-8", conn_options=PATIENT) as talk:
            loop = asyncio.get_running_loop()
            await talk.reply()
            returned, asked_at = back(talk), loop.time()
            with pytest.raises(UpdateError) as caught:
                await talk.session.update_chat_ctx(messages("late"))
            assert caught.value.code == "timeout_edit"
            assert loop.time() - asked_at == pytest.approx(5.0, abs=0.1)

            await returned
            await talk.reply()
            assert "item_late" not in items_of(talk.newest)

    run(main())


def test_t10_an_update_that_need_not_wait_too_long(run: Run) -> None:
    async def main() -> None:
        # by lot, whoever is gone for longer is back after up to six seconds: an edit waits for five
        async with talking("goes-down-1") as talk:
            await talk.reply()
            spoken = talk.session.chat_ctx.items
            await talk.session.update_chat_ctx(llm.ChatContext([*spoken, *messages("a").items]))

            assert items_of(talk.newest).count("item_a") == 1
            assert items_of(talk.newest)[-1] == "item_a"

    run(main())


@pytest.mark.parametrize(
    "faults",
    [
        ("handshake-hangs",),
        ("handshake-half",),
        ("opens-silent",),
        ("reset", "handshake-hangs#2"),
        ("reset", "opens-silent#2"),
        ("goes-down",),
    ],
    ids=" ".join,
)
def test_t11_closing_while_connecting(run: Run, faults: tuple[str, ...]) -> None:
    async def main() -> None:
        async with talking(*faults) as talk:
            loop = asyncio.get_running_loop()
            if len(faults) > 1 or "goes-down" in faults:
                await talk.reply()
            waiting = asyncio.ensure_future(talk.reply())
            await passes(0.3)
            began_at = loop.time()
            await talk.session.aclose()

            assert loop.time() - began_at <= 2.0 + AT_ONCE
            assert failed_with("session_closed", await waiting)
            assert not [told for told in talk.errors if not told.recoverable]

    run(main())


KEY_REFUSED = '{"error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-12."}}'
COUNTRY_REFUSED = '{"error":{"message":"Country, region, or territory not supported"}}'
REFUSALS = {
    "http-400": "The operation does not work with the specified model.",
    "http-401": "Incorrect API key provided: sk-12.",
    "http-403": "Country, region, or territory not supported",
    "http-404": "The deployment for this resource does not exist.",
    "turned-away-invalid_api_key": "Incorrect API key provided.",
    "turned-away-model_not_found": "The model does not exist or you have no access to it.",
    "turned-away-insufficient_quota": "You exceeded your current quota.",
}
"""What a server refuses for good, and the words in which it does."""


def refusing(name: str, connection: int) -> AnyFault:
    """The server refuses one connection; 0: every one."""
    bodies = {"http-401": (401, KEY_REFUSED), "http-403": (403, COUNTRY_REFUSED)}
    if name in bodies:
        status, body = bodies[name]
        return HandshakeFault(name, (Respond(status, (), body),), connection)
    return fault(f"{name}#{connection}")


def check_refused(talk: Talk, heard: Heard, words: str) -> None:
    """The caller was told soon, in the server's own words, and once."""
    assert heard.error is not None
    assert heard.took <= 0.1 + 0.1
    assert words in str(heard.error)
    fatal = [told for told in talk.errors if not told.recoverable]
    assert len(fatal) == 1
    assert words in str(fatal[0].error)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_t12_a_final_refusal(run: Run, refusal: str) -> None:
    async def main() -> None:
        async with talking(refusing(refusal, 0)) as talk:
            heard = await talk.reply()
            await passes(60.0)

            check_refused(talk, heard, REFUSALS[refusal])
            assert talk.server.connections == 1

    run(main())


@pytest.mark.parametrize("refusal", REFUSALS)
def test_t12_a_final_refusal_on_coming_back(run: Run, refusal: str) -> None:
    async def main() -> None:
        async with talking("reset@before-created", refusing(refusal, 2)) as talk:
            heard = await talk.reply()
            await passes(60.0)

            check_refused(talk, heard, REFUSALS[refusal])
            assert talk.server.connections == 2

    run(main())
