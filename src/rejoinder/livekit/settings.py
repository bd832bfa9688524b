"""What a model hands to its sessions."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Literal

import msgspec
from livekit.agents import llm, utils

from rejoinder.client import options as client_options
from rejoinder.client.session import Session
from rejoinder.client.transport import HttpSession
from rejoinder.client.waiting import OnEvent, OnNotice, OnResponse
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.recovery import Recovery
from rejoinder.livekit import options
from rejoinder.livekit.endpoint import Endpoint
from rejoinder.wire.session import SessionConfig, merged

logger = logging.getLogger("rejoinder.livekit")

_USER_AGENT = "LiveKit Agents"


class Settings(msgspec.Struct, kw_only=True):
    """How sessions connect, and the configuration that they begin with: at first the default one."""

    endpoint: Endpoint
    model: str
    timeouts: Timeouts
    busy: Literal["wait", "fail"]
    retries: int = 0
    recovery: Recovery = Recovery()
    http_session: HttpSession | None = None
    journal: Callable[..., None] | None = None
    config: SessionConfig = SessionConfig()

    def __post_init__(self) -> None:
        self.config = self.endpoint.initial(self.model)
        client_options.clocks(self.timeouts)
        client_options.policy(self.busy, self.retries)
        client_options.recovery(self.recovery)

    @property
    def provider(self) -> str:
        """Host and port of the server."""
        return self.endpoint.provider

    def say(self, said: SessionConfig) -> SessionConfig:
        """Adds what was said to what sessions begin with; what of it the server has a word for.

        Raises `ConfigurationError` when the result cannot be sent; then nothing has changed.
        """
        said = self.known(said)
        config = merged(self.config, said)
        client_options.configuration(config, self.endpoint.dialect)
        self.config = config
        return said

    def known(self, said: SessionConfig) -> SessionConfig:
        """What the server has a word for; of the rest a warning says that it has no effect."""
        news = {
            name: msgspec.UNSET
            for name in self.endpoint.dialect.unknown
            if getattr(said, name) is not msgspec.UNSET
        }
        for name in news:
            logger.warning("the option %s has no effect: this server's API has no such thing", name)
        return msgspec.structs.replace(said, **news)

    def connect(
        self,
        config: SessionConfig,
        *,
        on_response: OnResponse,
        on_notice: OnNotice,
        on_event_in: OnEvent | None,
        on_event_out: OnEvent | None,
    ) -> Session:
        """A session that connects in the background. Needs a running event loop."""
        return Session.start(
            model=self.endpoint.model,
            base_url=self.endpoint.base_url,
            dialect=self.endpoint.dialect,
            session=config,
            timeouts=self.timeouts,
            busy=self.busy,
            retries=self.retries,
            recovery=self.recovery,
            http_session=self.http_session or _http_session_of_job(),
            headers={"User-Agent": _USER_AGENT, **self.endpoint.headers},
            journal=self.journal,
            on_response=on_response,
            on_notice=on_notice,
            on_event_in=on_event_in,
            on_event_out=on_event_out,
        )

    def __repr__(self) -> str:
        return f"<Settings of {self.model} at {self.provider}>"  # the key is nobody's business


class ConfiguredModel(llm.RealtimeModel):
    """A realtime model with settings: what `RealtimeSession` needs to know of its model."""

    settings: Settings


def capabilities(config: SessionConfig, *, can_disable: bool) -> llm.RealtimeCapabilities:
    """What LiveKit may expect of a session with this configuration.

    ``can_disable``: whether LiveKit may take turn detection over, because the user said nothing of it.
    """
    return llm.RealtimeCapabilities(
        message_truncation=True,
        turn_detection=options.responds(config),
        can_disable_turn_detection=can_disable,
        user_transcription=options.transcription(config) is not None,
        auto_tool_reply_generation=False,
        audio_output=options.speaks(config),
        manual_function_calls=True,
        mutable_chat_context=True,
        mutable_instructions=True,
        mutable_tools=True,
        per_response_tool_choice=True,
        supports_say=False,
        supports_overlapping_speech=False,
    )


def _http_session_of_job() -> HttpSession | None:
    """The session that LiveKit's worker shares within a job (proxy and certificates included)."""
    with contextlib.suppress(RuntimeError):  # outside of a job there is none
        return utils.http_context.http_session()
    return None
