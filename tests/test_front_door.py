"""The front door: what `import rejoinder` offers, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rejoinder

LAZY = """
import sys
import rejoinder
rejoinder.Timeouts, rejoinder.Completed, rejoinder.ConnectError
loaded = {"aiohttp", "asyncio", "livekit"} & set(sys.modules)
assert not loaded, loaded
rejoinder.connect
assert "aiohttp" in sys.modules and "livekit" not in sys.modules
"""


def test_importing_it_loads_no_socket_library() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", LAZY], check=True, timeout=60)


def test_every_name_is_there() -> None:
    assert sorted(rejoinder.__all__) == rejoinder.__all__
    assert set(rejoinder.__all__) <= set(dir(rejoinder))
    for name in rejoinder.__all__:
        assert getattr(rejoinder, name) is getattr(rejoinder, name)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        rejoinder.nonsense  # noqa: B018 (looking it up is what is tested)


WITHOUT_LIVEKIT = """
import sys
sys.modules["livekit.agents"] = None
try:
    import rejoinder.livekit
except ImportError as error:
    assert "[livekit]" in str(error), error
else:
    raise AssertionError("rejoinder.livekit was imported without LiveKit")
"""

PLUGIN = """
import sys
import rejoinder.pytest_plugin
assert "aiohttp" not in sys.modules
"""


@pytest.mark.parametrize("script", [WITHOUT_LIVEKIT, PLUGIN], ids=["without livekit", "plugin"])
def test_what_is_not_needed_is_not_loaded_or_asked_for_by_name(script: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)
