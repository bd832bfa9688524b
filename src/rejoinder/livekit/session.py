"""`RealtimeSession`: LiveKit's calls in, the server's news out. It only routes.

Replies live in `replies` and `generation`, the chat context in `conversation`, the session's settings
in `configuration`, the microphone in `audio`; what is announced, in `news`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, cast

from livekit import rtc
from livekit.agents import llm
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import is_given

from rejoinder.client import by_hand
from rejoinder.client.edit import Edit
from rejoinder.client.response import Response
from rejoinder.client.streams import Sink
from rejoinder.core import effects as ef
from rejoinder.core.outcomes import Close
from rejoinder.errors import ConfigurationError, EditError, EditRefused, SessionClosed
from rejoinder.livekit import metrics, options
from rejoinder.livekit.audio import Microphone
from rejoinder.livekit.chat_context import (
    Delete,
    Truncate,
    as_input,
    image_message,
    to_wire,
)
from rejoinder.livekit.configuration import Configuration
from rejoinder.livekit.conversation import Conversation
from rejoinder.livekit.emitter import Listeners
from rejoinder.livekit.errors import SessionEnded, SessionError, UpdateError
from rejoinder.livekit.news import News
from rejoinder.livekit.raw_events import RawEvents
from rejoinder.livekit.replies import Listener, Replies, failed
from rejoinder.livekit.settings import ConfiguredModel, capabilities
from rejoinder.livekit.tools import describe
from rejoinder.wire.session import Audio, AudioInput, SessionConfig, merged

logger = logging.getLogger("rejoinder.livekit")

_EMPTY = "input_audio_buffer_commit_empty"


class RealtimeSession(
    llm.RealtimeSession[Literal["openai_server_event_received", "openai_client_event_queued"]]
):
    """One realtime session, made by `RealtimeModel.session`. It connects in the background.

    Events, beside LiveKit's own: ``openai_server_event_received`` and ``openai_client_event_queued``,
    each event of the protocol as a dict, before it is looked at and when it is sent. What a listener
    changes in the dict is what is looked at, or sent.

    Every reply that is asked for settles, and every stream ends. After `aclose`, or after an ``error``
    event that is not recoverable, `send_event` and the methods that return a result fail at once with
    a `llm.RealtimeError` (code ``session_closed`` after `aclose`); the others do nothing.
    """

    def __init__(
        self, realtime_model: ConfiguredModel, *, turn_detection_disabled: bool = False
    ) -> None:
        """Raises `ConfigurationError` outside of a running event loop."""
        super().__init__(realtime_model)
        settings, config = realtime_model.settings, realtime_model.settings.config
        if turn_detection_disabled:
            off = SessionConfig(audio=Audio(input=AudioInput(turn_detection=None)))
            config = merged(config, off)
        self._listeners = Listeners()
        self._settings = settings
        self._raw = RawEvents(self._listeners, settings.endpoint.dialect)
        self._client = settings.connect(
            config,
            on_response=self._begun_by_server,
            on_notice=self._notice,
            **self._raw.taps(),
        )
        source = metrics.Source(realtime_model.label, settings.model, settings.provider)
        self._news = News(self._listeners, source, self._client, lambda: self._configuration.wanted)
        self._configuration = Configuration(self._client, config, self._news.failed)
        self._conversation = Conversation(self._client)
        self._replies = Replies(Listener(self._news.reply_created, self._news.reply_failed))
        self._microphone = Microphone()

    # -- what it is --

    def __repr__(self) -> str:
        model, live = self._realtime_model, len(self._replies.live)
        return f"<RealtimeSession of {model.model}, {'ended' if self._over else f'{live} replies'}>"

    @property
    def capabilities(self) -> llm.RealtimeCapabilities:
        """What this session can do now; turn detection may be off here and on for the model."""
        free = self._realtime_model.capabilities.can_disable_turn_detection
        return capabilities(self._configuration.wanted, can_disable=free)

    @property
    def chat_ctx(self) -> llm.ChatContext:
        """The conversation as the server has told it: a fresh list over shared items."""
        return llm.ChatContext(self._conversation.items())

    @property
    def tools(self) -> llm.ToolContext:
        """A copy of the tools that the model may call."""
        return self._configuration.tools.copy()

    @property
    def has_active_generation(self) -> bool:
        """Whether a reply of the conversation is under way, or asked for."""
        return self._replies.active

    # -- replies --

    def generate_reply(
        self,
        *,
        instructions: NotGivenOr[str] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        tools: NotGivenOr[list[llm.Tool]] = NOT_GIVEN,
        conversation: NotGivenOr[Literal["auto", "none"]] = NOT_GIVEN,
        input: NotGivenOr[llm.ChatContext] = NOT_GIVEN,
        modalities: NotGivenOr[list[Literal["text", "audio"]]] = NOT_GIVEN,
    ) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """Asks for a reply. ``instructions`` are added to the session's, the rest replaces it.

        ``conversation="none"``: a reply out-of-band, beside the conversation and whatever else is
        spoken. It leaves no trace in the conversation, nobody but who awaits it hears of it, `interrupt`
        does not reach it, and its event's ``cancel`` stops it. ``input``: what it shall answer instead of
        the conversation. ``modalities``: of this reply alone.

        The future always settles, at the reply's first output or at its end: with the event (its
        ``outcome`` awaits how the reply ended), or with an `llm.RealtimeError` that carries ``code``
        and ``outcome``. Cancelling it cancels the reply on the server.
        """
        if self._over:
            return failed(self._closed())
        aside = is_given(conversation) and conversation == "none"
        try:
            spoken = options.output_modalities(list(modalities)) if is_given(modalities) else None
            params: dict[str, Any] = {
                "instructions": self._instructions(instructions),
                "conversation": conversation if is_given(conversation) else None,
                "input": as_input(input) if is_given(input) else None,
                "output_modalities": spoken,
                "tool_choice": options.wire_tool_choice(tool_choice)
                if is_given(tool_choice)
                else None,
                "tools": describe(tools)[0] if is_given(tools) else None,
            }
            return self._replies.ask(
                lambda sink: self._client.create_response(**params, sink=sink),
                audio="audio" in spoken if spoken else self._speaks,
                aside=aside,
            )
        except ConfigurationError as error:
            return failed(SessionError(error.message, code="invalid_request"))

    def interrupt(self) -> None:
        """Cancels the replies of the speech for which it is called, or, outside of a speech, all those
        of the conversation. Does nothing when there are none."""
        self._replies.interrupt()

    def truncate(
        self,
        *,
        message_id: str,
        modalities: list[Literal["text", "audio"]],
        audio_end_ms: int,
        audio_transcript: NotGivenOr[str] = NOT_GIVEN,
    ) -> None:
        """Makes the server forget what the user did not hear of a message; all of it at 0 ms."""
        if self._over:
            return
        if "audio" not in modalities:
            if is_given(audio_transcript):
                self._conversation.reword(message_id, audio_transcript)
        elif audio_end_ms > 0:
            heard = audio_transcript if is_given(audio_transcript) else None
            self._conversation.send([Truncate(message_id, audio_end_ms, heard)])
        else:
            self._conversation.send([Delete(message_id)])

    # -- the user --

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        """Adds microphone audio of 8 to 192 kHz, any number of channels.

        Raises `ConfigurationError` for other rates. While there is no connection the newest 5 s
        are kept, and what the user was saying as a whole.
        """
        for samples in self._microphone.push(frame):
            self._append(samples)

    def push_video(self, frame: rtc.VideoFrame) -> None:
        """Shows the model a frame, as an image in a user message. The conversation keeps the newest 32;
        they are no part of the agent's own history."""
        if self._over:
            return
        item = to_wire(image_message(frame))
        if item is not None:
            self._conversation.show(item)

    def commit_audio(self) -> None:
        """Ends the user's turn; one of 100 ms or less is not worth it and joins the next."""
        rest, worth_it = self._microphone.flush()
        if rest:
            self._append(rest)
        if worth_it and not self._over:
            self._configuration.watch(self._committed(self._client.commit_audio()))

    def clear_audio(self) -> None:
        """Forgets what the user has said since the last turn."""
        self._microphone.clear()
        if not self._over:
            self._client.clear_audio()

    # -- updates --

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        """Makes the server's conversation the one given; see `Conversation.update`."""
        self._check()
        await self._conversation.update(chat_ctx)

    async def update_instructions(self, instructions: str) -> None:
        """Replaces the session's instructions; see `Configuration.update`."""
        self._check()
        await self._configuration.update(SessionConfig(type="realtime", instructions=instructions))

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        """Replaces the session's tools, those left out that the protocol cannot express; see
        `Configuration.update`. `tools` shows them from now on, and the old ones after a refusal."""
        self._check()
        described, kept = describe(tools)
        said = SessionConfig(type="realtime", tools=described)
        await self._configuration.update(said, llm.ToolContext(kept))

    def update_options(  # type: ignore[override] # whom the base gives nothing to wait for may wait
        self,
        *,
        tool_choice: NotGivenOr[llm.ToolChoice | None] = NOT_GIVEN,
        voice: NotGivenOr[str] = NOT_GIVEN,
        turn_detection: NotGivenOr[Any] = NOT_GIVEN,
        max_response_output_tokens: NotGivenOr[int | Literal["inf"] | None] = NOT_GIVEN,
        input_audio_transcription: NotGivenOr[Any] = NOT_GIVEN,
        input_audio_noise_reduction: NotGivenOr[Any] = NOT_GIVEN,
        speed: NotGivenOr[float] = NOT_GIVEN,
        tracing: NotGivenOr[Any] = NOT_GIVEN,
        truncation: NotGivenOr[Any] = NOT_GIVEN,
        reasoning: NotGivenOr[Any] = NOT_GIVEN,
    ) -> asyncio.Future[None]:
        """Changes options of this session. What the server refuses is undone and reported by an
        ``error`` event.

        Who wants to know may await what is returned: it fails with an `UpdateError` when the server
        refuses, or with `SessionEnded`. Raises `ConfigurationError` naming an option that cannot be
        read.
        """
        said = options.given(
            tool_choice=tool_choice,
            voice=voice,
            turn_detection=turn_detection,
            max_response_output_tokens=max_response_output_tokens,
            input_audio_transcription=input_audio_transcription,
            input_audio_noise_reduction=input_audio_noise_reduction,
            speed=speed,
            tracing=tracing,
            truncation=truncation,
            reasoning=reasoning,
        )
        known = self._settings.known(said)
        return failed(self._closed()) if self._over else self._configuration.change(known)

    def configure(self, said: SessionConfig) -> None:
        """Follows the model: changes what is news to this session, if it lives."""
        if not self._over:
            self._configuration.change(said)

    async def _update_session(
        self,
        *,
        instructions: NotGivenOr[str] = NOT_GIVEN,
        chat_ctx: NotGivenOr[llm.ChatContext] = NOT_GIVEN,
        tools: NotGivenOr[list[llm.Tool]] = NOT_GIVEN,
    ) -> None:
        """LiveKit's update of everything at once: all is sent before any answer is waited for."""
        updates = [
            self.update_instructions(instructions) if is_given(instructions) else None,
            self.update_chat_ctx(chat_ctx) if is_given(chat_ctx) else None,
            self.update_tools(tools) if is_given(tools) else None,
        ]
        results = await asyncio.gather(*filter(None, updates), return_exceptions=True)
        for result in results:
            if isinstance(result, llm.RealtimeError):
                logger.warning("the session was not updated in full: %s", result)
            elif result is not None:
                raise result

    # -- the wire --

    def send_event(self, event: Any) -> None:
        """Sends a client event of the protocol: a dict, or an object of the `openai` package.

        It is kept track of like everything else: a `response.create` waits its turn, surfaces like a
        response of the server's own, and its failure is an ``error`` event; so is a refusal of any
        other event. A `response.cancel` goes out by id. Raises `SessionEnded` after the end and
        `ConfigurationError` for what is no event.
        """
        self._check()
        dump = getattr(event, "model_dump", None)
        plain = by_hand.plain(dump(by_alias=True, exclude_unset=True) if callable(dump) else event)
        if plain["type"] == "response.create":
            self._create_by_hand(plain)
            return
        sent = self._client.send(plain)
        said = by_hand.configuration(plain) if plain["type"] == "session.update" else None
        if isinstance(sent, Edit) and said is not None:
            self._configuration.sent(said, sent)
        elif isinstance(sent, Edit):
            self._configuration.watch(_carried_out(sent))

    async def aclose(self) -> None:
        """Ends the session: settles every reply, ends every stream, closes the socket.

        Takes 2 s at most (``timeouts.close``), never raises, and may be called again. Cancelling it
        leaves the closing under way.
        """
        self._news.closing = True
        await self._client.aclose()
        await self._configuration.settled()

    # -- listeners --

    def on(self, event: Any, callback: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """Registers a plain function, or decorates one. What it raises is logged and harms nobody."""
        if callback is None:
            return lambda decorated: self.on(event, decorated)
        super().on(event, callback)
        self._listeners.add(event, callback)
        self._client.tap(**self._raw.taps())
        return callback

    def off(self, event: Any, callback: Callable[..., Any]) -> None:
        """Takes a function out, if it is registered."""
        super().off(event, callback)
        self._listeners.remove(event, callback)
        self._client.tap(**self._raw.taps())

    def emit(self, event: Any, *args: Any) -> None:
        """Calls everybody who listens to an event."""
        self._listeners.tell(event, *args)

    # -- what the client tells --

    def _begun_by_server(self, response: Response) -> Sink | None:
        return self._replies.adopt(response, audio=self._speaks)

    def _notice(self, notice: ef.Notice) -> None:
        if isinstance(notice, ef.Committed):
            self._microphone.committed()
        self._news.tell(notice, self._conversation)

    # -- inside --

    def _create_by_hand(self, plain: dict[str, Any]) -> None:
        params = plain.get("response")
        body: dict[str, Any] = params if isinstance(params, dict) else {}
        modalities = body.get("output_modalities", body.get("modalities"))
        self._replies.send(
            lambda sink: cast("Response", self._client.send(plain, sink=sink)),
            audio="audio" in modalities if isinstance(modalities, list) else self._speaks,
            aside=body.get("conversation") == "none",
        )

    def _append(self, samples: bytes) -> None:
        try:
            self._client.append_audio(samples)
        except SessionClosed:
            return  # LiveKit pushes on after the end, and has been told of it

    async def _committed(self, edit: Edit) -> None:
        try:
            await edit
        except EditError as error:
            self._microphone.refused()
            empty = error.code == _EMPTY and options.responds(self._configuration.wanted)
            if isinstance(error, EditRefused) and not empty:
                raise UpdateError(error.message, code=error.code) from error
            # where the buffer was empty, the server was faster; silence and the end show elsewhere

    def _instructions(self, own: NotGivenOr[str]) -> str | None:
        """For one reply: on the wire they replace the session's, so both are sent."""
        common = self._configuration.wanted.instructions
        if not is_given(own) or not own:
            return None
        return f"{common}\n{own}" if isinstance(common, str) and common else own

    @property
    def _speaks(self) -> bool:
        return options.speaks(self._configuration.wanted)

    @property
    def _over(self) -> bool:
        return self._client.ended is not None

    def _check(self) -> None:
        if self._over:
            raise self._closed()

    def _closed(self) -> SessionEnded:
        return SessionEnded.by(self._client.ended or Close("caller"))


async def _carried_out(edit: Edit) -> None:
    """Raises `UpdateError` if the server refuses what was sent by hand; silence and the end show
    elsewhere."""
    try:
        await edit
    except EditRefused as error:
        raise UpdateError(error.message, code=error.code) from error
    except EditError as error:
        logger.warning("an event sent by hand was not answered: %s", error.message)
