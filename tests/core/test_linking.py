"""What is in flight when a connection is lost, and where it goes."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close, Completed, Lost, TimedOut
from rejoinder.core.recovery import Recovery
from tests.core.servers import NETWORK, Net

VAD = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}


def talking(**session: object) -> Net:
    net = Net()
    net.tells(1, {"type": "session.created", "session": session or VAD})
    return net


# -- responses --


def test_what_was_never_created_is_asked_again_exactly_once() -> None:
    net = Net()
    net.ask()
    net.cut()
    assert net.creates() == ["a.1", "a.2"]
    assert not net.settled()
    net.cut()
    assert net.creates() == ["a.1", "a.2"]
    assert isinstance(net.outcome(), Lost)


def test_and_is_answered_on_the_new_connection() -> None:
    net = Net()
    net.ask()
    net.cut()
    net.created()
    net.text("fine")
    net.done()
    assert isinstance(net.outcome(), Completed)
    assert net.outcome().asked == 2


def test_what_was_begun_is_lost_at_once_with_what_was_delivered() -> None:
    net = Net()
    net.ask()
    net.created()
    net.item()
    net.text("half a ")
    net.lose()
    outcome = net.outcome()
    assert isinstance(outcome, Lost)
    assert outcome.close == NETWORK
    assert outcome.delivered.text == "half a "


def test_what_was_begun_is_not_asked_again_without_retries() -> None:
    net = Net()
    net.ask()
    net.created()
    net.lose()
    assert isinstance(net.outcome(), Lost)


@pytest.mark.parametrize("retries", [1, 2])
def test_nothing_delivered_and_retries_left_it_is_asked_again(retries: int) -> None:
    net = Net()
    net.wait(1.0)
    net.ask(retries=retries)
    for number in range(1, retries + 1):
        net.created(f"r{number}")
        net.cut()
        assert net.creates()[-1] == f"a.{number + 1}"
    assert len(net.all(ef.Withdraw)) == retries
    net.created("r9")
    net.lose()
    assert isinstance(net.outcome(), Lost)


def test_but_only_inside_of_its_first_deadlines() -> None:
    net = Net()
    net.wait(1.0)
    net.ask(retries=1)
    net.wait(9.5)
    net.created()
    net.wait(0.4)
    net.lose()
    assert not net.settled()
    net.wait(0.2)
    assert isinstance(net.outcome(), TimedOut)


def test_nor_after_them() -> None:
    net = Net()
    net.wait(1.0)
    net.ask(retries=1)
    net.wait(9.9)
    net.created()
    net.wait(1.0)
    net.lose()
    assert isinstance(net.outcome(), Lost)


def test_nor_when_a_word_was_delivered() -> None:
    net = Net()
    net.ask(retries=3)
    net.created()
    net.text("I")
    net.lose()
    assert isinstance(net.outcome(), Lost)


def test_what_is_being_cancelled_ends_with_its_connection() -> None:
    net = Net()
    net.ask()
    net.created()
    net.cancel()
    net.lose()
    assert isinstance(net.outcome(), Lost)
    net.back()
    assert net.creates() == ["a.1"]
    assert net.next_reply_works()


def test_what_nobody_waits_for_is_not_asked_again_and_holds_no_slot() -> None:
    net = Net()
    net.ask()
    net.cancel()  # before it is created: orphaned
    net.ask("b")
    net.created("r0", None)
    net.cut()
    assert [event for event in net.creates() if str(event).startswith("a")] == ["a.1"]
    assert net.session.state.responses.machines.keys() == {"b"}


def test_what_drains_is_over_with_its_connection() -> None:
    net = Net()
    net.ask()
    net.created()
    net.wait(10.0)
    assert net.settled()
    net.cut()
    assert net.session.state.responses.machines == {}
    assert net.next_reply_works()


def test_out_of_band_requests_are_asked_again_like_others() -> None:
    net = Net()
    net.ask("first")
    net.created("r_first", "first")
    net.done("r_first")
    net.ask("a")
    net.ask("b", conversation="none")
    net.cut()
    assert net.creates()[-2:] == ["a.2", "b.2"]


def test_a_queued_request_keeps_its_clocks_through_the_loss() -> None:
    net = Net(recovery=Recovery(renew_after=None, give_up=60.0, attempts=30))
    net.ask()
    net.created()
    net.ask("b")
    net.wait(5.0)
    net.lose()
    net.ask("c")
    net.wait(9.99)
    assert not net.settled("b")
    net.wait(0.02)
    for key in ("b", "c"):
        outcome = net.outcome(key)
        assert isinstance(outcome, TimedOut)
        assert outcome.why == "offline"


def test_the_queue_clock_counts_from_the_ask() -> None:
    net = Net()
    net.ask()
    net.created()
    net.ask("b")
    for _ in range(4):
        net.wait(7.0)
        net.text("on ")
    net.lose()
    net.wait(1.99)
    assert not net.settled("b")
    net.wait(0.02)
    outcome = net.outcome("b")
    assert isinstance(outcome, TimedOut)
    assert outcome.why == "queue"


def test_requests_asked_while_there_is_no_connection_go_out_in_order() -> None:
    net = Net()
    net.lose()
    net.ask("a", conversation="none")
    net.ask("b")
    net.back()
    assert net.creates() == ["a.1"]
    net.created("r1", "a", conversation_id=None)
    assert net.creates() == ["a.1", "b.1"]


def test_a_clock_that_runs_out_on_a_silent_connection_is_a_loss_at_once() -> None:
    net = Net()
    net.ask("first")
    net.created("r_first", "first")
    net.ask("a")
    net.wait(5.0)
    net.done("r_first")  # in this very moment the next one goes out, and then there is silence
    net.wait(9.9)
    assert net.notices(ef.Reconnecting) == []
    net.wait(0.1)
    assert isinstance(net.outcome(), TimedOut)
    assert net.servers[1].hung_up
    assert net.notices(ef.Reconnecting)[0].close.by == "network"


def test_on_one_that_speaks_it_is_no_loss() -> None:
    net = Net()
    net.ask()
    net.wait(5.0)
    net.hear("rate_limits.updated", rate_limits=[])
    net.wait(5.0)
    assert isinstance(net.outcome(), TimedOut)
    assert net.notices(ef.Reconnecting) == []


# -- an answer that the server owes --


def owing(committed: bool = True) -> Net:
    """The user's turn has ended, and the server would have answered it."""
    net = talking()
    net.append(bytes(48_000))
    net.starts("v1", 0)
    if committed:
        net.stops("v1")
    else:
        net.hear("input_audio_buffer.speech_stopped", item_id="v1", audio_end_ms=1000)
    return net


