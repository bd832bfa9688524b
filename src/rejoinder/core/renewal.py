"""Renewing: a connection is replaced before its server ends it, so that nobody notices.

The new connection is opened and told the conversation while the old one still serves. Input goes over
at the next silence: the old server is told to forget what it heard last, and when it has, the new one
hears that and all that follows, so that each sample is heard by exactly one of them. A response that
runs on the old connection ends there.
"""

from __future__ import annotations

from collections.abc import Iterator

from rejoinder.core import edits, restoring
from rejoinder.core import effects as ef
from rejoinder.core.lifecycle import State, Trigger
from rejoinder.core.links import Link
from rejoinder.core.outcomes import Close
from rejoinder.core.partials import lose_transcripts
from rejoinder.core.requests import MOVE
from rejoinder.core.state import SessionState
from rejoinder.core.verdict import Facts
from rejoinder.wire import client_events as ce
from rejoinder.wire import server_events as ev

RENEW, FORCE, LEAVE = "renew", "force", "leave"

_MOVE_PATIENCE = 1.0
"""How long (seconds) the old server may take to forget."""

_LAST_MOMENT = 2.0
"""So long (seconds) before the announced end the input goes over even in mid-utterance."""

_LEAVE_PATIENCE = 5.0
"""How long (seconds) the old server is given for transcripts, when nothing else is left to it."""

_LONGEST_PAUSE = 60.0
_MOST_DOUBLINGS = 16
"""With more the pause would be no number any more, after a day of renewals that fail."""

_REPLACED = Close("caller", 1000, "the connection was replaced")
_AWAITED = (State.REQUESTED, State.ACTIVE, State.CANCELLING)
"""Responses for whose sake the old connection stays: somebody waits for them."""


def schedule(state: SessionState, link: Link) -> None:
    """When the link that serves is to be renewed."""
    policy, whens = state.outage.policy, []
    if policy.renew_after is not None:
        whens.append(link.opened_at + policy.renew_after)
    if link.expires_at is not None:
        life = link.expires_at - link.opened_at
        before = link.expires_at - min(policy.renew_before, life / 2)
        whens.append(max(before, link.opened_at + policy.healthy))  # or a wrong clock makes a storm
    if whens:
        state.deadlines.set(RENEW, min(whens), RENEW)


def learn(state: SessionState, now: float, link: Link, event: ev.SessionCreated) -> None:
    """When the server will end the session, as far as it says so, and our date can be trusted."""
    told = event.session.expires_at
    if not link.epoch or not isinstance(told, int):
        return
    left = told - (link.epoch + now - link.opened_at)
    if left > 0:
        link.expires_at = now + left
        if link is state.links.serving:
            schedule(state, link)


