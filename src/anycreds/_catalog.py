"""All order, as data: which providers the default chain asks, in which order, under which names.

A new provider gets one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ._profile import ProfileProvider
from .providers.container import ContainerProvider
from .providers.environment import EnvironmentProvider
from .providers.imds import InstanceMetadataProvider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._io import World
    from ._provider import Provider


class Link(NamedTuple):
    """One place of the default chain."""

    title: str
    """What the AWS "SDKs and Tools" reference calls it."""
    build: Callable[..., Provider]
    options: tuple[str, ...]
    """Which options of the chain it takes."""


_METADATA_OPTIONS = ("endpoint", "endpoint_mode", "ec2_metadata_v1_disabled", "timeout", "max_retries")

ENVIRONMENT = Link("AWS access keys (environment variables)", EnvironmentProvider, ())
SHARED_FILES = Link("Shared config and credentials files", ProfileProvider, ("profile", "files"))
CONTAINER = Link("Container credential provider", ContainerProvider, ("timeout", "max_retries"))
METADATA = Link("IMDS credential provider", InstanceMetadataProvider, _METADATA_OPTIONS)

# Who names a profile wants that one, so it comes first, and keys that merely lie around do not count.
UNNAMED_CHAIN = (ENVIRONMENT, SHARED_FILES, CONTAINER, METADATA)
NAMED_CHAIN = (SHARED_FILES, CONTAINER, METADATA)


def build_default_chain(world: World, options: Mapping[str, Any]) -> tuple[Sequence[Provider], Sequence[Provider]]:
    """Make the providers of the default chain, each with those options that it takes and that are given.

    Returns them in the order without a named profile, and with one.
    """
    built = {
        link: link.build(world, **{name: options[name] for name in link.options if options.get(name) is not None})
        for link in UNNAMED_CHAIN
    }
    return [built[link] for link in UNNAMED_CHAIN], [built[link] for link in NAMED_CHAIN]
