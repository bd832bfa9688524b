"""Streams, feeds and the outbox, each by itself."""

from __future__ import annotations

import asyncio

import pytest

from rejoinder.client.memory import connected, pair
from rejoinder.client.outbox import Outbox
from rejoinder.client.streams import Feed, PartStream, weight
from rejoinder.core.outcomes import Close, Completed
from rejoinder.core.parts import (
    Audio,
    ContentStarted,
    FunctionCall,
    ItemEnded,
    ItemStarted,
    Part,
    Text,
    Transcript,
)
from rejoinder.testing import Run
from rejoinder.wire.items import ContentPart, Item
from tests.client.peer import until

LONG = "x" * 1000
MESSAGE = Item(
    type="message",
    arguments=LONG,
    content=[ContentPart(type="audio", audio=bytes(1000), transcript=LONG)],
)


@pytest.mark.parametrize(
    ("part", "least"),
    [
        (Audio("i", 0, bytes(1000)), 1000),
        (Text("i", 0, LONG), 1000),
        (Transcript("i", 0, LONG), 1000),
        (FunctionCall("i", "c", "f", LONG), 1000),
        (ItemStarted("i", 0, MESSAGE), 3000),
        (ItemEnded("i", None, MESSAGE), 3000),
        (ContentStarted("i", 0, "text"), 1),
    ],
)
def test_every_part_has_its_weight(part: Part, least: int) -> None:
    assert least <= weight(part) <= 4 * least + 1000


def test_a_stream_beyond_its_bound_gives_up_once(run: Run) -> None:
    async def main() -> None:
        given_up: list[bool] = []
        stream = PartStream(lambda: given_up.append(True), most=3000)
        for _ in range(5):
            stream.feed(Audio("i", 0, bytes(1000)))
        assert given_up == [True]
        assert stream.size == 2 * weight(Audio("i", 0, bytes(1000)))
        await stream.take()
        stream.feed(Audio("i", 0, b"there would be room again"))
        await stream.take()
        assert stream.size == 0
        stream.settle(Completed())
        with pytest.raises(StopAsyncIteration):
            await stream.take()

    run(main())


def test_what_is_discarded_weighs_nothing(run: Run) -> None:
    async def main() -> None:
        stream = PartStream(lambda: None)
        stream.feed(Text("i", 0, "a"))
        stream.discard()
        stream.feed(Text("i", 0, "b"))
        assert stream.size == 0
        stream.settle(Completed())
        with pytest.raises(StopAsyncIteration):
            await stream.take()

    run(main())


def test_consumers_of_a_feed_share_what_comes_and_all_end(run: Run) -> None:
    async def main() -> None:
        feed: Feed[int] = Feed(3)
        taken: list[int] = []

        async def take() -> None:
            async for thing in feed:
                taken.append(thing)

        tasks = [asyncio.ensure_future(take()) for _ in range(2)]
        await asyncio.sleep(0)
        for number in range(3):
            feed.put(number)
        await until(lambda: len(taken) == 3)
        feed.end()
        await asyncio.gather(*tasks)
        assert sorted(taken) == [0, 1, 2]
        assert [feed.put(number) for number in range(4)] == [None, None, None, 0]
        assert feed.dropped == 1

    run(main())


def test_two_transports_in_memory_are_each_others_far_end(run: Run) -> None:
    async def main() -> None:
        ours, theirs = pair()
        assert await connected(ours)("ws://anywhere", {}) is ours
        theirs.stall()
        sending = asyncio.ensure_future(theirs.send_binary(b"\0"))
        await asyncio.sleep(0)
        assert not sending.done()
        theirs.resume()
        await sending
        await theirs.send("text")
        await ours.close(4000, "enough")
        assert [await ours.receive(), await ours.receive()] == [b"\0", "text"]
        assert await ours.receive() == await ours.receive() == Close("caller", 4000, "enough")
        assert await theirs.receive() == Close("server", 4000, "enough")
        for end in (ours, theirs):
            with pytest.raises(ConnectionResetError):
                await end.send(b"late")

    run(main())


def test_an_outbox_takes_one_frame_of_any_size_and_then_is_bounded(run: Run) -> None:
    async def main() -> None:
        outbox = Outbox(most=10)
        assert outbox.put(bytes(50))
        assert not outbox.put(b"x")
        assert not outbox.put(b"y")
        draining = asyncio.ensure_future(outbox.drained())
        await asyncio.sleep(0)
        assert not draining.done()
        frame = await outbox.get()
        assert frame == bytes(50)
        outbox.written(frame)
        await draining
        assert await outbox.get() is None

    run(main())


def test_whoever_waits_for_a_frame_gets_it(run: Run) -> None:
    async def main() -> None:
        outbox = Outbox()
        waiting = asyncio.ensure_future(outbox.get())
        await asyncio.sleep(0)
        outbox.put(b"x")
        assert await waiting == b"x"
        again = asyncio.ensure_future(outbox.get())
        await asyncio.sleep(0)
        outbox.close()
        assert await again is None

    run(main())
