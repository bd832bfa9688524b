"""`Session`: the protocol's nouns, for people."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, Unpack

import msgspec
from msgspec import UNSET, UnsetType

from rejoinder.client import by_hand
from rejoinder.client import options as opt
from rejoinder.client.edit import Edit
from rejoinder.client.ending import closed
from rejoinder.client.link import Dialled
from rejoinder.client.pump import Pump, running_loop
from rejoinder.client.response import Response
from rejoinder.client.samples import SampleSize
from rejoinder.client.streams import Feed, Sink, check_sink
from rejoinder.client.transport import Transport, dial
from rejoinder.client.views import Mirror, Responses
from rejoinder.client.waiting import Listeners, OnEvent
from rejoinder.core import inputs as inp
from rejoinder.core import session as core
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.effects import Notice
from rejoinder.core.outcomes import Close
from rejoinder.core.recovery import Recovery
from rejoinder.core.requests import EDITS
from rejoinder.errors import ConfigurationError
from rejoinder.wire import client_events as ce
from rejoinder.wire.dialects import OPENAI, Dialect
from rejoinder.wire.items import Item
from rejoinder.wire.response import ResponseAudio, ResponseParams
from rejoinder.wire.session import AudioOutput, Reasoning, SessionConfig

__all__ = ["Session"]

T = TypeVar("T")

_MOST_APPEND = 4 * 1024 * 1024
"""Longer audio goes out in several events: the server takes 15 MiB of base64 in one."""


class Session:
    """One realtime session. Made by `connect`, or by `start` for those who cannot wait.

    Its methods are called on the event loop on which it was made. Those that are not ``async`` return
    at once and never block. After the end they raise `SessionClosed`, and have then done nothing.
    """

    def __init__(self, pump: Pump, *, policy: opt.Policy, sample_bytes: int) -> None:
        self._pump = pump
        self._policy = policy
        self._sample = SampleSize(sample_bytes)
        self._mirror = Mirror(pump.core)

    @classmethod
    def start(cls, **options: Unpack[opt.Options]) -> Session:
        """A session that connects in the background; takes what `connect` takes.

        Returns at once. What is asked for before there is a connection waits for it, within the
        ``offline`` clock. When there is no connection to be had, as ``recovery`` has it, everything that
        waits settles, and an `Ended` notice says why; `opened` raises it. The session must be closed with
        `aclose`.

        Raises `ConfigurationError` when an option cannot be used, there is no key, or there is no
        running event loop.
        """
        if running_loop() is None:
            raise ConfigurationError(
                "a session needs a running event loop: make it inside a coroutine, "
                "for instance one that asyncio.run() runs"
            )
        config, dialect = options.get("session"), options.get("dialect", OPENAI)
        config = opt.configuration(config, dialect) if config is not None else None
        clocks = opt.clocks(options.get("timeouts") or Timeouts())
        listeners = Listeners(
            on_response=options.get("on_response"),
            on_notice=options.get("on_notice"),
            on_event_in=options.get("on_event_in"),
            on_event_out=options.get("on_event_out"),
            journal=options.get("journal"),
        )
        recovery = opt.recovery(options.get("recovery", Recovery()))
        policy = opt.policy(options.get("busy", "wait"), options.get("retries", 0))
        dialled = _dialling(options, clocks, dialect)
        state = core.Session(config=config, timeouts=clocks, recovery=recovery)
        pump = Pump(state, clocks, listeners, dialect)
        pump.start(dialled)
        return cls(pump, policy=policy, sample_bytes=opt.sample_bytes(config) or 2)

    # -- the life of the session --

    async def opened(self) -> None:
        """Returns when the session is usable: the server has said something that is no error.

        It may take several connections until then. Raises `ConnectError` if it never will be, for the
        reason of the last one, `SessionClosed` if it was closed before, and
        `ConfigurationError` on another event loop. Cancelling it changes nothing.
        """
        self._pump.check_loop()
        await self._pump.links.known.wait()
        if self._pump.links.used:
            return
        ended = self._pump.ended
        if ended is not None and ended.by == "caller":
            raise closed(ended)
        raise self._pump.refused()

    async def aclose(self) -> None:
        """Ends the session: settles everything that waits, sends what was still to be written, closes
        every socket; all within ``timeouts.close`` seconds.

        May be called again, also at the same time. Cancelling it leaves the closing under way.
        Afterwards nothing of the session is left on the loop. Raises `ConfigurationError` on another
        event loop than the session's, and nothing else.
        """
        if self._pump.links.over.is_set():
            return
        self._pump.check_loop()
        self._pump.shut()
        await self._pump.links.over.wait()

    @property
    def ended(self) -> Close | None:
        """How the session ended; None while it lives."""
        return self._pump.ended

    @property
    def online(self) -> bool:
        """Whether a connection serves, so that what is asked for goes out at once. False while connecting,
        between two connections, and after the end."""
        return self.ended is None and self._pump.core.online

    # -- what the user says --

    def append_audio(self, audio: bytes | bytearray | memoryview) -> None:
        """Adds samples to the server's input buffer, in the session's input format (PCM16
        little-endian, 24 kHz mono by default); empty audio is ignored.

        While there is no connection, the newest ``recovery.keep_audio`` seconds (5) are kept, before the
        first one and between two of them; what the user was saying then is kept whole. While there is one
        nothing is ever dropped: up to 64 MiB of events wait to be written, and when there is no room for
        more, the connection counts as lost. Who sends faster than real time awaits `drain` now and then.

        Raises `ConfigurationError` for anything but bytes, and for half a sample.
        """
        self._check()
        if not isinstance(audio, (bytes, bytearray, memoryview)):
            raise ConfigurationError(
                f"append_audio takes bytes, not {type(audio).__name__}: "
                "convert samples with samples.astype('<i2').tobytes()"
            )
        data, size = bytes(audio), self._sample.now()
        if len(data) % size:
            raise ConfigurationError(
                f"append_audio takes whole samples of {size} bytes, and {len(data)} "
                "bytes end in the middle of one: keep the rest for the next call"
            )
        if 0 < len(data) <= _MOST_APPEND:  # nearly always
            self._pump.step(inp.Append(data))
            return
        for at in range(0, len(data), _MOST_APPEND):
            self._pump.step(inp.Append(data[at : at + _MOST_APPEND]))

    async def drain(self) -> None:
        """Returns when everything asked for has been handed to the operating system, or never will
        be; not before there is a connection, and not between two of them. Raises `ConfigurationError`
        on another event loop. Cancelling it changes nothing."""
        self._pump.check_loop()
        await self._pump.links.drained()

    def commit_audio(self) -> Edit:
        """Turns the input buffer into a user message. Not needed where the server detects turns; the
        server refuses to commit less than 100 ms."""
        return self._edit("commit_audio", lambda key: ce.InputAudioBufferCommit(event_id=key))

    def clear_audio(self) -> Edit:
        """Drops what is in the input buffer."""
        return self._edit("clear_audio", lambda key: ce.InputAudioBufferClear(event_id=key))

    # -- responses --

    def create_response(
        self,
        *,
        instructions: str | None = None,
        conversation: str | None = None,
        input: Sequence[Item | Mapping[str, Any]] | None = None,
        output_modalities: Sequence[str] | None = None,
        voice: str | None = None,
        tools: Sequence[dict[str, Any]] | None = None,
        tool_choice: str | dict[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        max_output_tokens: int | str | None = None,
        metadata: Mapping[str, str] | None = None,
        reasoning: Reasoning | None = None,
        prompt: dict[str, Any] | None = None,
        sink: Sink | None = None,
    ) -> Response:
        """Asks for a response. Every argument overrides the session's configuration for this response
        alone; None leaves it as it is.

        ``conversation="none"``: out-of-band, beside the conversation. ``input``: what it shall answer
        instead of the conversation. ``sink``: a `Sink` that receives it instead of the `Response`'s own
        iteration.

        The response settles exactly once: with an outcome of the server's, by a clock, or with the
        session. Raises `ConfigurationError` when an argument does not fit the protocol, or the sink is
        none.
        """
        self._check()
        opt.metadata(metadata)
        params = ResponseParams(
            instructions=_given(instructions),
            conversation=_given(conversation),
            input=UNSET if input is None else [opt.item(each) for each in input],
            output_modalities=UNSET if output_modalities is None else list(output_modalities),
            audio=UNSET if voice is None else ResponseAudio(output=AudioOutput(voice=voice)),
            tools=UNSET if tools is None else list(tools),
            tool_choice=_given(tool_choice),
            parallel_tool_calls=_given(parallel_tool_calls),
            max_output_tokens=_given(max_output_tokens),
            metadata=UNSET if metadata is None else dict(metadata),
            reasoning=_given(reasoning),
            prompt=_given(prompt),
        )
        opt.checked("create_response", ce.ResponseCreate(response=params))
        return self._ask(params, sink)

    def cancel(self, *responses: Response) -> None:
        """Cancels these responses, as `Response.cancel` does each."""
        self._pump.check_loop()
        self._pump.step(inp.Cancel(tuple(response.key for response in responses)))

    @property
    def live(self) -> tuple[Response, ...]:
        """Every response that has no outcome yet, oldest first, the server's own included."""
        waiting = self._pump.waiting
        return tuple(waiting.handle(record) for record in waiting.responses.values())

    def responses(self) -> Responses:
        """The responses that the server begins by itself, as voice activity detection makes it do, in
        the order in which they begin; the iteration ends with the session::

            async for response in session.responses():
                async for part in response: ...

        Those that nobody takes are kept: at most 32 of them, and at most 64 MiB. Beyond that the oldest
        are dropped, one warning is logged, and `Responses.dropped` counts them; the conversation is
        unharmed. With the option ``on_response`` there is nothing here. Several iterations would share
        the responses between them.
        """
        return Responses(self._pump.waiting)

    # -- the conversation and the session --

    @property
    def conversation(self) -> Mirror:
        """The conversation as the server has told it, read only."""
        return self._mirror

    def create_item(
        self, item: Item | Mapping[str, Any], previous_item_id: str | None = None
    ) -> Edit:
        """Adds an item: at the end, after ``previous_item_id``, or first if that is ``"root"``.

        An item without an id is given one; `Edit.item_id` tells it. Does not start a response.
        """
        full = opt.item(item)
        if full.id is None:
            full = msgspec.structs.replace(full, id=_name("item"))
        after = _given(previous_item_id)
        return self._edit(
            "create_item",
            lambda key: ce.ConversationItemCreate(event_id=key, item=full, previous_item_id=after),
            full.id,
        )

    def delete_item(self, item_id: str) -> Edit:
        """Removes an item from the conversation."""
        return self._edit(
            "delete_item",
            lambda key: ce.ConversationItemDelete(event_id=key, item_id=item_id),
            item_id,
        )

    def retrieve_item(self, item_id: str) -> Edit:
        """Asks for an item with its audio; the `Acknowledged` has it."""
        return self._edit(
            "retrieve_item",
            lambda key: ce.ConversationItemRetrieve(event_id=key, item_id=item_id),
            item_id,
        )

    def truncate_item(
        self, item_id: str, content_index: int, audio_end_ms: int, *, heard: str | None = None
    ) -> Edit:
        """Keeps the first ``audio_end_ms`` milliseconds of an assistant item's audio, which is what the
        user has heard; the server forgets its whole transcript. ``heard``: the words up to there, which
        the server of a later connection is told; default: as many of them as of the audio."""
        return self._edit(
            "truncate_item",
            lambda key: ce.ConversationItemTruncate(
                event_id=key,
                item_id=item_id,
                content_index=content_index,
                audio_end_ms=audio_end_ms,
            ),
            item_id,
            heard,
        )

    def update(self, session: SessionConfig) -> Edit:
        """Changes the session's configuration, all or nothing: absent members stay, None switches off.

        Running responses keep theirs.
        """
        full = opt.configuration(session, self._pump.dialect)
        edit = self._edit("update", lambda key: ce.SessionUpdate(event_id=key, session=full))
        self._sample.ask(opt.sample_bytes(full), edit)
        return edit

    def send(
        self,
        event: ce.ClientEvent | ce.RawClientEvent | Mapping[str, Any],
        *,
        sink: Sink | None = None,
    ) -> Response | Edit | None:
        """Sends any client event; a mapping needs a ``type``. What it says is sent as it is.

        It is kept track of all the same. `response.create` gets our key into its metadata, waits its
        turn like `create_response`, and returns its `Response` (``sink`` as there); whatever the server
        acknowledges returns its `Edit`, and an item without an id is given one. `response.cancel` goes
        out with the id of the response that it means, or not at all when there is none to cancel.

        Raises `ConfigurationError` for what is no event, or could not be kept track of.
        """
        self._check()
        raw = by_hand.plain(event)
        if self._own(raw) is None:
            raw.pop("event_id", None)
        if raw["type"] == "response.create":
            return self._ask(by_hand.params(raw), sink, ce.RawClientEvent(raw))
        if raw["type"] in EDITS:
            return self._edit_by_hand(raw)
        if raw["type"] == "response.cancel":
            self._pump.step(inp.Stop(self._own(raw) or _name("rj"), by_hand.stopped(raw)))
        else:
            self._pump.step(inp.Say(by_hand.appended(raw)))
        return None

    def tap(
        self, *, on_event_in: OnEvent | None = None, on_event_out: OnEvent | None = None
    ) -> None:
        """Shows each event on the wire to these from now on, as the options of `connect` do, in place of
        those; None: to nobody. Raises `ConfigurationError` for what is no plain function."""
        self._pump.tap(on_event_in, on_event_out)

    def notices(self) -> Feed[Notice]:
        """The news of the session, from its beginning: an asynchronous iterator that ends with `Ended`.

        The newest 256 are kept until they are taken, or fewer when the events behind them had more than
        16 MiB together; `Feed.dropped` counts those that had to go. With the option ``on_notice`` there is
        nothing here. Several iterations would share the news between them.
        """
        return self._pump.waiting.notices

    def __repr__(self) -> str:
        state = "ended" if self.ended else self._pump.links.state
        return f"<Session {state}, {len(self._pump.waiting.responses)} responses under way>"

    # -- inside --

    def _ask(
        self, params: ResponseParams, sink: Sink | None, given: ce.RawClientEvent | None = None
    ) -> Response:
        if sink is not None:
            check_sink("sink", sink)
        key, policy = _name("rj"), self._policy
        response = self._pump.waiting.asked(key, sink)
        self._pump.step(inp.Ask(key, params, policy.waits, policy.retries, given))
        return response

    def _own(self, raw: dict[str, Any]) -> str | None:
        """The event id that the application gave, unless it stands for something else that is still to
        be answered: then an answer could not be told from the other's."""
        own = raw.get("event_id")
        usable = isinstance(own, str) and own and not self._pump.core.taken(own)
        return own if usable else None

    def _edit_by_hand(self, raw: dict[str, Any]) -> Edit:
        item, item_id, key = raw.get("item"), raw.get("item_id"), self._own(raw) or _name("rj")
        if isinstance(item, dict):
            item_id = item["id"] = item.get("id") or _name("item")
        said = by_hand.configuration(raw) if raw["type"] == "session.update" else None
        edit = self._pump.waiting.edit(key, item_id if isinstance(item_id, str) else None)
        self._pump.step(inp.Edit(key, ce.RawClientEvent({**raw, "event_id": key})))
        self._sample.ask(opt.sample_bytes(said), edit)
        return edit

    def _edit(
        self,
        name: str,
        event: Callable[[str], ce.ClientEvent],
        item_id: str | None = None,
        heard: str | None = None,
    ) -> Edit:
        self._check()
        key = _name("rj")
        typed = event(key)
        opt.checked(name, typed)
        edit = self._pump.waiting.edit(key, item_id)
        self._pump.step(inp.Edit(key, typed, heard))
        return edit

    def _check(self) -> None:
        self._pump.check_loop()
        ended = self._pump.ended
        if ended is not None:
            raise closed(ended)


def _dialling(options: opt.Options, clocks: Timeouts, dialect: Dialect) -> Dialled:
    """How to connect. A function rather than a ``partial``, whose repr would show the key."""
    url = opt.address(options.get("base_url"), options.get("model", "gpt-realtime"), dialect)
    headers = opt.credentials(options.get("api_key"), options.get("headers"), url, dialect)
    own, http_session = options.get("dial"), options.get("http_session")
    opt.reach(own, http_session)

    async def dialled(within: float) -> Transport:
        if own is not None:
            return await own(url, headers)
        bounded = msgspec.structs.replace(clocks, connect=within)
        return await dial(url, headers, http_session=http_session, timeouts=bounded)

    return dialled


def _given(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _name(kind: str) -> str:
    """A fresh name; item ids have at most 32 characters."""
    return f"{kind}_{secrets.token_hex(8)}"
