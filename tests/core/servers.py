"""A stage with a server behind each of its links, that answers as a well-behaved one does.

Each server keeps what it was told: the configuration, the items in order, and every byte of audio. So
a test can compare what two servers know, and what was committed with what the caller appended.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.outcomes import Close
from rejoinder.core.recovery import Recovery
from rejoinder.wire import client_events as ce
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.session import SessionConfig, merged
from tests.core.stage import Stage

LASTING = Recovery(renew_after=None)
"""Of a session that outlives its connections, and leaves none of its own will."""

NETWORK = Close("network", 1006, "reset")
Answer = dict[str, Any]


class Server:
    """What one server knows. ``stream``: all that was appended; its buffer is what comes after ``start``."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.config = SessionConfig()
        self.order: list[str] = []
        self.items: dict[str, Item] = {}
        self.stream = bytearray()
        self.start = 0
        self.committed: dict[str, bytes] = {}
        self.told: list[Any] = []
        self.refuses: dict[str, str] = {}
        self.renames = False
        self.hung_up = False

    def take(self, event: Any) -> list[Answer]:
        """One client event in, its answers out."""
        self.told.append(event)
        match event:
            case ce.SessionUpdate():
                return self._update(event)
            case ce.InputAudioBufferAppend():
                self.stream += event.audio
                return []
            case ce.InputAudioBufferClear():
                self.start = len(self.stream)
                return [{"type": "input_audio_buffer.cleared"}]
            case ce.InputAudioBufferCommit():
                return self._commit_by_hand(event)
            case ce.ConversationItemCreate():
                return self._create(event)
            case ce.ConversationItemDelete():
                return self._delete(event)
            case ce.ConversationItemTruncate():
                return self._truncate(event)
            case _:
                return []

    def commit(self, item_id: str, until: int | None = None) -> list[Answer]:
        """The buffer, up to there, becomes an item."""
        end = len(self.stream) if until is None else until
        self.committed[item_id] = bytes(self.stream[self.start : end])
        self.start = end
        item = Item(
            type="message", id=item_id, role="user", content=[ContentPart(type="input_audio")]
        )
        previous = self.order[-1] if self.order else None
        news = {"item_id": item_id, "previous_item_id": previous}
        return [{"type": "input_audio_buffer.committed", **news}, *self.adds(item)]

    def adds(self, item: Item, at: int | None = None) -> list[Answer]:
        """The item is in the conversation."""
        where = len(self.order) if at is None else at
        previous = self.order[where - 1] if where else None
        name = str(item.id)
        self.order.insert(where, name)
        self.items[name] = item
        told = {"item": msgspec.to_builtins(item), "previous_item_id": previous}
        return [{"type": f"conversation.item.{what}", **told} for what in ("added", "done")]

    def kinds(self) -> list[str]:
        """The types of what it was told, in order."""
        return [str(event.__struct_config__.tag) for event in self.told]

    def words(self) -> list[str]:
        """What it knows of each item, in order: its id and its words."""
        return [f"{name}: {_words(self.items[name])}" for name in self.order]

    def _update(self, event: ce.SessionUpdate) -> list[Answer]:
        if "session" in self.refuses:
            return [refusal(self.refuses["session"], event.event_id)]
        self.config = merged(self.config, event.session)
        return [{"type": "session.updated", "session": msgspec.to_builtins(self.config)}]

    def _commit_by_hand(self, event: ce.InputAudioBufferCommit) -> list[Answer]:
        if len(self.stream) == self.start:
            return [refusal("input_audio_buffer_commit_empty", event.event_id)]
        return self.commit(f"u{self.number}_{len(self.committed) + 1}")

    def _create(self, event: ce.ConversationItemCreate) -> list[Answer]:
        item, after = event.item, event.previous_item_id
        name = str(item.id)
        if name in self.refuses:
            return [refusal(self.refuses[name], event.event_id)]
        if name in self.items:
            return [refusal("item_create_duplicate_item_id", event.event_id)]
        if after not in (msgspec.UNSET, None, "root") and after not in self.items:
            return [refusal("item_create_invalid_previous_item_id", event.event_id)]
        if self.renames:
            item = msgspec.structs.replace(item, id=f"{name}_{self.number}")
        if after == "root":
            return self.adds(item, at=0)
        known = isinstance(after, str)
        return self.adds(item, at=self.order.index(str(after)) + 1 if known else None)

    def _delete(self, event: ce.ConversationItemDelete) -> list[Answer]:
        if event.item_id not in self.items:
            return [refusal("item_delete_invalid_item_id", event.event_id)]
        del self.items[event.item_id]
        self.order.remove(event.item_id)
        return [{"type": "conversation.item.deleted", "item_id": event.item_id}]

    def _truncate(self, event: ce.ConversationItemTruncate) -> list[Answer]:
        item = self.items.get(event.item_id)
        if item is None:
            return [refusal("item_truncate_invalid_item_id", event.event_id)]
        if any(part.type != "output_audio" for part in item.content or ()):
            return [refusal("", event.event_id)]
        members = {"item_id": event.item_id, "content_index": 0}
        return [
            {
                "type": "conversation.item.truncated",
                **members,
                "audio_end_ms": event.audio_end_ms,
            }
        ]


