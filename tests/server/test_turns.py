"""The user's voice: the buffer, detected speech, commits, transcripts, interruptions."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.server.audio import PCMU, Format, encode
from rejoinder.server.script import Refuse, Script, Speech, Text, Turn
from rejoinder.wire import server_events as events
from rejoinder.wire.items import ContentPart
from rejoinder.wire.response import StatusDetails
from rejoinder.wire.transcription import LogProb, TranscriptionTokenDetails, TranscriptionUsage
from tests.server.desk import Desk, every, only, refusal, types
from tests.server.signals import joined, silence, vowel

SPOKEN = joined(silence(0.5), vowel(0.8), silence(0.8)).tobytes()
SILENT = silence(1.0).tobytes()
SLOW = Speech("A long answer", bytes(48000 * 4), pace=1)

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]


def detection(desk: Desk, **members: Any) -> None:
    desk.configure(audio={"input": {"turn_detection": {"type": "server_vad", **members}}})


def transcribing(desk: Desk, model: str) -> None:
    desk.configure(audio={"input": {"transcription": {"model": model}}})


# -- detected turns --


def test_a_spoken_turn_is_told_in_order_under_one_id() -> None:
    desk = Desk(Script(Turn("What time is it?", Text("Noon."))))
    desk.write("before", id="u0")
    told = desk.hear(SPOKEN)
    assert types(told) == [*TURN, "response.created"]
    started, stopped, committed, added, done, _ = told
    assert isinstance(started, events.InputAudioBufferSpeechStarted)
    assert isinstance(stopped, events.InputAudioBufferSpeechStopped)
    assert isinstance(committed, events.InputAudioBufferCommitted)
    assert isinstance(added, events.ConversationItemAdded)
    assert isinstance(done, events.ConversationItemDone)
    assert started.item_id == stopped.item_id == committed.item_id == added.item.id
    assert added.item == done.item
    assert added.item.content == [ContentPart(type="input_audio")]
    assert committed.previous_item_id == added.previous_item_id == "u0"
    assert (started.audio_start_ms, stopped.audio_end_ms) == (200, 1800)
    (retrieved,) = desk.say("conversation.item.retrieve", item_id=started.item_id)
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item.content
    assert retrieved.item.content[0].audio == SPOKEN[200 * 48 : 1800 * 48]
    assert only(events.ResponseOutputTextDone, desk.run()).text == "Noon."


def test_offsets_count_everything_that_was_ever_appended() -> None:
    desk = Desk()
    detection(desk, create_response=False)
    desk.hear(SPOKEN)
    desk.hear(SILENT * 3)
    told = desk.hear(SPOKEN)
    began_ms = 2100 + 3000
    assert only(events.InputAudioBufferSpeechStarted, told).audio_start_ms == began_ms + 200
    assert only(events.InputAudioBufferSpeechStopped, told).audio_end_ms == began_ms + 1800


def test_a_file_appended_at_once_holds_its_turns() -> None:
    desk = Desk()
    detection(desk, create_response=False)
    told = desk.hear(SPOKEN * 2, milliseconds=5000)
    assert types(told) == TURN * 2
    first, second = every(events.InputAudioBufferCommitted, told)
    assert second.previous_item_id == first.item_id


def test_semantic_detection_waits_longer() -> None:
    desk = Desk()
    semantic = {"type": "semantic_vad", "eagerness": "low"}
    desk.configure(audio={"input": {"turn_detection": semantic}})
    assert types(desk.hear(SPOKEN + SILENT)) == TURN[:1]
    assert types(desk.hear(SILENT))[:4] == TURN[1:]


# -- interruption --


def test_speech_cuts_the_answer_off() -> None:
    desk = Desk(Script(Turn(None, SLOW), Turn("Wait!", Text("Yes?"))))
    desk.say("response.create")
    desk.run(1.0)
    told = desk.hear(SPOKEN[: 48 * 700])
    assert types(told) == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    done = only(events.ResponseDone, told).response
    assert done.status_details == StatusDetails(type="cancelled", reason="turn_detected")
    told = desk.hear(SPOKEN[48 * 700 :]) + desk.run()
    assert types(told)[:4] == TURN[1:]
    assert only(events.ResponseOutputTextDone, told).text == "Yes?"


def test_speech_leaves_the_answer_alone_if_it_should_and_is_answered_after_it() -> None:
    desk = Desk(Script(Turn(None, SLOW), Turn("Go on.", Text("More."))))
    detection(desk, interrupt_response=False)
    desk.say("response.create")
    assert types(desk.hear(SPOKEN)) == TURN
    told = desk.run()
    assert [one.response.status for one in every(events.ResponseDone, told)] == ["completed"] * 2
    assert only(events.ResponseOutputTextDone, told).text == "More."


def test_the_answer_that_is_owed_comes_after_a_cancel_too_and_once() -> None:
    desk = Desk(Script(Turn(None, SLOW), Turn("One.", Text("Both.")), Turn("Two.", Text("Both."))))
    detection(desk, interrupt_response=False)
    desk.say("response.create")
    desk.hear(SPOKEN * 2)
    told = desk.say("response.cancel") + desk.run()
    assert len(every(events.ResponseCreated, told)) == 1
    assert len(every(events.ResponseDone, told)) == 2


def test_nothing_is_answered_by_itself_if_it_should_not() -> None:
    desk = Desk()
    detection(desk, create_response=False)
    assert types(desk.hear(SPOKEN)) == TURN
    assert desk.run() == []


def test_an_automatic_answer_may_be_refused_by_the_script() -> None:
    desk = Desk(Script(Turn("Hm?", Refuse("rate_limit_exceeded", "Slow down."))))
    *told, error = desk.hear(SPOKEN)
    assert types(told) == TURN
    assert isinstance(error, events.Error)
    assert (error.error.code, error.error.event_id) == ("rate_limit_exceeded", None)


# -- commits --


def test_a_commit_makes_a_user_item_and_starts_nothing() -> None:
    desk = Desk()
    desk.manual()
    assert desk.hear(SPOKEN) == []
    told = desk.say("input_audio_buffer.commit")
    assert types(told) == TURN[2:]
    (retrieved,) = desk.say(
        "conversation.item.retrieve", item_id=only(events.InputAudioBufferCommitted, told).item_id
    )
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item.content
    assert retrieved.item.content[0].audio == SPOKEN
    assert desk.run() == []


@pytest.mark.parametrize(("milliseconds", "present"), [(0, "0.00ms"), (99, "99.00ms")])
def test_a_commit_needs_a_tenth_of_a_second(milliseconds: int, present: str) -> None:
    desk = Desk()
    desk.manual()
    desk.hear(bytes(48 * milliseconds))
    error = refusal(desk.say("input_audio_buffer.commit", event_id="c1"))
    assert (error.code, error.event_id) == ("input_audio_buffer_commit_empty", "c1")
    assert present in (error.message or "")


def test_a_commit_in_the_midst_of_speech_closes_the_turn() -> None:
    desk = Desk()
    detection(desk, create_response=False)
    (started,) = desk.hear(SPOKEN[: 48 * 1000])
    assert isinstance(started, events.InputAudioBufferSpeechStarted)
    told = desk.say("input_audio_buffer.commit")
    assert only(events.InputAudioBufferCommitted, told).item_id == started.item_id
    assert desk.hear(SILENT) == []


def test_clearing_forgets_the_words_being_spoken() -> None:
    desk = Desk()
    desk.hear(SPOKEN[: 48 * 1000])
    assert types(desk.say("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert desk.hear(SILENT) == []
    assert types(desk.say("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]


def test_torn_samples_are_held_back() -> None:
    desk = Desk()
    desk.manual()
    sound = bytes(range(256)) * 40
    for at in range(0, len(sound), 7):
        desk.hear(sound[at : at + 7])
    told = desk.say("input_audio_buffer.commit")
    item_id = only(events.InputAudioBufferCommitted, told).item_id
    (retrieved,) = desk.say("conversation.item.retrieve", item_id=item_id)
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item.content
    assert retrieved.item.content[0].audio == sound


def test_repeating_the_settings_does_not_lose_the_turn_but_changing_them_does() -> None:
    desk = Desk()
    detection(desk, create_response=False)
    desk.hear(SPOKEN[: 48 * 1000])
    detection(desk, create_response=False)
    assert types(desk.hear(SPOKEN[48 * 1000 :])) == TURN[1:]
    desk.hear(SPOKEN[: 48 * 1000])
    detection(desk, create_response=False, silence_duration_ms=300)
    assert types(desk.hear(SILENT)) == []


def test_what_follows_a_turn_may_change_in_the_midst_of_it() -> None:
    desk = Desk()
    detection(desk, create_response=False)
    desk.hear(SPOKEN[: 48 * 1000])
    detection(desk, create_response=True, interrupt_response=False, idle_timeout_ms=5000)
    assert types(desk.hear(SPOKEN[48 * 1000 :])) == [*TURN[1:], "response.created"]


def test_telephone_sound_is_heard() -> None:
    desk = Desk()
    desk.configure(
        audio={
            "input": {
                "format": {"type": "audio/pcmu"},
                "turn_detection": {"type": "server_vad", "create_response": False},
            }
        }
    )
    told = desk.hear(encode(SPOKEN, Format(PCMU, 8000)), milliseconds=20)
    assert types(told) == TURN
    started = only(events.InputAudioBufferSpeechStarted, told)
    assert 180 <= started.audio_start_ms <= 240


# -- transcripts --


def test_a_transcript_comes_in_pieces_and_whole() -> None:
    desk = Desk(Script(Turn("What time is it?", Text("Noon."))))
    transcribing(desk, "gpt-4o-transcribe")
    item_id = only(events.InputAudioBufferCommitted, desk.hear(SPOKEN)).item_id
    told = desk.run()
    pieces = every(events.ConversationItemInputAudioTranscriptionDelta, told)
    assert [piece.delta for piece in pieces] == ["What", " time", " is", " it?"]
    whole = only(events.ConversationItemInputAudioTranscriptionCompleted, told)
    assert (whole.item_id, whole.content_index, whole.transcript) == (
        item_id,
        0,
        "What time is it?",
    )
    assert whole.usage == TranscriptionUsage(
        type="tokens",
        input_tokens=16,
        output_tokens=4,
        total_tokens=20,
        input_token_details=TranscriptionTokenDetails(text_tokens=0, audio_tokens=16),
    )
    item = next(item for item in desk.session.conversation.items() if item.id == item_id)
    assert item.content == [ContentPart(type="input_audio", transcript="What time is it?")]


def test_a_transcript_says_how_sure_it_is_if_it_should() -> None:
    desk = Desk(Script(Turn("Ça va?", Text("Oui."))))
    transcribing(desk, "gpt-4o-transcribe")
    desk.configure(include=["item.input_audio_transcription.logprobs"])
    desk.hear(SPOKEN)
    told = desk.run()
    pieces = every(events.ConversationItemInputAudioTranscriptionDelta, told)
    whole = only(events.ConversationItemInputAudioTranscriptionCompleted, told)
    first = LogProb(token="Ça", logprob=0.0, bytes=[0xC3, 0x87, 0x61])
    assert pieces[0].logprobs == [first]
    assert whole.logprobs == [first, LogProb(token=" va?", logprob=0.0, bytes=list(b" va?"))]
    desk.configure(include=None)
    desk.hear(SPOKEN)
    assert (
        only(events.ConversationItemInputAudioTranscriptionCompleted, desk.run()).logprobs is None
    )


def test_a_model_that_tells_speakers_apart_hears_one() -> None:
    desk = Desk(Script(Turn("Hello there.", Text("Hi."))))
    transcribing(desk, "gpt-4o-transcribe-diarize")
    desk.hear(SPOKEN)
    segment = only(events.ConversationItemInputAudioTranscriptionSegment, desk.run())
    assert (segment.text, segment.start, segment.end) == ("Hello there.", 0.0, 1.6)


def test_whisper_says_it_in_one_piece_and_counts_seconds() -> None:
    desk = Desk(Script(Turn("Hello there.", Text("Hi."))))
    desk.manual()
    transcribing(desk, "whisper-1")
    desk.hear(SPOKEN)
    desk.say("input_audio_buffer.commit")
    piece, whole = desk.run()
    assert isinstance(piece, events.ConversationItemInputAudioTranscriptionDelta)
    assert isinstance(whole, events.ConversationItemInputAudioTranscriptionCompleted)
    assert piece.delta == whole.transcript == "Hello there."
    assert whole.usage == TranscriptionUsage(type="duration", seconds=2.1)


def test_words_that_no_script_knows_are_an_empty_transcript() -> None:
    desk = Desk()
    desk.manual()
    transcribing(desk, "whisper-1")
    desk.hear(SPOKEN)
    desk.say("input_audio_buffer.commit")
    (whole,) = desk.run()
    assert isinstance(whole, events.ConversationItemInputAudioTranscriptionCompleted)
    assert whole.transcript == ""


def test_a_deleted_turn_is_not_transcribed() -> None:
    desk = Desk()
    desk.manual()
    transcribing(desk, "whisper-1")
    desk.hear(SPOKEN)
    told = desk.say("input_audio_buffer.commit")
    item_id = only(events.InputAudioBufferCommitted, told).item_id
    desk.say("conversation.item.delete", item_id=item_id)
    assert desk.run() == []


def test_transcription_switched_off_meanwhile_still_ends_what_it_began() -> None:
    desk = Desk(Script(Turn("Hm.", Text("Hm."))))
    desk.manual()
    transcribing(desk, "gpt-4o-transcribe")
    desk.hear(SPOKEN)
    desk.say("input_audio_buffer.commit")
    desk.configure(audio={"input": {"transcription": None}})
    assert len(every(events.ConversationItemInputAudioTranscriptionCompleted, desk.run())) == 1


def test_a_spoken_turn_keeps_its_answer_when_it_is_asked_again() -> None:
    desk = Desk(Script(Turn("One?", Text("First.")), Turn("Two?", Text("Second."))))
    desk.hear(SPOKEN)
    item_id = desk.session.conversation.items()[0].id
    desk.run()
    again = {"input": [{"type": "item_reference", "id": item_id}]}
    told = desk.say("response.create", response=again) + desk.run()
    assert only(events.ResponseOutputTextDone, told).text == "First."
    told = desk.hear(SPOKEN) + desk.run()
    assert only(events.ResponseOutputTextDone, told).text == "Second."


# -- the idle timeout --

SPEAKS = Speech("Hello?", bytes(48000), pace=10)  # one second to play, a tenth to send
IDLE = ["input_audio_buffer.timeout_triggered", *TURN[2:], "response.created"]


def waiting() -> Desk:
    """The first answer was asked for at 100 s; it sounds from 100.05 s to 101.05 s."""
    desk = Desk(Script(otherwise=Turn(None, SPEAKS)))
    detection(desk, idle_timeout_ms=5000)
    desk.say("response.create")
    desk.hear(SILENT * 8)
    return desk


def test_a_user_who_does_not_answer_is_asked_again_once() -> None:
    desk = waiting()
    assert "input_audio_buffer.timeout_triggered" not in types(desk.run(6.0))
    told = desk.run(0.1)
    assert types(told)[:5] == IDLE
    timeout = only(events.InputAudioBufferTimeoutTriggered, told)
    assert (timeout.audio_start_ms, timeout.audio_end_ms) == (3000, 8000)
    assert only(events.InputAudioBufferCommitted, told).item_id == timeout.item_id
    (retrieved,) = desk.say("conversation.item.retrieve", item_id=timeout.item_id)
    assert isinstance(retrieved, events.ConversationItemRetrieved)
    assert retrieved.item.content
    assert len(retrieved.item.content[0].audio or b"") == 5 * 48000
    assert every(events.InputAudioBufferTimeoutTriggered, desk.run(60.0)) == []


def test_a_user_who_speaks_is_not_and_makes_it_patient_again() -> None:
    desk = waiting()
    desk.run(8.0)
    assert types(desk.hear(SPOKEN)) == [*TURN, "response.created"]
    assert len(every(events.InputAudioBufferTimeoutTriggered, desk.run(60.0))) == 1
    desk = waiting()
    desk.run(2.0)
    desk.hear(SPOKEN[: 48 * 1000])
    assert every(events.InputAudioBufferTimeoutTriggered, desk.run(60.0)) == []


def test_without_an_idle_timeout_nobody_is_asked_again() -> None:
    desk = waiting()
    detection(desk, idle_timeout_ms=None)
    assert every(events.InputAudioBufferTimeoutTriggered, desk.run(60.0)) == []
