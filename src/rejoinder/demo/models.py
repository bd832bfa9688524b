"""The model that the demo talks with: ours, or any other of LiveKit's kind, by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from livekit.agents import llm

from rejoinder.conformance.clients import client
from rejoinder.errors import ConfigurationError

OURS = "rejoinder.livekit:RealtimeModel"


def maker(name: str) -> Callable[..., Any]:
    """What makes the model that is called ``name`` (MODULE:CLASS).

    Raises `ConfigurationError` when there is none, or what it needs is not installed.
    """
    chosen = client(name)
    if chosen.target is None:
        raise ConfigurationError(
            f"{name} is no LiveKit RealtimeModel: the demo takes MODULE:CLASS of one,"
            " such as livekit.plugins.openai.realtime:RealtimeModel"
        )
    return chosen.model()


def keeps_journal(name: str) -> bool:
    """Whether the model takes a ``journal``, by that very name."""
    try:
        return "journal" in inspect.signature(maker(name)).parameters
    except ValueError:  # what is written in C may not say what it takes
        return False


def made(name: str, **options: Any) -> llm.RealtimeModel:
    """The model. Raises `ConfigurationError` when it cannot be made with these options."""
    make = maker(name)
    try:
        model = make(**options)
    except ConfigurationError:
        raise
    except (
        Exception
    ) as error:  # a constructor of others raises what it likes, and its caller is told
        given = ", ".join(options) or "nothing"
        raise ConfigurationError(f"{name} cannot be made with {given}: {error}") from error
    if not isinstance(model, llm.RealtimeModel):
        raise ConfigurationError(f"{name} makes no LiveKit RealtimeModel: {type(model).__name__}")
    return model
