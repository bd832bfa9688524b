"""Scripts: which turn answers what."""

from __future__ import annotations

from rejoinder.server.engines import ScriptedVoice
from rejoinder.server.script import Call, Prompt, Script, Speech, Text, Turn, after_tool
from rejoinder.wire.items import Item


def typed(text: str) -> Prompt:
    return Prompt(kind="text", text=text, number=1)


def answer(voice: ScriptedVoice, prompt: Prompt, item_id: str | None = None) -> object:
    answered = Item(type="message", id=item_id) if item_id else None
    reply, _ = voice.reply(prompt, answered)
    return reply


def test_turns_are_used_once_and_in_order() -> None:
    voice = ScriptedVoice(
        Script(
            Turn("weather", Text("Sunny.")),
            Turn("weather", Text("Still sunny.")),
            otherwise=Turn(None, Text("Pardon?")),
        )
    )
    asked = ["Time?", "The WEATHER please", "weather", "weather"]
    answers = [answer(voice, typed(text)) for text in asked]
    assert answers == [
        (Text("Pardon?"),),
        (Text("Sunny."),),
        (Text("Still sunny."),),
        (Text("Pardon?"),),
    ]


def test_a_turn_without_a_question_answers_anything_but_a_tool() -> None:
    voice = ScriptedVoice(Script(Turn(None, Text("Yes.")), Turn(after_tool("f"), Text("Done."))))
    prompt = Prompt(kind="tool", text="", number=1, tool_outputs={"f": "1"})
    assert answer(voice, prompt) == (Text("Done."),)
    assert answer(voice, Prompt(kind="nothing", text="", number=2)) == (Text("Yes."),)


def test_what_was_said_belongs_to_its_item() -> None:
    voice = ScriptedVoice(
        Script(
            Turn(after_tool("f"), Text("never")),
            Turn("First words.", Text("One.")),
            Turn(None, Call("f")),
        )
    )
    assert [voice.transcribe(name) for name in ("a", "b", "c")] == ["First words.", "", ""]
    spoken = Prompt(kind="speech", text="", number=1)
    assert answer(voice, spoken, "b") == (Call("f"),)
    assert answer(voice, spoken, "a") == (Text("One."),)
    assert answer(voice, spoken, "a") == (Text("One."),)
    assert answer(voice, spoken, "c") != (Text("never"),)


def test_how_long_it_thinks_is_the_turns() -> None:
    voice = ScriptedVoice(Script(Turn(None, Text("Hm."), thinking=2.0)))
    assert voice.reply(typed("x"), None) == ((Text("Hm."),), 2.0)


def test_an_echo_of_many_words_is_short() -> None:
    voice = ScriptedVoice(Script())
    assert answer(voice, typed("x" * 200)) == (Speech(f"You said: {'x' * 200}"),)
    assert answer(voice, typed("x" * 60_000)) == (Speech(f"You said: {'x' * 200}…"),)
    tool = Prompt(kind="tool", text="", number=1, tool_outputs={"f": "1", "g": "y" * 60_000})
    assert answer(voice, tool) == (Speech(f"f says 1; g says {'y' * 183}…."),)
