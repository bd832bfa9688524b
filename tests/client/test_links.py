"""Links, several of them: each dialled, greeted, lost and closed by itself, and none leaves anything."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable
from email.utils import formatdate

import aiohttp
import pytest

from rejoinder.client.link import Dialled, Link
from rejoinder.client.links import Links
from rejoinder.client.memory import MemoryTransport, Switchboard
from rejoinder.client.session import Session
from rejoinder.client.transport import HttpSession, Transport, dial
from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Close
from rejoinder.core.recovery import Recovery
from rejoinder.errors import ConfigurationError, ConnectError, SessionClosed
from rejoinder.server.faults.catalogue import HANDSHAKES
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from tests.client.peer import CREATED, Peer, until
from tests.client.sockets import http_server, refusal

CLOCKS = Timeouts(close=1.0)
ONCE = Recovery(attempts=0)
WITHIN = 3.0
TICK = 0.001


class Ear:
    """Hears several links, as a session does: greets at the first frame, closes what is lost."""

    def __init__(self) -> None:
        self.links = Links(CLOCKS)
        self.told: list[tuple[int, object]] = []
        self.losses: dict[int, Close] = {}
        self.lost_at = 0.0
        self.news: asyncio.Queue[int] = asyncio.Queue()

    def connected(self, link: Link) -> None:
        self.told.append((link.number, "connected"))

    def heard(self, link: Link, frame: str | bytes) -> None:
        self.told.append((link.number, frame))
        self.links.greet(link)

    def lost(self, link: Link, close: Close) -> None:
        self.losses.setdefault(link.number, close)
        self.lost_at = asyncio.get_running_loop().time()
        self.links.close(link.number)
        self.news.put_nowait(link.number)

    def over(self, link: Link) -> None:
        self.told.append((link.number, "over"))
        self.links.forget(link)

    def open(self, number: int, within: float = WITHIN) -> None:
        self.links.open(self, number, within)

    async def end(self) -> None:
        self.links.close_all()
        self.links.end()
        await self.links.over.wait()


def plugged(switchboard: Switchboard) -> Dialled:
    async def dialled(within: float) -> Transport:
        return await switchboard("", {})

    return dialled


async def two() -> tuple[Ear, MemoryTransport, MemoryTransport]:
    """An ear with two links, both greeted, and their far ends."""
    ear, switchboard = Ear(), Switchboard()
    ear.links.start(ear, plugged(switchboard))
    first = await switchboard.far_end()
    ear.open(2)
    second = await switchboard.far_end()
    await first.send("first")
    await second.send("second")
    await until(lambda: len(ear.told) == 4)
    return ear, first, second


def test_frames_carry_the_number_of_their_link(run: Run) -> None:
    async def main() -> None:
        ear, first, second = await two()
        assert ear.told[:2] == [(1, "connected"), (2, "connected")]
        assert {*ear.told[2:]} == {(1, "first"), (2, "second")}
        ear.links.live[2].outbox.put(b"to the second")
        ear.links.live[1].outbox.put(b"to the first")
        assert [await first.receive(), await second.receive()] == ["to the first", "to the second"]
        await ear.end()
        assert await first.receive() == await second.receive() == Close("server", 1000)

    run(main())


def test_one_link_ends_and_the_other_goes_on(run: Run) -> None:
    async def main() -> None:
        ear, first, second = await two()
        first.cut()
        await until(lambda: (1, "over") in ear.told)
        assert (list(ear.losses), list(ear.links.live)) == ([1], [2])
        await second.send("still here")
        await until(lambda: (2, "still here") in ear.told)
        await ear.end()

    run(main())


def test_a_link_that_hangs_up_writes_what_waits_first(run: Run) -> None:
    async def main() -> None:
        ear, first, _ = await two()
        ear.links.live[1].outbox.put(b"the last")
        ear.links.close(1, 4321, "enough")
        assert 1 not in ear.links.live
        assert [await first.receive() for _ in range(2)] == [
            "the last",
            Close("server", 4321, "enough"),
        ]
        await until(lambda: (1, "over") in ear.told)
        assert ear.losses == {}
        assert not ear.links.over.is_set()
        await ear.end()

    run(main())


def test_draining_waits_for_every_link(run: Run) -> None:
    async def main() -> None:
        ear, first, second = await two()
        for far in (first, second):
            far.peer.stall()
        for link in ear.links.live.values():
            link.outbox.put(b"slowly")
        draining = asyncio.ensure_future(ear.links.drained())
        first.peer.resume()
        assert await first.receive() == "slowly"
        await asyncio.sleep(TICK)
        assert not draining.done()
        second.peer.resume()
        await draining
        await ear.end()

    run(main())


def test_draining_waits_for_the_connection_after_this_one(run: Run) -> None:
    async def main() -> None:
        ear, first, second = await two()
        ear.links.serving.clear()
        draining = asyncio.ensure_future(ear.links.drained())
        first.cut()
        await until(lambda: (1, "over") in ear.told)
        assert not draining.done()
        assert ear.links.state == "reconnecting"
        second.peer.stall()
        ear.links.live[2].outbox.put(b"once more")
        ear.links.serving.set()
        assert ear.links.state == "open"
        await asyncio.sleep(TICK)
        assert not draining.done()
        second.peer.resume()
        await draining
        await ear.end()
        await ear.links.drained()

    run(main())


def test_after_the_end_nothing_is_dialled(run: Run) -> None:
    async def main() -> None:
        ear, switchboard = Ear(), Switchboard()
        ear.links.start(ear, plugged(switchboard))
        await switchboard.far_end()
        await ear.end()
        ear.open(2)
        assert (switchboard.dials, dict(ear.links.live)) == (1, {})

    run(main())


# -- within: whatever takes its time --


def hangs(switchboard: Switchboard) -> None:
    switchboard.hang()


def slow(switchboard: Switchboard) -> None:
    switchboard.delay(WITHIN + 1.0)


def mute(switchboard: Switchboard) -> None:
    switchboard.delay(WITHIN - 1.0)


@pytest.mark.parametrize(
    ("plan", "words"), [(hangs, "no connection"), (slow, "no connection"), (mute, "said nothing")]
)
def test_a_link_is_usable_in_time_or_lost(
    run: Run, plan: Callable[[Switchboard], None], words: str
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ear, switchboard = Ear(), Switchboard()
        plan(switchboard)
        began = loop.time()
        ear.links.start(ear, plugged(switchboard))
        ear.links.close(1)
        plan(switchboard)
        ear.open(7)
        assert await ear.news.get() == 7
        assert ear.lost_at - began == pytest.approx(WITHIN)
        assert f"{words} within 3 s" in ear.losses[7].reason
        error = ear.links.ending.error(None)
        assert error.code == "timeout"
        await ear.end()
        assert loop.time() - began <= WITHIN + CLOCKS.close

    run(main())


def over_sockets(url: str, lent: HttpSession | None) -> Dialled:
    async def dialled(within: float) -> Transport:
        clocks = Timeouts(connect=within, close=CLOCKS.close)
        return await dial(f"{url}/realtime?model=m", {}, http_session=lent, timeouts=clocks)

    return dialled


@pytest.mark.parametrize("lends", [False, True], ids=["own", "lent"])
@pytest.mark.parametrize("fault", sorted(HANDSHAKES))
def test_whatever_goes_wrong_in_a_handshake_is_over_in_time(
    run: Run, fault: str, lends: bool
) -> None:
    """No socket is left, which `run` sees to (M6)."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        lent = aiohttp.ClientSession() if lends else None
        async with serve(faults=[f"{fault}#0"]) as server:
            ear = Ear()
            began = loop.time()
            ear.links.start(ear, over_sockets(server.url, lent))
            ear.open(2)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOCKS.connect + 1.0):
                    assert {await ear.news.get(), await ear.news.get()} == {1, 2}
                    assert ear.lost_at - began <= CLOCKS.connect + TICK
            closing = loop.time()
            await ear.end()
            assert loop.time() - closing <= CLOCKS.close + TICK
            if lent is not None:
                assert not lent.closed
                await lent.close()

    run(main())


