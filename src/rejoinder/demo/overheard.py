"""A reply of a model that has no typed outcomes: what LiveKit itself gets to see of it.

The streams of its generation are wrapped in place, before the agent reads them. Each thing is noted when
the agent reads it, and nothing about it is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any, Generic, Self, TypeVar

from livekit.agents import llm

from rejoinder.demo.reply import CUT, ENDED, ERROR, INTERRUPTED, End, Reply, told

T = TypeVar("T")


class Stream(Generic[T]):
    """A stream, overheard. ``each`` hears of every item that is read from it, ``ended`` of its end and of
    what it raised, ``left`` of a reader who wants no more of it before."""

    def __init__(
        self,
        source: AsyncIterable[T],
        each: Callable[[T], None],
        ended: Callable[[Exception | None], None],
        left: Callable[[], None],
    ) -> None:
        self._items = aiter(source)
        self._each = each
        self._ended: Callable[[Exception | None], None] | None = ended
        self._left = left

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            item = await anext(self._items)
        except StopAsyncIteration:
            self._end(None)
            raise
        except Exception as error:
            self._end(error)
            raise
        self._each(item)
        return item

    async def aclose(self) -> None:
        """LiveKit calls this when it has done with the stream, ended or not."""
        if self._ended is not None:
            self._left()
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()

    def _end(self, error: Exception | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(error)


class Overheard:
    """Notes on a reply what is read of it; it ends when every stream has.

    ``answer``: what the server says in this turn, if that is known. ``news`` is called after each change.
    """

    def __init__(
        self,
        reply: Reply,
        event: llm.GenerationCreatedEvent,
        answer: str | None,
        news: Callable[[], None],
    ) -> None:
        self.reply = reply
        self._answer = answer
        self._news = news
        self._open = 0
        event.message_stream = self._listen(event.message_stream, self._message)
        event.function_stream = self._listen(event.function_stream, self._call)

    def told(self, error: Exception, *, fatal: bool) -> None:
        """The client told an error meanwhile. ``fatal``: it told that nothing will follow."""
        self.reply.errors.append(str(error))
        end = self.reply.end
        if fatal or (end is not None and end.name in (ENDED, CUT)):
            self.reply.end = None
            self._settle(self._end())

    def _listen(self, source: AsyncIterable[T], each: Callable[[T], None]) -> Stream[T]:
        self._open += 1
        return Stream(source, each, self._stream_ended, self._left)

    def _message(self, message: llm.MessageGeneration) -> None:
        message.text_stream = self._listen(message.text_stream, self._text)
        message.audio_stream = self._listen(message.audio_stream, self._audio)

    def _text(self, words: str) -> None:
        self.reply.words.append(str(words))

    def _audio(self, _: Any) -> None:
        if self.reply.first_audio_at is None:
            self.reply.first_audio_at = asyncio.get_running_loop().time()
            self._news()

    def _call(self, call: llm.FunctionCall) -> None:
        self.reply.called.append(call.name)

    def _stream_ended(self, error: Exception | None) -> None:
        self._open -= 1
        if error is not None:
            self.reply.errors.append(str(error))
        if self._open == 0:
            self._settle(self._end())

    def _left(self) -> None:
        self._settle(self._as(INTERRUPTED, "the agent stopped listening to it"))

    def _settle(self, end: End) -> None:
        self.reply.settle(end, asyncio.get_running_loop().time())
        self._news()

    def _end(self) -> End:
        if self.reply.errors:
            return self._as(ERROR, told(self.reply.errors))
        missing = "" if self.reply.called else _missing("".join(self.reply.words), self._answer)
        return self._as(CUT if missing else ENDED, missing)

    def _as(self, name: str, why: str) -> End:
        return End(name, "".join(self.reply.words), tuple(self.reply.called), why)


def _missing(words: str, answer: str | None) -> str:
    """What a reply lacks that ended without an error; empty if it is whole, or nobody knows."""
    said = words.strip()
    if answer is None or said == answer:
        return ""
    if not answer.startswith(said):
        return "ended with other words than the server's"
    return f"ended with {len(said.split())} of {len(answer.split())} words, without a sign"
