"""The responses of one session: one in the default conversation, any number beside it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rejoinder.server import prompts, refusals, rules, settings
from rejoinder.server.beats import Plan
from rejoinder.server.conversation import Conversation
from rejoinder.server.drafts import Stage
from rejoinder.server.effects import Send
from rejoinder.server.engines import Voice
from rejoinder.server.ids import Ids
from rejoinder.server.refusals import Refusal
from rejoinder.server.responses import LiveResponse
from rejoinder.server.script import Refuse
from rejoinder.server.settings import Json, Settings
from rejoinder.server.usage import Meter
from rejoinder.wire import server_events as events
from rejoinder.wire.response import ResponseAudio, ResponseObject, ResponseParams
from rejoinder.wire.server_events import ServerEvent
from rejoinder.wire.session import AudioOutput, RateLimit

_TOKENS_A_MINUTE = 40_000


class Replies:
    """Creates, performs and stops responses. A finished one is told and forgotten.

    ``silent_at``: the moment at which the last default response was or will have been played.
    """

    def __init__(
        self, ids: Ids, session: Settings, conversation: Conversation, voice: Voice
    ) -> None:
        self._ids = ids
        self._session = session
        self._conversation = conversation
        self._voice = voice
        self._live: dict[str, LiveResponse] = {}
        self._asked = 0
        self.silent_at: float | None = None

    def default(self) -> LiveResponse | None:
        """The one that holds the slot of the default conversation."""
        return next((live for live in self._live.values() if live.default), None)

    def next_due(self) -> float | None:
        """The moment at which the next event of any response is due."""
        moments = (live.due_at for live in self._live.values() if live.due_at is not None)
        return min(moments, default=None)

    def create(
        self,
        now: float,
        params: ResponseParams,
        *,
        cause: str | None = None,
        answering: str | None = None,
    ) -> list[Send]:
        """Begins a response, or raises `Refusal`.

        ``answering``: the item that it is the answer to, if not the last of the conversation.
        """
        self._check(params)
        live = self._made(now, params, cause, answering)
        self._live[live.id] = live
        return self._told(live, live.begin())

    def perform(self, now: float) -> list[Send]:
        """All that is due by now."""
        told: list[Send] = []
        for live in list(self._live.values()):
            told += self._told(live, live.perform(now))
        return told

    def cancel(self, response_id: str | None, reason: str) -> list[Send]:
        """Stops this response, or the default one; raises `Refusal` when it does not run.

        Without an id, out-of-band responses run on.
        """
        live = self.default() if response_id is None else self._live.get(response_id)
        if live is None:
            raise refusals.cancel_not_active()
        return self._told(live, live.stop("cancelled", reason))

    def hold(self, response_id: str) -> None:
        """The response says nothing more until it is cancelled."""
        if response_id in self._live:
            self._live[response_id].hold()

    def pause(self, response_id: str, seconds: float) -> None:
        """The response says what it has still to say so much later."""
        if response_id in self._live:
            self._live[response_id].pause(seconds)

    def forget(self, response_id: str) -> None:
        """The response is gone without a word."""
        self._live.pop(response_id, None)

    def _told(self, live: LiveResponse, told: Iterable[ServerEvent]) -> list[Send]:
        sends = [Send(event, live.cause) for event in told]
        if live.over:
            del self._live[live.id]
            self.silent_at = live.silent_at if live.default else self.silent_at
            sends.append(Send(_rate_limits(sends[-1].event), live.cause))
        return sends

    def _check(self, params: ResponseParams) -> None:
        if self._session.kind == "transcription":
            message = "Responses cannot be created in a transcription session."
            raise Refusal("bad_response_create", message)
        running = self.default()
        if running is not None and params.conversation != "none":
            raise refusals.busy(running.id)
        given = msgspec.to_builtins(params)
        for name, rule in _RULES.items():
            if given.get(name) is not None:
                rule(f"response.{name}", given[name])
        settings.check_reasoning(self._session.config["model"], given, "response")
        rules.tools(self._session.labels)("response.tools", given.get("tools") or [])

    def _made(
        self, now: float, params: ResponseParams, cause: str | None, answering: str | None
    ) -> LiveResponse:
        config = self._effective(params)
        form = settings.audio_format(config["audio"]["output"]["format"])
        context = prompts.context_of(params, self._conversation, self._ids, form)
        asked = prompts.up_to(context, answering)
        prompt = prompts.prompt_of(asked, params, config["instructions"], number=self._asked + 1)
        reply, thinking = self._voice.reply(prompt, asked[-1].item if asked else None)
        if isinstance(reply, Refuse):
            raise Refusal(reply.code, reply.message)
        self._asked += 1
        plan = Plan(form, spoken=config["output_modalities"] == ["audio"], thinking=thinking)
        for output in reply:
            plan.add(output)
        plan.end()
        conversation = None if prompt.out_of_band else self._conversation
        stage = Stage(self._ids, form, conversation, prompts.approved(asked))
        limit = config["max_output_tokens"]
        meter = Meter(config["instructions"], context, None if limit == "inf" else limit)
        head = self._head(config, params, stage)
        return LiveResponse(head, plan, stage, meter, now=now, cause=cause)

    def _effective(self, params: ResponseParams) -> Json:
        """The session's configuration with the overrides of this one response."""
        given = msgspec.to_builtins(params)
        overrides = {name: given[name] for name in _OVERRIDES if given.get(name) is not None}
        return settings.overridden(self._session.config, overrides)

    def _head(self, config: Json, params: ResponseParams, stage: Stage) -> ResponseObject:
        speaking: Json = config["audio"]["output"]
        output = {"format": speaking["format"], "voice": speaking["voice"]}
        return ResponseObject(
            id=self._ids.new("resp"),
            object="realtime.response",
            status="in_progress",
            output_modalities=config["output_modalities"],
            conversation_id=stage.conversation.id if stage.conversation else None,
            metadata=params.metadata or None,
            audio=ResponseAudio(output=msgspec.convert(output, AudioOutput)),
            max_output_tokens=config["max_output_tokens"],
        )


_OVERRIDES = ("instructions", "output_modalities", "max_output_tokens", "audio")


def _audio(path: str, value: Json) -> None:
    """The speed is the session's alone."""
    if (value.get("output") or {}).get("speed") is not None:
        raise refusals.unknown_parameter(f"{path}.output.speed")


_RULES: dict[str, rules.Rule] = {
    "conversation": rules.one_of("auto", "none"),
    "output_modalities": rules.modalities,
    "max_output_tokens": rules.token_limit,
    "metadata": rules.metadata,
    "tool_choice": rules.tool_choice,
    "prompt": rules.prompt,
    "reasoning": rules.members({}, effort=rules.effort),
    "audio": _audio,
}


def _rate_limits(done: ServerEvent) -> ServerEvent:
    """Sent after `response.done`, with the tokens alone, as captures of 2026 show it."""
    usage = done.response.usage if isinstance(done, events.ResponseDone) else None
    used = (usage.total_tokens if usage else None) or 0
    tokens = RateLimit(
        name="tokens",
        limit=_TOKENS_A_MINUTE,
        remaining=max(_TOKENS_A_MINUTE - used, 0),
        reset_seconds=min(used / _TOKENS_A_MINUTE * 60, 60.0),
    )
    return events.RateLimitsUpdated(rate_limits=[tokens])
