"""What faults say: the shapes of failure that servers, gateways and networks were seen to send.

Each function makes a `Strike`. Frames that no protocol has are written out as plain JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from rejoinder.server.effects import Effect, Framing, Send, SendFramed, SendRaw
from rejoinder.server.faults.fault import Act, AfterNext, Delay, Scene, Strike
from rejoinder.server.inputs import Pause
from rejoinder.wire import codec
from rejoinder.wire import server_events as events
from rejoinder.wire.items import Item
from rejoinder.wire.response import ErrorBody, FailureBody, ResponseObject, StatusDetails
from rejoinder.wire.server_events import ServerEvent

WHAT_FAILED = "The server had an error while processing your request."
FOREIGN_RESPONSE = "resp_foreign_0001"
FOREIGN_ITEM = "item_foreign_0001"
FOREIGN_CALL = "call_foreign_0001"

Json: TypeAlias = dict[str, Any]


def emit(*effects: Effect) -> Strike:
    """The same effects each time."""
    return lambda _scene: effects


def nothing(_scene: Scene) -> list[Act]:
    """Nothing: as ``instead`` it swallows the event."""
    return []


def again(scene: Scene) -> list[Act]:
    """The same event once more, with the same ids."""
    return [scene.send]


def late(seconds: float) -> Strike:
    """The event, later."""
    return lambda scene: [Delay(seconds, scene.send)]


def swapped(scene: Scene) -> list[AfterNext]:
    """The event, behind the next one of its response."""
    return [AfterNext(scene.send)]


def paused(seconds: float) -> Strike:
    """The response says nothing for so long, then goes on."""
    return lambda scene: [Pause(scene.response.id or "", seconds)]


def raw(frame: str | bytes) -> Strike:
    """A frame as it is."""
    return emit(SendRaw(frame))


# -- error and response.error --


def error_frame(**error: Any) -> Strike:
    """An `error` event with this body (type and message are given)."""
    body = {"type": "server_error", "code": None, "message": WHAT_FAILED, "param": None, **error}
    return lambda scene: [
        _frame({"type": "error", "event_id": _own_id(scene, "error"), "error": _named(body, scene)})
    ]


def failure_frame(shape: str, kind: str = "response.error") -> Strike:
    """A gateway's terminal failure, in one of the shapes below."""
    return lambda scene: [_frame({"type": kind, **_SHAPES[shape](scene)})]


def _named(body: Json, scene: Scene) -> Json:
    """``event_id`` ``"@create"`` stands for the id of the `response.create` in question."""
    return {**body, "event_id": scene.cause} if body.get("event_id") == "@create" else body


_BODY: Json = {"type": "server_error", "code": "inference_failed", "message": WHAT_FAILED}


def _nested(scene: Scene) -> Json:
    details = {"type": "failed", "error": _BODY}
    named = {"id": scene.response.id, "metadata": scene.response.metadata}
    return {"response": {**named, "status": "failed", "status_details": details}}


_SHAPES: dict[str, Callable[[Scene], Json]] = {
    "named": lambda scene: {"response_id": scene.response.id, "error": _BODY},
    "nested": _nested,
    "flat": lambda scene: {
        "response_id": scene.response.id,
        "code": "inference_failed",
        "message": WHAT_FAILED,
    },
    "text": lambda scene: {"response_id": scene.response.id, "error": WHAT_FAILED},
    "unnamed": lambda scene: {"error": _BODY},
    "bare": lambda scene: {},
    "metadata": lambda scene: {"metadata": scene.response.metadata, "error": _BODY},
    "event-id": lambda scene: {"error": {**_BODY, "event_id": scene.cause}},
    "foreign": lambda scene: {"response_id": FOREIGN_RESPONSE, "error": _BODY},
}


# -- response.done --


def done(status: str, details: StatusDetails | None = None) -> Strike:
    """`response.done` with no output, without what led up to it."""
    return lambda scene: [
        Send(
            events.ResponseDone(
                event_id=_own_id(scene, "done"), response=_ended(scene, status, details)
            )
        )
    ]


def done_frame(**changes: Any) -> Strike:
    """`response.done` as plain JSON, with these members of the response changed."""

    def strike(scene: Scene) -> list[Act]:
        response = msgspec.to_builtins(_ended(scene, "failed", None))
        ended = {"event_id": _own_id(scene, "done"), "response": {**response, **changes}}
        return [_frame({"type": "response.done", **ended})]

    return strike


