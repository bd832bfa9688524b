"""The one place that looks into the framework, where the framework has nothing to look at.

That it works with the installed release is shown by `test_agent_session`.
"""

from __future__ import annotations

from rejoinder.livekit import speech
from rejoinder.testing import Run


class Other:
    """A speech of a release that keeps its errors elsewhere."""

    def __init__(self, *, done: bool = False) -> None:
        self.ended = done

    def done(self) -> bool:
        """Whether it has come to its end."""
        return self.ended


def test_outside_of_any_speech_there_is_none(run: Run) -> None:
    async def main() -> None:
        assert speech.current() is None

    run(main())


def test_a_speech_that_keeps_no_error_is_left_alone() -> None:
    other = Other()

    speech.fail(other, ValueError("no"))
    speech.clear(other, ValueError)

    assert vars(other) == {"ended": False}


def test_a_speech_that_is_done_stays_as_it_is() -> None:
    other, kept = Other(done=True), ValueError("kept")
    other.__dict__["_error"] = kept

    speech.fail(other, ValueError("no"))
    assert vars(other) == {"ended": True, "_error": kept}

    speech.clear(other, ValueError)
    assert vars(other) == {"ended": True, "_error": kept}
