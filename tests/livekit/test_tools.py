"""LiveKit's tools, as the server is told of them."""

from __future__ import annotations

import logging

import pytest
from livekit.agents import function_tool, llm

from rejoinder.livekit.tools import describe
from rejoinder.testing import Run
from tests.livekit.talk import talking


@function_tool
async def weather(city: str, days: int = 1) -> str:
    """The weather to come.

    Args:
        city: Where.
        days: How far ahead.
    """
    return f"sunny in {city} for {days} days"


@function_tool(
    raw_schema={
        "name": "raw",
        "description": "Raw.",
        "parameters": {"type": "object", "properties": {}},
        "meta": {"private": True},
    }
)
async def raw(raw_arguments: dict[str, object]) -> str:
    return str(raw_arguments)


class Search(llm.ProviderTool):
    """A tool of somebody else's."""


class Alien(llm.Tool):
    """A kind of tool that nobody has heard of."""

    @property
    def id(self) -> str:
        return "alien"


def test_a_function_tool() -> None:
    described, kept = describe([weather])

    assert kept == [weather]
    assert described[0]["type"] == "function"
    assert described[0]["name"] == "weather"
    assert described[0]["description"] == "The weather to come.\n"
    assert set(described[0]["parameters"]["properties"]) == {"city", "days"}


def test_a_raw_tool_without_livekits_own_member() -> None:
    described, kept = describe([raw])

    assert kept == [raw]
    assert described == [
        {
            "type": "function",
            "name": "raw",
            "description": "Raw.",
            "parameters": {"type": "object", "properties": {}},
        }
    ]
    assert "meta" in raw.info.raw_schema


def test_a_provider_tool_is_kept_and_not_described() -> None:
    search = Search(id="search")

    assert describe([search]) == ([], [search])


def test_a_tool_that_cannot_be_described_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="rejoinder.livekit"):
        described, kept = describe([Alien(), weather])

    assert [tool["name"] for tool in described] == ["weather"]
    assert kept == [weather]
    assert "left out" in caplog.text


def test_tools_of_every_kind_together(run: Run) -> None:
    search = Search(id="search")

    async def main() -> None:
        async with talking() as talk:
            await talk.session.update_tools([weather, raw, search, Alien()])

            told = talk.peer.core.settings.config["tools"]
            assert [tool["name"] for tool in told] == ["weather", "raw"]
            assert talk.session.tools.flatten() == [weather, raw, search]
            assert talk.session.tools is not talk.session.tools

    run(main())
