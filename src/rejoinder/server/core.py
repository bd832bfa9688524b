"""The protocol server of one connection: an input and the time in, a list of effects out.

It routes. What a noun does is in its room: `settings`, `conversation`, `turns`, `replies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, assert_never

import msgspec

from rejoinder.errors import ConfigurationError
from rejoinder.server import inputs, refusals
from rejoinder.server.agenda import Agenda
from rejoinder.server.conversation import Conversation
from rejoinder.server.effects import Effect, Hangup, Ping, Send
from rejoinder.server.engines import Ear, Mark, Voice
from rejoinder.server.hosted import Hosted
from rejoinder.server.ids import FreshIds, Ids
from rejoinder.server.inputs import Input
from rejoinder.server.reading import Accepted, Unreadable
from rejoinder.server.refusals import Refusal
from rejoinder.server.replies import Replies
from rejoinder.server.settings import Json, Settings
from rejoinder.server.turns import Turns
from rejoinder.wire import client_events as client
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ErrorBody, ResponseParams
from rejoinder.wire.server_events import ServerEvent

EXPIRED = "Your session hit the maximum duration of 60 minutes."

LEAST = {"lifetime": 0.001, "ping": 0.1, "transcribing": 0.0, "listing": 0.0}
"""Seconds: with less than these, the members of `Terms`, a session would do nothing else."""
MOST = 1e9
"""Seconds: 31 years, for all of them. An expiry far beyond it is no number of JSON."""

EarMaker: TypeAlias = Callable[[int, Json, int], Ear]
"""Makes an ear from a sample rate (Hz), a turn detection object and where its clock stands (ms)."""

Edit: TypeAlias = (
    client.InputAudioBufferClear
    | client.ConversationItemCreate
    | client.ConversationItemRetrieve
    | client.ConversationItemTruncate
    | client.ConversationItemDelete
)


class Terms(msgspec.Struct, frozen=True):
    """What a connection was granted, in seconds: from `LEAST` to `MOST`, or `ConfigurationError`.

    ``kind``: ``realtime`` or ``transcription``. ``epoch``: what must be added to the core's clock to get
    seconds since 1970. ``transcribing``: how long a transcript takes; ``listing``: an MCP server's list. ``names_conversation``: with a
    `conversation.created` after `session.created`, as in the older shape.
    """

    model: str = "gpt-realtime"
    kind: str = "realtime"
    epoch: float = 0.0
    lifetime: float = 3600.0
    ping: float = 20.0
    transcribing: float = 0.1
    listing: float = 0.1
    names_conversation: bool = False

    def __post_init__(self) -> None:
        """Raises `ConfigurationError` for what is less than `LEAST`, or more than `MOST`."""
        for name, least in LEAST.items():
            seconds = getattr(self, name)
            if not least <= seconds <= MOST:
                raise ConfigurationError(f"{name} {seconds:g}: say {least:g} to {MOST:g} seconds")


class Session:
    """One session, from `Opened` to `Hangup`. ``conversation`` and ``settings`` are for reading."""

    def __init__(self, ids: Ids, voice: Voice, ear: EarMaker, terms: Terms) -> None:
        self.terms = terms
        self.ended = False
        self.conversation = Conversation(ids.new("conv"))
        self.settings = Settings(ids.new("sess"), terms.model, terms.kind)
        self._ids = ids = FreshIds(ids, self.conversation.holds)
        self._ear = ear
        self._agenda = Agenda()
        self._turns = Turns(ids, self.conversation, voice, self.settings.input_format)
        self._replies = Replies(ids, self.settings, self.conversation, voice)
        self._hosted = Hosted(ids, self.conversation, voice)
        self._owed: str | None = None
        self._patient = True

    def next_deadline(self) -> float | None:
        """The moment at which the next `Tick` is due; None when there is none, as after the end."""
        if self.ended:
            return None
        moments = [self._agenda.next(), self._replies.next_due()]
        return min((moment for moment in moments if moment is not None), default=None)

    def step(self, now: float, given: Input) -> list[Effect]:
        """Takes one input at a moment (seconds of any clock) and returns what to do, in order."""
        if self.ended:
            return []
        told = self._step(now, given)
        self._watch_silence(now)
        return [self._stamped(effect) for effect in told]

    def _stamped(self, effect: Effect) -> Effect:
        if not isinstance(effect, Send):
            return effect
        event = msgspec.structs.replace(effect.event, event_id=self._ids.new("event"))
        return Send(event, effect.cause)

    def _step(self, now: float, given: Input) -> list[Effect]:
        match given:
            case inputs.Opened():
                return self._open(now)
            case inputs.Received(event):
                return self._receive(now, event)
            case inputs.Tick():
                return self._tick(now)
            case inputs.Hold(response_id):
                self._replies.hold(response_id)
            case inputs.Forget(response_id):
                self._replies.forget(response_id)
            case inputs.Pause(response_id, seconds):
                self._replies.pause(response_id, seconds)
            case inputs.Expire():
                return self._expire()
            case _:
                assert_never(given)
        return []

    # -- the session's life --

    def _open(self, now: float) -> list[Effect]:
        self.settings.expires_at = int(self.terms.epoch + now + self.terms.lifetime)
        self._agenda.set("expiry", now + self.terms.lifetime)
        self._agenda.set("ping", now + self.terms.ping)
        self._listen()
        told: list[ServerEvent] = [events.SessionCreated(session=self.settings.describe())]
        if self.terms.names_conversation:
            told.append(self.conversation.created())
        return _said([*told, *self._ask_hosted(now)])

    def _tick(self, now: float) -> list[Effect]:
        told: list[Effect] = []
        while not self.ended and (whose := self._agenda.due(now)) is not None:
            told += self._due(now, whose)
        return [*told, *self._perform(now)]

    def _due(self, now: float, whose: str) -> list[Effect]:
        if whose == "expiry":
            return self._expire()
        if whose == "ping":
            self._agenda.set("ping", now + self.terms.ping)
            return [Ping()]
        if whose == "silence":
            return self._break_silence(now)
        if self._hosted.asking(whose):
            return _said(self._hosted.answer(whose))
        model = (self.settings.transcription or {}).get("model", "")
        return _said(self._turns.transcript(whose, model, sure=self.settings.logprobs))

    def _expire(self) -> list[Effect]:
        """An error, then close 1001 with the same words (livekit/agents#2358)."""
        self.ended = True
        body = ErrorBody(type="invalid_request_error", code="session_expired", message=EXPIRED)
        return [Send(events.Error(error=body)), Hangup(1001, EXPIRED)]

    # -- client events --

    def _receive(self, now: float, event: Accepted | Unreadable) -> list[Effect]:
        event_id = event.event_id or None
        try:
            if isinstance(event, Unreadable):
                raise event.refusal
            return self._obey(now, event, event_id)
        except Refusal as refusal:
            return [Send(events.Error(error=refusal.body(event_id)), event_id)]

    def _obey(self, now: float, event: Accepted, event_id: str | None) -> list[Effect]:
        match event:
            case client.InputAudioBufferAppend():
                return self._append(now, event.audio)
            case client.InputAudioBufferCommit():
                told_turn = self._turns.commit()
                self._expect_transcript(now, told_turn)  # a commit asks for no answer
                return _said(told_turn, event_id)
            case client.SessionUpdate():
                told_update = [*self._update(event), *self._ask_hosted(now)]
                return _said(told_update, event_id)
            case client.ResponseCreate():
                params = event.response or ResponseParams()
                told = self._replies.create(now, params, cause=event_id)
                asked = _said(self._ask_hosted(now, params.tools or []), event_id)
                return [*told, *asked, *self._perform(now)]
            case client.ResponseCancel():
                told = self._replies.cancel(event.response_id or None, "client_cancelled")
                return [*told, *self._settle_debt(now)]
            case _:
                return _said(self._edit(event), event_id)

    def _edit(self, event: Edit) -> list[ServerEvent]:
        """What is answered at once and starts nothing."""
        match event:
            case client.InputAudioBufferClear():
                self._turns.input.clear()
                return [events.InputAudioBufferCleared()]
            case client.ConversationItemCreate():
                return self._create_item(event)
            case client.ConversationItemRetrieve():
                entry = self.conversation.get(event.item_id, "retrieve")
                return [events.ConversationItemRetrieved(item=entry.whole())]
            case client.ConversationItemTruncate():
                return self._truncate(event)
            case client.ConversationItemDelete():
                self.conversation.remove(event.item_id)
                return [events.ConversationItemDeleted(item_id=event.item_id)]
            case _:
                assert_never(event)

    def _update(self, event: client.SessionUpdate) -> list[ServerEvent]:
        before = self.settings.config
        voice_locked = self.conversation.has_assistant_audio()
        self.settings.update(event.session, voice_locked=voice_locked)
        if _hearing(before) != _hearing(self.settings.config):
            self._listen()
        return [events.SessionUpdated(session=self.settings.describe())]

    def _ask_hosted(self, now: float, tools: Iterable[Json] | None = None) -> list[ServerEvent]:
        """Asks the MCP servers among these tools, or the session's, if they were not asked yet."""
        asked, told = self._hosted.ask(self.settings.tools if tools is None else tools)
        for item_id in asked:
            self._agenda.set(item_id, now + self.terms.listing)
        return told

    def _create_item(self, event: client.ConversationItemCreate) -> list[ServerEvent]:
        entry = self.conversation.admit(event.item, self._ids, self.settings.input_format)
        before = self.conversation.add(entry, event.previous_item_id or None)
        return [
            events.ConversationItemAdded(item=entry.item, previous_item_id=before),
            events.ConversationItemDone(item=entry.item, previous_item_id=before),
        ]

    def _truncate(self, event: client.ConversationItemTruncate) -> list[ServerEvent]:
        entry = self.conversation.get(event.item_id, "truncate")
        if event.content_index:
            raise refusals.invalid_value("content_index", event.content_index, "0")
        entry.truncate(event.audio_end_ms)
        return [
            events.ConversationItemTruncated(
                item_id=event.item_id,
                content_index=event.content_index,
                audio_end_ms=event.audio_end_ms,
            )
        ]

    # -- the user's voice --

    def _listen(self) -> None:
        """Listens as the settings say from here on."""
        detection, form = self.settings.turn_detection, self.settings.input_format
        self._turns.input.retune(form, None)
        if detection is not None:
            ear = self._ear(form.rate, detection, self._turns.input.end_ms)
            self._turns.input.retune(form, ear)

    def _append(self, now: float, audio: bytes) -> list[Effect]:
        told: list[Effect] = []
        for mark in self._turns.input.append(audio):
            told += self._heard(now, mark)
        return told

    def _heard(self, now: float, mark: Mark) -> list[Effect]:
        detection = self.settings.turn_detection or {}
        told_turn = self._turns.mark(mark)
        if mark.started:
            self._owed, self._patient = None, True
            return [*_said(told_turn), *self._interrupt(detection)]
        return self._committed(now, told_turn, answer=bool(detection.get("create_response")))

    def _committed(self, now: float, told_turn: list[ServerEvent], *, answer: bool) -> list[Effect]:
        item_id = self._expect_transcript(now, told_turn)
        if answer and self.settings.kind == "realtime":
            self._owed = item_id
        return [*_said(told_turn), *self._settle_debt(now)]

    def _interrupt(self, detection: Json) -> list[Effect]:
        if not detection.get("interrupt_response") or self._replies.default() is None:
            return []
        return [*self._replies.cancel(None, "turn_detected")]

    def _expect_transcript(self, now: float, told_turn: list[ServerEvent]) -> str | None:
        """Plans the transcript of the item just committed, and returns its id."""
        ids = (
            one.item_id for one in told_turn if isinstance(one, events.InputAudioBufferCommitted)
        )
        item_id = next(ids, None)
        if item_id is not None and self.settings.transcription is not None:
            self._agenda.set(item_id, now + self.terms.transcribing)
        return item_id

    # -- the user's silence --

    def _watch_silence(self, now: float) -> None:
        """Keeps the deadline of a user who does not answer: the idle timeout, after playback.

        It runs out once; then only the user's own voice makes the server patient again, lest it
        talk to itself.
        """
        limit_ms = (self.settings.turn_detection or {}).get("idle_timeout_ms")
        since, busy = self._replies.silent_at, self._replies.default() is not None
        if limit_ms is None or since is None or busy or self._turns.speaking or not self._patient:
            self._agenda.clear("silence")
        else:
            self._agenda.set("silence", max(since + limit_ms / 1000, now))

    def _break_silence(self, now: float) -> list[Effect]:
        self._patient = False
        limit_ms = (self.settings.turn_detection or {})["idle_timeout_ms"]
        return self._committed(now, self._turns.silence(limit_ms), answer=True)

    # -- the model's voice --

    def _perform(self, now: float) -> list[Effect]:
        return [*self._replies.perform(now), *self._settle_debt(now)]

    def _settle_debt(self, now: float) -> list[Effect]:
        """A turn that ended while a response was running is answered after it, once."""
        if self._owed is None or self._replies.default() is not None:
            return []
        answering, self._owed = self._owed, None
        try:
            return [*self._replies.create(now, ResponseParams(), answering=answering)]
        except Refusal as refusal:
            return [Send(events.Error(error=refusal.body(None)))]


def _said(told: list[ServerEvent], cause: str | None = None) -> list[Effect]:
    return [Send(event, cause) for event in told]


def _hearing(config: Json) -> tuple[object, object]:
    """What the ear goes by; what is done about a turn may change in the midst of one."""
    hearing = config["audio"]["input"]
    detection = hearing["turn_detection"]
    if detection is None:
        return hearing["format"], None
    return hearing["format"], {n: told for n, told in detection.items() if n not in _ABOUT_TURNS}


_ABOUT_TURNS = ("create_response", "interrupt_response", "idle_timeout_ms")
