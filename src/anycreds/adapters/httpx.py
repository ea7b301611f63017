"""Requests to AWS with httpx, signed with a provider's credentials, on trio and asyncio.

Nothing of botocore is needed: any API of AWS can be called so. Follows the IAM User Guide, page "Create a signed AWS
API request".
"""

from __future__ import annotations

import httpx

from ._expired_session import Peeked
from ._sigv4_auth import SigV4Flow


class _Peeked(Peeked, httpx.AsyncByteStream):
    pass


class SigV4Auth(SigV4Flow[httpx.Request, httpx.Response], httpx.Auth):
    """Signs the requests of an ``httpx.AsyncClient`` (Signature Version 4).

    ``provider`` is a provider of this library or any async function without arguments; it is cached, and asked once
    for each attempt. ``service`` is the name that the service's signatures have, such as ``"dynamodb"`` or
    ``"execute-api"``; ``region`` is the region of the endpoint. One object may serve any number of clients and tasks::

        import httpx
        import anycreds
        from anycreds.adapters.httpx import SigV4Auth

        async def main():
            provider = anycreds.from_default_chain()
            auth = SigV4Auth(provider, service="dynamodb", region="eu-central-1")
            async with httpx.AsyncClient(auth=auth) as client:
                answer = await client.post(
                    "https://dynamodb.eu-central-1.amazonaws.com/",
                    json={},
                    headers={
                        "Content-Type": "application/x-amz-json-1.0",
                        "X-Amz-Target": "DynamoDB_20120810.ListTables",
                    },
                )
                print(answer.json())

    **Bodies** are hashed and signed. One that comes in pieces is sent as it comes, unsigned, to S3 over https (which
    wants a ``Content-Length`` header with it); elsewhere it is read into memory first. A header
    ``x-amz-content-sha256`` of the program's own is believed: the hash, if it is known, or ``UNSIGNED-PAYLOAD``.

    **URLs**: blanks in queries, and what may be encoded in keys of S3, are sent percent-encoded.

    **Expired sessions**: if a service says that the session has ended (``ExpiredToken``, ``ExpiredTokenException`` or
    ``RequestExpired``), the provider's cached set is dropped, and the request is sent once more with a new one, unless
    its body came in pieces. For that the body of an answer with status 400 or 403 is read, up to 64 KiB. The provider
    asks its source once a second at most, so this may wait for a second.

    **Redirects** are never signed: a client with ``follow_redirects=True`` follows them without a signature and without
    the session token, and what becomes of that is the answer. (Transports that know nothing of httpcore's ``trace``
    extension send the token along.) To go on at another place with a signature, send ``answer.next_request``.

    The signature is on ``request.headers`` only as long as the request is on its way.

    Raises ``InvalidConfigurationError`` for names that cannot be right, and, when a request is sent, for headers that
    cannot be signed; what the provider raises passes unchanged. A sync client is refused by a ``RuntimeError``.
    """

    _in_memory = httpx.ByteStream
    _peeked = _Peeked
    _failure = httpx.RequestError
