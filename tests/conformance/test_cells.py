"""The cells: every fault can be armed, every control is healthy, and there are enough of each."""

from __future__ import annotations

from collections import Counter

import pytest

from rejoinder.conformance.cells import CASES, Kind, cells, chosen
from rejoinder.conformance.driver import ABILITIES
from rejoinder.conformance.judge import Expect
from rejoinder.errors import ConfigurationError
from rejoinder.server.faults.catalogue import fault

EVERY = list(cells(ABILITIES))


@pytest.mark.parametrize("text", sorted({text for cell in EVERY for text in cell.case.faults}))
def test_every_fault_can_be_armed(text: str) -> None:
    assert fault(text).says


def test_there_are_more_than_sixty_faults_and_each_cell_has_a_name_of_its_own() -> None:
    names = {
        text.partition("@")[0].partition("#")[0] for cell in EVERY for text in cell.case.faults
    }
    assert len(names) > 60
    assert len(EVERY) >= 150
    assert max(Counter(cell.name for cell in EVERY).values()) == 1


def test_every_scenario_has_a_healthy_cell() -> None:
    assert {cell.scenario.name for cell in EVERY if cell.case.name == "healthy"} == set(CASES)


def test_a_control_must_come_to_the_whole_reply() -> None:
    controls = [cell for cell in EVERY if cell.case.kind is Kind.CONTROL]
    assert {cell.bounds.expect for cell in controls if cell.scenario.name != "cut"} == {
        Expect.WHOLE
    }


def test_who_interrupts_cannot_complain_of_the_end() -> None:
    assert {cell.bounds.expect for cell in EVERY if cell.scenario.name == "cut"} == {Expect.ENDED}


def test_a_client_has_the_cells_of_what_it_can_do() -> None:
    assert {cell.scenario.name for cell in cells(frozenset({"ask", "cut"}))} == {"asked", "cut"}


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    assert chosen(EVERY, []) == EVERY
    with pytest.raises(ConfigurationError, match="no cell is called anything like 'resett'"):
        chosen(EVERY, ["healthy", "resett"])
