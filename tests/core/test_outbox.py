"""What waits for the socket: everything in order, and of the microphone only the newest."""

from __future__ import annotations

import itertools

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.recovery import Recovery
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import Item
from tests.core.stage import Stage


def sound(mark: int, seconds: float = 1.0) -> bytes:
    return bytes([mark]) * int(48_000 * seconds)


def kept_for(seconds: float) -> Recovery:
    return Recovery(attempts=0, renew_after=None, keep_audio=seconds)


def audio(stage: Stage) -> bytes:
    """All the audio that went out."""
    return b"".join(append.audio for append in stage.sent(ce.InputAudioBufferAppend))


def heard(stage: Stage) -> list[int]:
    """Its marks, in order."""
    return [mark for mark, _ in itertools.groupby(audio(stage))]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(5.0, [2, 3, 4, 5, 6]), (2.5, [4, 5, 6]), (100.0, [1, 2, 3, 4, 5, 6]), (0.0, [])],
)
def test_of_the_microphone_only_the_newest_seconds_are_kept(keep: float, kept: list[int]) -> None:
    stage = Stage(connected=False, recovery=kept_for(keep))
    for mark in range(1, 7):
        assert stage.do(inp.Append(sound(mark))) == []
    stage.do(inp.Connected())
    assert heard(stage) == kept
    assert len(audio(stage)) == min(keep, 6) * 48_000


def test_audio_and_edits_keep_their_order_and_old_audio_gives_way_alone() -> None:
    stage = Stage(connected=False, recovery=kept_for(1.0))
    stage.do(inp.Append(sound(1)))
    stage.edit("clear", ce.InputAudioBufferClear)
    stage.do(inp.Append(sound(2)))
    stage.do(inp.Append(sound(3, 0.5)))
    stage.edit("commit", ce.InputAudioBufferCommit)
    stage.do(inp.Append(sound(4, 0.5)))
    stage.do(inp.Connected())
    assert [type(send.event).__name__ for send in stage.all(ef.Send)] == [
        "InputAudioBufferClear",
        "InputAudioBufferAppend",
        "InputAudioBufferCommit",
        "InputAudioBufferAppend",
    ]
    assert heard(stage) == [2, 3, 4]


def test_online_nothing_waits() -> None:
    stage = Stage(recovery=kept_for(0.0))
    stage.do(inp.Append(sound(9)))
    stage.do(inp.Say(ce.InputAudioBufferCommit()))
    assert [type(e).__name__ for e in (s.event for s in stage.all(ef.Send))] == [
        "InputAudioBufferAppend",
        "InputAudioBufferCommit",
    ]


def test_an_edit_that_finds_the_outbox_full_is_refused_at_once() -> None:
    stage = Stage(connected=False)
    for number in range(4096):
        stage.do(inp.Say(ce.ConversationItemRetrieve(item_id=f"i{number}")))
    stage.edit("e", ce.ConversationItemCreate, item=Item(type="message", id="i1"))
    (result,) = stage.results("e")
    assert isinstance(result, ef.Refused)
    assert result.error.code == "queue_full"
    stage.do(inp.Connected())
    assert len(stage.all(ef.Send)) == 4096


def test_an_edit_that_has_expired_does_not_go_out_all_the_same() -> None:
    stage = Stage(connected=False)
    stage.edit("e", ce.ConversationItemCreate, item=Item(type="message", id="i1"))
    stage.wait(5.0)
    assert stage.results("e") == [ef.Expired(5.0)]
    stage.do(inp.Connected())
    assert stage.all(ef.Send) == []


def test_audio_in_tiny_pieces_is_whole() -> None:
    stage = Stage(connected=False, recovery=kept_for(1.0))
    for at in range(60_000):
        stage.do(inp.Append(at.to_bytes(2, "little")))
    stage.do(inp.Connected())
    newest = range(60_000 - 24_000, 60_000)
    assert audio(stage) == b"".join(at.to_bytes(2, "little") for at in newest)


def test_what_finds_no_room_is_not_dropped_in_silence() -> None:
    stage = Stage(connected=False)
    for _ in range(4097):
        stage.do(inp.Say(ce.InputAudioBufferClear()))
    (told,) = stage.notices(ef.ServerErrorSeen)
    assert told.error.code == "queue_full"
