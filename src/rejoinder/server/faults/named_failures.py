"""Named faults: how a response fails, ends strangely, or never is."""

from __future__ import annotations

from rejoinder.server.faults import strikes
from rejoinder.server.faults.aims import A_RESPONSE, AN_ITEM
from rejoinder.server.faults.fault import Fault, Then
from rejoinder.server.faults.strikes import (
    done,
    done_frame,
    error_frame,
    failed,
    failure_frame,
    refused,
)
from rejoinder.server.faults.tables import Rows, aimed
from rejoinder.server.faults.wire_strikes import quota_error
from rejoinder.wire.response import StatusDetails

_CANCELLED = StatusDetails(type="cancelled", reason="client_cancelled")
_INTERRUPTED = StatusDetails(type="cancelled", reason="turn_detected")
_CUT = StatusDetails(type="incomplete", reason="max_output_tokens")
_FILTERED = StatusDetails(type="incomplete", reason="content_filter")
_BUSY = "Conversation already has an active response in progress: resp_other. Wait until it is finished."

_ENDS_IN_FAILURE: Rows = {
    "response-error": ("response.error with the response's id", failure_frame("named")),
    "response-error-nested": ("response.error with a response in it", failure_frame("nested")),
    "response-error-flat": ("response.error, code and message bare", failure_frame("flat")),
    "response-error-text": ("response.error whose error is a text", failure_frame("text")),
    "response-error-unnamed": ("response.error that names nobody", failure_frame("unnamed")),
    "response-error-bare": ("response.error with no members at all", failure_frame("bare")),
    "response-error-metadata": ("response.error that has the metadata", failure_frame("metadata")),
    "response-error-event-id": (
        "response.error with the event id of the response.create",
        failure_frame("event-id"),
    ),
    "response-failed": ("response.failed", failure_frame("nested", "response.failed")),
    "response-cancelled": ("response.cancelled", failure_frame("nested", "response.cancelled")),
    "response-incomplete": ("response.incomplete", failure_frame("nested", "response.incomplete")),
    "error-then-silence": ("an error that names nobody", error_frame()),
    "error-event-id-then-silence": (
        "an error with the event id of the response.create",
        error_frame(event_id="@create"),
    ),
    "error-text-then-silence": (
        "an error whose error is a text",
        strikes.raw('{"type":"error","error":"the model crashed"}'),
    ),
    "error-null-then-silence": (
        "an error whose error is null",
        strikes.raw('{"type":"error","error":null}'),
    ),
    "error-flat-then-silence": (
        "an error with code and message bare",
        strikes.raw('{"type":"error","code":"processing_error","message":"the model crashed"}'),
    ),
    "error-no-message-then-silence": ("an error without a message", error_frame(message=None)),
    "error-foreign-id-then-silence": (
        "an error with an event id that nobody sent",
        error_frame(event_id=strikes.FOREIGN_ITEM),
    ),
}
"""In the midst of the answer: one event, and never another word of that response."""

_HARMLESS: Rows = {
    "error-unnamed": ("an error that names nobody", error_frame()),
    "error-foreign-id": (
        "an error with an event id that nobody sent",
        error_frame(event_id=strikes.FOREIGN_ITEM),
    ),
    "error-no-message": ("an error without a message", error_frame(message=None)),
    "error-input-buffer": (
        "an error about the input buffer",
        error_frame(
            type="invalid_request_error",
            code="input_audio_buffer_commit_empty",
            message="Error committing input audio buffer: buffer too small.",
        ),
    ),
    "error-item": (
        "an error about an item",
        error_frame(
            type="invalid_request_error",
            code="item_truncate_invalid_item_id",
            message="Error truncating item: the item does not exist.",
        ),
    ),
    "error-session": (
        "an error about the session",
        error_frame(
            type="invalid_request_error",
            code="unknown_parameter",
            message="Unknown parameter: 'session.colour'.",
            param="session.colour",
        ),
    ),
    "error-cancel": (
        "an error about a cancel that found nothing",
        error_frame(
            type="invalid_request_error",
            code="response_cancel_not_active",
            message="Cancellation failed: no active response found",
        ),
    ),
    "error-quota": ("an error that says the account is used up", quota_error),
    "response-error-foreign": (
        "response.error of a response that nobody asked for",
        failure_frame("foreign"),
    ),
    "foreign-delta": ("audio of a response that nobody asked for", strikes.foreign_delta),
    "foreign-done": ("response.done of a response that never was", strikes.foreign_done),
    "foreign-response": (
        "another response begins beside this one, and ends",
        strikes.foreign_response(ends=True),
    ),
    "foreign-response-unended": (
        "another response begins beside this one",
        strikes.foreign_response(ends=False),
    ),
    "unknown-event": (
        "an event of a type that no protocol has",
        strikes.raw('{"type":"response.mood.changed","mood":"sunny"}'),
    ),
    "ping-event": ("a JSON event ping", strikes.raw('{"type":"ping","event_id":"event_ping"}')),
    "frame-not-json": ("a frame that is not JSON", strikes.raw('{"type":"response.done", oops')),
    "frame-empty": ("an empty frame", strikes.raw("")),
    "frame-array": ("a frame with an array", strikes.raw('[{"type":"response.done"}]')),
    "frame-null": ("a frame with null", strikes.raw("null")),
    "frame-number": ("a frame with a number", strikes.raw("42")),
    "frame-no-type": (
        "an event without a type",
        strikes.raw('{"event_id":"event_untyped","response":{}}'),
    ),
    "frame-type-null": ("an event whose type is null", strikes.raw('{"type":null}')),
    "frame-large": ("an unknown event of 5 MiB", strikes.large(5 * 1024 * 1024)),
    "frame-huge": ("an unknown event of 40 MiB", strikes.large(40 * 1024 * 1024)),
    "frame-binary": ("a binary frame", strikes.raw(b"\x00\xff\x10 not text \xfe")),
}
"""In the midst of the answer, which then goes on: nothing may come of it."""

