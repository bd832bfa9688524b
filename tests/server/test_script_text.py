"""Script files as text: what they mean, and what is said of a wrong one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rejoinder.errors import ConfigurationError
from rejoinder.server.core import Terms
from rejoinder.server.engines import ScriptedVoice
from rejoinder.server.faults.catalogue import fault
from rejoinder.server.notation import Page
from rejoinder.server.script import Call, Output, Pause, Prompt, Refuse, Reply, Speech, Stop, Text
from rejoinder.server.script_plan import Line, ScriptFile
from rejoinder.server.script_text import read
from rejoinder.wire.response import ErrorBody

ROOT = Path(__file__).parents[2]


def script(text: str) -> ScriptFile:
    page = Page("shop.yaml")
    plan = read(page, text)
    page.finish()
    return plan.spoken({line: line.words.encode() for line in plan.lines()})


def outputs(text: str) -> tuple[Output, ...]:
    reply = script(text).script.turns[0].reply(Prompt(kind="text", text="", number=1))
    assert isinstance(reply, tuple)
    return reply


def wrong(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        script(text)
    return refused.value.message.splitlines()


def answer(voice: ScriptedVoice, kind: str, text: str = "", **asked: object) -> Reply:
    prompt = Prompt(kind=kind, text=text, number=1, **asked)  # type: ignore[arg-type]
    return voice.reply(prompt, None)[0]


def test_a_turn_is_two_lines() -> None:
    voice = ScriptedVoice(
        script("- user: What time is it?\n  says: It is noon.\n- says: Hello.\n").script
    )
    assert answer(voice, "nothing") == (Speech("Hello."),)
    assert voice.transcribe("item_1") == "What time is it?"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("says: Yes", (Speech("Yes"),)),
        ("says: 12:30", (Speech("12:30"),)),
        ("says: Hm\n  pace: 1\n  lasting: 4.5", (Speech("Hm", pace=1.0, lasting=4.5),)),
        ("says: Hm\n  pace: 1e3", (Speech("Hm", pace=1000.0),)),
        ("says: 1e3", (Speech("1e3"),)),
        ("writes: 2024-01-01", (Text("2024-01-01"),)),
        ("calls: f", (Call("f"),)),
        ("calls: {f: }", (Call("f"),)),
        ("calls: {f: '{oops'}", (Call("f", "{oops"),)),
        (
            "calls: {f: {a: [1, 2.5, 1e3, null, true, 2024-01-01, 12:30]}}\n  call_id: c1",
            (Call("f", {"a": [1, 2.5, 1000.0, None, True, "2024-01-01", "12:30"]}, "c1"),),
        ),
        ("does: []", ()),
        (
            "does: [says: One, pause: 0.5, writes: Two, stops: content_filter]",
            (
                Speech("One"),
                Pause(0.5),
                Text("Two"),
                Stop("incomplete", "content_filter"),
            ),
        ),
        ("stops: max_output_tokens", (Stop("incomplete", "max_output_tokens"),)),
        ("says: One\n  stops: content_filter", (Speech("One"), Stop(reason="content_filter"))),
        (
            "stops: {failed: {type: t, code: c, message: m}}",
            (Stop("failed", error=ErrorBody(type="t", code="c", message="m")),),
        ),
    ],
)
def test_what_a_turn_answers_with(text: str, made: tuple[Output, ...]) -> None:
    assert outputs(f"- user: x\n  {text}\n") == made


def test_a_failure_has_words_of_its_own_if_none_are_given() -> None:
    for text in ("- stops: failed", "- stops: {failed: {}}"):
        (stop,) = outputs(text)
        assert isinstance(stop, Stop)
        assert stop.error is not None
        assert (stop.status, stop.error.type) == ("failed", "server_error")
        assert stop.error.message


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("invalid_value", "invalid_value", "The script refuses this response."),
        ("{code: busy, message: Not now.}", "busy", "Not now."),
    ],
)
def test_a_turn_may_refuse(text: str, code: str, message: str) -> None:
    voice = ScriptedVoice(script(f"- refuses: {text}").script)
    assert answer(voice, "text") == Refuse(code, message)


def test_conditions_must_all_hold() -> None:
    voice = ScriptedVoice(
        script(
            """
            - {after: weather, output: RAIN, says: Wet.}
            - {after: weather, says: Dry.}
            - {instructions: Greet, says: Morning.}
            - {metadata: {topic: sum, n: 1}, out_of_band: true, writes: Sum.}
            - {out_of_band: false, says: Inside.}
            """
        ).script
    )
    summary = {"topic": "sum", "n": "1", "more": "x"}
    assert answer(voice, "text", metadata=summary) == (Speech("Inside."),)
    assert answer(voice, "text", metadata=summary, out_of_band=True) == (Text("Sum."),)
    assert answer(voice, "tool", tool_outputs={"weather": "sun"}) == (Speech("Dry."),)
    assert answer(voice, "tool", tool_outputs={"weather": "rain"}) == (Speech("Wet."),)
    assert answer(voice, "nothing", instructions="please greet them") == (Speech("Morning."),)


def test_what_is_said_at_the_top_holds_for_all_that_do_not_say_otherwise() -> None:
    told = script(
        """
        thinking: 1
        pace: 2
        voice: espeak-ng
        lifetime: 60
        transcribing: 0
        ping: 5
        faults: [abort, response-error@delta:2]
        turns:
          - says: a
          - {says: b, thinking: 0, pace: 3, voice: hum}
          - {thinking: 4, voice: "espeak-ng:de+f3", does: [{says: c}, {says: d, voice: hum, pace: 9}]}
          - {says: e, wav: e.wav}
        otherwise: {says: f, thinking: 2}
        """
    )
    turns = [*told.script.turns, told.script.otherwise]
    assert [turn.thinking for turn in turns] == [1, 0, 4, 1, 2]
    asked = Prompt(kind="text", text="", number=1)
    assert [turn.reply(asked) for turn in turns] == [
        (Speech("a", b"a", 2),),
        (Speech("b", None, 3),),
        (Speech("c", b"c", 2), Speech("d", None, 9)),
        (Speech("e", b"e", 2),),
        (Speech("f", b"f", 2),),
    ]
    assert told.terms == Terms(lifetime=60, transcribing=0, ping=5)
    assert told.faults == (fault("abort"), fault("response-error@delta:2"))


def test_a_line_without_voice_or_recording_needs_no_sound() -> None:
    plan = read(
        Page("x"), "- {says: a}\n- {says: b, wav: b.wav}\n- {does: [{says: c}, pause: 1]}\n"
    )
    assert list(plan.lines()) == [Line("b", 2, wav="b.wav")]


def test_a_script_without_turns_echoes() -> None:
    told = script("faults: [abort]").script
    assert answer(ScriptedVoice(told), "text", "Hi") == (Speech("You said: Hi"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1: the file is empty"),
        ("# only a comment\n", "1: the file is empty"),
        ("hello", "1: the file must be a mapping (key: value), not 'hello'"),
        ("turns:", "1: 'turns' must be a list, not nothing"),
        ("turns: {a: 1}", "1: 'turns' must be a list, not a mapping"),
        ("- 7", "1: a turn must be a mapping (key: value), not '7'"),
        ("- user: x\n  say: y", "2: unknown key 'say' in a turn; did you mean 'says'?"),
        ("otherwise: {user: x, says: y}", "1: unknown key 'user' in 'otherwise'"),
        ("- user: x", "1: a turn without an answer: say one of"),
        ("- {}", "1: a turn without an answer: say one of"),
        ("otherwise: {}", "1: otherwise without an answer: say one of"),
        ("- user: [x]\n  says: y", "1: 'user' must be text, not a list"),
        ("- user: x\n  says:", "2: 'says' must be text, not nothing"),
        ("- user: x\n  user: z\n  says: y", "2: the key 'user' stands in line 1 already"),
        ("- calls: {f: {a: 1, a: 2}}", "1: the key 'a' stands in line 1 already"),
        ("- ? [a]\n  : b\n  says: y", "1: a key must be a word"),
        ("- says: a\n  calls: b", "2: more than one way to answer: 'says' and 'calls'; put"),
        ("- user: x\n  after: f\n  says: y", "1: 'user' stands alone"),
        ("- output: x\n  says: y", "1: 'output' goes with 'after'"),
        ("- metadata: x\n  says: y", "1: 'metadata' must be a mapping (key: value), not 'x'"),
        ("- metadata: {a: {}}\n  says: y", "1: 'a' must be text, not a mapping"),
        ("- out_of_band: 1\n  says: y", "1: 'out_of_band' must be true or false, not '1'"),
        ("- says: y\n  pace: 0", "2: 'pace' must be a number above 0, not '0'"),
        ("- says: y\n  pace: fast", "2: 'pace' must be a number above 0, not 'fast'"),
        ("- says: y\n  lasting: .inf", "2: 'lasting' must be"),
        ("- says: y\n  lasting: -1", "2: 'lasting' must be a number above 0, not '-1'"),
        ("- says: y\n  thinking: -1", "2: 'thinking' must be a number of at least 0, not '-1'"),
        ("- says: y\n  thinking: 0b_", "2: 'thinking' must be a number of at least 0, not '0b_'"),
        ("- says: y\n  lasting: 1:30", "2: 'lasting' must be a number above 0, not '1:30'"),
        ("- says: y\n  lasting: 1:30.5", "2: 'lasting' must be a number above 0, not '1:30.5'"),
        ("- says: y\n  lasting: 3601", "2: 'lasting' must be a number of at most 3600, not '3601'"),
        ("- says: y\n  pace: 1e10", "2: 'pace' must be a number of at most 1e+09, not '1e10'"),
        (f"lifetime: {'9' * 400}", "1: 'lifetime' must be a number of at least 0.001, not '999"),
        ("lifetime: 1e300", "1: 'lifetime' must be a number of at most 1e+09, not '1e300'"),
        ("- says: y\n  voice: alto", "2: no such voice: 'alto'; say hum, espeak-ng, or"),
        ("- says: y\n  voice: [a]", "2: 'voice' must be text, not a list"),
        ("voice: espeak-ng\nturns: [{says: y, lasting: 2}]", "2: 'lasting' is for a hummed line"),
        ("- says: y\n  wav: y.wav\n  voice: hum", "3: 'voice' goes with a line that has no 'wav'"),
        ("- says: y\n  wav: y.wav\n  lasting: 3", "3: 'lasting' goes with a line that has no"),
        ("- writes: y\n  wav: y.wav", "2: 'wav' goes with 'says'"),
        ("- says: y\n  call_id: c", "2: 'call_id' goes with 'calls'"),
        ("- calls: {f: 1, g: 2}", "1: 'calls' names one function"),
        ("- calls: {}", "1: 'calls' names one function"),
        ("- calls: {f: {n: .nan}}", "1: 'n' must be something that JSON can say, not '.nan'"),
        ("- calls: {f: {n: 0b_}}", "1: 'n' must be something that JSON can say, not '0b_'"),
        ("- calls: {f: [1]}", "1: 'f' must be text, not a list"),
        ("- does: hum", "1: 'does' must be a list, not 'hum'"),
        ("- does: [x]", "1: a step of 'does' must be a mapping (key: value), not 'x'"),
        ("- does: [{says: a, writes: b}]", "1: a step of 'does' says one of says, writes, calls"),
        ("- does: [{}]", "1: a step of 'does' says one of says, writes, calls, pause, stops, not"),
        ("- does: [stops: failed, says: x]", "1: nothing can follow 'stops'"),
        ("- does: [pause: long]", "1: 'pause' must be a number of at least 0, not 'long'"),
        ("- does: [says: x]\n  stops: failed", "2: 'stops' belongs to one of the steps"),
        ("- stops: boredom", "1: a response stops by max_output_tokens, content_filter or failed"),
        ("- stops: {}", "1: 'stops' says why: failed, with a code and a message"),
        ("- stops: [x]", "1: 'stops' must be text, not a list"),
        ("- refuses: {message: x}", "1: 'refuses' without a 'code'"),
        ("- refuses: c\n  thinking: 2", "2: 'thinking' does not go with 'refuses'"),
        ("faults: [mischief]", "1: no such fault: 'mischief'"),
        ("faults: [[abort]]", "1: a fault must be text, not a list"),
        ("faults: [abort@x]", "1: no such point: 'x'"),
        ("faults: [abort@delta:1234567890]", "1: no such point: 'delta:1234567890'"),
        ("faults: ['abort#1234567890']", "1: no such fault: 'abort#1234567890'"),
        ("faults: [close-1234567890]", "1: no such fault: 'close-1234567890'"),
        ("faults: [pause-1234567890]", "1: no such fault: 'pause-1234567890'"),
        ("lifetime: 0", "1: 'lifetime' must be a number of at least 0.001, not '0'"),
        ("ping: 1.0e-300", "1: 'ping' must be a number of at least 0.1, not '1.0e-300'"),
        ("transcribing: -1", "1: 'transcribing' must be a number of at least 0, not '-1'"),
        (
            f"- calls: f\n  call_id: {'x' * 33}",
            "2: 'call_id' must be text of at most 32 characters",
        ),
        ('- user: x\n  says: "\\ud800"', "2: a script has no halves of characters ('\\ud800')"),
        ('- calls: {f: {"\\udc00": 1}}', "1: a script has no halves of characters ('\\udc00')"),
        ('- user: "a\\x85\x85b\u2028c"\n  say: y', "2: unknown key 'say'"),
        ("a: b\n\tc: d", "2: not YAML: found character"),
        ("- user: x\n  says: [a", "2: not YAML: expected"),
        ("- says: a\n---\n- says: b", "2: not YAML: but found another document"),
        ("- says: a\n- says: \x01", "2: not YAML: the character '\\x01' is not allowed"),
        ("- says: &a x\n- says: *a", "2: a script has no aliases (*name): write out"),
        ("- says: !!str x", "1: a script has no tags (tag:yaml.org,2002:str): leave it out"),
        ("[" * 5000, "1: nested too deeply"),
    ],
)
def test_a_wrong_script_is_refused_with_line_and_reason(text: str, why: str) -> None:
    first, *_ = wrong(text)
    assert first.startswith(f"shop.yaml:{why}")


def test_everything_that_is_wrong_is_said_once_and_in_order() -> None:
    told = wrong("faults: [mischief]\nturns:\n  - {says: a, pace: x}\n  - {say: b}\nping: no\n")
    assert [line.split(": ")[0] for line in told] == [f"shop.yaml:{n}" for n in (1, 3, 4, 5)]


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "0b_", "9" * 400, "9" * 5000])
def test_a_number_that_is_none_is_told_of_once(number: str) -> None:
    assert len(wrong(f"- user: x\n  says: y\n  pace: {number}")) == 1


def test_the_example_of_the_documentation_is_a_script() -> None:
    page = (ROOT / "docs" / "server.md").read_text("utf-8")
    (example,) = re.findall(r"<!-- example:begin -->\n```yaml\n(.*?)```", page, re.DOTALL)
    told = script(example)
    assert len(told.script.turns) == 9
    assert len(told.faults) == 2
    keys = set(re.findall(r"^\| `(\w+)[`:]", page, re.MULTILINE))
    unused = {key for key in keys if not re.search(rf"\b{key}:", example)}
    assert not unused, "the example shows every key"


def test_every_script_of_the_documentation_is_one() -> None:
    page = (ROOT / "docs" / "server.md").read_text("utf-8")
    for example in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        script(example)
