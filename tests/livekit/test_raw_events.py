"""The protocol's events as dicts: seen before they are handled or sent, and changed on the way."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rejoinder.core.outcomes import Completed
from rejoinder.livekit import raw_events
from rejoinder.livekit.emitter import Listeners
from rejoinder.testing import Run
from rejoinder.wire.client_events import RawClientEvent, ResponseCreate
from rejoinder.wire.dialects import OPENAI
from tests.livekit.talk import WORDS, microphone, talking

SERVER = "openai_server_event_received"
CLIENT = "openai_client_event_queued"
DELTA = "response.output_audio_transcript.delta"


def test_what_a_listener_changes_is_what_is_handled(run: Run) -> None:
    seen: list[str] = []

    def shout(event: dict[str, Any]) -> None:
        seen.append(event["type"])
        if event["type"] == DELTA:
            event["delta"] = event["delta"].upper()

    async def main() -> None:
        async with talking() as talk:
            talk.session.on(SERVER, shout)
            heard = await talk.reply()

            assert heard.text == WORDS.upper()
            assert isinstance(heard.outcome, Completed)
            assert seen.index("response.created") < seen.index(DELTA)

    run(main())


def test_an_event_can_be_made_another_one(run: Run) -> None:
    """As LiveKit's xAI plugin does it with the names of that server."""

    def rename(event: dict[str, Any]) -> None:
        if event["type"] == DELTA:
            event["type"] = "an.event.of.another.kind"

    async def main() -> None:
        async with talking() as talk:
            talk.session.on(SERVER, rename)
            heard = await talk.reply()

            assert heard.text == WORDS  # the whole came with the part's end
            assert talk.errors == []

    run(main())


def test_what_a_listener_changes_is_what_is_sent(run: Run) -> None:
    def politely(event: dict[str, Any]) -> None:
        if event["type"] == "response.create":
            event["response"]["instructions"] += " Please."

    async def main() -> None:
        async with talking() as talk:
            talk.session.on(CLIENT, politely)
            await talk.reply(instructions="Greet me.")

            assert talk.said(ResponseCreate)[0].response.instructions == "Greet me. Please."

    run(main())


def test_a_listener_is_told_when_an_event_is_sent_and_not_when_it_is_asked_for(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            names: list[str] = []
            talk.session.on(CLIENT, lambda event: names.append(event["type"]))
            talk.session.push_audio(microphone(speaking=0.1))
            assert names == []
            await talk.reply()

            assert names == ["session.update", "input_audio_buffer.append", "response.create"]

    run(main())


@pytest.mark.parametrize("name", [SERVER, CLIENT])
def test_a_listener_that_spoils_an_event_harms_nobody(
    run: Run, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(event: dict[str, Any]) -> None:
        event["type"] = object()

    def fail(event: dict[str, Any]) -> None:
        raise RuntimeError("no")

    async def main() -> None:
        async with talking() as talk:
            talk.session.on(name, fail)
            talk.session.on(name, spoil)
            assert (await talk.reply()).text == WORDS

    run(main())
    assert "is no JSON" in caplog.text


def test_who_only_looks_gets_no_second_reading() -> None:
    listeners, seen = Listeners(), list[Any]()
    events = raw_events.RawEvents(listeners, OPENAI)
    assert events.received('{"type":"a"}', None) is None
    listeners.add(SERVER, seen.append)
    listeners.add(CLIENT, seen.append)

    assert events.received('{ "type" : "a" }', None) is None
    assert events.received('{"type": null}', None) is None
    assert events.queued(RawClientEvent({}), b'{"type":"b"}') is None
    assert seen[:2] == [{"type": "a"}, {"type": None}]


@pytest.mark.parametrize("frame", ["", "[1]", b"\xff", '{"type"'])
def test_what_is_no_event_is_shown_to_nobody(frame: str | bytes) -> None:
    listeners, seen = Listeners(), list[Any]()
    listeners.add(SERVER, seen.append)

    assert raw_events.RawEvents(listeners, OPENAI).received(frame, None) is None
    assert seen == []


# --- the debugging log ---------------------------------------------------------------------------


def test_events_are_logged_on_request_without_their_audio(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LK_OPENAI_DEBUG", "1")
    caplog.set_level(logging.DEBUG, "rejoinder.livekit")

    async def main() -> None:
        async with talking() as talk:
            talk.session.push_audio(microphone(speaking=0.1))
            await talk.reply()

    run(main())
    told = [(r.message, getattr(r, "lk.pii.event", None)) for r in caplog.records]
    events = {(way, event["type"]): event for way, event in told if event is not None}
    assert events["<<<", "response.output_audio.delta"]["delta"] == "..."
    assert events["<<<", DELTA]["delta"]
    assert events[">>>", "response.create"]["response"]["metadata"]
    assert (">>>", "input_audio_buffer.append") not in events
    assert {r.levelno for r in caplog.records if hasattr(r, "lk.pii.event")} == {logging.DEBUG}


@pytest.mark.parametrize("value", ["0", ""])
def test_nothing_is_logged_unasked(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    monkeypatch.setenv("LK_OPENAI_DEBUG", value)
    caplog.set_level(logging.DEBUG, "rejoinder.livekit")

    async def main() -> None:
        async with talking() as talk:
            await talk.reply()

    run(main())
    assert not any(hasattr(record, "lk.pii.event") for record in caplog.records)
