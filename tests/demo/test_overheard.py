"""What is overheard of a reply that has no typed outcome: from LiveKit's own streams, and the plugin's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import llm
from livekit.agents.utils.aio import Chan
from livekit.plugins.openai import realtime

from rejoinder.demo.overheard import Overheard
from rejoinder.demo.reply import Reply
from rejoinder.demo.watch import Watch
from rejoinder.server.audio import tone
from rejoinder.server.script import Call, Script, Speech, Turn
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from tests.demo.others import run_theirs

ANSWER = "Good morning, and welcome to the little shop."
SPOKEN = Script(otherwise=Turn(None, Speech(ANSWER, lasting=0.8)))


async def read(event: llm.GenerationCreatedEvent) -> None:
    """Reads everything of a reply, as the agent does."""

    async def messages() -> None:
        async for message in event.message_stream:
            await asyncio.gather(through(message.text_stream), through(message.audio_stream))

    await asyncio.gather(messages(), through(event.function_stream))


async def through(stream: Any) -> None:
    async for _ in stream:
        pass


def ends(watch: Watch) -> list[tuple[str, str, str]]:
    """Name, words and reason of every reply."""
    all_of_them = [reply.end for reply in watch.replies]
    return [(end.name, end.said, end.why) for end in all_of_them if end is not None]


class Agent:
    """Somebody who listens to the plugin: a watch, and after it one who reads what the server begins."""

    def __init__(self, url: str, watch: Watch) -> None:
        self.model = realtime.RealtimeModel(base_url=url, api_key="any")
        watch.follow(self.model)
        self.session = self.model.session()
        self.reading: list[asyncio.Task[None]] = []
        self.session.on("generation_created", self._begun)

    def _begun(self, event: llm.GenerationCreatedEvent) -> None:
        if not event.user_initiated:
            self.reading.append(asyncio.create_task(read(event)))

    def speak(self) -> None:
        samples = tone(1.0) + bytes(48_000)
        self.session.push_audio(rtc.AudioFrame(samples, 24_000, 1, len(samples) // 2))

    async def close(self) -> None:
        for task in self.reading:
            task.cancel()
        await self.session.aclose()
        await self.model.aclose()


async def news(watch: Watch, turn: int = 0) -> None:
    while not watch.answered(turn):
        watch.news.clear()
        await watch.news.wait()


def test_a_healthy_reply_is_overheard_whoever_began_it(run: Run) -> None:
    async def main() -> None:
        watch = Watch([ANSWER, ANSWER])
        async with serve(SPOKEN) as server:
            agent = Agent(server.url, watch)
            await read(await agent.session.generate_reply(instructions="Greet me."))
            watch.turn = 1
            agent.speak()
            await news(watch, 1)
            await agent.close()
        assert ends(watch) == [("ended", ANSWER, "")] * 2
        assert all(reply.first_audio_at is not None for reply in watch.replies)
        assert 1 in watch.heard

    run(main())


def test_a_call_is_overheard(run: Run) -> None:
    async def main() -> None:
        watch = Watch([ANSWER])
        async with serve(Script(otherwise=Turn(None, Call("weather", {})))) as server:
            agent = Agent(server.url, watch)
            await read(await agent.session.generate_reply())
            await agent.close()
        assert ends(watch) == [("ended", "", "")]
        assert watch.replies[0].calls == ("weather",)
        assert not watch.answered(0)
        watch.give_up(0, 3)
        assert ends(watch)[1:] == [("no reply", "", "nothing within 3 s, no error")]

    run(main())


def test_a_reply_without_an_end_is_given_up(run: Run) -> None:
    async def main() -> None:
        watch = Watch([ANSWER])
        async with serve(SPOKEN, faults=["response-error@delta:6"]) as server:
            agent = Agent(server.url, watch)
            agent.speak()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(4):
                    await news(watch)
            watch.give_up(0, 4)
            await agent.close()
        [(name, said, why)] = ends(watch)
        assert (name, why) == ("no end", "no end within 4 s, no error")
        assert said
        assert ANSWER.startswith(said)
        assert watch.replies[0].fault_at is not None
        assert watch.replies[0].fault_to_settled_s is None

    run(main())


def test_an_error_that_is_told_is_shown_in_the_client_s_words() -> None:
    async def main() -> None:
        watch = Watch([ANSWER])
        async with serve(SPOKEN, faults=["done-failed@delta:6"]) as server:
            agent = Agent(server.url, watch)
            await read(await agent.session.generate_reply())
            await agent.close()
        [(name, said, why)] = ends(watch)
        assert name == "error"
        assert ANSWER.startswith(said)
        assert "response failed" in why

    run_theirs(main())


class ByHand:
    """A reply that a model hands out by hand, read by nobody yet."""

    def __init__(self, answer: str | None = ANSWER) -> None:
        self.reply = Reply("resp_1", 0, 0.0)
        self.messages: Chan[llm.MessageGeneration] = Chan()
        self.calls: Chan[llm.FunctionCall] = Chan()
        self.text: Chan[str] = Chan()
        self.audio: Chan[rtc.AudioFrame] = Chan()
        self.event = llm.GenerationCreatedEvent(self.messages, self.calls, user_initiated=False)
        self.watching = Overheard(self.reply, self.event, answer, lambda: None)
        modalities: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.messages.send_nowait(
            llm.MessageGeneration("item_1", self.text, self.audio, modalities)
        )

    def say(self, words: str) -> None:
        for word in words.split(" "):
            self.text.send_nowait(word + " ")

    async def end(self) -> tuple[str, str]:
        """Name and reason, after all streams have ended and been read."""
        for stream in (self.messages, self.calls, self.text, self.audio):
            stream.close()
        await read(self.event)
        return self.told()

    def told(self) -> tuple[str, str]:
        assert self.reply.end is not None
        return self.reply.end.name, self.reply.end.why


@pytest.mark.parametrize(
    ("said", "answer", "told"),
    [
        (ANSWER, ANSWER, ("ended", "")),
        ("Good morning, and", ANSWER, ("cut", "ended with 3 of 8 words, without a sign")),
        ("", ANSWER, ("cut", "ended with 0 of 8 words, without a sign")),
        ("Good night.", ANSWER, ("cut", "ended with other words than the server's")),
        ("Good morning, and", None, ("ended", "")),
    ],
)
def test_what_is_missing_is_counted(
    run: Run, said: str, answer: str | None, told: tuple[str, str]
) -> None:
    async def main() -> None:
        by_hand = ByHand(answer)
        by_hand.say(said)
        assert await by_hand.end() == told

    run(main())


def test_an_error_may_be_told_before_the_end_or_after_it(run: Run) -> None:
    async def main() -> None:
        before, after = ByHand(), ByHand()
        before.watching.told(ValueError("broken"), fatal=False)
        assert before.reply.end is None
        assert await before.end() == ("error", "broken")

        assert (await after.end())[0] == "cut"
        after.watching.told(ValueError("broken"), fatal=False)
        assert after.told() == ("error", "broken")

    run(main())


def test_a_fatal_error_ends_a_reply_whose_streams_stay_open(run: Run) -> None:
    async def main() -> None:
        by_hand = ByHand()
        by_hand.watching.told(ValueError("the account is gone"), fatal=True)
        assert by_hand.told() == ("error", "the account is gone")

    run(main())


def test_an_error_that_nothing_follows_is_no_end(run: Run) -> None:
    async def main() -> None:
        by_hand = ByHand()
        by_hand.watching.told(ValueError("broken"), fatal=False)
        by_hand.reply.give_up(5)
        assert by_hand.told() == ("no end", "no end within 5 s, broken")
        await by_hand.end()
        assert by_hand.told() == ("no end", "no end within 5 s, broken")
        assert by_hand.reply.settled_at is None

    run(main())


def test_a_stream_that_raises_is_an_error_and_still_raises(run: Run) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "Good "
        raise ValueError("broken")

    async def main() -> None:
        by_hand = ByHand()
        message = await by_hand.messages.recv()
        message.text_stream = broken()
        by_hand.messages.send_nowait(message)
        with pytest.raises(ValueError, match="broken"):
            await by_hand.end()
        await through(message.audio_stream)
        await through(by_hand.event.function_stream)
        await through(by_hand.event.message_stream)
        assert by_hand.told() == ("error", "broken")

    run(main())


def test_a_reader_who_leaves_has_interrupted(run: Run) -> None:
    async def main() -> None:
        left, done = ByHand(), ByHand()
        for by_hand in (left, done):
            by_hand.say(ANSWER)
        stream: Any = left.event.message_stream
        await stream.aclose()
        assert left.told() == ("interrupted", "the agent stopped listening to it")

        await done.end()
        stream = done.event.message_stream
        await stream.aclose()
        assert done.told() == ("ended", "")

    run(main())
