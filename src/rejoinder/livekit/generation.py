"""One response in LiveKit's terms: its messages, their streams, its function calls, its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from livekit.agents import llm
from livekit.agents.voice.io import TimedString

from rejoinder.core import parts
from rejoinder.core.outcomes import Completed, Outcome
from rejoinder.livekit import speech
from rejoinder.livekit.errors import ReplyError
from rejoinder.livekit.streams import AudioStream, Stream, Tally

logger = logging.getLogger("rejoinder.livekit")

Modalities = list[Literal["text", "audio"]]
_SPOKEN: Modalities = ["audio", "text"]
_WRITTEN: Modalities = ["text"]


@dataclass
class ReplyCreatedEvent(llm.GenerationCreatedEvent):
    """LiveKit's event for a new response, and how the response ends."""

    settled: asyncio.Future[Outcome] = field(kw_only=True)
    stop: Callable[[], None] = field(kw_only=True)

    def cancel(self) -> None:
        """Asks the server to stop this response, by its id. Does nothing after its end."""
        self.stop()

    @property
    def outcome(self) -> Awaitable[Outcome]:
        """Awaits the typed outcome. It always comes; cancelling the wait is safe."""
        return asyncio.shield(self.settled)


class Message:
    """One message of a response. ``modalities`` is a future because LiveKit awaits it twice."""

    def __init__(self, item_id: str, generation: Generation) -> None:
        self.ended = False
        self.text: Stream[str] = Stream(generation.claim)
        self.audio = AudioStream(generation.claim, generation.waiting)
        self.modalities: asyncio.Future[Modalities] = asyncio.get_running_loop().create_future()
        self.public = llm.MessageGeneration(
            message_id=item_id,
            text_stream=self.text,
            audio_stream=self.audio,
            modalities=self.modalities,
        )

    def become(self, modalities: Modalities) -> None:
        """Settles what the message consists of, unless that is known."""
        if not self.modalities.done():
            self.modalities.set_result(modalities)

    def end(self, modalities: Modalities) -> None:
        """Ends both streams. ``modalities`` is for a message that never said what it was."""
        self.ended = True
        self.become(modalities)
        self.text.close()
        self.audio.close()


class Generation:
    """The streams of one response, filled from its parts.

    ``audio``: whether it is spoken. ``work``: the speech that reads the streams, as soon as that is
    known; a response of the server's own is claimed by whoever reads it first, unless it is not
    ``claimable``.
    """

    def __init__(
        self,
        *,
        asked: bool,
        audio: bool,
        work: speech.Speech | None,
        cancel: Callable[[], None],
        claimable: bool = True,
    ) -> None:
        self.work = work
        self.error: ReplyError | None = None
        self.waiting = Tally()
        self._claimable = claimable
        self._usual = _SPOKEN if audio else _WRITTEN
        self._messages: dict[str, Message] = {}
        self._message_stream: Stream[llm.MessageGeneration] = Stream(self.claim)
        self._function_stream: Stream[llm.FunctionCall] = Stream(self.claim)
        self.event = ReplyCreatedEvent(
            message_stream=self._message_stream,
            function_stream=self._function_stream,
            user_initiated=asked,
            response_id=None,
            settled=asyncio.get_running_loop().create_future(),
            stop=cancel,
        )

    def claim(self) -> None:
        """Called by whoever reads: the live speech it works for is where a failure belongs."""
        if self.work is None and self._claimable:
            self.work = speech.current()
            if self.work is not None and self.error is not None:
                speech.fail(self.work, self.error)

    def feed(self, part: parts.Part) -> None:
        """Puts one part into the stream it belongs to."""
        match part:
            case parts.Audio():
                message = self._message(part.item_id)
                if not message.modalities.done():
                    message.become(_SPOKEN)
                message.audio.put(part.audio)
            case parts.Transcript():
                self._message(part.item_id).text.put(_timed(part))
            case parts.Text():
                message = self._message(part.item_id)
                message.become(_WRITTEN)
                message.text.put(part.text)
            case parts.ContentStarted():
                spoken = part.kind == "audio"
                self._message(part.item_id).become(_SPOKEN if spoken else _WRITTEN)
            case _:
                self._item(part)

    def end(self, outcome: Outcome, error: ReplyError | None) -> None:
        """Ends every stream. Before that, a failure is told to the speech, which then still lives."""
        self.error = error
        if self.work is not None and error is not None:
            speech.fail(self.work, error)
        elif self.work is not None and isinstance(outcome, Completed):
            speech.clear(self.work, ReplyError)
        self.event.settled.set_result(outcome)
        for message in self._messages.values():
            message.end(self._usual)
        self._message_stream.close()
        self._function_stream.close()

    def _item(self, part: parts.ItemStarted | parts.FunctionCall | parts.ItemEnded) -> None:
        match part:
            case parts.ItemStarted() if part.item.type == "message":
                self._message(part.item_id)
            case parts.ItemEnded() if part.item_id in self._messages:
                self._messages[part.item_id].end(self._usual)
            case parts.FunctionCall():
                self._function_stream.put(
                    llm.FunctionCall(
                        id=part.item_id,
                        call_id=part.call_id,
                        name=part.name,
                        arguments=part.arguments,
                    )
                )
            case _:
                pass  # other items (hosted tools, reasoning) have no place in LiveKit's event

    def _message(self, item_id: str) -> Message:
        """The message, begun here if nothing announced it before its content came."""
        message = self._messages.get(item_id)
        if message is not None and message.ended:
            logger.warning("output of %s came after its end, and is not heard", item_id)
        if message is None:
            message = self._messages[item_id] = Message(item_id, self)
            if self._usual == _WRITTEN:
                message.become(_WRITTEN)
                message.audio.close()
            self._message_stream.put(message.public)
        return message


def _timed(part: parts.Transcript) -> str:
    """The words, with the moment at which they are spoken if the server said when that is."""
    return part.text if part.at is None else TimedString(part.text, start_time=part.at)
