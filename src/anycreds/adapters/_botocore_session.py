"""Readers of botocore's sessions, responses and request bodies. Nothing of botocore is imported."""

from __future__ import annotations

from typing import Any

from .._cache.provider import CachedProvider
from .._core.provider import NO_CONTEXT, ClientContext

# The error codes for an expired session: S3 and STS; JSON services; EC2.
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


def client_context(session: Any) -> ClientContext:
    """Return the region and profile that were set on a session, without those of files and environment variables.

    The session's default client configuration takes precedence over its variables, as in botocore.
    """
    variables = session.instance_variables()
    region = getattr(session.get_default_client_config(), "region_name", None) or variables.get("region")
    return ClientContext(region=region or None, profile=variables.get("profile") or None)


def for_session(provider: CachedProvider, session: Any) -> CachedProvider:
    """Return the provider for a session's region and profile; a provider that has a context already keeps it."""
    return provider if provider._context != NO_CONTEXT else provider.for_client(client_context(session))


def is_expired_response(response: Any) -> bool:
    """Return whether a response of ``needs-retry`` has an error code for an expired session."""
    return response is not None and response[1].get("Error", {}).get("Code") in EXPIRED_CODES


def rewind(body: Any) -> bool:
    """Return whether a request body can be sent again; a stream is then at its start."""
    if body is None or isinstance(body, bytes | bytearray | str | dict):
        return True
    try:
        body.seek(0)
    except Exception:  # noqa: BLE001 - a stream is user code, which may raise anything
        return False
    return True
