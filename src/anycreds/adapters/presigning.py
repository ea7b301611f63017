"""Signatures that stand in a URL: for a browser, a database driver, or whoever else has no credentials.

Nothing is sent, and no HTTP library is needed. What comes out is as secret as what it grants, as long as it grants it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from .._core.credentials import InvalidReason
from .._core.durations import as_seconds
from .._core.errors import InvalidConfigurationError
from .._core.provider import CredentialProvider
from .._factories.chains import cached
from .._wire import sigv4
from .._wire.sigv4.canonical_request import encoded
from .._wire.urls import Url, parse
from ._request_signing import scope_of, unambiguous

# As long as AWS's JavaScript SDK makes presigned URLs last, in seconds.
_EXPIRES = 15 * 60
# RDS takes no longer one: RDS User Guide, "Connecting to your DB instance using IAM authentication". In seconds.
_RDS_EXPIRES = 15 * 60


async def presign(
    provider: CredentialProvider,
    method: str,
    url: str,
    *,
    service: str,
    region: str,
    expires: timedelta | float = _EXPIRES,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return a URL that is a signed request for ``expires`` (a timedelta, or seconds; seven days at most).

    ``service`` and ``region`` are as in ``anycreds.adapters.httpx.SigV4Auth``. ``headers`` have to be sent with it,
    with these values. Whatever URLs cannot hold has to be percent-encoded in ``url``. The body is not signed for S3,
    and has to be empty for all other services. ::

        from urllib.parse import quote
        import anycreds
        from anycreds.adapters.presigning import presign

        async def main():
            provider = anycreds.from_default_chain()
            place = "https://my-bucket.s3.eu-central-1.amazonaws.com/" + quote("reports/März 2026.pdf")
            print(await presign(provider, "GET", place, service="s3", region="eu-central-1", expires=300))

    The URL is a secret while it lasts, and HTTP clients log URLs: httpx at level INFO. It ends with the credentials if
    that is earlier; ``await provider(min_ttl=expires)`` before makes sure that they last, or raises.

    Follows the Amazon S3 API Reference, page "Authenticating Requests: Using Query Parameters". Raises
    ``InvalidConfigurationError`` for arguments that cannot be right; what the provider raises passes unchanged.
    """
    scope = scope_of("presign", service, region)
    seconds = as_seconds("presign: expires", expires)
    place = parse(url)
    if isinstance(place, InvalidReason):
        raise InvalidConfigurationError(f"presign: the URL {place}")
    place = place._replace(target=unambiguous(place.target, service))
    query = await _query("presign", provider, scope, place, int(seconds), method=method, headers=headers)
    return f"{place.origin}{place.target.partition('?')[0]}?{query}"


async def rds_token(provider: CredentialProvider, host: str, port: int, user: str, region: str) -> str:
    """Return the password with which a user of a database signs in to Amazon RDS or Aurora, for 15 minutes.

    ``host`` and ``port`` are the database's own, not those of a tunnel to it. A connection outlives its password; each
    new one needs a new one, so give it to the driver as a function where that takes one::

        import anycreds
        from anycreds.adapters.presigning import rds_token

        async def main():
            provider = anycreds.from_default_chain()
            host = "db.abc123.eu-central-1.rds.amazonaws.com"
            password = await rds_token(provider, host, 5432, "app", "eu-central-1")
            # await asyncpg.connect(host=host, port=5432, user="app", password=password, ssl="require")
            print(len(password))

    Follows the Amazon RDS User Guide, page "IAM database authentication". Raises ``InvalidConfigurationError`` for
    arguments that cannot be right; what the provider raises passes unchanged.
    """
    scope = scope_of("rds_token", "rds-db", region)
    place = parse(f"https://{host}:{port}/")
    if isinstance(place, InvalidReason) or place.target != "/":
        raise InvalidConfigurationError("rds_token: host and port are not a host's name and a number from 1 to 65535")
    if not isinstance(user, str) or not user:
        raise InvalidConfigurationError("rds_token: user is not the name of a database user")
    place = place._replace(target=f"/?Action=connect&DBUser={encoded(user)}")
    query = await _query("rds_token", provider, scope, place, _RDS_EXPIRES)
    return f"{place.origin.removeprefix('https://')}/?{query}"


async def _query(
    who: str,
    provider: CredentialProvider,
    scope: sigv4.Scope,
    place: Url,
    seconds: int,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> str:
    source = cached(provider)
    credentials = await source()
    now = source._runtime.time()
    query = sigv4.presign(credentials, scope, now, method, place, expires=seconds, headers=headers or {})
    if isinstance(query, InvalidReason):
        raise InvalidConfigurationError(f"{who}: {query}")
    return query
