"""MCP servers that the session's tools name: each is asked for its tools, and the list is an item."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rejoinder.server import rules
from rejoinder.server.audio import SPEECH
from rejoinder.server.conversation import Conversation, Entry
from rejoinder.server.engines import Voice
from rejoinder.server.ids import Ids
from rejoinder.server.rules import Json
from rejoinder.wire import server_events as events
from rejoinder.wire.items import Item
from rejoinder.wire.server_events import ServerEvent


class Hosted:
    """What was asked of which server. What it answers is the voice's to say: nobody is really asked."""

    def __init__(self, ids: Ids, conversation: Conversation, voice: Voice) -> None:
        self._ids = ids
        self._conversation = conversation
        self._voice = voice
        self._known: dict[str, Json] = {}
        self._asked: dict[str, Json] = {}

    def ask(self, tools: Iterable[Json]) -> tuple[list[str], list[ServerEvent]]:
        """Asks every server that is new among these tools, or described anew.

        Returns the ids of the items that the lists will be, and what to tell.
        """
        asked: list[str] = []
        told: list[ServerEvent] = []
        for tool in tools:
            if tool["type"] == "mcp" and self._is_news(tool):
                asked.append(self._ids.new("mcpl"))
                told += self._asking(asked[-1], tool)
        return asked, told

    def _is_news(self, tool: Json) -> bool:
        known = self._known.get(tool["server_label"])
        named_again = not any(way in tool for way in rules.WAYS)
        return known is None or not (known == tool or named_again)

    def _asking(self, item_id: str, tool: Json) -> list[ServerEvent]:
        label = tool["server_label"]
        self._known[label] = self._asked[item_id] = tool
        item = Item(type="mcp_list_tools", id=item_id, server_label=label, tools=[])
        before = self._conversation.add(Entry(item, SPEECH))
        return [
            events.ConversationItemAdded(item=item, previous_item_id=before),
            events.McpListToolsInProgress(item_id=item_id),
        ]

    def asking(self, item_id: str) -> bool:
        """Whether this list is awaited."""
        return item_id in self._asked

    def answer(self, item_id: str) -> list[ServerEvent]:
        """The list has come, or will not: no reason is given, and it may be asked for again."""
        tool = self._asked.pop(item_id)
        tools = self._voice.tools_of(tool["server_label"])
        if tools is None:
            self._known.pop(tool["server_label"], None)
            return [events.McpListToolsFailed(item_id=item_id)]
        completed = events.McpListToolsCompleted(item_id=item_id)
        entry = self._conversation.find(item_id)
        if entry is None:
            return [completed]
        entry.item = msgspec.structs.replace(entry.item, tools=_allowed(tools, tool))
        before = self._conversation.before(entry)
        return [events.ConversationItemDone(item=entry.item, previous_item_id=before), completed]


def _allowed(tools: list[Json], tool: Json) -> list[Json]:
    """Those that the session may use: all, or those named."""
    allowed = tool.get("allowed_tools")
    names = allowed.get("tool_names") if isinstance(allowed, dict) else allowed
    return tools if names is None else [one for one in tools if one["name"] in names]
