"""What an error is about: by its code and type, then its parameter, and at last by its words."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core import effects as ef
from rejoinder.core.blame import About, benign, subject
from rejoinder.wire.response import ErrorBody
from tests.core.stage import Stage, speaking

SUBJECTS: list[tuple[dict[str, Any], About]] = [
    ({}, About.NOBODY),
    ({"type": "server_error", "message": "The server had an error"}, About.NOBODY),
    ({"code": "invalid_value"}, About.NOBODY),
    ({"code": "rate_limit_exceeded"}, About.NOBODY),
    ({"code": "insufficient_quota"}, About.FATAL),
    ({"type": "insufficient_quota"}, About.FATAL),
    ({"code": "invalid_api_key", "param": "session.model"}, About.FATAL),
    ({"code": "session_expired"}, About.SESSION_EXPIRED),
    ({"message": "Your session hit the maximum duration of 60 minutes."}, About.SESSION_EXPIRED),
    ({"message": "maximum duration of the session reached"}, About.SESSION_EXPIRED),
    ({"message": "The audio exceeds the maximum duration of 15 minutes."}, About.NOBODY),
    ({"code": "conversation_already_has_active_response"}, About.BUSY),
    ({"message": "Conversation ALREADY HAS an active response"}, About.BUSY),
    ({"code": "response_cancel_not_active"}, About.INACTIVE),
    ({"message": "Cancellation failed: no active response found"}, About.INACTIVE),
    ({"code": "input_audio_buffer_commit_empty"}, About.AUDIO),
    ({"param": "input_audio_buffer"}, About.AUDIO),
    ({"code": "invalid_value", "param": "audio"}, About.AUDIO),
    ({"code": "item_delete_invalid_item_id"}, About.ITEM),
    ({"code": "invalid_tool_call_id"}, About.ITEM),
    ({"code": "conversation_item_not_found"}, About.ITEM),
    ({"code": "invalid_value", "param": "item.content[0].type"}, About.ITEM),
    ({"code": "invalid_value", "param": "previous_item_id"}, About.ITEM),
    ({"message": "Only model output audio messages can be truncated"}, About.ITEM),
    (
        {"code": "invalid_value", "message": "Audio of 900ms is already shorter than 1200ms"},
        About.ITEM,
    ),
    ({"code": "cannot_update_voice"}, About.SESSION),
    ({"code": "session_limit_reached"}, About.SESSION),
    ({"code": "unknown_parameter", "param": "session.voice"}, About.SESSION),
    ({"code": "invalid_value", "param": "response.voice"}, About.NOBODY),
]


@pytest.mark.parametrize(("error", "about"), SUBJECTS)
def test_an_error_is_about_what_it_says(error: dict[str, Any], about: About) -> None:
    assert subject(ErrorBody(**error)) is about


@pytest.mark.parametrize("about", About)
def test_every_subject_has_a_row(about: About) -> None:
    assert about in {row[1] for row in SUBJECTS}


@pytest.mark.parametrize(
    ("error", "moot"),
    [
        ({"code": "input_audio_buffer_commit_empty"}, True),
        ({"code": "input_audio_buffer_overflow"}, False),
        ({"code": "item_delete_invalid_item_id"}, True),
        ({"code": "item_truncate_invalid_item_id"}, True),
        ({"code": "item_create_invalid_previous_item_id"}, False),
        ({"code": "response_cancel_not_active"}, True),
        ({"code": None, "param": "item"}, False),
        ({"code": "boom"}, False),
    ],
)
def test_an_error_is_benign_if_the_wish_that_it_refuses_is_moot(
    error: dict[str, Any], moot: bool
) -> None:
    body = ErrorBody(**error)
    assert benign(body, subject(body)) is moot


@pytest.mark.parametrize(
    ("error", "news"),
    [
        ({"code": "boom"}, (False, True)),
        ({"code": "cannot_update_voice"}, (False, False)),
        ({"code": "input_audio_buffer_commit_empty"}, (True, False)),
    ],
)
def test_an_error_that_settles_nothing_is_news(
    error: dict[str, Any], news: tuple[bool, bool]
) -> None:
    stage = speaking()
    stage.error(**error)
    (seen,) = stage.notices(ef.ServerErrorSeen)
    assert (seen.benign, seen.suspected) == news


def test_an_error_while_nothing_runs_suspects_nobody() -> None:
    stage = Stage()
    stage.error(code="boom")
    (seen,) = stage.notices(ef.ServerErrorSeen)
    assert (seen.benign, seen.suspected) == (False, False)
