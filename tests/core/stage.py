"""A stage for the core: a session, a clock moved by hand, and a server that says what it is told to."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any, TypeVar, cast

from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.outcomes import Outcome
from rejoinder.core.parts import Part
from rejoinder.core.recovery import Recovery
from rejoinder.core.responses import KEY
from rejoinder.core.session import Session
from rejoinder.wire import client_events as ce
from rejoinder.wire.codec import decode_server
from rejoinder.wire.response import ResponseParams
from rejoinder.wire.session import SessionConfig

T = TypeVar("T")

MORTAL = Recovery(attempts=0, renew_after=None)
"""Of a session that ends with its connection."""


class Stage:
    """Feeds inputs and keeps the effects. ``said`` is everything so far, ``last`` the last step's. ``link``:
    the connection on which the server speaks."""

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        config: SessionConfig | None = None,
        connected: bool = True,
        recovery: Recovery = MORTAL,
    ) -> None:
        self.session = Session(timeouts=timeouts, config=config, recovery=recovery)
        self.now = 0.0
        self.said: list[ef.Effect] = []
        self.last: list[ef.Effect] = []
        self.numbers = itertools.count(1)
        self.link = FIRST_LINK
        if connected:
            self.do(inp.Connected())

    # -- what happens --

    def do(self, given: inp.Input) -> list[ef.Effect]:
        self.last = self.session.step(self.now, given)
        self.said += self.last
        return self.last

    def ask(self, key: str = "a", wait: bool = True, retries: int = 0, **params: Any) -> str:
        self.do(inp.Ask(key, ResponseParams(**params), wait, retries))
        return key

    def cancel(self, *keys: str) -> list[ef.Effect]:
        return self.do(inp.Cancel(keys or ("a",)))

    def stop(self, response_id: str | None = None) -> list[ef.Effect]:
        """`response.cancel` by hand."""
        return self.do(inp.Stop("stop", response_id))

    def edit(self, key: str, kind: type[ce.ClientEventBase], **members: Any) -> list[ef.Effect]:
        event = cast("ce.ClientEvent", kind(event_id=key, **members))
        return self.do(inp.Edit(key, event))

    def hear(self, type_: str, **members: Any) -> list[ef.Effect]:
        """A server event, through the codec, with a fresh event id."""
        event = {"type": type_, "event_id": f"event_{next(self.numbers)}", **members}
        return self.hear_frame(json.dumps(event))

    def hear_frame(self, frame: str | bytes) -> list[ef.Effect]:
        return self.do(inp.Received(decode_server(frame), self.link))

    def wait(self, seconds: float) -> list[ef.Effect]:
        """Lets time pass, with a tick at every deadline on the way."""
        until, told = self.now + seconds, []
        while (due := self.session.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            told += self.do(inp.Tick())
        self.now = until
        return told

    # -- the usual words of a server --

    def name(self, key: str) -> str:
        """What the latest create of a key called itself in its metadata."""
        params = (create.response for create in self.sent(ce.ResponseCreate))
        told = (p.metadata[KEY] for p in params if p and isinstance(p.metadata, dict))
        names = [name for name in told if name.partition(".")[0] == key]
        return names[-1] if names else key

    def created(self, response_id: str = "r1", key: str | None = "a", **more: Any) -> None:
        metadata = None if key is None else {KEY: self.name(key)}
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

    def parts(self, key: str = "a") -> list[Part]:
        return [deliver.part for deliver in self.all(ef.Deliver) if deliver.key == key]

    def results(self, key: str) -> list[ef.EditResult]:
        return [settled.result for settled in self.all(ef.SettleEdit) if settled.key == key]

    def creates(self) -> list[Any]:
        """The event ids of the creates that went out, in order."""
        return [create.event_id for create in self.sent(ce.ResponseCreate)]

    def odd(self) -> list[str]:
        """What did not fit, in order."""
        return [odd.what for odd in self.notices(ef.Odd)]

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
        if not any(str(event_id).startswith(f"{key}.") for event_id in self.creates()):
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


def echoing() -> Stage:
    """On a server that is known to return our metadata."""
    stage = Stage()
    stage.ask("first")
    stage.created("r_first", "first")
    stage.done("r_first")
    return stage


def beside(*keys: str) -> Stage:
    """Several requests on the wire at once: one in the conversation, the others out-of-band."""
    stage = echoing()
    for number, key in enumerate(keys):
        stage.ask(key, conversation="none" if number else "auto")
    return stage
