"""What waits for the socket: everything in order, and of the microphone only the newest."""

from __future__ import annotations

import pytest

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outbox import Outbox
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import Item
from tests.core.stage import Stage


def sound(mark: int, seconds: float = 1.0) -> bytes:
    return bytes([mark]) * int(48_000 * seconds)


def heard(stage: Stage) -> list[int]:
    """The marks of the audio that went out."""
    return [append.audio[0] for append in stage.sent(ce.InputAudioBufferAppend)]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(5.0, [2, 3, 4, 5, 6]), (2.5, [5, 6]), (100.0, [1, 2, 3, 4, 5, 6]), (0.0, [])],
)
def test_of_the_microphone_only_the_newest_seconds_are_kept(keep: float, kept: list[int]) -> None:
    stage = Stage(connected=False, keep_audio_seconds=keep)
    for mark in range(1, 7):
        assert stage.do(inp.Append(sound(mark))) == []
    stage.do(inp.Connected())
    assert heard(stage) == kept


def test_audio_and_events_keep_their_order_and_old_audio_gives_way_alone() -> None:
    stage = Stage(connected=False, keep_audio_seconds=1.0)
    clear, commit = ce.InputAudioBufferClear(), ce.InputAudioBufferCommit()
    stage.do(inp.Append(sound(1)))
    stage.do(inp.Say(clear))
    stage.do(inp.Append(sound(2, 0.5)))
    stage.do(inp.Say(commit))
    stage.do(inp.Append(sound(3, 0.5)))
    stage.do(inp.Connected())
    sent = [send.event for send in stage.all(ef.Send)]
    assert [event for event in sent if event in (clear, commit)] == [clear, commit]
    assert [type(event).__name__ for event in sent] == [
        "InputAudioBufferClear",
        "InputAudioBufferAppend",
        "InputAudioBufferCommit",
        "InputAudioBufferAppend",
    ]
    assert heard(stage) == [2, 3]


def test_online_nothing_is_kept() -> None:
    stage = Stage(keep_audio_seconds=0.0)
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
    stage.do(inp.Append(sound(9)))  # no room either, and nobody to tell
    stage.do(inp.Connected())
    assert len(stage.all(ef.Send)) == 4096


@pytest.mark.parametrize("audio", [b"", b"\0\0"])
def test_a_flood_of_tiny_pieces_is_bounded_too(audio: bytes) -> None:
    outbox = Outbox(keep_bytes=48_000, most=10)
    for _ in range(50):
        assert outbox.hold(ce.InputAudioBufferAppend(audio=audio))
    assert len(list(outbox.release())) == 10
    assert list(outbox.release()) == []


def test_what_finds_no_room_is_not_dropped_in_silence() -> None:
    stage = Stage(connected=False)
    for _ in range(4097):
        stage.do(inp.Say(ce.InputAudioBufferClear()))
    (told,) = stage.notices(ef.ServerErrorSeen)
    assert told.error.code == "queue_full"
