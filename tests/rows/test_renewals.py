"""What a renewal breaks elsewhere, and what a new server makes of the conversation: rows W and K."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from livekit.agents import llm

from rejoinder.core.outcomes import Completed, Failed, Incomplete, Lost, Outcome
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Fault
from rejoinder.server.faults.strikes import raw
from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemCreate, ResponseCreate
from tests.livekit.promise import AT_ONCE
from tests.livekit.talk import WORDS, back, first, items_of, messages, passes, talking, told


def test_w18_a_restored_conversation_is_answered_in_text(run: Run) -> None:
    async def main() -> None:
        async with talking("reset") as talk:
            returned = back(talk)
            await talk.reply()
            talk.server.arm("answers-in-text")
            await returned
            heard = await talk.reply()

            assert heard.text == WORDS
            assert heard.modalities == [["text"]]
            assert heard.audio_seconds == 0.0
            assert isinstance(heard.outcome, Completed)
            assert (await talk.reply()).text == WORDS

    run(main())


@pytest.mark.parametrize("spoken", [True, False])
def test_w18_a_restored_server_is_told_that_it_is_to_speak(run: Run, spoken: bool) -> None:
    usual = ["audio"] if spoken else ["text"]

    async def main() -> None:
        async with talking("reset@done", modalities=usual) as talk:
            returned = back(talk)
            await talk.reply()
            await returned
            heard = await talk.reply()
            await talk.reply(modalities=["text"])

            assert (heard.audio_seconds > 0) is spoken
            created = [
                event.response.output_modalities for event in told(talk.newest, ResponseCreate)
            ]
            assert created == [usual, ["text"]]

    run(main())


def test_w19_due_for_renewal_while_a_reply_is_asked_for(run: Run) -> None:
    async def main() -> None:
        async with talking("pause-3@before-created", max_session_duration=1.0) as talk:
            heard = await talk.reply()
            assert isinstance(heard.outcome, Completed)
            assert heard.text == WORDS
            assert 3.0 <= heard.took <= 3.0 + AT_ONCE

            assert (await talk.reply()).text == WORDS
            assert talk.errors == []
            asked = [len(told(session, ResponseCreate)) for session in talk.server.sessions]
            assert asked[0] == 1
            assert sum(asked) == 2

    run(main())


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("done-failed", Failed, "server_error"),
        ("done-incomplete", Incomplete, "max_output_tokens"),
        ("response-error@delta:4", Failed, "inference_failed"),
    ],
)
def test_k5_due_for_renewal_and_the_response_fails(
    run: Run, fault: str, kind: type[Outcome], code: str
) -> None:
    async def main() -> None:
        async with talking("pause-3@delta:3", fault, max_session_duration=1.0) as talk:
            heard = await talk.reply()
            assert type(heard.outcome) is kind
            assert heard.took >= 3.0
            assert len(talk.server.sessions) > 1

            assert (await talk.reply()).text == WORDS
            assert talk.reports == [(True, code)]

    run(main())


NOVEL = [
    {"id": "item_novel", "type": "hologram", "content": [{"type": "light", "colour": 3}]},
    {"id": "item_novel", "type": "function_call", "status": "in_progress", "name": "f"},
    {"id": "item_novel", "type": "message", "role": "user", "content": [{"type": "smell"}]},
    {"id": "item_novel", "type": "mcp_call", "server_label": "shop", "name": "f"},
]


@pytest.mark.parametrize("item", NOVEL, ids=lambda item: item["type"])
def test_k6_an_item_that_cannot_be_told_again(run: Run, item: dict[str, Any]) -> None:
    added = json.dumps({"type": "conversation.item.added", "previous_item_id": None, "item": item})

    async def main() -> None:
        async with talking(Fault("novel", point("opened"), raw(added)), "reset") as talk:
            returned = back(talk)
            await talk.session.update_chat_ctx(messages("a"))
            await talk.reply()
            told_of = await returned

            assert [lost.item_id for lost in told_of.lost] == ["item_novel"]
            assert "item_a" in told_of.restored
            assert "item_a" in items_of(talk.newest)
            assert talk.reports == [(True, "connection_lost"), (True, "cannot_be_restored")]
            assert (await talk.reply()).text == WORDS

    run(main())


@pytest.mark.parametrize(
    "event",
    [
        "metrics_collected",
        "session_reconnected",
        "error",
        "openai_server_event_received",
        "openai_client_event_queued",
    ],
)
def test_k7_a_listener_that_raises_while_a_connection_is_made(run: Run, event: str) -> None:
    def broken(_: object) -> None:
        raise TypeError("a bug of the user's")

    async def main() -> None:
        async with talking("reset") as talk:
            heard: list[object] = []
            talk.session.on(event, broken)
            talk.session.on(event, heard.append)
            await talk.reply()
            assert (await talk.reply()).text == WORDS
            await talk.session.aclose()

            assert heard
            assert await talk.newest.wait_closed() == 1000
            assert len(talk.server.sessions) == 2

    run(main())


@pytest.mark.parametrize("fault", ["opens-then-closes#0", "close-1011@updated:0"])
def test_k8_a_server_that_accepts_and_closes_at_once(run: Run, fault: str) -> None:
    async def main() -> None:
        async with talking("reset") as talk:
            loop = asyncio.get_running_loop()
            await talk.session.update_chat_ctx(messages("a"))
            talk.server.arm(fault)
            ended = first(talk.session, "error", lambda told: not told.recoverable)
            await talk.reply()
            lost_at = loop.time()
            await ended
            assert loop.time() - lost_at <= 7.0
            await passes(60.0)

            assert talk.server.connections <= 1 + 3 + 1
            reports = [told.recoverable for told in talk.errors]
            assert reports.count(False) == 1
            assert len(reports) <= 4 + 1

    run(main())


def test_k9_a_large_frame_is_taken(run: Run) -> None:
    async def main() -> None:
        async with talking("frame-large") as talk:
            assert isinstance((await talk.reply()).outcome, Completed)
            assert talk.errors == []

    run(main())


def test_k9_a_frame_that_is_too_large_drops_one_connection(run: Run) -> None:
    async def main() -> None:
        async with talking("frame-huge") as talk:
            assert isinstance((await talk.reply()).outcome, Lost)
            assert (await talk.reply()).text == WORDS
            assert (await talk.reply()).text == WORDS

            assert len(talk.server.sessions) == 2
            assert [told.recoverable for told in talk.errors] == [True]

    run(main())


def test_k9_a_large_item_is_told_again_and_comes_back(run: Run) -> None:
    large = llm.ChatMessage(id="item_large", role="user", content=["x" * 6 * 1024 * 1024])

    async def main() -> None:
        async with talking("reset") as talk:
            returned = back(talk)
            await talk.session.update_chat_ctx(llm.ChatContext([large]))
            await talk.reply()
            assert "item_large" in (await returned).restored
            assert (await talk.reply()).text == WORDS
            await passes(60.0)

            assert len(talk.server.sessions) == 2
            assert len(told(talk.newest, ConversationItemCreate)) == 2

    run(main())
