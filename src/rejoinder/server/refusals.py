"""Refusals: why a client event was not carried out, in the words of the live service.

Codes and messages as published in captures and issue reports; each constructor names the case.
"""

from __future__ import annotations

from rejoinder.wire.response import ErrorBody


class Refusal(Exception):
    """Nothing of the client event was carried out; the client gets one `error`.

    ``echo`` False: the error does not name the client event even if that had an id. The live
    service does so for what it finds out later than parsing (livekit/agents#3344).
    """

    def __init__(
        self, code: str | None, message: str, *, param: str | None = None, echo: bool = True
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.echo = echo

    def body(self, event_id: str | None) -> ErrorBody:
        """The error to send when the refused event had this id."""
        return ErrorBody(
            type="invalid_request_error",
            code=self.code,
            message=self.message,
            param=self.param,
            event_id=event_id if self.echo else None,
        )


def missing(param: str) -> Refusal:
    return Refusal(
        "missing_required_parameter", f"Missing required parameter: '{param}'.", param=param
    )


def invalid_value(param: str, got: object, accepted: object) -> Refusal:
    message = f"Invalid value: {got!r}. Supported values are: {accepted}."
    return Refusal("invalid_value", message, param=param)


def invalid_type(param: str | None, message: str) -> Refusal:
    where = f" for '{param}'" if param else ""
    return Refusal("invalid_type", f"Invalid type{where}: {message}.", param=param)


def unknown_parameter(param: str) -> Refusal:
    return Refusal("unknown_parameter", f"Unknown parameter: '{param}'.", param=param)


def below_minimum(param: str, got: float, least: float) -> Refusal:
    kind = "integer" if isinstance(least, int) else "decimal"
    expected = f"Expected a value >= {least}, but got {got} instead."
    message = f"Invalid '{param}': {kind} below minimum value. {expected}"
    return Refusal(f"{kind}_below_min_value", message, param=param)


def negative(param: str, kind: str) -> Refusal:
    message = f"Invalid '{param}': {kind} below minimum value. Expected a value >= 0."
    return Refusal(f"{kind}_below_min_value", message, param=param)


def above_maximum(param: str, got: float, most: float) -> Refusal:
    kind = "integer" if isinstance(most, int) else "decimal"
    expected = f"Expected a value <= {most}, but got {got} instead."
    message = f"Invalid '{param}': {kind} above maximum value. {expected}"
    return Refusal(f"{kind}_above_max_value", message, param=param)


def too_long(param: str, length: int, most: int) -> Refusal:
    message = (
        f"Invalid '{param}': string too long. Expected a string with maximum length {most}, "
        f"but got a string with length {length} instead."
    )
    return Refusal("string_above_max_length", message, param=param)


def busy(response_id: str) -> Refusal:
    message = (
        f"Conversation already has an active response in progress: {response_id}. "
        "Wait until the response is finished before creating a new one."
    )
    return Refusal("conversation_already_has_active_response", message)


def cancel_not_active() -> Refusal:
    return Refusal("response_cancel_not_active", "Cancellation failed: no active response found")


def commit_empty(present_ms: float) -> Refusal:
    message = (
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
        f"but buffer only has {present_ms:.2f}ms of audio."
    )
    return Refusal("input_audio_buffer_commit_empty", message)


def previous_item_unknown(item_id: str) -> Refusal:
    message = f"Previous item with ID '{item_id}' does not exist."
    return Refusal("item_create_invalid_previous_item_id", message, param="previous_item_id")


def duplicate_item(item_id: str) -> Refusal:
    message = f"Error adding item: an item with ID '{item_id}' already exists."
    return Refusal("item_create_duplicate_item_id", message, param="item.id")


def item_unknown(verb: str, item_id: str) -> Refusal:
    message = f"Error {verb[:-1]}ing item: the item with id '{item_id}' does not exist."
    return Refusal(f"item_{verb}_invalid_item_id", message)


def tool_call_unknown(call_id: str) -> Refusal:
    message = f"Tool call ID '{call_id}' not found in conversation."
    return Refusal("invalid_tool_call_id", message, echo=False)


def not_model_audio() -> Refusal:
    return Refusal(None, "Only model output audio messages can be truncated.")


def truncate_too_long(have_ms: int, asked_ms: int) -> Refusal:
    message = f"Audio content of {have_ms}ms is already shorter than {asked_ms}ms"
    return Refusal("invalid_value", message, param="audio_end_ms")


def voice_locked() -> Refusal:
    message = "Cannot update a conversation's voice if assistant audio is present."
    return Refusal("cannot_update_voice", message, param="session.audio.output.voice")


def tracing_fixed() -> Refusal:
    message = "Cannot update a session's tracing once it is set."
    return Refusal("invalid_value", message, param="session.tracing")