def begin(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """It is time: another connection is opened. If one is under way or leaving still, a little later."""
    links = state.links
    if links.serving is None or links.coming is not None or links.leaving is not None:
        put_off(state, now)
        return
    yield ef.Connect(links.next().number, state.timeouts.connect)


def put_off(state: SessionState, now: float) -> None:
    """The renewal did not succeed; it is tried again, ever more rarely."""
    state.links.renewals = min(state.links.renewals + 1, _MOST_DOUBLINGS)
    pause = state.outage.policy.pause * 2**state.links.renewals
    state.deadlines.set(RENEW, now + min(pause, _LONGEST_PAUSE), RENEW)


def abort(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """The new connection is gone. What the old server has been told to forget, and what was said since, it
    hears again."""
    put_off(state, now)
    serving = state.links.serving
    if state.links.moving and serving is not None:
        state.links.moving = False
        yield from edits.hand_over(state, serving, state.kept_audio.given)


def advance(state: SessionState, now: float, serving: Link, link: Link) -> Iterator[ef.Effect]:
    """The new server knows the conversation. Input goes over as soon as nobody speaks."""
    if state.links.moving:
        if MOVE not in state.requests.pending:
            yield from _move(state, now, serving, link)
    elif _quiet(state, now, serving):
        state.links.moving = True
        state.kept_audio.halt()
        forget = ce.InputAudioBufferClear(event_id=MOVE)
        state.requests.ask(now, MOVE, forget, serving.number)
        state.requests.deadlines.set(MOVE, now + _MOVE_PATIENCE, "edit")
        yield ef.Send(forget, serving.number)
    elif serving.expires_at is not None:
        state.deadlines.set(FORCE, serving.expires_at - _LAST_MOMENT, FORCE)


def _quiet(state: SessionState, now: float, serving: Link) -> bool:
    """Whether nobody speaks, and whatever was asked of the old server is answered; or it is the last moment,
    which waits for nobody."""
    if serving.expires_at is not None and now >= serving.expires_at - _LAST_MOMENT:
        return True
    return not state.kept_audio.speaking and not state.requests.of(serving.number)


def _move(state: SessionState, now: float, old: Link, new: Link) -> Iterator[ef.Effect]:
    links = state.links
    links.serving, links.leaving, links.coming = new, old, None
    links.moving, links.renewals = False, 0
    state.outage.judge(now)
    state.outage.served_at = now
    for clock in (FORCE, restoring.FILL):
        state.deadlines.clear(clock)
    schedule(state, new)
    yield from edits.hand_over(state, new)


def interrupted(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """The user speaks to the new server while the old one still answers: the old one would have stopped by
    itself, had it heard that."""
    leaving = state.links.leaving
    if leaving is None or not state.input_audio.interrupts:
        return
    for machine in state.responses.within(State.ACTIVE):
        if machine.link == leaving.number and machine.default:
            yield from state.responses.apply(now, machine, Trigger.CANCEL, Facts())


def depart(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """The old connection is closed when it has nothing left to say."""
    links = state.links
    old, serving = links.leaving, links.serving
    if old is None or serving is None or _busy(state, now, old, serving):
        return
    waits = state.deadlines.get(LEAVE) is None and _transcribing(state)
    if waits:
        state.deadlines.set(LEAVE, now + _LEAVE_PATIENCE, LEAVE)
    elif not _transcribing(state):
        yield from leave(state, now, old)


def waited_enough(state: SessionState, now: float, old: Link) -> Iterator[ef.Effect]:
    """The transcripts have had their time; a response that has begun meanwhile has its own."""
    serving = state.links.serving
    if serving is None or not _busy(state, now, old, serving):
        yield from leave(state, now, old)


def leave(state: SessionState, now: float, old: Link) -> Iterator[ef.Effect]:
    """The old connection is closed."""
    state.links.gone(old)
    yield ef.Hangup(old.number)
    yield from state.responses.lose(now, old.number, Facts(close=_REPLACED))
    yield from left(state, now)


def left(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """The old connection is gone. What it did not answer is asked of the new one."""
    serving = state.links.serving
    state.deadlines.clear(LEAVE)
    if serving is None:
        return
    state.links.renewed = True
    yield from restoring.tell(state, serving)
    yield from edits.again(state, serving)
    told = [each for each in state.kept_audio.untranscribed if serving.restoration.restates(each)]
    yield from lose_transcripts(state, now, told, "renewed")
    yield from conclude(state)


def conclude(state: SessionState) -> Iterator[ef.Effect]:
    """The new server has confirmed the last of what it was told."""
    serving = state.links.serving
    if state.links.renewed and serving is not None and not serving.restoration.pending:
        state.links.renewed = False
        yield from restoring.finish(state, serving, planned=True)


def _busy(state: SessionState, now: float, old: Link, serving: Link) -> bool:
    """Whether something of the old connection is not done: a response, an edit, an answer to a turn, or what
    the new server has to be told of it."""
    alive = any(machine.link == old.number for machine in state.responses.within(*_AWAITED))
    owed = state.input_audio.unanswered(now, state.timeouts.created)
    return alive or owed or bool(state.requests.of(old.number)) or bool(serving.restoration.pending)


def _transcribing(state: SessionState) -> bool:
    """Whether a transcript is still to come of what the user has said."""
    told, untold = state.input_audio.told, state.kept_audio.untranscribed
    return state.input_audio.transcribes and any((each, 0) not in told for each in untold)
