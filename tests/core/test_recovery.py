"""What a lost connection means, when the next attempt is made, and when there is none any more."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close, Lost
from rejoinder.core.recovery import Recovery
from rejoinder.wire.response import ErrorBody
from tests.core.servers import LASTING, NETWORK, Net
from tests.core.stage import Stage

QUOTA = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "You exceeded it."}
FINAL = [
    (Close("network", None, "", ErrorBody(code="unusable_option")), None),
    (Close("server", None, "Bad Request"), 400),
    (Close("server", None, "Unauthorized"), 401),
    (Close("server", None, "Forbidden"), 403),
    (Close("server", None, "Not Found"), 404),
    (Close("server", 3000, "invalid_request_error"), None),
    (Close("server", 4000, ""), None),
    (Close("server", 4004, ""), None),
    (Close("server", 1013, "insufficient_quota.insufficient_quota"), None),
    (Close("server", 1008, "invalid_request_error.model_not_found"), None),
    (Close("server", 1000, "insufficient_quota"), None),
    (Close("server", 1011, "", ErrorBody(code="invalid_api_key")), None),
    (Close("server", None, "no", ErrorBody(type="insufficient_quota")), 429),
]
PASSING = [
    (Close("server", None, "", ErrorBody(code="unusable_option")), None),
    (NETWORK, None),
    (Close("server", 1000, ""), None),
    (Close("server", 1001, "Your session hit the maximum duration of 60 minutes."), None),
    (Close("server", 1009, "too big"), None),
    (Close("server", 1011, "internal"), None),
    (Close("server", 1013, "try again later"), None),
    (Close("server", 1008, "policy"), None),
    (Close("server", None, "Too Many Requests"), 429),
    (Close("server", None, "Service Unavailable"), 503),
    (Close("server", None, "", ErrorBody(code="session_expired")), None),
]


def attempts(stage: Stage) -> list[int]:
    return [connect.link for connect in stage.all(ef.Connect)]


@pytest.mark.parametrize(("close", "status"), FINAL)
def test_a_final_refusal_ends_the_session_at_once_in_the_servers_words(
    close: Close, status: int | None
) -> None:
    for dialled in (False, True):
        net = Net(recovery=LASTING)
        net.ask()
        if dialled:  # a later link is refused
            net.lose()
            net.wait(0.1)
        net.lose(net.latest, close, status=status)
        assert net.session.ended == close
        outcome = net.outcome()
        assert isinstance(outcome, Lost)
        assert outcome.close == close
        assert net.session.next_deadline() is None
        assert attempts(net) == ([2] if dialled else [])


@pytest.mark.parametrize(("close", "status"), FINAL)
def test_the_very_first_connection_is_refused_for_good(close: Close, status: int | None) -> None:
    stage = Stage(connected=False, recovery=LASTING)
    stage.ask()
    stage.do(inp.Disconnected(close, status=status))
    assert stage.session.ended == close
    assert stage.settled()


@pytest.mark.parametrize(("close", "status"), FINAL)
def test_a_renewal_that_is_refused_for_good_leaves_the_old_connection_alone(
    close: Close, status: int | None
) -> None:
    net = Net(recovery=Recovery(renew_after=100.0))
    net.wait(100.0)
    net.lose(2, close, status=status)
    assert net.session.ended is None
    assert net.next_reply_works()


@pytest.mark.parametrize(("close", "status"), PASSING)
def test_everything_else_may_pass(close: Close, status: int | None) -> None:
    net = Net()
    net.lose(1, close, status=status)
    assert net.session.ended is None
    (told,) = net.notices(ef.Reconnecting)
    assert (told.close, told.attempt) == (close, 1)
    assert told.after == pytest.approx(0.1)
    net.back()
    assert net.next_reply_works()


@pytest.mark.parametrize("link", [1, 2])
def test_an_error_that_no_request_survives_ends_the_session_on_any_link(link: int) -> None:
    net = Net()
    if link == 2:
        net.cut()
    net.ask()
    net.hear("error", error=QUOTA)
    assert net.session.ended is not None
    assert isinstance(net.outcome(), Lost)


@pytest.mark.parametrize("link", [1, 2])
def test_so_does_one_inside_of_a_response(link: int) -> None:
    net = Net()
    if link == 2:
        net.cut()
    net.ask()
    net.created()
    net.done(status="failed", status_details={"type": "failed", "error": QUOTA})
    assert net.session.ended is not None
    assert net.session.ended.error is not None
    assert net.session.ended.error.code == "insufficient_quota"
    assert not net.outcome().ok


def test_a_server_that_refuses_after_the_upgrade_is_not_asked_again() -> None:
    net = Net()
    net.lose()
    net.wait(0.1)
    net.do(inp.Connected(2))
    net.tells(2, {"type": "error", "error": {"code": "invalid_api_key", "message": "Wrong key."}})
    assert net.session.ended is not None
    assert net.session.ended.reason == "Wrong key."


# -- when --


@pytest.mark.parametrize(("lot", "moments"), [(1.0, [0.1, 2.1, 6.1]), (0.0, [0.1, 1.1, 3.1])])
def test_the_pauses_are_shortened_by_lot(lot: float, moments: list[float]) -> None:
    net, seen = Net(), []
    net.lose(lot=lot)
    while net.session.ended is None:
        before = net.latest
        net.wait((net.session.next_deadline() or 0.0) - net.now)
        if net.latest > before:
            seen.append(net.now)
            net.lose(net.latest, lot=lot)
    assert seen == pytest.approx(moments)
    assert [told.attempt for told in net.notices(ef.Reconnecting)] == [1, 2, 3]
    assert net.session.ended == NETWORK


@pytest.mark.parametrize("lot", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("hangs", [0.0, 0.7, 100.0])
@pytest.mark.parametrize("opens", [False, True])
def test_given_up_within_seven_seconds_however_long_each_attempt_hangs(
    lot: float, hangs: float, opens: bool
) -> None:
    net = Net()
    net.ask()
    net.lose(lot=lot)
    while net.session.ended is None and net.now <= 8.0:
        before = net.latest
        net.wait((net.session.next_deadline() or 0.0) - net.now)
        if net.latest > before:
            if opens:
                net.do(inp.Connected(net.latest))
            net.wait(min(hangs, net.all(ef.Connect)[-1].within))
            net.lose(net.latest, lot=lot)
    assert net.session.ended is not None
    assert net.now <= 7.0 + 1e-9
    assert len(attempts(net)) == 3
    assert isinstance(net.outcome(), Lost)
    assert net.session.next_deadline() is None


def test_the_first_connection_that_hangs_has_had_all_the_time_there_was() -> None:
    stage = Stage(connected=False, recovery=LASTING)
    stage.now = 10.0
    stage.do(inp.Disconnected(Close("network", None, "", ErrorBody(code="timeout"))))
    assert stage.session.ended is not None


def test_the_first_connection_that_is_dropped_is_tried_again() -> None:
    stage = Stage(connected=False, recovery=LASTING)
    stage.ask()
    stage.do(inp.Disconnected(NETWORK))
    stage.wait(0.1)
    assert attempts(stage) == [2]
    stage.do(inp.Connected(2))
    stage.link = 2
    stage.hear("session.created", session={})
    assert stage.creates() == ["a.1"]


@pytest.mark.parametrize(("retry_after", "at"), [(0.01, 0.1), (3.0, 3.0), (6.9, 6.9)])
def test_a_server_that_says_when_to_come_back_is_not_asked_before(
    retry_after: float, at: float
) -> None:
    net = Net()
    net.lose(retry_after=retry_after, status=503)
    net.wait(at - 0.001)
    assert attempts(net) == []
    net.wait(0.002)
    assert attempts(net) == [2]


def test_a_server_that_wants_us_back_too_late_is_not_waited_for() -> None:
    net = Net()
    net.ask()
    net.lose(retry_after=7.0, status=429)
    assert net.session.ended == NETWORK
    assert isinstance(net.outcome(), Lost)


def test_after_a_healthy_time_a_loss_is_the_first_again() -> None:
    net = Net()
    net.cut()
    net.wait(10.0)
    net.lose()
    assert [told.attempt for told in net.notices(ef.Reconnecting)] == [1, 1]


def test_a_server_that_accepts_and_closes_at_once_is_not_hammered() -> None:
    net = Net()
    while net.session.ended is None and net.now < 60.0:
        net.lose(net.latest)
        if net.session.ended is None:
            net.back()
    assert attempts(net) == [2, 3, 4]
    assert net.now < 7.0


def test_a_renewal_does_not_make_a_healthy_session_an_ailing_one() -> None:
    net = Net(recovery=Recovery(renew_after=100.0))
    for lost in (1, 2, 3):
        net.lose(lost)
        net.back()
    assert net.notices(ef.Reconnecting)[-1].attempt == 3
    net.wait(100.0)
    net.link = net.greet()
    net.wait(5.0)
    net.lose()
    assert net.notices(ef.Reconnecting)[-1].attempt == 1
    net.back()
    assert net.next_reply_works()


def test_without_attempts_a_lost_connection_is_the_end() -> None:
    net = Net(recovery=Recovery(attempts=0))
    net.lose()
    assert net.session.ended == NETWORK