# -- what the core is told --


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"Retry-After": formatdate(1090, usegmt=True), "Date": formatdate(1000)}, 90.0),
        ({"Retry-After": formatdate(900, usegmt=True), "Date": formatdate(1000)}, 0.0),
        ({"Retry-After": "Sat, 99 Zip 9999 99:99:99 GMT"}, None),
    ],
)
def test_a_refused_upgrade_says_when_to_come_back(
    run: Run, headers: dict[str, str], seconds: float | None
) -> None:
    told: list[inp.Input] = []

    async def main() -> None:
        async with http_server(refusal(503, text="full", headers=headers)) as url:
            session = Session.start(
                base_url=url,
                api_key="k",
                recovery=ONCE,
                journal=lambda now, given, effects: told.append(given),
            )
            with pytest.raises(ConnectError, match="503: full") as caught:
                await session.opened()
            await session.aclose()
            assert (caught.value.status, caught.value.retry_after) == (503, seconds)
            [lost] = [each for each in told if isinstance(each, inp.Disconnected)]
            assert (lost.link, lost.status, lost.retry_after) == (1, 503, seconds)
            assert 0.0 <= lost.lot < 1.0

    run(main())


def test_the_core_is_told_the_date_of_a_connection(run: Run) -> None:
    told: list[inp.Input] = []

    async def main() -> None:
        switchboard = Switchboard()
        session = Session.start(
            api_key="k",
            dial=switchboard,
            journal=lambda now, given, effects: told.append(given),
        )
        await Peer(await switchboard.far_end()).say(**CREATED)
        await session.opened()
        await session.aclose()

    run(main())
    [connected] = [each for each in told if isinstance(each, inp.Connected)]
    assert connected.link == inp.FIRST_LINK
    assert connected.epoch > 1.7e9


