"""The conversation of the demo: what the user asks, what the server answers, and what goes wrong.

The recordings beside this file are made by ``scripts/make_recordings.sh``.
"""

from __future__ import annotations

from importlib.resources import files

from rejoinder.server.faults.catalogue import fault
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.script import Call, Prompt, Reply, Script, Speech, Turn, after_tool
from rejoinder.server.sound import recorded

QUESTIONS = (
    "What are your opening hours?",
    "What is the weather in Lisbon today?",
    "Tell me about your return policy.",
    "Are you still there?",
    "Do you wrap presents?",
    "What did I ask you first?",
)
"""What ``question-1.wav`` to ``question-6.wav`` say."""

ANSWERS = (
    "We are open from nine to six, Monday to Saturday.",
    "It is sunny in Lisbon today, twenty three degrees.",
    "You can return anything within thirty days, as long as you still have the receipt.",
    "Yes, I am still here. How else can I help you?",
    "Yes, we do. Choose a paper at the counter, and we wrap it for you while you wait.",
    "You asked for our opening hours. We are open from nine to six.",
)
"""What ``answer-1.wav`` to ``answer-6.wav`` say."""

FORGOTTEN = "I am afraid that we have not spoken before."
"""The last answer of a server that was not told of the first question."""

WEATHER_TOOL = "look_up_weather"
"""The function that the second question calls, with a ``city``."""

_PACE = 3.0


class Once(Turn):
    """A turn that is used up for good, and not only for the connection that had it."""

    script: Script | None = None

    def reply(self, prompt: Prompt) -> Reply:
        """See `Turn.reply`."""
        if self.script is not None:
            self.script.turns = tuple(turn for turn in self.script.turns if turn is not self)
        return super().reply(prompt)


class Telephone(Script):
    """A script that goes on where it was: a caller who comes back on another connection finds the turns
    that are left."""

    def __init__(self, *turns: Once) -> None:
        super().__init__(*turns)
        for turn in turns:
            turn.script = self


def demo_script() -> Script:
    """Six spoken questions. The second takes a tool call; the last one's answer depends on what the server
    was told of the first."""
    opening_hours, weather, returns, still_there, wrapping, first = QUESTIONS
    return Telephone(
        Once(opening_hours, _answer(1)),
        Once(weather, Call(WEATHER_TOOL, {"city": "Lisbon"})),
        Once(after_tool(WEATHER_TOOL), _answer(2)),
        Once(returns, _answer(3)),
        Once(still_there, _answer(4)),
        Once(wrapping, _answer(5)),
        Once(first, _remembered),
    )


def demo_faults() -> tuple[AnyFault, ...]:
    """Two answers are cut half-way: the third, the fourth response of all, by an error; and the fifth, by a
    reset of the connection."""
    return (fault("response-error@delta:20#4"), fault("reset@delta:20#6"))


def recording(name: str) -> bytes:
    """The samples of one of the recordings (``question-1``): 24 kHz mono PCM16."""
    return recorded((files(__package__) / f"{name}.wav").read_bytes())


def _remembered(prompt: Prompt) -> Reply:
    """Who has not been told of the first question does not know it."""
    parts = (part for item in prompt.items for part in item.content or ())
    known = any(QUESTIONS[0] in (part.text, part.transcript) for part in parts)
    return (_answer(6) if known else Speech(FORGOTTEN),)


def _answer(number: int) -> Speech:
    return Speech(ANSWERS[number - 1], recording(f"answer-{number}"), pace=_PACE)
