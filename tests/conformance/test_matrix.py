"""Cells in processes of their own: what becomes of ours, and of clients that cannot be trusted."""

from __future__ import annotations

import multiprocessing

import pytest

from rejoinder.conformance.cells import Cell, cells, chosen
from rejoinder.conformance.clients import client
from rejoinder.conformance.judge import OPEN, Verdict
from rejoinder.conformance.matrix import Result, run

FEW = [
    "asked x healthy",
    "asked x foreign-delta",
    "asked x late-created",
    "asked x no-created",
    "asked x response-error",
    "asked x done-cancelled@delta:3",
    "asked x reset",
    "asked x http-503#0",
    "spoken x healthy",
    "spoken x done-incomplete@delta:3",
    "tool x healthy",
    "tool x call-only-in-done",
    "cut x healthy",
    "pair x healthy",
    "pair x response-error",
    "edit x healthy",
    "edit x update-refused",
]
"""What is settled at once, so that it can be looked at in every run of the tests. The rest takes minutes:
`rejoinder faults`."""


def named(name: str, *wanted: str) -> list[Cell]:
    every = {cell.name: cell for cell in cells(client(name).load().can)}
    return [every[one] for one in wanted]


def told(results: list[Result]) -> dict[str, Verdict]:
    return {result.cell.name: result.verdict for result in results}


@pytest.mark.parametrize("name", ["rejoinder", "rejoinder.livekit"])
def test_our_own_clients_settle_in_bound(name: str) -> None:
    results = list(run(client(name), named(name, *FEW)))

    assert told(results) == dict.fromkeys(FEW, Verdict.SETTLED)
    assert multiprocessing.active_children() == []


def test_what_never_ends_is_given_up() -> None:
    mute = client("tests.conformance.models:Mute")
    (result,) = run(mute, named("rejoinder", "asked x healthy"), given_up=0.5)

    assert result.verdict is Verdict.HANG
    assert [step.name for step in result.steps] == [OPEN, "ask", "close"]
    assert result.decisive is not None
    assert result.decisive.name == "ask"


def test_what_blocks_is_killed() -> None:
    blocking = client("tests.conformance.models:Blocking")
    (result,) = run(blocking, named("rejoinder", "asked x healthy"), given_up=0.5, grace=0.5)

    assert result.verdict is Verdict.HANG
    assert multiprocessing.active_children() == []


def test_what_takes_its_process_along_is_a_hang() -> None:
    crashing = client("tests.conformance.models:Crashing")
    (result,) = run(crashing, named("rejoinder", "asked x healthy"), given_up=5.0)

    assert result.verdict is Verdict.HANG


def test_a_run_that_is_left_early_leaves_no_process() -> None:
    running = run(client("rejoinder"), named("rejoinder", *FEW[:6]), at_a_time=3)
    next(running)
    running.close()  # type: ignore[attr-defined]

    assert multiprocessing.active_children() == []


def test_cells_are_chosen_by_a_part_of_their_name() -> None:
    every = named("rejoinder", *FEW)
    assert [cell.name for cell in chosen(every, ["pair", "http-503"])] == [
        "asked x http-503#0",
        "pair x healthy",
        "pair x response-error",
    ]
