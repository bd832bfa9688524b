"""The virtual-time loop: the clock jumps when, and only when, there is nothing else to do."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from rejoinder.testing import LoopStuck, Run, VirtualTimeLoop, run_virtual


def test_an_hour_takes_no_time_and_is_measured_exactly(run: Run) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - began

    began = time.monotonic()
    assert run(main(), within=4000) == pytest.approx(3600)
    assert time.monotonic() - began < 5


def test_timers_run_in_the_order_of_their_moments(run: Run) -> None:
    async def main() -> list[str]:
        seen: list[str] = []

        async def note(after: float, word: str) -> None:
            await asyncio.sleep(after)
            seen.append(word)

        await asyncio.gather(note(3, "c"), note(1, "a"), note(2, "b"), note(0, "now"))
        return seen

    assert run(main()) == ["now", "a", "b", "c"]


def test_time_stands_still_while_bytes_travel_over_loopback(run: Run) -> None:
    async def main() -> tuple[int, float]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = 0
        async with asyncio.timeout(0.001):  # virtual: any jump at all would end it
            for _ in range(200):
                writer.write(b"x" * 10_000)
                received += len(await reader.readexactly(10_000))
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return received, loop.time() - began

    assert run(main()) == (2_000_000, 0.0)


def test_time_stands_still_while_a_thread_works(run: Run) -> None:
    async def main() -> str:
        async with asyncio.timeout(0.001):
            return await asyncio.to_thread(lambda: socket.gethostbyname("127.0.0.1"))

    assert run(main()) == "127.0.0.1"


def test_what_never_ends_is_ended_at_the_bound(run: Run) -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="no end within 5 s of virtual time"):
        run(main(), within=5)


def test_a_timeout_of_the_test_itself_keeps_its_own_words(run: Run) -> None:
    async def main() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        run(main())


def test_a_loop_with_nothing_left_to_wait_for_says_so() -> None:
    loop = VirtualTimeLoop(patience=0.01)
    with pytest.raises(LoopStuck, match="nothing left to wait for: a hang"):
        loop.run_forever()
    loop.close()


def test_a_loop_that_spins_without_advancing_is_ended() -> None:
    loop = VirtualTimeLoop(limit=0.05)

    def again() -> None:
        loop.call_soon(again)

    again()
    with pytest.raises(LoopStuck, match=r"did not end within 0\.05 s of real time"):
        loop.run_forever()
    loop.close()


def test_a_task_left_behind_fails_the_test() -> None:
    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        kept.append(asyncio.create_task(asyncio.sleep(99), name="forgotten"))

    with pytest.raises(AssertionError, match=r"a task: .*forgotten"):
        run_virtual(main())


def test_a_socket_left_behind_fails_the_test() -> None:
    ours, theirs = socket.socketpair()

    async def main() -> None:
        asyncio.get_running_loop().add_reader(ours, lambda: None)

    with ours, theirs, pytest.raises(AssertionError, match="a socket: file descriptor"):
        run_virtual(main())


def test_an_exception_that_nobody_retrieved_fails_the_test() -> None:
    async def fail() -> None:
        raise ValueError("unseen")

    async def main() -> None:
        asyncio.ensure_future(fail())  # noqa: RUF006 (forgetting it is what is tested)
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match=r"an unhandled exception: .*unseen"):
        run_virtual(main())


def test_an_exception_in_a_callback_fails_the_test() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    with pytest.raises(AssertionError, match=r"an unhandled exception: .*ZeroDivisionError"):
        run_virtual(main())


def test_a_failing_test_keeps_its_own_error_and_notes_what_it_left() -> None:
    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        kept.append(asyncio.create_task(asyncio.sleep(99), name="forgotten"))
        raise KeyError("the real reason")

    with pytest.raises(KeyError, match="the real reason") as caught:
        run_virtual(main())
    assert any("forgotten" in note for note in caught.value.__notes__)
