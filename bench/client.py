"""One client in a process of its own: does what the figures say, and tells what one of each costs.

    python -m bench.client rejoinder http://127.0.0.1:8000/v1 "idle session"

Its only output is a list of numbers: seconds of CPU, or bytes, for one frame, second or session.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiohttp
import msgspec
import psutil  # type: ignore[import-untyped]
from livekit import rtc
from livekit.agents import llm

from bench.far_end import order
from bench.figures import FIGURES, OURS, THEIRS, Figure

MODULES = {
    OURS: "livekit.plugins.rejoinder.realtime",
    THEIRS: "livekit.plugins.openai.realtime",
}
KEY = "sk-proj-" + "Bench0123456789" * 10
"""As long as a real one."""

_EVENT = "openai_server_event_received"
_TIMES = 5
"""How often a process does what costs CPU. The least counts: the rest was disturbed by something else."""

_EVERY_MS = 2
_FRAMES_PER_SECOND = 100

Model: TypeAlias = llm.RealtimeModel
Session: TypeAlias = "llm.RealtimeSession[Any]"


@asynccontextmanager
async def connected(model: Model, amount: int = 1) -> AsyncIterator[list[Session]]:
    """Sessions that the server has greeted and configured; closed at the end."""
    sessions = [model.session() for _ in range(amount)]
    ready = [_heard(session, "session.updated") for session in sessions]
    try:
        while ready:
            await ready.pop()  # and keeps nothing of it: memory is measured here
        yield sessions
    finally:
        await asyncio.gather(*(session.aclose() for session in sessions))


async def cost_of_frame(model: Model, length_ms: int, amount: int, every_ms: int = 0) -> float:
    """CPU seconds from the socket to the consumer, per audio frame.

    The connection and the first 100 frames come before; what a reply costs besides its frames is
    spread over all of them.
    """
    async with connected(model) as (session,):
        await _converse(session, order(100, length_ms))
        said = order(amount, length_ms, every_ms)
        spent = [await _cost_of_reply(session, said, amount) for _ in range(_TIMES)]
    return min(spent) / amount


async def _cost_of_reply(session: Session, instructions: str, amount: int) -> float:
    gc.collect()
    begun = time.process_time()
    frames = await _converse(session, instructions)
    spent = time.process_time() - begun
    if frames != amount:
        raise RuntimeError(f"{frames} frames came, and {amount} were asked for")
    return spent


async def cost_of_paced_frame(model: Model, length_ms: int, amount: int) -> float:
    """The same where each frame comes alone and wakes the process up."""
    return await cost_of_frame(model, length_ms, amount, _EVERY_MS)


async def cost_of_microphone(model: Model, rate: int, seconds: int) -> float:
    """CPU seconds per second of audio, pushed in frames of 10 ms, until the server has it all.

    The loop runs once after each frame, so that the writer can write. What those turns of the loop cost
    when nothing is pushed is the bench's own, and is taken off.
    """
    frames = _noise(rate)
    async with connected(model) as (session,):
        await _speak(session, frames, 2)
        spent = [await _cost_of_speech(session, frames, seconds) for _ in range(_TIMES)]
        turns = [await _cost_of_turns(seconds * _FRAMES_PER_SECOND) for _ in range(_TIMES)]
    return (min(spent) - min(turns)) / seconds


async def _cost_of_speech(session: Session, frames: list[rtc.AudioFrame], seconds: int) -> float:
    gc.collect()
    begun = time.process_time()
    heard = await _speak(session, frames, seconds)
    spent = time.process_time() - begun
    if heard < 0.95 * seconds:  # a resampler keeps its last samples
        raise RuntimeError(f"the server heard {heard} s of {seconds}")
    return spent


async def cost_of_idle(model: Model, _: int, amount: int) -> float:
    """Bytes of resident memory per session that is connected and idle."""
    async with connected(model):  # so that what is loaded on first use is there
        before = _resident()
        async with connected(model, amount):
            after = _resident()
    return (after - before) / amount


async def _converse(session: Session, instructions: str) -> int:
    """Asks for a reply and takes it as LiveKit does; how many audio frames came."""
    created = await session.generate_reply(instructions=instructions)
    frames = 0
    async for message in created.message_stream:
        words = asyncio.create_task(_drain(message.text_stream))
        async for _ in message.audio_stream:
            frames += 1
        await words
    return frames


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


async def _speak(session: Session, frames: list[rtc.AudioFrame], seconds: int) -> float:
    """Pushes that much, commits it, and waits for the server's count: seconds that it heard."""
    for at in range(seconds * _FRAMES_PER_SECOND):
        session.push_audio(frames[at % len(frames)])
        await asyncio.sleep(0)  # lets the writer write
    committed = _heard(session, "input_audio_buffer.committed")
    session.commit_audio()
    event = await committed
    return int(event["item_id"].removeprefix("heard_")) / 48_000


async def _cost_of_turns(turns: int) -> float:
    begun = time.process_time()
    for _ in range(turns):
        await asyncio.sleep(0)
    return time.process_time() - begun


def _heard(session: Session, kind: str) -> asyncio.Future[dict[str, Any]]:
    """The next server event of this kind."""
    coming: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def look(event: dict[str, Any]) -> None:
        if event["type"] == kind and not coming.done():
            coming.set_result(event)

    session.on(_EVENT, look)
    coming.add_done_callback(lambda _: session.off(_EVENT, look))
    return coming


def _noise(rate: int) -> list[rtc.AudioFrame]:
    size = rate // _FRAMES_PER_SECOND
    noise = random.Random(rate)
    return [rtc.AudioFrame(noise.randbytes(size * 2), rate, 1, size) for _ in range(100)]


def _resident() -> float:
    """Bytes of memory in use, once all that is free has been given back."""
    for _ in range(3):
        gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)
    return float(psutil.Process().memory_info().rss)


Cost: TypeAlias = Callable[[Model, int, int], Coroutine[Any, Any, float]]

COSTS: dict[str, Cost] = {
    "reply": cost_of_frame,
    "paced": cost_of_paced_frame,
    "microphone": cost_of_microphone,
    "idle": cost_of_idle,
}


async def measured(client: str, figures: Sequence[Figure], url: str) -> list[float]:
    """What one of each costs: in seconds of CPU, or in bytes."""
    kinds = importlib.import_module(MODULES[client])
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:  # as a job of LiveKit's has one
        model = kinds.RealtimeModel(
            model="gpt-realtime", base_url=url, api_key=KEY, http_session=http
        )
        return [await COSTS[each.kind](model, each.size, each.amount) for each in figures]


if __name__ == "__main__":
    _, who, where, *names = sys.argv
    wanted = [figure for figure in FIGURES if figure.name in names]
    sys.stdout.write(f"{msgspec.json.encode(asyncio.run(measured(who, wanted, where))).decode()}\n")
