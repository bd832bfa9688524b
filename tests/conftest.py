"""For all tests: no outside network, and the same result every time."""

from __future__ import annotations

import sys

from hypothesis import settings

from tests.house.network import refuse_outside

pytest_plugins = ["pytester"]  # for the examples of the documentation

sys.addaudithook(refuse_outside)

# Derandomized: a run finds what the last run found. Widen a search by hand with
# `--hypothesis-profile=search`.
settings.register_profile("house", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=2000, deadline=None)
settings.load_profile("house")
