"""What the server says is what the official package can read: every event, in every kind of exchange."""

from __future__ import annotations

import json

from rejoinder.server.core import Terms
from rejoinder.server.script import AskApproval, Call, McpCall, Script, Speech, Stop, Text, Turn
from rejoinder.wire import codec
from rejoinder.wire.items import ItemError
from rejoinder.wire.server_events import ServerEvent
from tests.server.desk import Desk, sent
from tests.server.test_turns import SPOKEN, waiting
from tests.wire import official

NEVER = {
    "conversation.created",  # the older shape's
    "conversation.item.created",  # the same
    "conversation.item.input_audio_transcription.failed",  # a fault
    "input_audio_buffer.dtmf_event_received",  # telephones only
    "input_audio_buffer.timeout_triggered",  # in a test of its own
    "conversation.item.input_audio_transcription.segment",  # in a test of its own
}

ERROR = ItemError(type="tool_execution_error", message="The shelf is empty.")
SCRIPT = Script(
    Turn("Weather?", Call("weather", {"city": "Oslo"})),
    Turn(None, Speech("It rains.", bytes(9600))),
    Turn(None, McpCall("docs", "search"), McpCall("docs", "search", error=ERROR)),
    Turn(None, AskApproval("docs", "search"), Text("May I?")),
    Turn(None, Text("cut"), Stop("incomplete", "content_filter")),
    otherwise=Turn(None, Speech("Hm?", bytes(9600))),
    mcp={"docs": ["search"]},
)


def fits(told: list[ServerEvent]) -> set[str]:
    """The types of events that the package's own types take."""
    seen = set()
    for event in told:
        said = json.loads(codec.encode(event))
        official.SERVER[said["type"]].model_validate(said)
        seen.add(said["type"])
    return seen


def configure(desk: Desk) -> list[ServerEvent]:
    hearing = {"transcription": {"model": "gpt-4o-transcribe"}}
    hearing |= {"noise_reduction": {"type": "near_field"}}
    docs = [
        {"type": "mcp", "server_label": label, "server_url": "https://example.com"}
        for label in ("docs", "nowhere")
    ]
    include = ["item.input_audio_transcription.logprobs"]
    return desk.configure(audio={"input": hearing}, tools=docs, include=include, tracing="auto")


def converse(desk: Desk) -> list[ServerEvent]:
    told = configure(desk) + desk.hear(SPOKEN) + desk.run()
    for _ in range(4):
        told += desk.say("response.create") + desk.run()
    item_id = desk.session.conversation.items()[0].id
    told += desk.say("conversation.item.retrieve", item_id=item_id)
    told += desk.say("conversation.item.delete", item_id=item_id)
    told += desk.say("conversation.item.delete", item_id=item_id)
    told += desk.say("response.create") + desk.run(0.06) + desk.say("response.cancel")
    spoken = desk.session.conversation.items()[-1].id
    members = {"item_id": spoken, "content_index": 0, "audio_end_ms": 10}
    told += desk.say("conversation.item.truncate", **members)
    return told + desk.say("input_audio_buffer.clear")


def test_a_conversation() -> None:
    desk = Desk(SCRIPT, terms=Terms(model="gpt-realtime-2"))
    seen = fits(sent(desk.greeting) + converse(desk))
    silent = {name for name in official.SERVER if name.startswith("output_audio_buffer.")}
    assert official.SERVER.keys() - seen == NEVER | silent


def test_a_session_that_only_listens() -> None:
    script = Script(Turn("Hello there.", Text("")))
    desk = Desk(script, terms=Terms(kind="transcription", model=""))
    hearing = {"transcription": {"model": "gpt-4o-transcribe-diarize"}}
    told = desk.say(
        "session.update", session={"type": "transcription", "audio": {"input": hearing}}
    )
    told += desk.hear(SPOKEN) + desk.run()
    seen = fits(sent(desk.greeting) + told)
    assert "conversation.item.input_audio_transcription.segment" in seen
    assert "rate_limits.updated" not in seen


def test_a_user_who_does_not_answer() -> None:
    assert "input_audio_buffer.timeout_triggered" in fits(waiting().run(60.0))
