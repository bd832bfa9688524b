"""A session's configuration: what was asked for, and what the server made of it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from rejoinder.client.session import Session
from rejoinder.errors import EditError, EditExpired, EditRefused
from rejoinder.livekit import options
from rejoinder.livekit.errors import SESSION_CLOSED, SessionError, UpdateError
from rejoinder.wire.session import SessionConfig

logger = logging.getLogger("rejoinder.livekit")


class Configuration:
    """``wanted``: the configuration in force, as far as nobody has refused it.

    ``failed`` hears of what the server refuses while nobody waits for it.
    """

    def __init__(
        self, client: Session, config: SessionConfig, failed: Callable[[SessionError], None]
    ) -> None:
        self.wanted = config
        self._client = client
        self._failed = failed
        self._answers = True
        self._watching: set[asyncio.Task[None]] = set()

    def change(self, said: SessionConfig) -> None:
        """Sends what of ``said`` is news. Nobody waits; a refusal is reported."""
        news = options.difference(self.wanted, said)
        if news is not None:
            self.watch(self._send(news))

    async def update(self, said: SessionConfig) -> None:
        """Sends ``said`` and waits for the server's answer.

        Raises `UpdateError` when the server refuses, or the session ends; the configuration is then
        what it was. A server that does not answer is not waited for a second time. Cancelling it
        leaves the update under way.
        """
        answer = self._send(said)
        if self._answers:
            await answer
        else:
            self.watch(answer)

    def watch(self, answer: Coroutine[Any, Any, None]) -> None:
        """Waits for an answer in the background. What it raises is reported."""
        task = asyncio.get_running_loop().create_task(
            self._reported(answer), context=contextvars.Context()
        )
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def settled(self) -> None:
        """Returns when nothing is watched any more. Cancelling it is safe."""
        if self._watching:
            await asyncio.wait(self._watching)

    def _send(self, said: SessionConfig) -> Coroutine[Any, Any, None]:
        before = options.same_members(self.wanted, said)
        edit = self._client.update(said)
        self.wanted = options.merged(self.wanted, said)
        return self._answered(edit, before)

    async def _answered(self, edit: Awaitable[Any], before: SessionConfig) -> None:
        try:
            await edit
        except EditExpired as error:
            self._answers = False
            logger.warning("the server does not confirm session.update: %s", error.message)
        except EditRefused as error:
            self.wanted = options.merged(self.wanted, before)
            raise UpdateError(error.message, code=error.code) from error
        except EditError as error:
            raise UpdateError(error.message, code=SESSION_CLOSED) from error

    async def _reported(self, answer: Awaitable[None]) -> None:
        try:
            await answer
        except UpdateError as error:
            if error.code != SESSION_CLOSED:  # the end of the session is reported by itself
                self._failed(SessionError(error.message, code=error.code))
