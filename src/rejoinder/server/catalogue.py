"""The named faults. ``fault("response-error@delta:3")`` aims one; every name has a point of its own.

``NAME[@[before-|instead-]POINT[:NTH]][#RESPONSE]``: POINT is one of `POINTS` or an event type, NTH counts
the events there (0: every one), RESPONSE counts the responses from arming (0: every one).
"""

from __future__ import annotations

import difflib
import re

from rejoinder.errors import ConfigurationError
from rejoinder.server import strikes
from rejoinder.server.effects import Abort, Hangup
from rejoinder.server.faults import Act, Fault, Point, Scene, Strike, Then
from rejoinder.server.inputs import Expire
from rejoinder.server.strikes import done, done_frame, error_frame, failed, failure_frame, refused
from rejoinder.wire.response import StatusDetails

POINTS = {
    "created": "response.created",
    "item": "response.output_item.added",
    "part": "response.content_part.added",
    "delta": "response.output_audio.delta",
    "text": "response.output_text.delta",
    "transcript": "response.output_audio_transcript.delta",
    "arguments": "response.function_call_arguments.delta",
    "part-done": "response.content_part.done",
    "item-done": "response.output_item.done",
    "done": "response.done",
    "opened": "session.created",
    "updated": "session.updated",
    "item-added": "conversation.item.added",
    "committed": "input_audio_buffer.committed",
    "error": "error",
    "any": "*",
    "transcribed": "conversation.item.input_audio_transcription.completed",
}

_AIM = re.compile(r"(?P<name>[a-z0-9-]+)(@(?P<point>[^@#]+))?(#(?P<response>\d+))?")
_POINT = re.compile(r"((?P<place>before|instead)-)?(?P<event>[a-z_.*-]+)(:(?P<nth>\d+))?")


def point(text: str) -> Point:
    """``delta:3``, ``before-created``, ``instead-done``, ``after`` unless said. Raises `ConfigurationError`."""
    found = _POINT.fullmatch(text)
    event = POINTS.get(found["event"]) if found else None
    if found is not None and event is None and "." in found["event"]:
        event = found["event"]
    if found is None or event is None:
        known = ", ".join(POINTS)
        raise ConfigurationError(f"no such point: {text!r}; one of {known}, or an event type")
    return Point(event, int(found["nth"] or 1), found["place"] or "after")


def _aimed(name: str, where: str, strike: Strike) -> Fault:
    place, _, number = where.partition("#")
    return Fault(name, point(place), strike, response=int(number or 1))


def _table(where: str, then: Then, rows: dict[str, Strike]) -> dict[str, Fault]:
    return {name: Fault(name, point(where), strike, then) for name, strike in rows.items()}


_CANCELLED = StatusDetails(type="cancelled", reason="client_cancelled")
_INTERRUPTED = StatusDetails(type="cancelled", reason="turn_detected")
_CUT = StatusDetails(type="incomplete", reason="max_output_tokens")
_FILTERED = StatusDetails(type="incomplete", reason="content_filter")
_BUSY = "Conversation already has an active response in progress: resp_other. Wait until it is finished."

_ENDS_IN_FAILURE: dict[str, Strike] = {
    "response-error": failure_frame("named"),
    "response-error-nested": failure_frame("nested"),
    "response-error-flat": failure_frame("flat"),
    "response-error-text": failure_frame("text"),
    "response-error-unnamed": failure_frame("unnamed"),
    "response-error-bare": failure_frame("bare"),
    "response-error-metadata": failure_frame("metadata"),
    "response-error-event-id": failure_frame("event-id"),
    "response-failed": failure_frame("nested", "response.failed"),
    "response-cancelled": failure_frame("nested", "response.cancelled"),
    "response-incomplete": failure_frame("nested", "response.incomplete"),
    "error-then-silence": error_frame(),
    "error-event-id-then-silence": error_frame(event_id="@create"),
    "error-text-then-silence": strikes.raw('{"type":"error","error":"the model crashed"}'),
    "error-null-then-silence": strikes.raw('{"type":"error","error":null}'),
    "error-flat-then-silence": strikes.raw(
        '{"type":"error","code":"processing_error","message":"the model crashed"}'
    ),
    "error-foreign-id-then-silence": error_frame(event_id=strikes.FOREIGN_ITEM),
}
"""In the midst of the answer: one event, and never another word of that response."""

