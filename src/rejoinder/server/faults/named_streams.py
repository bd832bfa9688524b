"""Named faults: streams that are a little different, out of order, or silent."""

from __future__ import annotations

from rejoinder.server.faults import strikes
from rejoinder.server.faults.aims import (
    A_CALL,
    A_RESPONSE,
    A_RESPONSE_ID,
    A_RESPONSE_OBJECT,
    A_TRANSCRIPT,
    AN_ERROR,
    AN_ITEM,
    AN_ITEM_ID,
    ANYTHING,
    Needs,
)
from rejoinder.server.faults.as_text import as_text
from rejoinder.server.faults.fault import Fault, Strike, Then
from rejoinder.server.faults.strikes import done, done_frame
from rejoinder.server.faults.tables import Rows, aimed

_EVERYWHERE: dict[str, tuple[str, Needs, str, Strike]] = {
    "no-metadata": (
        "response.*:0",
        A_RESPONSE_OBJECT,
        "no response object has the metadata that the client sent",
        strikes.without_metadata,
    ),
    "no-event-ids": ("any:0", ANYTHING, "no event has an id", strikes.without_event_id),
    "no-error-event-id": (
        "error:0",
        AN_ERROR,
        "no error says which client event it answers",
        strikes.anonymous,
    ),
    "no-output-in-done": (
        "done:0",
        A_RESPONSE_OBJECT,
        "response.done has an empty output",
        strikes.without_output,
    ),
    "no-rate-limits": ("rate_limits.updated:0", ANYTHING, "no rate limits", strikes.nothing),
    "no-conversation-items": (
        "conversation.item.*:0",
        ANYTHING,
        "no conversation.item events",
        strikes.nothing,
    ),
    "transcription-failed": (
        "transcribed:0",
        A_TRANSCRIPT,
        "every transcription fails",
        strikes.unintelligible,
    ),
    "answers-in-text": (
        "any:0",
        A_RESPONSE,
        "answers come as text, though audio was asked for",
        as_text,
    ),
}
"""In every response: in the place of these events."""

_ONCE: dict[str, tuple[str, Needs, str, Strike]] = {
    "no-session-created": ("opened:0", ANYTHING, "no session.created", strikes.nothing),
    "no-created": ("created", ANYTHING, "no response.created", strikes.nothing),
    "no-item": ("item", ANYTHING, "an output item never begins", strikes.nothing),
    "no-item-done": ("item-done", ANYTHING, "an output item never ends", strikes.nothing),
    "no-done": ("done", ANYTHING, "no response.done", strikes.nothing),
    "dropped": ("delta:3", ANYTHING, "an event is lost", strikes.nothing),
    "reordered": (
        "delta:3",
        A_RESPONSE,
        "an event comes behind the next one of its response",
        strikes.swapped,
    ),
    "late-created": ("created", ANYTHING, "response.created 0.2 s late", strikes.late(0.2)),
    "late-item": ("item", ANYTHING, "an output item begins 0.15 s late", strikes.late(0.15)),
    "late-part": ("part", ANYTHING, "a content part begins 0.15 s late", strikes.late(0.15)),
    "late-response": ("response.*:0", ANYTHING, "the whole response 15 s late", strikes.late(15.0)),
    "late-done": ("done", ANYTHING, "response.done 3 s late", strikes.late(3.0)),
    "call-only-in-done": (
        "response.*:0",
        ANYTHING,
        "function calls are told of in response.done alone",
        strikes.without_calls,
    ),
    "call-incomplete": (
        "item-done:0",
        AN_ITEM,
        "function calls end incomplete",
        strikes.item_with(status="incomplete"),
    ),
    "call-without-arguments": (
        "item-done:0",
        AN_ITEM,
        "function calls end without their arguments",
        strikes.item_with(arguments=""),
    ),
    "call-without-id": (
        "item-done:0",
        AN_ITEM,
        "function calls end without their call id",
        strikes.item_with(call_id=None),
    ),
    "call-without-name": (
        "item-done:0",
        AN_ITEM,
        "function calls end without their name",
        strikes.item_with(name=None),
    ),
    "wrong-response-id": (
        "delta:3",
        A_RESPONSE_ID,
        "an event under a response id that nobody knows",
        strikes.of_another_response,
    ),
    "wrong-item-id": (
        "delta:3",
        AN_ITEM_ID,
        "an event under an item id that nobody knows",
        strikes.of_another_item,
    ),
    "wrong-call-id": (
        "item-done:0",
        A_CALL,
        "function calls end under a call id that nobody knows",
        strikes.of_another_call,
    ),
    "wrong-type": (
        "delta:3",
        ANYTHING,
        "an event under a type that nobody knows",
        strikes.under_another_type,
    ),
    "event-binary": ("done", ANYTHING, "an event in a binary frame", strikes.binary),
}
"""In one response: in the place of these events."""

_SILENCES: dict[str, tuple[str, Then, str, Strike]] = {
    "silence-after-created": (
        "created",
        Then.STALLS,
        "silence after response.created until it is cancelled",
        strikes.nothing,
    ),
    "silence-mid-audio": (
        "delta:3",
        Then.STALLS,
        "silence in the midst of the audio until it is cancelled",
        strikes.nothing,
    ),
    "silence-after-item": (
        "item-done",
        Then.STALLS,
        "silence after the item until it is cancelled",
        strikes.nothing,
    ),
    "silence-for-good": (
        "delta:3",
        Then.MUTE,
        "silence that not even a cancel ends",
        strikes.nothing,
    ),
    "done-without-created": (
        "instead-created",
        Then.DIES,
        "response.done completed in place of response.created",
        done("completed"),
    ),
    "done-unnamed-without-created": (
        "instead-created",
        Then.DIES,
        "the same, without metadata",
        done_frame(status="completed", metadata=None),
    ),
    "completed-empty": (
        "created",
        Then.DIES,
        "response.done completed right after response.created",
        done("completed"),
    ),
}
"""What is not said, from one point of a response on."""


def _all() -> dict[str, Fault]:
    table: dict[str, Fault] = {}
    for number, rows in ((0, _EVERYWHERE), (1, _ONCE)):
        for name, (where, needs, says, strike) in rows.items():
            row = {name: (says, strike)}
            table |= aimed(f"instead-{where}", row, response=number, needs=needs, alters=True)
    for name, (where, then, says, strike) in _SILENCES.items():
        table |= aimed(where, {name: (says, strike)}, then, needs=A_RESPONSE)
    return table | _additions()


def _additions() -> dict[str, Fault]:
    again, stale = strikes.again, strikes.stale_delta
    transcripts: Rows = {"duplicate-transcription": ("every transcription twice", again)}
    return {
        **aimed(
            "response.*:0", {"duplicates": ("every event of responses twice", again)}, response=0
        ),
        **aimed("created", {"duplicate-created": ("response.created twice", again)}),
        **aimed("done", {"duplicate-done": ("response.done twice", again)}),
        **aimed("transcribed:0", transcripts, response=0),
        **aimed(
            "done", {"delta-after-done": ("audio after response.done", stale)}, needs=A_RESPONSE
        ),
    }


STREAMS: dict[str, Fault] = _all()
"""By name."""


def pause(name: str, seconds: float) -> Fault:
    """The response pauses so long, then goes on."""
    says = f"the response pauses for {seconds:g} s, then goes on"
    rows: Rows = {name: (says, strikes.paused(seconds))}
    return aimed("delta:3", rows, needs=A_RESPONSE)[name]
