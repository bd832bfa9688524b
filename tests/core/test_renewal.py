"""Make before break: the new connection is filled while the old one serves, and nobody notices."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Completed
from rejoinder.core.recovery import Recovery
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import SessionConfig
from tests.core.renewals import (
    EPOCH,
    SOON,
    alone,
    expiring,
    renewed,
    renewing,
    running,
    sound,
    transcribing,
)
from tests.core.servers import Net

# -- when --


def test_a_connection_is_renewed_at_its_age() -> None:
    net = Net(recovery=SOON)
    net.wait(99.99)
    assert net.latest == 1
    net.wait(0.01)
    assert net.all(ef.Connect) == [ef.Connect(2, 10.0)]
    net.link = net.greet()
    assert alone(net, 2)
    assert net.reconnected.planned
    net.wait(99.99)
    assert net.latest == 2
    net.wait(0.01)
    assert net.latest == 3


def test_and_so_long_before_the_end_that_the_server_announces() -> None:
    net = expiring(600.0)
    net.wait(539.99)
    assert net.latest == 1
    net.wait(0.01)
    assert net.latest == 2


def test_of_a_short_life_half_is_left() -> None:
    net = expiring(100.0)
    net.wait(49.99)
    assert net.latest == 1
    net.wait(0.01)
    assert net.latest == 2


def test_the_earlier_of_both_counts() -> None:
    net = expiring(600.0)
    net = Net(recovery=SOON, epoch=EPOCH)
    net.tells(1, {"type": "session.created", "session": {"expires_at": int(EPOCH + 3600)}})
    net.wait(100.0)
    assert net.latest == 2


@pytest.mark.parametrize("expires_at", [EPOCH - 5, EPOCH, 0, None])
def test_an_end_that_is_past_is_a_clock_that_is_wrong(expires_at: float | None) -> None:
    net = Net(recovery=Recovery(renew_after=None), epoch=EPOCH)
    told = None if expires_at is None else int(expires_at)
    net.tells(1, {"type": "session.created", "session": {"expires_at": told}})
    assert net.session.next_deadline() is None


def test_without_a_date_of_our_own_the_announced_end_says_nothing() -> None:
    net = Net(recovery=Recovery(renew_after=None))
    net.tells(1, {"type": "session.created", "session": {"expires_at": int(EPOCH)}})
    assert net.session.next_deadline() is None


def test_a_clock_that_is_off_by_nearly_a_life_makes_no_storm_of_renewals() -> None:
    net = expiring(1.0)
    for _ in range(1000):
        if net.latest >= 6 or net.session.next_deadline() is None:
            break
        before = net.latest
        net.wait((net.session.next_deadline() or 0.0) - net.now)
        if net.latest > before:
            net.link = net.greet(epoch=EPOCH + net.now, expires_at=int(EPOCH + net.now + 1))
    assert net.latest == 6
    assert net.now >= 5 * 10.0


def test_the_date_of_the_new_link_counts_from_its_own_opening() -> None:
    net = expiring(100.0)
    net.wait(60.0)
    net.link = net.greet(epoch=EPOCH + 60, expires_at=int(EPOCH + 60 + 600))
    assert alone(net, 2)
    net.wait(539.9)
    assert net.latest == 2
    net.wait(0.2)
    assert net.latest == 3


# -- filling --


def test_the_new_server_knows_the_conversation_before_it_serves() -> None:
    net = renewing()
    net.slow.add(2)
    net.greet()
    assert net.servers[2].words() == ["u1: Hello.", "a1: Good day."]
    assert net.servers[2].config == SessionConfig(instructions="Be kind.")
    assert not net.servers[1].hung_up
    net.append(sound(1, 0.1))
    assert net.servers[1].stream
    net.flush(2)
    assert alone(net, 2)
    assert net.reconnected == ef.Reconnected(True, ("u1", "a1"), (), {}, 0.0)
    assert net.mirror() == net.servers[2].words()


def test_what_happens_on_the_old_connection_meanwhile_reaches_the_new_one() -> None:
    net = renewing()
    net.slow.add(2)
    net.greet()
    net.message("u2", "And you?")
    net.edit("d", ce.ConversationItemDelete, item_id="u1")
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    net.edit("up", ce.SessionUpdate, session=SessionConfig(instructions="Be curt."))
    net.edit("up2", ce.SessionUpdate, session=SessionConfig(tool_choice="none"))
    net.flush(2)
    net.link = 2
    assert net.servers[2].words() == ["a1: Good", "u2: And you?"]
    assert net.servers[2].config == SessionConfig(instructions="Be curt.", tool_choice="none")
    for key in ("d", "t", "up", "up2"):
        assert net.results(key) == [ef.Acknowledged()]
    assert alone(net, 2)
    assert [each.partition(":")[0] for each in net.mirror()] == ["a1", "u2"]


def test_a_new_server_that_does_not_answer_is_left_and_tried_again_ever_more_rarely() -> None:
    net, moments = renewing(), []
    while net.latest < 6:
        net.slow.add(net.latest)
        net.greet()
        before = net.latest
        net.wait(2.0)
        assert net.servers[before].hung_up
        while net.latest == before:
            net.wait((net.session.next_deadline() or 0.0) - net.now)
        moments.append(net.now)
    gaps = [later - earlier for earlier, later in zip([100.0, *moments], moments, strict=False)]
    assert gaps == pytest.approx([6.0, 10.0, 18.0, 34.0])
    assert net.next_reply_works()


def test_renewals_may_fail_for_days() -> None:
    net = renewing()
    while net.now < 2 * 86_400.0:
        before = net.latest
        net.lose(before)
        while net.latest == before:
            net.wait((net.session.next_deadline() or 0.0) - net.now)
    assert net.next_reply_works()


def test_one_that_chatters_and_confirms_nothing_is_not_waited_for_either() -> None:
    net = renewing()
    net.slow.add(2)
    net.greet()
    for _ in range(5):
        net.wait(1.0)
        if not net.servers[2].hung_up:
            net.tells(2, {"type": "rate_limits.updated", "rate_limits": []})
    assert net.servers[2].hung_up
    assert net.next_reply_works()


@pytest.mark.parametrize("answered", [1, 2, 3])
def test_a_new_server_that_falls_silent_while_it_is_told_takes_nobodys_place(answered: int) -> None:
    net = renewing()
    net.slow.add(2)
    net.greet()
    for answer in net.backlog.pop(2)[:answered]:  # the configuration comes first
        net.tells(2, answer)
    net.wait(2.0)
    assert net.servers[2].hung_up
    assert net.mirror() == ["u1: Hello.", "a1: Good day."]
    assert net.notices(ef.Reconnected) == []
    assert net.notices(ef.Reconnecting) == []
    assert net.next_reply_works()


def test_a_renewal_that_falls_due_while_the_last_one_lingers_waits() -> None:
    net = renewing()
    net.ask("b")
    net.created("r2", "b")
    net.greet()
    for _ in range(20):
        net.wait(9.0)
        net.text("on ", "r2", "i2")
    assert net.latest == 2
    net.done("r2")
    assert alone(net, 2)
    net.wait(70.0)
    assert net.latest == 3


# -- moving --


def test_input_goes_over_at_the_next_silence_and_no_byte_is_lost_or_heard_twice() -> None:
    net = renewing()
    net.append(sound(1))
    net.starts("v1", 200)
    net.greet()
    assert not net.servers[2].stream
    net.append(sound(2))
    assert not net.servers[1].hung_up
    net.stops("v1")
    assert net.servers[1].committed["v1"] == bytes(net.appended)[9600:]
    assert net.servers[1].kinds()[-1] == "input_audio_buffer.clear"
    net.link = 2
    net.append(sound(3))
    net.starts("v2", 0)
    net.append(sound(4))
    net.stops("v2")
    heard = net.servers[1].committed["v1"] + net.servers[2].committed["v2"]
    assert heard == bytes(net.appended)[9600:]


def test_what_is_said_while_the_old_server_forgets_is_heard_by_the_new_one_alone() -> None:
    net = renewing()
    net.append(sound(1, 0.5))
    net.slow.add(1)
    net.greet()
    net.append(sound(2, 0.5))  # after the old one was told to forget
    assert bytes(net.servers[1].stream) == sound(1, 0.5)
    assert not net.servers[2].stream
    net.flush(1)
    assert bytes(net.servers[2].stream) == bytes(net.appended)
    net.append(sound(3, 0.5))
    assert bytes(net.servers[2].stream) == bytes(net.appended)


def test_speech_that_the_old_server_had_heard_before_it_forgot_is_not_said_twice() -> None:
    net = renewing()
    net.append(sound(1))
    net.slow.add(1)
    net.greet()
    net.append(sound(2, 0.1))
    server = net.servers[1]
    server.start = 0
    net.link = 1
    net.starts("v1", 0)
    net.stops("v1", 1000)
    net.flush(1)
    net.link = 2
    assert bytes(server.committed["v1"]) == sound(1)
    assert bytes(net.servers[2].stream) == sound(2, 0.1)


def test_an_old_server_that_does_not_say_that_it_forgot_is_waited_for_one_second() -> None:
    net = renewing()
    net.slow.add(1)
    net.greet()
    net.wait(0.99)
    net.append(sound(1, 0.1))
    assert not net.servers[2].stream
    net.wait(0.01)
    assert bytes(net.servers[2].stream) == sound(1, 0.1)


def test_a_commit_while_the_old_server_forgets_goes_to_the_new_one() -> None:
    net = renewing()
    net.append(sound(1))
    net.slow.add(1)
    net.greet()
    net.append(sound(2))
    net.edit("c", ce.InputAudioBufferCommit)
    net.append(sound(3))
    net.ask("b")
    assert "b.1" not in net.creates()
    net.flush(1)
    net.link = 2
    assert net.results("c") == [ef.Acknowledged()]
    assert list(net.servers[2].committed.values()) == [sound(1) + sound(2)]
    assert net.servers[2].kinds()[-4:] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.append",
        "response.create",
    ]
    assert bytes(net.servers[2].stream) == bytes(net.appended)
    assert "input_audio_buffer.commit" not in net.servers[1].kinds()


def test_a_commit_that_is_not_answered_holds_the_move_back() -> None:
    net = renewing()
    net.slow.add(1)
    net.append(sound(1))
    net.edit("c", ce.InputAudioBufferCommit)
    net.greet()
    net.append(sound(2))
    assert "input_audio_buffer.clear" not in net.servers[1].kinds()
    net.flush(1)
    assert net.results("c") == [ef.Acknowledged()]
    assert list(net.servers[1].committed.values()) == [sound(1)]
    assert bytes(net.servers[2].stream) == sound(2)


def test_an_item_that_is_not_confirmed_yet_is_known_to_the_new_server_before_it_is_asked() -> None:
    net = renewing()
    net.slow.add(1)
    net.message("u2", "And you?")
    net.greet()
    net.ask("b")
    net.flush(1)
    net.link = 2
    assert net.servers[1].kinds()[-2:] == ["response.create", "input_audio_buffer.clear"]
    assert net.servers[2].words()[-1] == "u2: And you?"


def test_speech_postpones_the_move_until_shortly_before_the_announced_end() -> None:
    net = expiring(100.0)
    net.wait(50.0)
    net.append(sound(1))
    net.starts("v1", 500)
    net.greet(epoch=EPOCH + 50.0, expires_at=int(EPOCH + 3650))
    net.append(sound(2))
    net.wait(47.99)
    assert not net.servers[2].stream
    net.wait(0.01)
    net.link = 2
    assert bytes(net.servers[2].stream) == bytes(net.appended)[24_000:]
    net.starts("v2", 0)
    net.append(sound(3))
    net.stops("v2")
    assert net.servers[2].committed["v2"] == bytes(net.appended)[24_000:]
    assert [told.audio_start_ms for told in net.notices(ef.SpeechStarted)] == [500, 500]
    assert [told.audio_end_ms for told in net.notices(ef.SpeechStopped)] == [3000]
    assert alone(net, 2)


def test_a_commit_on_its_way_at_the_last_moment_is_answered_by_the_old_server() -> None:
    net = expiring(20.0)
    net.wait(17.0)
    net.slow.add(1)
    net.append(sound(1))
    net.edit("c", ce.InputAudioBufferCommit)
    net.append(sound(2))
    net.greet()
    net.wait(2.0)  # the last moment, and the second for which the clearing is waited for
    assert bytes(net.servers[2].stream) == sound(2)
    net.flush(1)
    assert net.results("c") == [ef.Acknowledged()]
    assert list(net.servers[1].committed.values()) == [sound(1)]
    net.link = 2
    net.starts("v2", 0)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 1000
    net.stops("v2")
    assert net.servers[2].committed["v2"] == sound(2)
    assert alone(net, 2)


def test_what_the_old_server_still_hears_is_no_news() -> None:
    net = renewing()
    net.ask("b")
    net.created("r2", "b")
    net.greet()
    net.starts("v1", 0)
    net.hear("input_audio_buffer.speech_stopped", item_id="v1", audio_end_ms=100)
    assert net.notices(ef.SpeechStarted) == []
    assert net.notices(ef.SpeechStopped) == []


def test_the_patience_with_a_new_connection_ends_with_it() -> None:
    net = Net(recovery=SOON)
    net.reply("One two three four")
    net.cut()
    net.wait(100.0)
    net.slow |= {2, 3}
    net.greet(3)
    net.wait(1.9)
    net.lose(3)
    net.edit("t", ce.ConversationItemTruncate, item_id="a1", content_index=0, audio_end_ms=500)
    net.wait(0.2)
    net.flush(2)
    assert net.results("t") == [ef.Acknowledged()]


def test_the_patience_with_one_that_is_lost_is_not_that_with_the_next() -> None:
    net = running()
    net.slow.add(2)
    net.link = 1
    net.ends("It is noon.", "a2", "r2")
    net.wait(1.85)
    net.lose(2)
    net.wait(0.1)
    net.slow.add(3)
    net.greet(3)
    net.wait(1.9)
    net.flush(3)
    assert net.reconnected.lost == ()
    assert net.notices(ef.Reconnecting)[-1].attempt == 1


def test_a_late_answer_on_the_old_connection_is_not_cut_off_with_its_transcripts() -> None:
    net = transcribing()
    net.greet()
    net.wait(4.0)
    net.created("r1", None)
    net.says("At last.", "a1", "r1")
    net.wait(4.0)
    assert not net.servers[1].hung_up
    net.ends("At last.", "a1", "r1")
    assert [type(settled.outcome) for settled in net.all(ef.Settle)] == [Completed]
    net.wait(5.0)
    assert alone(net, 2)


def test_a_renewal_is_due_though_nobody_was_heard_after_a_takeover() -> None:
    net = renewed()
    net.append(sound(1))
    net.starts("v1", 0)
    net.lose()
    net.link = net.back().number  # there, nobody speaks
    net.wait(100.0)
    net.link = net.greet()
    assert alone(net, net.link)
