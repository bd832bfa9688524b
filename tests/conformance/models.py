"""LiveKit models that do what the matrix must survive. Loaded in its processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from livekit.agents import llm


class _Session:
    """As much of a session as is asked for before a reply."""

    def on(self, _name: str, _listener: object) -> None:
        pass

    async def update_tools(self, _tools: object) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def generate_reply(self, **_options: str) -> Any:
        """Never answers."""
        await asyncio.get_running_loop().create_future()


class Mute(llm.RealtimeModel):
    """Its session never answers."""

    def __init__(self, **_options: str) -> None:
        super().__init__(
            capabilities=llm.RealtimeCapabilities(
                message_truncation=False,
                turn_detection=False,
                user_transcription=False,
                auto_tool_reply_generation=False,
                audio_output=True,
                manual_function_calls=False,
            )
        )

    def session(self, **_options: object) -> Any:
        return self.made()

    def made(self) -> _Session:
        return _Session()

    async def aclose(self) -> None:
        pass


class Blocking(Mute):
    """Its session blocks the loop, and has started another process that goes on for ever."""

    class Session(_Session):
        async def generate_reply(self, **_options: str) -> Any:
            _block()

    def made(self) -> _Session:
        return self.Session()


def _block() -> None:
    code = "import threading; threading.Event().wait()"
    other = subprocess.Popen([sys.executable, "-c", code])
    Path(os.environ["BLOCKING_PIDS"]).write_text(f"{os.getpid()} {other.pid}")
    threading.Event().wait()


class Crashing(Mute):
    """Its session takes its process along."""

    class Session(_Session):
        async def generate_reply(self, **_options: str) -> Any:
            raise SystemExit("gone")

    def made(self) -> _Session:
        return self.Session()


class Unmade(Mute):
    """Cannot be made."""

    def __init__(self, **_options: str) -> None:
        raise ValueError("no such voice")
