"""Which ear listens: by name, or one of the user's own."""

from __future__ import annotations

from rejoinder.errors import ConfigurationError
from rejoinder.server.core import EarMaker
from rejoinder.server.engines import Ear
from rejoinder.server.gate import settings_of
from rejoinder.server.rules import Json
from rejoinder.server.vad import EnergyVad


def energy_ear(rate: int, turn_detection: Json, at_ms: int) -> Ear:
    """The ear of the base install: by loudness."""
    return EnergyVad(rate, settings_of(turn_detection), at_ms)


def ear_maker(choice: str | EarMaker) -> EarMaker:
    """The ears of this name, ``energy`` or ``speech``; what is no name is returned as it is.

    Raises `ConfigurationError` for another name, and for ``speech`` without the ``livekit`` extra.
    """
    if not isinstance(choice, str):
        return choice
    if choice == "energy":
        return energy_ear
    if choice == "speech":
        return _speech()
    raise ConfigurationError(f"ear {choice!r}: use 'energy', 'speech' or an ear of your own")


def _speech() -> EarMaker:
    try:
        from rejoinder.server.speech_model import speech_ear
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "ear 'speech' needs the model that comes with livekit-agents: "
            "pip install 'rejoinder[livekit]', or use ear='energy'"
        ) from error
    return speech_ear
