"""Servers without a network: each connection is a protocol server of its own, and it may go wrong.

What they keep stays readable after their end: the audio of every item that each has committed, and the
conversation as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias

from rejoinder.client.memory import MemoryTransport, pair
from rejoinder.core.outcomes import Close
from rejoinder.errors import ConnectError
from rejoinder.server.core import Session, Terms
from rejoinder.server.ears import energy_ear
from rejoinder.server.effects import Effect, Hangup, Send
from rejoinder.server.engines import ScriptedVoice
from rejoinder.server.ids import CountingIds
from rejoinder.server.inputs import Expire, Input, Opened, Received, Tick
from rejoinder.server.reading import Accepted, Unreadable, read
from rejoinder.server.script import Script
from rejoinder.wire import codec
from rejoinder.wire import server_events as ev
from rejoinder.wire.client_events import ConversationItemCreate, InputAudioBufferAppend

Door: TypeAlias = Callable[["Far"], None]
"""What is different about a connection; called when it is let in."""


class Far:
    """One server behind one connection. ``deaf``: it reads nothing any more."""

    def __init__(self, number: int, script: Script, terms: Terms) -> None:
        self.number = number
        self.core = Session(CountingIds(f"c{number}"), ScriptedVoice(script), energy_ear, terms)
        self.ours, self.theirs = pair()
        self.committed: list[str] = []
        self.sent: list[ev.ServerEvent] = []
        self.heard: list[object] = []
        self.deaf = False
        self.watch: Callable[[Far, ev.ServerEvent], None] = lambda _far, _event: None
        self.told: Callable[[Far, object], None] = lambda _far, _event: None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._out: asyncio.Queue[bytes | Hangup] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self.alive = True
        self.appended_at = 0.0

    def open(self) -> MemoryTransport:
        """Lets the client in; its end of the connection."""
        self._tasks = [
            self._loop.create_task(self._read()),
            self._loop.create_task(self._write()),
        ]
        self.give(Opened())
        return self.ours

    def give(self, given: Input) -> None:
        """Something happens to it."""
        if not self.alive:
            return
        for effect in self.core.step(self._loop.time(), given):
            self._carry_out(effect)
        self._arm()

    def cut(self) -> None:
        """The connection is gone, for both."""
        self.alive = False
        self._stop_timer()
        self.theirs.cut()

    def freeze(self) -> None:
        """The connection is half open: nothing comes through any more, and nobody is told."""
        self.alive = False
        self._stop_timer()
        self.theirs.stall()
        self.ours.stall()

    def expire(self) -> None:
        """The session has lasted for as long as it may."""
        self.give(Expire())

    async def aclose(self) -> None:
        """Nothing of it is left."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def audio_of(self, item_id: str) -> bytes:
        """The audio of an item that it has committed, or b"" if that has been deleted."""
        entry = self.core.conversation.find(item_id)
        return bytes(entry.audio) if entry is not None else b""

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(event):
                self.sent.append(event)
                if isinstance(event, ev.InputAudioBufferCommitted):
                    self.committed.append(event.item_id)
                self._out.put_nowait(codec.encode(event))
                self.watch(self, event)
            case Hangup():
                self._out.put_nowait(effect)
            case _:
                pass  # pings

    async def _write(self) -> None:
        while True:
            told = await self._out.get()
            if isinstance(told, Hangup):
                await self.theirs.close(told.code, told.reason)
                return
            try:
                await self.theirs.send(told)
            except ConnectionError:
                return

    async def _read(self) -> None:
        while not isinstance(frame := await self.theirs.receive(), Close):
            if not self.deaf and self.alive:
                self._hear(read(frame))
        self.alive = False
        self._stop_timer()

    def _hear(self, event: Accepted | Unreadable) -> None:
        self.heard.append(event)
        if isinstance(event, InputAudioBufferAppend):
            self.appended_at = self._loop.time()
        self.told(self, event)  # which may be the end of it
        if not self.deaf:
            self.give(Received(event))

    def _arm(self) -> None:
        self._stop_timer()
        when = self.core.next_deadline() if self.alive else None
        if when is not None:
            self._timer = self._loop.call_at(when, self.give, Tick())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Town:
    """Hands out a server for each connection. ``doors``: what is different about the next ones, in order;
    None: nothing."""

    def __init__(self, script: Script, terms: Terms | None = None) -> None:
        self.script = script
        self.terms = terms or Terms()
        self.fars: list[Far] = []
        self.doors: list[Door | None] = []
        self.dialled = 0

    async def dial(self, url: str, headers: Mapping[str, str]) -> MemoryTransport:
        """The `Dial` of the session."""
        self.dialled += 1
        door = self.doors.pop(0) if self.doors else None
        if door is refuses:
            raise ConnectError("no room", code="http_503", status=503)
        if door is hangs:
            await asyncio.Event().wait()
        far = Far(self.dialled, self.script, self.terms)
        self.fars.append(far)
        if door is not None:
            door(far)
        return far.open()

    @property
    def now(self) -> Far:
        """The server of the newest connection."""
        return self.fars[-1]

    async def aclose(self) -> None:
        """Nothing of any server is left."""
        for far in self.fars:
            await far.aclose()


def refuses(far: Far) -> None:
    """The handshake is refused, for now."""


def hangs(far: Far) -> None:
    """The handshake never ends."""


def closes_at_once(far: Far) -> None:
    """The connection is accepted, and closed before a word."""
    asyncio.get_running_loop().call_soon(far.cut)


def reads_nothing(far: Far) -> None:
    """It greets, and does not read what it is told."""
    far.deaf = True


def dies_while_told(far: Far) -> None:
    """It is gone after the third item that it is told."""

    def told(far: Far, event: object) -> None:
        items = [each for each in far.heard if isinstance(each, ConversationItemCreate)]
        if len(items) == 3:
            far.cut()

    far.told = told
