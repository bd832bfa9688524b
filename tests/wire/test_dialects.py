"""Names, shapes, addresses and credentials of the servers that are out there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rejoinder.errors import ConfigurationError
from rejoinder.wire import codec, dialects
from rejoinder.wire import server_events as server
from rejoinder.wire.response import ErrorBody
from rejoinder.wire.strange import UnknownEvent


def decode(**members: Any) -> server.ServerEvent:
    return codec.decode_server(json.dumps(members))


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", dialects.CANONICAL)
def test_an_old_name_is_a_kind_of_its_event_and_written_under_its_own_name(name: str) -> None:
    event = decode(type=name, delta="AAAA", text="t", transcript="t", response_id="r", session={})
    assert isinstance(event, dialects.CANONICAL[name])
    assert json.loads(codec.encode(event))["type"] == name
    assert codec.decode_server(codec.encode(event)) == event


def test_a_complete_old_event_has_all_its_members() -> None:
    place = {"response_id": "r", "item_id": "i", "output_index": 1, "content_index": 2}
    match decode(type="response.audio.delta", delta="AAA=", event_id="e", **place):
        case server.ResponseOutputAudioDelta("r", "i", 1, 2, b"\x00\x00", event_id="e"):
            return
        case other:
            raise AssertionError(other)


def test_an_old_event_without_its_essence_is_unknown_under_its_own_name() -> None:
    event = decode(type="response.audio.delta", response_id="r", delta=None)
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.response_id) == ("response.audio.delta", "r")


def test_an_item_created_is_an_item_added() -> None:
    event = decode(type="conversation.item.created", item={"type": "message", "id": "i"})
    assert isinstance(event, server.ConversationItemAdded)
    assert event.previous_item_id is None


# --- the shapes of an error ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "body"),
    [
        ({"error": {"type": "t", "message": "m"}}, ErrorBody(type="t", message="m")),
        ({"error": {}}, ErrorBody()),
        ({"error": "m"}, ErrorBody(message="m")),
        ({"error": "m", "code": "c"}, ErrorBody(code="c", message="m")),
        ({"error": None}, ErrorBody()),
        ({}, ErrorBody()),
        (
            {"message": "m", "code": 429, "param": "p"},
            ErrorBody(code="429", message="m", param="p"),
        ),
        ({"error": ["a", 1]}, ErrorBody(message='["a", 1]')),
        ({"error": 500}, ErrorBody(message="500")),
        (
            {"error": {"message": {"detail": "é"}, "code": 1.5, "event_id": "e"}},
            ErrorBody(message='{"detail": "é"}', code="1.5", event_id="e"),
        ),
    ],
)
def test_an_error_keeps_the_servers_words_in_any_shape(
    members: dict[str, Any], body: ErrorBody
) -> None:
    assert decode(type="error", event_id="event_1", **members) == server.Error(
        body, event_id="event_1"
    )


FAILURES: list[tuple[dict[str, Any], str | None, dict[str, Any] | None, ErrorBody]] = [
    ({"response_id": "r", "error": {"message": "m"}}, "r", None, ErrorBody(message="m")),
    (
        {"error": {"message": "m", "event_id": "c1"}},
        None,
        None,
        ErrorBody(message="m", event_id="c1"),
    ),
    ({"response_id": "r", "error": "m"}, "r", None, ErrorBody(message="m")),
    (
        {"response_id": "r", "code": "c", "message": "m"},
        "r",
        None,
        ErrorBody(code="c", message="m"),
    ),
    ({"metadata": {"k": "v"}, "error": {"code": "c"}}, None, {"k": "v"}, ErrorBody(code="c")),
    (
        {"response": {"id": "r", "metadata": {"k": "v"}, "error": {"message": "m"}}},
        "r",
        {"k": "v"},
        ErrorBody(message="m"),
    ),
    (
        {"response": {"id": "r", "status_details": {"error": {"code": "c", "message": "m"}}}},
        "r",
        None,
        ErrorBody(code="c", message="m"),
    ),
    ({"response": {"id": "r", "status_details": "m"}}, "r", None, ErrorBody(message="m")),
    ({"response_id": "r", "status_details": {"error": "m"}}, "r", None, ErrorBody(message="m")),
    ({"response": None, "error": None}, None, None, ErrorBody()),
    ({"response": "r", "metadata": "k"}, None, None, ErrorBody()),
    ({}, None, None, ErrorBody()),
]


@pytest.mark.parametrize("name", ["response.error", "response.failed"])
@pytest.mark.parametrize(("members", "response_id", "metadata", "error"), FAILURES)
def test_a_terminal_failure_is_read_wherever_its_words_stand(
    name: str,
    members: dict[str, Any],
    response_id: str | None,
    metadata: dict[str, Any] | None,
    error: ErrorBody,
) -> None:
    event = decode(type=name, event_id="event_1", **members)
    assert event == server.ResponseError(
        error, response_id=response_id, metadata=metadata, event_id="event_1"
    )
    assert codec.decode_server(codec.encode(event)) == event


# --- the shapes of an end ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("response.cancelled", "cancelled"),
        ("response.canceled", "cancelled"),
        ("response.incomplete", "incomplete"),
        ("response.completed", "completed"),
    ],
)
@pytest.mark.parametrize(
    "members",
    [
        {"response_id": "r"},
        {"response": {"id": "r"}},
        {"response": {"id": "r", "status": "in_progress"}},
        {"response_id": "r", "response": None},
    ],
)
def test_a_borrowed_name_for_the_end_is_response_done_with_that_status(
    name: str, status: str, members: dict[str, Any]
) -> None:
    event = decode(type=name, event_id="event_1", **members)
    assert type(event) is server.ResponseDone
    assert (event.response.id, event.response.status) == ("r", status)
    assert event.event_id == "event_1"


def test_an_end_without_a_body_takes_what_stands_beside_it() -> None:
    event = decode(
        type="response.done",
        response_id="r",
        status="failed",
        status_details={"error": {"message": "m"}},
        metadata={"k": "v"},
        usage={"total_tokens": 3},
    )
    assert isinstance(event, server.ResponseDone)
    assert (event.response.id, event.response.status) == ("r", "failed")
    assert event.response.metadata == {"k": "v"}
    assert event.response.usage
    assert event.response.usage.total_tokens == 3
    assert event.response.status_details
    assert event.response.status_details.error == ErrorBody(message="m")


def test_what_the_body_says_goes_before_what_stands_beside_it() -> None:
    body = {
        "id": "r",
        "status": "completed",
        "conversation_id": None,
        "metadata": None,
        "output": 1,
    }
    event = decode(
        type="response.done",
        response_id="other",
        status="failed",
        metadata={"k": "v"},
        response=body,
    )
    assert isinstance(event, server.ResponseDone)
    assert (event.response.id, event.response.status) == ("r", "completed")
    assert event.response.conversation_id is None
    assert event.response.metadata == {"k": "v"}


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "model", "url"),
    [
        (None, "gpt-realtime", "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("https://api.openai.com/v1", "m", "wss://api.openai.com/v1/realtime?model=m"),
        ("https://api.openai.com/v1/", "m", "wss://api.openai.com/v1/realtime?model=m"),
        (" http://127.0.0.1:8765 ", "m", "ws://127.0.0.1:8765/realtime?model=m"),
        ("ws://[::1]:8765/", "m", "ws://[::1]:8765/realtime?model=m"),
        ("HTTPS://Host/openai/v1", "m", "wss://Host/openai/v1/realtime?model=m"),
        ("wss://host/v1/realtime", "m", "wss://host/v1/realtime?model=m"),
        ("wss://host/my/path/", "m", "wss://host/my/path/?model=m"),
        ("wss://host/v1?team=a%20b&x=", "m", "wss://host/v1/realtime?team=a%20b&x=&model=m"),
        ("wss://host/v1/realtime?model=other", "m", "wss://host/v1/realtime?model=other"),
        ("wss://host/v1/realtime?call_id=rtc_1", "m", "wss://host/v1/realtime?call_id=rtc_1"),
        ("wss://host?intent=transcription", "m", "wss://host/realtime?intent=transcription"),
        ("wss://host/#part", "a/b c", "wss://host/realtime?model=a%2Fb%20c"),
        ("wss://host", None, "wss://host/realtime"),
    ],
)
def test_an_address_becomes_the_address_of_a_session(
    base_url: str | None, model: str | None, url: str
) -> None:
    assert dialects.OPENAI.url(base_url, model) == url


@pytest.mark.parametrize(
    "base_url",
    [
        "api.openai.com",
        "localhost:8765",
        "ftp://secret@host/v1",
        "file:///secret",
        "https://",
        "https:///secret",
        "https://host:secret",
        "https://host:0/secret",
        "https://host:99999/secret",
        "https://[secret",
        "https://ho st/secret",
        "https://host/se\ncret",
        "https://ho\u2100st/secret",
    ],
)
def test_a_bad_address_names_the_option_and_the_remedy_but_not_the_value(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"base_url .*: give an address such as") as raised:
        dialects.OPENAI.url(base_url, "m")
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


# --- credentials ---------------------------------------------------------------------------------


def test_the_key_goes_into_the_authorization_header() -> None:
    assert dialects.OPENAI.headers("sk-test") == {"Authorization": "Bearer sk-test"}


def test_without_a_key_there_is_no_header() -> None:
    assert dialects.OPENAI.headers(None) == {}


@pytest.mark.parametrize("key", ["", "sk-secret\n", "Bearer sk-secret", "sk-sécret", "\x00secret"])
def test_a_bad_key_names_the_option_and_the_remedy_but_not_the_value(key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"api_key .*: pass the key alone") as raised:
        dialects.OPENAI.headers(key)
    assert "cret" not in str(raised.value)


# --- Azure ---------------------------------------------------------------------------------------

PREVIEW = dialects.azure_legacy("2024-10-01-preview")
HOST = "wss://r.openai.azure.com"


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://r.openai.azure.com", f"{HOST}/openai/v1/realtime?model=d"),
        ("https://r.openai.azure.com/openai", f"{HOST}/openai/v1/realtime?model=d"),
        ("https://r.openai.azure.com/openai/v1/", f"{HOST}/openai/v1/realtime?model=d"),
        ("https://gateway/", "wss://gateway/v1/realtime?model=d"),
        ("https://gateway/own?x=1", "wss://gateway/own?x=1&model=d"),
        (f"{HOST}/openai?api-version=1&x=%20", f"{HOST}/openai/v1/realtime?x=%20&model=d"),
        (f"{HOST}/openai/v1/realtime?model=e", f"{HOST}/openai/v1/realtime?model=e"),
    ],
)
def test_a_deployment_has_the_address_of_today_without_a_version(base_url: str, url: str) -> None:
    assert dialects.AZURE.url(base_url, "d") == url


@pytest.mark.parametrize(
    ("base_url", "model", "url"),
    [
        (HOST, "d e", f"{HOST}/openai/realtime?api-version=2024-10-01-preview&deployment=d%20e"),
        (HOST, None, f"{HOST}/openai/realtime?api-version=2024-10-01-preview"),
        (
            "http://gateway/?api%2Dversion=1&deployment=e&x=1",
            "d",
            "ws://gateway/realtime?x=1&api-version=2024-10-01-preview&deployment=d",
        ),
    ],
)
def test_the_preview_is_reached_by_version_and_deployment(
    base_url: str, model: str | None, url: str
) -> None:
    assert PREVIEW.url(base_url, model) == url


def test_without_an_address_the_environments_variable_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"`base_url`.* AZURE_OPENAI_ENDPOINT"):
        dialects.AZURE.url(None, "d")


@pytest.mark.parametrize(
    ("dialect", "environment", "home"),
    [
        (dialects.OPENAI, {}, "https://api.openai.com/v1"),
        (dialects.OPENAI, {"OPENAI_BASE_URL": " "}, "https://api.openai.com/v1"),
        (dialects.OPENAI, {"OPENAI_BASE_URL": "https://proxy/x"}, "https://proxy/x"),
        (dialects.AZURE, {"OPENAI_BASE_URL": "https://proxy/x"}, None),
        (dialects.AZURE, {"AZURE_OPENAI_ENDPOINT": "https://r/"}, "https://r/openai"),
        (PREVIEW, {"AZURE_OPENAI_ENDPOINT": "https://r/openai/v1/"}, "https://r/openai/v1/"),
    ],
)
def test_where_the_servers_are(
    dialect: dialects.Dialect, environment: dict[str, str], home: str | None
) -> None:
    assert dialect.home(environment) == home


def test_azure_has_a_header_of_its_own_for_keys_and_none_for_tokens() -> None:
    assert dialects.AZURE.headers("key") == {"api-key": "key"}
    assert dialects.AZURE.headers(None) == {}
    assert dialects.bearer("token") == {"Authorization": "Bearer token"}
    with pytest.raises(ConfigurationError, match=r"^entra_token"):
        dialects.bearer("a b", "entra_token")
    with pytest.raises(ConfigurationError, match=r"^api_key"):
        dialects.AZURE.headers("a b")


KEYS = {"OPENAI_API_KEY": "theirs", "AZURE_OPENAI_API_KEY": "its"}


def test_a_key_of_the_environments_goes_only_to_the_company_that_it_is_for() -> None:
    assert dialects.OPENAI.key(KEYS, "wss://api.openai.com/v1/realtime") == "theirs"
    assert dialects.AZURE.key(KEYS, f"{HOST}/openai/v1/realtime") == "its"
    assert dialects.AZURE.key(KEYS, "wss://gateway/v1/realtime") == "its"
    for host in (HOST, "wss://r.openai.azure.us:443/x", "wss://R.Services.AI.Azure.com/v1"):
        with pytest.raises(ConfigurationError, match="is an Azure host") as raised:
            dialects.OPENAI.key(KEYS, host)
        assert "theirs" not in str(raised.value)


@pytest.mark.parametrize("dialect", [dialects.OPENAI, dialects.AZURE])
def test_a_missing_key_is_named_with_its_variable(dialect: dialects.Dialect) -> None:
    with pytest.raises(ConfigurationError, match=f"`api_key` .* {dialect.key_variable} "):
        dialect.key({}, HOST)


def test_every_name_that_listeners_see_is_one_of_today() -> None:
    for old, new in dialects.AZURE.renames.items():
        event = {"event_id": "e", "item": {"type": "message"}, "delta": "AAAA", "session": {}}
        parts = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
        full = {**event, **parts, "transcript": "t", "text": "t"}
        old_kind, new_kind = (type(decode(**{**full, "type": name})) for name in (old, new))
        assert issubclass(old_kind, new_kind)
