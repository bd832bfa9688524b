"""Models that are not ours, for the demo to be pointed at by name."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from livekit.plugins.openai import realtime

from rejoinder.testing import VirtualTimeLoop

PLUGIN = "livekit.plugins.openai.realtime:RealtimeModel"

T = TypeVar("T")


def run_theirs(main: Coroutine[Any, Any, T]) -> T:
    """Runs it in virtual time. What the models of others leave behind in the loop is cancelled: the
    reader of a reply that has no end, for one."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class _NeverClosingSession(realtime.RealtimeSession):
    async def aclose(self) -> None:
        await super().aclose()
        await asyncio.Event().wait()


class NeverCloses(realtime.RealtimeModel):
    """The plugin's model, but its sessions never say that they are closed."""

    def session(self, *, turn_detection_disabled: bool = False) -> realtime.RealtimeSession:
        return _NeverClosingSession(self)


class _SessionThatRaises(realtime.RealtimeSession):
    async def aclose(self) -> None:
        await super().aclose()
        raise ValueError("no goodbye")


class RaisesAtClose(realtime.RealtimeModel):
    """The plugin's model, but its sessions raise when they are closed."""

    def session(self, *, turn_detection_disabled: bool = False) -> realtime.RealtimeSession:
        return _SessionThatRaises(self)


class _NeverStartingSession(realtime.RealtimeSession):
    async def update_instructions(self, instructions: str) -> None:
        await asyncio.Event().wait()


class NeverStarts(realtime.RealtimeModel):
    """The plugin's model, but its sessions never take their instructions; nor does it close."""

    async def aclose(self) -> None:
        await super().aclose()
        await asyncio.Event().wait()

    def session(self, *, turn_detection_disabled: bool = False) -> realtime.RealtimeSession:
        return _NeverStartingSession(self)
