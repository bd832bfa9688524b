"""Replies beside the conversation, and those that are asked for by hand."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import llm

from rejoinder.core.outcomes import Cancelled, Completed, Rejected, TimedOut
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import ReplyCreatedEvent, ReplyError
from rejoinder.server.script import Pause, Refuse, Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire.client_events import ResponseCreate
from tests.livekit.talk import WORDS, Heard, first, messages, talking

NOTE = "A note to myself."
ASIDE = Turn(lambda prompt: prompt.out_of_band, Speech(NOTE))
SCRIPT = Script(ASIDE, otherwise=Turn(None, Speech(WORDS, lasting=0.8)))


def test_a_reply_out_of_band_reaches_only_who_waits_for_it(run: Run) -> None:
    async def main() -> None:
        async with talking(script=SCRIPT) as talk:
            aside, spoken = await asyncio.gather(
                talk.reply(conversation="none", input=messages("a"), modalities=["text"]),
                talk.reply(),
            )

            assert aside.text == NOTE
            assert aside.modalities == [["text"]]
            assert aside.audio_seconds == 0
            assert spoken.text == WORDS
            assert talk.created == [spoken.event]
            assert [item.text_content for item in talk.session.chat_ctx.messages()] == [WORDS]
            assert len(talk.usage) == 2
            create = talk.said(ResponseCreate)[0].response
            assert (create.conversation, create.output_modalities) == ("none", ["text"])
            assert [(item.id, item.content[0].text) for item in create.input] == [(None, "a")]

    run(main())


def test_an_interruption_does_not_reach_it_and_its_own_cancel_does(run: Run) -> None:
    slow = Turn(lambda prompt: prompt.out_of_band, Speech(NOTE), Pause(5.0))

    async def main() -> None:
        async with talking(script=Script(slow)) as talk:
            event = await talk.session.generate_reply(conversation="none")
            talk.session.interrupt()
            assert not talk.session.has_active_generation
            assert talk.cancelled == []
            assert isinstance(event, ReplyCreatedEvent)
            event.cancel()
            assert isinstance(await event.outcome, Cancelled)
            assert talk.cancelled == [event.response_id]

    run(main())


def test_it_fails_to_who_waits_for_it(run: Run) -> None:
    script = Script(Turn(lambda prompt: prompt.out_of_band, Refuse("invalid_value", "Too loud.")))

    async def main() -> None:
        async with talking(script=script) as talk:
            with pytest.raises(ReplyError, match=r"Too loud\.") as failure:
                await talk.session.generate_reply(conversation="none")
            assert isinstance(failure.value.outcome, Rejected)
            assert talk.errors == []

    run(main())


@pytest.mark.parametrize(
    "wrong", [{"modalities": ["smell"]}, {"modalities": []}, {"conversation": 5}]
)
def test_what_cannot_be_asked_breaks_the_promise_at_once(
    run: Run, wrong: dict[str, object]
) -> None:
    async def main() -> None:
        async with talking() as talk:
            promise = talk.session.generate_reply(**wrong)  # type: ignore[arg-type]
            assert promise.done()
            with pytest.raises(llm.RealtimeError) as failure:
                await promise
            assert failure.value.code == "invalid_request"
            assert not talk.session.has_active_generation

    run(main())


# -- by hand --


def test_a_response_asked_for_by_hand_waits_its_turn_and_is_spoken(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            event = await talk.session.generate_reply()
            talk.session.send_event({"type": "response.create", "event_id": "mine"})
            created = first(talk.session, "generation_created")
            heard = [
                await talk.listen(event, Heard()),
                await talk.listen(await created, Heard()),
            ]

            assert [one.text for one in heard] == [WORDS, WORDS]
            assert [told.user_initiated for told in talk.created] == [True, False]
            assert [event.event_id for event in talk.said(ResponseCreate)][1] == "mine"
            assert talk.errors == []

    run(main())


@pytest.mark.parametrize(
    ("modalities", "asked", "spoken"),
    [(["text"], ["audio"], True), (["audio"], ["text"], False)],
)
def test_it_is_spoken_or_written_as_it_was_asked_for(
    run: Run, modalities: list[str], asked: list[str], spoken: bool
) -> None:
    async def main() -> None:
        async with talking(modalities=modalities) as talk:
            created = first(talk.session, "generation_created")
            body = {"output_modalities": asked}
            talk.session.send_event({"type": "response.create", "response": body})
            heard = await talk.listen(await created, Heard())

            assert heard.text == WORDS
            assert (heard.audio_seconds > 0) is spoken

    run(main())


def test_events_typed_or_plain_are_all_one(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            created = first(talk.session, "generation_created")
            talk.session.send_event(ResponseCreate())
            assert (await talk.listen(await created, Heard())).text == WORDS

    run(main())


def test_the_same_name_twice_is_two_events(run: Run) -> None:
    refusing = Turn(lambda prompt: prompt.out_of_band, Refuse("invalid_value", "Too loud."))
    script = Script(refusing, otherwise=Turn(None, Speech(WORDS, lasting=3.0)))

    async def main() -> None:
        async with talking(script=script) as talk:
            created = first(talk.session, "generation_created")
            talk.session.send_event({"type": "response.create", "event_id": "app"})
            event = await created
            aside = {"conversation": "none"}
            talk.session.send_event(
                {"type": "response.create", "event_id": "app", "response": aside}
            )
            heard = await talk.listen(event, Heard())

            assert isinstance(heard.outcome, Completed)
            assert talk.reports == [(True, "invalid_value")]
            first_id, second_id = (create.event_id for create in talk.said(ResponseCreate))
            assert first_id == "app" != second_id

    run(main())


def test_one_that_is_refused_is_an_error_event(run: Run) -> None:
    async def main() -> None:
        async with talking("refused") as talk:
            told = first(talk.session, "error")
            talk.session.send_event({"type": "response.create"})
            error = (await told).error
            assert isinstance(error, ReplyError)
            assert error.code == "invalid_value"
            assert talk.created == []
            assert not talk.session.has_active_generation

    run(main())


def test_one_that_is_never_answered_is_an_error_event(run: Run) -> None:
    async def main() -> None:
        async with talking("swallowed") as talk:
            told = first(talk.session, "error")
            talk.session.send_event({"type": "response.create"})
            error = (await told).error
            assert isinstance(error, ReplyError)
            assert isinstance(error.outcome, TimedOut)

    run(main())


def test_a_cancel_by_hand_hits_the_response_of_the_conversation(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            event = await talk.session.generate_reply()
            talk.session.send_event({"type": "response.cancel"})
            heard = await talk.listen(event, Heard())
            assert isinstance(heard.outcome, Cancelled)
            assert talk.cancelled == [event.response_id]

    run(main())


def test_a_configuration_by_hand_is_known(run: Run) -> None:
    async def main() -> None:
        async with talking(speed=1.2) as talk:
            heard = {"input": {"turn_detection": None}, "output": {"speed": 0.8}}
            said = {"type": "realtime", "output_modalities": ["text"], "audio": heard}
            talk.session.send_event({"type": "session.update", "session": said})
            assert not talk.session.capabilities.turn_detection
            assert not talk.session.capabilities.audio_output
            await talk.session.update_options(speed=1.2)
            assert talk.peer.core.settings.config["audio"]["output"]["speed"] == 1.2

    run(main())


def test_a_configuration_by_hand_that_is_refused_is_forgotten(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            told = first(talk.session, "error")
            said = {"type": "realtime", "output_modalities": ["text"], "colour": 1}
            talk.session.send_event({"type": "session.update", "session": said})
            assert not talk.session.capabilities.audio_output
            assert (await told).error.code == "unknown_parameter"
            assert talk.session.capabilities.audio_output

    run(main())


@pytest.mark.parametrize("deep", [False, True], ids=["cycle", "deep"])
def test_what_has_no_end_is_no_event(run: Run, deep: bool) -> None:
    event: dict[str, object] = {"type": "x.y"}
    inner = event
    for _ in range(5000 if deep else 0):
        below: dict[str, object] = {}
        inner["below"] = below
        inner = below
    if not deep:
        event["below"] = event

    async def main() -> None:
        async with talking() as talk:
            with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
                talk.session.send_event(event)
            assert (await talk.reply()).text == WORDS

    run(main())


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "conversation.item.delete", "item_id": "nobody"}, "item_delete_invalid_item_id"),
        (
            {"type": "session.update", "session": {"type": "realtime", "colour": 1}},
            "unknown_parameter",
        ),
    ],
)
def test_an_edit_by_hand_that_is_refused_is_an_error_event(
    run: Run, event: dict[str, object], code: str
) -> None:
    async def main() -> None:
        async with talking() as talk:
            told = first(talk.session, "error")
            talk.session.send_event(event)
            assert (await told).error.code == code
            assert isinstance((await talk.reply()).outcome, Completed)
            assert talk.reports == [(True, code)]

    run(main())
