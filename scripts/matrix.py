"""Runs the matrix for our own clients and, at their pinned versions, for those of others, and writes
what was seen into `docs/faults.md`. `make matrix` runs it; it takes some twenty minutes.

    python -m scripts.matrix              # run, and write
    python -m scripts.matrix seen.json    # write what `rejoinder faults --json` has seen
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console

from rejoinder.conformance.markdown import comparison
from rejoinder.conformance.report import Report, decode
from rejoinder.conformance.show import show
from scripts.docs import ROOT, written

CLIENTS = (
    "rejoinder",
    "rejoinder.livekit",
    "livekit.plugins.openai.realtime:RealtimeModel",
    "openai",
    "openai-agents",
)
PAGE = ROOT / "docs/faults.md"
MARK = "matrix"


def seen() -> list[Report]:
    """Runs it now."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seen.json"
        show(CLIENTS, (), Console(), json=file)
        return decode(file.read_bytes())


if __name__ == "__main__":
    files = [Path(name) for name in sys.argv[1:]]
    reports = [one for file in files for one in decode(file.read_bytes())] if files else seen()
    PAGE.write_text(written(PAGE.read_text(), MARK, comparison(reports)))
