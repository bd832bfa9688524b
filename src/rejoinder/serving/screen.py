"""The screen: what is seen, and what the libraries below have to complain of, as rows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Iterator

from rejoinder.server.sights import Refused, Sight
from rejoinder.serving.printer import Printer
from rejoinder.serving.view import CONNECTION, Row, View, drawn

_GLANCE = 0.25
"""Seconds between two looks at what has been counted for long enough."""

_BELOW = ("aiohttp", "aiohttp.server", "asyncio")


class Screen:
    """Shows rows as they come."""

    def __init__(self, printer: Printer, *, quiet: bool) -> None:
        self._view = View()
        self._printer = printer
        self._quiet = quiet

    def watch(self, number: int, sight: Sight) -> None:
        """Something was seen."""
        if not self._quiet:
            self.show(self._view.take(time.time(), number, sight))

    def show(self, rows: Iterable[Row]) -> None:
        """Shows these, or when it is quiet none."""
        for row in () if self._quiet else rows:
            clock = time.strftime("%H:%M:%S", time.localtime(row.at))
            self._printer.print(drawn(row, f"{clock}.{int(row.at * 1000) % 1000:03}"))

    async def show_until(self, asked: asyncio.Event) -> None:
        """Shows what has been counted, until ``asked`` is set."""
        while not asked.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GLANCE):
                    await asked.wait()
            self.show(self._view.tick(time.time()))

    def end(self) -> None:
        """Shows what has been counted so far."""
        self.show(self._view.end())


class _Complaints(logging.Handler):
    """A complaint of a library as a row. Its text and its traceback may hold a key: none of it is shown."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        status = getattr(error, "code", None)
        if isinstance(status, int):  # aiohttp's word on what it could not read
            self._screen.watch(0, Refused(status, "not HTTP"))
        elif record.levelno >= logging.WARNING:
            what = type(error).__name__ if error else record.levelname.lower()
            self._screen.show(
                [Row(record.created, 0, CONNECTION, "trouble", f"{record.name}: {what}")]
            )


@contextlib.contextmanager
def complaints_on(screen: Screen) -> Iterator[None]:
    """What aiohttp and asyncio log is shown as rows, and nowhere else."""
    handler = _Complaints(screen)
    loggers = [logging.getLogger(name) for name in _BELOW]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("aiohttp.server").setLevel(logging.DEBUG)  # a method that is none is no more
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
