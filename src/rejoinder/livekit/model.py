"""`RealtimeModel`: the settings that its sessions begin with."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from typing import Any, Literal

from livekit.agents import APIConnectOptions, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr
from livekit.agents.utils import is_given

from rejoinder.client import options as client_options
from rejoinder.client.transport import HttpSession
from rejoinder.core.deadlines import Timeouts
from rejoinder.livekit import options
from rejoinder.livekit.session import RealtimeSession
from rejoinder.livekit.settings import ConfiguredModel, Settings, capabilities
from rejoinder.wire.dialects import OPENAI
from rejoinder.wire.session import SessionConfig

logger = logging.getLogger("rejoinder.livekit")


class RealtimeModel(ConfiguredModel):
    """A realtime model behind the OpenAI Realtime protocol, for LiveKit's `AgentSession`.

    Takes what ``livekit.plugins.openai.realtime.RealtimeModel`` takes, with the same meaning and the
    same defaults, each option in every form that is usual for it (the `openai` package's objects, GA
    and beta, or plain dicts). On top of that:

    - ``timeouts``: every clock of a session; by default those of `rejoinder.Timeouts`, but for the
      connection's, which is the one of ``conn_options``.
    - ``busy``: a reply asked for while another one runs waits its turn (``"wait"``), or fails at once
      (``"fail"``).
    - ``retries``: how often a reply is asked for again by itself when the server declares it failed by
      a code that may pass, before any of its output; see `rejoinder.connect`.
    - ``max_response_output_tokens``: a number, or ``"inf"``.
    - ``journal``: called with every step of each session, for instance a `rejoinder.journal` recorder.

    ``temperature`` is accepted and ignored: the protocol has no such member any more. So is
    ``max_session_duration``: a session is not renewed, it lasts for as long as the server lets it. Of
    ``conn_options`` only the timeout counts: a connection that fails is not tried again. An option that
    does not exist raises ``TypeError``.
    """

    def __init__(
        self,
        *,
        model: str = options.DEFAULT_MODEL,
        voice: str = options.DEFAULT_VOICE,
        modalities: NotGivenOr[list[Literal["text", "audio"]]] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice | None] = NOT_GIVEN,
        base_url: NotGivenOr[str] = NOT_GIVEN,
        input_audio_transcription: NotGivenOr[Any] = NOT_GIVEN,
        input_audio_noise_reduction: NotGivenOr[Any] = NOT_GIVEN,
        turn_detection: NotGivenOr[Any] = NOT_GIVEN,
        speed: NotGivenOr[float] = NOT_GIVEN,
        tracing: NotGivenOr[Any] = NOT_GIVEN,
        truncation: NotGivenOr[Any] = NOT_GIVEN,
        reasoning: NotGivenOr[Any] = NOT_GIVEN,
        max_response_output_tokens: NotGivenOr[int | Literal["inf"] | None] = NOT_GIVEN,
        api_key: str | None = None,
        http_session: HttpSession | None = None,
        max_session_duration: NotGivenOr[float | None] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        temperature: NotGivenOr[float] = NOT_GIVEN,
        timeouts: Timeouts | None = None,
        busy: client_options.Busy = "wait",
        retries: int = 0,
        journal: Callable[..., None] | None = None,
    ) -> None:
        """Raises `ConfigurationError` (a ``ValueError``) naming the option that cannot be used: a
        missing key, a bad URL, a value that does not fit."""
        said = options.given(
            voice=voice,
            modalities=modalities,
            tool_choice=tool_choice,
            input_audio_transcription=input_audio_transcription,
            input_audio_noise_reduction=input_audio_noise_reduction,
            turn_detection=turn_detection,
            speed=speed,
            tracing=tracing,
            truncation=truncation,
            reasoning=reasoning,
            max_response_output_tokens=max_response_output_tokens,
        )
        self.settings = _settings(
            options.merged(options.initial(model), said),
            api_key=api_key,
            base_url=base_url if is_given(base_url) else None,
            timeouts=timeouts or Timeouts(connect=conn_options.timeout),
            busy=busy,
            retries=retries,
            http_session=http_session,
            journal=journal,
        )
        self._sessions: weakref.WeakSet[RealtimeSession] = weakref.WeakSet()
        free = not is_given(turn_detection)
        super().__init__(capabilities=capabilities(self.settings.config, can_disable=free))
        _warn_of_half_manual_turns(self.settings.config)
        _warn_of_ignored(temperature=temperature, max_session_duration=max_session_duration)

    @property
    def model(self) -> str:
        """The model's name, as it was given."""
        return self.settings.model

    @property
    def provider(self) -> str:
        """Host and port of the server."""
        return self.settings.provider

    def session(self, *, turn_detection_disabled: bool = False) -> RealtimeSession:
        """A new session, which begins to connect at once. Close it with its ``aclose``.

        ``turn_detection_disabled``: LiveKit decides when the user's turn is over; the model's own
        settings stay as they are. Raises `ConfigurationError` outside of a running event loop.
        """
        session = RealtimeSession(self, turn_detection_disabled=turn_detection_disabled)
        self._sessions.add(session)
        return session

    def update_options(
        self,
        *,
        voice: NotGivenOr[str] = NOT_GIVEN,
        turn_detection: NotGivenOr[Any] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice | None] = NOT_GIVEN,
        input_audio_transcription: NotGivenOr[Any] = NOT_GIVEN,
        input_audio_noise_reduction: NotGivenOr[Any] = NOT_GIVEN,
        max_response_output_tokens: NotGivenOr[int | Literal["inf"] | None] = NOT_GIVEN,
        speed: NotGivenOr[float] = NOT_GIVEN,
        tracing: NotGivenOr[Any] = NOT_GIVEN,
        truncation: NotGivenOr[Any] = NOT_GIVEN,
        reasoning: NotGivenOr[Any] = NOT_GIVEN,
        temperature: NotGivenOr[float] = NOT_GIVEN,
    ) -> None:
        """Changes options for this model's sessions: those to come and those that live.

        A live session is told only what is news to it. Raises `ConfigurationError` naming an option
        that cannot be used; then nothing has changed.
        """
        said = options.given(
            voice=voice,
            turn_detection=turn_detection,
            tool_choice=tool_choice,
            input_audio_transcription=input_audio_transcription,
            input_audio_noise_reduction=input_audio_noise_reduction,
            max_response_output_tokens=max_response_output_tokens,
            speed=speed,
            tracing=tracing,
            truncation=truncation,
            reasoning=reasoning,
        )
        _warn_of_ignored(temperature=temperature)
        config = options.merged(self.settings.config, said)
        client_options.configuration(config)
        self.settings.config = config
        self._capabilities = capabilities(
            self.settings.config, can_disable=self._capabilities.can_disable_turn_detection
        )
        if is_given(turn_detection):
            _warn_of_half_manual_turns(self.settings.config)
        for session in tuple(self._sessions):
            session.configure(said)

    async def aclose(self) -> None:
        """Does nothing: a model holds no connection, and each session has an ``aclose`` of its own."""

    def __repr__(self) -> str:
        return f"<RealtimeModel {self.model} at {self.provider}>"


