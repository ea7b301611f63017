"""Signed requests to any AWS API with httpx and a provider's credentials, on trio and asyncio, without botocore."""

from __future__ import annotations

import httpx

from ._sigv4_auth import SigV4Flow


class SigV4Auth(SigV4Flow[httpx.Request, httpx.Response], httpx.Auth, library=httpx):
    """Sign the requests of an ``httpx.AsyncClient`` with Signature Version 4.

    One object may serve any number of clients and tasks.

    Args:
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``. It
            is cached, and called for each attempt of a request.
        service: The signing name of the service, such as ``"dynamodb"`` or ``"execute-api"``.
        region: The region of the endpoint, such as ``"eu-central-1"``.

    Raises:
        InvalidConfigurationError: ``service`` or ``region`` is malformed or missing, or ``provider`` is not a function.

    A request raises the provider's ``CredentialsError``, and ``InvalidConfigurationError`` if a header cannot be
    signed. A sync ``httpx.Client`` raises ``RuntimeError``.

    **Bodies** are hashed and signed. A streamed body is sent unsigned to S3 over https, which requires a
    ``Content-Length`` header; for other services it is read into memory first. Your own ``x-amz-content-sha256``
    header (the hash, or ``UNSIGNED-PAYLOAD``) is used as it is.

    **URLs** are sent with spaces in queries, and special characters in keys of S3, percent-encoded.

    **Expired sessions**: if a response with status 400 or 403, of at most 64 KiB, reports one (``ExpiredToken``,
    ``ExpiredTokenException`` or ``RequestExpired``), the cached credentials are invalidated. The request is sent once
    more with new ones, unless its body was streamed. The provider calls its source at most once per second, so the
    second attempt may be delayed by a second.

    **Redirects** are never signed: a client with ``follow_redirects=True`` follows them without a signature and without
    the session token. (A transport without httpcore's ``trace`` extension sends the token along.) To follow one with a
    signature, send ``response.next_request``. The signature is in ``request.headers`` only until the response arrives.

    Example::

        import httpx
        import anycreds
        from anycreds.adapters.httpx import SigV4Auth

        async def main():
            provider = anycreds.from_default_chain()
            auth = SigV4Auth(provider, service="dynamodb", region="eu-central-1")
            headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.ListTables"}
            async with httpx.AsyncClient(auth=auth) as client:
                response = await client.post("https://dynamodb.eu-central-1.amazonaws.com/", json={}, headers=headers)
                print(response.json())

    See:
        IAM User Guide, "Create a signed AWS API request":
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
