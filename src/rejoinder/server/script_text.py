"""The text of a script file, understood. The format is described in docs/server.md.

::

    - user: What time is it?
      says: It is noon.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from rejoinder.errors import ConfigurationError
from rejoinder.server.conversation import MAX_ID_LENGTH
from rejoinder.server.core import LEAST, MOST
from rejoinder.server.faults.catalogue import fault
from rejoinder.server.faults.handshake import AnyFault
from rejoinder.server.notation import Page, Value
from rejoinder.server.script import PACE, Call, Pause, Refuse, Stop, Text
from rejoinder.server.script_plan import (
    ESPEAK,
    HUM,
    Conditions,
    Line,
    Planned,
    PlannedTurn,
    ScriptPlan,
)
from rejoinder.wire.response import ErrorBody

THINKING = 0.05
_LONGEST_LINE = 3600.0
"""Seconds of humming, all of which are in memory at once."""

_CONDITIONS = ("user", "after", "output", "instructions", "metadata", "out_of_band")
_ANSWERS = ("says", "writes", "calls", "refuses", "does")
_STEPS = ("says", "writes", "calls", "pause", "stops")
_OF_A_LINE = ("wav", "voice", "pace", "lasting")
_DETAILS = (*_OF_A_LINE, "call_id")
_MANNER = ("thinking", "voice", "pace")
_TERMS = ("lifetime", "transcribing", "ping")
_TURN = (*_CONDITIONS, *_ANSWERS, "stops", "thinking", *_DETAILS)
_OTHERWISE = tuple(key for key in _TURN if key not in _CONDITIONS)
_FILE = ("turns", "otherwise", "faults", *_MANNER, *_TERMS)
_REASONS = ("max_output_tokens", "content_filter")

_VOICE = re.compile(rf"{HUM}|{ESPEAK}(:[A-Za-z0-9][A-Za-z0-9_+-]*)?")

Members: TypeAlias = dict[str, Value]


class _Manner(msgspec.Struct, frozen=True):
    """How lines are said unless they say otherwise."""

    thinking: float = THINKING
    voice: str = HUM
    pace: float = PACE


def read(page: Page, text: str) -> ScriptPlan:
    """What a file says. What is wrong with it is noted on the ``page``; the plan then lacks it."""
    root = page.root(text)
    return ScriptPlan() if root is None else _Reader(page).file(root)


class _Reader:
    """Reads one page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def file(self, root: Value) -> ScriptPlan:
        if root.is_list:  # the short form: nothing but turns
            return ScriptPlan(self._turns(root, _Manner()))
        given = self._page.members(root, _FILE, "a script")
        manner = self._manner(given, _Manner())
        otherwise = given.get("otherwise")
        return ScriptPlan(
            turns=self._turns(given["turns"], manner) if "turns" in given else (),
            otherwise=None if otherwise is None else self._otherwise(otherwise, manner),
            faults=self._faults(given["faults"]) if "faults" in given else (),
            terms={name: self._seconds(given[name]) for name in _TERMS if name in given},
        )

    def _seconds(self, value: Value) -> float:
        return self._page.number(value, least=LEAST[value.name], most=MOST)

    def _manner(self, given: Members, manner: _Manner) -> _Manner:
        changes: dict[str, Any] = {}
        if "thinking" in given:
            changes["thinking"] = self._page.number(given["thinking"])
        if "voice" in given:
            changes["voice"] = self._voice(given["voice"])
        if "pace" in given:
            changes["pace"] = self._page.number(given["pace"], above=True)
        return msgspec.structs.replace(manner, **changes)

    def _voice(self, value: Value) -> str:
        voice = self._page.text(value)
        if voice and not _VOICE.fullmatch(voice):
            why = f"no such voice: {voice!r}; say {HUM}, {ESPEAK}, or {ESPEAK}:en-gb and the like"
            self._page.wrong(value.line, why)
        return voice

    def _faults(self, value: Value) -> tuple[AnyFault, ...]:
        faults = []
        for item in self._page.items(value, "a fault"):
            named = self._page.text(item)
            try:
                faults += [fault(named)] if named else []
            except ConfigurationError as error:
                self._page.wrong(item.line, error.message)
        return tuple(faults)

    # -- turns --

    def _turns(self, value: Value, manner: _Manner) -> tuple[PlannedTurn, ...]:
        return tuple(self._turn(item, manner) for item in self._page.items(value, "a turn"))

    def _turn(self, value: Value, manner: _Manner) -> PlannedTurn:
        given = self._page.members(value, _TURN, "a turn")
        return self._planned(value, given, self._conditions(given), manner)

    def _otherwise(self, value: Value, manner: _Manner) -> PlannedTurn:
        given = self._page.members(value, _OTHERWISE, "'otherwise'")
        return self._planned(value, given, Conditions(), manner)

    def _planned(
        self, value: Value, given: Members, conditions: Conditions, manner: _Manner
    ) -> PlannedTurn:
        manner = self._manner(given, manner)
        outputs = self._answer(value, given, manner) if value.is_mapping else ()
        return PlannedTurn(conditions, outputs, manner.thinking)

    def _conditions(self, given: Members) -> Conditions:
        words = ("user", "after", "output", "instructions")
        said: dict[str, Any] = {
            name: self._page.text(given[name]) for name in words if name in given
        }
        if "metadata" in given:
            said["metadata"] = self._metadata(given["metadata"])
        if "out_of_band" in given:
            said["out_of_band"] = self._page.flag(given["out_of_band"])
        if "user" in said and len(said) > 1:
            why = "'user' stands alone: what is heard takes its turn by its place"
            self._page.wrong(given["user"].line, why)
        if "output" in said and "after" not in said:
            self._page.wrong(given["output"].line, "'output' goes with 'after'")
        return Conditions(**said)

    def _metadata(self, value: Value) -> dict[str, str]:
        pairs = self._page.pairs(value).items()
        return {name: self._page.text(member) for name, member in pairs}

    # -- answers --

    def _answer(self, value: Value, given: Members, manner: _Manner) -> tuple[Planned, ...]:
        ways = [name for name in _ANSWERS if name in given]
        if len(ways) > 1:
            named = " and ".join(f"'{way}'" for way in ways)
            why = f"more than one way to answer: {named}; put what comes in turn under 'does'"
            self._page.wrong(given[ways[1]].line, why)
        elif not ways and "stops" not in given and len(given) == len(value.node.value):
            why = f"{value.name} without an answer: say one of {', '.join(_ANSWERS)}, stops"
            self._page.wrong(value.line, why)
        if "refuses" in given:
            return self._refusal(given)
        if "does" in given:
            return self._steps(given, manner)
        self._check_details(given)
        return self._outputs(given, manner)

    def _refusal(self, given: Members) -> tuple[Planned, ...]:
        """No response, so nothing of one."""
        for name in ("stops", "thinking", *_DETAILS):
            if name in given:
                self._page.wrong(given[name].line, f"{name!r} does not go with 'refuses'")
        return (self._refuse(given["refuses"]),)

    def _steps(self, given: Members, manner: _Manner) -> tuple[Planned, ...]:
        """Outputs in turn. The turn's own voice and pace are those of its lines."""
        page, outputs = self._page, list[Planned]()
        own = [name for name in ("wav", "lasting", "call_id", "stops") if name in given]
        for name in own:
            page.wrong(given[name].line, f"{name!r} belongs to one of the steps under 'does'")
        for item in page.items(given["does"], "a step of 'does'"):
            if outputs and isinstance(outputs[-1], Stop):
                page.wrong(item.line, "nothing can follow 'stops': it ends the response")
            outputs += self._step(item, manner)
        return tuple(outputs)

    def _step(self, item: Value, manner: _Manner) -> tuple[Planned, ...]:
        given = self._page.members(item, (*_STEPS, *_DETAILS), item.name)
        ways = [name for name in _STEPS if name in given]
        if item.is_mapping and len(ways) != 1:
            said = " and ".join(f"'{way}'" for way in ways) or "none"
            why = f"{item.name} says one of {', '.join(_STEPS)}, not {said}"
            self._page.wrong(item.line, why)
        self._check_details(given)
        return self._outputs(given, self._manner(given, manner))

    def _check_details(self, given: Members) -> None:
        """Whether what is said beside the answer has to do with it."""
        alone = [(name, "'says'") for name in _OF_A_LINE if "says" not in given]
        alone += [("call_id", "'calls'")] if "calls" not in given else []
        for name, companion in alone:
            if name in given:
                self._page.wrong(given[name].line, f"{name!r} goes with {companion}")
        if "wav" in given:
            for name in ("voice", "lasting"):
                if name in given:
                    why = f"{name!r} goes with a line that has no 'wav'"
                    self._page.wrong(given[name].line, why)

    def _outputs(self, given: Members, manner: _Manner) -> tuple[Planned, ...]:
        makers: dict[str, Callable[[], Planned]] = {
            "says": lambda: self._line(given, manner),
            "writes": lambda: Text(self._page.text(given["writes"])),
            "calls": lambda: self._call(given),
            "pause": lambda: Pause(self._page.number(given["pause"])),
            "stops": lambda: self._stop(given["stops"]),
        }
        return tuple(make() for name, make in makers.items() if name in given)

    def _line(self, given: Members, manner: _Manner) -> Line:
        page = self._page
        lasting = None
        if "lasting" in given:
            lasting = page.number(given["lasting"], above=True, most=_LONGEST_LINE)
        wav = page.text(given["wav"]) if "wav" in given else None
        says = given["says"]
        if lasting is not None and manner.voice != HUM:
            page.wrong(given["lasting"].line, f"'lasting' is for a hummed line (voice: {HUM})")
        voice = HUM if wav is not None else manner.voice
        return Line(page.text(says), says.line, wav or None, voice, manner.pace, lasting)

    def _call(self, given: Members) -> Call:
        page, calls = self._page, given["calls"]
        call_id = self._call_id(given["call_id"]) if "call_id" in given else None
        if not calls.is_mapping:
            return Call(page.text(calls), {}, call_id)
        pairs = list(page.pairs(calls).items())
        if len(pairs) != 1:
            why = "'calls' names one function; each of several is a step under 'does'"
            page.wrong(calls.line, why)
        name, arguments = pairs[0] if pairs else ("", calls)
        return Call(name, self._arguments(arguments), call_id)

    def _call_id(self, value: Value) -> str:
        """The client names it in its output, and no longer id is taken from a client."""
        call_id = self._page.text(value)
        if len(call_id) > MAX_ID_LENGTH:
            why = f"'call_id' must be text of at most {MAX_ID_LENGTH} characters"
            self._page.wrong(value.line, f"{why}, not of {len(call_id)}")
        return call_id

    def _arguments(self, value: Value) -> dict[str, Any] | str:
        """An object, or, as text, the very words to send, JSON or not."""
        if value.is_mapping:
            arguments: dict[str, Any] = self._page.data(value)
            return arguments
        return {} if value.is_null else self._page.text(value)

    # -- ends --

    def _stop(self, value: Value) -> Stop:
        if not value.is_mapping:
            reason = self._page.text(value)
            if reason == "failed":
                return Stop("failed", error=ErrorBody(type="server_error", message=_FAILED))
            if reason and reason not in _REASONS:
                why = f"a response stops by {', '.join(_REASONS)} or failed, not by {reason!r}"
                self._page.wrong(value.line, why)
            return Stop("incomplete", reason)
        given = self._page.members(value, ("failed",), "'stops'")
        if "failed" not in given:
            self._page.wrong(value.line, "'stops' says why: failed, with a code and a message")
            return Stop("failed")
        return Stop("failed", error=self._error(given["failed"]))

    def _error(self, value: Value) -> ErrorBody:
        given = self._page.members(value, ("type", "code", "message"), "'failed'")
        said = {name: self._page.text(member) for name, member in given.items()}
        return ErrorBody(**{"type": "server_error", "message": _FAILED, **said})

    def _refuse(self, value: Value) -> Refuse:
        if not value.is_mapping:
            return Refuse(self._page.text(value), _REFUSED)
        given = self._page.members(value, ("code", "message"), "'refuses'")
        said = {name: self._page.text(member) for name, member in given.items()}
        if "code" not in said:
            self._page.wrong(value.line, "'refuses' without a 'code'")
        return Refuse(**{"code": "", "message": _REFUSED, **said})


_FAILED = "The server had an error while processing your request."
_REFUSED = "The script refuses this response."