_HARMLESS: dict[str, Strike] = {
    "error-unnamed": error_frame(),
    "error-foreign-id": error_frame(event_id=strikes.FOREIGN_ITEM),
    "error-input-buffer": error_frame(
        type="invalid_request_error",
        code="input_audio_buffer_commit_empty",
        message="Error committing input audio buffer: buffer too small.",
    ),
    "error-item": error_frame(
        type="invalid_request_error",
        code="item_truncate_invalid_item_id",
        message="Error truncating item: the item does not exist.",
    ),
    "error-session": error_frame(
        type="invalid_request_error",
        code="unknown_parameter",
        message="Unknown parameter: 'session.colour'.",
        param="session.colour",
    ),
    "error-cancel": error_frame(
        type="invalid_request_error",
        code="response_cancel_not_active",
        message="Cancellation failed: no active response found",
    ),
    "response-error-foreign": failure_frame("foreign"),
    "foreign-delta": strikes.foreign_delta,
    "foreign-done": strikes.foreign_done,
    "foreign-response": strikes.foreign_response(ends=True),
    "foreign-response-unended": strikes.foreign_response(ends=False),
    "unknown-event": strikes.raw('{"type":"response.mood.changed","mood":"sunny"}'),
    "ping-event": strikes.raw('{"type":"ping","event_id":"event_ping"}'),
    "frame-not-json": strikes.raw('{"type":"response.done", oops'),
    "frame-empty": strikes.raw(""),
    "frame-array": strikes.raw('[{"type":"response.done"}]'),
    "frame-null": strikes.raw("null"),
    "frame-number": strikes.raw("42"),
    "frame-no-type": strikes.raw('{"event_id":"event_untyped","response":{}}'),
    "frame-type-null": strikes.raw('{"type":null}'),
    "frame-large": strikes.large(5 * 1024 * 1024),
    "frame-binary": strikes.raw(b"\x00\xff\x10 not text \xfe"),
    "delta-null": strikes.delta_frame(delta=None),
    "delta-missing": strikes.delta_frame(),
    "delta-number": strikes.delta_frame(delta=7),
    "delta-not-base64": strikes.delta_frame(delta="*** not base64 ***"),
    "delta-empty": strikes.delta_frame(delta=""),
}
"""In the midst of the answer, which then goes on: nothing may come of it."""

_STRANGE_ENDS: dict[str, Strike] = {
    "done-failed": done("failed", failed()),
    "done-failed-rate-limit": done("failed", failed("rate_limit_exceeded")),
    "done-failed-quota": done("failed", failed("insufficient_quota", "insufficient_quota")),
    "done-failed-no-details": done("failed"),
    "done-failed-text-details": done_frame(status_details="the model crashed"),
    "done-incomplete": done("incomplete", _CUT),
    "done-filtered": done("incomplete", _FILTERED),
    "done-cancelled": done("cancelled", _CANCELLED),
    "done-interrupted": done("cancelled", _INTERRUPTED),
    "done-cancelled-no-details": done("cancelled"),
    "done-unknown-status": done("evaporated"),
    "done-no-status": done_frame(status=None),
    "done-completed": done("completed"),
    "done-null": strikes.raw('{"type":"response.done","response":null}'),
    "done-no-body": strikes.raw('{"type":"response.done"}'),
    "done-text-body": strikes.raw('{"type":"response.done","response":"over"}'),
    "done-no-id": done_frame(id=None),
    "error-then-done": lambda scene: [*error_frame()(scene), *done("failed", failed())(scene)],
}
"""In place of `response.done`, or, aimed at an earlier point, right after it."""

_REFUSALS: dict[str, Strike] = {
    "busy": refused("conversation_already_has_active_response", _BUSY),
    "busy-unnamed": refused("conversation_already_has_active_response", _BUSY, named=False),
    "refused": refused("invalid_value", "Invalid value: 'loud'."),
    "refused-unnamed": refused("invalid_value", "Invalid value: 'loud'.", named=False),
    "refused-quota": refused("insufficient_quota", "You exceeded your current quota."),
    "swallowed": strikes.nothing,
}
"""In place of `response.created`: that response never exists."""

