"""LiveKit models, if they were any, that do what the matrix must survive. Loaded in its processes."""

from __future__ import annotations

import asyncio
import threading
from typing import Any


class _Model:
    """Takes what every model takes."""

    def __init__(self, **_options: str) -> None:
        pass

    def session(self) -> Any:
        return self

    def on(self, _name: str, _listener: object) -> None:
        pass

    async def update_tools(self, _tools: object) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Mute(_Model):
    """Never answers."""

    async def generate_reply(self, **_options: str) -> None:
        await asyncio.get_running_loop().create_future()


class Blocking(_Model):
    """Blocks the loop."""

    async def generate_reply(self, **_options: str) -> None:
        threading.Event().wait()


class Crashing(_Model):
    """Takes its process with it."""

    async def generate_reply(self, **_options: str) -> None:
        raise SystemExit("gone")
