"""The conversation of the demo: what the user asks, what the server answers, and what goes wrong.

The recordings beside this file are made by ``scripts/make_recordings.sh``.
"""

from __future__ import annotations

from importlib.resources import files

from rejoinder.server.faults.catalogue import fault
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.script import Call, Script, Speech, Turn, after_tool
from rejoinder.server.sound import recorded

QUESTIONS = (
    "What are your opening hours?",
    "What is the weather in Lisbon today?",
    "Tell me about your return policy.",
    "Are you still there?",
)
"""What ``question-1.wav`` to ``question-4.wav`` say."""

ANSWERS = (
    "We are open from nine to six, Monday to Saturday.",
    "It is sunny in Lisbon today, twenty three degrees.",
    "You can return anything within thirty days, as long as you still have the receipt.",
    "Yes, I am still here. How else can I help you?",
)
"""What ``answer-1.wav`` to ``answer-4.wav`` say."""

WEATHER_TOOL = "look_up_weather"
"""The function that the second question calls, with a ``city``."""

_PACE = 3.0


def demo_script() -> Script:
    """Four spoken questions: answered, answered after a tool call, answered, answered."""
    opening_hours, weather, returns, still_there = QUESTIONS
    return Script(
        Turn(opening_hours, _answer(1)),
        Turn(weather, Call(WEATHER_TOOL, {"city": "Lisbon"})),
        Turn(after_tool(WEATHER_TOOL), _answer(2)),
        Turn(returns, _answer(3)),
        Turn(still_there, _answer(4)),
    )


def demo_faults() -> tuple[AnyFault, ...]:
    """The answer to the third question, the fourth response of all, is cut half-way."""
    return (fault("response-error@delta:20#4"),)


def recording(name: str) -> bytes:
    """The samples of one of the recordings (``question-1``): 24 kHz mono PCM16."""
    return recorded((files(__package__) / f"{name}.wav").read_bytes())


def _answer(number: int) -> Speech:
    return Speech(ANSWERS[number - 1], recording(f"answer-{number}"), pace=_PACE)