def asked_for(net: Net) -> int:
    return sum(event_id == "rejoinder_answer" for event_id in net.creates())


def test_a_turn_that_was_committed_and_not_answered_is_asked_for_once() -> None:
    net = owing()
    server = net.cut()
    assert asked_for(net) == 1
    assert server.kinds()[-2:] == ["conversation.item.create", "response.create"]
    net.created("r1", None)
    assert net.all(ef.Open)[-1].asked is False
    net.text("fine")
    net.done()
    net.cut()
    assert asked_for(net) == 1


def test_not_if_something_else_is_queued() -> None:
    net = owing()
    net.lose()
    net.ask()
    net.back()
    assert asked_for(net) == 0
    assert net.creates() == ["a.1"]


def test_not_if_the_turn_is_heard_again_anyway() -> None:
    net = owing(committed=False)
    server = net.cut()
    assert asked_for(net) == 0
    assert bytes(server.stream) == bytes(net.appended)


def test_not_if_the_server_had_begun_to_answer() -> None:
    net = owing()
    net.created("r1", None)
    net.cut()
    assert asked_for(net) == 0


def test_not_if_the_server_does_not_answer_by_itself() -> None:
    quiet = {
        "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}
    }
    net = talking(**quiet)
    net.append(bytes(48_000))
    net.starts("v1", 0)
    net.stops("v1")
    net.cut()
    assert asked_for(net) == 0


