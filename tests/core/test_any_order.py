"""Losses, renewals, audio, edits and requests in any order: the promises hold all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.outcomes import Close
from rejoinder.core.recovery import Recovery
from rejoinder.wire import client_events as ce
from rejoinder.wire.session import SessionConfig
from tests.core.servers import Net

POLICY = Recovery(renew_after=20.0, attempts=5, give_up=20.0)


class Life:
    """A session to which anything may happen, and what it was asked for."""

    def __init__(self) -> None:
        self.net = Net(recovery=POLICY, config=SessionConfig(instructions="Be kind."))
        self.asked: list[str] = []
        self.edited: list[str] = []
        self.count = 0

    def number(self) -> int:
        self.count += 1
        return self.count

    @property
    def alive(self) -> list[int]:
        return [number for number, server in self.net.servers.items() if not server.hung_up]

    def greet(self) -> None:
        for link in self.alive:
            if link > 1:
                self.net.greet(link)

    def lose(self, which: int) -> None:
        for link in self.alive[which : which + 1]:
            self.net.lose(link, lot=0.5)

    def expire(self) -> None:
        for link in self.alive[:1]:
            self.net.tells(link, {"type": "error", "error": {"code": "session_expired"}})

    def slow(self) -> None:
        self.net.slow.update(self.alive)

    def flush(self) -> None:
        for link in tuple(self.net.slow):
            self.net.flush(link)

    def ask(self, **params: Any) -> None:
        key = f"k{self.number()}"
        self.asked.append(key)
        self.net.ask(key, retries=self.count % 2, **params)

    def edit(self) -> None:
        name = f"u{self.number()}"
        self.edited.append(f"e_{name}")
        self.net.message(name, "Hm.")

    def change(self, kind: type[ce.ClientEventBase], **members: Any) -> None:
        key = f"c{self.number()}"
        self.edited.append(key)
        self.net.edit(key, kind, **members)

    def of_an_item(self, kind: type[ce.ClientEventBase], **members: Any) -> None:
        for item_id in self.net.session.conversation.order[-2:-1]:
            self.change(kind, item_id=item_id, **members)

    def create(self) -> None:
        """Some server begins what it was asked last."""
        sends = [
            each for each in self.net.all(ef.Send) if isinstance(each.event, ce.ResponseCreate)
        ]
        if sends and sends[-1].link in self.alive:
            key = str(sends[-1].event.event_id).partition(".")[0]  # type: ignore[union-attr]
            self.net.link = sends[-1].link
            self.net.created(f"r{self.number()}", key if key.startswith("k") else None)

    def say(self) -> None:
        for opened in self.net.all(ef.Open)[-1:]:
            for link in self.alive:
                self.net.link = link
                self.net.says("Well, ", f"a{self.number()}", opened.response_id)

    def done(self) -> None:
        for opened in self.net.all(ef.Open)[-1:]:
            for link in self.alive:
                self.net.tells(
                    link,
                    {
                        "type": "response.done",
                        "response": {"id": opened.response_id, "status": "completed"},
                    },
                )

    def speech(self) -> None:
        for link in self.alive[-1:]:
            self.net.link = link
            self.net.starts(f"v{self.number()}", len(self.net.servers[link].stream) // 48)

    def turn(self) -> None:
        for link in self.alive[-1:]:
            self.net.link = link
            self.net.stops(f"w{self.number()}")


WAYS: dict[str, Callable[[Life], object]] = {
    "append": lambda life: life.net.append(bytes([life.number() % 256]) * 4800),
    "ask": Life.ask,
    "ask aside": lambda life: life.ask(conversation="none"),
    "cancel": lambda life: life.net.cancel(*life.asked[-1:]),
    "edit": Life.edit,
    "delete": lambda life: life.of_an_item(ce.ConversationItemDelete),
    "truncate": lambda life: life.of_an_item(
        ce.ConversationItemTruncate, content_index=0, audio_end_ms=500
    ),
    "update": lambda life: life.change(
        ce.SessionUpdate, session=SessionConfig(instructions=str(life.count))
    ),
    "commit": lambda life: life.change(ce.InputAudioBufferCommit),
    "clear": lambda life: life.change(ce.InputAudioBufferClear),
    "create": Life.create,
    "say": Life.say,
    "done": Life.done,
    "speech": Life.speech,
    "turn": Life.turn,
    "lose the first": lambda life: life.lose(0),
    "lose the second": lambda life: life.lose(1),
    "expire": Life.expire,
    "greet": Life.greet,
    "slow": Life.slow,
    "flush": Life.flush,
    "a moment": lambda life: life.net.wait(0.1),
    "a while": lambda life: life.net.wait(3.0),
    "until renewal": lambda life: life.net.wait(20.0),
}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted(WAYS)), max_size=60), st.booleans())
def test_whatever_happens_everything_settles_once_and_nothing_is_left(
    ways: list[str], closes: bool
) -> None:
    life = Life()
    net = life.net
    for way in ways:
        WAYS[way](life)  # a send on a link that was hung up would be noticed by the network
    if closes:
        net.do(inp.Shut())
    else:
        life.greet()
        for number in life.alive[::-1]:
            net.lose(number, Close("server", 4000, "enough"))
        if net.session.ended is None:
            net.do(inp.Shut())
    settled = Counter(effect.key for effect in net.all(ef.Settle))
    assert {key: settled[key] for key in life.asked} == dict.fromkeys(life.asked, 1)
    answered = Counter(effect.key for effect in net.all(ef.SettleEdit))
    assert answered == Counter(life.edited)
    assert net.session.next_deadline() is None
    assert all(server.hung_up for server in net.servers.values())
    assert net.session.state.requests.pending == {}
    assert net.session.state.responses.machines == {}


class Turns:
    """A user who commits by hand, on a network that is not kind."""

    def __init__(self) -> None:
        self.net = Net(recovery=Recovery(renew_after=5.0, attempts=99, give_up=1000.0))
        detection = {"audio": {"input": {"turn_detection": None}}}
        self.net.tells(1, {"type": "session.created", "session": detection})
        self.turns: list[bytes] = []
        self.turn = b""

    @property
    def alive(self) -> list[int]:
        return [number for number, each in self.net.servers.items() if not each.hung_up]

    def append(self) -> None:
        sound = len(self.net.appended).to_bytes(4, "little") * 1200
        self.turn += sound
        self.net.append(sound)

    def commit(self) -> None:
        if self.turn:
            self.net.edit(f"c{len(self.turns)}", ce.InputAudioBufferCommit)
            self.turns.append(self.turn)
            self.turn = b""

    def lose(self) -> None:
        if not self.net.slow:
            for number in self.alive:
                self.net.lose(number)
            self.net.back()

    def renew(self) -> None:
        latest = self.net.latest
        self.net.wait(5.0)
        if self.net.latest > latest:
            self.net.greet()

    def slow(self) -> None:
        self.net.slow.update(self.alive)

    def flush(self) -> None:
        for number in tuple(self.net.slow):
            self.net.flush(number)

    def moment(self) -> None:
        self.net.wait(0.05)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["append", "commit", "lose", "renew", "slow", "flush", "moment"]),
        max_size=40,
    )
)
def test_what_is_committed_by_hand_is_what_was_appended_and_nothing_else(ways: list[str]) -> None:
    """Each commit that is acknowledged became an item, of exactly its sound."""
    user = Turns()
    for way in ways:
        getattr(user, way)()
    user.flush()
    net = user.net
    committed = [sound for server in net.servers.values() for sound in server.committed.values()]
    for number, sound in enumerate(user.turns):
        if net.results(f"c{number}") == [ef.Acknowledged()]:
            assert sound in committed
    for sound in committed:
        assert sound in user.turns
