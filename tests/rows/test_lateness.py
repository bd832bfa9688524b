"""What settles far too late elsewhere: rows T of `docs/faults.md`."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from livekit.agents import llm

from rejoinder.core.outcomes import Completed, Failed, Rejected
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import UpdateError
from rejoinder.server.effects import Send
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Act, Fault, Scene
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire.client_events import ConversationItemCreate, ConversationItemDelete
from tests.livekit.far_end import face_to_face
from tests.livekit.line import HOURS, VAD, calling
from tests.livekit.promise import AT_ONCE, failed_before_output, under, unharmed
from tests.livekit.talk import Heard, Talk, messages, renaming, talking

HALF_A_PAIR = "\ud800"


def test_t1_refusal_that_names_nobody(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert failed_before_output(Rejected, talk, heard).code == "invalid_value"
        assert 1.0 <= heard.took <= 1.0 + AT_ONCE

    under(run, "refused-unnamed", look)


def test_t2_failed_without_created(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert failed_before_output(Failed, talk, heard).code == "rate_limit_exceeded"
        assert heard.took <= AT_ONCE
        assert len(talk.usage) == 1

    under(run, "done-failed-rate-limit@instead-created", look)


def test_t2_quota_gone_without_created(run: Run) -> None:
    async def main() -> None:
        async with talking("done-failed-quota@instead-created") as talk:
            heard = await talk.reply()

            assert heard.error is not None
            assert heard.error.code == "insufficient_quota"
            assert heard.took <= AT_ONCE
            assert talk.reports == [(False, "insufficient_quota")]

    run(main())


def test_t3_server_that_returns_no_metadata(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        unharmed(talk, heard)
        assert heard.took <= AT_ONCE
        assert [event.user_initiated for event in talk.created] == [True]

    under(run, "no-metadata", look)


def test_t3_late_reply_of_a_server_that_returns_no_metadata(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            peer, future = face.peer, face.session.generate_reply()
            await peer.hear("response.create")
            future.cancel()
            asking = asyncio.ensure_future(face.reply())
            await peer.created("r_late")
            assert (await peer.hear("response.cancel"))["response_id"] == "r_late"
            await peer.done("r_late", "cancelled")
            await peer.hear("response.create")
            await peer.created("r_next")
            await face.whole("r_next", "Here I am.")

            assert (await asking).text == "Here I am."
            assert [event.response_id for event in face.created] == ["r_next"]

    run(main())


@pytest.mark.parametrize("code", ["session_closed", "insufficient_quota"])
def test_t7_calls_after_the_end(run: Run, code: str) -> None:
    async def main() -> None:
        async with talking("refused-quota") as talk:
            if code == "session_closed":
                await talk.session.aclose()
            else:
                await talk.reply()
            ended_at = asyncio.get_running_loop().time()
            for call in (
                talk.session.generate_reply(),
                talk.session.update_chat_ctx(messages("a")),
                talk.session.update_instructions("Be brief."),
                talk.session.update_tools([]),
            ):
                with pytest.raises(llm.RealtimeError) as caught:
                    await call
                assert caught.value.code == code
            assert asyncio.get_running_loop().time() == ended_at

    run(main())


def test_t8_updates_that_nobody_acknowledges(run: Run) -> None:
    async def main() -> None:
        async with talking("no-conversation-items") as talk:
            asked_at = asyncio.get_running_loop().time()
            updates = [talk.session.update_chat_ctx(messages("a", *"bcd"[:n])) for n in range(3)]
            results = await asyncio.gather(*updates, return_exceptions=True)

            assert asyncio.get_running_loop().time() - asked_at == pytest.approx(5.0, abs=0.1)
            assert [type(result) for result in results] == [UpdateError] * 3
            assert all(isinstance(result, llm.RealtimeError) for result in results)
            assert len(talk.said(ConversationItemCreate)) == 3

    run(main())


def test_t13_a_listener_that_raises_as_the_request_goes_out(run: Run) -> None:
    def broken(_: object) -> None:
        raise TypeError("a bug of the user's")

    async def main() -> None:
        async with talking() as talk:
            talk.session.on("openai_client_event_queued", broken)
            heard = await talk.reply(instructions="Greet me.")

            unharmed(talk, heard)
            assert heard.took <= AT_ONCE

    run(main())


def test_t13_a_request_that_cannot_be_written_down(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            asked_at = asyncio.get_running_loop().time()
            with pytest.raises(llm.RealtimeError) as caught:
                await talk.session.generate_reply(instructions=HALF_A_PAIR)
            with pytest.raises(ConfigurationError):
                talk.session.send_event({"type": "response.create", "event_id": HALF_A_PAIR})

            assert caught.value.code == "invalid_request"
            assert asyncio.get_running_loop().time() == asked_at
            assert isinstance((await talk.reply()).outcome, Completed)

    run(main())


@pytest.mark.parametrize("where", ["created", "item"])
def test_t14_interrupted_before_the_first_word(run: Run, where: str) -> None:
    script = Script(Turn(lambda prompt: prompt.kind == "nothing", Speech(HOURS)))
    vad = {**VAD, "interrupt_response": False}

    async def main() -> None:
        async with calling(f"silence-for-good@{where}", script=script, turn_detection=vad) as call:
            loop = asyncio.get_running_loop()
            speech = call.session.generate_reply(instructions="Greet the caller.")
            stuck = asyncio.ensure_future(speech.wait_for_playout())
            await asyncio.wait([stuck], timeout=1.0)
            assert not stuck.done()
            began_at = loop.time()
            speech.interrupt()
            await stuck

            assert loop.time() - began_at <= 2.0 + AT_ONCE

    run(main())


def test_t14_interrupted_before_it_said_what_it_is(run: Run) -> None:
    async def main() -> None:
        async with talking("silence-for-good@item") as talk:
            loop = asyncio.get_running_loop()
            event = await talk.session.generate_reply()
            began_at = loop.time()
            talk.session.interrupt()
            heard = await talk.listen(event, Heard())

            assert loop.time() - began_at <= 2.0 + AT_ONCE
            assert heard.modalities == [["audio", "text"]]

    run(main())


def test_t9_an_item_acknowledged_under_another_id(run: Run) -> None:
    async def main() -> None:
        async with talking(*renaming()) as talk:
            added: list[llm.RemoteItemAddedEvent] = []
            talk.session.on("remote_item_added", added.append)
            loop = asyncio.get_running_loop()
            asked_at = loop.time()
            await talk.session.update_chat_ctx(messages("a", "b"))
            await talk.session.update_chat_ctx(messages("a", "b"))

            assert loop.time() == asked_at
            assert [item.id for item in talk.session.chat_ctx.items] == ["item_a", "item_b"]
            assert [told.item.id for told in added] == ["item_a", "item_b"]
            creates = talk.said(ConversationItemCreate)
            assert [event.item.id for event in creates] == ["item_a", "item_b"]
            await talk.session.update_chat_ctx(messages("a", "c"))
            (deleted,) = talk.said(ConversationItemDelete)
            assert deleted.item_id == "their_item_b"
            assert talk.said(ConversationItemCreate)[-1].previous_item_id == "their_item_a"

    run(main())


def test_t9_an_item_that_comes_back_without_its_call(run: Run) -> None:
    replace = msgspec.structs.replace

    def without_call(scene: Scene) -> list[Act]:
        event: Any = scene.send.event
        item = replace(event.item, call_id=None, output=None)
        return [Send(replace(event, item=item), scene.send.cause)]

    faults = [
        Fault("bare", point(f"instead-conversation.item.{told}:0"), without_call, response=None)
        for told in ("added", "done")
    ]
    wanted = llm.ChatContext(
        [
            llm.FunctionCall(id="item_c", call_id="c1", name="weather", arguments="{}"),
            llm.FunctionCallOutput(id="item_o", call_id="c1", output="sunny", is_error=False),
        ]
    )

    async def main() -> None:
        async with talking(*faults) as talk:
            asked_at = asyncio.get_running_loop().time()
            await talk.session.update_chat_ctx(wanted)
            await talk.session.update_chat_ctx(wanted)

            assert asyncio.get_running_loop().time() == asked_at
            assert [item.id for item in talk.session.chat_ctx.items] == ["item_c", "item_o"]
            assert len(talk.said(ConversationItemCreate)) == 2

    run(main())
