"""Cells in processes of their own: what becomes of ours, and of clients that cannot be trusted."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import psutil  # type: ignore[import-untyped]
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


def test_what_blocks_is_killed_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    monkeypatch.setenv("BLOCKING_PIDS", str(pids))
    blocking = client("tests.conformance.models:Blocking")
    (result,) = run(blocking, named("rejoinder", "asked x healthy"), given_up=0.5, grace=2.0)

    assert result.verdict is Verdict.HANG
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def gone(pid: int) -> bool:
    """Whether a process is gone, or is dead and waits for whoever inherits it to notice."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_what_takes_its_process_along_is_dead() -> None:
    crashing = client("tests.conformance.models:Crashing")
    (result,) = run(crashing, named("rejoinder", "asked x healthy"))

    assert result.verdict is Verdict.DEAD
    assert result.decisive is not None
    assert result.decisive.name == "ask"


@pytest.mark.parametrize("name", ["tests.conformance.models:Unmade", "builtins:dict"])
def test_what_cannot_be_opened_is_not_settled(name: str) -> None:
    (result,) = run(client(name), named("rejoinder", "asked x healthy"))

    assert result.verdict is Verdict.OVER_EAGER
    assert result.decisive is not None
    assert result.decisive.name == OPEN


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