def refusal(code: str, event_id: Any) -> Answer:
    """An `error` that names what it refuses."""
    error = {"type": "invalid_request_error", "code": code or None, "message": "Only model output"}
    return {"type": "error", "error": {**error, "event_id": event_id}}


def _words(item: Item) -> str:
    if item.type != "message":
        return str(item.output or item.name)
    return " ".join(part.text or part.transcript or part.type for part in item.content or ())


class Net(Stage):
    """A stage, and the servers that its links lead to. Those in ``slow`` answer when they are told to."""

    def __init__(self, *, recovery: Recovery = LASTING, epoch: float = 0.0, **more: Any) -> None:
        self.servers = {FIRST_LINK: Server(FIRST_LINK)}
        self.slow: set[int] = set()
        self.waiting: deque[tuple[int, Answer]] = deque()
        self.backlog: dict[int, list[Answer]] = {}
        self.appended = bytearray()
        super().__init__(recovery=recovery, connected=False, **more)
        self.do(inp.Connected(FIRST_LINK, epoch))

    # -- what the network does --

    def do(self, given: inp.Input) -> list[ef.Effect]:
        super().do(given)
        effects = self.last
        for effect in effects:
            self._carry(effect)
        while self.waiting:
            link, answer = self.waiting.popleft()
            self.tells(link, answer)
        self.last = effects
        return effects

    def _carry(self, effect: ef.Effect) -> None:
        if isinstance(effect, ef.Connect):
            assert effect.link not in self.servers
            self.servers[effect.link] = Server(effect.link)
        elif isinstance(effect, ef.Hangup):
            self.servers[effect.link].hung_up = True
        elif isinstance(effect, ef.Send):
            server = self.servers[effect.link]
            assert not server.hung_up
            self._answer(effect.link, server.take(effect.event))

    def _answer(self, link: int, answers: list[Answer]) -> None:
        if link in self.slow:
            self.backlog.setdefault(link, []).extend(answers)
        else:
            self.waiting.extend((link, each) for each in answers)

    def tells(self, link: int, event: Answer) -> None:
        """A server says something."""
        before, self.link = self.link, link
        self.hear(**{"type_" if name == "type" else name: each for name, each in event.items()})
        self.link = before

    def flush(self, link: int) -> None:
        """A slow server catches up."""
        self.slow.discard(link)
        for answer in self.backlog.pop(link, []):
            self.tells(link, answer)

    def lose(self, link: int | None = None, close: Close = NETWORK, **more: Any) -> None:
        """A connection is gone."""
        self.do(inp.Disconnected(close, self.link if link is None else link, **more))

    def hush(self) -> None:
        """The connection is lost, and the next server greets, but answers nothing of what it is told."""
        self.lose()
        self.wait(0.1)
        self.slow.add(2)
        self.greet()

    @property
    def latest(self) -> int:
        """The number of the newest link."""
        return max(self.servers)

    def greet(self, link: int | None = None, epoch: float = 0.0, **session: Any) -> int:
        """A socket is open, and its server says so."""
        number = self.latest if link is None else link
        self.do(inp.Connected(number, epoch))
        self.tells(number, {"type": "session.created", "session": session})
        return number

    def back(self, **session: Any) -> Server:
        """The next attempt succeeds: from now on its server is the one that speaks."""
        before = self.latest
        while self.latest == before:
            due = self.session.next_deadline()
            assert due is not None
            self.wait(due - self.now)
        self.link = self.greet(**session)
        return self.servers[self.link]

    def cut(self, close: Close = NETWORK) -> Server:
        """The connection is lost, and there is another."""
        self.lose(close=close)
        return self.back()

    # -- who speaks --

    def append(self, audio: bytes) -> None:
        self.appended += audio
        self.do(inp.Append(audio))

    def starts(self, item_id: str, ms: int = 0) -> None:
        """The server hears the user, since so much of what it was given."""
        self.servers[self.link].start = ms * 48
        self.hear("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=ms)

    def stops(self, item_id: str, ms: int | None = None) -> None:
        """The server hears the end of it, commits it, and tells of the item."""
        server = self.servers[self.link]
        end = len(server.stream) // 48 if ms is None else ms
        self.hear("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=end)
        for answer in server.commit(item_id, end * 48):
            self.tells(self.link, answer)

    def heard(self, item_id: str, words: str) -> None:
        """The words of the user's turn come."""
        kind = "conversation.item.input_audio_transcription.completed"
        self.hear(kind, item_id=item_id, content_index=0, transcript=words)

    def message(self, item_id: str, text: str, role: str = "user") -> None:
        """The caller adds a message."""
        kind = "output_text" if role == "assistant" else "input_text"
        content: Any = [{"type": kind, "text": text}]
        item = msgspec.convert(
            {"type": "message", "id": item_id, "role": role, "content": content}, Item
        )
        self.edit(f"e_{item_id}", ce.ConversationItemCreate, item=item)

    def says(
        self, words: str, item_id: str = "a1", response_id: str = "r1", ms: int = 1000
    ) -> None:
        """The server adds an item of a running response, and speaks."""
        item = Item(type="message", id=item_id, role="assistant", status="in_progress", content=[])
        added, _ = self.servers[self.link].adds(item)
        told = {"response_id": response_id, "output_index": 0, "item": msgspec.to_builtins(item)}
        self.hear("response.output_item.added", **told)
        self.tells(self.link, added)
        self.more(words, item_id, response_id, ms)

    def more(
        self, words: str, item_id: str = "a1", response_id: str = "r1", ms: int = 1000
    ) -> None:
        part = {
            "response_id": response_id,
            "item_id": item_id,
            "output_index": 0,
            "content_index": 0,
        }
        self.hear("response.output_audio_transcript.delta", **part, delta=words)
        self.audio(ms, response_id, item_id)

    def ends(self, words: str, item_id: str = "a1", response_id: str = "r1") -> None:
        """The item and its response are done."""
        content = [{"type": "output_audio", "transcript": words}]
        item = {"type": "message", "id": item_id, "role": "assistant", "content": content}
        item["status"] = "completed"
        self.servers[self.link].items[item_id] = msgspec.convert(item, Item)
        self.hear("response.output_item.done", response_id=response_id, output_index=0, item=item)
        self.tells(self.link, {"type": "conversation.item.done", "item": item})
        self.done(response_id, output=[item])

    def reply(self, words: str, item_id: str = "a1", key: str = "a") -> None:
        """A whole reply that is asked for."""
        response_id = f"r_{item_id}"
        self.ask(key)
        self.created(response_id, key)
        self.says(words, item_id, response_id)
        self.ends(words, item_id, response_id)

    def mirror(self) -> list[str]:
        """The conversation as the caller sees it, like `Server.words`."""
        return [f"{item.id}: {_words(item)}" for item in self.session.conversation.items()]

    @property
    def reconnected(self) -> ef.Reconnected:
        """The last news of a reconnection."""
        return self.notices(ef.Reconnected)[-1]


def told(server: Server) -> list[Item]:
    """The items that it was told to create, in order."""
    return [each.item for each in server.told if isinstance(each, ce.ConversationItemCreate)]


def has(net: Net, **item: Any) -> None:
    """The server tells of an item that it has."""
    known = msgspec.convert({"type": "message", **item}, Item)
    for answer in net.servers[net.link].adds(known):
        net.tells(net.link, answer)


def lost(net: Net) -> dict[str | None, str | None]:
    """What could not be restored at the last reconnection, and the codes that say why."""
    return {each.item_id: each.error.code for each in net.reconnected.lost}
