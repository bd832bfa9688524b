"""Where ids come from: an argument, so that the same conversation always has the same ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol


class Ids(Protocol):
    """A source of ids."""

    def new(self, kind: str) -> str:
        """A fresh id ``<kind>_...``, at most 32 characters of ``[a-zA-Z0-9_-]``."""


class CountingIds:
    """Ids by counting: ``item_c1_0001``. ``tag`` keeps those of several connections apart."""

    def __init__(self, tag: str = "c1") -> None:
        self._tag = tag
        self._counts: Counter[str] = Counter()

    def new(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"{kind}_{self._tag}_{self._counts[kind]:04d}"


class FreshIds:
    """Ids of another source, without those that a client has already taken for items of its own.

    Ids of events are taken by nobody: each event has one, so they are not looked up.
    """

    def __init__(self, source: Ids, taken: Callable[[str], bool]) -> None:
        self._source = source
        self._taken = taken

    def new(self, kind: str) -> str:
        made = self._source.new(kind)
        while kind != "event" and self._taken(made):
            made = self._source.new(kind)
        return made
