"""The old connection finishes what it began, and either may be lost at every stage."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Cancelled, Close, Completed, Lost
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import SessionConfig
from tests.core.renewals import SOON, alone, renewed, renewing, running, sound, transcribing
from tests.core.servers import NETWORK, Net

EXPIRED = {"code": "session_expired", "message": "Your session hit the maximum duration."}


# -- what runs on the old connection --


def test_items_of_both_connections_stand_in_the_order_of_the_mirror() -> None:
    net = running()
    net.link = 2
    net.message("u2", "By the way.")
    assert net.servers[2].words() == ["u1: Hello.", "a1: Good day.", "u2: By the way."]
    net.link = 1
    net.more(" noon.", "a2", "r2")
    net.ends("It is noon.", "a2", "r2")
    assert isinstance(net.outcome("b"), Completed)
    assert net.outcome("b").delivered.text == "It is noon."
    assert net.servers[2].words() == [
        "u1: Hello.",
        "a1: Good day.",
        "a2: It is noon.",
        "u2: By the way.",
    ]
    assert net.mirror() == net.servers[2].words()
    assert alone(net, 2)


def test_a_response_that_is_asked_for_meanwhile_waits_for_the_slot_and_goes_to_the_new_one() -> (
    None
):
    net = running()
    net.ask("c")
    assert "c.1" not in net.creates()
    net.ends("It is noon.", "a2", "r2")
    (send,) = [send for send in net.all(ef.Send) if getattr(send.event, "event_id", 0) == "c.1"]
    assert send.link == 2
    kinds = net.servers[2].kinds()
    assert kinds[-2:] == ["conversation.item.create", "response.create"]
    net.link = 2
    net.created("r3", "c")
    net.text("yes", "r3", "i3")
    net.done("r3")
    assert isinstance(net.outcome("c"), Completed)


def test_a_cancel_goes_to_the_connection_on_which_the_response_lives() -> None:
    net = running()
    net.cancel("b")
    (cancel,) = [send for send in net.all(ef.Send) if isinstance(send.event, ce.ResponseCancel)]
    assert cancel.link == 1
    net.done("r2", "cancelled")
    assert isinstance(net.outcome("b"), Cancelled)
    assert alone(net, 2)


def test_an_interruption_that_the_new_server_hears_stops_the_old_response() -> None:
    net = running()
    net.link = 2
    net.append(sound(1))
    net.starts("v1", 0)
    assert net.cancels() == ["r2"]
    net.edit("t", ce.ConversationItemTruncate, item_id="a2", content_index=0, audio_end_ms=500)
    assert net.results("t") == [ef.Acknowledged()]
    net.link = 1
    net.done("r2", "cancelled")
    assert isinstance(net.outcome("b"), Cancelled)
    assert [word for word in net.servers[2].words() if word.startswith("a2")] == ["a2: It"]


@pytest.mark.parametrize("told", [None, "It"])
def test_what_was_cut_short_on_the_old_connection_is_told_so_to_the_new_one(
    told: str | None,
) -> None:
    net = running()
    event = ce.ConversationItemTruncate(
        event_id="t", item_id="a2", content_index=0, audio_end_ms=700
    )
    net.do(inp.Edit("t", event, told))
    assert net.results("t") == [ef.Acknowledged()]
    net.ends("It is noon.", "a2", "r2")
    assert net.servers[2].words()[-1] == "a2: It"
    assert alone(net, 2)


def test_a_session_that_does_not_interrupt_lets_the_old_response_go_on() -> None:
    net = Net(recovery=SOON)
    detection = {"type": "server_vad", "interrupt_response": False}
    net.tells(
        1,
        {"type": "session.created", "session": {"audio": {"input": {"turn_detection": detection}}}},
    )
    net.wait(100.0)
    net.ask("b")
    net.created("r2", "b")
    net.greet()
    net.link = 2
    net.append(sound(1))
    net.starts("v1", 0)
    assert net.cancels() == []


def test_a_response_whose_last_word_changes_nothing_is_told_all_the_same() -> None:
    net = running()
    net.link = 1
    item = {"id": "a2", "type": "message", "role": "assistant", "status": "in_progress"}
    item["content"] = [{"type": "output_audio", "transcript": "It is"}]  # type: ignore[assignment]
    net.tells(1, {"type": "conversation.item.done", "item": item})
    net.hear("response.output_item.done", response_id="r2", output_index=0, item=item)
    net.done("r2")
    assert net.servers[2].words()[-1] == "a2: It is"
    assert alone(net, 2)


def test_a_new_server_that_ignores_what_it_is_told_last_does_not_hold_the_old_one() -> None:
    net = running()
    net.slow.add(2)
    net.ends("It is noon.", "a2", "r2")
    net.wait(10.0)
    assert alone(net, 2)
    assert [lost.item_id for lost in net.reconnected.lost] == ["a2"]
    assert "a2" not in net.session.conversation.by_id


def test_transcripts_are_waited_for_a_little_and_then_given_up() -> None:
    net = Net(recovery=SOON)
    detection = {"type": "server_vad", "create_response": False}
    heard = {"turn_detection": detection, "transcription": {"model": "whisper-1"}}
    net.tells(1, {"type": "session.created", "session": {"audio": {"input": heard}}})
    for turn in ("v1", "v2"):
        net.append(sound(1))
        net.starts(turn, len(net.servers[1].stream) // 48 - 1000)
        net.stops(turn)
    net.wait(100.0)
    net.greet()
    assert not net.servers[1].hung_up
    net.heard("v1", "One.")
    assert not net.servers[1].hung_up
    net.wait(5.0)
    assert alone(net, 2)
    told = net.notices(ef.TranscriptDone)
    assert [(done.item_id, done.text, done.error is None) for done in told] == [
        ("v1", "One.", True),
        ("v2", "", False),
    ]


def test_when_the_last_transcript_has_come_the_old_connection_is_closed_at_once() -> None:
    net = transcribing()
    net.greet()
    assert not net.servers[1].hung_up
    net.heard("v1", "One.")
    assert alone(net, 2)


# -- losses --


def test_the_old_connection_is_lost_before_the_new_one_is_open() -> None:
    net = renewing()
    net.lose(1)
    net.link = net.back().number
    assert net.servers[net.link].words() == ["u1: Hello.", "a1: Good day."]
    assert not net.reconnected.planned
    assert alone(net, net.link)


def test_a_new_connection_that_hangs_when_the_old_one_is_lost_is_not_the_only_chance() -> None:
    net = renewing()
    net.lose(1)
    net.wait(0.1)
    assert net.latest == 3
    net.link = net.greet(3)
    assert alone(net, 3)


def test_the_old_connection_is_lost_while_the_new_one_is_told_the_conversation() -> None:
    net = renewing()
    net.append(sound(1))
    net.starts("v1", 500)
    net.ask("b")
    net.slow.add(2)
    net.greet()
    net.lose(1)
    (told,) = net.notices(ef.Reconnecting)
    assert (told.attempt, told.after) == (0, 0.0)  # the new one is under way
    net.append(sound(2))
    net.flush(2)
    net.link = 2
    assert not net.reconnected.planned
    assert bytes(net.servers[2].stream) == bytes(net.appended)[24_000:]
    assert "b.2" in net.creates()
    assert alone(net, 2)


def test_the_old_connection_is_lost_while_it_forgets() -> None:
    net = renewing()
    net.append(sound(1))
    net.slow.add(1)
    net.greet()
    net.append(sound(2))
    net.lose(1)
    net.link = 2
    net.append(sound(3))
    assert bytes(net.servers[2].stream) == bytes(net.appended)
    assert alone(net, 2)


def test_the_new_connection_is_lost_while_the_old_one_forgets() -> None:
    net = renewing()
    net.append(sound(1))
    net.slow.add(1)
    net.greet()
    net.append(sound(2))
    net.edit("c", ce.InputAudioBufferCommit)
    net.ask("b")
    net.lose(2)
    assert "b.1" in net.creates()
    net.flush(1)
    assert list(net.servers[1].committed.values()) == [bytes(net.appended)]
    assert net.results("c") == [ef.Acknowledged()]
    net.append(sound(3))
    start = len(net.servers[1].stream) // 48 - 1000
    net.servers[1].start = start * 48
    net.hear("input_audio_buffer.speech_started", item_id="v2", audio_start_ms=start)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 2000


def test_the_new_connection_is_lost_while_it_is_told_the_conversation() -> None:
    net = renewing()
    net.slow.add(2)
    net.greet()
    net.lose(2)
    assert net.next_reply_works()
    net.wait(4.0)
    net.link = net.greet(3)
    assert alone(net, 3)


def test_the_old_connection_is_lost_while_its_response_still_runs() -> None:
    net = running()
    net.ask("c")
    net.lose(1)
    outcome = net.outcome("b")
    assert isinstance(outcome, Lost)
    assert outcome.delivered.text == "It is"
    assert "c.1" in net.creates()
    assert net.servers[2].words()[-1] == "a2: It is"
    assert alone(net, 2)
    assert net.reconnected.planned


def test_the_new_connection_is_lost_while_the_old_response_still_runs() -> None:
    net = running()
    net.append(sound(1))
    net.lose(2)
    net.more(" noon.", "a2", "r2")
    net.ends("It is noon.", "a2", "r2")
    assert isinstance(net.outcome("b"), Completed)
    net.link = net.back().number
    assert net.servers[3].words()[-1] == "a2: It is noon."
    assert bytes(net.servers[3].stream) == sound(1)
    assert alone(net, 3)


def test_both_are_lost() -> None:
    net = running()
    net.append(sound(1))
    net.lose(2)
    net.lose(1)
    assert isinstance(net.outcome("b"), Lost)
    net.link = net.back().number
    assert net.servers[3].words()[-1] == "a2: It is"
    assert bytes(net.servers[3].stream) == sound(1)
    assert alone(net, 3)


@pytest.mark.parametrize("opened", [False, True])
def test_both_are_lost_before_the_move(opened: bool) -> None:
    net = renewing()
    net.slow.add(2)
    if opened:
        net.greet()
    net.lose(1)
    if not net.servers[2].hung_up:
        net.lose(2)
    net.link = net.back().number
    assert alone(net, net.link)
    assert net.servers[net.link].words() == ["u1: Hello.", "a1: Good day."]


@pytest.mark.parametrize("link", [1, 2])
def test_an_expired_session_is_a_lost_connection_even_if_its_socket_stays_open(link: int) -> None:
    net = running()
    net.tells(link, {"type": "error", "error": EXPIRED})
    assert net.servers[link].hung_up
    if link == 1:
        assert isinstance(net.outcome("b"), Lost)
        assert alone(net, 2)
    else:
        assert not net.settled("b")
        net.link = net.back().number
        assert net.servers[3].words() == ["u1: Hello.", "a1: Good day."]


def test_an_expired_session_says_so_on_the_link_that_is_coming() -> None:
    net = renewing()
    net.slow.add(2)
    net.greet()
    net.tells(2, {"type": "error", "error": EXPIRED})
    assert net.servers[2].hung_up
    assert net.next_reply_works()


def test_a_link_that_is_gone_says_nothing_any_more() -> None:
    net = renewed()
    before = len(net.said)
    net.tells(1, {"type": "error", "error": {"code": "insufficient_quota"}})
    net.lose(1, Close("server", 3000))
    net.do(inp.Connected(1))
    net.do(inp.Connected(2))
    assert len(net.said) == before


# -- afterwards --


def test_two_updates_at_once_are_not_undone_by_our_own() -> None:
    net = running()
    net.slow.add(2)
    net.edit("up", ce.SessionUpdate, session=SessionConfig(instructions="A"))
    net.edit("up2", ce.SessionUpdate, session=SessionConfig(instructions="B"))
    net.flush(2)
    told = [
        each.session.instructions
        for each in net.servers[2].told
        if isinstance(each, ce.SessionUpdate)
    ]
    assert told == ["Be kind.", "A", "B"]
    assert net.results("up") == net.results("up2") == [ef.Acknowledged()]


def test_an_item_without_a_name_on_the_new_connection_is_not_deleted() -> None:
    net = running()
    item = {"type": "message", "role": "user", "content": []}
    net.tells(2, {"type": "conversation.item.added", "item": item})
    net.ends("It is noon.", "a2", "r2")
    assert "conversation.item.delete" not in net.servers[2].kinds()


def test_nothing_is_left_behind() -> None:
    net = renewing()
    for link in range(2, 6):
        net.append(sound(1, 0.1))
        net.link = net.greet()
        assert alone(net, link)
        net.reply("More.", f"b{link}", f"k{link}")
        net.wait(100.0)
    state = net.session.state
    assert state.requests.pending == {}
    assert state.responses.machines == {}
    assert state.outbox.held == []
    net.do(inp.Shut())
    assert net.session.next_deadline() is None
    assert all(server.hung_up for server in net.servers.values())


def test_closing_in_the_midst_of_a_renewal_hangs_up_on_both() -> None:
    net = running()
    net.do(inp.Shut())
    assert all(server.hung_up for server in net.servers.values())
    assert net.session.next_deadline() is None
    assert isinstance(net.outcome("b"), Lost)
    assert net.session.ended != NETWORK


def test_what_is_out_of_band_on_the_old_connection_is_not_interrupted() -> None:
    net = renewing()
    net.ask("b", conversation="none")
    net.created("r2", "b", conversation_id=None)
    net.greet()
    net.link = 2
    net.append(sound(1))
    net.starts("v1", 0)
    assert net.cancels() == []


def test_a_deletion_that_the_new_server_does_not_confirm_holds_nothing_up() -> None:
    net = renewing()
    net.slow.add(2)
    net.greet()
    net.edit("d", ce.ConversationItemDelete, item_id="u1")
    for answer in net.backlog.pop(2)[:5]:
        net.tells(2, answer)
    assert not net.servers[1].hung_up
    net.wait(2.0)
    assert alone(net, 2)
    assert net.reconnected.lost == ()


def test_a_new_server_that_was_told_nothing_before_may_ignore_what_it_is_told_last() -> None:
    net = Net(recovery=SOON)
    net.wait(100.0)
    net.ask("b")
    net.created("r2", "b")
    net.says("It is", "a2", "r2")
    net.greet()
    net.slow.add(2)
    net.ends("It is noon.", "a2", "r2")
    net.wait(2.0)
    assert alone(net, 2)


def test_what_nobody_waits_for_does_not_hold_the_old_connection() -> None:
    net = renewing()
    net.ask("b")
    net.cancel("b")
    assert isinstance(net.outcome("b"), Cancelled)
    net.link = net.greet()  # whether "b" is created after all, nobody cares any more
    assert alone(net, 2)
    net.ask("c")
    assert "c.1" in net.creates()
