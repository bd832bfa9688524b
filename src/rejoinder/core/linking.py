"""What happens to connections: they open, fail, are tried again, and take over.

When the next attempt is made, and whether there is one, is decided in `recovery`; what a new server must
be told, in `restoration`; how a connection is replaced before it ends, in `renewal`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rejoinder.core import edits, recovery, renewal, restoring
from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.deadlines import Deadline
from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.lifecycle import State
from rejoinder.core.links import Link
from rejoinder.core.outcomes import Close
from rejoinder.core.partials import keep_partials, keep_turns, lose_transcripts
from rejoinder.core.requests import ANSWER
from rejoinder.core.state import SessionState
from rejoinder.core.verdict import Facts
from rejoinder.wire import client_events as ce

_UNTOLD = Close("network", None, "the server did not take the conversation back")
_TIMEOUT = "timeout"


def connected(state: SessionState, now: float, given: inp.Connected) -> Iterator[ef.Effect]:
    """A socket is open. The first one is used at once: there is nothing that its server does not know. Any
    other must first say something that is no refusal."""
    link = state.links.coming
    if state.ended is not None or link is None or link.number != given.link:
        return
    link.opened_at = now
    link.epoch = given.epoch
    if link.number == FIRST_LINK:
        yield from take_over(state, now, link)
    else:
        yield from restoring.configure(state, link)


def disconnected(state: SessionState, now: float, given: inp.Disconnected) -> Iterator[ef.Effect]:
    """A socket is gone, or could not be had."""
    link = state.links.of(given.link)
    if state.ended is not None or link is None:
        return
    state.outage.lot = given.lot
    yield from lose(state, now, link, given.close, given.status, given.retry_after)


def lose(
    state: SessionState,
    now: float,
    link: Link,
    close: Close,
    status: int | None = None,
    retry_after: float | None = None,
) -> Iterator[ef.Effect]:
    """A link is of no use any more, whether its socket knows or not."""
    serving, coming = link is state.links.serving, link is state.links.coming
    needed = serving or (coming and state.links.serving is None)
    hopeless = (
        recovery.final(close, status) or not state.outage.policy.attempts or _spent(link, close)
    )
    if needed and hopeless:
        yield from state.end(now, close)
        return
    state.links.gone(link)
    yield ef.Hangup(link.number)
    state.deadlines.clear(restoring.FILL)  # whoever is still told something is given it anew
    if not coming:
        yield from keep_turns(state)
    if serving:
        yield from _break_off(state, now, close)
    yield from _settle(state, now, link, close)
    if needed:
        yield from _replace(state, now, close, retry_after)
    elif coming:
        yield from renewal.abort(state, now)
    else:
        yield from renewal.left(state, now)


def _spent(link: Link, close: Close) -> bool:
    """Whether the first attempt has used up all the time there was."""
    code = close.error.code if close.error is not None else None
    return link.number == FIRST_LINK and close.by == "network" and code == _TIMEOUT


def _break_off(state: SessionState, now: float, close: Close) -> Iterator[ef.Effect]:
    """There is no connection any more."""
    state.outage.began(now, close)
    state.responses.reach(now, False)
    state.kept_audio.halt()
    state.links.moving = state.links.renewed = False
    state.deadlines.clear(renewal.RENEW)
    state.deadlines.clear(renewal.FORCE)
    state.deadlines.set(recovery.GIVE_UP, state.outage.gives_up_at, recovery.GIVE_UP)
    yield from lose_transcripts(
        state, now, state.kept_audio.untranscribed, close.reason or close.by
    )


def _settle(state: SessionState, now: float, link: Link, close: Close) -> Iterator[ef.Effect]:
    """What lives on a link goes with it; what the user has heard of it stays in the conversation."""
    yield from keep_partials(state, link.number)
    yield from state.responses.lose(now, link.number, Facts(close=close))
    yield from edits.cut_short(state)


def _replace(
    state: SessionState, now: float, close: Close, retry_after: float | None
) -> Iterator[ef.Effect]:
    """There is no connection. One that was to replace it anyway goes on, if its server has said something;
    else nobody knows whether it gets anywhere, and the attempts are worth more."""
    other = state.links.coming
    if other is not None and other.greeted:
        yield ef.Announce(ef.Reconnecting(close, 0, 0.0))
        return
    if other is not None:
        state.links.gone(other)
        yield ef.Hangup(other.number)
    yield from _try_again(state, now, close, retry_after)


def _try_again(
    state: SessionState, now: float, close: Close, retry_after: float | None
) -> Iterator[ef.Effect]:
    """The next attempt, after its pause; or the end."""
    outage = state.outage
    if outage.since is None:
        outage.began(now, close)
        state.deadlines.set(recovery.GIVE_UP, outage.gives_up_at, recovery.GIVE_UP)
    outage.close = close
    at = outage.again_at(now, retry_after)
    if at is None:
        yield from state.end(now, close)
        return
    state.deadlines.set(recovery.ATTEMPT, at, recovery.ATTEMPT)
    yield ef.Announce(ef.Reconnecting(close, outage.attempt, at - now))


def attempt(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """The time for an attempt has come."""
    link = state.links.next()
    yield ef.Connect(link.number, state.outage.dialled(now, state.timeouts.connect))


def give_up(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """There has been no connection for too long; one that is just being told the conversation, and answers,
    is left to go on."""
    coming, patience = state.links.coming, state.deadlines.get(restoring.FILL)
    if coming is not None and coming.greeted and patience is not None and now < patience.when:
        state.deadlines.set(recovery.GIVE_UP, patience.when, recovery.GIVE_UP)
    else:
        yield from state.end(now, state.outage.close)


def take_over(state: SessionState, now: float, link: Link) -> Iterator[ef.Effect]:
    """From now on this link takes whatever is asked for, and first what has waited."""
    first, down = link.number == FIRST_LINK, state.outage.ended(now)
    state.links.coming, state.links.serving = None, link
    for clock in (recovery.GIVE_UP, restoring.FILL):
        state.deadlines.clear(clock)
    state.hear(link.number)
    state.responses.reach(now, True)
    renewal.schedule(state, link)
    if first:
        yield from restoring.configure_first(state, now, link)
    else:
        unheard = state.kept_audio.unheard(state.outage.silent)
        yield from restoring.finish(state, link, planned=False, down=down, unheard=unheard)
    owes = _owes_an_answer(state, now)
    yield from edits.hand_over(state, link)
    if owes:
        state.input_audio.announced_at = now
        state.requests.name(ANSWER)
        yield ef.Send(
            ce.ResponseCreate(event_id=ANSWER, response=state.usual_response), link.number
        )


def _owes_an_answer(state: SessionState, now: float) -> bool:
    """Whether the old server heard the end of a turn that it would have answered by itself, and did not
    live to. A turn that was not committed yet is heard again, and what is asked for answers all turns."""
    patience = state.timeouts.created + state.outage.policy.give_up
    asked = any(machine.default for machine in state.responses.within(State.QUEUED))
    heard = state.input_audio.unanswered(now, patience) and not state.kept_audio.speaking
    return heard and not asked


def follow(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """What there is to do for a link that is coming or leaving, after anything has happened."""
    coming, serving = state.links.coming, state.links.serving
    if state.ended is None and coming is not None and coming.greeted:
        yield from _tell(state, now, coming)
        if coming.restoration.settled and serving is None:
            yield from take_over(state, now, coming)
        elif coming.restoration.settled and serving is not None:
            yield from renewal.advance(state, now, serving, coming)
    serving = state.links.serving
    if state.ended is None and serving is not None and state.links.tells_on:
        yield from _tell(state, now, serving)
        yield from renewal.depart(state, now)
        yield from renewal.conclude(state)


def _tell(state: SessionState, now: float, link: Link) -> Iterator[ef.Effect]:
    yield from restoring.tell(state, link)
    if not link.restoration.settled and state.deadlines.get(restoring.FILL) is None:
        state.deadlines.set(restoring.FILL, now + restoring.PATIENCE, restoring.FILL)


def due(state: SessionState, now: float, why: str) -> Iterator[ef.Effect]:
    """One of the connection's clocks has run out."""
    match why:
        case recovery.ATTEMPT:
            yield from attempt(state, now)
        case recovery.GIVE_UP:
            yield from give_up(state, now)
        case restoring.FILL:
            yield from _stalled(state, now)
        case renewal.RENEW:
            yield from renewal.begin(state, now)
        case renewal.LEAVE if state.links.leaving is not None:
            yield from renewal.waited_enough(state, now, state.links.leaving)
        case _:
            return  # the last moment has come: what follows from it, follows from the date


def _stalled(state: SessionState, now: float) -> Iterator[ef.Effect]:
    """A new server does not confirm what it is told. One that has fallen silent is left while there may be a
    better one: what it has not confirmed would be lost."""
    coming, serving = state.links.coming, state.links.serving
    if serving is not None:
        serving.restoration.give_up()  # it was told the last of what the old one said
    if coming is None or coming.restoration.settled:
        return
    better = serving is not None or state.outage.another(now, restoring.PATIENCE)
    if (better and coming.restoration.silent) or not restoring.stalled(coming):
        yield from lose(state, now, coming, _UNTOLD)


def silent_since_asked(state: SessionState, due: Deadline) -> Link | None:
    """The link on which nothing came since a response was asked for whose clock runs out now: it is as good
    as gone, though its socket does not know yet. None where there would be no other."""
    machine = state.responses.machines[due.whose]
    link = state.links.of(machine.link)
    if due.why != "created" or link is None or not state.outage.policy.attempts:
        return None
    return link if machine.key in link.unheard else None
