"""What LiveKit's users say about a session, brought into the protocol's own shape.

Every option is taken in each form in which it comes: the `openai` package's pydantic objects (GA and
beta), plain dicts, and plain strings where one word says it all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from livekit.agents.types import NOT_GIVEN
from livekit.agents.utils import is_given
from msgspec import UNSET, UnsetType

from rejoinder.errors import ConfigurationError
from rejoinder.wire.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    NoiseReduction,
    Reasoning,
    SessionConfig,
    Transcription,
    TurnDetection,
    splits,
)

SAMPLE_RATE = 24_000
"""Hz, both ways; the protocol's only PCM rate."""

NUM_CHANNELS = 1
DEFAULT_MODEL = "gpt-realtime"
DEFAULT_VOICE = "marin"
DEFAULT_TURN_DETECTION = TurnDetection(
    type="semantic_vad", create_response=True, eagerness="medium", interrupt_response=True
)
DEFAULT_TRANSCRIPTION = Transcription(model="gpt-4o-mini-transcribe")
DEFAULT_MAX_OUTPUT_TOKENS = "inf"

_PCM = AudioFormat(type="audio/pcm", rate=SAMPLE_RATE)

S = TypeVar("S", bound=msgspec.Struct)


def initial(model: str | UnsetType, off: UnsetType | None = None) -> SessionConfig:
    """The session that results when no option is given. ``off``: what is said of that which is
    switched off from the beginning; UNSET for a server that may not know the member."""
    return SessionConfig(
        type="realtime",
        model=model,
        output_modalities=["audio"],
        audio=Audio(
            input=AudioInput(
                format=_PCM,
                transcription=DEFAULT_TRANSCRIPTION,
                noise_reduction=off,
                turn_detection=DEFAULT_TURN_DETECTION,
            ),
            output=AudioOutput(format=_PCM, voice=DEFAULT_VOICE, speed=1.0),
        ),
        tool_choice="auto",
        max_output_tokens=DEFAULT_MAX_OUTPUT_TOKENS,
        tracing=off,
    )


def given(
    *,
    voice: Any = NOT_GIVEN,
    modalities: Any = NOT_GIVEN,
    input_audio_transcription: Any = NOT_GIVEN,
    input_audio_noise_reduction: Any = NOT_GIVEN,
    turn_detection: Any = NOT_GIVEN,
    tool_choice: Any = NOT_GIVEN,
    speed: Any = NOT_GIVEN,
    tracing: Any = NOT_GIVEN,
    truncation: Any = NOT_GIVEN,
    reasoning: Any = NOT_GIVEN,
    max_response_output_tokens: Any = NOT_GIVEN,
) -> SessionConfig:
    """The options that were given, and nothing else.

    Raises `ConfigurationError` naming the option that cannot be read.
    """
    return SessionConfig(
        output_modalities=_when(modalities, output_modalities),
        audio=_audio(
            AudioInput(
                transcription=_when(input_audio_transcription, _transcription),
                noise_reduction=_when(input_audio_noise_reduction, _noise_reduction),
                turn_detection=_when(turn_detection, _turn_detection),
            ),
            AudioOutput(voice=_when(voice, _as_is), speed=_when(speed, _as_is)),
        ),
        tool_choice=_when(tool_choice, wire_tool_choice),
        tracing=_when(tracing, _plain),
        truncation=_when(truncation, _plain),
        reasoning=_when(reasoning, lambda value: _typed("reasoning", Reasoning, value)),
        max_output_tokens=_when(
            max_response_output_tokens,
            lambda value: DEFAULT_MAX_OUTPUT_TOKENS if value is None else value,
        ),
    )


def difference(base: SessionConfig, patch: SessionConfig) -> SessionConfig | None:
    """What of ``patch`` is news to ``base``; None if nothing is."""
    news = _news(base, patch)
    if news is None:
        return None
    return msgspec.structs.replace(news, type="realtime")  # required in every `session.update`


