"""The streams that LiveKit reads."""

from __future__ import annotations

import asyncio

from rejoinder.livekit.streams import AudioStream, Stream, Tally
from rejoinder.testing import Run


def nobody() -> None:
    """Nobody cares who reads."""


async def drained(stream: Stream[int]) -> list[int]:
    return [item async for item in stream]


def test_everything_arrives_in_order_and_then_the_end(run: Run) -> None:
    async def main() -> None:
        stream = Stream[int](nobody)
        reader = asyncio.create_task(drained(stream))
        await asyncio.sleep(0)
        for item in range(3):
            stream.put(item)
        stream.close()

        assert await reader == [0, 1, 2]
        assert stream.closed

    run(main())


def test_what_comes_after_the_end_is_dropped(run: Run) -> None:
    async def main() -> None:
        stream = Stream[int](nobody)
        stream.put(1)
        stream.close()
        stream.put(2)
        stream.close()

        assert await drained(stream) == [1]
        assert await drained(stream) == []

    run(main())


def test_a_cancelled_read_loses_nothing(run: Run) -> None:
    async def main() -> None:
        stream = Stream[int](nobody)
        given_up = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        given_up.cancel()
        stream.put(1)
        stream.close()
        await asyncio.wait([given_up])

        assert given_up.cancelled()
        assert await drained(stream) == [1]

    run(main())


def test_several_readers_share_what_comes(run: Run) -> None:
    async def main() -> None:
        stream = Stream[int](nobody)
        readers = [asyncio.create_task(drained(stream)) for _ in range(3)]
        await asyncio.sleep(0)
        for item in range(9):
            stream.put(item)
        stream.close()

        read = await asyncio.gather(*readers)
        assert sorted(item for items in read for item in items) == list(range(9))

    run(main())


def test_a_reader_that_has_gone_leaves_nothing_behind(run: Run) -> None:
    async def main() -> None:
        stream = Stream[int](nobody)
        stream.put(1)

        await stream.aclose()
        stream.put(2)

        assert await drained(stream) == []

    run(main())


def test_each_read_is_announced_in_the_readers_context(run: Run) -> None:
    async def main() -> None:
        readers: list[asyncio.Task[list[int]] | None] = []
        stream = Stream[int](lambda: readers.append(asyncio.current_task()))
        stream.put(1)
        stream.close()
        reader = asyncio.create_task(drained(stream))
        await reader

        assert readers == [reader, reader]

    run(main())


def test_samples_come_out_as_frames_and_are_counted_until_then(run: Run) -> None:
    async def main() -> None:
        tally = Tally()
        stream = AudioStream(nobody, tally)
        stream.put(bytes(960))
        stream.put(bytes(5))  # half a sample is of no use
        assert tally.bytes == 965
        frame = await anext(stream)
        assert (frame.sample_rate, frame.num_channels, frame.samples_per_channel) == (
            24_000,
            1,
            480,
        )
        assert tally.bytes == 5
        assert (await anext(stream)).samples_per_channel == 2
        stream.close()
        stream.put(bytes(960))
        assert tally.bytes == 0
        assert [frame async for frame in stream] == []

    run(main())


def test_samples_that_the_reader_left_are_not_counted(run: Run) -> None:
    async def main() -> None:
        tally = Tally()
        stream = AudioStream(nobody, tally)
        stream.put(bytes(960))
        await stream.aclose()
        assert tally.bytes == 0
        assert stream.closed

    run(main())


def test_a_reader_of_samples_is_woken(run: Run) -> None:
    async def main() -> None:
        tally = Tally()
        stream = AudioStream(nobody, tally)
        reader = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        stream.put(bytes(960))
        assert (await reader).samples_per_channel == 480

    run(main())