def test_a_refusal_of_it_concerns_nobody_else() -> None:
    net = owing()
    net.cut()
    net.ask("b", conversation="none")
    net.error(code="invalid_value", event_id="rejoinder_answer")
    net.wait(2.0)
    assert not net.settled("b")
    (told,) = net.notices(ef.ServerErrorSeen)  # for the user will hear nothing
    assert (told.error.code, told.benign, told.suspected) == ("invalid_value", False, False)


# -- coming back --


def test_a_server_that_reads_nothing_of_what_it_is_told_is_left() -> None:
    net = Net()
    net.message("u1", "One.")
    net.hush()
    net.wait(1.99)
    assert not net.servers[2].hung_up
    net.wait(0.02)
    assert net.servers[2].hung_up
    net.greet(3)
    assert net.servers[3].words() == ["u1: One."]


def test_one_that_answers_slowly_is_given_its_time_beyond_the_seven_seconds() -> None:
    net = Net()
    for number in range(6):
        net.message(f"u{number}", "Hm.")
    net.hush()
    for answer in net.backlog.pop(2):
        net.wait(0.9)
        net.tells(2, answer)
    assert net.session.ended is None
    assert net.now > 7.0
    assert net.reconnected.restored == tuple(f"u{number}" for number in range(6))


def test_one_that_only_chatters_is_not() -> None:
    net = Net()
    net.message("u1", "One.")
    net.lose()
    while net.session.ended is None and net.now < 60.0:
        latest = net.latest
        net.slow.add(latest + 1)
        net.wait(0.5)
        if net.latest > latest:
            net.greet()
        elif latest > 1 and not net.servers[latest].hung_up:
            net.tells(latest, {"type": "rate_limits.updated", "rate_limits": []})
    assert net.session.ended is not None
    assert net.now < 10.0


def test_a_connection_lost_while_it_is_told_is_tried_again() -> None:
    net = Net()
    net.message("u1", "One.")
    net.message("u2", "Two.")
    net.hush()
    net.tells(2, net.backlog[2][0])
    net.lose(2)
    server = net.back()
    assert server.words() == ["u1: One.", "u2: Two."]
    assert net.reconnected.restored == ("u1", "u2")
    assert net.reconnected.down == pytest.approx(2.1)


def test_an_error_is_no_greeting() -> None:
    net = Net()
    net.lose()
    net.wait(0.1)
    net.do(inp.Connected(2))
    net.tells(2, {"type": "error", "error": {"code": "server_busy", "message": "Wait."}})
    assert net.notices(ef.Reconnected) == []
    net.tells(2, {"type": "session.created", "session": {}})
    assert net.reconnected.lost == ()


def test_what_a_link_says_that_was_never_asked_for_is_nobodys() -> None:
    net = Net()
    before = list(net.said)
    net.servers.setdefault(7, net.servers[1])
    net.tells(7, {"type": "session.created", "session": {}})
    net.lose(7, Close("server", 3000))
    net.do(inp.Connected(7))
    assert net.said == before


def test_the_outage_is_announced_and_its_end() -> None:
    net = Net()
    net.message("u1", "One.")
    net.wait(20.0)
    net.lose()
    net.wait(0.1)
    net.lose(2, Close("server", None, "full"), status=503, lot=0.0)
    net.wait(1.0)
    net.greet()
    first, second = net.notices(ef.Reconnecting)
    assert (first.close, first.attempt) == (NETWORK, 1)
    assert (second.close.reason, second.attempt) == ("full", 2)
    assert (first.after, second.after) == pytest.approx((0.1, 1.0))
    assert (net.reconnected.planned, net.reconnected.restored) == (False, ("u1",))
    assert net.reconnected.down == pytest.approx(1.1)
