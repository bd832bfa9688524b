"""What the user says reaches the server that hears: whole, once, and not as a stale burst."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close
from rejoinder.core.recovery import Recovery
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import Audio, AudioFormat, AudioInput, SessionConfig
from tests.core.renewals import running
from tests.core.servers import Net

MANUAL = SessionConfig(audio=Audio(input=AudioInput(turn_detection=None)))
SECOND = 48_000


def mark(number: int, seconds: float = 1.0) -> bytes:
    """Sound in which every sample tells its place."""
    count = int(SECOND * seconds) // 4
    return b"".join((number * 1_000_000 + at).to_bytes(4, "little") for at in range(count))


def patient(**policy: float | None) -> Recovery:
    return Recovery(renew_after=None, attempts=30, give_up=300.0, **policy)  # type: ignore[arg-type]


def test_an_unfinished_utterance_is_heard_again_whole_and_exactly() -> None:
    net = Net()
    for number in range(10):
        net.append(mark(number))
    net.starts("v1", 9_000)
    net.append(mark(10))
    net.lose()
    net.append(mark(11))
    server = net.back()
    net.append(mark(12))
    assert bytes(server.stream) == bytes(net.appended)[9 * SECOND :]
    net.starts("v2", 0)
    net.stops("v2", 4_000)
    assert server.committed["v2"] == bytes(net.appended)[9 * SECOND : 13 * SECOND]


def test_what_is_appended_by_hand_is_the_users_voice_like_any_other() -> None:
    net = Net()
    said = [mark(number) for number in range(20)]
    for each in said[:10]:
        net.do(inp.Say(ce.InputAudioBufferAppend(audio=each)))
    net.starts("v1", 8_000)
    net.lose()
    net.do(inp.Say(ce.InputAudioBufferAppend(audio=said[10])))
    server = net.back()
    assert bytes(server.stream) == b"".join(said[8:11])
    net.stops("v2")
    net.lose()
    for each in said:
        net.do(inp.Say(ce.InputAudioBufferAppend(audio=each)))
    assert bytes(net.back().stream) == b"".join(said[15:])


def test_the_servers_time_is_told_as_the_callers_own() -> None:
    net = Net()
    for number in range(5):
        net.append(mark(number))
    net.starts("v1", 4_500)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 4_500
    net.cut()
    net.append(mark(6))
    net.starts("v2", 100)
    net.stops("v2", 1_300)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 4_600
    assert net.notices(ef.SpeechStopped)[-1].audio_end_ms == 5_800
    net.append(mark(7))
    net.starts("v3", 1_600)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 6_100


def test_with_telephone_sound_a_millisecond_is_eight_bytes() -> None:
    form = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    net = Net(
        config=SessionConfig(audio=Audio(input=AudioInput(format=AudioFormat(type="audio/pcmu"))))
    )
    net.tells(1, {"type": "session.updated", "session": form})
    net.append(bytes(8 * 3000))
    net.hear("input_audio_buffer.speech_started", item_id="v1", audio_start_ms=2000)
    server = net.cut()
    assert len(server.stream) == 8 * 1000
    net.hear("input_audio_buffer.speech_started", item_id="v2", audio_start_ms=500)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 2500
    net.hear("input_audio_buffer.speech_stopped", item_id="v2", audio_end_ms=900)
    assert net.notices(ef.SpeechStopped)[-1].audio_end_ms == 2900


@pytest.mark.parametrize("keep", [0.0, 1.5, 5.0])
def test_of_an_outage_only_the_newest_seconds_are_heard(keep: float) -> None:
    net = Net(recovery=patient(keep_audio=keep))
    net.append(mark(0))
    net.lose()
    for number in range(1, 21):
        net.append(mark(number))
    server = net.back()
    kept = bytes(net.appended)[len(net.appended) - int(keep * SECOND) :]
    assert bytes(server.stream) == (kept if keep else b"")
    net.append(mark(21))
    net.starts("v1", 0)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 21_000 - keep * 1000


def test_unless_the_user_was_speaking() -> None:
    net = Net(recovery=patient(keep_audio=1.0))
    net.append(mark(0))
    net.starts("v1", 500)
    net.lose()
    for number in range(1, 21):
        net.append(mark(number))
    assert bytes(net.back().stream) == bytes(net.appended)[SECOND // 2 :]


def test_of_one_who_speaks_without_end_the_newest_two_minutes_are_kept() -> None:
    net = Net(config=MANUAL)
    for number in range(125):
        net.append(bytes([number]) * SECOND)
    assert bytes(net.cut().stream) == bytes(net.appended)[5 * SECOND :]


def test_of_silence_only_a_little_is_kept() -> None:
    net = Net()
    for number in range(60):
        net.append(mark(number))
    assert bytes(net.cut().stream) == bytes(net.appended)[-2 * SECOND :]


def test_who_commits_by_hand_loses_nothing() -> None:
    net = Net(config=MANUAL)
    net.append(mark(1))
    net.append(mark(2))
    net.lose()
    net.append(mark(3))
    net.edit("c1", ce.InputAudioBufferCommit)
    net.append(mark(4))
    net.edit("c2", ce.InputAudioBufferCommit)
    net.append(mark(5))
    server = net.back()
    assert list(server.committed.values()) == [mark(1) + mark(2) + mark(3), mark(4)]
    assert bytes(server.stream)[server.start :] == mark(5)
    net.edit("c3", ce.InputAudioBufferCommit)
    assert list(server.committed.values())[2] == mark(5)
    assert [net.results(key) for key in ("c1", "c2", "c3")] == [[ef.Acknowledged()]] * 3


def test_a_commit_on_its_way_takes_its_sound_along() -> None:
    net = Net(config=MANUAL)
    net.append(mark(1))
    net.slow.add(1)
    net.edit("c", ce.InputAudioBufferCommit)
    net.append(mark(2))
    server = net.cut()
    assert list(server.committed.values()) == [mark(1)]
    assert bytes(server.stream) == mark(1) + mark(2)
    net.hear("input_audio_buffer.speech_started", item_id="v1", audio_start_ms=1_000)
    assert net.notices(ef.SpeechStarted)[-1].audio_start_ms == 1_000


def test_what_a_refused_commit_was_to_commit_is_open_still() -> None:
    net = Net(config=MANUAL)
    net.append(mark(1, 0.05))
    net.slow.add(1)
    net.edit("c", ce.InputAudioBufferCommit)
    net.append(mark(2))
    net.error(code="input_audio_buffer_commit_empty", event_id="c")
    assert isinstance(net.results("c")[0], ef.Refused)
    assert bytes(net.cut().stream) == bytes(net.appended)


def test_a_commit_of_nothing_is_the_servers_to_refuse() -> None:
    net = Net(config=MANUAL)
    net.edit("c", ce.InputAudioBufferCommit)
    assert isinstance(net.results("c")[0], ef.Refused)


def test_what_is_cleared_is_heard_by_nobody() -> None:
    net = Net(config=MANUAL)
    net.append(mark(1))
    net.edit("x", ce.InputAudioBufferClear)
    net.append(mark(2))
    assert bytes(net.cut().stream) == mark(2)


def test_a_turn_without_an_announced_end_is_all_that_was_said() -> None:
    net = Net()
    net.append(mark(1))
    net.hear("input_audio_buffer.committed", item_id="v1")
    net.append(mark(2))
    assert bytes(net.cut().stream) == mark(2)


def answered_without_a_commit(net: Net) -> None:
    """The server answers what it heard in the second second, and never says that this is an item."""
    net.append(mark(1) + mark(2) + mark(3))
    net.starts("v1", 1_000)
    net.hear("input_audio_buffer.speech_stopped", item_id="v1", audio_end_ms=2_000)
    net.created("r1", None)
    net.done("r1")


def test_a_turn_that_is_answered_was_committed_though_nobody_says_so() -> None:
    net = Net()
    answered_without_a_commit(net)
    server = net.cut()
    assert [part.audio for part in server.items["v1"].content or ()] == [mark(2)]
    assert bytes(server.stream) == mark(3)


def test_and_holds_no_renewal_up() -> None:
    net = Net(recovery=Recovery(renew_after=100.0))
    answered_without_a_commit(net)
    net.wait(100.0)
    net.greet()
    net.wait(10.0)
    assert net.servers[1].hung_up


def test_a_commit_that_is_told_after_the_answer_takes_nothing_more() -> None:
    net = Net()
    answered_without_a_commit(net)
    net.hear("input_audio_buffer.committed", item_id="v1", previous_item_id=None)
    assert bytes(net.cut().stream) == mark(3)


def test_who_speaks_while_the_server_begins_a_response_speaks_on() -> None:
    net = Net()
    net.append(mark(1))
    net.starts("v1", 0)
    net.created("r1", None)
    net.append(mark(2))
    assert bytes(net.cut().stream) == mark(1) + mark(2)


def test_what_the_old_server_answers_is_not_what_the_new_one_hears() -> None:
    net = running()
    net.link = 2
    net.append(mark(1))
    net.starts("v1", 0)
    net.hear("input_audio_buffer.speech_stopped", item_id="v1", audio_end_ms=1_000)
    net.link = 1
    net.created("r3", None)
    net.link = 2
    assert bytes(net.cut().stream) == mark(1)


def test_an_item_of_the_users_that_is_deleted_needs_no_sound() -> None:
    net = Net()
    net.append(mark(1))
    net.starts("v1", 0)
    net.stops("v1")
    net.hear("conversation.item.deleted", item_id="v1")
    assert net.cut().words() == []


def test_pieces_of_one_sample_each_are_whole() -> None:
    net = Net()
    whole = mark(1, 0.5)
    for at in range(0, len(whole), 2):
        net.append(whole[at : at + 2])
    assert bytes(net.cut().stream) == whole


def test_after_the_end_nothing_is_kept() -> None:
    net = Net()
    net.do(inp.Shut())
    assert net.do(inp.Append(mark(1))) == []


def test_the_late_answer_to_a_commit_takes_nothing_of_what_was_said_since() -> None:
    net = Net(config=MANUAL)
    net.tells(
        1, {"type": "session.updated", "session": {"audio": {"input": {"turn_detection": None}}}}
    )
    net.slow.add(1)
    net.append(mark(1))
    net.edit("c", ce.InputAudioBufferCommit)
    net.wait(5.0)
    assert net.results("c") == [ef.Expired(5.0)]
    net.append(mark(2))
    net.flush(1)
    assert bytes(net.cut().stream) == mark(2)


def test_a_sentence_in_which_the_new_server_hears_nothing_does_not_go_on_for_ever() -> None:
    net = Net(recovery=patient())
    net.append(mark(0))
    net.starts("v1", 0)
    net.append(mark(1))
    net.cut()  # the next server takes it for a noise, and says nothing
    for number in range(2, 12):
        net.append(mark(number))
    net.lose()
    server = net.back()
    assert bytes(server.stream) == bytes(net.appended)[-2 * SECOND :]


def test_a_sentence_that_began_while_there_was_no_connection_is_kept_until_it_is_heard_of() -> None:
    net = Net(recovery=patient())
    net.lose()
    for number in range(5):
        net.append(mark(number))
    net.back()
    net.append(mark(5))
    net.starts("v1", 1_000)
    net.append(mark(6))
    net.lose()
    server = net.back()
    assert bytes(server.stream) == bytes(net.appended)[SECOND:]


SILENT = Close("network", None, "the server did not answer a ping", silent=15.0)


@pytest.mark.parametrize(
    ("close", "spoken", "heard", "unheard"),
    [
        (SILENT, True, False, 13.0),  # the newest two seconds are kept
        (SILENT, True, True, 0.0),  # a sentence that was heard to begin is kept whole
        (SILENT, False, False, 0.0),
        (Close("network", 1006, "reset"), True, False, 0.0),  # what there was to hear, it had heard
        (Close("network", None, "", silent=1.0), True, False, 0.0),
    ],
)
def test_what_nobody_may_have_heard_is_told(
    close: Close, spoken: bool, heard: bool, unheard: float
) -> None:
    net = Net()
    if spoken:
        net.append(mark(0))
    if heard:
        net.starts("v1", 0)
    net.lose(1, close)
    net.back()
    assert net.reconnected.unheard == unheard


def test_of_a_turn_that_the_client_ends_everything_is_kept() -> None:
    net = Net(config=MANUAL)
    net.append(mark(0))
    net.lose(1, SILENT)
    net.back()
    assert net.reconnected.unheard == 0.0


def test_a_server_that_was_silent_since_it_was_asked_has_heard_nothing_either() -> None:
    net = Net()
    net.append(mark(0))
    net.ask()
    net.wait(10.0)
    net.back()
    assert net.reconnected.unheard == 8.0
