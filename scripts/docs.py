"""Writes the generated parts of the documents, between their marks. `make docs` runs it."""

from __future__ import annotations

import re
from pathlib import Path

from rejoinder.core.lifecycle import drawn
from scripts import parity, recovery, tables

ROOT = Path(__file__).parent.parent
PARTS = {
    ("ARCHITECTURE.md", "lifecycle"): drawn,
    ("docs/parity.md", "interface"): parity.drawn,
    ("docs/parity.md", "addresses"): parity.drawn_addresses,
    ("docs/faults.md", "faults"): tables.faults,
    ("docs/behaviour.md", "behaviour"): tables.behaviour,
    ("docs/recovery.md", "diagram"): recovery.diagram,
    ("docs/recovery.md", "phases"): recovery.stations,
    ("docs/recovery.md", "noticing"): recovery.noticing,
    ("docs/recovery.md", "refusals"): recovery.refusals,
    ("docs/recovery.md", "attempts"): recovery.attempts,
    ("docs/recovery.md", "flight"): recovery.flight,
    ("docs/recovery.md", "items"): recovery.items,
    ("docs/recovery.md", "policy"): recovery.policy,
    ("docs/recovery.md", "clocks"): recovery.clocks,
}


def written(text: str, mark: str, part: str) -> str:
    """The text with what stands between the marks replaced by ``part``."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    marks = re.compile(f"{begin}.*?{end}", re.DOTALL)
    return marks.sub(lambda _: f"{begin}\n{part}\n{end}", text)


if __name__ == "__main__":
    for (name, mark), part in PARTS.items():
        page = ROOT / name
        page.write_text(written(page.read_text(), mark, part()))
