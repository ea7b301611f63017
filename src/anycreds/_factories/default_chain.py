"""All order, as data: which providers the default chain asks, in which order, under which names.

A new provider gets one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from . import links

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._core.io import Runtime
    from .._core.provider import Provider


class Link(NamedTuple):
    """One place of the default chain."""

    name: str
    """A stable name for programs."""
    title: str
    """What the AWS "SDKs and Tools" reference calls it."""
    build: Callable[..., Provider]
    options: tuple[str, ...]
    """Which options of the chain it takes."""
    looks_at: str
    """Where it looks, for people."""


_FILES = ("profile", "files", "client_config")  # these are right, or were refused before
_SSO = ("sso_start_url", "sso_account_id", "sso_region", "sso_role_name", "sso_session")
_TOKEN = ("web_identity_token_file", "role_arn", "role_session_name", "role_assumer_with_web_identity")
_HOOKS = ("mfa_code_provider", "role_assumer", "role_assumer_with_web_identity")
_METADATA = ("endpoint", "endpoint_mode", "ec2_metadata_v1_disabled")
_EXCHANGE = ("timeout", "max_retries")

ENVIRONMENT = Link(
    "environment",
    "AWS access keys (environment variables)",
    links.environment,
    (),
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
)
SSO = Link(
    "sso",
    "IAM Identity Center credential provider",
    links.sso,
    (*_FILES, *_SSO),
    "options sso_*, or profile default if it has SSO settings only",
)
TOKEN_FILE = Link(
    "web-identity-token-file",
    "Assume role with web identity (environment variables)",
    links.token_file,
    (*_FILES, *_TOKEN),
    "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN",
)
SHARED_FILES = Link(
    "shared-files",
    "Shared config and credentials files",
    links.shared_files,
    (*_FILES, *_HOOKS, *_METADATA),
    "~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
)
CONTAINER = Link(
    "container",
    "Container credential provider",
    links.container,
    _EXCHANGE,
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
METADATA = Link(
    "imds",
    "IMDS credential provider",
    links.metadata,
    ("files", "profile", *_METADATA, *_EXCHANGE),
    "the EC2 instance metadata service, unless AWS_EC2_METADATA_DISABLED",
)

# Who names a profile wants that one, so it comes first, and keys that merely lie around do not count.
UNNAMED_CHAIN = (ENVIRONMENT, SSO, TOKEN_FILE, SHARED_FILES, CONTAINER, METADATA)
NAMED_CHAIN = (SHARED_FILES, SSO, TOKEN_FILE, CONTAINER, METADATA)


def build_default_chain(runtime: Runtime, options: Mapping[str, Any]) -> tuple[Sequence[Provider], Sequence[Provider]]:
    """Make the providers of the default chain, each with those options that it takes and that are given.

    Returns them in the order without a named profile, and with one. A provider with options that may be wrong is made
    at once, so that they are refused now; any other, when it is asked.
    """
    built = {link: _built(link, runtime, options) for link in UNNAMED_CHAIN}
    return [built[link] for link in UNNAMED_CHAIN], [built[link] for link in NAMED_CHAIN]


def _built(link: Link, runtime: Runtime, options: Mapping[str, Any]) -> Provider:
    given = {name: options[name] for name in link.options if options.get(name) is not None}
    if given.keys() <= {*_FILES, "mfa_code_provider"}:
        return links.Later(link.title, runtime, link.build, given, may_prompt_user="mfa_code_provider" in given)
    return link.build(runtime, **given)
