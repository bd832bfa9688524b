"""What kills a session elsewhere: rows K of `docs/faults.md`."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.core.outcomes import Failed
from rejoinder.server.faults.catalogue import point
from rejoinder.server.faults.fault import Fault, Then
from rejoinder.server.faults.strikes import raw
from rejoinder.testing import Run
from tests.livekit.promise import AT_ONCE, failed_in_the_middle, under, unharmed
from tests.livekit.talk import WORDS, Heard, Talk, talking


def test_k1_malformed_json(run: Run) -> None:
    under(run, "frame-not-json", unharmed)


@pytest.mark.parametrize(
    "fault", ["frame-no-type", "frame-type-null", "frame-array", "frame-number", "frame-null"]
)
def test_k2_frames_without_a_type(run: Run, fault: str) -> None:
    under(run, fault, unharmed)


@pytest.mark.parametrize("fault", ["delta-missing", "delta-null", "delta-number"])
def test_k3_audio_without_audio(run: Run, fault: str) -> None:
    under(run, fault, unharmed)


@pytest.mark.parametrize("error", [TypeError, KeyError, RecursionError])
def test_k4_a_listener_to_raw_events_that_raises(run: Run, error: type[Exception]) -> None:
    def broken(_: object) -> None:
        raise error("a bug of the user's")

    async def main() -> None:
        async with talking() as talk:
            others: list[object] = []
            talk.session.on("openai_server_event_received", broken)
            talk.session.on("openai_server_event_received", others.append)
            unharmed(talk, await talk.reply())

            assert others
            assert (await talk.reply()).text == WORDS

    run(main())


@pytest.mark.parametrize(
    "body",
    [
        '"error":null',
        '"error":{"type":"server_error","message":null}',
        '"code":"processing_error","message":"the model crashed"',
        '"error":"the model crashed"',
        '"nothing":"else"',
    ],
    ids=["null", "null message", "flat", "text", "no error at all"],
)
def test_k10_errors_of_any_shape(run: Run, body: str) -> None:
    def look(talk: Talk, heard: Heard) -> None:
        error = failed_in_the_middle(Failed, talk, heard)
        assert ("crashed" in str(error)) is ("crashed" in body)
        assert 1.0 <= heard.took <= 1.0 + AT_ONCE

    said = raw(f'{{"type":"error",{body}}}')
    under(run, Fault("shape", point("delta:3"), said, Then.DIES), look)


@pytest.mark.parametrize(
    "body",
    [
        '"error":{"code":"insufficient_quota","message":null}',
        '"code":"insufficient_quota","message":null',
        '"error":{"type":"insufficient_quota"}',
    ],
    ids=["null message", "flat", "type alone"],
)
def test_k10_a_fatal_error_of_any_shape_is_fatal(run: Run, body: Any) -> None:
    fatal = Fault("fatal", point("delta:3"), raw(f'{{"type":"error",{body}}}'))

    async def main() -> None:
        async with talking(fatal) as talk:
            heard = await talk.reply()

            assert heard.took <= AT_ONCE
            assert talk.reports == [(False, "insufficient_quota")]

    run(main())