_BROKEN_DELTAS: Rows = {
    "delta-null": ("audio that is null", strikes.delta_frame(delta=None)),
    "delta-missing": ("audio that is missing", strikes.delta_frame()),
    "delta-number": ("audio that is a number", strikes.delta_frame(delta=7)),
    "delta-not-base64": (
        "audio that is not base64",
        strikes.delta_frame(delta="*** not base64 ***"),
    ),
    "delta-empty": ("audio that is empty", strikes.delta_frame(delta="")),
}
"""The same, of the response itself."""

_STRANGE_ENDS: Rows = {
    "done-failed": ("response.done failed", done("failed", failed())),
    "done-failed-rate-limit": (
        "response.done failed: rate_limit_exceeded",
        done("failed", failed("rate_limit_exceeded")),
    ),
    "done-failed-quota": (
        "response.done failed: insufficient_quota",
        done("failed", failed("insufficient_quota", "insufficient_quota")),
    ),
    "done-failed-no-details": ("response.done failed without details", done("failed")),
    "done-failed-text-details": (
        "response.done failed whose details are a text",
        done_frame(status_details="the model crashed"),
    ),
    "done-incomplete": ("response.done incomplete: tokens", done("incomplete", _CUT)),
    "done-filtered": ("response.done incomplete: filter", done("incomplete", _FILTERED)),
    "done-cancelled": ("response.done cancelled by the client", done("cancelled", _CANCELLED)),
    "done-interrupted": ("response.done cancelled by speech", done("cancelled", _INTERRUPTED)),
    "done-cancelled-no-details": ("response.done cancelled, bare", done("cancelled")),
    "done-unknown-status": ("response.done of no known status", done("evaporated")),
    "done-no-status": ("response.done whose status is null", done_frame(status=None)),
    "done-completed": ("response.done completed with no output", done("completed")),
    "done-null": (
        "response.done whose response is null",
        strikes.raw('{"type":"response.done","response":null}'),
    ),
    "done-no-body": ("response.done without a response", strikes.raw('{"type":"response.done"}')),
    "done-text-body": (
        "response.done whose response is a text",
        strikes.raw('{"type":"response.done","response":"over"}'),
    ),
    "done-no-id": ("response.done whose response has no id", done_frame(id=None)),
    "error-then-done": (
        "an error that names nobody, then response.done failed",
        lambda scene: [*error_frame()(scene), *done("failed", failed())(scene)],
    ),
}
"""In place of `response.done`, or, aimed at an earlier point, right after it."""

_REFUSALS: Rows = {
    "busy": (
        "refused: another response is active",
        refused("conversation_already_has_active_response", _BUSY),
    ),
    "busy-unnamed": (
        "the same, without the event id of the request",
        refused("conversation_already_has_active_response", _BUSY, named=False),
    ),
    "refused": ("refused: invalid_value", refused("invalid_value", "Invalid value: 'loud'.")),
    "refused-unnamed": (
        "the same, without the event id of the request",
        refused("invalid_value", "Invalid value: 'loud'.", named=False),
    ),
    "refused-quota": (
        "refused: insufficient_quota",
        refused("insufficient_quota", "You exceeded your current quota."),
    ),
    "swallowed": ("the request is never answered", strikes.nothing),
}
"""In place of `response.created`: that response never exists."""

_EDITS: dict[str, Rows] = {
    "instead-item-added": {
        "item-refused": ("an item is refused", refused("invalid_value", "Invalid value: 'loud'.")),
        "item-swallowed": ("an item is never acknowledged", strikes.nothing),
    },
    "instead-updated": {
        "update-refused": (
            "session.update is refused",
            refused("invalid_value", "Invalid value: 'loud'."),
        ),
        "update-swallowed": ("session.update is never answered", strikes.nothing),
    },
}
"""In place of the answer to an edit: to the first item that joins outside of a response, to an update."""


def _edits() -> dict[str, Fault]:
    table: dict[str, Fault] = {}
    for where, rows in _EDITS.items():
        table |= aimed(where, rows, Then.DIES, response=None, alters=True)
    renamed: Rows = {"item-renamed": ("an item gets another id", strikes.under_another_id)}
    return table | aimed(
        "instead-item-added", renamed, Then.DIES, response=None, needs=AN_ITEM, alters=True
    )


def _told(rows: Rows, ending: str) -> Rows:
    return {name: (f"{says}{ending}", strike) for name, (says, strike) in rows.items()}


_SILENCE, _GOES_ON = ", then silence", ", and it goes on"

FAILURES: dict[str, Fault] = {
    **aimed("delta:3", _told(_ENDS_IN_FAILURE, _SILENCE), Then.DIES, needs=A_RESPONSE),
    **aimed("delta:3", _told(_HARMLESS, _GOES_ON)),
    **aimed("delta:3", _told(_BROKEN_DELTAS, _GOES_ON), needs=A_RESPONSE),
    **aimed("instead-done", _STRANGE_ENDS, Then.DIES, needs=A_RESPONSE),
    **aimed("instead-created", _REFUSALS, Then.DIES, alters=True),
    **_edits(),
}
"""By name."""
