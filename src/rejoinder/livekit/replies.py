"""The replies under way: those that `generate_reply` asked for and those that the server began."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import msgspec
from livekit.agents import llm

from rejoinder.client.response import Response
from rejoinder.client.streams import MOST_BUFFERED, OVERFLOW, Sink
from rejoinder.core.outcomes import Cancelled, Completed, Outcome
from rejoinder.core.parts import Part
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import speech
from rejoinder.livekit.errors import ReplyError
from rejoinder.livekit.generation import Generation, ReplyCreatedEvent

Promise: TypeAlias = "asyncio.Future[llm.GenerationCreatedEvent]"


class Listener(msgspec.Struct, frozen=True):
    """What the session wants to hear: a response that surfaces, and one that failed."""

    created: Callable[[ReplyCreatedEvent], None]
    failed: Callable[[ReplyError], None]


class Replies:
    """All replies that have not ended."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.live: set[Reply] = set()

    def ask(self, create: Callable[[Sink], Response], *, audio: bool) -> Promise:
        """A reply that somebody waits for; ``create`` asks for its response.

        ``audio``: whether the session speaks. Raises what ``create`` raises.
        """
        promise = _promise()
        reply = Reply(self, Generation(asked=True, audio=audio, work=speech.current()), promise)
        reply.begin(create(reply))
        promise.add_done_callback(reply.given_up)
        return promise

    def adopt(self, response: Response, *, audio: bool) -> Reply | None:
        """A reply that the server began. Out-of-band ones are not speech, and stay unheard."""
        if not response.default:
            return None
        reply = Reply(self, Generation(asked=False, audio=audio, work=None), None)
        reply.begin(response)
        return reply

    def interrupt(self) -> None:
        """Cancels replies. Out-of-band ones are never among them: nobody can ask for those here.

        LiveKit calls it for one speech, though it means the whole session. Inside a live speech it
        is that speech's replies; elsewhere it is all of them, those still waiting included.
        """
        work = speech.current()
        for reply in tuple(self.live):
            if work is None or reply.generation.work is work:
                reply.cancel()


class Reply:
    """One reply: takes a response's parts and outcome in, from the pump.

    It surfaces with its first output (one that the server began: at once), because only a failed
    future reaches `SpeechHandle.exception()` by LiveKit's own road: every failure before the first
    output takes it.
    """

    def __init__(self, replies: Replies, generation: Generation, promise: Promise | None) -> None:
        self.generation = generation
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
        if self._unwanted():
            return
        self._surface()
        self.generation.feed(part)
        if self.generation.unread > MOST_BUFFERED and self._response is not None:
            self._response.abandon(OVERFLOW)

    def settle(self, outcome: Outcome) -> None:
        """The end of the response, whichever it is."""
        self._ended = True
        self._replies.live.discard(self)
        failed = not isinstance(outcome, Completed | Cancelled) and not self._unwanted()
        error = None if isinstance(outcome, Completed) else ReplyError(outcome)
        self.generation.end(outcome, error if failed else None)
        self._answer(error)
        if failed and error is not None:
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

    def _surface(self) -> None:
        if self._surfaced:
            return
        self._surfaced = True
        if self._promise is not None and not self._promise.done():
            self._promise.set_result(self.generation.event)
        self._replies.listener.created(self.generation.event)


def broken(error: llm.RealtimeError) -> Promise:
    """A promise that is already broken."""
    promise = _promise()
    promise.set_exception(error)
    promise.exception()  # marked retrieved, see `Reply`
    return promise


def _promise() -> Promise:
    try:
        return asyncio.get_running_loop().create_future()
    except RuntimeError:
        raise ConfigurationError(
            "generate_reply needs the session's event loop: from another thread, call "
            "loop.call_soon_threadsafe(session.generate_reply)"
        ) from None
