"""What is seen of one connection from outside: for tests and logs to look at."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from rejoinder.server.conversation import Conversation
from rejoinder.server.core import Session
from rejoinder.server.effects import Effect, Send
from rejoinder.server.faults.line import FaultLine
from rejoinder.server.peer import Peer
from rejoinder.server.reading import Unreadable
from rejoinder.server.sights import Heard, Left, Sight, Told
from rejoinder.wire.client_events import ClientEvent, InputAudioBufferAppend
from rejoinder.wire.server_events import ServerEvent

_REMEMBERED = 10_000

E = TypeVar("E", bound=ClientEvent | Unreadable)


class ServedSession:
    """One connection, for tests to look at; it stays readable after its end.

    ``received``: the client events in order, appended audio apart (``appended`` counts its bytes).
    ``sent``: the server events in order, but for what faults send raw. ``core`` is the session itself,
    with its ``settings``: to be read, not stepped. ``close_code``: how the WebSocket ended, None while
    it lives.
    ``failure``: what a script or a fault raised; the connection was closed with 1011.
    """

    def __init__(
        self, core: Session, line: FaultLine, watch: Callable[[Sight], None] = lambda _sight: None
    ) -> None:
        self.core = core
        self._line = line
        self._watch = watch
        self.peer = Peer(core, line)
        self.received: deque[ClientEvent | Unreadable] = deque(maxlen=_REMEMBERED)
        self.sent: deque[ServerEvent] = deque(maxlen=_REMEMBERED)
        self.appended = 0
        self.close_code: int | None = None
        self.failure: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def conversation(self) -> Conversation:
        """The conversation as the server has it."""
        return self.core.conversation

    async def wait_for(self, kind: type[E], count: int = 1) -> E:
        """The ``count``-th client event of this type, as soon as it has come.

        Raises `ConnectionError` when the connection ends without it. Cancelling is safe.
        """
        while True:
            found = [event for event in self.received if isinstance(event, kind)]
            if len(found) >= count:
                return found[count - 1]
            if self.close_code is not None:
                raise ConnectionError(
                    f"the session ended ({self.close_code}) without {kind.__name__}"
                )
            await self._news()

    async def wait_closed(self) -> int:
        """The close code, as soon as the connection has ended. Cancelling is safe."""
        while self.close_code is None:
            await self._news()
        return self.close_code

    def note(self, event: ClientEvent | Unreadable) -> None:
        """Remembers what the client said."""
        self._watch(Heard(event))
        if isinstance(event, InputAudioBufferAppend):
            self.appended += len(event.audio)
        else:
            self.received.append(event)
        self._wake()

    def note_strikes(self) -> None:
        """Tells of the faults that have just struck."""
        while self._line.struck:
            self._watch(self._line.struck.popleft())

    def note_effect(self, effect: Effect) -> None:
        """Remembers what goes out."""
        self._watch(Told(effect))
        if isinstance(effect, Send):
            self.sent.append(effect.event)

    def ended(self, close_code: int | None, reason: str = "") -> None:
        """Remembers how it ended: the first word on that counts."""
        if self.close_code is None:
            self.close_code = close_code or 1006
            self._watch(Left(self.close_code, reason))
        self._wake()

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
