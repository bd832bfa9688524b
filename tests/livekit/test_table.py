"""The promise, row by row, through `RealtimeModel` and over a real WebSocket, in virtual time.

In each row the caller waits for nothing but the reply: no `wait_for`, no timeout of its own.
"""

from __future__ import annotations

import asyncio

import pytest

from rejoinder.core.outcomes import (
    Cancelled,
    Completed,
    Failed,
    Incomplete,
    Outcome,
    Rejected,
    TimedOut,
)
from rejoinder.testing import Run
from tests.livekit.promise import (
    AT_ONCE,
    COMPLAINT,
    cancelled_by_id,
    failed_before_output,
    failed_in_the_middle,
    under,
    unharmed,
)
from tests.livekit.talk import WORDS, Heard, Talk, talking

NO_WORDS = "the response failed and the server gave no reason"
SHAPES = ["", "-nested", "-flat", "-unnamed", "-metadata", "-event-id", "-text", "-bare"]


@pytest.mark.parametrize("shape", SHAPES)
def test_response_error_before_created(run: Run, shape: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        error = failed_before_output(Failed, talk, heard)
        assert str(error) == (NO_WORDS if shape == "-bare" else COMPLAINT)
        assert heard.took <= AT_ONCE

    under(run, f"response-error{shape}@instead-created", look)


@pytest.mark.parametrize("shape", SHAPES)
def test_response_error_before_any_output(run: Run, shape: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        failed_before_output(Failed, talk, heard)
        assert heard.took <= AT_ONCE

    under(run, f"response-error{shape}@created", look)


@pytest.mark.parametrize("shape", SHAPES)
def test_response_error_in_the_middle(run: Run, shape: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        failed_in_the_middle(Failed, talk, heard)
        assert 0 < len(heard.text) < len(WORDS)
        assert heard.audio_seconds > 0
        assert heard.took <= AT_ONCE

    under(run, f"response-error{shape}@delta:3", look)


def test_response_failed_is_read_like_response_error(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert str(failed_in_the_middle(Failed, talk, heard)) == COMPLAINT

    under(run, "response-failed", look)


def test_response_error_that_names_nobody_while_several_could_be_meant(run: Run) -> None:
    async def main() -> None:
        async with talking("response-error-unnamed@delta:3#3") as talk:
            await talk.reply()
            aside = {"conversation": "none", "instructions": "Keep this to yourself."}
            talk.session.send_event({"type": "response.create", "response": aside})
            heard = await talk.reply()

            error = failed_in_the_middle(Failed, talk, heard)
            assert str(error) == COMPLAINT
            assert heard.event in talk.created
            assert 1.0 <= heard.took <= 1.0 + AT_ONCE

    run(main())


@pytest.mark.parametrize(
    "fault",
    [
        "error-then-silence",
        "error-text-then-silence",
        "error-null-then-silence",
        "error-flat-then-silence",
        "error-foreign-id-then-silence",
    ],
)
def test_an_error_that_names_nobody_and_then_silence(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        failed_in_the_middle(Failed, talk, heard)
        assert 1.0 <= heard.took <= 1.0 + AT_ONCE

    under(run, fault, look)


@pytest.mark.parametrize(
    "fault",
    [
        "error-unnamed",
        "error-foreign-id",
        "error-input-buffer",
        "error-item",
        "error-cancel",
        "response-error-foreign",
    ],
)
def test_a_harmless_error_is_nothing_to_the_caller(run: Run, fault: str) -> None:
    under(run, fault, unharmed)


def test_an_error_about_the_session_does_not_touch_the_reply(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert isinstance(heard.outcome, Completed)
        assert talk.reports == [(True, "unknown_parameter")]

    under(run, "error-session", look)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("done-failed", Failed, "server_error"),
        ("done-failed-rate-limit", Failed, "rate_limit_exceeded"),
        ("done-failed-no-details", Failed, "server_error"),
        ("done-failed-text-details", Failed, "server_error"),
        ("done-incomplete", Incomplete, "max_output_tokens"),
        ("done-filtered", Incomplete, "content_filter"),
        ("done-null", Failed, "no_status"),
        ("done-no-body", Failed, "no_status"),
        ("done-text-body", Failed, "no_status"),
        ("done-no-status", Failed, "no_status"),
        ("done-unknown-status", Failed, "unknown_status"),
    ],
)
def test_response_done_otherwise_than_completed(
    run: Run, fault: str, kind: type[Outcome], code: str
) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert failed_in_the_middle(kind, talk, heard).code == code
        assert heard.text == WORDS
        assert heard.took <= AT_ONCE

    under(run, fault, look)


@pytest.mark.parametrize(
    ("fault", "by"),
    [
        ("done-cancelled", "client"),
        ("done-interrupted", "turn_detected"),
        ("done-cancelled-no-details", None),
    ],
)
def test_a_cancelled_response_is_no_error(run: Run, fault: str, by: str | None) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert isinstance(heard.outcome, Cancelled)
        assert by is None or heard.outcome.by == by
        assert heard.text == WORDS
        assert talk.errors == []
        assert [told.cancelled for told in talk.usage] == [True]

    under(run, fault, look)


@pytest.mark.parametrize(
    "fault",
    [
        "done-completed",
        "done-failed",
        "done-incomplete",
        "done-cancelled",
        "done-unknown-status",
        "done-null",
        "done-no-body",
        "done-no-id",
    ],
)
def test_there_are_metrics_for_every_response_done(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert heard.event is not None
        assert [told.request_id for told in talk.usage] == [heard.event.response_id]
        assert talk.usage[0].duration > 0
        assert talk.usage[0].ttft > 0

    under(run, fault, look)


@pytest.mark.parametrize(
    "fault", ["done-without-created", "done-unnamed-without-created", "completed-empty"]
)
def test_completed_without_any_output(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        assert isinstance(heard.outcome, Completed)
        assert (heard.text, heard.audio_seconds, heard.modalities) == ("", 0.0, [])
        assert heard.took <= AT_ONCE
        assert talk.errors == []
        assert talk.created == [heard.event]
        assert [told.request_id for told in talk.usage] == [heard.outcome.response_id]

    under(run, fault, look)


def test_failed_without_created(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        failed_before_output(Failed, talk, heard)
        assert heard.took <= AT_ONCE

    under(run, "done-failed@instead-created", look)


def test_silence_after_the_request(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        error = failed_before_output(TimedOut, talk, heard)
        assert error.code == "timeout_created"
        assert heard.took == pytest.approx(10.0, abs=AT_ONCE)

    under(run, "swallowed", look)


def test_silence_after_created(run: Run) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        error = failed_before_output(TimedOut, talk, heard)
        assert error.code == "timeout_gap"
        assert heard.took == pytest.approx(10.0, abs=AT_ONCE)

    under(run, "silence-after-created", look, cancelled_by_id)


@pytest.mark.parametrize("fault", ["silence-mid-audio", "silence-after-item", "silence-for-good"])
def test_silence_in_the_middle(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        error = failed_in_the_middle(TimedOut, talk, heard)
        assert error.code == "timeout_gap"
        assert heard.took == pytest.approx(10.0, abs=AT_ONCE)

    under(run, fault, look, cancelled_by_id)


def test_silence_after_an_interruption(run: Run) -> None:
    async def main() -> None:
        async with talking("silence-for-good") as talk:
            asked_at = asyncio.get_running_loop().time()
            event = await talk.session.generate_reply()
            talk.session.interrupt()
            heard = await talk.listen(event, Heard())

            assert asyncio.get_running_loop().time() - asked_at <= 2.0 + AT_ONCE
            assert isinstance(heard.outcome, TimedOut | Cancelled)
            assert talk.cancelled == [event.response_id]
            following = await talk.reply()
            assert following.text == WORDS

    run(main())


@pytest.mark.parametrize(
    "fault",
    [
        "duplicates",
        "duplicate-created",
        "duplicate-done",
        "delta-after-done",
        "foreign-delta",
        "foreign-done",
        "unknown-event",
        "ping-event",
        "late-item",
        "late-part",
        "no-item-done",
        "no-output-in-done",
        "no-conversation-items",
        "no-event-ids",
        "no-metadata",
        "no-session-created",
        "frame-not-json",
        "frame-empty",
        "frame-array",
        "frame-null",
        "frame-number",
        "frame-no-type",
        "frame-type-null",
        "frame-binary",
        "delta-null",
        "delta-missing",
        "delta-number",
        "delta-not-base64",
        "delta-empty",
    ],
)
def test_strange_events_and_bad_frames_change_nothing(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        unharmed(talk, heard)
        assert len(talk.created) == 1
        assert talk.cancelled == []

    under(run, fault, look)


@pytest.mark.parametrize("fault", ["foreign-response", "foreign-response-unended"])
def test_a_response_of_somebody_elses_in_between(run: Run, fault: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        unharmed(talk, heard)
        assert [event.user_initiated for event in talk.created] == [True, False]

    under(run, fault, look)


@pytest.mark.parametrize(("fault", "within"), [("refused", 0.0), ("refused-unnamed", 1.0)])
def test_a_refused_request(run: Run, fault: str, within: float) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        error = failed_before_output(Rejected, talk, heard)
        assert error.code == "invalid_value"
        assert heard.took <= within + AT_ONCE

    under(run, fault, look)


def test_an_audio_reply_in_text(run: Run) -> None:
    async def main() -> None:
        async with talking(modalities=["text"]) as talk:
            heard = await talk.reply()

            assert heard.text == WORDS
            assert (heard.audio_seconds, heard.modalities) == (0.0, [["text"]])

    run(main())
