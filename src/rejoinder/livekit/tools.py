"""LiveKit's tools, as the protocol's function tools."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from livekit.agents import llm

logger = logging.getLogger("rejoinder.livekit")


def describe(tools: Iterable[llm.Tool]) -> tuple[list[dict[str, Any]], list[llm.Tool]]:
    """The tools' wire descriptions, and the tools that remain usable.

    A tool that the protocol cannot express is logged and left out. Provider tools are for other
    providers: they are kept, and not described.
    """
    described: list[dict[str, Any]] = []
    kept: list[llm.Tool] = []
    for tool in tools:
        if isinstance(tool, llm.ProviderTool):
            kept.append(tool)
            continue
        description = _describe(tool)
        if description is None:
            logger.error("tool left out, it cannot be described to the server: %r", tool)
            continue
        described.append(description)
        kept.append(tool)
    return described, kept


def _describe(tool: llm.Tool) -> dict[str, Any] | None:
    if isinstance(tool, llm.FunctionTool):
        description = llm.utils.build_legacy_openai_schema(tool, internally_tagged=True)
    elif isinstance(tool, llm.RawFunctionTool):
        # `meta` is LiveKit's own; servers refuse the whole update for a member they do not know
        description = {k: v for k, v in tool.info.raw_schema.items() if k != "meta"}
        description["type"] = "function"
    else:
        return None
    named = isinstance(description.get("name"), str) and description["name"]
    parameters = description.get("parameters")
    return description if named and isinstance(parameters, dict | None) else None
