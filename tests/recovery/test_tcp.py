"""A short conversation over TCP through twenty losses of every kind, with the faults of our own server."""

from __future__ import annotations

import asyncio
import itertools

from rejoinder import Completed, Lost, Outcome, Recovery, TimedOut
from rejoinder.client.session import Session
from rejoinder.core import effects as ef
from rejoinder.server.serve import Server, serve
from rejoinder.testing import Run
from rejoinder.wire import server_events as ev
from tests.recovery.speaking import Microphone
from tests.recovery.test_long import CONFIG, SCRIPT, said

HEARD = "input_audio_buffer.speech_started"
COMMITTED = "input_audio_buffer.committed"
SPOKEN = "response.output_audio.delta"
TOLD = "conversation.item.added:2"

LOSSES = [
    (f"reset@{HEARD}",),
    (f"cut@{HEARD}",),
    (f"half-open@{HEARD}",),
    (f"stops-reading@{HEARD}",),
    (f"frame-half@{HEARD}",),
    (f"reset@{COMMITTED}",),
    (f"expiry@{COMMITTED}",),
    (f"close-1012@{COMMITTED}",),
    ("reset@created",),
    (f"reset@{SPOKEN}:3",),
    (f"half-open@{SPOKEN}:3",),
    (f"expiry@{SPOKEN}:3",),
    (f"close-1001-expired@{SPOKEN}:3",),
    (f"goes-down-2@{SPOKEN}:3",),
    (f"reset@{SPOKEN}:3", "http-503#1"),
    (f"reset@{SPOKEN}:3", "http-429#1"),
    (f"reset@{SPOKEN}:3", "handshake-hangs#1"),
    (f"reset@{SPOKEN}:3", "handshake-half#1"),
    (f"reset@{SPOKEN}:3", "opens-then-closes#1"),
    (f"reset@{SPOKEN}:3", "opens-silent#1"),
    (f"reset@{SPOKEN}:3", f"reset@{TOLD}"),
    ("reset@done",),
]
PAUSE = 25.0
"""Seconds of virtual time: a half-open connection is found within 15, and there is another within 7."""


class Conversation:
    """One session through all of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.outcomes: list[Outcome] = []
        self.notices: list[ef.Notice] = []
        self.session = Session.start(
            base_url=server.url,
            api_key="k",
            session=CONFIG,
            recovery=Recovery(renew_after=200.0),
            on_notice=self.notices.append,
        )
        self.microphone = Microphone(self.session)

    async def listen(self) -> None:
        """Hears every reply to its end."""
        async for response in self.session.responses():
            self.outcomes.append(await response.outcome())

    async def turn(self, *faults: str) -> None:
        """The user speaks and is answered."""
        for fault in faults:
            self.server.arm(fault)
        await self.microphone.speak(1.0)
        await self.microphone.rest(0.7)
        await asyncio.sleep(PAUSE)
        for response in self.session.live:
            await response.outcome()
        await self.session.drain()

    def told(self, kind: type[ef.Notice]) -> list[ef.Notice]:
        """The notices of a kind."""
        return [each for each in self.notices if isinstance(each, kind)]


def test_a_short_conversation_through_twenty_losses(run: Run) -> None:
    async def main() -> None:
        async with serve(SCRIPT) as server:
            talk = Conversation(server)
            listening = asyncio.create_task(talk.listen())
            try:
                await talk.session.opened()
                for faults in LOSSES:
                    before = len(talk.told(ef.Reconnected))
                    await talk.turn(*faults)
                    assert len(talk.told(ef.Reconnected)) > before, faults
                await talk.turn()
                check(talk)
            finally:
                await talk.session.aclose()
                await listening

    run(main(), within=2000.0)


def check(talk: Conversation) -> None:
    """Nothing is lost, nothing is doubled, and both ends say the same."""
    ours = {each.item_id for each in talk.notices if isinstance(each, ef.Committed)}
    committed = [
        (served, event.item_id)
        for served in talk.server.sessions
        for event in served.sent
        if isinstance(event, ev.InputAudioBufferCommitted) and event.item_id in ours
    ]
    stretches = sorted(
        talk.microphone.where(bytes(served.conversation.get(item_id, "retrieve").audio))
        for served, item_id in committed
    )
    assert len(stretches) == len(LOSSES) + 1
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(stretches))
    assert {type(outcome) for outcome in talk.outcomes} == {Completed, Lost, TimedOut}
    back = [each for each in talk.notices if isinstance(each, ef.Reconnected)]
    assert [each.lost for each in back] == [()] * len(back)
    served = talk.server.sessions[-1]
    assert said(talk.session.conversation.items()) == said(served.conversation.items())
