"""Signatures in URLs, for browsers, database drivers and others without credentials. Nothing is sent.

No HTTP library is needed. A presigned URL grants access until it expires, so it is a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from .._core.durations import as_seconds
from .._core.errors import InvalidConfigurationError, strip_frames
from .._core.http import Url
from .._core.provider import ContextFunction, CredentialProvider
from .._core.validation import InvalidValueError
from .._factories.cache import cached
from .._wire import sigv4
from .._wire.sigv4.canonical_request import encoded
from .._wire.urls import parse_url
from ._request_signing import normalize_target, signing_scope

# In seconds, the default of AWS's JavaScript SDK for presigned URLs.
_EXPIRES = 15 * 60
# In seconds, the longest lifetime that RDS accepts.
_RDS_EXPIRES = 15 * 60


async def presign(
    provider: CredentialProvider | ContextFunction,
    method: str,
    url: str,
    *,
    service: str,
    region: str,
    expires: timedelta | float = _EXPIRES,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return a URL that is a signed request.

    Args:
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``.
        method: The HTTP method of the request, such as ``"GET"``.
        url: The URL to sign, percent-encoded where a URL requires it.
        service: The signing name of the service, such as ``"s3"``.
        region: The region of the endpoint, such as ``"eu-central-1"``.
        expires: The lifetime of the URL: a timedelta, or seconds, from 1 second to 7 days. Default: 15 minutes. The
            URL expires with the credentials if that is earlier; ``await provider(min_ttl=expires)`` before prevents it.
        headers: Headers that the request must have, with these values. Default: none.

    Returns:
        The URL. Treat it as a secret until it expires; HTTP clients log URLs, httpx at level INFO. The body of the
        request is not signed for S3, and must be empty for all other services.

    Raises:
        InvalidConfigurationError: An argument is malformed or missing.
        CredentialsError: The provider's own error.

    Example::

        from urllib.parse import quote
        import anycreds
        from anycreds.adapters.presigning import presign

        async def main():
            provider = anycreds.from_default_chain()
            url = "https://my-bucket.s3.eu-central-1.amazonaws.com/" + quote("reports/März 2026.pdf")
            print(await presign(provider, "GET", url, service="s3", region="eu-central-1", expires=300))

    See:
        Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)":
        https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    scope = signing_scope("presign", service, region)
    seconds = as_seconds("presign: expires", expires)
    try:
        parsed = parse_url(url)
    except InvalidValueError as error:
        strip_frames(error)
        raise InvalidConfigurationError(f"presign: the URL {error}") from None
    endpoint = parsed._replace(target=normalize_target(parsed.target, service))
    query = await _presigned_query("presign", provider, scope, endpoint, int(seconds), method=method, headers=headers)
    return f"{endpoint.origin}{endpoint.target.partition('?')[0]}?{query}"


async def rds_token(
    provider: CredentialProvider | ContextFunction, host: str, port: int, user: str, region: str
) -> str:
    """Return a password for a database user of Amazon RDS or Aurora with IAM database authentication.

    The password is valid for 15 minutes. An open connection outlives it, but each new connection needs a new one: pass
    a function that calls this one to a database driver that takes a function.

    Args:
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``.
        host: The host name of the database itself, not that of a tunnel or proxy to it.
        port: The port of the database itself, from 1 to 65535.
        user: The name of the database user.
        region: The region of the database, such as ``"eu-central-1"``.

    Returns:
        The password, which is a secret.

    Raises:
        InvalidConfigurationError: An argument is malformed or missing.
        CredentialsError: The provider's own error.

    Example::

        import anycreds
        from anycreds.adapters.presigning import rds_token

        async def main():
            provider = anycreds.from_default_chain()
            host = "db.abc123.eu-central-1.rds.amazonaws.com"
            password = await rds_token(provider, host, 5432, "app", "eu-central-1")
            # await asyncpg.connect(host=host, port=5432, user="app", password=password, ssl="require")
            print(len(password))

    See:
        Amazon RDS User Guide, "Connecting to your DB instance using IAM authentication":
        https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
    """
    scope = signing_scope("rds_token", "rds-db", region)
    try:
        parsed = parse_url(f"https://{host}:{port}/")
    except InvalidValueError:
        parsed = None
    if parsed is None or parsed.target != "/":
        raise InvalidConfigurationError(
            "rds_token: host and port are malformed; expected a host name and a number from 1 to 65535"
        )
    if not isinstance(user, str) or not user:
        raise InvalidConfigurationError("rds_token: user is missing; expected the name of a database user")
    endpoint = parsed._replace(target=f"/?Action=connect&DBUser={encoded(user)}")
    query = await _presigned_query("rds_token", provider, scope, endpoint, _RDS_EXPIRES)
    return f"{endpoint.origin.removeprefix('https://')}/?{query}"


async def _presigned_query(
    caller: str,
    provider: CredentialProvider | ContextFunction,
    scope: sigv4.Scope,
    endpoint: Url,
    seconds: int,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> str:
    cached_provider = cached(provider)
    credentials = await cached_provider()
    now = cached_provider._runtime.time()
    try:
        return sigv4.presign(credentials, scope, now, method, endpoint, expires=seconds, headers=headers or {})
    except InvalidValueError as error:
        strip_frames(error)
        raise InvalidConfigurationError(f"{caller}: {error}") from None
