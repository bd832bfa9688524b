"""Responses: what one sends from created to done, and how it is cut short."""

from __future__ import annotations

import msgspec
import pytest

from rejoinder.server.audio import SPEECH
from rejoinder.server.beats import OpenItem
from rejoinder.server.drafts import Stage, draft_of
from rejoinder.server.ids import CountingIds
from rejoinder.server.script import Call, Pause, Refuse, Script, Speech, Stop, Text, Turn
from rejoinder.wire import server_events as events
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ErrorBody, StatusDetails
from tests.server.desk import Desk, every, only, refusal, sent, types

PCM = bytes(range(256)) * 75  # 0.4 s


def asked_in_writing() -> tuple[Desk, list[events.ServerEvent]]:
    desk = Desk(Script(Turn("capital of peru", Text("Lima it is."))))
    desk.configure(output_modalities=["text"])
    desk.write("Capital of Peru?")
    told = desk.say("response.create", event_id="c3", response={"metadata": {"req": "7"}})
    return desk, told + desk.run()


def test_a_written_answer_is_told_in_the_measured_order() -> None:
    _, told = asked_in_writing()
    assert types(told) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_a_response_is_told_as_it_begins_and_as_it_ends() -> None:
    desk, told = asked_in_writing()
    created = only(events.ResponseCreated, told).response
    assert (created.status, created.output, created.usage) == ("in_progress", [], None)
    assert (created.metadata, created.object) == ({"req": "7"}, "realtime.response")
    assert created.conversation_id == desk.session.conversation.id
    done = only(events.ResponseDone, told).response
    assert (done.id, done.status, done.status_details) == (created.id, "completed", None)
    assert done.metadata == {"req": "7"}
    (item,) = done.output
    assert item.content == [ContentPart(type="output_text", text="Lima it is.")]
    assert (item.status, item.role, item.object) == ("completed", "assistant", "realtime.item")
    assert desk.session.conversation.items()[-1] == item


