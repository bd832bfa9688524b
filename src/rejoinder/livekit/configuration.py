"""A session's configuration: what was asked for, and what the server made of it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from livekit.agents import llm

from rejoinder.client.edit import Edit
from rejoinder.client.session import Session
from rejoinder.errors import EditError, EditExpired, EditRefused
from rejoinder.livekit import options
from rejoinder.livekit.errors import SESSION_CLOSED, SessionError, UpdateError
from rejoinder.wire.session import SessionConfig, merged

logger = logging.getLogger("rejoinder.livekit")


class Change(msgspec.Struct, eq=False):
    """Something that was asked for and not refused. ``tools``: LiveKit's own, where it changes them."""

    said: SessionConfig
    tools: llm.ToolContext | None
    answered: bool = False


class Configuration:
    """``wanted`` and ``tools``: the configuration in force, as far as nobody has refused it.

    ``failed`` hears of what the server refuses while nobody waits for it.
    """

    def __init__(
        self, client: Session, config: SessionConfig, failed: Callable[[SessionError], None]
    ) -> None:
        self.wanted = config
        self.tools = llm.ToolContext.empty()
        self._client = client
        self._failed = failed
        self._answers = True
        self._agreed = (self.wanted, self.tools)
        self._changes: list[Change] = []
        self._watching: set[asyncio.Task[None]] = set()

    def change(self, said: SessionConfig) -> asyncio.Future[None]:
        """Sends what of ``said`` is news. A refusal is reported, and raised to whoever waits.

        Cancelling the future leaves the update under way.
        """
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        news = options.difference(self.wanted, said)
        if news is None:
            told.set_result(None)
            return told
        answer = self._task(self._send(news, None))
        self._report(answer)
        answer.add_done_callback(lambda answer: _pass_on(answer, told))
        return told

    async def update(self, said: SessionConfig, tools: llm.ToolContext | None = None) -> None:
        """Sends ``said`` and waits for the server's answer.

        Raises `UpdateError` when the server refuses, or the session ends; the configuration is then
        what it would be without this update. A server that does not answer is not waited for a second
        time. Cancelling it leaves the update under way; a refusal is then reported.
        """
        answer = self._task(self._send(said, tools))
        if not self._answers:
            self._report(answer)
            return
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:
            self._report(answer)
            raise

    def sent(self, said: SessionConfig, edit: Edit) -> None:
        """Follows a `session.update` that was written by hand. A refusal is reported."""
        self.watch(self._track(edit, Change(said, None)))

    def watch(self, answer: Coroutine[Any, Any, None]) -> None:
        """Waits for an answer in the background. An `UpdateError` that it raises is reported."""
        self._report(self._task(answer))

    async def settled(self) -> None:
        """Returns when no answer is waited for any more. Cancelling it is safe."""
        if self._watching:
            await asyncio.wait(self._watching)

    def _task(self, answer: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(answer, context=contextvars.Context())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        return task

    def _report(self, answer: asyncio.Task[None]) -> None:
        """Nobody waits for it: a refusal goes to those who listen, and not as part of a speech."""
        answer.add_done_callback(self._reported, context=contextvars.Context())

    def _reported(self, answer: asyncio.Task[None]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, UpdateError) and error.code != SESSION_CLOSED:
            # the end of the session is reported by itself
            self._failed(SessionError(error.message, code=error.code))

    def _send(
        self, said: SessionConfig, tools: llm.ToolContext | None
    ) -> Coroutine[Any, Any, None]:
        return self._track(self._client.update(said), Change(said, tools))

    def _track(self, edit: Edit, change: Change) -> Coroutine[Any, Any, None]:
        self._changes.append(change)
        self._apply()
        return self._answered(edit, change)

    async def _answered(self, edit: Edit, change: Change) -> None:
        try:
            await edit
        except EditExpired as error:
            self._answers = False
            logger.warning("the server does not confirm session.update: %s", error.message)
        except EditRefused as error:
            self._changes.remove(change)
            raise UpdateError(error.message, code=error.code) from error
        except EditError as error:
            raise UpdateError(error.message, code=SESSION_CLOSED) from error
        finally:
            change.answered = True
            self._apply()

    def _apply(self) -> None:
        """What is in force: what was agreed on, and on top of it what nobody has refused so far."""
        while self._changes and self._changes[0].answered:
            self._agreed = _with(self._agreed, self._changes.pop(0))
        in_force = self._agreed
        for change in self._changes:
            in_force = _with(in_force, change)
        self.wanted, self.tools = in_force


def _pass_on(answer: asyncio.Task[None], told: asyncio.Future[None]) -> None:
    """To somebody who may or may not wait for it."""
    if told.done():
        return
    error = None if answer.cancelled() else answer.exception()
    if error is None:
        told.set_result(None)
    else:
        told.set_exception(error)
        told.exception()  # marked retrieved: the report tells everybody


def _with(
    before: tuple[SessionConfig, llm.ToolContext], change: Change
) -> tuple[SessionConfig, llm.ToolContext]:
    config, tools = before
    return merged(config, change.said), tools if change.tools is None else change.tools
