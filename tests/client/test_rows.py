"""The promise, row by row, through `rejoinder.connect` and over a real WebSocket in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rejoinder
from rejoinder.core.outcomes import (
    Cancelled,
    Completed,
    Failed,
    Incomplete,
    Outcome,
    Rejected,
    TimedOut,
)
from rejoinder.core.parts import Audio, Part
from rejoinder.errors import OutcomeError
from rejoinder.server.serve import Server, serve
from rejoinder.testing import Run
from rejoinder.wire.client_events import ResponseCancel, ResponseCreate

Story = Callable[[rejoinder.Session, Server], Awaitable[None]]

WORDS = "The server had an error"
AT_ONCE = 0.5
"""Seconds. The server's own pace is in it: 50 ms of thinking and an answer ten times faster than life."""


def tell(run: Run, story: Story, *faults: str) -> Server:
    """Holds a session with a server that has these faults; gives the server back, for its records."""

    async def held() -> Server:
        async with serve(faults=faults) as server:
            async with rejoinder.connect(base_url=server.url, api_key="any") as session:
                await story(session, server)
            return server

    return run(held())


async def parts_of(response: rejoinder.Response) -> list[Part]:
    """Everything delivered; an outcome other than completed ends it, and is looked at separately."""
    parts: list[Part] = []
    try:
        async for part in response:
            parts.append(part)
    except OutcomeError:
        assert response.result is not None
    return parts


def settles(run: Run, fault: str, **wanted: Any) -> tuple[Outcome, list[Part]]:
    """Asks once under the fault, checks when it settles and that the next reply works."""
    seen: list[tuple[Outcome, list[Part]]] = []

    async def story(session: rejoinder.Session, server: Server) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        response = session.create_response(instructions="Answer.")
        parts = await parts_of(response)
        outcome = await response.outcome()
        took = loop.time() - asked_at
        assert wanted.get("after", 0.0) <= took <= wanted.get("within", AT_ONCE)
        seen.append((outcome, parts))
        following = await session.create_response(instructions="And now?").outcome()
        assert isinstance(following, Completed), following
        assert following.delivered.text

    server = tell(run, story, fault)
    received = server.sessions[0].received
    assert all(isinstance(e.response_id, str) for e in received if isinstance(e, ResponseCancel))
    return seen[0]


BEFORE_CREATED = [
    "response-error-metadata@instead-created",
    "response-error-event-id@instead-created",
    "response-error-unnamed@instead-created",
    "response-error-flat@instead-created",
]
SHAPES = ["", "-nested", "-flat", "-unnamed", "-metadata", "-event-id", "-text"]


@pytest.mark.parametrize("fault", BEFORE_CREATED)
def test_response_error_before_created(run: Run, fault: str) -> None:
    outcome, parts = settles(run, fault)
    assert isinstance(outcome, Failed)
    assert WORDS in outcome.describe()
    assert outcome.code == "inference_failed"
    assert parts == []


@pytest.mark.parametrize("shape", SHAPES)
def test_response_error_before_any_output(run: Run, shape: str) -> None:
    outcome, parts = settles(run, f"response-error{shape}@created")
    assert isinstance(outcome, Failed)
    assert WORDS in outcome.describe()
    assert parts == []


@pytest.mark.parametrize("shape", SHAPES)
def test_response_error_in_mid_output(run: Run, shape: str) -> None:
    outcome, parts = settles(run, f"response-error{shape}@delta:3")
    assert isinstance(outcome, Failed)
    assert WORDS in outcome.describe()
    assert outcome.delivered.text
    heard = sum(len(part.audio) for part in parts if isinstance(part, Audio))
    assert outcome.delivered.audio_seconds == heard / 48_000 > 0


def test_response_failed_is_read_like_response_error(run: Run) -> None:
    outcome, _ = settles(run, "response-failed@delta:3")
    assert isinstance(outcome, Failed)
    assert WORDS in outcome.describe()


@pytest.mark.parametrize(
    "fault",
    ["error-then-silence", "error-foreign-id-then-silence", "error-text-then-silence"],
)
def test_an_error_that_names_nobody_and_then_silence(run: Run, fault: str) -> None:
    outcome, _ = settles(run, fault, after=1.0, within=1.0 + AT_ONCE)
    assert isinstance(outcome, Failed)
    assert "error" in outcome.describe() or "crashed" in outcome.describe()


