"""Options of the providers that a profile describes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..._config.client_config import ClientConfig
from ..._core.callbacks import Callbacks


class BuildOptions(NamedTuple):
    """Options that the program gives for all providers of a profile."""

    config: ClientConfig | None = None
    callbacks: Callbacks = Callbacks()
    timeout: float | None = None
    """Seconds for one exchange with a service; None for the default of each provider."""
    metadata: Mapping[str, Any] = MappingProxyType({})
    """``timeout`` and ``max_retries`` of container and EC2 metadata, if they are given."""
    imds: Mapping[str, Any] = MappingProxyType({})
    """Other options for ``credential_source = Ec2InstanceMetadata``."""
