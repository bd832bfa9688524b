"""The figures of recovery, in little and in virtual time. How fast it is, is nobody's promise; that no
sample is lost and nothing is left behind, is."""

from __future__ import annotations

import asyncio
import io
from statistics import median

import pytest
from rich.console import Console

from bench.hearing import Account, account, heard
from bench.losing import CLIENTS, losses
from bench.microphone import SAMPLE_BYTES, Microphone, microphone
from bench.reconnecting import reconnects
from bench.recovery import IN_MID_REPLY, RESETTING, TALKING, Finding
from bench.recovery_table import drawn_recovery
from bench.renewing import Answer, Punctuality, Talk, Window, punctuality, talks
from rejoinder.server.serve import serve
from rejoinder.server.sights import Sight, Struck
from rejoinder.testing import Run

SAID = microphone(0, 6)


def _cut(recorded: Microphone, begins: int, ends: int) -> bytes:
    return recorded.audio[begins * SAMPLE_BYTES : ends * SAMPLE_BYTES]


def _whole() -> dict[str, list[bytes]]:
    """Every item whole, with a little of the silence around it."""
    return {
        f"item_{at}": [_cut(SAID, each.begins - 2400, each.ends + 4800)]
        for at, each in enumerate(SAID.spoken)
    }


# -- counting samples --


def test_a_user_who_is_heard_whole_loses_nothing() -> None:
    assert account(SAID, _whole()) == Account(len(SAID.spoken), 0, 0)


def test_what_no_item_holds_is_lost() -> None:
    items, first = _whole(), SAID.spoken[0]
    del items["item_0"]
    assert account(SAID, items).lost == first.ends - first.begins


def test_a_hole_in_an_item_is_lost_even_where_nobody_spoke() -> None:
    items, first = _whole(), SAID.spoken[0]
    spoken = _cut(SAID, first.begins, first.ends + 1000)
    items["item_0"] = [spoken + _cut(SAID, first.ends + 1480, first.ends + 4800)]
    assert account(SAID, items) == Account(len(SAID.spoken), 480, 0)


def test_what_is_twice_in_an_item_is_doubled() -> None:
    items, first = _whole(), SAID.spoken[0]
    again = _cut(SAID, first.begins + 4800, first.ends)
    items["item_0"] = [_cut(SAID, first.begins, first.begins + 5280) + again]
    assert account(SAID, items) == Account(len(SAID.spoken), 0, 480)


def test_what_is_in_two_items_is_doubled() -> None:
    items, first = _whole(), SAID.spoken[0]
    items["another"] = [_cut(SAID, first.begins, first.begins + 2400)]
    assert account(SAID, items).doubled == 2400


def test_an_item_that_two_servers_know_alike_counts_once() -> None:
    items = _whole()
    items["item_0"] *= 2
    assert account(SAID, items) == Account(len(SAID.spoken), 0, 0)
    items["item_0"][1] = items["item_0"][1][: -240 * SAMPLE_BYTES]
    assert account(SAID, items).doubled == 240


def test_somebody_elses_items_do_not_count() -> None:
    other = microphone(1, 6)
    items = {**_whole(), "other": [_cut(other, other.spoken[0].begins, other.spoken[0].ends)]}
    assert account(SAID, items) == Account(len(SAID.spoken), 0, 0)


# -- replies in time --


def test_replies_near_a_renewal_are_compared_with_the_others() -> None:
    answers = [Answer(0, 1, 1.3), Answer(3, 4, 4.4), Answer(6, 7, 7.6), Answer(9, 10, None)]
    found = punctuality([Talk(answers, [Window(6.5, 7.2)], {"Completed": 3})])
    assert found.missing == 1
    assert found.late == pytest.approx([0.25])
    assert median(found.usual) == pytest.approx(0)


def test_without_a_renewal_there_is_nothing_to_compare() -> None:
    with pytest.raises(RuntimeError, match="0 replies near a renewal, 1 others"):
        punctuality([Talk([Answer(0, 1, 1.3)], [], {})])


# -- the measurements themselves --


@pytest.mark.parametrize("client", CLIENTS)
def test_a_lost_reply_settles_and_the_next_one_is_heard(run: Run, client: str) -> None:
    async def main() -> None:
        resets: list[float] = []

        def watch(_number: int, sight: Sight) -> None:
            if isinstance(sight, Struck):
                resets.append(asyncio.get_running_loop().time())

        async with serve(RESETTING, faults=[IN_MID_REPLY], watch=watch) as server:
            (loss,) = await losses(server.url, client, 3, 1)
            restored = [entry.item.role for entry in server.sessions[1].conversation]
        assert resets[0] <= loss.settled_at <= loss.heard_at
        assert restored[:3] == ["assistant", "user", "assistant"]

    run(main())


def test_renewals_lose_no_sample_and_no_reply(run: Run) -> None:
    async def main() -> tuple[list[Talk], Account]:
        async with serve(TALKING) as server:
            told = await talks(server.url, 1, 8.0, 2.5)
            return told, account(microphone(0, 8.0), heard(server.sessions))

    told, counted = run(main())
    assert len(told[0].renewals) >= 2
    assert counted == Account(len(told[0].answers), 0, 0)
    found = punctuality(told)
    assert isinstance(found, Punctuality)
    assert found.missing == 0
    assert set(told[0].outcomes) == {"Completed", "Cancelled"}


def test_lost_connections_leave_nothing_behind(run: Run) -> None:
    async def main() -> None:
        async with serve(RESETTING, faults=[IN_MID_REPLY]) as server:
            kept = await reconnects(server.url, 5, warm_up=2, replies=50)
            assert len(server.sessions) == 8
        assert kept.after.tasks == kept.before.tasks
        assert kept.after.descriptors == kept.before.descriptors
        assert kept.closed.tasks == kept.apart.tasks

    run(main())


def test_the_table_tells_figures_spread_and_target() -> None:
    rows = [
        Finding("reset to all settled", "ms", [1.5, 2.5, 4.0], 50, "3 resets"),
        Finding("a reply's delay", "ms", [1.0, 7.25], 100, "2 replies", worst=True),
        Finding("samples lost", "", [0.0], 0, "9 items, 3 renewals"),
    ]
    console = Console(width=110, file=io.StringIO())
    with console.capture() as printed:
        console.print(drawn_recovery(rows))
    text = printed.get()
    for words in ("2.5", "1.5 to 4", "7.2", "delay, worst", "9 items, 3 renewals", "100"):
        assert words in text
