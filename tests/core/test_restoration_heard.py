"""What a new server is told of what was said: the user's turns, and what the user heard."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import ContentPart, Item
from tests.core.servers import Net, has, lost, told

# -- the user's turns --


def test_a_turn_without_words_is_told_as_sound() -> None:
    net = Net()
    net.append(b"ab" * 24_000)
    net.starts("v1", 0)
    net.append(b"cd" * 24_000)
    net.stops("v1")
    net.append(b"ef" * 2_400)
    server = net.cut()
    (item,) = told(server)
    assert item.id == "v1"
    assert [part.audio for part in item.content or ()] == [b"ab" * 24_000 + b"cd" * 24_000]
    assert bytes(server.stream) == b"ef" * 2_400
    net.cut()
    assert told(net.servers[3]) == [item]


def test_a_turn_whose_item_had_not_come_yet_is_told_too() -> None:
    net = Net()
    net.message("u1", "One.")
    net.append(b"ab" * 24_000)
    net.starts("v1", 0)
    net.hear("input_audio_buffer.speech_stopped", item_id="v1", audio_end_ms=1000)
    net.hear("input_audio_buffer.committed", item_id="v1", previous_item_id="u1")
    server = net.cut()
    assert server.words() == ["u1: One.", "v1: input_audio"]
    assert net.session.conversation.order == ["u1", "v1"]
    assert net.notices(ef.ItemAdded)[-1].previous_item_id == "u1"


def test_sound_that_the_caller_made_an_item_of_is_told_again() -> None:
    net = Net()
    parts = [ContentPart(type="input_audio", audio=b"ab" * 4800)]
    item = Item(type="message", id="w1", role="user", content=parts)
    net.edit("e", ce.ConversationItemCreate, item=item)
    (again,) = told(net.cut())
    assert [part.audio for part in again.content or ()] == [b"ab" * 4800]


def test_a_turn_that_is_deleted_is_not_told() -> None:
    net = Net()
    net.append(b"ab" * 24_000)
    net.starts("v1", 0)
    net.stops("v1")
    net.edit("d", ce.ConversationItemDelete, item_id="v1")
    assert told(net.cut()) == []
    assert net.session.state.kept_audio.untranscribed == {}


def test_a_turn_whose_sound_is_not_kept_any_more_is_reported() -> None:
    net = Net()
    heard = {"audio": {"input": {"turn_detection": None}}}
    net.tells(1, {"type": "session.created", "session": heard})
    net.slow.add(1)
    for number in range(4):
        name = f"v{number}"
        net.append(bytes([number]) * 48_000 * 110)
        net.edit(name, ce.InputAudioBufferCommit)
        net.hear("input_audio_buffer.committed", item_id=name)
        item = {"id": name, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
        net.hear("conversation.item.added", item=item)
    net.cut()
    assert lost(net) == {"v0": "cannot_be_restored"}


# -- what the user heard --


@pytest.mark.parametrize(
    ("heard", "end_ms", "words"),
    [
        (None, 500, "One two"),
        (None, 1000, "One two three four"),
        (None, 5000, "One two three four"),
        (None, 490, "One two"),
        (None, 100, ""),
        ("One two th", 480, "One two th"),
    ],
)
@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_new_server_is_told_what_the_user_heard(
    heard: str | None, end_ms: int, words: str, acknowledged: bool
) -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    if not acknowledged:
        net.slow.add(1)
    event = ce.ConversationItemTruncate(
        event_id="t", item_id="a1", content_index=0, audio_end_ms=end_ms
    )
    net.do(inp.Edit("t", event, heard))
    server = net.cut()
    assert server.words() == ([f"a1: {words}"] if words else [])
    assert net.results("t")[0] == ef.Acknowledged() or not words
    assert "conversation.item.truncate" not in server.kinds() or not words
    assert len(net.results("t")) == 1


def test_of_an_item_whose_sound_is_unknown_nothing_was_heard() -> None:
    net = Net()
    has(net, id="a1", role="assistant", content=[{"type": "output_audio", "transcript": "One two"}])
    net.hear("conversation.item.truncated", item_id="a1", content_index=0, audio_end_ms=500)
    assert net.cut().words() == []


def test_an_item_that_was_told_as_text_is_cut_short_by_telling_it_anew() -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    net.message("u1", "Stop.")
    server = net.cut()
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    assert server.kinds()[-2:] == ["conversation.item.delete", "conversation.item.create"]
    assert server.words() == ["a1: One two", "u1: Stop."]
    assert net.results("t") == [ef.Acknowledged()]
    assert net.session.conversation.order == ["a1", "u1"]
    assert [gone.item_id for gone in net.notices(ef.ItemDeleted)] == []
    net.edit("t2", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    assert net.results("t2") == [ef.Acknowledged()]
    assert server.words() == ["a1: One two", "u1: Stop."]
    assert net.cut().words() == ["a1: One two", "u1: Stop."]


@pytest.mark.parametrize("heard", [None, "One two three four"])
@pytest.mark.parametrize("when", ["on the old connection", "between two", "on the new one"])
def test_one_that_was_heard_to_its_end_keeps_its_words(heard: str | None, when: str) -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    event = ce.ConversationItemTruncate(
        event_id="t", item_id="a1", content_index=0, audio_end_ms=5000
    )
    if when == "on the new one":
        net.cut()
        net.do(inp.Edit("t", event, heard))
    else:
        net.slow.add(1)
        if when == "between two":
            net.lose()
        net.do(inp.Edit("t", event, heard))
        if when == "on the old connection":
            net.lose()
        net.back()
    assert net.servers[2].words() == net.mirror() == ["a1: One two three four"]
    assert net.results("t") == [ef.Acknowledged()]


def test_between_others_too() -> None:
    net = Net()
    net.message("u1", "Go.")
    net.reply("One two three four", "a1", "k1")
    net.message("u2", "Stop.")
    server = net.cut()
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    assert server.words() == ["u1: Go.", "a1: One two", "u2: Stop."]


def test_and_before_what_has_been_said_since() -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    server = net.cut()
    net.message("u1", "Stop.")
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    assert server.words() == net.mirror() == ["a1: One two", "u1: Stop."]


def test_and_taken_back_whole_if_nothing_was_heard() -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    server = net.cut()
    raw = {"type": "conversation.item.truncate", "event_id": "t", "item_id": "a1"}
    net.do(inp.Edit("t", ce.RawClientEvent({**raw, "content_index": 0, "audio_end_ms": 0})))
    assert server.kinds()[-1] == "conversation.item.delete"
    assert net.results("t") == [ef.Acknowledged()]
    assert server.words() == []


def test_a_telling_anew_that_is_refused_answers_the_edit_once_and_drops_the_item() -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    server = net.cut()
    server.refuses["a1"] = "invalid_value"
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    assert len(net.results("t")) == 1
    assert server.words() == []
    assert net.mirror() == []


def test_words_that_the_server_tells_again_do_not_come_back() -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    content = [{"type": "output_audio", "transcript": "One two three four"}]
    item = {"id": "a1", "type": "message", "role": "assistant", "content": content}
    net.hear("conversation.item.done", item=item)
    assert net.mirror() == ["a1: output_audio"]
    assert net.cut().words() == ["a1: One two"]


def test_a_deletion_that_was_not_answered_is_carried_out_on_the_new_connection() -> None:
    net = Net()
    net.message("u1", "One.")
    net.slow.add(1)
    net.edit("d", ce.ConversationItemDelete, item_id="u1")
    server = net.cut()
    assert net.results("d") == [ef.Acknowledged()]
    assert server.words() == net.mirror() == []


def test_a_telling_anew_that_is_answered_too_late_settles_nothing_twice() -> None:
    net = Net()
    net.reply("One two three four", "a1", "k1")
    net.cut()
    net.slow.add(2)
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    net.wait(5.0)
    net.flush(2)
    assert net.results("t") == [ef.Expired(5.0)]


def test_the_length_of_what_was_said_long_ago_is_forgotten() -> None:
    net = Net()
    for number in range(257):
        net.reply("One two", f"a{number}", f"k{number}")
    for item_id in ("a0", "a1"):
        net.hear("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=500)
    heard = net.session.conversation.heard
    assert heard == {"a0": "", "a1": "One"}