def _ended(scene: Scene, status: str, details: StatusDetails | None) -> ResponseObject:
    return msgspec.structs.replace(scene.response, status=status, status_details=details)


def failed(code: str | None = None, kind: str = "server_error") -> StatusDetails:
    """The details of a failed response."""
    error = FailureBody(type=kind, code=code, message=WHAT_FAILED)
    return StatusDetails(type="failed", error=error)


# -- refusals --


def refused(code: str, message: str, *, named: bool = True) -> Strike:
    """One `error` in answer to the client event behind the one at the point."""

    def strike(scene: Scene) -> list[Act]:
        event_id = scene.send.cause if named else None
        body = ErrorBody(
            type="invalid_request_error", code=code, message=message, event_id=event_id
        )
        return [Send(events.Error(event_id=_own_id(scene, "error"), error=body))]

    return strike


# -- events that do not belong --


def foreign_delta(scene: Scene) -> list[Act]:
    """Audio of a response that nobody ever heard of."""
    where = {"response_id": FOREIGN_RESPONSE, "item_id": FOREIGN_ITEM}
    return [_audio(scene, where, bytes(480))]


def stale_delta(scene: Scene) -> list[Act]:
    """Audio of a response that is over."""
    item_id = scene.item_ids[0] if scene.item_ids else FOREIGN_ITEM
    return [_audio(scene, {"response_id": scene.response.id, "item_id": item_id}, bytes(480))]


def foreign_response(*, ends: bool) -> Strike:
    """Another response begins beside the one under way (and ends): a server that answers by itself."""

    def strike(scene: Scene) -> list[Act]:
        other = msgspec.structs.replace(scene.response, id=FOREIGN_RESPONSE, metadata=None)
        over = msgspec.structs.replace(other, status="completed")
        begun = events.ResponseCreated(event_id=_own_id(scene, "created"), response=other)
        ended = events.ResponseDone(event_id=_own_id(scene, "done"), response=over)
        return [Send(begun), Send(ended)] if ends else [Send(begun)]

    return strike


def foreign_done(scene: Scene) -> list[Act]:
    """The end of a response that nobody ever heard of."""
    other = msgspec.structs.replace(
        scene.response, id=FOREIGN_RESPONSE, status="completed", metadata=None
    )
    return [Send(events.ResponseDone(event_id=_own_id(scene, "done"), response=other))]


def delta_frame(name: str = "response.output_audio.delta", /, **delta: Any) -> Strike:
    """A delta of the response under way, by default of its audio, with whatever is said of it."""

    def strike(scene: Scene) -> list[Act]:
        item_id = scene.item_ids[0] if scene.item_ids else FOREIGN_ITEM
        where = {"response_id": scene.response.id, "item_id": item_id}
        place = {"output_index": 0, "content_index": 0}
        return [
            _frame({"type": name, "event_id": _own_id(scene, "delta"), **where, **place, **delta})
        ]

    return strike


def _audio(scene: Scene, where: Json, delta: bytes) -> Send:
    where = {"output_index": 0, "content_index": 0, **where}
    event = events.ResponseOutputAudioDelta(event_id=_own_id(scene, "delta"), delta=delta, **where)
    return Send(event)


# -- events that lack something --


def without_metadata(scene: Scene) -> list[Act]:
    """The response object without the metadata that the client sent."""
    event = scene.send.event
    if isinstance(event, events.ResponseCreated | events.ResponseDone):
        event = _with_response(event, msgspec.structs.replace(event.response, metadata=None))
    return [Send(event, scene.send.cause)]


def _with_response(event: Any, response: ResponseObject) -> ServerEvent:
    changed: ServerEvent = msgspec.structs.replace(event, response=response)
    return changed


def without_event_id(scene: Scene) -> list[Act]:
    """The event without its own id."""
    event: Any = scene.send.event
    return [Send(msgspec.structs.replace(event, event_id=None), scene.send.cause)]


def anonymous(scene: Scene) -> list[Act]:
    """An `error` that does not say which client event it answers."""
    event = scene.send.event
    if isinstance(event, events.Error):
        body = msgspec.structs.replace(event.error, event_id=None)
        event = msgspec.structs.replace(event, error=body)
    return [Send(event, scene.send.cause)]


