"""Credentials for obstore: the ``credential_provider`` of its stores. obstore awaits it on asyncio only."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from .._core.durations import to_datetime
from .._core.errors import CredentialsError
from .._core.provider import ContextFunction, CredentialProvider
from .._factories.cache import cached

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential

if find_spec("obstore") is None:
    raise ImportError("anycreds.adapters.obstore needs obstore: pip install anycreds[obstore]", name="obstore")

# In seconds. obstore calls its provider for each request once less than 300 s remain; a minute more avoids that.
MIN_TTL = 360.0


class StoreCredentials:
    """A ``credential_provider`` for ``obstore.store.S3Store``.

    obstore caches credentials until five minutes before their expiration, and credentials without an expiration for
    ever. Therefore it gets credentials with at least six minutes of remaining lifetime, if the source issues such.
    Otherwise obstore calls before each request and gets the cached credentials. Credentials without an expiration get
    one in six minutes, so that obstore calls once a minute: their file may change.

    **On asyncio only**, with obstore's async functions: obstore does not await on trio, and its other functions have
    no event loop. For those use ``obstore.auth.boto3.Boto3CredentialProvider`` with a session of
    ``anycreds.adapters.botocore.create_session``.

    Args:
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``. It
            is cached, so one may serve any number of stores.
        region: The store's region, such as ``"eu-central-1"``. It also reaches the provider, as its client context,
            and splits the cache only if the provider depends on the region, as a role of STS does. Default: the
            store's own setting.

    Raises:
        InvalidConfigurationError: ``provider`` is neither a provider nor a function.

    A request raises obstore's ``UnauthenticatedError`` with the text of the provider's ``CredentialsError``.

    Example:
        >>> store = obstore.store.S3Store(
        ...     "bucket", credential_provider=StoreCredentials(anycreds.from_default_chain(), region="eu-central-1")
        ... )
        >>> async def names():
        ...     return [entry["path"] for entry in await obstore.list(store).collect_async()]

    See:
        obstore documentation, "Authentication": https://developmentseed.org/obstore/latest/authentication/
    """

    def __init__(self, provider: CredentialProvider | ContextFunction, *, region: str | None = None) -> None:
        self._provider = cached(provider)
        self.config: S3Config = {}  # obstore reads settings of the store here
        if region is not None:
            self._provider = self._provider.for_client(self._provider._context._replace(region=region))
            self.config["region"] = region

    async def __call__(self) -> S3Credential:
        """Return the current credentials as the dict that obstore expects, whose text contains no secret.

        Returns:
            ``access_key_id``, ``secret_access_key``, ``token`` (None if there is none) and ``expires_at`` (aware UTC
            datetime, in six minutes if the credentials have no expiration).

        Raises:
            CredentialsError: The provider's own error.
        """
        await self._provider()  # raises if there are none, so that the call below cannot hide the reason
        try:
            credentials = await self._provider(min_ttl=MIN_TTL)
        except CredentialsError:  # the source issues none with that lifetime, or it fails
            credentials = await self._provider()
        fields = _StoreCredential(
            access_key_id=credentials.access_key_id,
            secret_access_key=credentials.secret_access_key,
            token=credentials.session_token,
            expires_at=credentials.expiration or to_datetime(self._provider._runtime.time() + MIN_TTL),
        )
        return cast("S3Credential", fields)

    def __repr__(self) -> str:
        return f"<obstore credentials of {self._provider!r}>"


class _StoreCredential(dict[str, object]):
    """obstore's dict, without secrets in its ``repr``."""

    def __repr__(self) -> str:
        return f"<obstore credentials {self['access_key_id']!r}>"
