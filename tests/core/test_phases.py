"""The table of a session's phases: every row of it is seen, and nothing that is not in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close
from rejoinder.core.phases import TABLE, Phase, drawn, phase
from rejoinder.core.recovery import Recovery
from rejoinder.wire import client_events as ce
from tests.core.stage import Stage

DROP = Close("network", 1006, "reset")
ROWS = {(before, after) for before, changes in TABLE.items() for after in changes}


class Life(Stage):
    """A session that dies hard, and every phase that it was in."""

    def __init__(self, **policy: Any) -> None:
        self.phases = [Phase.DIALLING]
        super().__init__(connected=False, recovery=Recovery(**policy))

    def do(self, given: inp.Input) -> list[ef.Effect]:
        said = super().do(given)
        now = phase(self.session.state)
        if now is not self.phases[-1]:
            self.phases.append(now)
        return said

    @property
    def changes(self) -> set[tuple[Phase, Phase]]:
        return set(pairwise(self.phases))

    def open(self, link: int = 1) -> None:
        """A socket is open; its server begins to speak."""
        self.link = link
        self.do(inp.Connected(link))
        self.hear("session.created", session={"type": "realtime"})

    def drop(self, link: int, **more: Any) -> None:
        self.do(inp.Disconnected(DROP, link, **more))

    def refuse(self, link: int) -> None:
        self.do(inp.Disconnected(Close("server", None, "no"), link, status=403))

    def until(self, wanted: Phase) -> None:
        """Lets time pass until the next change of phase, which is to be this one."""
        while self.phases[-1] is not wanted:
            due = self.session.next_deadline()
            assert due is not None
            self.wait(due - self.now)

    def tell(self, item_id: str, link: int = 1) -> None:
        self.link = link
        item = {"id": item_id, "type": "message", "role": "user"}
        content = [{"type": "input_text", "text": "Good morning."}]
        self.hear("conversation.item.added", item={**item, "content": content})

    def confirm(self, link: int) -> None:
        """The server answers all that it was told: the items, and to forget."""
        self.link = link
        sent = [each.event for each in self.all(ef.Send) if each.link == link]
        for event in sent:
            if isinstance(event, ce.ConversationItemCreate):
                item = {"id": event.item.id, "type": "message", "role": "user"}
                self.hear("conversation.item.added", item={**item, "content": []})
            elif isinstance(event, ce.InputAudioBufferClear):
                self.hear("input_audio_buffer.cleared")


def serving() -> Life:
    life = Life(renew_after=100.0)
    life.open()
    life.tell("i0")
    return life


def renewing() -> Life:
    """Another connection is dialled."""
    life = serving()
    life.until(Phase.RENEWING)
    return life


def telling() -> Life:
    """It is open, and is being told."""
    life = renewing()
    life.open(2)
    return life


def moving() -> Life:
    life = telling()
    life.confirm(2)
    return life


def leaving() -> Life:
    """The old connection has a reply to finish."""
    life = telling()
    life.link = 1
    life.ask()
    life.created()
    life.confirm(2)
    life.confirm(1)
    return life


def lost_for_good() -> Life:
    life = serving()
    life.do(inp.Disconnected(Close("server", 4004, "gone"), 1))
    return life


def lost_and_back() -> Life:
    life = serving()
    life.drop(1)
    life.until(Phase.DIALLING)
    life.open(2)
    life.confirm(2)
    return life


def lost_and_refused() -> Life:
    life = serving()
    life.drop(1)
    life.until(Phase.DIALLING)
    life.drop(2)
    life.until(Phase.DIALLING)
    life.open(3)
    life.drop(3)
    life.until(Phase.DIALLING)
    life.refuse(4)
    return life


def lost_and_refused_when_open() -> Life:
    life = serving()
    life.drop(1)
    life.until(Phase.DIALLING)
    life.open(2)
    life.refuse(2)
    return life


def lost_and_closed() -> Life:
    life = serving()
    life.drop(1)
    life.do(inp.Shut())
    return life


def renewed() -> Life:
    life = leaving()
    life.link = 1
    life.done()
    return life


def renewed_but_lost() -> Life:
    life = leaving()
    life.drop(2)
    return life


def lost_with_one_still_leaving() -> Life:
    life = renewed_but_lost()
    life.until(Phase.DIALLING)
    life.open(3)
    life.confirm(3)
    return life


def renewal_fails() -> Life:
    life = renewing()
    life.drop(2)
    return life


def lost_while_renewing_is_dialled() -> Life:
    life = renewing()
    life.drop(1)
    return life


def lost_while_renewing_is_told() -> Life:
    life = telling()
    life.drop(1)
    return life


def new_one_lost_while_moving() -> Life:
    life = moving()
    life.drop(2)
    return life


def old_one_lost_while_moving() -> Life:
    life = telling()
    life.link = 1
    life.ask()
    life.created()
    life.item()
    life.text("Half a ")
    life.confirm(2)
    life.drop(1)
    return life


def shut(made: Callable[[], Life]) -> Life:
    life = made()
    life.do(inp.Shut())
    return life


LIVES = (
    lost_for_good,
    lost_and_back,
    lost_and_refused,
    lost_and_refused_when_open,
    lost_and_closed,
    renewed,
    renewed_but_lost,
    lost_with_one_still_leaving,
    renewal_fails,
    lost_while_renewing_is_dialled,
    lost_while_renewing_is_told,
    new_one_lost_while_moving,
    old_one_lost_while_moving,
)


def test_every_row_of_the_table_is_seen_and_nothing_else() -> None:
    seen = {change for life in LIVES for change in life().changes}
    for made in (Life, serving, renewing, moving, leaving):
        seen |= shut(made).changes
    assert seen == ROWS


def test_the_life_of_a_connection_that_is_lost() -> None:
    assert lost_and_back().phases == [
        Phase.DIALLING,
        Phase.SERVING,
        Phase.WAITING,
        Phase.DIALLING,
        Phase.TELLING,
        Phase.SERVING,
    ]


def test_the_life_of_a_connection_that_is_renewed() -> None:
    assert renewed().phases == [
        Phase.DIALLING,
        Phase.SERVING,
        Phase.RENEWING,
        Phase.MOVING,
        Phase.LEAVING,
        Phase.SERVING,
    ]


def test_every_phase_but_the_last_is_ended_in_the_same_way() -> None:
    assert [each for each in Phase if Phase.ENDED not in TABLE[each]] == [Phase.ENDED]
    assert TABLE[Phase.ENDED] == {}
    assert len({changes.get(Phase.ENDED) for changes in TABLE.values()} - {None}) == 1


def test_the_diagram_has_every_row() -> None:
    lines = [line.strip() for line in drawn().splitlines()]
    assert lines[0] == "stateDiagram-v2"
    for before, after in ROWS:
        start = "alive" if after is Phase.ENDED else before.name
        assert f"{start} --> {after.name}: {TABLE[before][after]}" in lines
    assert not any(mark in line for line in lines for mark in ";#")


STEPS = st.sampled_from(["open", "drop", "refuse", "tell", "confirm", "tick", "ask", "reply"])


@given(st.lists(st.tuples(STEPS, st.integers(0, 2)), max_size=60))
def test_whatever_happens_only_what_is_in_the_table_happens(steps: list[tuple[str, int]]) -> None:
    life = Life(renew_after=20.0)
    for number, (step, which) in enumerate(steps):
        dialled = 1 + len(life.all(ef.Connect))
        link = max(1, dialled - which)
        if step == "open":
            life.open(link)
        elif step == "drop":
            life.drop(link)
        elif step == "refuse" and which:
            life.refuse(link)
        elif step == "tell":
            life.tell(f"i{number}", link)
        elif step == "confirm":
            life.confirm(link)
        elif step == "ask":
            life.ask(f"k{number}")
        elif step == "reply":
            life.link = link
            life.created(f"r{number}", None)
        elif (due := life.session.next_deadline()) is not None:
            life.wait(due - life.now)
    assert life.changes <= ROWS
