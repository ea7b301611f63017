"""Identifies credentials in a cache on disk."""

from __future__ import annotations

from typing import NamedTuple


class DiskCacheKey(NamedTuple):
    """Identifies the credentials that a provider would return, in the way of the AWS CLI."""

    name: str
    """The name of the file, without its suffix; empty if the AWS CLI does not cache such credentials on disk."""
    source: str
    """The provider of the credentials, as in ``Credentials.source``; empty if it is not known."""
    provider_type: str | None = None
    """The ``ProviderType`` in the file. By it, ``aws sso logout`` finds what to delete."""
    may_prompt_user: bool = False
    """Whether it may prompt the user for an MFA code."""


# What to do where a provider has no such key.
KEY_HINT = "pass key=, a text that names these credentials for all programs that use the directory"
NOT_ON_DISK = DiskCacheKey("", "")
