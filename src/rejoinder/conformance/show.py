"""A run with somebody before the screen: a bar that grows, and each cell that is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rejoinder.conformance import matrix
from rejoinder.conformance.cells import Cell, cells, chosen
from rejoinder.conformance.clients import Client, client
from rejoinder.conformance.page import page
from rejoinder.conformance.report import Report, encode, report
from rejoinder.conformance.table import drawn, verdict_line
from rejoinder.errors import ConfigurationError


def show(
    names: Sequence[str],
    only: Sequence[str],
    console: Console,
    *,
    json: Path | None = None,
    html: Path | None = None,
    at_a_time: int = matrix.AT_A_TIME,
) -> bool:
    """Runs the matrix of these clients, shows what came of it, and writes it to the files if wanted.

    ``only``: parts of the names of the cells to run; empty for all. Returns whether every cell is as it
    should be. Raises `ConfigurationError` before anything is run when a client is not to be had, no cell
    is meant or a file cannot be written. Interrupting it ends every cell.
    """
    if json is not None and json == html:
        raise ConfigurationError(f"--json and --html name the same file, {json}: name two")
    clients = [client(name) for name in names]
    wanted = [(one, chosen(cells(one.abilities()), only)) for one in clients]
    for file in filter(None, (json, html)):
        _write(file, None)  # now rather than in ten minutes
    reports = [_watched(one, its_cells, console, at_a_time) for one, its_cells in wanted]
    for one in reports:
        console.print(drawn(one))
    if json is not None:
        _write(json, encode(reports))
    if html is not None:
        _write(html, page(reports).encode())
    return any(one.cells for one in reports) and all(one.settled for one in reports)


def _write(file: Path, content: bytes | None) -> None:
    try:
        if content is None:
            file.open("ab").close()
        else:
            file.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(
            f"{file}: {error.strerror}; name a file that can be written to"
        ) from error


def _watched(client: Client, cells: Sequence[Cell], console: Console, at_a_time: int) -> Report:
    results: list[matrix.Result] = []
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(client.name, total=len(cells))
        for result in matrix.run(client, cells, at_a_time=at_a_time):
            results.append(result)
            bar.advance(task)
            if not result.settled:
                (cell,) = report(client, [result]).cells
                bar.console.print(verdict_line(cell))
    return report(client, results)
