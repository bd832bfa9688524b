"""What prints: in order, never in the way, and it says how much it had to leave out."""

from __future__ import annotations

import io
import threading

from rich.console import Console
from rich.text import Text

from rejoinder.serving.printer import Printer


class Terminal(io.StringIO):
    """Takes nothing before it is ``free``, as one whose reader has stopped."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.free = threading.Event()
        self.stuck = threading.Event()
        self.broken = broken

    def write(self, text: str) -> int:
        self.stuck.set()
        self.free.wait()
        if self.broken:
            raise OSError("no space left on device")
        return super().write(text)


def printer(terminal: Terminal, most: int) -> Printer:
    """One that holds its first line, and has room for ``most`` behind it."""
    made = Printer(Console(file=terminal), most)
    made.print(Text("0"))
    assert terminal.stuck.wait(10)
    return made


def test_everything_is_printed_in_order_before_the_end() -> None:
    terminal = Terminal()
    made = printer(terminal, 10)
    for number in range(1, 5):
        made.print(Text(f"{number} [red]"))
    terminal.free.set()
    assert made.end(10)
    assert terminal.getvalue() == "0\n1 [red]\n2 [red]\n3 [red]\n4 [red]\n"


def test_what_there_is_no_room_for_is_counted() -> None:
    terminal = Terminal()
    made = printer(terminal, 2)
    for number in range(1, 6):
        made.print(Text(str(number)))
    terminal.free.set()
    assert made.end(10)
    assert (
        terminal.getvalue()
        == "0\n1\n2\n(3 lines left out: they came faster than they could be shown)\n"
    )


def test_the_count_stands_where_the_lines_would_have_stood() -> None:
    terminal = Terminal()
    made = printer(terminal, 1)
    made.print(Text("1"))
    made.print(Text("lost"))
    terminal.free.set()
    while "left out" not in terminal.getvalue():
        made.print(Text("later"))
    assert made.end(10)
    assert terminal.getvalue().startswith("0\n1\n(")


def test_a_terminal_that_takes_nothing_is_not_waited_for() -> None:
    terminal = Terminal()
    made = printer(terminal, 1)
    made.print(Text("1"))
    assert not made.end(0.01)
    terminal.free.set()
    assert made.end(10)


def test_a_terminal_that_breaks_stops_nothing() -> None:
    terminal = Terminal(broken=True)
    made = printer(terminal, 2)
    made.print(Text("1"))
    terminal.free.set()
    assert made.end(10)
