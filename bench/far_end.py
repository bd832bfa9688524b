"""The far end: a server that speaks as fast as it is heard, and counts what it hears.

It runs in a process of its own, so that what it costs is nobody's figure, and knows just as much of the
protocol as a session needs in order to talk and to listen. What to say stands in the instructions of
the `response.create`: ``"5000 deltas of 20 ms"``, or ``"500 deltas of 20 ms, each 2 ms after the last"``.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import re
import struct
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

SAMPLE_RATE = 24_000
_WORDS_EVERY = 5
_ORDER = re.compile(r"(\d+) deltas of (\d+) ms(?:, each (\d+) ms after the last)?")


def order(deltas: int, length_ms: int, every_ms: int = 0) -> str:
    """Instructions for a reply of ``deltas`` pieces of ``length_ms`` of audio. ``every_ms``: one at a
    time, so far apart; 0: all at once."""
    apart = f", each {every_ms} ms after the last" if every_ms else ""
    return f"{deltas} deltas of {length_ms} ms{apart}"


class Conversation:
    """One connection. ``heard``: bytes of audio appended since the last commit."""

    def __init__(self, socket: web.WebSocketResponse, wire: asyncio.WriteTransport) -> None:
        self.heard = 0
        self._socket = socket
        self._wire = wire
        self._counts = itertools.count(1)

    async def hold(self) -> None:
        """Greets, and answers until the peer leaves."""
        await self._say("session.created", session=_session())
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._answer(msgspec.json.decode(message.data))

    async def _answer(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                await self._say("session.updated", session=_session())
            case "input_audio_buffer.append":
                self.heard += len(base64.b64decode(event["audio"]))
            case "input_audio_buffer.commit":
                await self._say(
                    "input_audio_buffer.committed",
                    item_id=f"heard_{self.heard}",
                    previous_item_id=None,
                )
                self.heard = 0
            case "response.create":
                await self._reply(event["response"])
            case _:
                pass  # nothing else needs an answer here

    async def _reply(self, asked: dict[str, Any]) -> None:
        wanted = _ORDER.search(asked.get("instructions", ""))
        deltas, length_ms, every_ms = (
            (int(n or 0) for n in wanted.groups()) if wanted else (1, 20, 0)
        )
        name = f"resp_{self._name()}"
        frames = [
            self._frame(kind, **members)
            for kind, members in reply(name, deltas, length_ms, asked.get("metadata"))
        ]
        if every_ms:
            for frame in frames:
                await self._socket.send_str(frame)
                await asyncio.sleep(every_ms / 1000)
        else:
            self._wire.write(b"".join(map(_framed, frames)))

    async def _say(self, kind: str, **members: Any) -> None:
        await self._socket.send_str(self._frame(kind, **members))

    def _frame(self, kind: str, **members: Any) -> str:
        event = {"type": kind, "event_id": f"event_{self._name()}", **members}
        return msgspec.json.encode(event).decode()

    def _name(self) -> str:
        return f"Bench{next(self._counts):016d}"


def _framed(text: str) -> bytes:
    """A text frame of a server's (RFC 6455, 5.2), written by hand so that many go out in one piece."""
    data = text.encode()
    if len(data) < 126:
        return struct.pack("!BB", 0x81, len(data)) + data
    if len(data) < 65536:
        return struct.pack("!BBH", 0x81, 126, len(data)) + data
    return struct.pack("!BBQ", 0x81, 127, len(data)) + data


Said = tuple[str, dict[str, Any]]


def reply(name: str, deltas: int, length_ms: int, metadata: Any) -> Iterator[Said]:
    """The events of a spoken reply, as kind and members, in the order in which OpenAI's server sends
    them."""
    item_id = name.replace("resp", "item")
    part = {"response_id": name, "item_id": item_id, "output_index": 0, "content_index": 0}
    item = _message(item_id, "in_progress", [])
    yield "response.created", {"response": _response(name, "in_progress", [], metadata)}
    yield (
        "response.output_item.added",
        {"response_id": name, "output_index": 0, "item": item},
    )
    yield "conversation.item.added", {"previous_item_id": None, "item": item}
    yield "response.content_part.added", {**part, "part": {"type": "audio", "transcript": ""}}
    yield from _deltas(part, deltas, length_ms)
    spoken = " word" * -(-deltas // _WORDS_EVERY)
    content = {"type": "output_audio", "transcript": spoken}
    item = _message(item_id, "completed", [content])
    yield "response.output_audio.done", part
    yield "response.output_audio_transcript.done", {**part, "transcript": spoken}
    yield "response.content_part.done", {**part, "part": {"type": "audio", "transcript": spoken}}
    yield "conversation.item.done", {"previous_item_id": None, "item": item}
    yield (
        "response.output_item.done",
        {"response_id": name, "output_index": 0, "item": item},
    )
    yield "response.done", {"response": _response(name, "completed", [item], metadata)}


def _deltas(part: dict[str, Any], deltas: int, length_ms: int) -> Iterator[Said]:
    """Noise: no two deltas alike, and the same ones at each run."""
    noise = random.Random(deltas)
    size = SAMPLE_RATE * 2 * length_ms // 1000
    for count in range(deltas):
        if count % _WORDS_EVERY == 0:
            yield "response.output_audio_transcript.delta", {**part, "delta": " word"}
        audio = base64.b64encode(noise.randbytes(size)).decode()
        yield "response.output_audio.delta", {**part, "delta": audio}


def _message(item_id: str, status: str, content: list[Any]) -> dict[str, Any]:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def _response(name: str, status: str, output: list[Any], metadata: Any) -> dict[str, Any]:
    return {
        "object": "realtime.response",
        "id": name,
        "status": status,
        "status_details": None,
        "output": output,
        "conversation_id": "conv_Bench",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": _voice()},
        "usage": None,
        "metadata": metadata,
    }


def _voice() -> dict[str, Any]:
    return {"format": {"type": "audio/pcm", "rate": SAMPLE_RATE}, "voice": "marin"}


def _session() -> dict[str, Any]:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_Bench",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "expires_at": 4102444800,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": SAMPLE_RATE},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": None,
            },
            "output": {**_voice(), "speed": 1.0},
        },
        "include": None,
    }


async def _talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    if request.transport is not None:
        await Conversation(socket, request.transport).hold()
    return socket


async def listen() -> tuple[web.AppRunner, int]:
    """A far end on a free port of loopback, and that port."""
    app = web.Application()
    app.router.add_get("/v1/realtime", _talk)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, int(runner.addresses[0][1])


async def _serve() -> None:
    """Says its port, and runs until its standard input ends, as it does when its parent dies."""
    runner, port = await listen()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
