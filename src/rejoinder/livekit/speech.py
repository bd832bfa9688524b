"""The one place that looks into the framework: which speech is this code running for?

A failed reply must be seen on its `SpeechHandle`. Only a failed `generate_reply` future reaches
`SpeechHandle.exception()` by a public road; what fails after the first output does not, because
LiveKit swallows what streams raise. So the error is stored on the handle as LiveKit itself does it for
a failed pipeline LLM (voice/agent_activity.py, `_on_llm_task_done`, livekit-agents 1.8.9): before the
speech is done. Everything here is guarded. Where a release of LiveKit has no such names, nothing is
stored and everything else still holds; a test against the installed release says when that happens.
"""

from __future__ import annotations

import contextvars
from typing import Protocol, cast

from livekit.agents.voice import agent_activity


class Speech(Protocol):
    """The part of `livekit.agents.SpeechHandle` that is used here."""

    def done(self) -> bool:
        """Whether the speech has come to its end."""
        ...


_VARIABLE = cast(
    "contextvars.ContextVar[Speech] | None",
    getattr(agent_activity, "_SpeechHandleContextVar", None),
)
_ERROR = "_error"


def current() -> Speech | None:
    """The live speech for which the running task works, or None outside of any."""
    speech = _VARIABLE.get(None) if _VARIABLE is not None else None
    return speech if speech is not None and not speech.done() else None


def fail(speech: Speech, error: Exception) -> None:
    """Makes ``error`` what `SpeechHandle.exception()` will return. A speech that is done stays so."""
    if hasattr(speech, _ERROR) and not speech.done():
        setattr(speech, _ERROR, error)


def clear(speech: Speech, kind: type[Exception]) -> None:
    """Takes back an error of ours (of ``kind``): a later step of the same speech went well."""
    if isinstance(getattr(speech, _ERROR, None), kind) and not speech.done():
        setattr(speech, _ERROR, None)