def item_with(**changes: Any) -> Strike:
    """The event with these members of its item changed, when that is a function call or its output."""

    def strike(scene: Scene) -> list[Act]:
        event: Any = scene.send.event
        item: Item | None = getattr(event, "item", None)
        if item is not None and item.type in ("function_call", "function_call_output"):
            event = msgspec.structs.replace(event, item=msgspec.structs.replace(item, **changes))
        return [Send(event, scene.send.cause)]

    return strike


def without_calls(scene: Scene) -> list[Act]:
    """Every event but those that tell of a function call before the response is done."""
    event = scene.send.event
    item: Item | None = getattr(event, "item", None)
    called = item is not None and item.type == "function_call"
    told = isinstance(event, _ARGUMENTS)
    return [] if called or told else [scene.send]


_ARGUMENTS = events.ResponseFunctionCallArgumentsDelta | events.ResponseFunctionCallArgumentsDone


def under_another_id(scene: Scene) -> list[Act]:
    """The item of the event, called otherwise than the client wished."""
    event: Any = scene.send.event
    item = msgspec.structs.replace(event.item, id=f"their_{event.item.id}")
    return [Send(msgspec.structs.replace(event, item=item), scene.send.cause)]


def of_another_response(scene: Scene) -> list[Act]:
    """The event as one of a response that nobody ever heard of."""
    event: Any = scene.send.event
    if isinstance(event, events.ResponseCreated | events.ResponseDone):
        other = msgspec.structs.replace(event.response, id=FOREIGN_RESPONSE)
        return [Send(_with_response(event, other), scene.send.cause)]
    event = msgspec.structs.replace(event, response_id=FOREIGN_RESPONSE)
    return [Send(event, scene.send.cause)]


def of_another_item(scene: Scene) -> list[Act]:
    """The event as one about an item that nobody ever heard of."""
    event: Any = scene.send.event
    item: Item | None = getattr(event, "item", None)
    if item is None:
        event = msgspec.structs.replace(event, item_id=FOREIGN_ITEM)
    else:
        event = msgspec.structs.replace(event, item=msgspec.structs.replace(item, id=FOREIGN_ITEM))
    return [Send(event, scene.send.cause)]


def of_another_call(scene: Scene) -> Iterable[Act | AfterNext]:
    """The event as one of a function call that nobody ever heard of."""
    event: Any = scene.send.event
    if not hasattr(event, "call_id"):
        return item_with(call_id=FOREIGN_CALL)(scene)
    return [Send(msgspec.structs.replace(event, call_id=FOREIGN_CALL), scene.send.cause)]


def under_another_type(scene: Scene) -> list[Act]:
    """The event under a type that no protocol has."""
    return [_frame({**msgspec.json.decode(codec.encode(scene.send.event)), "type": "novel"})]


def binary(scene: Scene) -> list[Act]:
    """The event in a binary frame, as some proxies send it."""
    return [SendFramed(scene.send.event, Framing.BINARY)]


def unintelligible(scene: Scene) -> list[Act]:
    """The transcription failed."""
    event: Any = scene.send.event
    error = FailureBody(
        type="transcription_error",
        code="audio_unintelligible",
        message="The audio could not be transcribed.",
    )
    failure = events.ConversationItemInputAudioTranscriptionFailed(
        event_id=_own_id(scene, "failed"),
        item_id=event.item_id,
        content_index=event.content_index,
        error=error,
    )
    return [Send(failure, scene.send.cause)]


def large(size: int) -> Strike:
    """An unknown event of so many bytes."""
    return lambda _scene: [_frame({"type": "response.novel", "text": "x" * size})]


def without_output(scene: Scene) -> list[Act]:
    """`response.done` with an empty output, as old servers send it."""
    event = scene.send.event
    if isinstance(event, events.ResponseDone):
        event = _with_response(event, msgspec.structs.replace(event.response, output=[]))
    return [Send(event, scene.send.cause)]


def _own_id(scene: Scene, what: str) -> str:
    """The id of an event that a fault makes: strict clients refuse an event that has none."""
    event: Any = scene.send.event
    return f"{event.event_id or 'event'}_{what}"


def _frame(value: Any) -> SendRaw:
    return SendRaw(msgspec.json.encode(value).decode())
