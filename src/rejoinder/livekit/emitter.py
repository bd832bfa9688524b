"""An event emitter whose listeners cannot harm anybody.

LiveKit's own raises a listener's `TypeError` into the code that announces the news, so that one bug in
a metrics handler ends a voice session. Here every listener is called, whatever the one before it did.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("rejoinder.livekit")

Callback = Callable[..., Any]


class Listeners:
    """Who listens to what, in order of registration."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Callback, int | None]] = {}

    def add(self, event: str, callback: Callback) -> None:
        """Registers a callback once. It is handed as many arguments as it takes."""
        self._of.setdefault(event, {})[callback] = _arity(callback)

    def remove(self, event: str, callback: Callback) -> None:
        """Takes a callback out, if it is there."""
        self._of.get(event, {}).pop(callback, None)

    def any(self, event: str) -> bool:
        """Whether anybody listens to this event."""
        return bool(self._of.get(event))

    def tell(self, event: str, *args: Any) -> None:
        """Calls everybody who listens. What a callback raises is logged, and stops nothing."""
        for callback, arity in tuple(self._of.get(event, {}).items()):
            try:
                callback(*args[:arity])
            except (Exception, asyncio.CancelledError):  # foreign code may raise anything
                logger.exception("a listener to %r raised", event)


def _arity(callback: Callback) -> int | None:
    """How many positional arguments the callback takes; None: any number."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return None  # some callables written in C do not tell
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
