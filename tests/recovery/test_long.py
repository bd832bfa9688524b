"""Half an hour of conversation through twenty losses of every kind."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TypeAlias

from rejoinder import Completed, Lost, Outcome, Recovery, SessionConfig, TimedOut
from rejoinder.client.edit import Edit
from rejoinder.client.session import Session
from rejoinder.core import effects as ef
from rejoinder.server.core import Terms
from rejoinder.server.script import Script, Speech, Turn
from rejoinder.testing import Run
from rejoinder.wire import client_events as ce
from rejoinder.wire import server_events as ev
from rejoinder.wire.items import Item
from rejoinder.wire.session import Audio, AudioInput, Transcription, TurnDetection
from tests.recovery.speaking import Microphone
from tests.recovery.town import (
    Door,
    Far,
    Town,
    closes_at_once,
    dies_while_told,
    hangs,
    reads_nothing,
    refuses,
)

ASKED, WORDS = "I have another wish.", "Of course, I shall see to that at once."
ANSWER = Speech(WORDS, lasting=2.0, pace=2.0)
SCRIPT = Script(*[Turn(ASKED, ANSWER)] * 100, otherwise=Turn(None, ANSWER))
CONFIG = SessionConfig(
    instructions="Be brief.",
    audio=Audio(
        input=AudioInput(
            transcription=Transcription(model="whisper-1"),
            turn_detection=TurnDetection(type="server_vad", silence_duration_ms=300),
        )
    ),
)

REPLYING, RESTING = 8.0, 20.0
"""Seconds of virtual time: what the server says takes two, and a broken connection at most seven more."""

How: TypeAlias = Callable[[Far], None]
At: TypeAlias = type[ev.ServerEventBase] | type[ce.ClientEventBase] | float | None
"""When it strikes: after so many seconds, at an event of either side, or (None) with the next renewal."""

Loss: TypeAlias = tuple[str, How, At, list[Door | None]]


def drop(far: Far) -> None:
    far.cut()


def half_open(far: Far) -> None:
    far.freeze()


def expiry(far: Far) -> None:
    far.expire()


def untouched(far: Far) -> None:
    """Nothing happens to the one that serves."""


LOSSES: list[Loss] = [
    ("in the user's speech", drop, 0.6, []),
    ("as the user is heard", drop, ev.InputAudioBufferSpeechStarted, []),
    ("as the turn is committed", drop, ev.InputAudioBufferCommitted, []),
    ("before the transcript", drop, ev.ResponseCreated, []),
    ("in mid-reply", drop, ev.ResponseOutputAudioDelta, []),
    ("at the end of the reply", drop, ev.ResponseDone, []),
    ("in silence", drop, 15.0, []),
    ("half-open in the user's speech", half_open, 0.6, []),
    ("half-open in mid-reply", half_open, ev.ResponseOutputAudioDelta, []),
    ("expired in silence", expiry, 15.0, []),
    ("expired in the user's speech", expiry, 0.6, []),
    ("expired in mid-reply", expiry, ev.ResponseOutputAudioDelta, []),
    ("and refused once", drop, ev.ResponseOutputAudioDelta, [refuses]),
    ("and refused twice", drop, 0.6, [refuses, refuses]),
    ("and the handshake hangs", drop, ev.InputAudioBufferCommitted, [hangs]),
    ("and closed at once", drop, 15.0, [closes_at_once]),
    ("and lost while told", drop, 0.6, [dies_while_told]),
    ("and deaf while told", drop, ev.ResponseOutputAudioDelta, [reads_nothing]),
    ("everything at once", drop, 0.6, [refuses, dies_while_told]),
    ("as an item is created", drop, ce.ConversationItemCreate, []),
    ("as a reply is asked for", drop, ce.ResponseCreate, []),
    ("as a reply is cut short", drop, ce.ConversationItemTruncate, []),
    ("as the session is changed", drop, ce.SessionUpdate, []),
    ("the new one, at a renewal", untouched, None, [dies_while_told]),
    ("the old one, at a renewal", drop, None, [None]),
    ("the old one, expired, at a renewal", expiry, None, [None]),
    ("both, at a renewal", drop, None, [dies_while_told]),
    ("no new one, at a renewal", untouched, None, [refuses]),
    ("twice in a row", drop, ev.ResponseCreated, [dies_while_told]),
]


class Conversation:
    """One session through all of it, and what came of each reply."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.outcomes: list[Outcome] = []
        self.notices: list[ef.Notice] = []
        self.asked: list[Outcome] = []
        self.edits: list[Edit] = []
        self.turns = 0
        self.session = Session.start(
            model="m",
            api_key="k",
            dial=town.dial,
            session=CONFIG,
            recovery=Recovery(renew_after=80.0),
            on_notice=self.notices.append,
        )
        self.microphone = Microphone(self.session)

    async def listen(self) -> None:
        """Hears every reply to its end."""
        async for response in self.session.responses():
            self.outcomes.append(await response.outcome())

    async def turn(self, loss: Loss | None) -> None:
        """The user speaks, is answered, and rests; the program has its say; and somewhere on the way the
        connection goes."""
        self.turns += 1
        if loss is not None:
            self._expect(loss)
        await self.microphone.speak(1.0)
        await self.microphone.rest(0.7)
        await asyncio.sleep(REPLYING)
        await self.settled()
        await self._say()
        await asyncio.sleep(RESTING)
        await self.settled()

    async def _say(self) -> None:
        """An item, a reply to it that is cut short, and other instructions."""
        number = len(self.edits)
        text = {"type": "input_text", "text": f"Note {number}."}
        item = {"type": "message", "role": "user", "content": [text]}
        self.edits.append(self.session.create_item(item))
        reply = self.session.create_response()
        self.asked.append(await reply.outcome())
        spoken = [i for i in self.session.conversation.items() if i.role == "assistant"][-1]
        self.edits.append(self.session.truncate_item(spoken.id or "", 0, 300))
        self.edits.append(self.session.update(SessionConfig(instructions=f"Rule {number}.")))

    async def settled(self) -> None:
        """Returns when nobody waits for anything any more."""
        for response in self.session.live:
            await response.outcome()
        await self.session.drain()

    def _expect(self, loss: Loss) -> None:
        _, how, at, doors = loss
        self.town.doors = list(doors)
        if at is None:
            old = self.serving
            self.town.doors = [lambda far: self._open(far, doors[0], how, old)]
        elif isinstance(at, float):
            asyncio.get_running_loop().call_later(at, lambda: how(self.serving))
        else:
            self.serving.watch = self.serving.told = lambda far, event: self._if(far, event, loss)

    def _open(self, far: Far, door: Door | None, how: How, old: Far) -> None:
        """A renewal has begun."""
        if door is not None:
            door(far)
        far.watch = lambda _far, _event: self._strike(old, how)

    def _if(self, far: Far, event: object, loss: Loss) -> None:
        _, how, at, _ = loss
        if isinstance(at, type) and isinstance(event, at):
            far.deaf = issubclass(at, ce.ClientEventBase)
            self._strike(far, how)

    def _strike(self, far: Far, how: How) -> None:
        for each in self.town.fars:
            each.watch = lambda _far, _event: None
            each.told = lambda _far, _event: None
        asyncio.get_running_loop().call_soon(how, far)

    @property
    def serving(self) -> Far:
        """The server that answers at the moment."""
        heard = [far for far in self.town.fars if far.appended_at]
        return max(heard, key=lambda far: far.appended_at, default=self.town.now)

    async def aclose(self) -> None:
        await self.session.aclose()
        await self.town.aclose()