def test_a_spoken_answer_interleaves_words_and_sound_and_joins_up() -> None:
    desk = Desk(Script(Turn(None, Speech("One two three four five", PCM))))
    told = desk.say("response.create") + desk.run()
    words = [event.delta for event in every(events.ResponseOutputAudioTranscriptDelta, told)]
    assert "".join(words) == "One two three four five"
    sound = [event.delta for event in every(events.ResponseOutputAudioDelta, told)]
    assert b"".join(sound) == PCM
    assert [len(delta) for delta in sound] == [4800] * 4
    order = types(told)
    assert order[-7:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert order.index("response.output_audio.delta") < order.index("response.output_audio.done")
    part = only(events.ResponseContentPartDone, told).part
    assert part == ContentPart(type="audio", transcript="One two three four five")
    done = only(events.ResponseDone, told).response
    spoken = ContentPart(type="output_audio", transcript="One two three four five")
    assert done.output[0].content == [spoken]  # no audio bytes in item and response objects


def test_words_without_sound_are_told_all_the_same() -> None:
    desk = Desk(Script(Turn(None, Speech("mute", b""))))
    told = desk.say("response.create") + desk.run()
    assert only(events.ResponseOutputAudioTranscriptDone, told).transcript == "mute"
    assert every(events.ResponseOutputAudioDelta, told) == []


def test_a_line_without_a_recording_is_hummed_for_as_long_as_its_words() -> None:
    desk = Desk(Script(Turn(None, Speech("ten letter")), Turn(None, Speech("x", lasting=1.5))))
    told = desk.say("response.create") + desk.run()
    assert sum(len(one.delta) for one in every(events.ResponseOutputAudioDelta, told)) == 28800
    told = desk.say("response.create") + desk.run()
    assert sum(len(one.delta) for one in every(events.ResponseOutputAudioDelta, told)) == 72000


def test_no_line_is_hummed_for_longer_than_a_minute_unless_it_says_so() -> None:
    words = "x" * 60_000
    desk = Desk(Script(Turn(None, Speech(words)), Turn(None, Speech(words, lasting=61.0))))
    for seconds in (60, 61):
        told = desk.say("response.create") + desk.run()
        deltas = every(events.ResponseOutputAudioDelta, told)
        assert sum(len(one.delta) for one in deltas) == seconds * 48_000


def test_sound_is_sent_as_much_faster_than_it_plays_as_the_line_says() -> None:
    desk = Desk(Script(Turn(None, Speech("now", PCM, pace=2.0), thinking=0.5)))
    desk.say("response.create")
    moments = []
    while not every(events.ResponseDone, told := sent(desk.tick())):
        moments += [round(desk.now - 100, 3)] * len(every(events.ResponseOutputAudioDelta, told))
    assert moments == [0.5, 0.55, 0.6, 0.65]
    assert round(desk.now - 100, 3) == 0.7


def test_a_spoken_line_is_written_in_a_text_response_and_text_stays_text() -> None:
    script = Script(Turn(None, Speech("Said.")), Turn(None, Text("Written.")))
    desk = Desk(script)
    told = desk.say("response.create", response={"output_modalities": ["text"]}) + desk.run()
    assert only(events.ResponseOutputTextDone, told).text == "Said."
    assert only(events.ResponseDone, told).response.output_modalities == ["text"]
    told = desk.say("response.create") + desk.run()
    assert only(events.ResponseOutputTextDone, told).text == "Written."


def test_a_tool_call_is_told_four_times() -> None:
    desk = Desk(Script(Turn(None, Call("weather", {"city": "Oslo"}))))
    told = desk.say("response.create") + desk.run()
    assert types(told) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    begun = only(events.ResponseOutputItemAdded, told).item
    assert (begun.type, begun.name, begun.arguments) == ("function_call", "weather", "")
    over = only(events.ResponseFunctionCallArgumentsDone, told)
    assert (over.arguments, over.name, over.call_id) == (
        '{"city":"Oslo"}',
        "weather",
        begun.call_id,
    )
    done = only(events.ResponseDone, told).response
    assert (done.status, done.output) == (
        "completed",
        [only(events.ResponseOutputItemDone, told).item],
    )
    assert done.output[0].arguments == '{"city":"Oslo"}'


def test_arguments_may_be_any_text_and_none() -> None:
    desk = Desk(Script(Turn(None, Call("a", '{"cut', "call_mine"), Call("b", ""))))
    told = desk.say("response.create") + desk.run()
    first, second = every(events.ResponseFunctionCallArgumentsDone, told)
    assert (first.arguments, first.call_id, first.output_index) == ('{"cut', "call_mine", 0)
    assert (second.arguments, second.output_index) == ("", 1)


def test_several_outputs_are_several_items_with_a_pause_where_it_is_written() -> None:
    desk = Desk(Script(Turn(None, Text("a"), Pause(2.0), Text("b"), Pause(1.0), thinking=0.0)))
    told = desk.say("response.create") + desk.run(1.9)
    assert len(every(events.ResponseOutputItemDone, told)) == 1
    told = desk.run(0.2)
    assert [event.output_index for event in every(events.ResponseOutputItemDone, told)] == [1]
    assert every(events.ResponseDone, told) == []
    assert len(only(events.ResponseDone, desk.run(1.0)).response.output) == 2


def test_a_response_may_complete_with_nothing() -> None:
    desk = Desk(Script(Turn(None)))
    told = desk.say("response.create") + desk.run()
    assert types(told) == ["response.created", "response.done", "rate_limits.updated"]
    assert only(events.ResponseDone, told).response.output == []


def test_a_failing_response_closes_what_is_open_and_costs_nothing() -> None:
    error = ErrorBody(type="server_error", message="out of coffee")
    line = (Text("Half of it."), Stop("failed", error=error), Text("never"))
    desk = Desk(Script(Turn(None, *line)))
    told = desk.say("response.create") + desk.run()
    done = only(events.ResponseDone, told).response
    details = {"type": "failed", "error": {"type": "server_error", "message": "out of coffee"}}
    assert msgspec.to_builtins(done.status_details) == details
    assert done.usage is not None
    assert (done.usage.total_tokens, done.usage.output_tokens) == (0, 0)
    assert len(done.output) == 1


def test_a_filtered_response_is_incomplete_for_that_reason() -> None:
    desk = Desk(Script(Turn(None, Text("Well"), Stop(reason="content_filter"))))
    done = only(events.ResponseDone, desk.say("response.create") + desk.run()).response
    assert done.status_details == StatusDetails(type="incomplete", reason="content_filter")


def test_a_token_limit_cuts_the_item_and_the_response() -> None:
    desk = Desk(Script(Turn(None, Text("one two three four five six"))))
    told = desk.say("response.create", response={"max_output_tokens": 3}) + desk.run()
    done = only(events.ResponseDone, told).response
    assert (done.status, done.max_output_tokens) == ("incomplete", 3)
    assert done.status_details == StatusDetails(type="incomplete", reason="max_output_tokens")
    assert done.output[0].status == "incomplete"
    assert done.output[0].content == [ContentPart(type="output_text", text="one two three")]
    assert only(events.ResponseOutputTextDone, told).text == "one two three"


@pytest.mark.parametrize(
    ("output", "closing"),
    [
        (Text("one two three"), ["response.output_text.done", "response.content_part.done"]),
        (
            Speech("one two three", PCM),
            [
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
            ],
        ),
        (Call("f", {"a": "bcdefghijkl"}), ["response.function_call_arguments.done"]),
    ],
)
def test_a_cancelled_response_closes_what_it_opened(
    output: Text | Speech | Call, closing: list[str]
) -> None:
    desk = Desk(Script(Turn(None, output, thinking=0.0)))
    (created, *_) = desk.say("response.create")
    assert isinstance(created, events.ResponseCreated)
    told = desk.say("response.cancel", response_id=created.response.id)
    assert types(told) == [
        *closing,
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    done = only(events.ResponseDone, told).response
    assert done.status_details == StatusDetails(type="cancelled", reason="client_cancelled")
    assert [item.status for item in done.output] == ["incomplete"]
    assert desk.run() == []


def test_what_was_not_opened_is_not_closed() -> None:
    desk = Desk(Script(Turn(None, Text("late"), thinking=1.0)))
    desk.say("response.create")
    told = desk.say("response.cancel")
    assert types(told) == ["response.done", "rate_limits.updated"]
    assert only(events.ResponseDone, told).response.output == []


@pytest.mark.parametrize("beat", [OpenItem(), OpenItem("weather")])
def test_an_item_cut_before_its_first_part_or_argument_closes_only_itself(beat: OpenItem) -> None:
    draft = draft_of(Stage(CountingIds(), SPEECH, None), "resp_1", 0, beat)
    assert types(draft.begin()) == ["response.output_item.added"]
    item, told = draft.close("incomplete")
    assert types(told) == ["response.output_item.done"]
    assert (item.status, item.content or None, item.arguments or None) == ("incomplete", None, None)


def test_usage_counts_what_went_in_and_out() -> None:
    desk = Desk(Script(Turn(None, Speech("four", PCM))))
    desk.configure(instructions="12345678")
    desk.write("abcd")
    told = desk.say("response.create") + desk.run()
    usage = only(events.ResponseDone, told).response.usage
    assert usage is not None
    assert usage.input_token_details is not None
    assert usage.output_token_details is not None
    assert (usage.input_tokens, usage.input_token_details.text_tokens) == (3, 3)
    details = usage.output_token_details
    assert (usage.output_tokens, details.text_tokens, details.audio_tokens) == (9, 1, 8)
    assert usage.total_tokens == 12
    limits = only(events.RateLimitsUpdated, told).rate_limits
    assert [(one.name, one.remaining) for one in limits] == [("tokens", 40_000 - 12)]


def test_g711_is_spoken_when_it_is_asked_for() -> None:
    desk = Desk(Script(Turn(None, Speech("one", PCM))))
    wanted = {"audio": {"output": {"format": {"type": "audio/pcmu"}, "voice": "cedar"}}}
    told = desk.say("response.create", response=wanted) + desk.run()
    assert sum(len(one.delta) for one in every(events.ResponseOutputAudioDelta, told)) == 3200
    audio = only(events.ResponseDone, told).response.audio
    assert audio is not None
    assert audio.output
    assert audio.output.voice == "cedar"


def test_a_script_may_refuse() -> None:
    desk = Desk(Script(Turn(None, Refuse("rate_limit_exceeded", "Slow down."))))
    error = refusal(desk.say("response.create", event_id="c1"))
    assert (error.code, error.message, error.event_id) == (
        "rate_limit_exceeded",
        "Slow down.",
        "c1",
    )


def test_a_reply_may_be_made_by_a_function() -> None:
    desk = Desk(Script(Turn(None, Text("You:"), lambda prompt: (Text(prompt.instructions),))))
    told = desk.say("response.create", response={"instructions": "Sing."}) + desk.run()
    assert [one.text for one in every(events.ResponseOutputTextDone, told)] == ["You:", "Sing."]


def test_items_of_the_conversation_are_told_in_order() -> None:
    desk = Desk(Script(Turn(None, Text("Hi."))))
    (added, _) = desk.write("Hello")
    told = desk.say("response.create") + desk.run()
    assert isinstance(added, events.ConversationItemAdded)
    begun = only(events.ConversationItemAdded, told)
    assert begun.previous_item_id == added.item.id
    assert begun.item == Item(
        type="message",
        id=begun.item.id,
        object="realtime.item",
        status="in_progress",
        role="assistant",
        content=[],
    )
    assert only(events.ConversationItemDone, told).previous_item_id == added.item.id
