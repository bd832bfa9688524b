"""A session's configuration, and what a `session.update` makes of it."""

from __future__ import annotations

from rejoinder.wire.session import (
    Audio,
    AudioInput,
    AudioOutput,
    SessionConfig,
    Transcription,
    TurnDetection,
    merged,
)

BASE = SessionConfig(
    instructions="Be kind.",
    audio=Audio(
        input=AudioInput(
            transcription=Transcription(model="whisper-1", language="en"),
            turn_detection=TurnDetection(type="server_vad", threshold=0.5),
        ),
        output=AudioOutput(voice="marin"),
    ),
)


def test_what_a_patch_does_not_mention_stays() -> None:
    assert merged(BASE, SessionConfig()) == BASE
    other = merged(BASE, SessionConfig(audio=Audio(output=AudioOutput(speed=1.5))))
    assert isinstance(other.audio, Audio)
    assert other.instructions == "Be kind."
    assert other.audio.output == AudioOutput(voice="marin", speed=1.5)
    assert isinstance(BASE.audio, Audio)
    assert other.audio.input == BASE.audio.input


def test_what_it_mentions_is_replaced_whole_or_switched_off() -> None:
    detection = TurnDetection(type="semantic_vad")
    heard = AudioInput(transcription=None, turn_detection=detection)
    other = merged(BASE, SessionConfig(audio=Audio(input=heard)))
    assert isinstance(other.audio, Audio)
    assert other.audio.input == heard
