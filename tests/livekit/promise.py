"""One reply under one fault: what came of it, and that the next reply works all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rejoinder.core.outcomes import Completed, Outcome
from rejoinder.livekit import ReplyError
from rejoinder.server.faults.fault import Fault
from rejoinder.server.script import Script
from rejoinder.testing import Run
from tests.livekit.talk import SPOKEN, WORDS, Heard, OurSide, Talk, talking

Look = Callable[[Talk, Heard], None]

AT_ONCE = 0.5
"""Seconds, the server's own pace included: it thinks for 50 ms and speaks ten times faster than life."""

COMPLAINT = "The server had an error while processing your request."


def nothing(talk: Talk, heard: Heard) -> None:
    """Nothing more to look at."""


def under(
    run: Run,
    fault: Fault | str,
    look: Look,
    afterwards: Look = nothing,
    *,
    script: Script = SPOKEN,
    **options: Any,
) -> None:
    """Asks for a reply under a fault, looks at what came of it, and checks that the next one works.

    By then the server has heard all that the first one made us say: ``afterwards`` looks at that.
    """

    async def main() -> None:
        async with talking(fault, script=script, **options) as talk:
            heard = await talk.reply(instructions="Greet me.")
            look(talk, heard)
            following = await talk.reply(instructions="Once more.")
            assert isinstance(following.outcome, Completed), following
            assert following.text == WORDS
            assert not talk.session.has_active_generation
            afterwards(talk, heard)

    run(main())


def cancelled_by_id(talk: Talk, heard: Heard) -> None:
    """The server was told to stop this response, and no other."""
    assert heard.outcome is not None
    assert talk.cancelled == [heard.outcome.response_id]


def failed_before_output(kind: type[Outcome], talk: OurSide, heard: Heard) -> ReplyError:
    """The future raised; nothing surfaced; one error event said so."""
    assert heard.error is not None
    assert isinstance(heard.outcome, kind)
    assert heard.error.outcome is heard.outcome
    assert heard.error.code == heard.outcome.code
    assert talk.created == []
    assert [(told.error, told.recoverable) for told in talk.errors] == [(heard.error, True)]
    return heard.error


def failed_in_the_middle(kind: type[Outcome], talk: Talk, heard: Heard) -> ReplyError:
    """The streams ended with what had come; one error event said why."""
    assert heard.event is not None
    assert isinstance(heard.outcome, kind), heard.outcome
    assert heard.text == heard.outcome.delivered.text
    assert heard.audio_seconds == pytest.approx(heard.outcome.delivered.audio_seconds)
    assert heard.modalities == [["audio", "text"]]
    assert [told.recoverable for told in talk.errors] == [True]
    error = talk.errors[0].error
    assert isinstance(error, ReplyError)
    assert error.outcome is heard.outcome
    assert error.code == heard.outcome.code
    return error


def unharmed(talk: Talk, heard: Heard) -> None:
    """The reply is whole, and nobody was told anything."""
    assert isinstance(heard.outcome, Completed)
    assert heard.text == WORDS
    assert talk.errors == []
