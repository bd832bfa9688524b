"""What is asked of a client while a fault strikes: the lines of both sides, and the acts in order.

Every reply is unmistakable, so that a word in the wrong one shows.
"""

from __future__ import annotations

import msgspec

from rejoinder.conformance.driver import TOOL
from rejoinder.server.audio import SPEECH, tone
from rejoinder.server.script import Call, Output, Prompt, Script, Speech, Turn


class Line(msgspec.Struct, frozen=True):
    """A question, and the reply to it. ``pace``: how much faster than it sounds it is sent."""

    question: str
    reply: str
    pace: float = 10.0

    @property
    def seconds(self) -> float:
        """How long the reply sounds."""
        return len(self.reply) * _SECONDS_PER_CHARACTER


_SECONDS_PER_CHARACTER = 0.06
"""How long the server hums for a line that has no recording (`Speech`)."""

HOURS = Line(
    "When is the shop open?", "Nine until six, except on Sundays, when everything is shut."
)
SPOKEN = Line("Where is the shop?", "Between the old harbour and the fish market, on the left.")
WEATHER = Line(
    "How is the weather in Lisbon?", "Lisbon stays dry, with a light wind from the west."
)
STORY = Line(
    "Tell me a story.", "Once upon a time a keeper counted passing ships, and lost count.", 2.0
)
BAKER = Line("Who bakes the bread?", "Marta kneads it herself, long before anybody wakes up.")
PARKING = Line("May I park behind it?", "Parking costs nothing, our yard has room for twenty cars.")

LINES = (HOURS, SPOKEN, WEATHER, STORY, BAKER, PARKING)

SPEECH_SAMPLES = tone(1.2) + bytes(SPEECH.size(2500))
"""The user's voice: a hum that voice activity detection takes for a sentence, and silence after it,
longer than the patience of any turn detection."""


class Act(msgspec.Struct, frozen=True):
    """One thing asked of a client. ``verb``: a method of `Driver`."""

    verb: str
    line: Line | None = None


class Scenario(msgspec.Struct, frozen=True):
    """What happens between opening and the last question, `PARKING`, to which a reply is always asked.

    ``needs``: the ability without which a client has no such cell. ``before``: what happens before the
    fault is armed; without it, it is armed before the client connects. ``acts``: what it is to strike;
    ``together``: all at once.
    """

    name: str
    about: str
    needs: str
    acts: tuple[Act, ...]
    before: tuple[Act, ...] = ()
    together: bool = False


SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        Scenario("asked", "A spoken reply is asked for.", "ask", (Act("ask", HOURS),)),
        Scenario(
            "spoken", "The user speaks, and the server replies.", "speak", (Act("speak", SPOKEN),)
        ),
        Scenario(
            "tool",
            "A reply that calls a tool, and the reply to what the tool says.",
            "tool",
            (Act("use_tool", WEATHER),),
        ),
        Scenario(
            "cut", "A reply is interrupted in its midst by its user.", "cut", (Act("cut", STORY),)
        ),
        Scenario(
            "pair",
            "Two replies are asked for at the same time.",
            "pair",
            (Act("ask", HOURS), Act("ask", BAKER)),
            together=True,
        ),
        Scenario(
            "edit",
            "After a first reply the instructions are changed.",
            "edit",
            (Act("instruct"),),
            before=(Act("ask", HOURS),),
        ),
    )
}

INSTRUCTIONS = "Answer in one short sentence."
"""What `edit` makes of the instructions."""


def script() -> Script:
    """What the server says, however often it is asked."""
    return Script(Turn(SPOKEN.question, _reply), otherwise=Turn(None, _reply))


def _reply(prompt: Prompt) -> tuple[Output, ...]:
    """The reply to what is asked in the instructions of this response; else to a tool's output, else
    to what the user typed or said last."""
    line = _asked(prompt.instructions)
    if line is None and TOOL in prompt.tool_outputs:
        return (_speech(WEATHER),)
    line = line or _asked(prompt.text) or SPOKEN
    if line is WEATHER and not prompt.tool_outputs:
        return (Call(TOOL, {"city": "Lisbon"}),)
    return (_speech(line),)


def _asked(words: str) -> Line | None:
    return next((line for line in LINES if line.question in words), None)


def _speech(line: Line) -> Speech:
    return Speech(line.reply, pace=line.pace)
