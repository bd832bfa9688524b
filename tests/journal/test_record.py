"""The recorder: one line per step, no audio unless asked for, no keys, no harm."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rejoinder
from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close
from rejoinder.core.parts import Audio
from rejoinder.core.recovery import Recovery
from rejoinder.core.session import Session
from rejoinder.journal.record import Recorder, plain, read
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire import client_events as ce
from rejoinder.wire import codec
from rejoinder.wire import server_events as ev
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.session import SessionConfig, SessionObject

KEY = "sk-proj-0123456789abcdef"
SOUND = b"\1\0\2\0"
HASH = {"bytes": 4, "sha256": hashlib.sha256(SOUND).hexdigest()[:16]}


def recorded(file: Path, audio: bool = False) -> list[dict[str, Any]]:
    """Three steps of a core, through a file."""
    core = Session(config=SessionConfig(instructions="Be brief"))
    with Recorder(file, audio) as journal:
        for now, given in (
            (1.5, inp.Connected()),
            (2.0, inp.Append(SOUND)),
            (3.25, inp.Disconnected(Close("network"))),
        ):
            journal(now, given, core.step(now, given))
    return read(file)


def test_each_step_is_a_line_that_names_its_types(tmp_path: Path) -> None:
    first, second, third = recorded(tmp_path / "a.jsonl")
    assert first["now"] == 1.5
    assert first["input"] == {"$": "Connected"}
    [sent] = first["effects"]
    assert sent["$"] == "Send"
    assert sent["event"]["$"] == "SessionUpdate"
    assert sent["event"]["session"] == {"$": "SessionConfig", "instructions": "Be brief"}
    assert second["input"] == {"$": "Append", "audio": HASH}
    assert second["effects"][0]["event"] == {"$": "InputAudioBufferAppend", "audio": HASH}
    assert [effect["$"] for effect in third["effects"]] == ["Hangup", "Announce"]
    assert third["input"]["close"] == {"$": "Close", "by": "network"}


def test_a_loss_and_what_follows_from_it_are_lines_like_others() -> None:
    core = Session(recovery=Recovery(renew_after=None))

    def step(now: float, given: inp.Input) -> tuple[Any, list[Any]]:
        return plain(given), [plain(effect) for effect in core.step(now, given)]

    sound = Item(
        id="u1", type="message", role="user", content=[ContentPart(type="input_audio", audio=SOUND)]
    )
    step(0.0, inp.Connected(epoch=1.8e9))
    step(1.0, inp.Edit("e1", ce.ConversationItemCreate(item=sound)))
    step(1.0, inp.Received(ev.ConversationItemAdded(item=sound)))
    lost, effects = step(2.0, inp.Disconnected(Close("network"), status=503, lot=0.25))
    assert (lost["status"], lost["lot"]) == (503, 0.25)
    assert [effect["$"] for effect in effects] == ["Hangup", "Announce"]
    assert effects[1]["notice"]["$"] == "Reconnecting"
    _, [dialled] = step(2.1, inp.Tick())
    assert (dialled["$"], dialled["link"]) == ("Connect", 2)
    opened, _ = step(2.2, inp.Connected(2, epoch=1.8e9 + 2))
    assert opened == {"$": "Connected", "link": 2, "epoch": 1.8e9 + 2}
    greeting, [changed, told] = step(
        2.3, inp.Received(ev.SessionCreated(session=SessionObject()), 2)
    )
    assert (greeting["link"], changed["$"], told["link"]) == (2, "Announce", 2)
    assert told["event"]["item"]["content"][0]["audio"] == HASH


def test_audio_is_kept_when_asked_for(tmp_path: Path) -> None:
    _, second, _ = recorded(tmp_path / "a.jsonl", audio=True)
    kept = {"bytes": 4, "base64": base64.b64encode(SOUND).decode()}
    assert second["input"]["audio"] == kept


def test_what_could_not_be_read_is_kept_as_text_and_a_long_one_as_a_hash() -> None:
    def raw(frame: str | bytes) -> Any:
        return plain(inp.Received(codec.decode_server(frame)))["event"]["raw"]

    assert raw('{"type": "x.y", "a": [1, {"b": null}]}') == {"type": "x.y", "a": [1, {"b": None}]}
    assert raw("not JSON") == "not JSON"
    assert raw(b"\xff\0") == "\\xff\0"
    assert raw('{"type": "x.y", "a": "%s"}' % ("z" * 5000))["bytes"] > 5000
    hidden = raw('{"type": "x.y", "audio": "AQACAA==", "tools": [{"authorization": "Bearer x"}]}')
    assert hidden["audio"]["bytes"] == 8
    assert hidden["tools"] == [{"authorization": "[hidden]"}]


def test_credentials_inside_a_configuration_are_hidden() -> None:
    tool = {"type": "mcp", "authorization": "secret-1", "headers": {"X-Key": "secret-2"}, "n": 1}
    told = plain(ef.Send(ce.SessionUpdate(session=SessionConfig(tools=[tool]))))
    assert told["event"]["session"]["tools"] == [
        {"type": "mcp", "authorization": "[hidden]", "headers": "[hidden]", "n": 1}
    ]
    nothing = plain({"headers": None, "other": (1, 2.5, True, "x"), "what": object})
    assert nothing["headers"] is None
    assert nothing["other"] == [1, 2.5, True, "x"]


def test_audio_as_text_in_a_plain_event_is_a_hash_too() -> None:
    given = {"audio": base64.b64encode(SOUND).decode()}
    assert plain(given)["audio"]["bytes"] == 8
    assert plain(given, audio=True) == given
    assert plain(Audio("i1", 0, SOUND))["audio"] == HASH


def test_the_journal_of_a_session_holds_its_steps_and_no_key(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"

    async def main() -> None:
        with Recorder(file) as journal:
            async with (
                serve(api_key=KEY, faults=["response-error@delta:3"]) as server,
                rejoinder.connect(
                    base_url=f"{server.url}?api-key={KEY}", api_key=KEY, journal=journal
                ) as session,
            ):
                session.append_audio(bytes(960))
                await session.create_response().outcome()

    run(main())
    text = file.read_text("utf-8")
    assert KEY not in text
    steps = read(file)
    assert [step["input"]["$"] for step in steps[:2]] == ["Connected", "Received"]
    assert [step["now"] for step in steps] == sorted(step["now"] for step in steps)
    settled = [e for step in steps for e in step["effects"] if e["$"] == "Settle"]
    assert [effect["outcome"]["$"] for effect in settled] == ["Failed"]
    assert steps[-1]["input"] == {"$": "Shut"}
    assert msgspec.json.encode(plain(inp.Shut())) == b'{"$":"Shut"}'


def test_what_is_nested_without_end_is_cut_and_does_not_end_the_journal(tmp_path: Path) -> None:
    deep = '{"a":[' * 300 + "]}" * 300
    tools = f'[{{"type": "function", "parameters": {deep}}}]'
    told = codec.decode_server(f'{{"type": "session.updated", "session": {{"tools": {tools}}}}}')
    with Recorder(tmp_path / "a.jsonl") as journal:
        for _ in range(2):
            journal(1.0, inp.Received(told), [ef.Announce(ef.Odd("odd", told))])
    assert journal.error is None
    first, second = read(tmp_path / "a.jsonl")
    assert first == second
    assert "nested too deeply" in str(first)


class FullDisk(io.BytesIO):
    """Takes one line."""

    def write(self, data: Any) -> int:
        if self.tell():
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("file", [FullDisk(), io.BytesIO()])
def test_a_file_that_takes_no_more_is_reported_once_and_harms_nobody(
    file: io.BytesIO, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Recorder(file)
    journal(1.0, inp.Connected(), [])
    if not isinstance(file, FullDisk):
        file.close()
    for now in (2.0, 3.0, 4.0):
        journal(now, inp.Tick(), [])
    journal.close()
    assert isinstance(journal.error, (OSError, ValueError))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("rejoinder", logging.WARNING)
    assert "the journal ends here, the session goes on" in record.getMessage()


def test_a_recorder_closes_only_what_it_opened(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        with Recorder(file) as journal:
            journal(1.0, inp.Tick(), [])
        assert not file.closed
    journal = Recorder(tmp_path / "b")
    journal.close()
    journal.close()
    journal(1.0, inp.Tick(), [])
    assert journal.error is not None


def test_a_line_that_was_cut_off_at_the_end_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"now": 1.0}\n\n{"now": 2.0}\n{"now": 3')
    assert read(file) == [{"now": 1.0}, {"now": 2.0}]
    file.write_bytes(b'{"now": 1.0}\nnonsense\n{"now": 3.0}\n')
    with pytest.raises(ValueError, match="line 2 is not a step"):
        read(file)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")
