"""What botocore and its kin take for credentials, and what can be read from a session and a request of theirs.

Nothing of botocore is imported: its objects are known by what they can do.
"""

from __future__ import annotations

from typing import Any

from .._cache.provider import CachedProvider
from .._core.provider import ClientContext

# What services say of a session that has ended: S3 and STS; those that speak JSON; EC2.
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


def caller_of(session: Any) -> ClientContext:
    """Return what somebody set on a session: region and profile, not what files and environment say about them.

    The session's default client configuration comes before its variables, as with botocore.
    """
    variables = session.instance_variables()
    region = getattr(session.get_default_client_config(), "region_name", None) or variables.get("region")
    return ClientContext(region=region or None, profile=variables.get("profile") or None)


def for_session(provider: CachedProvider, session: Any) -> CachedProvider:
    """Return the provider bound to what somebody set on the session; one that is bound already stays as it is."""
    caller = caller_of(session)
    return (
        provider if caller == ClientContext() or provider._context != ClientContext() else provider.for_client(caller)
    )


def says_expired(response: Any) -> bool:
    """Tell whether an answer, as handlers of ``needs-retry`` get it, refuses the session token because of its age."""
    if response is None:
        return False
    return response[1].get("Error", {}).get("Code") in EXPIRED_CODES


def can_be_sent_again(body: Any) -> bool:
    """Tell whether the body of a request can be sent once more. A stream is then at its start."""
    if body is None or isinstance(body, bytes | bytearray | str | dict):
        return True
    try:
        body.seek(0)
    except Exception:  # noqa: BLE001 - streams are foreign code, and have many ways to say that they cannot
        return False
    return True
