"""The fixtures of `rejoinder.testing`. Loaded by every pytest run, so it loads nothing before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rejoinder.testing import Run, Serve, ServeLive

__all__ = ["live_realtime_server", "realtime_server", "run"]


@pytest.fixture
def run() -> Run:
    """Runs a coroutine in virtual time and checks that it leaves nothing behind: `run_virtual`."""
    from rejoinder.testing import run_virtual

    return run_virtual


@pytest.fixture
def realtime_server() -> Serve:
    """Serves the protocol on loopback, inside the test's own loop: ``async with realtime_server(...) as
    server``, whose ``url`` is a ``base_url``. What it says is a script, in Python or the path of a YAML file;
    what goes wrong are faults."""
    from rejoinder.server.serve import serve

    return serve


@pytest.fixture
def live_realtime_server() -> ServeLive:
    """The same in a thread and an event loop of its own, for code that has none or another: ``with
    live_realtime_server(...) as server``. Its time is real."""
    from rejoinder.testing import live_server

    return live_server
