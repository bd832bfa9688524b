"""The clients by name, and what has to be loaded for each. Nothing of them is imported before that."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import msgspec

from rejoinder.conformance.driver import Driver
from rejoinder.errors import ConfigurationError

_DRIVERS = "rejoinder.conformance.drivers"


class Client(msgspec.Struct, frozen=True):
    """``driver``: a module of `_DRIVERS` with a class ``Driver``. ``target``: ``MODULE:NAME`` of the
    LiveKit model that it is to drive, if it drives any. ``package``: whose version the matrix shows.
    ``without``: what the driver could do and this client does not offer."""

    name: str
    driver: str
    package: str
    target: str | None = None
    without: frozenset[str] = frozenset()

    @property
    def modules(self) -> list[str]:
        """What a warm process has loaded."""
        target = [self.target.partition(":")[0]] if self.target else []
        return [f"{_DRIVERS}.{self.driver}", *target]

    def load(self) -> Any:
        """The driver's class. Raises `ConfigurationError` when something of it is not installed."""
        driver = _imported(self.name, f"{_DRIVERS}.{self.driver}").Driver
        if self.target:
            self.model()
        return driver

    def abilities(self) -> frozenset[str]:
        """What this client offers to its users. Raises as `load` does."""
        can: frozenset[str] = self.load().can
        return can - self.without

    def model(self) -> Callable[..., Any]:
        """What makes the LiveKit model."""
        module, _, name = (self.target or "").partition(":")
        made: Any = getattr(_imported(self.name, module), name, None)
        if not callable(made):
            raise ConfigurationError(
                f"{self.name}: {module} has no class {name!r}; give MODULE:CLASS of a LiveKit RealtimeModel"
            )
        return made  # type: ignore[no-any-return]

    def version(self) -> str:
        """The version of what is driven: of the package, or what the nearest module says of itself."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return _version_of(self.package)

    def make(self, url: str) -> Driver:
        """A driver for the server at ``url``."""
        driver = self.load()
        made: Driver = driver(url, self.model()) if self.target else driver(url)
        return made


_ONE_AT_A_TIME = frozenset({"pair"})
"""LiveKit says of realtime models that most cannot generate several responses at the same time."""

_KNOWN = {
    one.name: one
    for one in (
        Client("rejoinder", "rejoinder", "rejoinder"),
        Client("rejoinder.livekit", "livekit", "rejoinder", "rejoinder.livekit:RealtimeModel"),
        Client("openai", "openai_sdk", "openai"),
        Client("openai-agents", "openai_agents", "openai-agents"),
    )
}


def client(name: str) -> Client:
    """A client by its name, or any LiveKit `RealtimeModel` as ``MODULE:CLASS``.

    Raises `ConfigurationError` for another name.
    """
    if name in _KNOWN:
        return _KNOWN[name]
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise ConfigurationError(
            f"no client is called {name!r}: say {', '.join(_KNOWN)}, or MODULE:CLASS of a LiveKit RealtimeModel"
        )
    return Client(name, "livekit", module, name, _ONE_AT_A_TIME)


def _version_of(module: str) -> str:
    while module:
        told = getattr(sys.modules.get(module), "__version__", None)
        if isinstance(told, str):
            return told
        module = module.rpartition(".")[0]
    return "unknown"


def _imported(name: str, module: str) -> Any:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does: one's own models stand there
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = " (rejoinder's extra [livekit])" if error.name == "livekit" else ""
        raise ConfigurationError(
            f"{name}: cannot import {module} ({error}); install what it needs{extra}"
        ) from error
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"{name}: {module} cannot be imported: {why}") from error
