"""What `make matrix` wrote into docs/faults.md is about today's pins, and about cells that there are."""

from __future__ import annotations

import re

from rejoinder.conformance.cells import CASES
from scripts.docs import ROOT
from scripts.matrix import CLIENTS, MARK, PAGE

PINNED = {
    "livekit.plugins.openai.realtime:RealtimeModel": "livekit-plugins-openai",
    "openai": "openai",
    "openai-agents": "openai-agents",
}


def part() -> str:
    found = re.search(f"<!-- {MARK}:begin -->(.*)<!-- {MARK}:end -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def versions() -> dict[str, str]:
    lines = re.findall(r"^\| `([^`]+)` \| ([^ |]+) \| \d+ \|", part(), re.MULTILINE)
    return dict(lines)


def test_every_client_was_seen() -> None:
    assert list(versions()) == list(CLIENTS)


def test_others_were_seen_at_their_pins() -> None:
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    seen = {client: versions()[client] for client in PINNED}
    assert seen == {client: pins[package] for client, package in PINNED.items()}, (
        "run `make matrix`"
    )


def test_the_cells_shown_are_those_there_are() -> None:
    sections = re.split(r"^### (\w+)$", part(), flags=re.MULTILINE)
    shown = {
        name: set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
    }
    assert shown == {name: {case.name for case in cases} for name, cases in CASES.items()}
