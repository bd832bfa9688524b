"""The generated parts of the documents are those of today's code."""

from __future__ import annotations

import pytest

from scripts.docs import PARTS, ROOT, written


@pytest.mark.parametrize(("name", "mark"), PARTS)
def test_a_generated_part_is_up_to_date(name: str, mark: str) -> None:
    text = (ROOT / name).read_text()
    assert f"<!-- {mark}:begin -->" in text
    assert text == written(text, mark, PARTS[name, mark]()), f"{name} is stale: run `make docs`"


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = "before <!-- a:begin -->old<!-- a:end --> after <!-- b:begin -->kept<!-- b:end -->"
    new = "before <!-- a:begin -->\nnew\n<!-- a:end --> after <!-- b:begin -->kept<!-- b:end -->"
    assert written(page, "a", "new") == new
