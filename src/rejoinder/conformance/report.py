"""What came of a run: plain data that can be kept as JSON, read back, and shown."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable

import msgspec

from rejoinder.conformance.cells import CASES, Case, Kind
from rejoinder.conformance.clients import Client
from rejoinder.conformance.judge import Step, Verdict
from rejoinder.conformance.matrix import Result
from rejoinder.errors import ConfigurationError
from rejoinder.server.faults.catalogue import fault

_HEALTHY = "none"
ALL_WELL = Verdict.SETTLED.value


class CellReport(msgspec.Struct, frozen=True):
    """One cell.

    ``fault``: its name in the matrix; ``faults``: what was said to the server; ``about``: what that does
    there. ``expected``: whole, told or
    ended. ``within``: seconds. ``seconds``: from the asking to the end of the step on which the verdict was
    passed, None when that had no end.
    """

    scenario: str
    fault: str
    kind: str
    faults: tuple[str, ...]
    about: str
    expected: str
    within: float
    survives: bool
    verdict: str
    seconds: float | None
    steps: tuple[Step, ...]


class Report(msgspec.Struct, frozen=True):
    """One run of one client."""

    client: str
    version: str
    python: str
    cells: tuple[CellReport, ...]

    @property
    def settled(self) -> bool:
        """Whether every cell is as it should be."""
        return all(cell.verdict == ALL_WELL for cell in self.cells)

    def totals(self) -> dict[str, int]:
        """How many cells came to each verdict, the best first."""
        counted = Counter(cell.verdict for cell in self.cells)
        return {one.value: counted[one.value] for one in Verdict if counted[one.value]}

    def find(self, scenario: str, fault: str) -> CellReport | None:
        """The cell of this name, or None."""
        named = (one for one in self.cells if (one.scenario, one.fault) == (scenario, fault))
        return next(named, None)


def report(client: Client, results: Iterable[Result]) -> Report:
    """The report of a run, its cells in the order of the matrix."""
    order = {name: at for at, name in enumerate(_order())}
    told = sorted(map(_told, results), key=lambda one: order[one.scenario, one.fault])
    return Report(client.name, client.version(), platform.python_version(), tuple(told))


def _order() -> list[tuple[str, str]]:
    return [(scenario, case.name) for scenario, cases in CASES.items() for case in cases]


def _told(result: Result) -> CellReport:
    case, bounds, decisive = result.cell.case, result.cell.bounds, result.decisive
    ended = decisive is not None and decisive.heard is not None
    return CellReport(
        scenario=result.cell.scenario.name,
        fault=case.name,
        kind=case.kind.name.lower(),
        faults=case.faults,
        about="; ".join(fault(one).says for one in case.faults) or _HEALTHY,
        expected=bounds.expect.value,
        within=bounds.within,
        survives=case.survives,
        verdict=result.verdict.value,
        seconds=round(decisive.seconds, 3) if ended and decisive is not None else None,
        steps=result.steps,
    )


def encode(reports: Iterable[Report]) -> bytes:
    """The reports as JSON, one cell a line, so that two runs can be compared."""
    text = msgspec.json.format(msgspec.json.encode(list(reports)), indent=1)
    return text + b"\n"


def decode(text: bytes) -> list[Report]:
    """Reports from their JSON. Raises `ConfigurationError` for what is none."""
    try:
        return msgspec.json.decode(text, type=list[Report])
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"this is no report of `rejoinder faults --json`: {error}"
        ) from error


def rows(reports: Iterable[Report]) -> dict[Kind, list[str]]:
    """The names of all faults that were tried, by what sort of thing they are, in the matrix's order."""
    tried = {cell.fault for one in reports for cell in one.cells}
    found: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for case in _cases():
        if case.name in tried and case.name not in found[case.kind]:
            found[case.kind].append(case.name)
    return {kind: names for kind, names in found.items() if names}


def _cases() -> list[Case]:
    return [case for cases in CASES.values() for case in cases]
