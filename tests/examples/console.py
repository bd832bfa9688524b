"""LiveKit's own console, from its other side: what `lk` does when it talks to an agent over TCP.

The agent runs in a process of its own, started by `python -m livekit.agents console`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from livekit.protocol.agent_pb import agent_session as pb

from rejoinder.server.audio import tone

Message = pb.AgentSessionMessage

_RATE = 24_000
_FRAME = _RATE // 50 * 2


class Console:
    """One talk with an agent: speaks to it, and hears it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard_seconds = 0.0
        self.said: list[str] = []
        self.errors: list[str] = []
        self._reader = reader
        self._writer = writer

    async def speak(self, seconds: float) -> None:
        """Something to be heard, then silence for as long as nobody stops it, at the pace of a microphone:
        LiveKit does not listen to what comes in its first three seconds, and another process has a clock
        of its own."""
        samples = tone(seconds)
        loop, at = asyncio.get_running_loop(), 0
        began_at = loop.time()
        while True:
            self._send(samples[at : at + _FRAME].ljust(_FRAME, b"\0"))
            at += _FRAME
            await asyncio.sleep(began_at + at / _RATE / 2 - loop.time())

    async def listen(self, until: Callable[[Console], bool]) -> None:
        """Hears what the agent says and does, until something holds."""
        while not until(self):
            size = struct.unpack(">I", await self._reader.readexactly(4))[0]
            message = Message()
            message.ParseFromString(await self._reader.readexactly(size))
            self._take(message)

    async def aclose(self) -> None:
        """Hangs up."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):  # the agent may have hung up before us
            await self._writer.wait_closed()

    def _take(self, message: Message) -> None:
        match message.WhichOneof("message"):
            case "audio_output":
                frame = message.audio_output
                self.heard_seconds += frame.samples_per_channel / frame.sample_rate
            case "audio_playback_flush":
                self._say(
                    Message(audio_playback_finished=Message.ConsoleIO.AudioPlaybackFinished())
                )
            case "event" if message.event.HasField("conversation_item_added"):
                item = message.event.conversation_item_added.item.message
                self.said += [content.text for content in item.content]
            case "event" if message.event.HasField("error"):
                self.errors.append(str(message.event.error))
            case _:
                pass  # states, usage and the like

    def _send(self, samples: bytes) -> None:
        frame = Message.ConsoleIO.AudioFrame(
            data=samples,
            sample_rate=_RATE,
            num_channels=1,
            samples_per_channel=len(samples) // 2,
        )
        self._say(Message(audio_input=frame))

    def _say(self, message: Message) -> None:
        data = message.SerializeToString()
        self._writer.write(struct.pack(">I", len(data)) + data)


@contextlib.asynccontextmanager
async def console(script: Path, environment: Mapping[str, str]) -> AsyncIterator[Console]:
    """Starts an agent's script with LiveKit's own command line, and talks to it."""
    arrived: asyncio.Future[Console] = asyncio.get_running_loop().create_future()

    def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result(Console(reader, writer))

    host = await asyncio.start_server(welcome, "127.0.0.1", 0)
    address = "{}:{}".format(*host.sockets[0].getsockname())
    command = ["-m", "livekit.agents", "console", str(script), "--connect-addr", address]
    agent = await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**os.environ, **environment}
    )
    try:
        async with asyncio.timeout(60):
            yield await arrived
    finally:
        agent.terminate()
        await agent.wait()
        if arrived.done():
            await arrived.result().aclose()
        host.close()
        await host.wait_closed()