def output_modalities(modalities: list[str]) -> list[str]:
    """The protocol's one output modality: audio (which brings its transcript along) or text.

    Raises `ConfigurationError` for anything else.
    """
    if not modalities or not set(modalities) <= {"audio", "text"}:
        raise ConfigurationError(
            f"modalities={modalities!r}: give ['text', 'audio'], ['audio'] or ['text']"
        )
    return ["audio"] if "audio" in modalities else ["text"]


def wire_tool_choice(choice: Any) -> str | dict[str, Any]:
    """LiveKit's tool choice; a named function is flat on the wire."""
    if choice is None:
        return "auto"
    if isinstance(choice, Mapping):
        function = choice.get("function")
        if isinstance(function, Mapping):
            return {"type": "function", "name": function.get("name")}
    plain = _plain(choice)
    if not isinstance(plain, str | dict):
        raise ConfigurationError(
            f"tool_choice={choice!r}: give 'auto', 'none', 'required' or a named function"
        )
    return plain


def responds(session: SessionConfig) -> bool:
    """Whether the server both hears the end of a user's turn and answers it by itself."""
    detection = _input(session).turn_detection
    return isinstance(detection, TurnDetection) and detection.create_response is not False


def keeps_interrupting(session: SessionConfig) -> bool:
    """Whether the server still cuts its speech on the user's, though it leaves turns to us."""
    detection = _input(session).turn_detection
    return (
        isinstance(detection, TurnDetection)
        and detection.create_response is False
        and detection.interrupt_response is not False
    )


def transcription(session: SessionConfig) -> Transcription | None:
    """How the user's speech is transcribed; None if it is not."""
    said = _input(session).transcription
    return said if isinstance(said, Transcription) else None


def speaks(session: SessionConfig) -> bool:
    """Whether the model answers in audio."""
    modalities = session.output_modalities
    return not isinstance(modalities, list) or "audio" in modalities


def _input(session: SessionConfig) -> AudioInput:
    audio = session.audio if isinstance(session.audio, Audio) else Audio()
    return audio.input if isinstance(audio.input, AudioInput) else AudioInput()


def _audio(heard: AudioInput, spoken: AudioOutput) -> Audio | UnsetType:
    audio = Audio(
        input=UNSET if heard == AudioInput() else heard,
        output=UNSET if spoken == AudioOutput() else spoken,
    )
    return UNSET if audio == Audio() else audio


def _when(value: Any, convert: Any) -> Any:
    return convert(value) if is_given(value) else UNSET


def _as_is(value: Any) -> Any:
    return value


def _transcription(value: Any) -> Transcription | None:
    return _typed("input_audio_transcription", Transcription, value)


def _noise_reduction(value: Any) -> NoiseReduction | None:
    described = {"type": value} if isinstance(value, str) else value
    return _typed("input_audio_noise_reduction", NoiseReduction, described)


def _turn_detection(value: Any) -> TurnDetection | None:
    return _typed("turn_detection", TurnDetection, value)


def _typed(option: str, kind: type[S], value: Any) -> S | None:
    """Reads an option that is an object on the wire. What its user left unsaid stays unsaid."""
    if value is None or isinstance(value, kind):
        return value
    plain = _plain(value)
    if not isinstance(plain, dict):
        raise ConfigurationError(f"{option}: expected an object or a dict, got {value!r}")
    try:
        return msgspec.convert({k: v for k, v in plain.items() if v is not None}, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{option}: {error}") from error


def _plain(value: Any) -> Any:
    """A pydantic object or a mapping as a dict; anything else as it is."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(by_alias=True, exclude_none=True)
    return dict(value) if isinstance(value, Mapping) else value


def _news(base: S, patch: S) -> S | None:
    news: dict[str, Any] = {}
    for name in patch.__struct_fields__:
        old, new = getattr(base, name), getattr(patch, name)
        if new is UNSET or new == old:
            continue
        told = _news(old, new) if splits(old, new) else new
        if told is not None or new is None:
            news[name] = told
    return type(patch)(**news) if news else None
