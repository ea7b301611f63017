"""All order, as data: which providers the default chain asks, in which order, under which names.

A new provider gets one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .providers.container import ContainerProvider
from .providers.environment import EnvironmentProvider
from .providers.imds import InstanceMetadataProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._io import World
    from ._provider import Provider


class Link(NamedTuple):
    """One place of the default chain."""

    title: str
    """What the AWS "SDKs and Tools" reference calls it."""
    build: Callable[..., Provider]
    options: tuple[str, ...]
    """Which options of the chain it takes."""


DEFAULT_CHAIN = (
    Link("AWS access keys (environment variables)", EnvironmentProvider, ()),
    Link("Container credential provider", ContainerProvider, ("timeout", "max_retries")),
    Link("IMDS credential provider", InstanceMetadataProvider,
         ("endpoint", "endpoint_mode", "ec2_metadata_v1_disabled", "timeout", "max_retries")),
)  # fmt: skip


def build_default_chain(world: World, options: Mapping[str, Any]) -> tuple[Provider, ...]:
    """Make the providers of the default chain, each with those options that it takes and that are given."""
    return tuple(
        link.build(world, **{name: options[name] for name in link.options if options.get(name) is not None})
        for link in DEFAULT_CHAIN
    )
