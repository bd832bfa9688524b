"""What a session sends besides requests: audio, edits, its configuration, events of one’s own."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from rejoinder.client.edit import Edit
from rejoinder.core import effects as ef
from rejoinder.errors import (
    ConfigurationError,
    EditExpired,
    EditRefused,
)
from rejoinder.testing import Run
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import Audio as SessionAudio
from rejoinder.wire.session import AudioFormat, AudioInput, SessionConfig
from tests.client.peer import conversation, until


def test_audio_goes_out_in_order_and_in_pieces_that_the_server_takes(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            session.append_audio(b"\1\0")
            session.append_audio(bytearray(b""))
            session.append_audio(memoryview(bytes(5 * 1024 * 1024)))
            commit = session.commit_audio()
            await session.drain()
            sizes = [len(base64.b64decode((await peer.hear())["audio"])) for _ in range(3)]
            assert sizes == [2, 4 * 1024 * 1024, 1024 * 1024]
            await peer.hear("input_audio_buffer.commit")
            await peer.say("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
            assert await commit == ef.Acknowledged()

    run(main())


@pytest.mark.parametrize(
    ("audio", "words"),
    [("text", "takes bytes, not str"), ([0, 1], "not list"), (b"\0\0\0", "whole samples of 2")],
)
def test_audio_that_is_none_is_refused(run: Run, audio: Any, words: str) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            with pytest.raises(ConfigurationError, match=words):
                session.append_audio(audio)

    run(main())


def test_eight_bit_formats_have_samples_of_one_byte(run: Run) -> None:
    async def main() -> None:
        narrow = SessionConfig(
            audio=SessionAudio(input=AudioInput(format=AudioFormat(type="audio/pcmu")))
        )
        async with conversation(session=narrow) as (session, _):
            session.append_audio(b"\0\0\0")
        async with conversation() as (session, _):
            session.update(narrow)
            session.append_audio(b"\0")

    run(main())


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_format_that_the_server_refuses_changes_no_samples(run: Run, by_hand: bool) -> None:
    async def main() -> None:
        narrow = SessionConfig(
            audio=SessionAudio(input=AudioInput(format=AudioFormat(type="audio/pcmu")))
        )
        raw = {
            "type": "session.update",
            "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}},
        }
        async with conversation() as (session, peer):
            sent = session.send(raw) if by_hand else session.update(narrow)
            assert isinstance(sent, Edit)
            session.append_audio(b"\0")
            update = await peer.hear("session.update")
            error = {"type": "invalid_request_error", "message": "no"}
            await peer.say("error", error={**error, "event_id": update["event_id"]})
            with pytest.raises(EditRefused):
                await sent
            with pytest.raises(ConfigurationError, match="whole samples of 2"):
                session.append_audio(b"\0")
            edit = session.update(narrow)
            update = await peer.hear("session.update")
            await peer.say("session.updated", session=update["session"])
            await edit
            session.append_audio(b"\0")

    run(main())


def test_an_edit_is_acknowledged_and_the_mirror_follows(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            created = session.create_item(
                {"type": "message", "role": "user", "content": [{"type": "input_text"}]}, "root"
            )
            event = await peer.hear("conversation.item.create")
            assert event["item"]["id"] == created.item_id
            assert event["previous_item_id"] == "root"
            await peer.say("conversation.item.added", item=event["item"], previous_item_id=None)
            done = await created
            assert done.item is not None
            assert done.item.id == created.item_id
            assert session.conversation.get(str(created.item_id)) == done.item
            assert [item.id for item in session.conversation.items()] == [created.item_id]
            assert session.conversation.previous_of("nobody") is None
            assert repr(session.conversation) == "<Mirror of 1 items>"

    run(main())


def test_an_edit_is_refused_or_expires(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            refused = session.truncate_item("i1", 0, 1500)
            event = await peer.hear("conversation.item.truncate")
            assert (event["content_index"], event["audio_end_ms"]) == (0, 1500)
            error = {"message": "too short", "code": "invalid_value", "event_id": refused.key}
            await peer.say("error", error=error)
            with pytest.raises(EditRefused, match="too short"):
                await refused
            assert repr(refused).endswith("Refused>")

            silent = session.retrieve_item("i1")
            with pytest.raises(EditExpired, match="within 5 s"):
                await silent

    run(main())


def test_a_refused_edit_that_nobody_awaits_is_a_line_in_the_log(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            for edit, code in (
                (session.commit_audio(), "input_audio_buffer_commit_empty"),
                (session.update(SessionConfig(instructions="x")), "bad"),
            ):
                error = {"message": "no", "code": code, "event_id": edit.key}
                await peer.say("error", error=error)
            await until(lambda: edit.result is not None)

    run(main())
    [record] = caplog.records
    assert (record.levelname, "no (code bad)" in record.getMessage()) == ("WARNING", True)


def test_the_configuration_goes_out_first_with_its_type(run: Run) -> None:
    async def main() -> None:
        async with conversation(session=SessionConfig(instructions="Be brief")) as (session, peer):
            event = await peer.hear()
            assert event["type"] == "session.update"
            assert event["session"] == {"type": "realtime", "instructions": "Be brief"}
            edit = session.update(SessionConfig(type="transcription"))
            assert (await peer.hear())["session"] == {"type": "transcription"}
            await peer.say("session.updated", session={"type": "realtime"})
            await peer.say("session.updated", session={"type": "transcription"})
            assert await edit == ef.Acknowledged()

    run(main())


def test_any_client_event_can_be_sent(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            session.send({"type": "x.y", "deep": {"a": [1, None]}})
            session.send(ce.ResponseCancel(event_id="mine", response_id="r7"))
            assert await peer.hear() == {"type": "x.y", "deep": {"a": [1, None]}}
            cancel = {"type": "response.cancel", "event_id": "mine", "response_id": "r7"}
            assert await peer.hear() == cancel

    run(main())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.send({"no": "type"}), "no type that is a string"),
        (lambda s: s.send({"type": "x", "y": object()}), "cannot be written as JSON"),
        (lambda s: s.create_response(instructions=7), "create_response does not fit.*instructions"),
        (lambda s: s.create_response(metadata={str(n): "" for n in range(16)}), "15 pairs"),
        (lambda s: s.create_response(input=[{"role": "user"}]), "item does not fit.*type"),
        (lambda s: s.create_response(instructions="\ud800"), "cannot be written as JSON"),
        (lambda s: s.create_item(7), "item does not fit"),
        (lambda s: s.delete_item(None), "delete_item does not fit"),
        (lambda s: s.truncate_item("i", 0, -1), "audio_end_ms"),
        (lambda s: s.truncate_item("i", 0, 1.5), "audio_end_ms"),
        (lambda s: s.update({"instructions": "x"}), "SessionConfig, not dict"),
        (lambda s: s.update(SessionConfig(max_output_tokens=-1)), "session does not fit"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(run: Run, call: Any, words: str) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            with pytest.raises(ConfigurationError, match=words):
                call(session)
            assert session.live == ()

    run(main())
