"""Signed requests to any AWS API with httpx2, the successor of httpx. Needs the extra ``httpx2``."""

from __future__ import annotations

try:
    import httpx2
except ImportError as _error:
    raise ImportError(
        f"anycreds.adapters.httpx2 needs httpx2 ({_error}): pip install anycreds[httpx2]",
        name=_error.name,
        path=_error.path,
    ) from _error

from ._sigv4_auth import SigV4Flow


class Httpx2SigV4Auth(SigV4Flow[httpx2.Request, httpx2.Response], httpx2.Auth, library=httpx2):
    """Sign the requests of an ``httpx2.AsyncClient`` with Signature Version 4. Import it as ``SigV4Auth``.

    Bodies, URLs, expired sessions and redirects are handled as by ``anycreds.adapters.httpx.SigV4Auth``.

    Args:
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``. It
            is cached, and called for each attempt of a request.
        service: The signing name of the service, such as ``"dynamodb"`` or ``"execute-api"``.
        region: The region of the endpoint, such as ``"eu-central-1"``.

    Raises:
        InvalidConfigurationError: ``service`` or ``region`` is malformed or missing, or ``provider`` is not a function.

    Example::

        import httpx2
        import anycreds
        from anycreds.adapters.httpx2 import SigV4Auth

        async def main():
            provider = anycreds.from_default_chain()
            auth = SigV4Auth(provider, service="execute-api", region="eu-central-1")
            async with httpx2.AsyncClient(auth=auth) as client:
                response = await client.get("https://abcdef.execute-api.eu-central-1.amazonaws.com/orders?limit=10")
                print(response.json())

    See:
        IAM User Guide, "Create a signed AWS API request":
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """


SigV4Auth = Httpx2SigV4Auth
