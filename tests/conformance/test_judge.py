"""What becomes of a cell, judged by what was heard against what was to be heard."""

from __future__ import annotations

import pytest

from rejoinder.conformance.driver import COMPLETE, CUT, ERROR, Heard
from rejoinder.conformance.judge import (
    BEFORE,
    CLOSE,
    MEANING,
    NEXT,
    OPEN,
    Bounds,
    Expect,
    Step,
    Verdict,
    judge,
)
from rejoinder.conformance.scenarios import HOURS, LINES, PARKING, Line

PROMPT = Bounds(Expect.TOLD, within=6.0, after=6.0)
WHOLE = Bounds(Expect.WHOLE, within=6.0, after=6.0)
ENDED = Bounds(Expect.ENDED, within=6.0, after=6.0)
LOST = Bounds(Expect.TOLD, within=6.0, after=6.0, survives=False)
SHUT = Bounds(Expect.TOLD, within=6.0, after=6.0, survives=False, opens=False)

ALL = Heard(HOURS.reply, HOURS.seconds)
HALF = Heard("Nine until six,", 1.0)
FAILED = Heard("Nine until", 1.0, ERROR, "boom")
NEXT_ALL = Heard(PARKING.reply, PARKING.seconds)


def asked(heard: Heard | None, seconds: float = 1.0) -> Step:
    return Step("ask", HOURS, seconds, heard)


def next_(heard: Heard | None, seconds: float = 1.0) -> Step:
    return Step(NEXT, PARKING, seconds, heard)


@pytest.mark.parametrize(
    ("bounds", "step", "verdict"),
    [
        (WHOLE, asked(ALL), Verdict.SETTLED),
        (WHOLE, asked(HALF), Verdict.TRUNCATED),
        (WHOLE, asked(FAILED), Verdict.OVER_EAGER),
        (WHOLE, asked(Heard(HOURS.reply, HOURS.seconds, CUT)), Verdict.OVER_EAGER),
        (WHOLE, asked(Heard(HOURS.reply, HOURS.seconds / 2)), Verdict.TRUNCATED),
        (WHOLE, asked(ALL, 6.1), Verdict.LATE),
        (PROMPT, asked(ALL), Verdict.SETTLED),
        (PROMPT, asked(HALF), Verdict.TRUNCATED),
        (PROMPT, asked(Heard("Nine", 0.1, beside="boom")), Verdict.SETTLED),
        (PROMPT, asked(FAILED), Verdict.SETTLED),
        (PROMPT, asked(FAILED, 7.0), Verdict.LATE),
        (PROMPT, asked(None), Verdict.HANG),
        (PROMPT, asked(Heard("Nine until six, Marta kneads", 2.0)), Verdict.CROSSED),
        (PROMPT, asked(Heard("Marta", 0.0, ERROR)), Verdict.CROSSED),
        (ENDED, asked(HALF), Verdict.SETTLED),
        (ENDED, asked(HALF, 9.0), Verdict.LATE),
        (PROMPT, next_(NEXT_ALL), Verdict.SETTLED),
        (PROMPT, next_(Heard("Parking costs", 0.5)), Verdict.TRUNCATED),
        (PROMPT, next_(Heard(end=ERROR)), Verdict.DEAD),
        (PROMPT, next_(NEXT_ALL, 7.0), Verdict.LATE),
        (LOST, next_(Heard(end=ERROR)), Verdict.SETTLED),
        (LOST, next_(Heard(end=ERROR), 7.0), Verdict.LATE),
        (LOST, next_(Heard("Parking costs", 0.5)), Verdict.TRUNCATED),
        (LOST, next_(None), Verdict.HANG),
        (PROMPT, Step(BEFORE, HOURS, 1.0, FAILED), Verdict.OVER_EAGER),
        (PROMPT, Step(OPEN, None, 1.0, Heard(end=ERROR)), Verdict.OVER_EAGER),
        (LOST, Step(OPEN, None, 1.0, Heard(end=ERROR)), Verdict.OVER_EAGER),
        (SHUT, Step(OPEN, None, 1.0, Heard(end=ERROR)), Verdict.SETTLED),
        (SHUT, Step(OPEN, None, 7.0, Heard(end=ERROR)), Verdict.LATE),
        (WHOLE, asked(Heard("Nine", 0.1, beside="boom")), Verdict.OVER_EAGER),
        (WHOLE, asked(Heard(HOURS.reply, HOURS.seconds, beside="boom")), Verdict.SETTLED),
        (WHOLE, asked(Heard(HOURS.reply * 2, HOURS.seconds)), Verdict.CROSSED),
        (WHOLE, asked(Heard(HOURS.reply, HOURS.seconds * 2)), Verdict.CROSSED),
        (PROMPT, Step(CLOSE, None, 7.0, Heard()), Verdict.LATE),
        (PROMPT, Step(CLOSE), Verdict.HANG),
        (WHOLE, Step("instruct", None, 1.0, Heard()), Verdict.SETTLED),
        (WHOLE, Step("instruct", None, 1.0, Heard(end=ERROR)), Verdict.OVER_EAGER),
        (PROMPT, Step("instruct", None, 1.0, Heard()), Verdict.TRUNCATED),
        (PROMPT, Step("instruct", None, 1.0, Heard(beside="boom")), Verdict.SETTLED),
        (PROMPT, Step("instruct", None, 1.0, Heard(end=ERROR)), Verdict.SETTLED),
        (ENDED, Step("instruct", None, 1.0, Heard()), Verdict.SETTLED),
    ],
)
def test_a_step_is_judged(bounds: Bounds, step: Step, verdict: Verdict) -> None:
    assert judge([step], bounds) == (verdict, step)


def test_a_cell_is_as_bad_as_its_worst_step() -> None:
    dead = next_(Heard(end=ERROR))
    assert judge([asked(FAILED), dead], PROMPT) == (Verdict.DEAD, dead)
    hung = asked(None)
    assert judge([hung, Step(CLOSE, None, 0.0, Heard())], PROMPT) == (Verdict.HANG, hung)


def test_a_settled_cell_shows_what_the_fault_was_for() -> None:
    struck = asked(FAILED, 0.4)
    assert judge([Step(OPEN, None, 2.0, Heard()), struck, next_(NEXT_ALL)], PROMPT)[1] == struck


def test_a_cell_that_never_began_is_a_hang() -> None:
    assert judge([], PROMPT) == (Verdict.HANG, None)


def test_commas_and_capitals_are_no_words() -> None:
    heard = Heard(HOURS.reply.upper().replace(",", ""), HOURS.seconds)
    assert judge([asked(heard)], WHOLE)[0] is Verdict.SETTLED


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.question)
def test_every_line_is_told_from_every_other_by_its_first_words(line: Line) -> None:
    """Or a reply that was cut short after them could not be called crossed."""
    for other in LINES:
        if other != line:
            step = Step("ask", other, 1.0, Heard(" ".join(line.reply.split()[:5]), 0.0, COMPLETE))
            assert judge([step], PROMPT)[0] is Verdict.CROSSED


def test_every_verdict_is_explained() -> None:
    assert list(MEANING) == list(Verdict)