_ALTERED: dict[str, tuple[str, Strike]] = {
    "no-metadata": ("instead-response.*:0#0", strikes.without_metadata),
    "no-event-ids": ("instead-any:0#0", strikes.without_event_id),
    "no-error-event-id": ("instead-error:0#0", strikes.anonymous),
    "no-output-in-done": ("instead-done:0#0", strikes.without_output),
    "no-rate-limits": ("instead-rate_limits.updated:0#0", strikes.nothing),
    "no-conversation-items": ("instead-conversation.item.*:0#0", strikes.nothing),
    "no-session-created": ("instead-opened:0", strikes.nothing),
    "no-created": ("instead-created", strikes.nothing),
    "no-item": ("instead-item", strikes.nothing),
    "no-item-done": ("instead-item-done", strikes.nothing),
    "no-done": ("instead-done", strikes.nothing),
    "duplicates": ("response.*:0#0", strikes.again),
    "duplicate-created": ("created", strikes.again),
    "duplicate-done": ("done", strikes.again),
    "duplicate-transcription": ("transcribed:0#0", strikes.again),
    "transcription-failed": ("instead-transcribed:0#0", strikes.unintelligible),
    "delta-after-done": ("done", strikes.stale_delta),
    "late-created": ("instead-created", strikes.late(0.2)),
    "late-item": ("instead-item", strikes.late(0.15)),
    "late-part": ("instead-part", strikes.late(0.15)),
    "late-response": ("instead-response.*:0", strikes.late(15.0)),
    "late-done": ("instead-done", strikes.late(3.0)),
    "call-only-in-done": ("instead-response.*:0", strikes.without_calls),
    "call-incomplete": ("instead-item-done:0", strikes.item_with(status="incomplete")),
    "call-without-arguments": ("instead-item-done:0", strikes.item_with(arguments="")),
    "call-without-id": ("instead-item-done:0", strikes.item_with(call_id=None)),
    "call-without-name": ("instead-item-done:0", strikes.item_with(name=None)),
}
"""Whole streams that are a little different, or out of order."""

_EDITS: dict[str, tuple[str, Strike]] = {
    "item-refused": ("instead-item-added", refused("invalid_value", "Invalid value: 'loud'.")),
    "item-swallowed": ("instead-item-added", strikes.nothing),
    "item-renamed": ("instead-item-added", strikes.under_another_id),
    "update-refused": ("instead-updated", refused("invalid_value", "Invalid value: 'loud'.")),
    "update-swallowed": ("instead-updated", strikes.nothing),
}
"""In place of the answer to an edit: to the first item that joins outside of a response, to an update."""

_CLOSES = (1000, 1001, 1008, 1011, 1012, 1013, 3000, 4000, 4004)


def _all() -> dict[str, Fault]:
    table = _table("delta:3", Then.DIES, _ENDS_IN_FAILURE)
    table |= _table("delta:3", Then.GOES_ON, _HARMLESS)
    table |= _table("instead-done", Then.DIES, _STRANGE_ENDS)
    table |= _table("instead-created", Then.DIES, _REFUSALS)
    table |= {name: _aimed(name, where, strike) for name, (where, strike) in _ALTERED.items()}
    table |= {
        name: Fault(name, point(where), strike, Then.DIES, response=None)
        for name, (where, strike) in _EDITS.items()
    }
    table |= _silences()
    table |= _ends_of_connections()
    return table


def _silences() -> dict[str, Fault]:
    """No event at all: the response stays alive on the server until it is cancelled."""
    stalls = {
        "silence-after-created": "created",
        "silence-mid-audio": "delta:3",
        "silence-after-item": "item-done",
    }
    table = {
        name: Fault(name, point(where), strikes.nothing, Then.STALLS)
        for name, where in stalls.items()
    }
    mute = Fault("silence-for-good", point("delta:3"), strikes.nothing, Then.MUTE)
    created = Fault("done-without-created", point("instead-created"), done("completed"), Then.DIES)
    nameless = done_frame(status="completed", metadata=None)
    unnamed = Fault("done-unnamed-without-created", point("instead-created"), nameless, Then.DIES)
    empty = Fault("completed-empty", point("created"), done("completed"), Then.DIES)
    return table | {one.name: one for one in (mute, created, unnamed, empty)}


def _ends_of_connections() -> dict[str, Fault]:
    where = point("delta:3")
    table = {
        f"close-{code}": Fault(f"close-{code}", where, strikes.emit(Hangup(code, "fault")))
        for code in _CLOSES
    }
    abort = Fault("abort", where, strikes.emit(Abort()))
    expiry = Fault("expiry", where, lambda _scene: [Expire()])
    quota = Fault("quota-close", where, _quota_close)
    return table | {one.name: one for one in (abort, expiry, quota)}


def _quota_close(scene: Scene) -> list[Act]:
    code = "insufficient_quota"
    error = error_frame(type=code, code=code, message="You exceeded your current quota.")
    return [*error(scene), Hangup(1013, f"{code}.{code}")]


FAULTS: dict[str, Fault] = _all()


def fault(text: str) -> Fault:
    """The fault that ``text`` names and aims. Raises `ConfigurationError` when there is none."""
    found = _AIM.fullmatch(text)
    if found is None or found["name"] not in FAULTS:
        close = difflib.get_close_matches(text.partition("@")[0], FAULTS, cutoff=0.0)
        raise ConfigurationError(
            f"no such fault: {text!r}; say NAME[@POINT[:NTH]][#RESPONSE], NAME such as {', '.join(close)}"
        )
    named = FAULTS[found["name"]]
    if found["point"]:
        named = named.at(point(found["point"]))
    return named.in_response(int(found["response"])) if found["response"] else named
