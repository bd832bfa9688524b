"""Where a model's server is, and what opens its door: OpenAI's own, another's like it, or Azure's.

A key that was set for one company is never sent to another one's host: an Azure endpoint takes no key
from ``OPENAI_API_KEY``, and no setting in the environment makes a plain model an Azure one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from rejoinder.client import options as client_options
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import options
from rejoinder.wire.dialects import AZURE, OPENAI, Dialect, azure_legacy, bearer
from rejoinder.wire.session import SessionConfig

logger = logging.getLogger("rejoinder.livekit")

OPENAI_BASE_URL = "https://api.openai.com/v1"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """``base_url`` and ``model`` (or deployment) make the address; ``headers`` hold the credentials."""

    dialect: Dialect
    base_url: str
    model: str | None
    headers: Mapping[str, str]

    @property
    def provider(self) -> str:
        """Host and port of the server."""
        return urlsplit(self.base_url).netloc

    def initial(self, model: str) -> SessionConfig:
        """The session that results when no option is given.

        It names the model only where the address does: elsewhere that is a deployment with a name of
        its own. A server with an older API is not told of what is off anyway: it may not know the
        member, and would refuse the whole update for it.
        """
        named = model if model == self.model else UNSET
        return options.initial(named, off=UNSET if self.dialect.unknown else None)

    def __repr__(self) -> str:
        return f"<Endpoint {self.provider}, {self.dialect.name}>"  # the key is nobody's business


class Azure(NamedTuple):
    """The options of which any means Azure."""

    deployment: str | None
    entra_token: str | None
    api_version: str | None


def reach(model: str, base_url: str | None, api_key: str | None, azure: Azure) -> Endpoint:
    """The endpoint that these options of a model mean.

    Raises `ConfigurationError` naming the option that is missing or cannot be used.
    """
    if azure == Azure(None, None, None):
        return _endpoint(OPENAI, base_url, model, api_key, {})
    version = azure.api_version or os.environ.get("OPENAI_API_VERSION")
    if version:
        logger.warning(
            "Azure's preview API (api_version, or OPENAI_API_VERSION in the environment) is "
            "deprecated: leave the version out, and the deployment is reached by the API of today"
        )
    dialect = azure_legacy(version) if version else AZURE
    token = bearer(azure.entra_token or None, "entra_token")
    return _endpoint(dialect, base_url, azure.deployment, api_key or None, token)


def home_of_azure(azure_endpoint: str | None, base_url: str | None) -> str | None:
    """The base URL that either of these options means; None leaves it to the environment.

    Raises `ConfigurationError` when both are given.
    """
    if base_url is not None and azure_endpoint is not None:
        raise ConfigurationError("base_url and azure_endpoint are mutually exclusive: give one")
    return base_url or AZURE.home({AZURE.home_variable: azure_endpoint or ""})


def process_base_url(
    url: str,
    model: str,
    is_azure: bool = False,
    azure_deployment: str | None = None,
    api_version: str | None = None,
) -> str:
    """The WebSocket address of a session: `rejoinder.wire.dialects.Dialect.url` under the name, and
    with the arguments, of ``livekit.plugins.openai.realtime.realtime_model.process_base_url``."""
    if not is_azure:
        return OPENAI.url(url, model)
    return (azure_legacy(api_version) if api_version else AZURE).url(url, azure_deployment)


def _endpoint(
    dialect: Dialect,
    base_url: str | None,
    model: str | None,
    api_key: str | None,
    token: dict[str, str],
) -> Endpoint:
    url = client_options.address(base_url, model, dialect)
    headers = client_options.credentials(api_key, token, url, dialect)
    if token and api_key is not None:
        headers |= dialect.headers(api_key)
    return Endpoint(
        dialect=dialect,
        base_url=base_url or dialect.home(os.environ) or "",
        model=model,
        headers=headers,
    )
