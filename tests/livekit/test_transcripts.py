"""The user's words, as they come over a real socket."""

from __future__ import annotations

import time
from typing import Any

from livekit.agents import llm

from rejoinder.testing import Run
from tests.livekit.far_end import Face, face_to_face
from tests.livekit.talk import first

TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Scribe:
    """A server that transcribes, and what the session tells of it."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.told: list[llm.InputTranscriptionCompleted] = []
        face.session.on("input_audio_transcription_completed", self.told.append)

    async def say(self, event: str, part: int = 0, **members: Any) -> None:
        """One event of the transcription of ``u1``; returns when it has been told."""
        told = first(self.face.session, "input_audio_transcription_completed")
        where = {"item_id": "u1", "content_index": part}
        await self.face.peer.say(f"{TRANSCRIPTION}.{event}", **where, **members)
        await told

    @property
    def words(self) -> list[tuple[str, bool]]:
        """What was told, and whether it was final."""
        return [(told.transcript, told.is_final) for told in self.told]


def test_words_accumulate_until_the_final_ones_replace_them(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            scribe = Scribe(face)
            await scribe.say("delta", delta="I want")
            await scribe.say("delta", delta=" too")
            await scribe.say("completed", transcript="I want two.")

            assert scribe.words == [("I want", False), ("I want too", False), ("I want two.", True)]
            assert {told.item_id for told in scribe.told} == {"u1"}

    run(main())


def test_each_part_of_an_item_has_words_of_its_own(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            scribe = Scribe(face)
            await scribe.say("delta", 0, delta="One")
            await scribe.say("delta", 1, delta="Another")
            await scribe.say("delta", 0, delta=" more")

            assert [words for words, _ in scribe.words] == ["One", "Another", "One more"]

    run(main())


def test_a_failed_transcription_makes_what_was_understood_final(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            scribe = Scribe(face)
            await scribe.say("delta", delta="I want")
            await scribe.say("failed", error={"type": "server_error", "message": "inaudible"})

            assert scribe.words == [("I want", False), ("I want", True)]
            assert face.errors == []

    run(main())


def test_a_turn_began_when_its_speech_did(run: Run) -> None:
    async def main() -> None:
        async with face_to_face() as face:
            scribe = Scribe(face)
            started = first(face.session, "input_speech_started")
            before = time.time()
            await face.peer.say("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
            await started
            await scribe.say("completed", transcript="Hello.")

            began_at = scribe.told[0].turn_started_at
            assert began_at is not None
            assert before <= began_at + 0.001 <= time.time() + 0.001
            assert scribe.told[0].confidence is None

    run(main())


def test_a_stop_tells_whether_words_will_follow(run: Run) -> None:
    async def main(transcription: Any) -> bool:
        async with face_to_face(input_audio_transcription=transcription) as face:
            stopped = first(face.session, "input_speech_stopped")
            await face.peer.say("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=9)
            event: llm.InputSpeechStoppedEvent = await stopped
            return event.user_transcription_enabled

    assert run(main({"model": "whisper-1"}))
    assert not run(main(None))
