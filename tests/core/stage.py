"""A stage for the core: a session, a clock moved by hand, and a server that says what it is told to."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any, TypeVar

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Outcome
from rejoinder.core.responses import KEY
from rejoinder.core.session import Session
from rejoinder.wire import client_events as ce
from rejoinder.wire.codec import decode_server
from rejoinder.wire.response import ResponseParams
from rejoinder.wire.session import SessionConfig

T = TypeVar("T")


class Stage:
    """Feeds inputs and keeps the effects. ``said`` is everything so far, ``last`` the last step's."""

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        config: SessionConfig | None = None,
        connected: bool = True,
    ) -> None:
        self.session = Session(timeouts=timeouts, config=config)
        self.now = 0.0
        self.said: list[ef.Effect] = []
        self.last: list[ef.Effect] = []
        self.numbers = itertools.count(1)
        if connected:
            self.do(inp.Connected())

    # -- what happens --

    def do(self, given: inp.Input) -> list[ef.Effect]:
        self.last = self.session.step(self.now, given)
        self.said += self.last
        return self.last

    def ask(self, key: str = "a", wait: bool = True, **params: Any) -> str:
        self.do(inp.Ask(key, ResponseParams(**params), wait))
        return key

    def hear(self, type_: str, **members: Any) -> list[ef.Effect]:
        """A server event, through the codec, with a fresh event id."""
        event = {"type": type_, "event_id": f"event_{next(self.numbers)}", **members}
        return self.hear_frame(json.dumps(event))

    def hear_frame(self, frame: str | bytes) -> list[ef.Effect]:
        return self.do(inp.Received(decode_server(frame)))

    def wait(self, seconds: float) -> list[ef.Effect]:
        """Lets time pass, with a tick at every deadline on the way."""
        until, told = self.now + seconds, []
        while (due := self.session.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            told += self.do(inp.Tick())
        self.now = until
        return told

    # -- the usual words of a server --

    def created(self, response_id: str = "r1", key: str | None = "a", **more: Any) -> None:
        metadata = None if key is None else {KEY: key}
        response = {"id": response_id, "status": "in_progress", "conversation_id": "conv_1"}
        self.hear("response.created", response={**response, "metadata": metadata, **more})

    def item(self, response_id: str = "r1", item_id: str = "i1") -> None:
        item = {"id": item_id, "type": "message", "role": "assistant", "content": []}
        self.hear("response.output_item.added", response_id=response_id, output_index=0, item=item)

    def text(self, delta: str, response_id: str = "r1", item_id: str = "i1") -> list[ef.Effect]:
        return self.hear(
            "response.output_text.delta",
            response_id=response_id,
            item_id=item_id,
            output_index=0,
            content_index=0,
            delta=delta,
        )

    def audio(self, ms: int, response_id: str = "r1", item_id: str = "i1") -> list[ef.Effect]:
        return self.hear(
            "response.output_audio.delta",
            response_id=response_id,
            item_id=item_id,
            output_index=0,
            content_index=0,
            delta=base64.b64encode(bytes(48 * ms)).decode(),
        )

    def done(
        self, response_id: str | None = "r1", status: str | None = "completed", **more: Any
    ) -> list[ef.Effect]:
        return self.hear("response.done", response={"id": response_id, "status": status, **more})

    def error(self, **error: Any) -> list[ef.Effect]:
        return self.hear("error", error={"type": "server_error", "message": "boom", **error})

    # -- what came of it --

    def all(self, kind: type[T]) -> list[T]:
        return [effect for effect in self.said if isinstance(effect, kind)]

    def outcomes(self, key: str = "a") -> list[Outcome]:
        return [settled.outcome for settled in self.all(ef.Settle) if settled.key == key]

    def outcome(self, key: str = "a") -> Outcome:
        """The one outcome of a response; there must be exactly one."""
        (outcome,) = self.outcomes(key)
        return outcome

    def settled(self, key: str = "a") -> bool:
        return bool(self.outcomes(key))

    def sent(self, kind: type[T]) -> list[T]:
        return [send.event for send in self.all(ef.Send) if isinstance(send.event, kind)]

    def cancels(self) -> list[Any]:
        """The ids that were cancelled, in order. A cancel without an id would show as UNSET."""
        return [cancel.response_id for cancel in self.sent(ce.ResponseCancel)]

    def notices(self, kind: type[T]) -> list[T]:
        return [a.notice for a in self.all(ef.Announce) if isinstance(a.notice, kind)]

    def next_reply_works(self, key: str = "next") -> bool:
        """Asks again, and gives a whole reply if the request goes out."""
        self.ask(key)
        creates = [c.event_id for c in self.sent(ce.ResponseCreate)]
        if not any(str(event_id).startswith(f"{key}.") for event_id in creates):
            return False
        self.created(f"r_{key}", key)
        self.text("fine", f"r_{key}", f"i_{key}")
        self.done(f"r_{key}")
        outcome = self.outcome(key)
        return outcome.ok and outcome.delivered.text == "fine"


def asked() -> Stage:
    stage = Stage()
    stage.ask()
    return stage


def begun() -> Stage:
    stage = asked()
    stage.created()
    return stage


def speaking() -> Stage:
    stage = begun()
    stage.item()
    stage.text("half a ")
    stage.audio(100)
    return stage
