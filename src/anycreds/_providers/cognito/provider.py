"""Credentials of an Amazon Cognito identity: of a known one, or of the one that a pool has for the user's logins.

The ID of an identity that a pool has returned is cached. It is deleted only if Cognito reports that the identity does
not exist. It is never used for another user: if the logins may become another user's, the ID is not cached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from ..._config.settings import Setting
from ..._core.credentials import Credentials
from ..._core.errors import RetrievalError, strip_frames
from ..._core.http import Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._wire.service_errors import parse_json_error, service_error, transport_error
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import call_service, start_budget
from .api import HINTS, get_credentials_body, get_id_body, parse_credentials, parse_identity_id, request_headers
from .identity_cache import IdentityCacheGuard, MemoryIdentityCache, resolve_logins
from .settings import IDENTITY, POOL, CognitoOptions, IdentityCache, default_user_identifier

# JavaScript's prefix, so that programs in both languages can share a cache.
_KEY_PREFIX = "aws:cognito-identity-credentials"
_NOT_FOUND = "ResourceNotFoundException"


class CognitoIdentityProvider(Provider):
    """The provider of an identity whose ID is known.

    See: Amazon Cognito Federated Identities API Reference, "GetCredentialsForIdentity",
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html
    """

    __slots__ = ("_custom_role_arn", "_endpoints", "_id", "_id_region", "_logins", "_timeout")

    _NAME = IDENTITY
    _OPTION = "identity_id"

    def __init__(
        self,
        runtime: Runtime,
        identity_id: str,
        endpoints: EndpointResolver,
        options: CognitoOptions = CognitoOptions(),  # noqa: B008 - a constant
    ) -> None:
        super().__init__(self._NAME, runtime)
        self._id = identity_id
        region, colon, _ = identity_id.partition(":")
        self._id_region = Setting(region, f"option {self._OPTION}") if colon and region else None
        self._custom_role_arn = options.custom_role_arn
        self._logins = None if options.logins is None else dict(options.logins)
        self._endpoints = endpoints
        self._timeout = options.timeout

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        endpoint = await self._endpoints.resolve(
            io, context, "cognito-identity", self.name, fallback_region=self._id_region
        )
        tokens = None if self._logins is None else await resolve_logins(io, self._logins, self.name)
        return await self._load_with(_CognitoClient(io, endpoint, tokens, self._timeout, self.name))

    async def _load_with(self, client: _CognitoClient) -> Credentials:
        return await client.get_credentials(self._id, self._custom_role_arn)


class CognitoIdentityPoolProvider(CognitoIdentityProvider):
    """The provider of the identity that a pool has for the user's logins.

    The ID of the identity is cached in ``cache``; None for this object. The cache is not used if there are logins
    without ``user_identifier``, since the user is unknown. Then this object caches the ID if all logins are strings,
    which belong to one user.

    See: Amazon Cognito Federated Identities API Reference, "GetId",
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
    """

    __slots__ = ("_account_id", "_identities", "_user")

    _NAME = POOL
    _OPTION = "identity_pool_id"

    def __init__(
        self,
        runtime: Runtime,
        identity_pool_id: str,
        endpoints: EndpointResolver,
        options: CognitoOptions = CognitoOptions(),  # noqa: B008 - a constant
        *,
        account_id: str | None = None,
        cache: IdentityCache | None = None,
        user_identifier: str | None = None,
    ) -> None:
        super().__init__(runtime, identity_pool_id, endpoints, options)
        self._account_id = account_id
        self._user = user_identifier or default_user_identifier(options.logins)
        has_user = user_identifier is not None or not options.logins
        used_cache = cache if cache is not None and has_user else MemoryIdentityCache()
        self._identities = IdentityCacheGuard(used_cache, POOL)

    async def _load_with(self, client: _CognitoClient) -> Credentials:
        key = self._cache_key(client.endpoint)
        if key is None:
            identity_id = await client.get_id(self._id, self._account_id)
            return await client.get_credentials(identity_id, self._custom_role_arn)
        if (cached := await self._identities.get(client.io, key)) is not None:
            try:
                return await self._cached_identity_credentials(client, key, cached)
            except RetrievalError as error:
                if error.code != _NOT_FOUND:
                    raise
            log("providers.cognito", "info", "the cached identity no longer exists; requesting another from the pool")
        identity_id = await client.get_id(self._id, self._account_id)
        await self._identities.set(client.io, key, identity_id)  # now, so that it is cached even if the next call fails
        return await self._cached_identity_credentials(client, key, identity_id)

    async def _cached_identity_credentials(self, client: _CognitoClient, key: str, identity_id: str) -> Credentials:
        """Return the credentials of a cached identity. If it does not exist, delete it from the cache."""
        try:
            return await client.get_credentials(identity_id, self._custom_role_arn)
        except RetrievalError as error:
            if error.code == _NOT_FOUND:
                strip_frames(error)
                await self._identities.delete(client.io, key)
            raise

    def _cache_key(self, endpoint: ResolvedEndpoint) -> str | None:
        """Return the key of the identity in the cache; None if it must not be cached."""
        if self._user is None:
            return None
        parts = [_KEY_PREFIX]
        if self._account_id is not None:
            parts.append(f"account={self._account_id}")
        if self._id_region is None or endpoint.region != self._id_region.value:
            parts.append(f"region={endpoint.region}")
        # The user comes last, so that no user identifier results in a key of another pool or account.
        return ":".join((*parts, self._id, self._user))


class _CognitoClient(NamedTuple):
    """Calls Cognito with the tokens of one attempt. Its repr does not show them."""

    io: Io
    endpoint: ResolvedEndpoint
    tokens: Mapping[str, str] | None
    timeout: float
    name: str

    def __repr__(self) -> str:
        return "_CognitoClient()"

    async def get_id(self, pool_id: str, account_id: str | None) -> str:
        """Return the identity that a pool has for the tokens."""
        body = get_id_body(pool_id, account_id, self.tokens)
        return parse_identity_id(await self._call("GetId", body), self.name)

    async def get_credentials(self, identity_id: str, custom_role_arn: str | None) -> Credentials:
        """Return the credentials of an identity."""
        body = get_credentials_body(identity_id, self.tokens, custom_role_arn)
        return parse_credentials(await self._call("GetCredentialsForIdentity", body), self.name, identity_id)

    async def _call(self, operation: Literal["GetId", "GetCredentialsForIdentity"], body: bytes) -> Response:
        """Return the response with status 200 to one call."""
        endpoint = self.endpoint
        request = endpoint.request("POST", "/", request_headers(operation), self.timeout, body)
        budget = await start_budget(self.io, endpoint.attempts * self.timeout)
        # The request is not signed, so it is the same at every attempt.
        result = await call_service(self.io, lambda _: request, parse_json_error, endpoint.attempts, budget)
        description = f"{operation} of {endpoint}"
        if isinstance(result, TransportFailure):
            raise transport_error(result, self.name, description)
        if result.status != 200:
            error = parse_json_error(result, tuple((self.tokens or {}).values()))
            raise service_error(result, error, self.name, description, HINTS)
        return result