def said(items: list[Item]) -> list[tuple[str | None, str | None, str]]:
    """What a conversation says, however each of its items puts it."""
    return [
        (
            item.id,
            item.role,
            "".join(part.text or part.transcript or "" for part in item.content or ()),
        )
        for item in items
    ]


def test_half_an_hour_through_twenty_losses(run: Run) -> None:
    async def main() -> None:
        town = Town(SCRIPT, Terms(transcribing=0.4, lifetime=7200.0))
        talk = Conversation(town)
        listening = asyncio.create_task(talk.listen())
        began_at = asyncio.get_running_loop().time()
        try:
            await talk.session.opened()
            for loss in LOSSES:
                await talk.turn(None)
                await talk.turn(loss)
                while town.doors:  # the renewal that it waits for is still to come
                    await talk.turn(None)
            for _ in range(20):
                await talk.turn(None)
            assert asyncio.get_running_loop().time() - began_at >= 1800
            check(talk)
        finally:
            await talk.aclose()
            await listening

    run(main(), within=5000.0)


def check(talk: Conversation) -> None:
    """Nothing is lost, nothing is doubled, and both ends say the same."""
    told = {each.item_id for each in talk.notices if isinstance(each, ef.Committed)}
    stretches = sorted(
        talk.microphone.where(far.audio_of(item_id))
        for far in talk.town.fars
        for item_id in far.committed
        if item_id in told
    )
    assert len(stretches) == len(talk.outcomes) == talk.turns
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(stretches))

    assert {type(outcome) for outcome in talk.outcomes} == {Completed, Lost, TimedOut}
    assert len(talk.asked) == talk.turns
    assert all(isinstance(outcome, Completed) for outcome in talk.asked)
    assert all(isinstance(edit.result, ef.Acknowledged) for edit in talk.edits)

    back = [each for each in talk.notices if isinstance(each, ef.Reconnected)]
    assert len([each for each in back if not each.planned]) >= 20
    assert [each.lost for each in back] == [()] * len(back)
    assert said(talk.session.conversation.items()) == said(talk.serving.core.conversation.items())
    rule = talk.serving.core.settings.config["instructions"]
    assert rule == f"Rule {len(talk.edits) - 3}."
