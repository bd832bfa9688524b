"""Beside the module that the drop-in stands in for: nothing is missing that has no reason."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from livekit.agents import llm
from livekit.agents.llm._realtime import openai_utils
from livekit.plugins import rejoinder as plugin
from livekit.plugins.openai import realtime as upstream

import rejoinder.livekit
from scripts import parity


def test_every_difference_has_a_reason_and_every_reason_a_difference() -> None:
    assert parity.found() == sorted(parity.REASONS)


def test_every_other_address_has_a_reason_and_every_reason_another_address() -> None:
    assert parity.differing() == set(parity.ADDRESS_REASONS)


def test_the_comparison_looks_at_what_matters() -> None:
    """It would be a poor watchman that saw nothing."""
    assert {"RealtimeModel", "GPTLiveModel"} <= parity.public(parity.THEIRS)
    assert {"process_base_url", "RealtimeModel", "lk_oai_debug"} <= parity.public(
        f"{parity.THEIRS}.realtime_model"
    )
    assert "to_turn_detection" in parity.public(f"{parity.THEIRS}.utils")
    for _, theirs, ours in parity.counterparts():
        assert theirs is not ours


@pytest.mark.parametrize("name", upstream.__all__)
def test_the_package_offers_every_name_of_theirs(name: str) -> None:
    assert getattr(rejoinder.livekit, name) is getattr(plugin.realtime, name)
    assert name in rejoinder.livekit.__all__


@pytest.mark.parametrize("module", parity.MODULES)
def test_every_submodule_can_be_reached_as_an_attribute_and_holds_what_it_says(module: str) -> None:
    loaded = importlib.import_module(f"{parity.OURS}.{module}")

    assert getattr(plugin.realtime, module) is loaded
    for name in parity.public(f"{parity.OURS}.{module}"):
        assert hasattr(loaded, name)


@pytest.mark.parametrize("name", sorted(parity.public(f"{parity.THEIRS}.utils")))
def test_helpers_and_defaults_are_livekits_own(name: str) -> None:
    assert getattr(plugin.realtime.utils, name) is getattr(openai_utils, name)


def test_it_is_a_realtime_model_and_a_realtime_session_to_livekit() -> None:
    assert issubclass(plugin.realtime.RealtimeModel, llm.RealtimeModel)
    assert issubclass(plugin.realtime.RealtimeSession, llm.RealtimeSession)


def test_nothing_of_it_needs_the_plugin_that_it_stands_in_for() -> None:
    """`livekit-plugins-openai` is there only for tests."""
    code = (
        "import sys; sys.modules['livekit.plugins.openai'] = None\n"
        "import livekit.plugins.rejoinder.realtime as ours\n"
        "ours.RealtimeModel(api_key='k'); ours.GPTLiveModel(api_key='k')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
