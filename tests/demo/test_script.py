"""The demo's script: who comes back on another connection finds it where it was."""

from __future__ import annotations

from rejoinder.demo.script import ANSWERS, FORGOTTEN, QUESTIONS, demo_script
from rejoinder.server.script import Prompt, Speech
from rejoinder.wire.items import ContentPart, Item


def last_answer(*items: Item) -> str:
    reply = demo_script().turns[-1].reply(Prompt("speech", QUESTIONS[-1], 1, items))
    assert isinstance(reply, tuple)
    [answer] = reply
    assert isinstance(answer, Speech)
    return answer.transcript


def user(part: ContentPart) -> Item:
    return Item(type="message", role="user", content=[part])


def test_only_who_was_told_of_the_first_question_remembers_it() -> None:
    assert last_answer() == FORGOTTEN
    assert last_answer(user(ContentPart(type="input_audio"))) == FORGOTTEN
    said = ContentPart(type="input_audio", transcript=QUESTIONS[0])
    told = ContentPart(type="input_text", text=QUESTIONS[0])
    assert last_answer(user(said)) == last_answer(user(told)) == ANSWERS[-1]


def test_a_turn_that_was_answered_is_not_there_any_more() -> None:
    script = demo_script()
    asked = [turn.asked for turn in script.turns]
    script.turns[0].reply(Prompt("speech", QUESTIONS[0], 1))
    assert [turn.asked for turn in script.turns] == asked[1:]
