"""Replies of our server as the official SDK hears them."""

from __future__ import annotations

import json
from typing import Any

from rejoinder.demo.script import recording
from rejoinder.server.script import Call, Pause, Script, Speech, Stop, Text, Turn, after_tool
from rejoinder.testing import Run, Serve
from rejoinder.wire.response import ErrorBody
from tests.foreign.sdk import calling

HOURS = "We are open from nine to six."
LONG = Speech("One two three four five six seven eight nine ten.", lasting=8.0, pace=2.0)
WEATHER = {
    "type": "function",
    "name": "look_up_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def test_a_typed_question_is_answered_in_writing(run: Run, realtime_server: Serve) -> None:
    script = Script(Turn("capital", Text("It is Lima.")))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            await caller.update(output_modalities=["text"])
            response = await caller.ask("What is the capital of Peru?")
            assert response.status == "completed"
            assert response.output_modalities == ["text"]
            assert response.output[0].content[0].text == "It is Lima."
            assert caller.text("response.output_text.delta") == "It is Lima."
            (done,) = caller.told("response.output_text.done")
            assert done.text == "It is Lima."

    run(main())


def test_a_typed_question_is_answered_aloud(run: Run, realtime_server: Serve) -> None:
    spoken = recording("answer-1")
    script = Script(Turn("open", Speech(HOURS, spoken)))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            response = await caller.ask("When are you open?")
            assert caller.samples() == spoken
            assert caller.text("response.output_audio_transcript.delta") == HOURS
            assert response.output[0].content[0].transcript == HOURS
            assert response.output[0].content[0].audio is None

    run(main())


def test_a_reply_has_its_usage_and_rate_limits(run: Run, realtime_server: Serve) -> None:
    script = Script(otherwise=Turn(None, Speech(HOURS)))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            usage = (await caller.ask("When are you open?")).usage
            assert usage.total_tokens == usage.input_tokens + usage.output_tokens
            assert usage.output_token_details.audio_tokens > 0
            assert usage.input_token_details.cached_tokens == 0
            (limit,) = (await caller.until("rate_limits.updated")).rate_limits
            assert limit.remaining == limit.limit - usage.total_tokens
            assert caller.told("response.created")[0].response.usage is None
            again = (await caller.ask("And then?")).usage
            assert again.input_tokens > usage.input_tokens

    run(main())


def test_a_tool_is_called_and_its_output_answered(run: Run, realtime_server: Serve) -> None:
    script = Script(
        Turn("weather", Call("look_up_weather", {"city": "Lisbon"})),
        Turn(after_tool("look_up_weather"), Speech("It stays dry.")),
    )

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            session = await caller.update(tools=[WEATHER], tool_choice="auto")
            assert session.tools[0].name == "look_up_weather"
            response = await caller.ask("How is the weather in Lisbon?")
            (call,) = response.output
            assert json.loads(call.arguments) == {"city": "Lisbon"}
            (done,) = caller.told("response.function_call_arguments.done")
            assert (done.name, done.call_id) == ("look_up_weather", call.call_id)
            assert caller.text("response.function_call_arguments.delta") == call.arguments
            item: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "dry"}
            await caller.connection.conversation.item.create(item=item)
            await caller.until("conversation.item.done")
            follow_up = await caller.reply()
            assert follow_up.output[0].content[0].transcript == "It stays dry."

    run(main())


def test_a_reply_is_cancelled_in_its_midst(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with (
            realtime_server(Script(Turn("count", LONG))) as server,
            calling(server) as caller,
        ):
            await caller.type("Please count.")
            await caller.connection.response.create()
            first = await caller.until("response.output_audio.delta")
            await caller.connection.response.cancel(response_id=first.response_id)
            response = (await caller.until("response.done")).response
            assert response.status == "cancelled"
            assert response.status_details.reason == "client_cancelled"
            assert response.output[0].status == "incomplete"
            assert 0 < len(caller.samples()) < 8 * 48_000
            await caller.connection.response.cancel(event_id="again")
            await caller.until("rate_limits.updated")
            refusal = await caller.refusal()
            assert (refusal.code, refusal.event_id) == ("response_cancel_not_active", "again")

    run(main())


def test_a_reply_beside_the_conversation_runs_along(run: Run, realtime_server: Serve) -> None:
    script = Script(
        Turn("count", LONG), Turn(lambda prompt: prompt.out_of_band, Text("numbers"), thinking=1.0)
    )

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            await caller.type("Please count.")
            await caller.connection.response.create()
            counting = (await caller.until("response.created")).response
            await caller.until("response.output_audio.delta")
            aside = await caller.reply(
                conversation="none",
                output_modalities=["text"],
                instructions="Name the topic.",
                metadata={"job": "topic"},
                input=[],
            )
            assert aside.metadata == {"job": "topic"}
            assert aside.conversation_id is None
            assert aside.output[0].content[0].text == "numbers"
            done = (await caller.until("response.done")).response
            assert (done.id, done.status) == (counting.id, "completed")
            assert done.conversation_id
            items = {event.item.id for event in caller.told("conversation.item.added")}
            assert aside.output[0].id not in items

    run(main())


def test_a_second_reply_is_refused_while_one_runs(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with (
            realtime_server(Script(Turn("count", LONG))) as server,
            calling(server) as caller,
        ):
            await caller.type("Please count.")
            await caller.connection.response.create()
            running = (await caller.until("response.created")).response
            await caller.connection.response.create(event_id="second")
            refusal = await caller.refusal()
            assert refusal.code == "conversation_already_has_active_response"
            assert refusal.event_id == "second"
            assert running.id in refusal.message
            assert (await caller.until("response.done")).response.status == "completed"
            assert len(caller.told("response.created")) == 1

    run(main())


def test_a_reply_may_fail_or_be_cut_short(run: Run, realtime_server: Serve) -> None:
    down = ErrorBody(type="server_error", code=None, message="The server had an error.")
    script = Script(
        Turn("fail", Speech(HOURS), Stop("failed", error=down)),
        Turn("cut", Speech(HOURS), Pause(0.1), Stop("incomplete", "max_output_tokens")),
    )

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            failed = await caller.ask("Please fail.")
            assert failed.status == "failed"
            assert failed.status_details.error.type == "server_error"
            cut = await caller.ask("Please be cut.")
            assert cut.status == "incomplete"
            assert cut.status_details.reason == "max_output_tokens"

    run(main())
