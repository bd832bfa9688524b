"""The session: one slot and what is beside it, cancelling, ends, and frames that are no events."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from msgspec import UNSET

from rejoinder.errors import ConfigurationError
from rejoinder.server.core import EXPIRED, Terms
from rejoinder.server.effects import Hangup, Ping, Send
from rejoinder.server.inputs import Expire, Forget, Hold, Tick
from rejoinder.server.script import (
    Call,
    Prompt,
    Reply,
    Script,
    Speech,
    Text,
    Turn,
    after_tool,
)
from rejoinder.wire import server_events as events
from rejoinder.wire.response import StatusDetails
from tests.server.desk import Desk, base64_of, every, only, refusal, sent, types

SLOW = Speech("A long answer", bytes(48000), pace=1)


def begin(desk: Desk, **response: Any) -> str:
    """Asks for a response and returns its id."""
    told = desk.say("response.create", event_id="c1", response=response)
    return only(events.ResponseCreated, told).response.id or ""


# -- one slot --


def test_the_default_conversation_has_one_slot_and_the_refusal_says_who_has_it() -> None:
    desk = Desk(Script(Turn(None, SLOW), Turn(None, Text("next"))))
    running = begin(desk)
    error = refusal(desk.say("response.create", event_id="c9"))
    assert (error.code, error.event_id) == ("conversation_already_has_active_response", "c9")
    assert running in (error.message or "")
    assert len(every(events.ResponseDone, desk.run())) == 1
    assert begin(desk) != running


def test_any_number_runs_beside_it_and_stays_out_of_the_conversation() -> None:
    desk = Desk(Script(Turn(None, SLOW), otherwise=Turn(None, Text("topic"))))
    begin(desk)
    items = desk.session.conversation.items()
    aside = {"conversation": "none", "output_modalities": ["text"], "metadata": {"job": "1"}}
    told = desk.say("response.create", response=aside)
    assert only(events.ResponseCreated, told).response.conversation_id is None
    other = begin(desk, conversation="none")
    told = desk.run()
    assert len(every(events.ResponseDone, told)) == 3
    begun = every(events.ConversationItemAdded, told)
    assert len(begun) == len(desk.session.conversation.items()) - len(items) == 1
    (done,) = [one for one in every(events.ResponseDone, told) if one.response.id == other]
    assert done.response.output[0].status == "completed"


@pytest.mark.parametrize(
    ("response", "code", "param"),
    [
        ({"conversation": "another"}, "invalid_value", "response.conversation"),
        ({"output_modalities": []}, "invalid_value", "response.output_modalities"),
        ({"max_output_tokens": 5000}, "integer_above_max_value", "response.max_output_tokens"),
        (
            {"metadata": {str(n): "" for n in range(17)}},
            "object_above_max_properties",
            "response.metadata",
        ),
        ({"metadata": {"k": "x" * 513}}, "string_above_max_length", "response.metadata.k"),
        ({"metadata": {"k" * 65: ""}}, "string_above_max_length", "response.metadata"),
        ({"tools": [{}]}, "missing_required_parameter", "response.tools[0].type"),
        ({"temperature": 0.8}, "unknown_parameter", "response.temperature"),
        ({"tool_choice": "maybe"}, "invalid_value", "response.tool_choice"),
        ({"prompt": {}}, "missing_required_parameter", "response.prompt.id"),
        ({"reasoning": {"effort": "low"}}, "unknown_parameter", "response.reasoning"),
        ({"audio": {"output": {"speed": 1.1}}}, "unknown_parameter", "response.audio.output.speed"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm"}}}},
            "unknown_parameter",
            "response.audio.input",
        ),
        (
            {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 8000}}}},
            "integer_below_min_value",
            "response.audio.output.format.rate",
        ),
        (
            {"input": [{"type": "item_reference", "id": "nobody"}]},
            "invalid_value",
            "response.input[0].id",
        ),
        (
            {"input": [{"type": "message", "role": "user"}]},
            "missing_required_parameter",
            "response.input[0].content",
        ),
    ],
)
def test_a_refused_create_is_one_error_and_no_response(
    response: dict[str, Any], code: str, param: str
) -> None:
    desk = Desk()
    error = refusal(desk.say("response.create", event_id="c1", response=response))
    assert (error.code, error.param, error.event_id) == (code, param, "c1")
    assert desk.run() == []


# -- cancelling --


def test_a_cancel_without_an_id_is_for_the_default_response() -> None:
    desk = Desk(Script(otherwise=Turn(None, SLOW)))
    aside = begin(desk, conversation="none")
    spoken = begin(desk)
    done = only(events.ResponseDone, desk.say("response.cancel")).response
    assert done.id == spoken
    assert done.status_details == StatusDetails(type="cancelled", reason="client_cancelled")
    assert refusal(desk.say("response.cancel")).code == "response_cancel_not_active"
    told = desk.say("response.cancel", response_id=aside)
    assert only(events.ResponseDone, told).response.id == aside


def test_a_cancel_of_what_does_not_run_is_refused() -> None:
    desk = Desk()
    assert refusal(desk.say("response.cancel")).code == "response_cancel_not_active"
    response_id = begin(desk)
    desk.run()
    error = refusal(desk.say("response.cancel", event_id="c2", response_id=response_id))
    assert (error.code, error.event_id) == ("response_cancel_not_active", "c2")


def test_a_held_response_says_nothing_until_it_is_cancelled() -> None:
    desk = Desk(Script(Turn(None, SLOW)))
    response_id = begin(desk)
    desk.run(0.3)
    assert desk.give(Hold(response_id)) == []
    assert desk.run() == []
    assert refusal(desk.say("response.create")).code == "conversation_already_has_active_response"
    assert only(events.ResponseDone, desk.say("response.cancel")).response.status == "cancelled"
    assert desk.give(Hold(response_id)) == []


def test_a_forgotten_response_leaves_its_slot_without_a_word() -> None:
    desk = Desk(Script(Turn(None, SLOW)))
    response_id = begin(desk)
    assert desk.give(Forget(response_id)) == []
    assert desk.run() == []
    told = desk.say("response.cancel", response_id=response_id)
    assert refusal(told).code == "response_cancel_not_active"
    assert begin(desk)


# -- what it answers --


def seen(script_turn: Turn | None = None) -> tuple[list[Prompt], Desk]:
    prompts: list[Prompt] = []

    def answer(prompt: Prompt) -> Reply:
        prompts.append(prompt)
        return (Text("ok"),)

    turns = [script_turn] if script_turn else []
    return prompts, Desk(Script(*turns, otherwise=Turn(None, answer)))


def test_a_script_is_shown_the_words_and_the_rest() -> None:
    prompts, desk = seen()
    desk.configure(instructions="Be kind.")
    begin(desk)
    desk.run()
    desk.write("Hello there")
    begin(desk, metadata={"a": "b"}, conversation="none", instructions="Be brief.")
    desk.run()
    first, second = prompts
    assert (first.kind, first.text, first.number) == ("nothing", "", 1)
    assert (first.instructions, first.metadata, first.out_of_band) == ("Be kind.", {}, False)
    assert (second.kind, second.text, second.number) == ("text", "Hello there", 2)
    assert (second.instructions, second.metadata) == ("Be brief.", {"a": "b"})
    assert second.out_of_band


def test_a_context_may_be_given_with_the_request() -> None:
    prompts, desk = seen()
    desk.write("first", id="u1")
    desk.write("second")
    given = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "between you and me"}],
    }
    begin(desk, input=[{"type": "item_reference", "id": "u1"}, given], conversation="none")
    begin(desk, input=[{"type": "item_reference", "id": "u1"}], conversation="none")
    begin(desk, input=[], conversation="none")
    assert [prompt.text for prompt in prompts] == ["between you and me", "first", ""]
    assert [len(prompt.items) for prompt in prompts] == [2, 1, 0]
    assert len(desk.session.conversation.items()) == 2


def test_tool_outputs_are_shown_by_the_name_of_the_tool() -> None:
    prompts, desk = seen(Turn(None, Call("weather", "{}", "call_1"), Call("time", "{}", "call_2")))
    begin(desk)
    desk.run()
    for call_id, output in (("call_1", "sunny"), ("call_2", "noon")):
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        desk.say("conversation.item.create", item=item)
    begin(desk)
    (prompt,) = prompts
    assert (prompt.kind, prompt.tool_outputs) == ("tool", {"weather": "sunny", "time": "noon"})


def test_an_assistant_item_at_the_end_asks_for_nothing() -> None:
    prompts, desk = seen()
    desk.write("Hi")
    content = [{"type": "output_text", "text": "Hello."}]
    desk.say(
        "conversation.item.create",
        item={"type": "message", "role": "assistant", "content": content},
    )
    begin(desk)
    assert [(prompt.kind, prompt.text) for prompt in prompts] == [("nothing", "Hi")]


def test_a_typed_conversation_with_a_tool() -> None:
    script = Script(
        Turn("weather", Call("look_up", {"city": "Oslo"}, "call_1")),
        Turn(after_tool("look_up"), Text("It rains.")),
    )
    desk = Desk(script)
    desk.configure(output_modalities=["text"])
    desk.write("What is the WEATHER like?")
    begin(desk)
    call = only(events.ResponseFunctionCallArgumentsDone, desk.run())
    item = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    desk.say("conversation.item.create", item=item)
    begin(desk)
    assert only(events.ResponseOutputTextDone, desk.run()).text == "It rains."


def test_without_a_script_it_echoes() -> None:
    desk = Desk()
    desk.configure(output_modalities=["text"])
    texts = []
    begin(desk)
    texts += every(events.ResponseOutputTextDone, desk.run())
    desk.write("Good morning")
    begin(desk)
    texts += every(events.ResponseOutputTextDone, desk.run())
    for item in (
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "42"},
    ):
        desk.say("conversation.item.create", item=item)
    begin(desk)
    texts += every(events.ResponseOutputTextDone, desk.run())
    assert [one.text for one in texts] == [
        "Hello, how can I help?",
        "You said: Good morning",
        "f says 42.",
    ]


# -- frames --


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        (b'{"type":"response.create"}', "invalid_event", None),
        ("{oops", "invalid_json", None),
        ("[1]", "invalid_event", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type":"session.dance"}', "invalid_value", "type"),
        ('{"type":"output_audio_buffer.clear"}', "invalid_value", "type"),
        ('{"type":"response.create","volume":1}', "unknown_parameter", "volume"),
        (
            '{"type":"conversation.item.create","item":{"type":"message","content":[{"colour":1}]}}',
            "unknown_parameter",
            "item.content[0].colour",
        ),
        ('{"type":"conversation.item.delete"}', "missing_required_parameter", "item_id"),
        ('{"type":"conversation.item.delete","item_id":7}', "invalid_type", "item_id"),
        ('{"type":"input_audio_buffer.append","audio":"**"}', "invalid_value", "audio"),
        ('{"type":"input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type":"input_audio_buffer.append","audio":"","rate":8}', "unknown_parameter", "rate"),
        (
            '{"type":"conversation.item.truncate","item_id":"i","content_index":0,"audio_end_ms":-1}',
            "integer_below_min_value",
            "audio_end_ms",
        ),
    ],
)
def test_what_cannot_be_read_is_answered_and_harms_nothing(
    frame: str | bytes, code: str, param: str | None
) -> None:
    desk = Desk()
    error = refusal(desk.frame(frame))
    assert (error.code, error.param) == (code, param)
    assert len(desk.write("still here")) == 2


def test_what_cannot_be_read_is_named_if_it_has_an_id() -> None:
    desk = Desk()
    for members in ({"type": "nonsense"}, {"type": "response.cancel", "response_id": 7}):
        assert refusal(desk.frame(json.dumps({**members, "event_id": "c7"}))).event_id == "c7"


def test_an_append_holds_fifteen_mebibytes() -> None:
    desk = Desk()
    desk.manual()
    most = base64_of(bytes(15 * 1024 * 1024))
    assert desk.say("input_audio_buffer.append", audio=most) == []
    error = refusal(desk.say("input_audio_buffer.append", audio=f"{most}AAAA", event_id="c1"))
    assert (error.code, error.param, error.event_id) == ("string_above_max_length", "audio", "c1")


def test_an_event_id_has_an_end() -> None:
    desk = Desk()
    assert len(desk.say("input_audio_buffer.clear", event_id="e" * 512)) == 1
    error = refusal(desk.say("input_audio_buffer.clear", event_id="e" * 513))
    assert (error.code, error.param) == ("string_above_max_length", "event_id")


def test_free_form_members_may_hold_anything() -> None:
    desk = Desk()
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "x": [{"y": 1}]}}
    assert types(desk.configure(tools=[tool], tool_choice={"type": "function", "name": "f"})) == [
        "session.updated"
    ]


# -- the session's life --


def test_every_event_has_an_id_of_its_own() -> None:
    desk = Desk()
    told = sent(desk.greeting) + desk.write("a") + desk.say("response.create") + desk.run()
    ids = [event.event_id for event in told]
    assert all(ids)
    assert len(set(ids)) == len(told)


def test_events_know_the_client_event_behind_them() -> None:
    desk = Desk(Script(Turn(None, Text("ok"))))
    begin(desk)
    causes = {effect.cause for effect in desk.effects(5.0) if isinstance(effect, Send)}
    assert causes == {"c1"}


def test_it_pings_every_twenty_seconds() -> None:
    desk = Desk()
    assert [effect for effect in desk.effects(65.0) if isinstance(effect, Ping)] == [Ping()] * 3


def test_it_expires_with_an_error_and_a_close_and_is_over() -> None:
    desk = Desk(Script(Turn(None, SLOW)), terms=Terms(lifetime=1.0))
    begin(desk)
    *_, error, hangup = desk.effects(1.0)
    assert isinstance(error, Send)
    assert isinstance(error.event, events.Error)
    assert (error.event.error.code, error.event.error.event_id) == ("session_expired", None)
    assert hangup == Hangup(1001, EXPIRED)
    assert desk.session.ended
    assert desk.session.next_deadline() is None
    assert desk.session.step(desk.now, Tick()) == []
    assert desk.say("response.create") == []


def test_it_expires_when_told_to() -> None:
    assert Hangup(1001, EXPIRED) in Desk().give(Expire())


def test_a_tick_too_early_does_nothing() -> None:
    assert Desk().give(Tick()) == []


def test_null_and_absent_read_alike() -> None:
    desk = Desk(Script(otherwise=Turn(None, Text("ok"))))
    nulls = {"input": None, "instructions": None, "metadata": None, "audio": None}
    told = desk.say("response.create", response=nulls) + desk.run()
    assert only(events.ResponseDone, told).response.metadata is None
    assert only(events.ResponseDone, told).response.conversation_id is not UNSET
    told = desk.frame('{"type":"response.create","response":null,"event_id":null}')
    assert types(told) == ["response.created"]
    assert types(desk.frame('{"type":"response.cancel","response_id":null}'))[-2:] == [
        "response.done",
        "rate_limits.updated",
    ]


def test_the_same_conversation_has_the_same_events() -> None:
    def conversation() -> list[events.ServerEvent]:
        desk = Desk()
        told = desk.write("Hello") + desk.say("response.create") + desk.run()
        return told + desk.hear(bytes(4800)) + desk.say("input_audio_buffer.commit")

    assert conversation() == conversation()


def test_base64_of_any_length_is_sound() -> None:
    desk = Desk()
    assert desk.say("input_audio_buffer.append", audio=base64_of(b"\0")) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"lifetime": 0.0}, "lifetime 0: say 0.001 to 1e+09 seconds"),
        ({"lifetime": math.inf}, "lifetime inf: say 0.001 to 1e+09 seconds"),
        ({"ping": 1e-300}, "ping 1e-300: say 0.1 to 1e+09 seconds"),
        ({"ping": math.nan}, "ping nan: say 0.1 to 1e+09 seconds"),
        ({"transcribing": -1.0}, "transcribing -1: say 0 to 1e+09 seconds"),
        ({"listing": -1.0}, "listing -1: say 0 to 1e+09 seconds"),
    ],
)
def test_what_nobody_can_be_granted_is_refused(wrong: dict[str, float], why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Terms(**wrong)  # type: ignore[arg-type]
    assert refused.value.message == why
