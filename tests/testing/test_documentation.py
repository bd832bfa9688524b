"""The examples of docs/testing.md, each run by a pytest of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
FILES = dict(
    re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
)
TESTS = [name for name in FILES if name.endswith(".py")]


def test_every_example_is_run() -> None:
    assert len(TESTS) == 4
    blocks = re.findall(r"^```(?:python|yaml)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(blocks) == len(FILES)


@pytest.mark.parametrize("name", TESTS)
def test_an_example_passes_as_it_stands(pytester: pytest.Pytester, name: str) -> None:
    for file, text in FILES.items():
        (pytester.path / file).write_text(text, "utf-8")
    result = pytester.runpytest_subprocess("-q", "-W", "error", name, timeout=80)
    assert result.parseoutcomes().keys() == {"passed"}
