"""Sessions of the official SDK with our server: configured, refused, expired; and the SDK in a thread."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import openai
import pytest
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from rejoinder.server.core import EXPIRED, Terms
from rejoinder.server.script import Script, Speech, Text, Turn
from rejoinder.testing import Run, Serve
from tests.foreign.sdk import calling, strictly

HOURS = "We are open from nine to six."


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"response.novel","event_id":"e"}',
        b'{"type":"input_audio_buffer.cleared"}',
        b'{"type":"input_audio_buffer.cleared","event_id":null}',
        b'{"type":"input_audio_buffer.cleared","event_id":"e","colour":"red"}',
    ],
    ids=["unknown", "missing", "null", "more"],
)
def test_the_strict_reading_is_strict(frame: bytes) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        strictly(frame)


def test_the_first_event_is_the_whole_session(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server() as server, calling(server) as caller:
            session = (await caller.hear()).session
            assert session.type == "realtime"
            assert session.model == "gpt-realtime"
            assert session.output_modalities == ["audio"]
            assert session.audio.input.turn_detection.type == "server_vad"
            assert session.audio.output.format.rate == 24_000
            assert session.max_output_tokens == "inf"
            assert session.expires_at > time.time()

    run(main())


def test_an_update_changes_what_it_names_and_no_more(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with realtime_server() as server, calling(server) as caller:
            before = (await caller.hear()).session
            listening = {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}
            now = await caller.update(instructions="Be brief.", audio={"input": listening})
            assert now.instructions == "Be brief."
            assert now.audio.input.turn_detection.eagerness == "high"
            assert now.audio.input.turn_detection.create_response is True
            assert now.audio.output == before.audio.output
            now = await caller.update(
                instructions="", max_output_tokens=100, audio={"input": {"turn_detection": None}}
            )
            assert not now.instructions
            assert now.max_output_tokens == 100
            assert now.audio.input.turn_detection is None

    run(main())


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}},
        "integer_below_min_value",
        "session.audio.input.format.rate",
    ),
    ({"modalities": ["text"]}, "unknown_parameter", "session.modalities"),
    ({"output_modalities": ["smell"]}, "invalid_value", "session.output_modalities"),
    ({"instructions": 7}, "invalid_type", "session.instructions"),
]


@pytest.mark.parametrize(("members", "code", "param"), REFUSED, ids=[row[1] for row in REFUSED])
def test_an_update_is_refused_as_a_whole(
    run: Run, realtime_server: Serve, members: dict[str, Any], code: str, param: str
) -> None:
    async def main() -> None:
        async with realtime_server() as server, calling(server) as caller:
            before = (await caller.hear()).session
            session: Any = {"type": "realtime", "tool_choice": "none", **members}
            await caller.connection.session.update(session=session, event_id="bad")
            refusal = await caller.refusal()
            assert (refusal.code, refusal.param, refusal.event_id) == (code, param, "bad")
            assert (await caller.update()) == before

    run(main())


def test_a_voice_that_has_spoken_stays(run: Run, realtime_server: Serve) -> None:
    script = Script(Turn("open", Speech(HOURS)))

    async def main() -> None:
        async with realtime_server(script) as server, calling(server) as caller:
            session = await caller.update(audio={"output": {"voice": "cedar"}})
            assert session.audio.output.voice == "cedar"
            await caller.ask("When are you open?")
            await caller.until("rate_limits.updated")
            other: Any = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
            await caller.connection.session.update(session=other)
            assert (await caller.refusal()).code == "cannot_update_voice"
            await caller.update(audio={"output": {"voice": "cedar"}})

    run(main())


def test_a_transcription_session_hears_and_never_answers(run: Run, realtime_server: Serve) -> None:
    listening: Any = {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe"}}
    query = {"intent": "transcription"}

    async def main() -> None:
        async with (
            realtime_server(Script(Turn("Hello.", Speech(HOURS)))) as server,
            calling(server, model=openai.omit, extra_query=query) as caller,
        ):
            assert (await caller.hear()).session.type == "transcription"
            session: Any = {"type": "transcription", "audio": {"input": listening}}
            await caller.connection.session.update(session=session)
            updated = (await caller.until("session.updated")).session
            assert updated.audio.input.transcription.model == "gpt-4o-transcribe"
            await caller.speak(bytes(48_000))
            await caller.connection.input_audio_buffer.commit()
            completed = "conversation.item.input_audio_transcription.completed"
            assert (await caller.until(completed)).transcript == "Hello."
            await caller.connection.response.create(event_id="never")
            assert (await caller.refusal()).event_id == "never"

    run(main())


def test_a_session_expires_with_a_word_and_a_close(run: Run, realtime_server: Serve) -> None:
    async def main() -> None:
        async with (
            realtime_server(terms=Terms(lifetime=45.0)) as server,
            calling(server) as caller,
        ):
            await caller.hear()
            expired = await caller.refusal()
            assert (expired.code, expired.event_id) == ("session_expired", None)
            with pytest.raises(ConnectionClosedOK) as closed:
                await caller.hear()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, EXPIRED)

    run(main())


@pytest.mark.parametrize(
    ("key", "options", "code", "close"),
    [
        ("wrong", {}, "invalid_api_key", 3000),
        ("right", {"model": openai.omit}, "missing_model", 4000),
        ("right", {"extra_query": {"intent": "mischief"}}, "invalid_intent", 4000),
    ],
)
def test_who_is_refused_learns_why_and_is_closed(
    run: Run, realtime_server: Serve, key: str, options: dict[str, Any], code: str, close: int
) -> None:
    async def main() -> None:
        async with (
            realtime_server(api_key="right") as server,
            calling(server, key, **options) as caller,
        ):
            assert (await caller.refusal()).code == code
            with pytest.raises(ConnectionClosedError) as closed:
                await caller.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == close
            assert closed.value.rcvd.reason == f"invalid_request_error.{code}"

    run(main())


def converse(url: str) -> list[str]:
    """A conversation with the SDK's blocking client, as its documents have it: what was heard."""
    message: Any = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "When are you open?"}],
    }
    heard = []
    with (
        openai.OpenAI(base_url=url, api_key="any") as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        connection.conversation.item.create(item=message)
        connection.response.create()
        for event in connection:
            heard.append(event.to_json())
            if event.type == "response.done":
                break
    return heard


def test_the_blocking_client_gets_the_same(realtime_server: Serve) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(30),
            realtime_server(Script(Turn("open", Text(HOURS)))) as server,
        ):
            url = server.url.replace("ws:", "http:")
            heard = [strictly(event.encode()) for event in await asyncio.to_thread(converse, url)]
            assert heard[0].type == "session.created"
            assert heard[-1].response.output[0].content[0].text == HOURS

    asyncio.run(main())  # virtual time would stand still as long as the client's thread runs
