"""Signals."""

from __future__ import annotations

import asyncio

import pytest

from rejoinder.client.signal import Signal
from rejoinder.testing import Run


def test_all_who_wait_go_on_when_it_is_given(run: Run) -> None:
    async def main() -> None:
        signal = Signal()
        waiting = [asyncio.create_task(signal.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not signal.is_set()
        assert not any(task.done() for task in waiting)

        signal.set()
        await asyncio.gather(*waiting)
        assert signal.is_set()
        await signal.wait()

    run(main())


def test_taken_back_it_is_waited_for_again_but_who_was_called_goes_on(run: Run) -> None:
    async def main() -> None:
        signal = Signal()
        called = asyncio.create_task(signal.wait())
        await asyncio.sleep(0)
        signal.set()
        signal.clear()
        late = asyncio.create_task(signal.wait())
        await called
        assert not late.done()
        signal.set()
        await late

    run(main())


def test_who_stops_waiting_is_forgotten(run: Run) -> None:
    async def main() -> None:
        signal = Signal()
        one, other = asyncio.create_task(signal.wait()), asyncio.create_task(signal.wait())
        await asyncio.sleep(0)
        one.cancel()
        signal.set()
        with pytest.raises(asyncio.CancelledError):
            await one
        await other

    run(main())
