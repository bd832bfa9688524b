"""Edits, audio and all else that waits for a connection, or is lost with one."""

from __future__ import annotations

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Lost
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import Item
from rejoinder.wire.session import SessionConfig
from tests.core.servers import Net
from tests.core.stage import Stage


def test_edits_that_were_not_answered_go_out_once_more_under_the_same_id() -> None:
    net = Net(config=SessionConfig(instructions="Be kind."))
    net.message("u1", "One.")
    net.message("u2", "Two.")
    net.slow.add(1)
    net.edit("create", ce.ConversationItemCreate, item=Item(type="message", id="u3", role="user"))
    net.edit("delete", ce.ConversationItemDelete, item_id="u1")
    net.edit("update", ce.SessionUpdate, session=SessionConfig(instructions="Be curt."))
    net.edit("clear", ce.InputAudioBufferClear)
    net.edit("retrieve", ce.ConversationItemRetrieve, item_id="u2")
    net.append(b"12" * 4800)
    net.edit("commit", ce.InputAudioBufferCommit)
    server = net.cut()
    asked = ["create", "delete", "update", "clear", "retrieve", "commit"]
    told = [each.event_id for each in server.told if each.event_id in asked]
    assert told == asked
    item = {"id": "u2", "type": "message", "role": "user"}
    net.hear("conversation.item.retrieved", item=item)
    for key in asked:
        assert len(net.results(key)) == 1
        assert isinstance(net.results(key)[0], ef.Acknowledged)
    assert server.words() == ["u2: Two.", "u3: ", "u2_1: input_audio"]
    assert net.mirror() == server.words()
    assert server.config.instructions == "Be curt."
    assert bytes(server.committed["u2_1"]) == b"12" * 4800
    assert server.kinds().index("session.update") < server.kinds().index("conversation.item.create")


def test_a_duplicate_shows_that_it_was_done_before() -> None:
    net = Net()
    net.slow.add(1)
    net.message("u1", "One.")
    net.lose()
    net.slow.add(2)
    server = net.back()
    server.items["u1"] = Item(type="message", id="u1", role="user")
    net.backlog.pop(2)
    net.tells(
        2,
        {"type": "error", "error": {"code": "item_create_duplicate_item_id", "event_id": "e_u1"}},
    )
    assert net.results("e_u1") == [ef.Acknowledged()]


def test_edits_keep_their_clock_and_do_not_arrive_after_it() -> None:
    net = Net(config=SessionConfig(instructions="Be kind."))
    net.slow.add(1)
    net.message("u1", "One.")
    net.wait(2.0)
    net.lose()
    net.message("u2", "Two.")
    net.edit("update", ce.SessionUpdate, session=SessionConfig(instructions="Be curt."))
    net.append(b"12" * 4800)
    net.edit("commit", ce.InputAudioBufferCommit)
    net.wait(0.1)
    net.lose(2)
    net.wait(2.9)
    assert net.results("e_u1") == [ef.Expired(5.0)]
    assert net.results("e_u2") == []
    net.wait(2.0)
    for key in ("e_u2", "update", "commit"):
        assert net.results(key) == [ef.Expired(5.0)]
    net.link = net.greet()
    server = net.servers[net.link]
    assert server.words() == []
    assert server.committed == {}
    assert server.config.instructions == "Be kind."
    assert not net.session.state.requests.pending


def test_a_raw_update_is_agreed_upon_like_any_other() -> None:
    net = Net()
    raw = {"type": "session.update", "event_id": "e", "session": {"instructions": "Be curt."}}
    net.do(inp.Edit("e", ce.RawClientEvent(raw)))
    net.hear("session.updated", session={})
    unread = {"type": "session.update", "event_id": "odd", "session": 3}
    net.do(inp.Edit("odd", ce.RawClientEvent(unread)))
    net.hear("session.updated", session={})
    assert net.cut().config.instructions == "Be curt."


def test_what_is_never_answered_waits_for_the_connection_too() -> None:
    net = Net()
    net.lose()
    net.do(inp.Say(ce.OutputAudioBufferClear()))
    assert net.back().kinds()[-1] == "output_audio_buffer.clear"


def test_the_session_may_be_closed_while_there_is_no_connection() -> None:
    net = Net()
    net.ask()
    net.message("u1", "One.")
    net.slow.add(1)
    net.message("u2", "Two.")
    net.lose()
    net.wait(0.1)
    net.do(inp.Shut())
    assert isinstance(net.outcome(), Lost)
    assert isinstance(net.results("e_u2")[0], ef.Gone)
    assert net.session.next_deadline() is None
    assert all(server.hung_up for server in net.servers.values())
    net.do(inp.Connected(2))
    net.do(inp.Tick())
    assert net.last == []


def test_an_update_that_was_sent_and_never_answered_counts_as_carried_out() -> None:
    net = Net(config=SessionConfig(instructions="Be kind."))
    net.slow.add(1)
    net.edit("up", ce.SessionUpdate, session=SessionConfig(instructions="Be curt."))
    net.lose()
    net.wait(0.1)
    net.lose(2)
    net.wait(5.0)
    assert net.results("up") == [ef.Expired(5.0)]
    net.link = net.greet()
    assert net.servers[net.link].config.instructions == "Be curt."


def test_our_own_configuration_is_nobodys_edit() -> None:
    net = Stage(config=SessionConfig(instructions="Be kind."))
    net.do(inp.Shut())
    assert net.all(ef.SettleEdit) == []


def test_a_truncation_of_nothing_is_the_new_servers_to_refuse() -> None:
    net = Net()
    net.slow.add(1)
    net.edit("t", ce.ConversationItemTruncate, item_id="x", content_index=0, audio_end_ms=1)
    net.cut()
    assert isinstance(net.results("t")[0], ef.Refused)
