"""The pump: everything that happens goes into the core, every effect of the core is carried out.

The one place where the core meets a clock. There is one timer, for the earliest of all deadlines.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import assert_never

import msgspec

from rejoinder.client.alarm import Alarm
from rejoinder.client.link import Dialled, Link
from rejoinder.client.links import Links
from rejoinder.client.outbox import MOST_OUTBOUND
from rejoinder.client.waiting import Listeners, OnEvent, Waiting, guarded
from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Close
from rejoinder.core.session import Session as Core
from rejoinder.errors import ConfigurationError, RejoinderError
from rejoinder.wire import codec
from rejoinder.wire.client_events import ClientEvent, RawClientEvent
from rejoinder.wire.dialects import OPENAI, Dialect
from rejoinder.wire.server_events import Error, MalformedFrame, ServerEvent

__all__ = ["Pump", "running_loop"]

logger = logging.getLogger("rejoinder")

_PAUSE = 0.001
"""After a tick that left its deadline due, the next one comes this much later (seconds): a clock that
rounds must not make the loop spin."""


class Pump:
    """Runs one core. ``ended``: how the session ended, None while it lives. ``dialect``: what the other
    end wants to hear."""

    def __init__(
        self, core: Core, clocks: Timeouts, listeners: Listeners, dialect: Dialect = OPENAI
    ) -> None:
        self.core = core
        self.links = Links(clocks)
        self.waiting = Waiting(
            listeners,
            cancel=self._cancel,
            abandon=lambda key, error: self.step(inp.Abandon(key, error)),
        )
        self._listeners = listeners
        self.dialect = dialect
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._rang)
        self._inputs: list[inp.Input] = []
        self._stepping = False
        self._now = 0.0
        self._frame_size = 0
        self._broken: Close | None = None

    @property
    def ended(self) -> Close | None:
        """How the session ended."""
        return self._broken or self.core.ended

    def start(self, dial: Dialled) -> None:
        """Begins to connect."""
        self.links.start(self, dial)

    def shut(self) -> None:
        """Begins to end the session."""
        self.step(inp.Shut())
        self.links.close_all()

    def tap(self, on_event_in: OnEvent | None, on_event_out: OnEvent | None) -> None:
        """Shows each event on the wire to these from now on, and to nobody else."""
        self._listeners = msgspec.structs.replace(
            self._listeners, on_event_in=on_event_in, on_event_out=on_event_out
        )

    def check_loop(self) -> None:
        """Raises `ConfigurationError` unless this is the session's own event loop."""
        if running_loop() is not self._loop:
            raise ConfigurationError(
                "a session is used on its own event loop: from another thread, call "
                "loop.call_soon_threadsafe(method, *arguments)"
            )

    # -- the step --

    def step(self, given: inp.Input) -> None:
        """Feeds the core and carries out what follows.

        May be called from within a callback of a step: then it takes its turn after that step.
        """
        self._inputs.append(given)  # behind what a step that was interrupted left over
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inputs:
                self._step(self._inputs.pop(0))
        finally:
            self._stepping = False

    def _step(self, given: inp.Input) -> None:
        if self._broken is not None:
            return
        now = self._loop.time()
        if now > self._now:
            self._now = now
        try:
            effects = self.core.step(self._now, given)
            deadline = self.core.next_deadline()
        except Exception:  # whatever the bug is, those who wait must be told
            logger.exception("the core failed on %s: this is a bug", type(given).__name__)
            self._break()
            return
        if self._listeners.journal is not None:
            guarded(self._listeners.journal, self._now, given, effects)
        for effect in effects:
            try:
                self._carry_out(effect)
            except Exception:  # the effects after this one are for others
                logger.exception("%s was not carried out: this is a bug", type(effect).__name__)
        if deadline is None or deadline < self._alarm.rings_at:
            self._arm(deadline, self._now + _PAUSE if type(given) is inp.Tick else self._now)

    def _carry_out(self, effect: ef.Effect) -> None:
        match effect:
            case ef.Deliver():  # first, and not taken apart by position, which is slow: there are many
                self.waiting.deliver(effect.key, effect.part)
            case ef.Send():
                self._send(effect.event, effect.link)
            case ef.Open():
                self.waiting.open(effect)
            case ef.Withdraw(key):
                self.waiting.withdraw(key)
            case ef.Settle(key, outcome):
                self.waiting.settle(key, outcome)
            case ef.SettleEdit(key, result):
                self.waiting.settle_edit(key, result)
            case ef.Announce(notice):
                self._announce(notice)
            case ef.Connect(number, within):
                self.links.open(self, number, within)
            case ef.Hangup(number):
                self.links.close(number)
            case _:
                assert_never(effect)

    def _cancel(self, key: str) -> None:
        self.check_loop()
        self.step(inp.Cancel((key,)))

    def _send(self, event: ClientEvent | RawClientEvent, number: int) -> None:
        link = self.links.live.get(number)
        if link is None:
            return
        frame = codec.encode(event, self.dialect)
        if self._listeners.on_event_out is not None:
            other = guarded(self._listeners.on_event_out, event, frame)
            other = other.encode() if isinstance(other, str) else other
            frame = other if isinstance(other, bytes) else frame
        if not link.outbox.put(frame):
            link.lose(Close("network", None, f"{MOST_OUTBOUND >> 20} MiB wait to be written"))

    def _announce(self, notice: ef.Notice) -> None:
        match notice:
            case ef.Reconnecting():
                self.links.serving.clear()
            case ef.Reconnected():
                self.links.serving.set()
            case ef.Ended():
                self._alarm.clear()
                self.links.end()
            case _:
                pass  # news for others
        self.waiting.announce(notice, self._frame_size)

    def _break(self) -> None:
        """A core that fails is not asked again. Nothing hangs: all that waits is settled here."""
        self._broken = Close("caller", None, "an internal error ended the session: see the log")
        self.waiting.abandon(self._broken)
        self._alarm.clear()
        self.links.end()
        self.links.close_all(1011)

    # -- the timer --

    def _arm(self, deadline: float | None, floor: float) -> None:
        if deadline is None or self.core.ended is not None:
            self._alarm.clear()
        else:
            self._alarm.set(max(deadline, floor))

    def _rang(self, when: float) -> None:
        # A loop may run a timer a little before its time; then `when` is the truth.
        self._now = max(self._now, when)
        deadline = self.core.next_deadline()
        if deadline is not None and deadline > self._now:
            self._alarm.set(deadline)
        elif deadline is not None:
            self.step(inp.Tick())

    # -- what a link tells (link.Hearer) --

    def connected(self, link: Link) -> None:
        """The socket is open."""
        self.step(inp.Connected(link.number, self.links.date()))

    def heard(self, link: Link, frame: str | bytes) -> None:
        """A frame has come."""
        event = codec.decode_server(frame)
        if self._listeners.on_event_in is not None:
            other = guarded(self._listeners.on_event_in, frame, event)
            if isinstance(other, (bytes, str)):
                frame, event = other, codec.decode_server(other)
        if not link.greeted:
            self._greet(link, event)
        self._frame_size = len(frame)
        self.step(inp.Received(event, link.number))
        self._frame_size = 0

    def lost(self, link: Link, close: Close) -> None:
        """The socket is gone, or could not be had: what is left of it is closed."""
        ending = link.ending
        if not link.greeted and ending.refusal is not None:
            close = msgspec.structs.replace(close, error=ending.refusal)
        self.links.close(link.number)
        lot, status, after = random.random(), ending.status, ending.retry_after
        self.step(inp.Disconnected(close, link.number, status, after, lot))

    def over(self, link: Link) -> None:
        """Nothing of the link is left."""
        self.links.forget(link)

    def _greet(self, link: Link, event: ServerEvent) -> None:
        """A successful upgrade proves nothing: OpenAI refuses keys and models after it, by an error."""
        if isinstance(event, Error):
            link.ending.refusal = event.error
        elif not isinstance(event, MalformedFrame):
            self.links.greet(link)

    def refused(self) -> RejoinderError:
        """Why there was never a usable session; to be asked after its end."""
        return self.links.ending.error(self.ended)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
