"""Client secrets: asked for with a key, taken for one, until they expire."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from openai.types.beta.realtime.session_create_response import SessionCreateResponse
from openai.types.realtime import ClientSecretCreateResponse

from rejoinder.server import flat_secrets
from rejoinder.server.client_secrets import LARGEST_REQUEST, MOST_SECRETS, ClientSecrets
from rejoinder.server.refusals import Refusal
from rejoinder.server.serve import Server, serve
from rejoinder.testing import Run
from tests.server.raw_peer import raw_peer
from tests.server.test_serve import connected

KEY = "sk-right"
NOW = 1_000_000.0


def issue(secrets: ClientSecrets, body: Any, now: float = NOW) -> dict[str, Any]:
    return secrets.issue("ek_1", now, b"" if body is None else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "lasting"),
    [
        (None, 600),
        ({}, 600),
        ({"expires_after": None, "session": None}, 600),
        ({"expires_after": {"anchor": "created_at"}}, 600),
        ({"expires_after": {"anchor": "created_at", "seconds": 10}}, 10),
        ({"expires_after": {"seconds": 7200}}, 7200),
    ],
)
def test_a_secret_is_good_until_it_expires(body: Any, lasting: int) -> None:
    secrets = ClientSecrets()
    reply = issue(secrets, body)
    assert (reply["value"], reply["expires_at"]) == ("ek_1", NOW + lasting)
    session = reply["session"]
    assert (session["object"], session["expires_at"]) == ("realtime.session", 0)
    assert session["model"] == "gpt-realtime"
    assert secrets.session_of("ek_1", NOW + lasting - 1) is not None
    assert secrets.session_of("ek_1", NOW + lasting) is None
    assert secrets.session_of("ek_2", NOW) is secrets.session_of(None, NOW) is None


def test_the_reply_is_of_the_official_type() -> None:
    for session in (
        {"type": "realtime", "model": "gpt-realtime-2", "instructions": "Be brief."},
        {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}},
    ):
        reply = issue(ClientSecrets(), {"session": session})
        ClientSecretCreateResponse.model_validate(reply)
        assert reply["session"].items() >= {**session, "audio": reply["session"]["audio"]}.items()


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ([], "invalid_type", None),
        ({"secret": "mine"}, "unknown_parameter", "secret"),
        ({"expires_after": 60}, "invalid_type", "expires_after"),
        ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor"),
        ({"expires_after": {"seconds": 9}}, "integer_below_min_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "integer_above_max_value", "expires_after.seconds"),
        ({"session": "any"}, "invalid_type", "session"),
        ({"session": {}}, "missing_required_parameter", "session.type"),
        ({"session": {"type": None}}, "missing_required_parameter", "session.type"),
        ({"session": {"type": "party"}}, "invalid_value", "session.type"),
        ({"session": {"type": "realtime", "voice": "ash"}}, "unknown_parameter", "session.voice"),
        (
            {"session": {"type": "realtime", "audio": {"output": {"speed": 9}}}},
            "decimal_above_max_value",
            "session.audio.output.speed",
        ),
    ],
)
def test_a_wrong_request_is_refused(body: Any, code: str, param: str | None) -> None:
    secrets = ClientSecrets()
    with pytest.raises(Refusal) as refused:
        issue(secrets, body)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert secrets.session_of("ek_1", NOW) is None


def test_a_request_that_is_no_json_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        ClientSecrets().issue("ek_1", NOW, b"{oops")
    assert refused.value.code == "invalid_json"


def test_expired_ones_are_forgotten() -> None:
    secrets = ClientSecrets()
    issue(secrets, None)
    secrets.issue("ek_2", NOW + 601, b"")
    assert secrets.session_of("ek_1", NOW) is None
    assert secrets.session_of("ek_2", NOW + 601) is not None


def test_only_so_many_are_good_at_a_time() -> None:
    secrets = ClientSecrets()
    for number in range(MOST_SECRETS + 1):
        secrets.issue(f"ek_{number}", NOW, b"")
    good = [secrets.session_of(f"ek_{at}", NOW) is not None for at in (0, 1, MOST_SECRETS)]
    assert good == [False, True, True]


# -- over a real socket --


async def ask(
    server: Server, body: Any, key: str = KEY, tail: str = "client_secrets"
) -> tuple[int, dict[str, Any]]:
    url = server.url.replace("ws:", "http:") + f"/realtime/{tail}"
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(url, json=body) as response,
    ):
        return response.status, await response.json()


def test_a_secret_opens_sessions_as_it_says(run: Run) -> None:
    session = {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "instructions": "Be brief.",
        "reasoning": {"effort": "high"},
    }

    async def exchange() -> None:
        async with serve(api_key=KEY) as server:
            asked = {"session": session, "expires_after": {"anchor": "created_at", "seconds": 60}}
            status, reply = await ask(server, asked)
            assert status == 200
            assert reply["value"].startswith("ek_")
            for path in ("/realtime", "/realtime?model=gpt-realtime"):
                async with connected(server, path, key=reply["value"]) as client:
                    created = await client.hear()
                    assert created["session"]["instructions"] == "Be brief."
                    assert created["session"]["model"] == "gpt-realtime-2"
                    assert created["session"]["reasoning"] == {"effort": "high"}
            protocols = ["realtime", f"openai-insecure-api-key.{reply['value']}"]
            async with connected(server, key=None, protocols=protocols) as client:
                assert (await client.hear())["type"] == "session.created"
                await elapse(60)
                await client.say("response.create")
                await client.until("response.done")  # a session outlives its secret
            async with connected(server, key=reply["value"]) as client:
                assert (await client.hear())["error"]["code"] == "invalid_api_key"

    run(exchange())


async def elapse(seconds: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


def test_a_secret_may_be_for_listening_only(run: Run) -> None:
    async def exchange() -> None:
        async with serve(api_key=KEY) as server:
            _, reply = await ask(server, {"session": {"type": "transcription"}})
            async with connected(server, "/realtime", key=reply["value"]) as client:
                assert (await client.hear())["session"]["type"] == "transcription"

    run(exchange())


def test_who_asks_wrongly_is_told(run: Run) -> None:
    async def exchange() -> None:
        async with serve(api_key=KEY) as server:
            status, reply = await ask(server, {}, key="sk-wrong")
            assert (status, reply["error"]["code"]) == (401, "invalid_api_key")
            status, reply = await ask(server, {"secret": 1})
            assert (status, reply["error"]["param"]) == (400, "secret")
            _, reply = await ask(server, {})
            status, _ = await ask(server, {}, key=reply["value"])
            assert status == 401  # a secret makes no other

    run(exchange())


# -- in the older shape --


def flat(body: Any, kind: str = "realtime") -> dict[str, Any]:
    return flat_secrets.issue(ClientSecrets(), kind, "ek_1", NOW, json.dumps(body).encode())


def test_in_the_older_shape_the_session_comes_with_its_secret() -> None:
    asked = {"model": "gpt-4o-realtime-preview", "voice": "ash", "temperature": 0.7}
    reply = flat(asked)
    assert asked.items() <= reply.items()
    assert reply["client_secret"] == {"value": "ek_1", "expires_at": NOW + 60}
    SessionCreateResponse.model_validate(reply)
    lasting: dict[str, Any] = {"client_secret": {"expires_after": {"seconds": 10}}}
    reply = flat({**lasting, "input_audio_format": "g711_ulaw"}, "transcription")
    assert reply["client_secret"]["expires_at"] == NOW + 10
    assert reply["input_audio_format"] == "g711_ulaw"
    assert flat({"client_secret": {}})["client_secret"]["expires_at"] == NOW + 60


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ([], "invalid_type", None),
        ({"type": "realtime"}, "unknown_parameter", "session.type"),
        ({"speed": 9}, "decimal_above_max_value", "session.speed"),
        ({"client_secret": 7}, "invalid_type", "session.client_secret"),
    ],
)
def test_in_the_older_shape_a_refusal_is_in_its_words(
    body: Any, code: str, param: str | None
) -> None:
    with pytest.raises(Refusal) as refused:
        flat(body)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_a_secret_of_the_older_shape_opens_a_session(run: Run) -> None:
    async def exchange() -> None:
        async with serve(api_key=KEY) as server:
            status, reply = await ask(server, {"voice": "ash"}, tail="sessions")
            assert status == 200
            headers = {"OpenAI-Beta": "realtime=v1"}
            key = reply["client_secret"]["value"]
            async with connected(server, "/realtime", key=key, headers=headers) as client:
                assert (await client.hear())["session"]["voice"] == "ash"
        async with serve(dialect="ga") as server, aiohttp.ClientSession() as http:
            url = server.url.replace("ws:", "http:") + "/realtime/sessions"
            async with http.post(url) as response:
                assert response.status == 404

    run(exchange())


def posted(body: bytes, length: int, key: bytes = KEY.encode()) -> bytes:
    """The request as bytes, with whatever length it says."""
    return (
        b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        b"%s\r\nContent-Length: %d\r\n\r\n%s" % (key, length, body)
    )


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (posted(b"", 0), b"200"),
        (posted(b"", 0, b"\xff\xfe"), b"401"),
        (posted(b"", 0, b"\xed\xa0\x80"), b"401"),
        (posted(b" " * LARGEST_REQUEST + b"{}", LARGEST_REQUEST + 2), b"413"),
    ],
)
def test_no_request_is_too_strange_for_an_answer(run: Run, request_: bytes, status: bytes) -> None:
    async def exchange() -> None:
        async with serve(api_key=KEY) as server, raw_peer(server) as peer:
            peer.writer.write(request_)
            assert (await peer.reader.readline()).split()[1] == status

    run(exchange())


def test_who_never_ends_a_request_is_cut_off(run: Run) -> None:
    async def exchange() -> None:
        async with serve(api_key=KEY) as server, raw_peer(server) as peer:
            peer.writer.write(posted(b"{", 2))
            assert await peer.reader.read() == b""
            assert asyncio.get_running_loop().time() < 1011

    run(exchange())


def test_who_leaves_before_the_whole_request_is_there_leaves_nothing(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def exchange() -> None:
        async with serve(api_key=KEY) as server:
            async with raw_peer(server) as peer:
                peer.writer.write(posted(b"{", 2))
                await peer.writer.drain()
            status, _ = await ask(server, {})
            assert status == 200

    run(exchange())
    assert caplog.records == []