@pytest.mark.parametrize(
    "fault",
    ["error-unnamed", "error-foreign-id", "error-input-buffer", "error-item", "error-session"],
)
def test_a_harmless_error_is_nothing_to_the_caller(run: Run, fault: str) -> None:
    healthy, _ = settles(run, "no-rate-limits")
    outcome, _ = settles(run, fault)
    assert isinstance(outcome, Completed)
    assert outcome.delivered == healthy.delivered


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("done-failed", Failed),
        ("done-failed-no-details", Failed),
        ("done-failed-text-details", Failed),
        ("done-failed-rate-limit", Failed),
        ("done-incomplete", Incomplete),
        ("done-filtered", Incomplete),
        ("done-cancelled", Cancelled),
        ("done-interrupted", Cancelled),
        ("done-null", Failed),
        ("done-no-body", Failed),
        ("done-no-status", Failed),
        ("done-unknown-status", Failed),
    ],
)
def test_response_done_in_any_shape(run: Run, fault: str, kind: type[Outcome]) -> None:
    outcome, _ = settles(run, fault)
    assert isinstance(outcome, kind)
    with pytest.raises(OutcomeError) as caught:
        outcome.raise_for_outcome()
    assert caught.value.outcome is outcome


@pytest.mark.parametrize("fault", ["done-without-created", "done-unnamed-without-created"])
def test_response_done_without_created(run: Run, fault: str) -> None:
    outcome, _ = settles(run, fault)
    assert isinstance(outcome, Completed)


def test_completed_without_any_output(run: Run) -> None:
    outcome, parts = settles(run, "completed-empty")
    assert isinstance(outcome, Completed)
    assert parts == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("swallowed", "created"),
        ("silence-after-created", "gap"),
        ("silence-mid-audio", "gap"),
        ("silence-after-item", "gap"),
    ],
)
def test_silence(run: Run, fault: str, why: str) -> None:
    outcome, _ = settles(run, fault, after=10.0, within=10.0 + AT_ONCE)
    assert isinstance(outcome, TimedOut)
    assert outcome.why == why


def test_silence_is_followed_by_a_cancel_by_id(run: Run) -> None:
    async def story(session: rejoinder.Session, server: Server) -> None:
        response = session.create_response()
        await response.outcome()
        await session.create_response().outcome()  # by then the server has read the cancel
        (cancel,) = [e for e in server.sessions[0].received if isinstance(e, ResponseCancel)]
        assert cancel.response_id == response.id

    tell(run, story, "silence-mid-audio")


def test_silence_after_a_cancel(run: Run) -> None:
    async def story(session: rejoinder.Session, server: Server) -> None:
        response = session.create_response()
        async for part in response:
            if isinstance(part, Audio):
                break
        response.cancel()
        outcome = await response.outcome()
        assert isinstance(outcome, TimedOut)
        assert outcome.why == "cancel"
        following = await session.create_response().outcome()
        assert following.ok

    tell(run, story, "silence-for-good@delta:1")


@pytest.mark.parametrize(
    "fault",
    [
        "duplicates",
        "duplicate-created",
        "duplicate-done",
        "delta-after-done",
        "foreign-delta",
        "foreign-done",
        "foreign-response",
        "late-item",
        "late-part",
        "late-created",
        "delta-null",
        "delta-missing",
        "delta-not-base64",
        "frame-array",
        "frame-binary",
        "frame-empty",
        "frame-no-type",
        "frame-not-json",
        "frame-null",
        "frame-number",
        "frame-type-null",
        "no-event-ids",
        "no-item-done",
        "no-output-in-done",
    ],
)
def test_strange_events_change_nothing(run: Run, fault: str) -> None:
    healthy, _ = settles(run, "no-rate-limits")
    outcome, _ = settles(run, fault)
    assert isinstance(outcome, Completed)
    assert outcome.delivered.text == healthy.delivered.text


def test_a_refusal_by_the_server_with_no_known_holder_settles_at_once(run: Run) -> None:
    outcome, _ = settles(run, "busy")
    assert isinstance(outcome, Rejected)


def test_two_replies_asked_for_at_once_are_both_answered_in_turn(run: Run) -> None:
    async def story(session: rejoinder.Session, server: Server) -> None:
        both = [session.create_response(instructions=str(n)) for n in range(2)]
        outcomes = [await response.outcome() for response in both]
        assert all(outcome.ok for outcome in outcomes)
        assert both[0].id != both[1].id
        asked = [e for e in server.sessions[0].received if isinstance(e, ResponseCreate)]
        assert len(asked) == 2

    tell(run, story)
