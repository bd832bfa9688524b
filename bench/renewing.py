"""A lively conversation whose connection is replaced again and again: who was answered, and how soon."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from statistics import median
from typing import Any

import msgspec

import rejoinder
from bench.losing import KEY
from bench.microphone import Microphone, frames, microphone
from rejoinder.core import effects as ef
from rejoinder.wire.session import (
    Audio,
    AudioInput,
    SessionConfig,
    Transcription,
    TurnDetection,
)

SESSION = SessionConfig(
    audio=Audio(
        input=AudioInput(
            turn_detection=TurnDetection(type="server_vad", silence_duration_ms=300),
            transcription=Transcription(model="gpt-4o-mini-transcribe"),
        )
    )
)
_FRAME = 0.02


class Answer(msgspec.Struct, frozen=True):
    """One thing that the user said: when it began and ended, and when the reply to it was first heard;
    None: never."""

    began_at: float
    ended_at: float
    heard_at: float | None


class Window(msgspec.Struct):
    """A renewal, from the dial to the end of the old connection."""

    begins_at: float
    ends_at: float


class Talk(msgspec.Struct, frozen=True):
    """One conversation. ``outcomes``: of the replies, by name."""

    answers: list[Answer]
    renewals: list[Window]
    outcomes: dict[str, int]


class Listener:
    """What the session tells of its replies and of its connections."""

    def __init__(self) -> None:
        self.heard_at: list[float] = []
        self.renewals: list[Window] = []
        self.outcomes: dict[str, int] = {}
        self._dialled_at: float | None = None

    def journal(self, now: float, _given: Any, effects: list[ef.Effect]) -> None:
        """Sees when connections are dialled, and when they have taken over altogether."""
        for effect in effects:
            match effect:
                case ef.Connect():
                    self._dialled_at = now
                case ef.Announce(ef.Reconnected(planned=True)) if self._dialled_at is not None:
                    self.renewals.append(Window(self._dialled_at, now))
                case _:
                    pass

    async def listen(self, session: rejoinder.Session) -> None:
        """Takes every reply, to the end of the session."""
        async with asyncio.TaskGroup() as group:
            async for response in session.responses():
                group.create_task(self._take(response))

    async def _take(self, response: rejoinder.Response) -> None:
        heard = False
        try:
            async for part in response:
                if isinstance(part, rejoinder.Audio) and not heard:
                    heard = True
                    self.heard_at.append(asyncio.get_running_loop().time())
        except rejoinder.OutcomeError:
            pass  # its name is counted
        name = type(await response.outcome()).__name__
        self.outcomes[name] = self.outcomes.get(name, 0) + 1


async def talk(url: str, number: int, seconds: float, renew_after: float) -> Talk:
    """Talks for that long, in real time, with a connection that is replaced that often."""
    recorded, listener = microphone(number, seconds), Listener()
    async with (
        asyncio.TaskGroup() as group,
        rejoinder.connect(
            base_url=url,
            api_key=KEY,
            session=SESSION,
            recovery=rejoinder.Recovery(renew_after=renew_after),
            journal=listener.journal,
        ) as session,
    ):
        group.create_task(listener.listen(session))
        began_at = await _speak(session, recorded)
    return Talk(_answers(recorded, began_at, listener), listener.renewals, listener.outcomes)


async def _speak(session: rejoinder.Session, recorded: Microphone) -> list[float]:
    """Appends it all, each frame at its time; when each was appended."""
    loop, appended_at = asyncio.get_running_loop(), []
    begins_at = loop.time()
    for count, frame in enumerate(frames(recorded.audio), 1):
        session.append_audio(frame)
        appended_at.append(loop.time())
        await asyncio.sleep(begins_at + count * _FRAME - loop.time())
    return appended_at


def _answers(recorded: Microphone, appended_at: list[float], listener: Listener) -> list[Answer]:
    """The first reply that is heard after each thing said, and before the next one has been said."""
    size = round(_FRAME * 24_000)
    moments = [
        (appended_at[each.begins // size], appended_at[(each.ends - 1) // size])
        for each in recorded.spoken
    ]
    heard_at, answers = sorted(listener.heard_at), []
    for (began_at, ended_at), following in zip(
        moments, [*(ended for _, ended in moments[1:]), float("inf")], strict=True
    ):
        at = bisect_left(heard_at, ended_at)
        heard = heard_at[at] if at < len(heard_at) and heard_at[at] < following else None
        answers.append(Answer(began_at, ended_at, heard))
    return answers


class Punctuality(msgspec.Struct, frozen=True):
    """``late``: by how many seconds each reply near a renewal came later than the median of the others.
    ``usual``: the same of the others. ``missing``: how many things said were never answered."""

    late: list[float]
    usual: list[float]
    missing: int


def punctuality(talks: list[Talk]) -> Punctuality:
    """Compares the replies near a renewal with all others. Raises `RuntimeError` where there is nothing to
    compare."""
    near: list[float] = []
    others: list[float] = []
    missing = 0
    for each in talks:
        for answer in each.answers:
            if answer.heard_at is None:
                missing += 1
                continue
            took = answer.heard_at - answer.ended_at
            (near if _is_near(answer, each.renewals) else others).append(took)
    if not near or not others:
        raise RuntimeError(f"{len(near)} replies near a renewal, {len(others)} others")
    usual = median(others)
    return Punctuality([took - usual for took in near], [took - usual for took in others], missing)


def _is_near(answer: Answer, renewals: list[Window]) -> bool:
    """Whether a renewal was under way between the beginning of what was said and the reply."""
    end = answer.heard_at or answer.ended_at
    return any(each.begins_at <= end and answer.began_at <= each.ends_at for each in renewals)


async def talks(url: str, amount: int, seconds: float, renew_after: float) -> list[Talk]:
    """Several at a time."""
    every = (talk(url, number, seconds, renew_after) for number in range(amount))
    return list(await asyncio.gather(*every))
