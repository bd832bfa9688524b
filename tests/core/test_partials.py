"""What stays of a reply, and of a turn, that a lost connection broke off."""

from __future__ import annotations

import msgspec
import pytest

from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Lost
from rejoinder.wire.items import ContentPart, Item
from tests.core.servers import Net

TRANSCRIBED = {
    "turn_detection": {"type": "server_vad", "create_response": False},
    "transcription": {"model": "whisper-1"},
}


def broken(told: bool = True) -> Net:
    net = Net()
    net.message("u1", "What time is it?")
    net.ask()
    net.created()
    if told:
        net.says("It is ha", "a1")
    else:  # a server that tells of items at their end only
        net.item("r1", "a1")
        net.more("It is ha", "a1")
    return net


@pytest.mark.parametrize("told", [True, False])
def test_the_conversation_keeps_the_words_that_were_said(told: bool) -> None:
    net = broken(told)
    net.lose()
    outcome = net.outcome()
    assert isinstance(outcome, Lost)
    assert outcome.delivered.text == "It is ha"
    item = net.session.conversation.by_id["a1"]
    assert item.status == "incomplete"
    assert item.content == [ContentPart(type="output_audio", transcript="It is ha")]
    news = ef.ItemChanged(item) if told else ef.ItemAdded(item, "u1")
    assert ef.Announce(news) in net.said
    assert net.back().words() == ["u1: What time is it?", "a1: It is ha"]


def test_text_stays_text() -> None:
    net = Net()
    net.ask()
    net.created()
    net.item("r1", "a1")
    net.text("It is ha", "r1", "a1")
    net.lose()
    item = net.session.conversation.by_id["a1"]
    assert item.content == [ContentPart(type="output_text", text="It is ha")]


def test_what_did_not_come_to_be_said_leaves_the_conversation() -> None:
    net = Net()
    net.ask()
    net.created()
    call = Item(type="function_call", id="f1", call_id="c1", name="look_up", status="in_progress")
    net.hear(
        "response.output_item.added",
        response_id="r1",
        output_index=0,
        item=msgspec.to_builtins(call),
    )
    for answer in net.servers[1].adds(call):
        net.tells(1, answer)
    net.item("r1", "a1")  # the server has not told of this one
    net.lose()
    assert net.session.conversation.order == []
    assert [gone.item_id for gone in net.notices(ef.ItemDeleted)] == ["f1"]
    assert net.back().order == []
    assert net.reconnected.lost == ()


def test_what_had_ended_is_kept_as_it_is() -> None:
    net = broken()
    content = [{"type": "output_audio", "transcript": "It is half past."}]
    item = {"id": "a1", "type": "message", "role": "assistant", "content": content}
    item["status"] = "completed"
    net.hear("response.output_item.done", response_id="r1", output_index=0, item=item)
    net.lose()
    assert net.mirror()[-1] == "a1: It is half past."
    assert net.session.conversation.by_id["a1"].status == "completed"


def test_what_is_out_of_band_stays_out() -> None:
    net = Net()
    net.message("u1", "Hm.")
    net.ask(conversation="none")
    net.created(conversation_id=None)
    net.item("r1", "a1")
    net.text("aside", "r1", "a1")
    net.lose()
    assert net.session.conversation.order == ["u1"]


def test_what_the_user_cut_short_stays_short() -> None:
    net = broken()
    net.hear("conversation.item.truncated", item_id="a1", content_index=0, audio_end_ms=400)
    net.lose()
    assert net.back().words() == ["u1: What time is it?", "a1: It"]


# -- transcripts --


def transcribing() -> Net:
    net = Net()
    net.tells(1, {"type": "session.created", "session": {"audio": {"input": TRANSCRIBED}}})
    for number, turn in enumerate(("v1", "v2")):
        net.append(bytes(48_000))
        net.starts(turn, 1000 * number)
        net.stops(turn)
    return net


def test_who_waits_for_words_that_will_not_come_is_told_so_once() -> None:
    net = transcribing()
    net.heard("v1", "One.")
    net.lose()
    told = net.notices(ef.TranscriptDone)
    assert [(done.item_id, done.text) for done in told] == [("v1", "One."), ("v2", "")]
    assert told[1].error is not None
    assert told[1].error.code == "transcript_lost"
    net.back()
    net.cut()
    assert len(net.notices(ef.TranscriptDone)) == 2
    assert net.servers[3].words() == ["v1: One.", "v2: input_audio"]


def test_what_had_come_of_them_is_told() -> None:
    net = transcribing()
    kind = "conversation.item.input_audio_transcription.delta"
    net.hear(kind, item_id="v1", content_index=0, delta="On")
    net.lose()
    assert net.notices(ef.TranscriptDone)[0].text == "On"


def test_without_transcription_nobody_waits() -> None:
    net = Net()
    net.append(bytes(48_000))
    net.starts("v1", 0)
    net.stops("v1")
    net.lose()
    assert net.notices(ef.TranscriptDone) == []
