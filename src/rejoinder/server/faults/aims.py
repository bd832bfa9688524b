"""Where faults are aimed: the points of an exchange, and what an event must be to be struck."""

from __future__ import annotations

import difflib
import re
from fnmatch import fnmatchcase
from typing import get_args

import msgspec

from rejoinder.errors import ConfigurationError
from rejoinder.wire.server_events import GaServerEvent

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

EVENTS: dict[str, frozenset[str]] = {
    event.__struct_config__.tag: frozenset(event.__struct_fields__)
    for event in get_args(GaServerEvent)
}
"""Every type of event that the server may send, with its members."""

_POINT = re.compile(r"((?P<place>before|instead)-)?(?P<event>[a-z_.*-]+)(:(?P<nth>\d{1,9}))?")


class Point(msgspec.Struct, frozen=True):
    """Where a fault strikes: ``before``, ``after`` or ``instead`` of an event.

    ``event`` is a type, or a pattern of types (``response.*``). ``nth`` counts the events that match
    and that the fault can strike, within one response where they belong to one; 0 means every one.
    """

    event: str
    nth: int = 1
    place: str = "after"

    def __str__(self) -> str:
        """As `point` reads it."""
        short = {event: name for name, event in POINTS.items()}.get(self.event, self.event)
        place = "" if self.place == "after" else f"{self.place}-"
        return f"{place}{short}" + (f":{self.nth}" if self.nth != 1 else "")


def point(text: str, unsaid: str = "after") -> Point:
    """``delta:3``, ``before-created``, ``instead-done``; the place is ``unsaid`` unless said.

    Raises `ConfigurationError` when no event is meant.
    """
    found = _POINT.fullmatch(text)
    event = POINTS.get(found["event"], found["event"]) if found else ""
    if found is None or not _may_come(event):
        close = difflib.get_close_matches(event or text, [*POINTS, *EVENTS])
        meant = f" (did you mean {' or '.join(close)}?)" if close else ""
        known = ", ".join(POINTS)
        raise ConfigurationError(
            f"no such point: {text!r}{meant}; one of {known}, or an event type"
        )
    return Point(event, int(found["nth"] or 1), found["place"] or unsaid)


def _may_come(pattern: str) -> bool:
    return any(fnmatchcase(kind, pattern) for kind in EVENTS)


class Needs(msgspec.Struct, frozen=True):
    """What an event must be to be struck by a fault; ``word`` says it in a message.

    ``kinds``: patterns of its type. ``members``: it must have one of these. ``response``: it must
    belong to a response, which its type alone does not always tell.
    """

    word: str
    kinds: tuple[str, ...] = ("*",)
    members: frozenset[str] = frozenset()
    response: bool = False

    def met_by(self, kind: str, members: frozenset[str]) -> bool:
        """Whether an event of this type, with these members, can be struck."""
        if not any(fnmatchcase(kind, pattern) for pattern in self.kinds):
            return False
        return not self.members or not self.members.isdisjoint(members)

    def found_at(self, where: Point) -> bool:
        """Whether there is any such event at a point."""
        return any(
            fnmatchcase(kind, where.event) and self.met_by(kind, members)
            for kind, members in EVENTS.items()
        )


_OF_RESPONSES = ("response.*", "conversation.item.*")

ANYTHING = Needs("any event")
A_RESPONSE = Needs("an event of a response", _OF_RESPONSES, response=True)
A_RESPONSE_OBJECT = Needs("response.created or response.done", members=frozenset({"response"}))
A_RESPONSE_ID = Needs(
    "an event that names its response", members=frozenset({"response", "response_id"})
)
AN_ITEM = Needs("an event with an item", members=frozenset({"item"}))
AN_ITEM_ID = Needs("an event that names an item", members=frozenset({"item", "item_id"}))
A_CALL = Needs("an event of a function call", members=frozenset({"item", "call_id"}))
A_TRANSCRIPT = Needs("a completed transcription", (POINTS["transcribed"],))
AN_ERROR = Needs("an error", ("error",))
