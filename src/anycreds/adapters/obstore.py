"""Credentials for obstore: what its stores take as ``credential_provider``. obstore awaits that on asyncio only."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from .._core.errors import CredentialsError
from .._core.provider import CredentialProvider
from .._factories.chains import cached

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential

if find_spec("obstore") is None:
    raise ImportError("anycreds.adapters.obstore needs obstore: pip install anycreds[obstore]", name="obstore")

# Below 300 s obstore asks anew for each request. A minute more, so that it does not do that almost at once.
ENOUGH = 360.0


class StoreCredentials:
    """A ``credential_provider`` for ``obstore.store.S3Store``.

    ``provider`` is a provider of this library or any async function without arguments. It is cached, so one may serve
    any number of stores. ``region``, if given, is that of the store, and the provider is told of it.

    >>> store = obstore.store.S3Store(
    ...     "bucket", credential_provider=StoreCredentials(anycreds.from_default_chain(), region="eu-central-1")
    ... )
    >>> async def names():
    ...     return [entry["path"] for entry in await obstore.list(store).collect_async()]

    obstore keeps a set until five minutes before its end, and one without an end for ever. So sets are handed out that
    have six minutes left, where the source gives such; where not, obstore asks before each request, and is given what
    is cached. Who cannot get credentials gets obstore's ``UnauthenticatedError``, with the text of the
    ``CredentialsError`` in it.

    **On asyncio only**, and with obstore's async functions: obstore refuses to await on trio, and has no event loop in
    its other functions. Those take ``obstore.auth.boto3.Boto3CredentialProvider`` with a session that
    ``anycreds.adapters.botocore.create_session`` made.
    """

    def __init__(self, provider: CredentialProvider, *, region: str | None = None) -> None:
        self._provider = cached(provider)
        self.config: S3Config = {}  # obstore takes settings of the store from here
        if region is not None:
            self._provider = self._provider.for_client(self._provider._context._replace(region=region))
            self.config["region"] = region

    async def __call__(self) -> S3Credential:
        """Return the set that is good now. Raises a ``CredentialsError`` if there is none."""
        await self._provider()  # raises if there is none, and so what follows is not the first to ask
        try:
            credentials = await self._provider(min_ttl=ENOUGH)
        except CredentialsError:  # there is no longer one
            credentials = await self._provider()
        handed = _Unprintable(
            access_key_id=credentials.access_key_id,
            secret_access_key=credentials.secret_access_key,
            token=credentials.session_token,
            expires_at=credentials.expiration,
        )
        return cast("S3Credential", handed)

    def __repr__(self) -> str:
        return f"<obstore credentials of {self._provider!r}>"


class _Unprintable(dict[str, object]):
    def __repr__(self) -> str:
        return f"<obstore credentials {self['access_key_id']!r}>"
