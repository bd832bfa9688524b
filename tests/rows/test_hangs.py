"""What never settles elsewhere: rows H of `docs/faults.md`."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from livekit.agents import llm

from rejoinder.core.outcomes import Completed, Failed, Lost, Outcome, TimedOut
from rejoinder.livekit import ReplyError
from rejoinder.server.effects import SendRaw
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Act, Fault, Scene, Then
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire import codec
from tests.livekit.far_end import face_to_face
from tests.livekit.line import HOURS, calling
from tests.livekit.promise import (
    AT_ONCE,
    COMPLAINT,
    cancelled_by_id,
    failed_before_output,
    failed_in_the_middle,
    under,
    unharmed,
)
from tests.livekit.talk import WORDS, Heard, Talk, back, items_of, microphone, passes, talking

PAUSE = 0.5
"""Seconds between two words of a server that does not stop talking."""


def test_h1_response_error_then_silence(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert str(failed_in_the_middle(Failed, talk, heard)) == COMPLAINT
        assert 0 < len(heard.text) < len(WORDS)
        assert heard.took <= AT_ONCE

    under(run, "response-error@delta:3", look, cancelled_by_id)


def test_h2_error_of_nobody_then_silence(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert str(failed_in_the_middle(Failed, talk, heard)) == COMPLAINT
        assert 1.0 <= heard.took <= 1.0 + AT_ONCE

    under(run, "error-then-silence", look, cancelled_by_id)


@pytest.mark.parametrize("fault", ["silence-mid-audio", "silence-after-item"])
def test_h3_silence_in_the_middle(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert failed_in_the_middle(TimedOut, talk, heard).code == "timeout_gap"
        assert heard.took == pytest.approx(10.0, abs=AT_ONCE)

    under(run, fault, look, cancelled_by_id)


def test_h3_silence_after_created(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert failed_before_output(TimedOut, talk, heard).code == "timeout_gap"
        assert heard.took == pytest.approx(10.0, abs=AT_ONCE)

    under(run, "silence-after-created", look, cancelled_by_id)


def test_h4_two_responses_at_once(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            peer, asking = face.peer, asyncio.ensure_future(face.reply())
            await peer.begin("r1")
            await face.words("r1", "Ours ", "i1")
            theirs = asyncio.ensure_future(face.listen(await face.begun("r2"), Heard()))
            await face.words("r2", "Theirs.", "i2")
            await face.words("r1", "to the end.", "i1")
            await peer.done("r1")
            ours = await asking
            assert not theirs.done()
            await peer.done("r2")

            assert (ours.text, (await theirs).text) == ("Ours to the end.", "Theirs.")
            assert [event.user_initiated for event in face.created] == [True, False]
            assert face.errors == []

    run(main())


@pytest.mark.parametrize("given_up", ["cancelled", "timed out"])
def test_h5_late_created_of_a_reply_given_up(run: Run, given_up: str) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            peer, future = face.peer, face.session.generate_reply()
            asked = await peer.hear("response.create")
            if given_up == "cancelled":
                future.cancel()
            await peer.say("rate_limits.updated", rate_limits=[])  # it lives
            await asyncio.wait([future])
            await peer.say("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=1)
            live = asyncio.ensure_future(face.listen(await face.begun("r_live"), Heard()))
            await face.words("r_live", "Still ")
            await peer.created("r_late", metadata=asked["response"]["metadata"])
            cancel = await peer.hear("response.cancel")
            await face.words("r_live", "here.")
            await peer.done("r_live")

            assert cancel["response_id"] == "r_late"
            assert (await live).text == "Still here."
            assert [event.response_id for event in face.created] == ["r_live"]

    run(main())


@pytest.mark.parametrize(("fault", "kind"), [("reset", Lost), ("half-open", TimedOut)])
def test_h6_due_for_renewal_and_the_old_connection_dies(
    run: Run, fault: str, kind: type[Outcome]
) -> None:
    async def main() -> None:
        faults = ("pause-3@delta:2", f"{fault}@delta:3")
        async with talking(*faults, max_session_duration=1.0) as talk:
            heard = await talk.reply()
            assert isinstance(heard.outcome, kind)
            assert 0 < len(heard.text) < len(WORDS)
            assert heard.took <= 3.0 + 10.0 + AT_ONCE
            assert [told.recoverable for told in talk.errors] == [True]

            following = await talk.reply()
            assert following.text == WORDS
            assert following.took <= 5.0
            assert len(talk.server.sessions) == 2

    run(main())


@pytest.mark.parametrize("fault", ["silence-for-good", "response-error@delta:3", "no-done"])
def test_h7_due_for_renewal_and_the_response_hangs(run: Run, fault: str) -> None:
    async def main() -> None:
        async with talking(fault, max_session_duration=1.0) as talk:
            loop = asyncio.get_running_loop()
            began_at = loop.time()
            heard = await talk.reply()
            await talk.server.sessions[0].wait_closed()

            assert heard.outcome is not None
            assert not isinstance(heard.outcome, Completed)
            assert loop.time() - began_at <= 10.0 + 2 * 2.0 + 2 * AT_ONCE
            assert (await talk.reply()).text == WORDS
            assert talk.newest.close_code is None

    run(main())


def test_h8_the_other_end_vanishes_in_the_middle(run: Run) -> None:
    async def main() -> None:
        async with talking("half-open") as talk:
            loop, returned = asyncio.get_running_loop(), back(talk)
            began_at = loop.time()
            heard = await talk.reply()
            assert failed_in_the_middle(TimedOut, talk, heard).code == "timeout_gap"
            assert heard.took <= 10.0 + AT_ONCE

            following = asyncio.ensure_future(talk.reply())
            await returned
            assert loop.time() - began_at <= 15.0 + AT_ONCE
            assert (await following).text == WORDS
            assert [code for _, code in talk.reports] == ["timeout_gap", "connection_lost"]

    run(main())


def test_h8_the_other_end_vanishes_while_nobody_speaks(run: Run) -> None:
    async def main() -> None:
        async with talking("half-open@updated") as talk:
            loop = asyncio.get_running_loop()
            began_at = loop.time()
            await back(talk)

            assert loop.time() - began_at <= 15.0 + AT_ONCE
            assert (await talk.reply()).text == WORDS

    run(main())


def test_h9_a_peer_that_stops_reading(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            loop, second = asyncio.get_running_loop(), microphone(speaking=1.0)
            asked = asyncio.ensure_future(face.reply())
            await face.peer.begin("r1")
            face.line.pause_reading()
            for _ in range(300):
                face.session.push_audio(second)
            began_at = loop.time()
            await face.session.aclose()

            assert loop.time() - began_at <= 2.0 + AT_ONCE
            assert isinstance((await asked).outcome, Lost)

    run(main())


LONG = llm.ChatContext([llm.ChatMessage(id="item_long", role="user", content=["x" * 12_000_000])])


def test_h10_the_new_server_does_not_read_what_it_is_told(run: Run) -> None:
    async def main() -> None:
        async with talking("stops-reading@opened:2") as talk:
            loop = asyncio.get_running_loop()
            await talk.session.update_chat_ctx(LONG)
            talk.server.arm("reset")
            await talk.reply()
            lost_at = loop.time()
            assert (await talk.reply()).text == WORDS

            assert loop.time() - lost_at <= 7.0 + AT_ONCE
            assert len(talk.server.sessions) == 3
            assert items_of(talk.newest)[0] == "item_long"

    run(main())


def test_h10_closing_while_the_new_server_does_not_read(run: Run) -> None:
    async def main() -> None:
        async with talking("stops-reading@opened:2") as talk:
            loop = asyncio.get_running_loop()
            await talk.session.update_chat_ctx(LONG)
            talk.server.arm("reset")
            await talk.reply()
            await talk.server.session(1)
            waiting = asyncio.ensure_future(talk.reply())
            await passes(0.5)
            began_at = loop.time()
            await talk.session.aclose()

            assert loop.time() - began_at <= 2.0 + AT_ONCE
            error = (await waiting).error
            assert error is not None
            assert error.code == "session_closed"

    run(main())


def test_h11_a_fatal_error_and_a_peer_that_goes_on_talking(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            peer, loop = face.peer, asyncio.get_running_loop()
            asking = asyncio.ensure_future(face.reply())
            await peer.begin("r1")
            began_at = loop.time()
            error = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "Pay."}
            await peer.say("error", error=error)
            heard = await asking
            assert loop.time() == began_at
            assert heard.error is not None
            assert face.reports == [(False, "insufficient_quota")]

            await peer.hear_close()
            closing = asyncio.ensure_future(face.session.aclose())
            while not closing.done():  # it talks on and on, and does not answer the close frame
                with contextlib.suppress(ConnectionError):
                    await face.words("r1", "blah ")
                await asyncio.wait([closing], timeout=PAUSE)
            assert loop.time() - began_at <= 2.0 + AT_ONCE

    run(main())


@pytest.mark.parametrize("fault", ["done-null", "done-no-body", "done-text-body"])
def test_h12_done_without_a_body(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert failed_in_the_middle(Failed, talk, heard).code == "no_status"
        assert heard.took <= AT_ONCE
        assert not talk.session.has_active_generation

    under(run, fault, look)


def test_h13_failed_for_a_reason_that_is_mere_text(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert "the model crashed" in str(failed_in_the_middle(Failed, talk, heard))
        assert heard.took <= AT_ONCE
        assert [told.request_id for told in talk.usage] == [
            heard.outcome and heard.outcome.response_id
        ]

    under(run, "done-failed-text-details", look)


def test_h14_done_in_a_binary_frame(run: Run) -> None:
    def binary(scene: Scene) -> list[Act]:
        return [SendRaw(codec.encode(scene.send.event))]

    under(run, Fault("binary", point("instead-done"), binary, Then.GOES_ON), unharmed)


@pytest.mark.parametrize("fault", ["silence-mid-audio", "silence-after-created", "response-error"])
def test_h15_the_speeches_of_livekit_settle(run: Run, fault: str) -> None:
    script = Script(Turn("When are you open?", Speech(HOURS)), Turn("Hello?", Speech("I am here.")))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with calling(fault, script=script) as call:
            speech = await call.answer()
            assert isinstance(speech.exception(), ReplyError)
            assert call.session.agent_state == "listening"
            following = await call.answer()
            assert following.exception() is None
            began_at = loop.time()
            call.session.shutdown(drain=True)
            await call.session.aclose()
            assert loop.time() - began_at < 5.0

    run(main())
