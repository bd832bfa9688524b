"""A spoken answer told as a written one: what a server does that forgets what was asked of it."""

from __future__ import annotations

from typing import Any

import msgspec

from rejoinder.server.effects import Send
from rejoinder.server.faults.fault import Act, Scene
from rejoinder.wire import server_events as events
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ResponseObject
from rejoinder.wire.server_events import ServerEvent

_SOUND = events.ResponseOutputAudioDelta | events.ResponseOutputAudioDone


def as_text(scene: Scene) -> list[Act]:
    """The event of an answer in text, or nothing where it is but sound."""
    event = scene.send.event
    return [] if isinstance(event, _SOUND) else [Send(_written(event), scene.send.cause)]


def _written(event: ServerEvent) -> ServerEvent:
    match event:
        case events.ResponseOutputAudioTranscriptDelta():
            return events.ResponseOutputTextDelta(delta=event.delta, **_where(event))
        case events.ResponseOutputAudioTranscriptDone():
            return events.ResponseOutputTextDone(text=event.transcript, **_where(event))
        case events.ResponseContentPartAdded() | events.ResponseContentPartDone():
            return _replaced(event, part=_part(event.part, "text"))
        case events.ResponseCreated() | events.ResponseDone():
            return _replaced(event, response=_response(event.response))
        case _:
            item: Item | None = getattr(event, "item", None)
            return event if item is None else _replaced(event, item=_item(item))


def _where(event: Any) -> dict[str, Any]:
    names = ("event_id", "response_id", "item_id", "output_index", "content_index")
    return {name: getattr(event, name) for name in names}


def _response(response: ResponseObject) -> ResponseObject:
    output = [_item(item) for item in response.output]
    return msgspec.structs.replace(response, output=output, output_modalities=["text"])


def _item(item: Item) -> Item:
    if not item.content:
        return item
    return msgspec.structs.replace(
        item, content=[_part(part, "output_text") for part in item.content]
    )


def _part(part: ContentPart, kind: str) -> ContentPart:
    if "audio" not in part.type or part.type.startswith("input"):
        return part
    return ContentPart(type=kind, text=part.transcript or "")


def _replaced(event: Any, **members: Any) -> ServerEvent:
    changed: ServerEvent = msgspec.structs.replace(event, **members)
    return changed
