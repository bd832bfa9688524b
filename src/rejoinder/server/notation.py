"""YAML, read with its lines: what a file says, and everything that is wrong with it.

A `Page` gathers what is wrong instead of raising, so that whoever wrote it learns of all of it at once.
"""

from __future__ import annotations

import bisect
import difflib
import math
import re
from collections.abc import Collection
from typing import Any

import msgspec
import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rejoinder.errors import ConfigurationError

_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")
_HALF = re.compile("[\ud800-\udfff]")
_LONGEST = 60
"""Characters of a value that are shown when it is wrong."""
_NULL, _BOOL, _DATE = (f"{_TAG}{name}" for name in ("null", "bool", "timestamp"))


def _without_colons(tag: str, pattern: re.Pattern[str]) -> tuple[str, re.Pattern[str]]:
    """To YAML 1.1, ``1:30`` is ninety."""
    if tag not in _NUMBERS:
        return tag, pattern
    return tag, re.compile(rf"(?![^:]*:){pattern.pattern}", pattern.flags)


class _Loader(yaml.SafeLoader):
    """YAML without what makes a short file hard to read, or to send: aliases, tags, dates, sexagesimals."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class has it as a plain attribute, too
        first: [_without_colons(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _Strange(event.start_mark, "aliases (*name): write out what it stands for")
        if getattr(event, "tag", None) is not None:
            raise _Strange(event.start_mark, f"tags ({event.tag}): leave it out")
        half = _HALF.search(getattr(event, "value", ""))
        if half is not None:
            what = f"halves of characters ({half[0]!r}): write the whole one"
            raise _Strange(event.start_mark, what)
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    f"{_TAG}float",  # to YAML 1.1, 1e3 is a word
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    [*"-+0123456789"],
)


class _Strange(Exception):
    """Something of YAML that has no place in a script."""

    def __init__(self, mark: Any, what: str) -> None:
        super().__init__(f"a script has no {what}")
        self.mark = mark


class Value(msgspec.Struct, frozen=True):
    """Something that a page says: what it is called there, in which line (from 1), and what it is."""

    name: str
    line: int
    node: Node

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, SequenceNode)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, MappingNode)

    @property
    def is_null(self) -> bool:
        return self.node.tag == _NULL


class Page:
    """One file, and what is wrong with it so far. ``name`` stands before each line of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._wrong: list[tuple[int, str]] = []
        self._breaks: list[int] = []

    def wrong(self, line: int, why: str) -> None:
        """Something in this line cannot be used; 0: in none of them, but in the file as such."""
        self._wrong.append((line, why))

    def finish(self) -> None:
        """Raises `ConfigurationError` when anything was wrong: one line each, as they stand in the file."""
        if self._wrong:
            told = dict.fromkeys(sorted(self._wrong, key=lambda one: one[0]))
            places = (f"{self.name}:{line}" if line else self.name for line, _ in told)
            lines = (f"{place}: {why}" for place, (_, why) in zip(places, told, strict=True))
            raise ConfigurationError("\n".join(lines))

    def root(self, text: str) -> Value | None:
        """All that the page says; None when it says nothing or is not YAML."""
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        try:
            node = yaml.compose(text, Loader=_Loader)
        except _Strange as error:
            self.wrong(self._line(error.mark), str(error))
        except yaml.MarkedYAMLError as error:
            line = self._line(error.problem_mark) if error.problem_mark else 1
            said = (said for said in (error.problem, error.context) if said)
            self.wrong(line, f"not YAML: {', '.join(said)}")
        except yaml.reader.ReaderError as error:
            line = self._line_at(error.position)
            self.wrong(line, f"not YAML: the character {chr(error.character)!r} is not allowed")
        except RecursionError:
            self.wrong(1, "nested too deeply")
        else:
            if node is not None:
                return Value("the file", self._line(node.start_mark), node)
            self.wrong(1, "the file is empty")
        return None

    def _line(self, mark: Any) -> int:
        return self._line_at(mark.index)

    def _line_at(self, index: int) -> int:
        """Lines as editors count them; YAML ends one at three more characters, within quotes, too."""
        return bisect.bisect_left(self._breaks, index) + 1

    # -- what a value may be --

    def members(self, value: Value, known: Collection[str], where: str) -> dict[str, Value]:
        """The members of a mapping by their keys, each of which must be ``known`` in ``where``."""
        found = self.pairs(value)
        for name in [name for name in found if name not in known]:
            stranger = found.pop(name)
            self.wrong(stranger.line, f"unknown key {name!r} in {where}{_meant(name, known)}")
        return found

    def pairs(self, value: Value) -> dict[str, Value]:
        """The members of a mapping, whatever their keys."""
        if not isinstance(value.node, MappingNode):
            self._not(value, "a mapping (key: value)")
            return {}
        found: dict[str, Value] = {}
        for key, node in value.node.value:
            line = self._line(key.start_mark)
            if not isinstance(key, ScalarNode):
                self.wrong(line, "a key must be a word")
            elif key.value in found:
                first = found[key.value].line
                self.wrong(line, f"the key {key.value!r} stands in line {first} already")
            else:
                found[key.value] = Value(key.value, line, node)
        return found

    def items(self, value: Value, item: str) -> list[Value]:
        """The items of a list; ``item`` says what each of them is."""
        if isinstance(value.node, SequenceNode):
            return [Value(item, self._line(node.start_mark), node) for node in value.node.value]
        self._not(value, "a list")
        return []

    def text(self, value: Value) -> str:
        """Words, as they are written: ``No`` and ``12:30`` are words, too."""
        if isinstance(value.node, ScalarNode) and not value.is_null:
            return str(value.node.value)
        self._not(value, "text")
        return ""

    def number(
        self, value: Value, *, least: float = 0.0, above: bool = False, most: float = 1e9
    ) -> float:
        """A number, at least (or ``above``) ``least``, at most ``most``."""
        number = _number(value.node) if value.node.tag in _NUMBERS else math.nan
        if not math.isfinite(number) or number < least or (number == least and above):
            self._not(value, f"a number {'above' if above else 'of at least'} {least:g}")
        elif number > most:
            self._not(value, f"a number of at most {most:g}")
        else:
            return number
        return least

    def flag(self, value: Value) -> bool:
        """True or false."""
        if value.node.tag == _BOOL:
            return bool(self.data(value))
        self._not(value, "true or false")
        return False

    def data(self, value: Value) -> Any:
        """Anything that JSON can say."""
        if value.is_mapping:
            return {name: self.data(member) for name, member in self.pairs(value).items()}
        if value.is_list:
            return [self.data(item) for item in self.items(value, value.name)]
        data = _constructed(value.node)
        if isinstance(data, float) and not math.isfinite(data):
            self._not(value, "something that JSON can say")
            return None
        return data

    def _not(self, value: Value, wanted: str) -> None:
        self.wrong(value.line, f"{_called(value)} must be {wanted}, not {_described(value)}")


def _called(value: Value) -> str:
    return value.name if " " in value.name else f"{value.name!r}"


def _described(value: Value) -> str:
    if value.is_list:
        return "a list"
    if value.is_mapping:
        return "a mapping"
    return "nothing" if value.is_null else _short(value.node.value)


def _short(words: str) -> str:
    return repr(words) if len(words) <= _LONGEST else f"{words[:_LONGEST]!r}..."


def _constructed(node: Node) -> Any:
    """What a scalar stands for; NaN for what YAML takes for a number and Python does not."""
    try:
        return SafeConstructor().construct_object(node)
    except ValueError:
        return math.nan


def _number(node: Node) -> float:
    try:
        return float(_constructed(node))
    except OverflowError:
        return math.inf


def _meant(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
