"""Printing in a thread of its own: whoever does not read what is shown holds nobody up."""

from __future__ import annotations

import contextlib
import queue
import threading

from rich.console import Console
from rich.text import Text


class Printer:
    """Prints lines in order. ``most`` may wait; what comes then is left out, and counted.

    It is a daemon's thread: one that is stuck in a terminal cannot be ended, only left.
    """

    def __init__(self, console: Console, most: int = 10_000) -> None:
        self._console = console
        self._lines: queue.Queue[Text | None] = queue.Queue(most)
        self._left_out = 0
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="rejoinder-printer", daemon=True)
        self._thread.start()

    def print(self, line: Text) -> None:
        """Takes one line. Never blocks, never raises."""
        try:
            if self._left_out:
                self._lines.put_nowait(self._count())
                self._left_out = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    def end(self, within: float = 1.0) -> bool:
        """Prints what waits. Blocks for ``within`` seconds at most; False when that was not enough."""
        self._ending = True
        with contextlib.suppress(
            queue.Full
        ):  # then there is something to get, and it looks up anyway
            self._lines.put_nowait(None)
        self._thread.join(within)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not (self._ending and self._lines.empty()):
            line = self._lines.get()
            if line is not None:
                self._put(line)
        if self._left_out:
            self._put(self._count())

    def _put(self, line: Text) -> None:
        """A terminal that has gone, or a full disk, ends no server. `rich` makes an exit of a broken pipe."""
        with contextlib.suppress(OSError, ValueError, SystemExit):
            self._console.print(line, soft_wrap=True)

    def _count(self) -> Text:
        why = "they came faster than they could be shown"
        return Text(f"({self._left_out} lines left out: {why})", style="dim")
