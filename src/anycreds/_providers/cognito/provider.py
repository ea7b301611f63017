"""Credentials of a Cognito identity: of one that is known, or of the one that a pool has for somebody's logins.

An identity, once got, is kept: only the answer that it is gone forgets it. It is never kept for somebody else: where
the logins may become another person's, and nobody says whose they are, the pool is asked each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from ..._config.settings import Setting
from ..._core.credentials import Credentials
from ..._core.errors import InvalidConfigurationError, RetrievalError
from ..._core.http import Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_timeout_and_retries
from ..._wire.service_errors import parse_json_error, service_error, transport_error
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import call_service, start_budget
from .api import HINTS, get_credentials_body, get_id_body, parse_credentials, parse_identity_id, request_headers
from .identity_cache import (
    Identities,
    IdentityCache,
    Login,
    MemoryCache,
    check_identity,
    check_pool,
    tokens_of,
    user_of,
)

IDENTITY = "Cognito identity"
POOL = "Cognito identity pool"
# It is JavaScript's, so that programs in both languages can share a cache.
_KEY = "aws:cognito-identity-credentials"
_GONE = "ResourceNotFoundException"
# A file server that takes longer than this for two small files is down.
_FILES_TIME = 10.0


class CognitoOptions(NamedTuple):
    """What both providers take beside an id."""

    custom_role_arn: str | None = None
    logins: Mapping[str, Login] | None = None
    """Tokens by the name of their provider, or async functions that return them, asked at each attempt."""
    timeout: float = 5.0
    """Seconds for one exchange."""

    def __repr__(self) -> str:
        return "CognitoOptions(...)"  # logins are secrets


class CognitoIdentityProvider(Provider):
    """What ``from_cognito_identity`` makes: credentials of an identity that is known.

    Raises ``InvalidConfigurationError`` for options that cannot be right.
    Follows the Amazon Cognito Identity API reference, page "GetCredentialsForIdentity".
    """

    __slots__ = ("_custom_role_arn", "_endpoints", "_id", "_logins", "_prefix", "_timeout")

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
        check_timeout_and_retries(options.timeout, 0, self._NAME)
        try:
            check_identity(self._OPTION, identity_id, options.custom_role_arn, options.logins)
        except InvalidValueError as error:
            raise InvalidConfigurationError(str(error), source=self._NAME) from None
        self._id = identity_id
        region, colon, _ = identity_id.partition(":")
        self._prefix = Setting(region, f"option {self._OPTION}") if colon and region else None
        self._custom_role_arn = options.custom_role_arn
        self._logins = None if options.logins is None else dict(options.logins)
        self._endpoints = endpoints
        self._timeout = options.timeout

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        with io.deadline(_FILES_TIME, self.name):
            endpoint = await self._endpoints.resolve(
                io, context, "cognito-identity", self.name, fallback_region=self._prefix
            )
        tokens = None if self._logins is None else await tokens_of(io, self._logins, self.name)
        return await self._asked(io, endpoint, tokens)

    async def _asked(self, io: Io, endpoint: ResolvedEndpoint, tokens: dict[str, str] | None) -> Credentials:
        return await self._credentials(io, endpoint, self._id, tokens)

    async def _credentials(
        self, io: Io, endpoint: ResolvedEndpoint, identity_id: str, tokens: dict[str, str] | None
    ) -> Credentials:
        body = get_credentials_body(identity_id, tokens, self._custom_role_arn)
        answer = await self._answer(io, endpoint, "GetCredentialsForIdentity", body, tokens)
        return parse_credentials(answer, self.name, identity_id)

    async def _answer(
        self,
        io: Io,
        endpoint: ResolvedEndpoint,
        operation: Literal["GetId", "GetCredentialsForIdentity"],
        body: bytes,
        tokens: dict[str, str] | None,
    ) -> Response:
        """Return the response with status 200 to one call."""
        request = endpoint.request("POST", "/", request_headers(operation), self._timeout, body)
        budget = await start_budget(io, endpoint.attempts * self._timeout)
        # Nothing in it is signed, so that it is the same at any time.
        answer = await call_service(io, lambda _now: request, parse_json_error, endpoint.attempts, budget)
        asked = f"{operation} of {endpoint}"
        if isinstance(answer, TransportFailure):
            raise transport_error(answer, self.name, asked)
        if answer.status != 200:
            told = parse_json_error(answer, tuple((tokens or {}).values()))
            raise service_error(answer, told, self.name, asked, HINTS)
        return answer


class CognitoIdentityPoolProvider(CognitoIdentityProvider):
    """What ``from_cognito_identity_pool`` makes: credentials of the identity that a pool has for the logins.

    ``cache`` keeps the identity's id, by default this object. Its key is made of the pool's id, ``user_identifier``,
    ``account_id`` if that is given, and the region if that is not the one in the pool's id. Without logins the user is
    ``ANONYMOUS``. With logins and without ``user_identifier`` nobody says whose they are: then ``cache`` is not used;
    this object keeps the id if all logins are texts, which remain one user's, and nothing if one is a function.
    The other options are those of ``CognitoIdentityProvider``.
    Raises ``InvalidConfigurationError`` for options that cannot be right.
    Follows the Amazon Cognito Identity API reference, page "GetId".
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
        try:
            check_pool(account_id, user_identifier, cache, options.logins)
        except InvalidValueError as error:
            raise InvalidConfigurationError(str(error), source=POOL) from None
        self._account_id = account_id
        self._user = user_identifier or user_of(options.logins)
        is_told = user_identifier is not None or not options.logins
        self._identities = Identities(cache if cache is not None and is_told else MemoryCache(), POOL)

    async def _asked(self, io: Io, endpoint: ResolvedEndpoint, tokens: dict[str, str] | None) -> Credentials:
        key = self._key(endpoint)
        kept = None if key is None else await self._identities.find(io, key)
        if kept is not None:
            try:
                return await self._credentials(io, endpoint, kept, tokens)
            except RetrievalError as error:
                if error.code != _GONE:
                    raise
            log("providers.cognito", "info", "the cached identity no longer exists; requesting another from the pool")
            await self._forget(io, key)
        identity_id = await self._new(io, endpoint, tokens)
        if key is not None:  # at once: whatever becomes of the next call, this is who we are
            await self._identities.keep(io, key, identity_id)
        try:
            return await self._credentials(io, endpoint, identity_id, tokens)
        except RetrievalError as error:
            if error.code == _GONE:
                await self._forget(io, key)
            raise

    async def _new(self, io: Io, endpoint: ResolvedEndpoint, tokens: dict[str, str] | None) -> str:
        """Return the identity that the pool has for these logins. Without logins, each is a new one."""
        body = get_id_body(self._id, self._account_id, tokens)
        answer = await self._answer(io, endpoint, "GetId", body, tokens)
        return parse_identity_id(answer, self.name)

    async def _forget(self, io: Io, key: str | None) -> None:
        if key is not None:
            await self._identities.forget(io, key)

    def _key(self, endpoint: ResolvedEndpoint) -> str | None:
        """Return under which key the identity is kept; None: it is not."""
        if self._user is None:
            return None
        parts = [_KEY]
        if self._account_id is not None:
            parts.append(f"account={self._account_id}")
        if self._prefix is None or endpoint.region != self._prefix.value:
            parts.append(f"region={endpoint.region}")
        # The user comes last: whatever name somebody has chosen, it makes no key of another pool or account.
        return ":".join((*parts, self._id, self._user))
