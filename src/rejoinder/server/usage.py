"""Tokens: what the server says a response cost. Round numbers, always the same."""

from __future__ import annotations

from collections.abc import Iterable

from rejoinder.server.conversation import Entry
from rejoinder.wire.response import (
    CachedTokenDetails,
    InputTokenDetails,
    OutputTokenDetails,
    Usage,
)

USER_AUDIO_MS_PER_TOKEN = 100
_ASSISTANT_AUDIO_MS_PER_TOKEN = 50
_CHARACTERS_PER_TOKEN = 4
_IMAGE_TOKENS = 85


def text_tokens(text: str) -> int:
    """Four characters a token, rounded up."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


class Meter:
    """Counts what one response takes in and gives out. ``limit``: output tokens, None without end."""

    def __init__(self, instructions: str, entries: Iterable[Entry], limit: int | None) -> None:
        self._in_text = text_tokens(instructions)
        self._in_audio = 0
        self._in_image = 0
        self._out_text = 0
        self._out_audio_ms = 0.0
        self._limit = limit
        for entry in entries:
            self._read(entry)

    def _read(self, entry: Entry) -> None:
        item = entry.item
        said = [item.arguments, item.output]
        for part in item.content or []:
            said += [part.text, part.transcript]
            self._in_image += _IMAGE_TOKENS if part.image_url else 0
        self._in_text += sum(text_tokens(text or "") for text in said)
        rate = USER_AUDIO_MS_PER_TOKEN if item.role == "user" else _ASSISTANT_AUDIO_MS_PER_TOKEN
        self._in_audio += int(entry.form.milliseconds(len(entry.audio)) / rate)

    def wrote(self, text: str) -> None:
        """Text, transcript or arguments went out."""
        self._out_text += text_tokens(text)

    def spoke(self, milliseconds: float) -> None:
        """Audio went out."""
        self._out_audio_ms += milliseconds

    @property
    def sounding(self) -> float:
        """How long what was said takes to play, in seconds."""
        return self._out_audio_ms / 1000

    @property
    def _output(self) -> int:
        return self._out_text + self._out_audio

    @property
    def _out_audio(self) -> int:
        return int(self._out_audio_ms / _ASSISTANT_AUDIO_MS_PER_TOKEN)

    @property
    def exhausted(self) -> bool:
        """Whether the response has gone beyond its output tokens."""
        return self._limit is not None and self._output > self._limit

    def usage(self) -> Usage:
        """The bill so far."""
        taken = self._in_text + self._in_audio + self._in_image
        return Usage(
            total_tokens=taken + self._output,
            input_tokens=taken,
            output_tokens=self._output,
            input_token_details=InputTokenDetails(
                text_tokens=self._in_text,
                audio_tokens=self._in_audio,
                image_tokens=self._in_image,
                cached_tokens=0,
                cached_tokens_details=CachedTokenDetails(
                    text_tokens=0, audio_tokens=0, image_tokens=0
                ),
            ),
            output_token_details=OutputTokenDetails(
                text_tokens=self._out_text, audio_tokens=self._out_audio
            ),
        )


def nothing() -> Usage:
    """The bill of a failed response: zeros, as the live service says."""
    return Usage(
        total_tokens=0,
        input_tokens=0,
        output_tokens=0,
        input_token_details=InputTokenDetails(
            text_tokens=0, audio_tokens=0, image_tokens=0, cached_tokens=0
        ),
        output_token_details=OutputTokenDetails(text_tokens=0, audio_tokens=0),
    )
