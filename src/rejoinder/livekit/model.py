"""`RealtimeModel`: the settings that its sessions begin with."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any, Literal, Self, TypeVar

import msgspec
from livekit.agents import APIConnectOptions, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr
from livekit.agents.utils import is_given

from rejoinder.client import options as client_options
from rejoinder.client.transport import HttpSession
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.recovery import Recovery, longest_pause
from rejoinder.livekit import options
from rejoinder.livekit.endpoint import Azure, home_of_azure, reach
from rejoinder.livekit.session import RealtimeSession
from rejoinder.livekit.settings import ConfiguredModel, Settings, capabilities
from rejoinder.wire.session import SessionConfig, Transcription, TurnDetection

logger = logging.getLogger("rejoinder.livekit")

_AZURE_TRANSCRIPTION = Transcription(model="whisper-1")
_AZURE_TURN_DETECTION = TurnDetection(
    type="server_vad",
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=200,
    create_response=True,
)

_LEAST_PAUSE = 0.1
_LAST_ATTEMPT = 1.0
"""How long (seconds) the last attempt may take, at least."""

T = TypeVar("T")


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
      a code that may pass, or it is lost with its connection, before any of its output; see
      `rejoinder.connect`.
    - ``max_response_output_tokens``: a number, or ``"inf"``.
    - ``journal``: called with every step of each session, for instance a `rejoinder.journal` recorder.

    Any of ``azure_deployment``, ``entra_token`` and ``api_version`` means Azure: then the key is
    ``api_key`` or the environment variable ``AZURE_OPENAI_API_KEY``, never ``OPENAI_API_KEY``, and the
    server ``base_url`` or ``AZURE_OPENAI_ENDPOINT``. `with_azure` is the plainer way there.
    ``api_version`` (deprecated) asks for Azure's preview API.

    A connection that fails is tried again ``conn_options.max_retry`` times, with pauses that begin at
    ``conn_options.retry_interval`` and grow; each attempt is an ``error`` event that is recoverable, the
    end of them one that is not. ``session_reconnected`` comes when the new server knows the conversation.
    A session is renewed after ``max_session_duration`` seconds (default 1200; None: not for its age), and
    before its server ends it; nobody hears of that. Other than that `rejoinder.Recovery` holds.

    ``temperature`` is accepted and ignored: the protocol has no such member any more. An option that does
    not exist raises ``TypeError``.
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
        azure_deployment: str | None = None,
        entra_token: str | None = None,
        api_version: str | None = None,
        max_session_duration: NotGivenOr[float | None] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        temperature: NotGivenOr[float] = NOT_GIVEN,
        timeouts: Timeouts | None = None,
        busy: client_options.Busy = "wait",
        retries: int = 0,
        journal: Callable[..., None] | None = None,
    ) -> None:
        """Raises `ConfigurationError` (a ``ValueError``) naming the option that cannot be used."""
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
        azure = Azure(azure_deployment, entra_token, api_version)
        self.settings = Settings(
            endpoint=reach(model, base_url if is_given(base_url) else None, api_key, azure),
            model=model,
            timeouts=timeouts or Timeouts(connect=conn_options.timeout),
            busy=busy,
            retries=retries,
            recovery=_recovery(conn_options, max_session_duration),
            http_session=http_session,
            journal=journal,
        )
        self.settings.say(said)
        self._sessions: weakref.WeakSet[RealtimeSession] = weakref.WeakSet()
        free = not is_given(turn_detection)
        super().__init__(capabilities=capabilities(self.settings.config, can_disable=free))
        _warn_of_half_manual_turns(self.settings.config)
        _warn_of_ignored(temperature=temperature)

    @classmethod
    def with_azure(
        cls,
        *,
        azure_deployment: str,
        azure_endpoint: str | None = None,
        api_key: str | None = None,
        entra_token: str | None = None,
        api_version: str | None = None,
        base_url: str | None = None,
        model: str = options.DEFAULT_MODEL,
        voice: str = options.DEFAULT_VOICE,
        modalities: NotGivenOr[list[Literal["text", "audio"]]] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice | None] = NOT_GIVEN,
        input_audio_transcription: NotGivenOr[Any] = NOT_GIVEN,
        input_audio_noise_reduction: Any = None,
        turn_detection: NotGivenOr[Any] = NOT_GIVEN,
        speed: NotGivenOr[float] = NOT_GIVEN,
        tracing: NotGivenOr[Any] = NOT_GIVEN,
        truncation: NotGivenOr[Any] = NOT_GIVEN,
        reasoning: NotGivenOr[Any] = NOT_GIVEN,
        max_response_output_tokens: NotGivenOr[int | Literal["inf"] | None] = NOT_GIVEN,
        http_session: HttpSession | None = None,
        max_session_duration: NotGivenOr[float | None] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        temperature: NotGivenOr[float] = NOT_GIVEN,
        timeouts: Timeouts | None = None,
        busy: client_options.Busy = "wait",
        retries: int = 0,
        journal: Callable[..., None] | None = None,
    ) -> Self:
        """A model that is a deployment of Azure OpenAI.

        - ``azure_deployment``: the deployment's name. ``azure_endpoint``: the resource, such as
          ``https://NAME.openai.azure.com``; default the environment variable
          ``AZURE_OPENAI_ENDPOINT``. ``base_url`` in its place is taken as it is.
        - ``api_key``: default ``AZURE_OPENAI_API_KEY``. ``entra_token`` in its place is sent as
          ``Authorization: Bearer``. A key of OpenAI's in the environment is not looked at.
        - ``api_version`` (default ``OPENAI_API_VERSION``; deprecated): Azure's preview API, with its
          older, flat protocol.
        - ``input_audio_transcription``: default ``whisper-1``. ``turn_detection``: default
          ``server_vad`` (threshold 0.5, 300 ms before, 200 ms of silence), which LiveKit may still
          take over.

        All others are those of `RealtimeModel`; one that does not exist raises ``TypeError``. Raises
        `ConfigurationError` when there is no endpoint, two, or no key.
        """
        made = cls(
            azure_deployment=azure_deployment,
            base_url=home_of_azure(azure_endpoint, base_url) or NOT_GIVEN,
            api_key=api_key,
            entra_token=entra_token,
            api_version=api_version,
            model=model,
            voice=voice,
            modalities=modalities,
            tool_choice=tool_choice,
            input_audio_transcription=_or(input_audio_transcription, _AZURE_TRANSCRIPTION),
            input_audio_noise_reduction=_given(input_audio_noise_reduction),
            turn_detection=_or(turn_detection, _AZURE_TURN_DETECTION),
            speed=speed,
            tracing=tracing,
            truncation=truncation,
            reasoning=reasoning,
            max_response_output_tokens=max_response_output_tokens,
            http_session=http_session,
            max_session_duration=max_session_duration,
            conn_options=conn_options,
            temperature=temperature,
            timeouts=timeouts,
            busy=busy,
            retries=retries,
            journal=journal,
        )
        made._capabilities.can_disable_turn_detection = not is_given(turn_detection)
        return made

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
        said = self.settings.say(said)
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


def _recovery(
    conn_options: APIConnectOptions, max_session_duration: NotGivenOr[float | None]
) -> Recovery:
    """LiveKit's options for connections. It gives up when the last attempt has had its time."""
    told = Recovery(
        attempts=min(conn_options.max_retry, client_options.MOST_ATTEMPTS),
        pause=conn_options.retry_interval or _LEAST_PAUSE,
    )
    if is_given(max_session_duration):
        told = msgspec.structs.replace(told, renew_after=max_session_duration)
    pauses = sum(longest_pause(told, attempt) for attempt in range(2, told.attempts + 1))
    return msgspec.structs.replace(told, give_up=max(told.give_up, pauses + _LAST_ATTEMPT))


def _or(value: NotGivenOr[T], default: T) -> T:
    return value if is_given(value) else default


def _given(value: T | None) -> NotGivenOr[T]:
    return NOT_GIVEN if value is None else value


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
