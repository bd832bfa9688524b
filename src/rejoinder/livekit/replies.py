"""The replies under way: those that `generate_reply` asked for and those that the server began."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from livekit.agents import llm

from rejoinder.client.response import Response
from rejoinder.client.streams import MOST_BUFFERED, OVERFLOW, Sink
from rejoinder.core.outcomes import Cancelled, Completed, Outcome, TimedOut
from rejoinder.core.parts import Part
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import speech
from rejoinder.livekit.errors import ReplyError
from rejoinder.livekit.generation import Generation, ReplyCreatedEvent

Promise: TypeAlias = "asyncio.Future[llm.GenerationCreatedEvent]"
Create: TypeAlias = Callable[[Sink], Response]


class Listener(msgspec.Struct, frozen=True):
    """What the session wants to hear: a response that surfaces, and one that failed."""

    created: Callable[[ReplyCreatedEvent], None]
    failed: Callable[[ReplyError], None]


class Replies:
    """All replies that have not ended."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.live: set[Reply] = set()

    def ask(self, create: Create, *, audio: bool, aside: bool = False) -> Promise:
        """A reply that somebody waits for; ``create`` asks for its response.

        ``audio``: whether it is spoken. ``aside``: it is out-of-band. Raises what ``create`` raises.
        """
        promise = _promise()
        work = None if aside else speech.current()
        reply = Reply(self, promise, audio=audio, work=work, aside=aside)
        reply.begin(create(reply))
        promise.add_done_callback(reply.given_up)
        return promise

    def send(self, create: Create, *, audio: bool, aside: bool) -> None:
        """A reply that was asked for by hand: it surfaces like one of the server's own, and one
        out-of-band not at all. Raises what ``create`` raises."""
        reply = Reply(self, None, audio=audio, work=None, aside=aside)
        reply.begin(create(reply))

    def adopt(self, response: Response, *, audio: bool) -> Reply | None:
        """A reply that the server began. Out-of-band ones are not speech, and stay unheard."""
        if not response.default:
            return None
        reply = Reply(self, None, audio=audio, work=None)
        reply.begin(response)
        return reply

    @property
    def active(self) -> bool:
        """Whether a reply of the conversation is under way, or asked for."""
        return any(not reply.aside for reply in self.live)

    def interrupt(self) -> None:
        """Cancels replies of the conversation; those out-of-band are never among them.

        LiveKit calls it for one speech, though it means the whole session. Inside a live speech it
        is that speech's replies; elsewhere it is all of them, those still waiting included.
        """
        work = speech.current()
        for reply in tuple(self.live):
            if not reply.aside and (work is None or reply.generation.work is work):
                reply.cancel()


class Reply:
    """One reply: takes a response's parts and outcome in, from the pump.

    It surfaces with its first output (one that the server began: at once), because only a failed
    future reaches `SpeechHandle.exception()` by LiveKit's own road: every failure before the first
    output takes it. One out-of-band (``aside``) surfaces to nobody but who waits for it.
    """

    def __init__(
        self,
        replies: Replies,
        promise: Promise | None,
        *,
        audio: bool,
        work: speech.Speech | None,
        aside: bool = False,
    ) -> None:
        asked = promise is not None
        self.aside = aside
        self.generation = Generation(
            asked=asked, audio=audio, work=work, claimable=not aside, cancel=self.cancel
        )
        self._replies = replies
        self._promise = promise
        self._response: Response | None = None
        self._surfaced = False
        self._ended = False

    def begin(self, response: Response) -> None:
        """Its response has been asked for, or has begun."""
        self._response = response
        if not self._ended:
            self._replies.live.add(self)

    def cancel(self) -> None:
        """Asks the server to stop it."""
        if self._response is not None:
            self._response.cancel()

    def given_up(self, promise: Promise) -> None:
        """Called when the promise is done: who cancels it does not want the response any more."""
        if promise.cancelled():
            self.cancel()

    # -- what the pump tells --

    def opened(self, response_id: str) -> None:
        """The response exists on the server."""
        self.generation.event.response_id = response_id
        if self._promise is None:
            self._surface()

    def feed(self, part: Part) -> None:
        """One part of the response."""
        if not self._surfaced:
            if self._unwanted() or self._unheard:
                return
            self._surface()
        self.generation.feed(part)
        if self.generation.waiting.bytes > MOST_BUFFERED and self._response is not None:
            self._response.abandon(OVERFLOW)

    def settle(self, outcome: Outcome) -> None:
        """The end of the response, whichever it is."""
        self._ended = True
        self._replies.live.discard(self)
        failed = not _as_wished(outcome) and not self._unwanted()
        error = None if isinstance(outcome, Completed) else ReplyError(outcome)
        self.generation.end(outcome, error if failed else None)
        self._answer(error)
        if failed and error is not None and not (self.aside and self._promise is not None):
            self._replies.listener.failed(error)

    def _answer(self, error: ReplyError | None) -> None:
        """Settles a promise that no output has settled."""
        if self._promise is None or self._promise.done():
            return
        if error is None:
            self._surface()
            return
        self._promise.set_exception(error)
        self._promise.exception()  # marked retrieved: who does not wait is told by the event

    def _unwanted(self) -> bool:
        """Whether nobody wants to know any more, not even how it failed."""
        return self._promise is not None and self._promise.cancelled()

    @property
    def _unheard(self) -> bool:
        """Whether nobody could ever read its streams."""
        return self.aside and self._promise is None

    def _surface(self) -> None:
        if self._surfaced:
            return
        self._surfaced = True
        if self._promise is not None and not self._promise.done():
            self._promise.set_result(self.generation.event)
        if not self.aside:
            self._replies.listener.created(self.generation.event)


def _as_wished(outcome: Outcome) -> bool:
    """Whether nobody need be told: it is whole, or cancelled, be it without the server's own word."""
    unconfirmed = isinstance(outcome, TimedOut) and outcome.why == "cancel"
    return unconfirmed or isinstance(outcome, Completed | Cancelled)


def failed(error: llm.RealtimeError) -> asyncio.Future[Any]:
    """A future that has failed already."""
    future = _promise()
    future.set_exception(error)
    future.exception()  # marked retrieved, see `Reply`
    return future


def _promise() -> Promise:
    try:
        return asyncio.get_running_loop().create_future()
    except RuntimeError:
        raise ConfigurationError(
            "a session is used on its own event loop: from another thread, call "
            "loop.call_soon_threadsafe(session.generate_reply)"
        ) from None
