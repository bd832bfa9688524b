"""Listeners cannot harm each other, or whoever tells them the news."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from rejoinder.livekit.emitter import Listeners


def test_everybody_is_told_in_order() -> None:
    listeners, heard = Listeners(), list[str]()
    listeners.add("news", lambda n: heard.append(f"first {n}"))
    listeners.add("news", lambda n: heard.append(f"second {n}"))
    listeners.add("other", lambda n: heard.append(f"other {n}"))

    listeners.tell("news", 1)

    assert heard == ["first 1", "second 1"]


@pytest.mark.parametrize(
    "error", [TypeError("bug"), ValueError("bug"), KeyError("bug"), asyncio.CancelledError()]
)
def test_what_one_raises_does_not_reach_the_others(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    listeners, heard = Listeners(), list[int]()

    def broken(_: int) -> None:
        raise error

    listeners.add("news", broken)
    listeners.add("news", heard.append)

    with caplog.at_level(logging.ERROR, logger="rejoinder.livekit"):
        listeners.tell("news", 7)

    assert heard == [7]
    assert "'news'" in caplog.text


def test_each_is_given_as_many_arguments_as_it_takes() -> None:
    listeners, heard = Listeners(), list[tuple[Any, ...]]()
    listeners.add("news", lambda: heard.append(()))
    listeners.add("news", lambda a: heard.append((a,)))
    listeners.add("news", lambda *all_: heard.append(all_))
    listeners.add("news", lambda a, b=2: heard.append((a, b)))

    listeners.tell("news", "x")

    assert heard == [(), ("x",), ("x",), ("x", 2)]


def test_who_left_is_not_told() -> None:
    listeners, heard = Listeners(), list[int]()

    def once(n: int) -> None:
        listeners.remove("news", once)
        heard.append(n)

    listeners.add("news", once)
    assert listeners.any("news")

    listeners.tell("news", 1)
    listeners.tell("news", 2)
    listeners.remove("news", once)

    assert heard == [1]
    assert not listeners.any("news")
    assert not listeners.any("never heard of")
