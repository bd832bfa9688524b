"""Prompts: what a response is asked to answer, seen from the end of its context backwards."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from rejoinder.server import refusals
from rejoinder.server.audio import Format
from rejoinder.server.conversation import Conversation, Entry, check_shape, entry_of
from rejoinder.server.ids import Ids
from rejoinder.server.script import Prompt
from rejoinder.wire.items import Item
from rejoinder.wire.response import ResponseParams


def context_of(
    params: ResponseParams, conversation: Conversation, ids: Ids, form: Format
) -> list[Entry]:
    """The items that the model gets to see; raises `Refusal` for an ``input`` that is not usable."""
    if params.input is UNSET or params.input is None:
        return [entry for entry in conversation if entry.item.type != "mcp_list_tools"]
    context: list[Entry] = []
    for at, item in enumerate(params.input):
        context.append(_given(item, at, conversation, ids, form))
    return context


def _given(item: Item, at: int, conversation: Conversation, ids: Ids, form: Format) -> Entry:
    if item.type != "item_reference":
        check_shape(item, f"response.input[{at}]")
        return entry_of(item, ids, form)
    entry = conversation.find(item.id or "")
    if entry is None:
        path = f"response.input[{at}].id"
        raise refusals.invalid_value(path, item.id, "ids of items in the conversation")
    return entry


def up_to(context: Sequence[Entry], item_id: str | None) -> Sequence[Entry]:
    """The context as it was when this item was the last, or all of it."""
    for at, entry in enumerate(context, start=1):
        if entry.item_id == item_id:
            return context[:at]
    return context


def prompt_of(
    context: Sequence[Entry], params: ResponseParams, instructions: str, *, number: int
) -> Prompt:
    """What the script is shown. ``instructions``: those in force for this response."""
    items = tuple(entry.item for entry in context)
    return Prompt(
        kind=_kind(context),
        text=next((entry.words for entry in reversed(context) if entry.item.role == "user"), ""),
        number=number,
        items=items,
        tool_outputs=_tool_outputs(items),
        instructions=instructions,
        metadata=params.metadata or {},
        out_of_band=params.conversation == "none",
    )


def _kind(context: Sequence[Entry]) -> str:
    last = context[-1].item if context else None
    if last is not None and last.type == "function_call_output":
        return "tool"
    if last is not None and last.type == "mcp_approval_response":
        return "approval"
    if last is None or last.role != "user":
        return "nothing"
    parts = last.content or []
    return "speech" if any(part.type == "input_audio" for part in parts) else "text"


def approved(context: Sequence[Entry]) -> str | None:
    """The request that the client has just allowed, if the context ends with that."""
    last = context[-1].item if context else None
    return last.approval_request_id if last is not None and last.approve else None


def _tool_outputs(items: tuple[Item, ...]) -> dict[str, str]:
    """Outputs at the end of the context, by the name of the function called."""
    names = {item.call_id: item.name or "" for item in items if item.type == "function_call"}
    outputs: dict[str, str] = {}
    for item in reversed(items):
        if item.type == "function_call_output":
            outputs[names.get(item.call_id, "")] = item.output or ""
        elif item.type != "function_call":
            break
    return dict(reversed(outputs.items()))
