"""Requests to AWS with httpx2, the successor of httpx, signed with a provider's credentials, on trio and asyncio.

All is as in ``anycreds.adapters.httpx``. Needs the extra ``httpx2``.
"""

from __future__ import annotations

try:
    import httpx2
except ImportError as error:
    raise ImportError(
        f"anycreds.adapters.httpx2 needs httpx2 ({error}): pip install anycreds[httpx2]",
        name=error.name,
        path=error.path,
    ) from error

from ._expired_session import Peeked
from ._sigv4_auth import SigV4Flow


class _Peeked(Peeked, httpx2.AsyncByteStream):
    pass


class SigV4Auth(SigV4Flow[httpx2.Request, httpx2.Response], httpx2.Auth):
    """Signs the requests of an ``httpx2.AsyncClient`` (Signature Version 4).

    The arguments, what is signed and what happens to expired sessions and redirects are as in
    ``anycreds.adapters.httpx.SigV4Auth``::

        import httpx2
        import anycreds
        from anycreds.adapters.httpx2 import SigV4Auth

        async def main():
            provider = anycreds.from_default_chain()
            auth = SigV4Auth(provider, service="execute-api", region="eu-central-1")
            async with httpx2.AsyncClient(auth=auth) as client:
                answer = await client.get("https://abcdef.execute-api.eu-central-1.amazonaws.com/orders?limit=10")
                print(answer.json())
    """

    _in_memory = httpx2.ByteStream
    _peeked = _Peeked
    _failure = httpx2.RequestError
