"""The repository keeps its own house rules. What they are and who else watches: CONTRIBUTING.md."""

from __future__ import annotations

import pytest

from tests.house.rules import SOURCE_RULES, Rule
from tests.house.rules_for_tests import TEST_RULES
from tests.house.source import ROOT, repository

REPOSITORY = repository()


@pytest.mark.parametrize("rule", [*SOURCE_RULES, *TEST_RULES], ids=lambda rule: rule.name)
def test_the_repository_keeps(rule: Rule) -> None:
    findings = [finding for source in REPOSITORY for finding in rule.findings(source)]
    if findings:
        pytest.fail(f"house rule {rule.name!r}:\n" + "\n".join(findings), pytrace=False)


def test_the_namespaces_of_livekit_stay_open() -> None:
    inits = [
        p for p in ("src/livekit", "src/livekit/plugins") if (ROOT / p / "__init__.py").exists()
    ]
    assert not inits, f"an __init__.py in {inits} hides the installed livekit wheels: delete it"


def test_the_constraints_are_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    odd = [line for line in lines if line and not line.startswith("#") and line.count("==") != 1]
    assert not odd, f"constraints.txt may hold only name==version: {odd}"
