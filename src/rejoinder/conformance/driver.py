"""What the matrix asks of a client, and what it gets to hear.

A driver uses its client exactly as the client's own documents tell its users to. It adds no deadline,
no repair and no second attempt: what its user would see is what the matrix is to show. So a driver whose
client gives no sign waits for ever, and is right to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

COMPLETE = "complete"
"""The client said that the reply is over, and nothing else."""
CUT = "cut"
"""The client said that the reply is not a whole one: cancelled, interrupted, incomplete."""
ERROR = "error"
"""The client raised, or told of a failure."""


class Heard(msgspec.Struct, frozen=True):
    """How one reply reached the user of a client.

    ``said``: the words delivered, transcript or text. ``audio``: the seconds of sound delivered.
    ``end``: `COMPLETE`, `CUT` or `ERROR`. ``why``: the client's own words on that. ``beside``: a failure
    told meanwhile of which the client does not say whether it concerns this reply. ``lag``: seconds that
    the driver listened on after the end, in case that a failure was told a moment later.
    """

    said: str = ""
    audio: float = 0.0
    end: str = COMPLETE
    why: str = ""
    beside: str = ""
    lag: float = 0.0


class Driver(Protocol):
    """One client, connected to one server. Each method may wait for ever; the cell is bounded.

    ``can``: which of `ABILITIES` the client offers to its users.
    """

    can: frozenset[str]

    async def open(self) -> None:
        """Connects, or begins to. Raises what the client raises."""

    async def ask(self, question: str) -> Heard:
        """Asks for a spoken reply to ``question``, typed or as its instructions, and hears it out."""

    async def speak(self, samples: bytes) -> Heard:
        """The user speaks (PCM16, 24 kHz, mono, silence after it included), and the server replies."""

    async def use_tool(self, question: str) -> Heard:
        """Asks, answers the call of `TOOL` with `TOOL_OUTPUT`, and hears the last reply out."""

    async def cut(self, question: str) -> Heard:
        """Asks, and interrupts the reply after its first sound."""

    async def instruct(self, instructions: str) -> Heard | None:
        """Changes the session's instructions. Returns when the client says that they are in force, or
        gives up telling; a failure told without a name goes into `Heard.beside`."""

    async def close(self) -> None:
        """Closes the client."""


ABILITIES = frozenset({"ask", "speak", "tool", "cut", "pair", "edit"})
"""``pair``: `ask` may be called again while another runs. ``edit``: `instruct`."""

TOOL = "look_up_weather"
"""The one tool, with one argument ``city``. The drivers offer it; what it does is `TOOL_OUTPUT`."""
TOOL_OUTPUT = "dry, 23 degrees"

Maker: TypeAlias = Callable[[str], Driver]
"""Makes a driver from the server's base URL (``ws://127.0.0.1:8000/v1``)."""
