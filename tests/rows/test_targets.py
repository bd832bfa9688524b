"""What reaches the wrong target, or ends without a word, elsewhere: rows W of `docs/faults.md`."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import llm
from livekit.agents.metrics import STTMetrics

from rejoinder.core.outcomes import (
    Cancelled,
    Completed,
    Failed,
    Incomplete,
    Lost,
    Outcome,
    TimedOut,
)
from rejoinder.livekit import ReplyError, UpdateError
from rejoinder.server.script import Call, Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire.client_events import ResponseCancel
from tests.livekit.far_end import face_to_face
from tests.livekit.promise import failed_before_output, under, unharmed
from tests.livekit.talk import (
    VAD,
    WORDS,
    Heard,
    Talk,
    first,
    longwinded,
    talking,
    transcripts_of,
    weather,
)

ASKS_FOR_THE_WEATHER = Script(
    Turn(None, Call("weather", {"city": "Rome"})),
    otherwise=Turn(None, Speech(WORDS, lasting=0.8)),
)


def test_w1_done_of_another_response(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        unharmed(talk, heard)
        assert heard.event is not None
        assert heard.event.response_id in [told.request_id for told in talk.usage]

    under(run, "foreign-done", look)


def test_w2_given_up_while_another_reply_speaks(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            speaking = await talk.session.generate_reply()
            talk.session.generate_reply().cancel()
            heard = await talk.listen(speaking, Heard())
            await talk.reply()

            unharmed(talk, heard)
            assert talk.said(ResponseCancel) == []

    run(main())


def test_w2_given_up_while_the_server_speaks_by_itself(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            assert await face.next_reply_works()
            peer, future = face.peer, face.session.generate_reply()
            await peer.hear("response.create")
            heard = asyncio.ensure_future(face.listen(await face.begun("r_own"), Heard()))
            future.cancel()
            await face.whole("r_own", "Unharmed.")

            assert (await heard).text == "Unharmed."
            asking = asyncio.ensure_future(face.reply())
            assert (await peer.hear())["type"] == "response.create"
            asking.cancel()

    run(main())


def test_w3_interrupted_with_two_in_flight(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            peer, asking = face.peer, asyncio.ensure_future(face.reply())
            await peer.begin("r1")
            await face.words("r1", "Cut ")
            both = first(
                face.session,
                "openai_server_event_received",
                lambda event: event.get("response", {}).get("id") == "r_aside",
            )
            await peer.created("r_aside", conversation_id=None)
            await both
            face.session.interrupt()
            cancel = await peer.hear("response.cancel")
            await peer.done("r1", "cancelled")

            assert cancel["response_id"] == "r1"
            assert isinstance(cancel["event_id"], str)
            assert isinstance((await asking).outcome, Cancelled)
            await peer.done("r_aside")
            following = asyncio.ensure_future(face.reply())
            assert (await peer.hear())["type"] == "response.create"
            following.cancel()

    run(main())


@pytest.mark.parametrize(
    ("fault", "kind", "reports"),
    [
        ("completed-empty", Completed, []),
        ("done-cancelled", Cancelled, []),
        ("done-failed", Failed, [(True, "server_error")]),
        ("done-incomplete", Incomplete, [(True, "max_output_tokens")]),
        ("silence-mid-audio", TimedOut, [(True, "timeout_gap")]),
        ("abort", Lost, [(True, "connection_lost")]),
    ],
)
def test_w5_every_end_can_be_told_from_the_others(
    run: Run, fault: str, kind: type[Outcome], reports: list[tuple[bool, str]]
) -> None:
    async def main() -> None:
        async with talking(fault) as talk:
            heard = await talk.reply()

            assert type(heard.outcome) is kind
            assert heard.event is not None
            assert talk.reports == reports

    run(main())


@pytest.mark.parametrize("fault", ["refused", "done-failed@instead-created", "done-failed"])
def test_w6_a_failure_that_nobody_retrieves(run: Run, fault: str) -> None:
    async def main() -> None:
        async with talking(fault) as talk:
            reported = first(talk.session, "error")
            talk.session.generate_reply()
            assert isinstance((await reported).error, ReplyError)

    run(main())  # which fails if an exception was never retrieved


def test_w7_a_call_cut_short(run: Run) -> None:
    async def main() -> None:
        async with talking(
            "call-incomplete", "no-output-in-done", script=ASKS_FOR_THE_WEATHER
        ) as talk:
            assert (await talk.reply()).calls == []

    run(main())


@pytest.mark.parametrize("fault", ["call-without-arguments", "call-without-name"])
def test_w8_a_call_whose_arguments_came_by_deltas_alone(run: Run, fault: str) -> None:
    under(run, fault, has_called, script=ASKS_FOR_THE_WEATHER)


@pytest.mark.parametrize("fault", ["call-only-in-done", "call-without-id"])
def test_w9_a_call_that_is_whole_only_at_the_end(run: Run, fault: str) -> None:
    under(run, fault, has_called, script=ASKS_FOR_THE_WEATHER)


def has_called(talk: Talk, heard: Heard) -> None:
    """The call came through, whole and once."""
    assert [(call.name, call.arguments) for call in heard.calls] == [("weather", '{"city":"Rome"}')]
    assert isinstance(heard.outcome, Completed)


def test_w10_a_refused_update(run: Run) -> None:
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


def test_w11_a_reply_that_comes_after_its_deadline(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            peer, asking = face.peer, asyncio.ensure_future(face.reply())
            asked = await peer.hear("response.create")
            await peer.say("rate_limits.updated", rate_limits=[])  # it lives
            failed_before_output(TimedOut, face, await asking)
            await peer.created("r_late", metadata=asked["response"]["metadata"])
            await face.words("r_late", "Too late.")

            assert (await peer.hear("response.cancel"))["response_id"] == "r_late"
            await peer.done("r_late", "cancelled")
            assert await face.next_reply_works()
            assert [event.response_id for event in face.created] == ["r_next"]

    run(main())


def test_w12_stereo_keeps_its_length(run: Run) -> None:
    both = np.tile(np.array([1000, 3000], dtype=np.int16), 24_000)
    second = rtc.AudioFrame(both.tobytes(), 24_000, 2, 24_000)

    async def main() -> None:
        async with talking(turn_detection=None) as talk:
            talk.session.push_audio(second)
            talk.session.commit_audio()
            await talk.reply()

            assert talk.peer.appended == 24_000 * 2

    run(main())


def test_w16_what_was_cut_off_is_forgotten(run: Run) -> None:
    spoken: dict[str, Any] = {"id": "i1", "type": "message", "role": "assistant"}
    words = {"type": "output_audio", "transcript": "All that was never heard."}

    async def main() -> None:
        async with face_to_face() as face:
            peer = face.peer
            added = first(face.session, "remote_item_added")
            await peer.say("conversation.item.added", item={**spoken, "content": [words]})
            await added
            heard = llm.ChatMessage(id="i1", role="assistant", content=["All that"])
            face.session.truncate(message_id="i1", modalities=["audio"], audio_end_ms=300)
            updating = asyncio.ensure_future(face.session.update_chat_ctx(llm.ChatContext([heard])))
            await peer.hear("conversation.item.truncate")
            where = {"item_id": "i1", "content_index": 0, "audio_end_ms": 300}
            await peer.say("conversation.item.truncated", **where)
            await updating
            await face.session.update_chat_ctx(llm.ChatContext([heard]))

            (kept,) = face.session.chat_ctx.items
            assert isinstance(kept, llm.ChatMessage)
            assert kept.content == []
            asking = asyncio.ensure_future(face.reply())
            assert (await peer.hear())["type"] == "response.create"
            asking.cancel()

    run(main())


@pytest.mark.parametrize("event", ["metrics_collected", "generation_created", "error"])
def test_w20_a_listener_that_raises(run: Run, event: Any) -> None:
    def broken(_: object) -> None:
        raise TypeError("a bug of the user's")

    async def main() -> None:
        async with talking("done-failed") as talk:
            others: list[object] = []
            talk.session.on(event, broken)
            talk.session.on(event, others.append)
            heard = await talk.reply()

            assert others
            assert isinstance(heard.outcome, Failed)
            assert talk.reports == [(True, "server_error")]
            assert (await talk.reply()).text == WORDS

    run(main())


def test_w4_an_out_of_band_response_asked_for_by_hand(run: Run) -> None:
    aside = Turn(lambda prompt: prompt.out_of_band, Speech("A note to myself."))
    script = Script(aside, otherwise=Turn(None, Speech(WORDS)))

    async def main() -> None:
        async with talking(script=script) as talk:
            await talk.reply()
            talk.session.send_event(
                {"type": "response.create", "response": {"conversation": "none"}}
            )
            heard = await talk.reply()

            assert heard.text == WORDS
            assert [event.user_initiated for event in talk.created] == [True, True]
            assert len(talk.usage) == 3

    run(main())


@pytest.mark.parametrize("event_ids", ["theirs", "none"])
def test_w17_a_transcript_told_twice(run: Run, event_ids: str) -> None:
    faults = [*(["no-event-ids"] if event_ids == "none" else []), "duplicate-transcription"]

    async def main() -> None:
        script = Script(Turn("What time is it?", Speech(WORDS)))
        async with talking(*faults, script=script, turn_detection=VAD) as talk:
            told = await transcripts_of(talk)
            await talk.reply()

            assert [event.is_final for event in told].count(True) == 1
            item = talk.session.chat_ctx.items[0]
            assert isinstance(item, llm.ChatMessage)
            assert item.content == ["What time is it?"]
            assert len([told for told in talk.metrics if isinstance(told, STTMetrics)]) == 1

    run(main())