def _settings(
    config: SessionConfig,
    *,
    api_key: str | None,
    base_url: str | None,
    timeouts: Timeouts,
    busy: client_options.Busy,
    retries: int,
    http_session: HttpSession | None,
    journal: Callable[..., None] | None,
) -> Settings:
    """Settings that a session can connect with; what cannot be used is refused here, by name."""
    model = str(config.model)
    client_options.address(base_url, model)
    client_options.credentials(api_key, None)
    client_options.configuration(config)
    client_options.policy(busy, retries)
    return Settings(
        config=config,
        model=model,
        api_key=api_key if api_key is not None else os.environ["OPENAI_API_KEY"],
        base_url=base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI.base_url,
        timeouts=client_options.clocks(timeouts),
        busy=busy,
        retries=retries,
        http_session=http_session,
        journal=journal,
    )


def _warn_of_half_manual_turns(config: SessionConfig) -> None:
    if options.keeps_interrupting(config):
        logger.warning(
            "turn_detection has create_response=False, so the user's turns are answered by you, but "
            "the server still cuts its speech when the user speaks: pass interrupt_response=False too"
        )


def _warn_of_ignored(**given: NotGivenOr[float | None]) -> None:
    for name, value in given.items():
        if is_given(value) and value is not None:
            logger.warning("the option %s has no effect", name)
