"""What stays in the conversation of what its server never finished, or never told in full."""

from __future__ import annotations

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close, TimedOut
from rejoinder.core.recovery import Recovery
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import ContentPart
from tests.core.stage import Stage, echoing


def given_up(*, words: str) -> Stage:
    """A response is announced, says this, and falls silent for good."""
    stage = echoing()
    stage.ask()
    stage.created()
    stage.item()
    item = {"id": "i1", "type": "message", "role": "assistant", "content": []}
    stage.hear("conversation.item.added", item=item, previous_item_id=None)
    if words:
        stage.text(words)
    stage.wait(20.0)
    assert isinstance(stage.outcome(), TimedOut)
    return stage


def test_the_words_of_a_response_that_fell_silent_are_kept() -> None:
    stage = given_up(words="Said so far")

    kept = stage.session.conversation.by_id["i1"]
    assert kept.content == [ContentPart(type="output_text", text="Said so far")]
    assert ef.ItemChanged(kept) in stage.notices(ef.ItemChanged)


def test_what_was_announced_and_never_said_is_the_servers_business() -> None:
    stage = given_up(words="")

    assert "i1" in stage.session.conversation.by_id
    assert stage.notices(ef.ItemChanged) == []


def test_a_turn_of_whose_item_nobody_has_told_is_kept_with_its_sound() -> None:
    stage = Stage(recovery=Recovery())
    stage.do(inp.Append(bytes(9_600)))
    stage.hear("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    stage.do(inp.Disconnected(Close("network")))

    (kept,) = stage.session.conversation.items()
    assert (kept.id, kept.role) == ("u1", "user")
    assert ef.ItemAdded(kept, None) in stage.notices(ef.ItemAdded)
    stage.wait(1.0)
    stage.link = 2
    stage.do(inp.Connected(2))
    stage.hear("session.created", session={"type": "realtime"})
    told = stage.sent(ce.ConversationItemCreate)[-1].item
    assert told.content == [ContentPart(type="input_audio", audio=bytes(9_600))]


def test_a_turn_whose_item_was_told_is_kept_once() -> None:
    stage = Stage(recovery=Recovery())
    stage.do(inp.Append(bytes(9_600)))
    stage.hear("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    content = [{"type": "input_audio"}]
    item = {"id": "u1", "type": "message", "role": "user", "content": content}
    stage.hear("conversation.item.added", item=item, previous_item_id=None)
    stage.do(inp.Disconnected(Close("network")))

    assert len(stage.session.conversation.items()) == 1
    assert len(stage.notices(ef.ItemAdded)) == 1
