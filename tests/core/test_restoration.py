"""What a new server is told of the conversation, in which words, and what cannot be told."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from rejoinder.core import effects as ef
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.session import Audio, AudioInput, SessionConfig
from tests.core.servers import Net, has, lost, told

MIB = 1024 * 1024


# -- the configuration --


def test_the_configuration_is_as_it_was_agreed_upon_last() -> None:
    config = SessionConfig(
        instructions="Be kind.",
        tools=[{"type": "function", "name": "look_up"}],
        audio=Audio(input=AudioInput(turn_detection=None)),
    )
    net = Net(config=config)
    net.edit("ok", ce.SessionUpdate, session=SessionConfig(instructions="Be curt."))
    net.servers[1].refuses["session"] = "cannot_update_voice"
    net.edit("no", ce.SessionUpdate, session=SessionConfig(tool_choice="required"))
    assert isinstance(net.results("no")[0], ef.Refused)
    server = net.cut()
    assert server.told[0].session == msgspec.structs.replace(config, instructions="Be curt.")
    assert server.kinds() == ["session.update"]


def test_without_one_none_is_told() -> None:
    assert Net().cut().told == []


@pytest.mark.parametrize("named", [True, False])
def test_a_configuration_that_is_refused_is_reported_and_the_session_goes_on(named: bool) -> None:
    net = Net(config=SessionConfig(instructions="Be kind."))
    net.hush()
    net.backlog.pop(2)
    error: dict[str, Any] = {"code": "invalid_value", "param": "session.audio.voice"}
    net.tells(
        2,
        {
            "type": "error",
            "error": {**error, "event_id": "rejoinder_config"}
            if named
            else {"type": "error", "error": error}["error"],
        },
    )
    (unrestored,) = net.reconnected.lost
    assert (unrestored.what, unrestored.item_id) == ("update", None)
    assert unrestored.error.code == "invalid_value"
    net.link = 2
    assert net.next_reply_works()


def test_a_server_that_answers_no_configuration_is_believed_by_its_items() -> None:
    net = Net(config=SessionConfig(instructions="Be kind."))
    net.message("u1", "One.")
    net.hush()
    net.backlog[2] = [each for each in net.backlog[2] if each["type"] != "session.updated"]
    net.flush(2)
    assert net.reconnected.restored == ("u1",)
    net.link = 2
    net.hear("session.updated", session={})  # at last
    assert net.notices(ef.SessionChanged)[-1].created is False
    net.edit("up", ce.SessionUpdate, session=SessionConfig(instructions="Be curt."))
    assert net.results("up") == [ef.Acknowledged()]


# -- items --


def said(name: str, role: str, text: str) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return Item(type="message", id=name, role=role, content=[ContentPart(type=kind, text=text)])


def test_the_conversation_is_told_in_order_and_in_full() -> None:
    net, call = Net(), {"call_id": "c1", "name": "look_up", "arguments": '{"a": 1}'}
    net.message("s1", "The shop is closed.", role="system")
    net.message("u1", "Hello.")
    net.reply("Good day.", "a1", "k1")
    has(net, type="function_call", id="f1", status="completed", **call)
    output = Item(type="function_call_output", id="o1", call_id="c1", output='{"b": 2}')
    net.edit("e_o1", ce.ConversationItemCreate, item=output)
    has(net, id="v1", role="user", content=[{"type": "input_audio", "transcript": "And you?"}])
    server = net.cut()
    assert told(server) == [
        said("s1", "system", "The shop is closed."),
        said("u1", "user", "Hello."),
        said("a1", "assistant", "Good day."),
        msgspec.convert({"type": "function_call", "id": "f1", **call}, Item),
        output,
        said("v1", "user", "And you?"),
    ]
    assert net.reconnected.restored == ("s1", "u1", "a1", "f1", "o1", "v1")
    assert net.reconnected.lost == ()
    assert net.mirror()[2] == "a1: Good day."
    assert net.cut().words() == server.words()


def test_what_the_protocol_cannot_create_is_reported_once_and_leaves_the_mirror() -> None:
    net = Net()
    net.message("u1", "Hello.")
    has(net, type="mcp_list_tools", id="m1", server_label="shop", tools=[])
    has(net, type="function_call", id="f1", call_id="c1", name="look_up", status="in_progress")
    has(net, type="function_call", id="f2", call_id="c2", arguments="{}")
    has(net, id="e1", role="assistant", content=[])
    net.cut()
    # of a reply that said nothing, and of a list of tools that the new server makes anew, nothing is missed
    assert lost(net) == dict.fromkeys(["f1", "f2"], "cannot_be_restored")
    assert [gone.item_id for gone in net.notices(ef.ItemDeleted)] == ["m1", "f1", "f2", "e1"]
    assert net.mirror() == ["u1: Hello."]
    net.cut()
    assert net.reconnected.lost == ()


def test_an_approval_is_told() -> None:
    net = Net()
    item = Item(type="mcp_approval_response", id="p1", approval_request_id="q1", approve=True)
    net.edit("e", ce.ConversationItemCreate, item=item)
    assert told(net.cut()) == [item]


def test_images_are_told_up_to_a_bound_the_newest_first() -> None:
    net = Net()
    for name, size in (("i1", 1), ("i2", 10), ("i3", 7)):
        parts = [ContentPart(type="input_image", image_url="x" * size * MIB, detail="low")]
        if name == "i1":
            parts.append(ContentPart(type="input_text", text="See?"))
        item = Item(type="message", id=name, role="user", content=parts)
        net.edit(f"e_{name}", ce.ConversationItemCreate, item=item)
    server = net.cut()
    assert server.words() == ["i1: See?", "i2: input_image", "i3: input_image"]
    part = (told(server)[1].content or [])[0]
    assert (len(part.image_url or ""), part.detail) == (10 * MIB, "low")


def test_a_refused_item_is_reported_once_in_the_servers_words_and_gone() -> None:
    net = Net()
    for name in ("u1", "u2", "u3"):
        net.message(name, "Hm.")
    net.lose()
    net.wait(0.1)
    net.servers[2].refuses["u2"] = "invalid_value"
    net.link = net.greet()
    assert lost(net) == {"u2": "invalid_value"}
    assert net.reconnected.restored == ("u1", "u3")
    assert net.servers[2].order == ["u1", "u3"]
    assert net.mirror() == ["u1: Hm.", "u3: Hm."]
    assert len(net.notices(ef.Reconnected)) == 1


def test_an_output_whose_call_is_unknown_is_refused_without_an_event_id() -> None:
    net = Net()
    net.message("u1", "Hm.")
    item = Item(type="function_call_output", id="o1", call_id="call_77", output="{}")
    net.edit("e", ce.ConversationItemCreate, item=item)
    net.hush()
    added, done, *_ = net.backlog.pop(2)
    words = "Tool call ID 'call_77' not found in conversation."
    net.tells(2, {"type": "error", "error": {"code": "invalid_tool_call_id", "message": words}})
    assert net.notices(ef.Reconnected) == []
    net.tells(2, added)
    net.tells(2, done)
    assert lost(net) == {"o1": "invalid_tool_call_id"}


def test_the_one_item_that_is_pending_is_meant_by_an_error_about_items() -> None:
    net = Net()
    net.message("u1", "Hm.")
    net.hush()
    net.tells(
        2, {"type": "error", "error": {"code": "unknown", "message": "Odd.", "event_id": "x"}}
    )
    net.tells(2, {"type": "error", "error": {"code": "server_error", "message": "Odd."}})
    assert net.notices(ef.Reconnected) == []
    net.tells(2, {"type": "error", "error": {"code": "invalid_value", "param": "item.content"}})
    assert lost(net) == {"u1": "invalid_value"}


def test_what_is_there_already_is_a_success() -> None:
    net = Net()
    net.message("u1", "Hm.")
    net.lose()
    net.wait(0.1)
    net.servers[2].refuses["u1"] = "item_create_duplicate_item_id"
    net.greet()
    assert net.reconnected.restored == ("u1",)


def test_items_that_are_not_confirmed_in_time_are_reported_and_the_rest_is_good() -> None:
    net = Net()
    for name in ("u1", "u2", "u3"):
        net.message(name, "Hm.")
    net.hush()
    for answer in net.backlog.pop(2):
        if answer["item"]["id"] != "u2":
            net.tells(2, answer)
    assert net.notices(ef.Reconnected) == []
    net.wait(2.0)
    assert lost(net) == {"u2": "not_confirmed"}
    assert net.reconnected.restored == ("u1", "u3")
    assert net.mirror() == ["u1: Hm.", "u3: Hm."]


@pytest.mark.parametrize("answered", [0, 2])
def test_a_server_that_falls_silent_while_it_is_told_is_left_for_a_better_one(
    answered: int,
) -> None:
    net = Net(config=SessionConfig(instructions="Be kind."))
    net.tells(1, {"type": "session.updated", "session": {}})
    for name in ("u1", "u2"):
        net.message(name, "Hm.")
    net.slow.add(2)
    net.cut()
    for answer in net.backlog[2][: 1 + answered]:  # the configuration comes first
        net.tells(2, answer)
    net.wait(2.0)
    assert net.servers[2].hung_up
    net.greet()
    assert net.reconnected.restored == ("u1", "u2")
    assert net.reconnected.lost == ()


def test_the_last_one_is_better_than_none() -> None:
    net = Net(config=SessionConfig(instructions="Be kind."))
    net.message("u1", "Hm.")
    net.lose()
    net.wait(0.1)
    for link in (2, 3):  # a third one would come too late to be waited for
        net.slow.add(link)
        net.greet(link)
        net.tells(link, net.backlog[link][0])
        net.wait(2.0)
    assert lost(net) == {"u1": "not_confirmed"}
    assert net.session.online


def test_a_server_that_gives_ids_of_its_own_is_followed() -> None:
    net = Net()
    net.message("u1", "One.")
    net.reply("Good day.", "a1", "k1")
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    net.lose()
    net.wait(0.1)
    net.servers[2].renames = True
    net.link = net.greet()
    assert net.reconnected.renamed == {"u1": "u1_2", "a1": "a1_2"}
    assert net.reconnected.restored == ("u1_2", "a1_2")
    assert list(net.session.conversation.by_id) == ["u1_2", "a1_2"]
    net.edit("d", ce.ConversationItemDelete, item_id="u1_2")
    assert net.results("d") == [ef.Acknowledged()]
    assert net.cut().words() == ["a1_2: Good"]


def test_the_sound_of_a_renamed_turn_is_kept_for_the_next_loss() -> None:
    net = Net()
    parts = [
        ContentPart(type="input_text", text="Listen:"),
        ContentPart(type="input_audio", audio=b"ab" * 4800),
    ]
    item = Item(type="message", id="w1", role="user", content=parts)
    net.edit("e", ce.ConversationItemCreate, item=item)
    net.lose()
    net.wait(0.1)
    net.servers[2].renames = True
    net.link = net.greet()
    assert net.reconnected.renamed == {"w1": "w1_2"}
    (again,) = told(net.cut())
    assert again == msgspec.structs.replace(item, id="w1_2")


def test_a_server_that_tells_added_and_created_both_changes_nothing() -> None:
    net = Net()
    net.reply("Good day.", "a1", "k1")
    before = net.session.conversation.items()
    net.cut()
    item = {
        "id": "a1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Good day."}],
    }
    net.hear("conversation.item.created", item=item)
    net.hear("conversation.item.done", item=item)
    assert net.session.conversation.items() == before


def test_an_item_that_a_new_server_adds_by_itself_is_news() -> None:
    net = Net()
    net.message("u1", "One.")
    net.hush()
    item = {
        "id": "x1",
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "Hi."}],
    }
    net.tells(2, {"type": "conversation.item.added", "item": item})
    net.flush(2)
    assert "x1" in net.session.conversation.by_id
    assert net.servers[2].kinds() == ["conversation.item.create"]


def test_an_image_that_is_too_old_and_nothing_else_is_reported() -> None:
    net = Net()
    for name in ("i1", "i2"):
        parts = [ContentPart(type="input_image", image_url="x" * 16 * MIB)]
        item = Item(type="message", id=name, role="user", content=parts)
        net.edit(f"e_{name}", ce.ConversationItemCreate, item=item)
    assert net.cut().order == ["i2"]
    assert lost(net) == {"i1": "cannot_be_restored"}


def test_an_item_that_was_lost_and_is_created_again_stays() -> None:
    net = Net()
    net.message("u1", "One.")
    net.reply("One two three four", "a1", "k1")
    net.lose()
    net.wait(0.1)
    net.servers[2].refuses["u1"] = "item_too_large"
    net.link = net.greet()
    assert lost(net) == {"u1": "item_too_large"}
    del net.servers[2].refuses["u1"]
    net.message("u1", "Less.")
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    assert sorted(net.mirror()) == ["a1: One two", "u1: Less."]
    assert net.mirror() == net.servers[2].words()


def test_a_copy_of_the_session_tells_the_same() -> None:
    net = Net()
    net.ask("b")
    net.created("r1", "b")
    net.hear("conversation.item.added", item={"id": "l1", "type": "mcp_list_tools"})
    net.message("u1", "One.")
    net.hush()
    net.session = copy.deepcopy(net.session)
    net.flush(2)
    assert lost(net) == {}


def test_whether_something_can_be_said_is_told() -> None:
    net = Net()
    assert net.session.online
    net.lose()
    assert not net.session.online
    net.back()
    assert net.session.online
