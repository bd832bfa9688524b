"""One cell, held in this process: a server in a thread of its own, the client in a loop of its own.

The two share no loop, so that a client that blocks its own does not stop the other end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from rejoinder.conformance import scenarios
from rejoinder.conformance.cells import GIVEN_UP, Cell
from rejoinder.conformance.driver import ERROR, Driver, Heard
from rejoinder.conformance.judge import BEFORE, CLOSE, NEXT, OPEN, Step
from rejoinder.conformance.scenarios import PARKING, Act
from rejoinder.server.apart import LiveServer, live_server

_CLOSING = 20.0
"""Seconds. Clients of others take ten for a close frame that is not answered."""


def hold(
    cell: Cell,
    make: Callable[[str], Driver],
    tell: Callable[[Step], None],
    given_up: float = GIVEN_UP,
) -> None:
    """Holds the cell and tells of every step, when it begins and when it has ended. A step that has not
    ended after ``given_up`` seconds never will.

    Never raises what a client does. May never return, if the client blocks: it is to be killed then.
    """
    logging.disable()
    faults = () if cell.scenario.before else cell.case.faults
    with live_server(scenarios.script(), faults=faults) as server:
        asyncio.run(_held(_Talk(make(server.url), tell, given_up), cell, server))


async def _held(talk: _Talk, cell: Cell, server: LiveServer) -> None:
    await talk.open()
    await talk.acts(cell.scenario.before, BEFORE)
    if cell.scenario.before:
        for fault in cell.case.faults:
            server.arm(fault)
    await talk.acts(cell.scenario.acts, together=cell.scenario.together)
    await talk.acts((Act("ask", PARKING),), NEXT)
    await talk.close()


class _Talk:
    """What is said to one client. Nothing more is, but good-bye, once it could not be opened or had to
    be given up."""

    def __init__(self, driver: Driver, tell: Callable[[Step], None], given_up: float) -> None:
        self._driver = driver
        self._tell = tell
        self._given_up = given_up
        self._over = False

    async def open(self) -> None:
        opened = await self._step(Step(OPEN), self._driver.open)
        self._over = self._over or opened.end == ERROR

    async def acts(
        self, acts: tuple[Act, ...], name: str | None = None, *, together: bool = False
    ) -> None:
        """Does them, one after the other or all at once."""
        doing = [self._act(act, name or act.verb) for act in acts]
        if together:
            await asyncio.gather(*doing)
            return
        for one in doing:
            await one

    async def _act(self, act: Act, name: str) -> None:
        if not self._over:
            await self._step(Step(name, act.line), lambda: _done(self._driver, act))

    async def close(self) -> None:
        await self._step(Step(CLOSE), self._driver.close, _CLOSING)

    async def _step(
        self, step: Step, do: Callable[[], Awaitable[Heard | None]], within: float | None = None
    ) -> Heard:
        """Does it, and times it. What the client raises is what its user would hear."""
        loop = asyncio.get_running_loop()
        self._tell(step)
        begun, heard = loop.time(), None
        bound = asyncio.timeout(within or self._given_up)
        try:
            async with bound:
                heard = await do() or Heard()
        except Exception as error:  # noqa: BLE001 - whatever a client raises is told as it is
            heard = None if bound.expired() else Heard(end=ERROR, why=_words(error))
        self._over = self._over or heard is None
        lasted = loop.time() - begun - (heard.lag if heard else 0.0)
        self._tell(msgspec.structs.replace(step, heard=heard, seconds=lasted))
        return heard or Heard(end=ERROR)


def _done(driver: Driver, act: Act) -> Awaitable[Heard | None]:
    question = act.line.question if act.line else ""
    match act.verb:
        case "speak":
            return driver.speak(scenarios.SPEECH_SAMPLES)
        case "use_tool":
            return driver.use_tool(question)
        case "cut":
            return driver.cut(question)
        case "instruct":
            return driver.instruct(scenarios.INSTRUCTIONS)
        case _:
            return driver.ask(question)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