def test_a_refusal_that_is_laid_out_reaches_the_caller(run: Run) -> None:
    async def main() -> None:
        switchboard = Switchboard()
        refused = ConnectError("come back later", status=503, code="full", retry_after=4.0)
        switchboard.refuse(refused, after=0.5)
        session = Session.start(api_key="k", dial=switchboard, recovery=ONCE)
        assert "connecting" in repr(session)
        with pytest.raises(ConnectError) as caught:
            await session.opened()
        assert caught.value is refused
        assert "ended" in repr(session)
        with pytest.raises(SessionClosed, match="come back later"):
            session.clear_audio()
        [*_, last] = [notice async for notice in session.notices()]
        assert isinstance(last, ef.Ended)
        assert (last.close.by, last.close.error and last.close.error.code) == ("server", "full")
        await session.aclose()

    run(main())


# -- the options --


@pytest.mark.parametrize(
    ("recovery", "words"),
    [
        (5, r"recovery must be a rejoinder\.Recovery, not int"),
        (None, r"recovery must be a rejoinder\.Recovery, not NoneType"),
        (Recovery(attempts=-1), r"recovery\.attempts must be a whole number up to 100"),
        (Recovery(attempts=101), r"recovery\.attempts must be a whole number up to 100"),
        (Recovery(attempts=True), r"recovery\.attempts .* 0 ends the session"),
        (Recovery(pause=0), r"recovery\.pause must be positive and finite: attempts=1"),
        (Recovery(give_up=float("inf")), r"recovery\.give_up must be positive and finite"),
        (Recovery(healthy=-1), r"recovery\.healthy must be positive and finite"),
        (Recovery(keep_audio=0), r"recovery\.keep_audio must be positive and finite"),
        (Recovery(keep_audio="5"), r"recovery\.keep_audio must be a number of seconds"),  # type: ignore[arg-type]
        (Recovery(renew_after=0), r"recovery\.renew_after must be positive .* None renews no"),
        (Recovery(renew_before=-1), r"recovery\.renew_before must be finite and not negative"),
        (Recovery(renew_before=float("nan")), r"recovery\.renew_before must be finite"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_by_name(
    run: Run, recovery: Recovery, words: str
) -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match=words):
            Session.start(api_key="k", recovery=recovery)

    run(main())


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_the_newest_of_the_microphone_is_kept_until_there_is_a_connection(
    run: Run, seconds: float
) -> None:
    policy = Recovery(keep_audio=seconds, renew_after=None, renew_before=0.0)

    async def main() -> None:
        switchboard = Switchboard()
        switchboard.delay(1.0)
        session = Session.start(api_key="k", dial=switchboard, recovery=policy)
        for _ in range(5):
            session.append_audio(bytes(48_000))
        peer = Peer(await switchboard.far_end())
        await peer.say(**CREATED)
        await session.drain()
        await session.aclose()
        heard = b""
        while isinstance(frame := await peer.end.receive(), str):
            heard += base64.b64decode(json.loads(frame)["audio"])
        assert len(heard) == seconds * 48_000

    run(main())
