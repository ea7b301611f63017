"""Credentials of a role, from STS with the credentials of a source, or from the user's ``role_assumer``.

The order is: the endpoint, the source, the user with the MFA code, the call. So the user is not prompted for a code
that cannot be used, and no code is sent twice.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..._core.callbacks import Callbacks, RoleAssumer
from ..._core.credentials import Credentials
from ..._core.disk_cache_key import DiskCacheKey
from ..._core.errors import InvalidConfigurationError, RetrievalError
from ..._core.http import Request, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.provider import WHOLE_CONTEXT, ClientContext, Provider
from ..._core.used_files import unrecorded_files
from ..._core.validation import InvalidValueError, check_text
from ..._wire.sigv4 import Scope, check_signable, sign_headers
from ..service.callbacks import call_user_function, credentials_from_callback, fetch_source
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import call_service, start_budget
from .cache_key import cache_name
from .parameters import LONGEST_CHAINED_SESSION, Params
from .requests import FORM_TYPE, assume_role_form
from .responses import CODE_REUSED_HINT, credentials_from, parse_error_response

NAME = "assume role"

# The sources of credentials that are a role's session. AWS lets these assume another role for one hour at most.
_ROLE_SESSIONS = frozenset(
    (NAME, "web identity", "SSO", "EC2 instance metadata", "Cognito identity", "Cognito identity pool")
)
# Seconds for the user to find the device and enter its code.
_PROMPT_TIMEOUT = 5 * 60.0


class Role(NamedTuple):
    """The role to assume."""

    params: Params
    """The validated parameters. Without a ``RoleSessionName``, the session has a default name."""
    description: str
    """The role and where it is configured, for messages."""
    source_setting: str = ""
    """The setting that names its source, for display; empty if the source is an option."""

    def __repr__(self) -> str:
        return f"Role({self.description})"  # context assertions are secrets


class AssumeRoleProvider(Provider):
    """The provider of ``from_temporary_credentials``, and of every ``role_arn`` in a profile.

    The request is signed with the credentials of ``source``. A role with a ``SerialNumber`` requires the callback
    ``mfa_code_provider``.

    See: AWS Security Token Service API Reference, "AssumeRole",
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """

    __slots__ = ("_callbacks", "_endpoints", "_role", "_sent_code", "_source", "_timeout")

    def __init__(
        self,
        runtime: Runtime,
        role: Role,
        source: Provider,
        endpoints: EndpointResolver,
        *,
        callbacks: Callbacks = Callbacks(),  # noqa: B008 - a constant
        timeout: float = 5.0,
    ) -> None:
        super().__init__(
            NAME,
            runtime,
            may_prompt_user="SerialNumber" in role.params or source._may_prompt_user,
            context_fields=WHOLE_CONTEXT,
        )
        self._role = role
        self._source = source
        self._endpoints = endpoints
        self._callbacks = callbacks
        self._timeout = timeout
        self._sent_code = ""

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        needs_code = "SerialNumber" in self._role.params
        io.prompts_user = io.prompts_user or needs_code
        assumer = self._callbacks.role_assumer
        if assumer is None:
            endpoint = await self._endpoints.resolve(io, context, "sts", NAME)
            assume = partial(self._call_sts, io, endpoint)
        else:
            assume = partial(_call_role_assumer, io, assumer)
        with unrecorded_files():  # the session outlives the credentials that it was made with
            source = await fetch_source(self._source, io, context, f"the source of {self._role.description}", NAME)
        self._check_duration(source)
        params = {"RoleSessionName": f"anycreds-{io.time():.0f}", **self._role.params}
        if needs_code:
            params["TokenCode"] = self._sent_code = await self._prompt_for_code(io)
        return await assume(source, params)

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        if self._callbacks.role_assumer is not None:  # its credentials may be those of anything
            return None
        return DiskCacheKey(cache_name(self._role.params), NAME, may_prompt_user=self._may_prompt_user)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        setting = f", with {self._role.source_setting}" if self._role.source_setting else ""
        return [f"{self._role.description}{setting}", *await self._source._describe_sources(io, context)]

    def _check_duration(self, source: Credentials) -> None:
        seconds = self._role.params.get("DurationSeconds", 0)
        if seconds > LONGEST_CHAINED_SESSION and source.source in _ROLE_SESSIONS:
            raise InvalidConfigurationError(
                f"the duration of {self._role.description} is {seconds} s; expected at most {LONGEST_CHAINED_SESSION} "
                f"s, because the source credentials are those of another role ({source.source})",
                source=NAME,
                hint=f"set the duration to {LONGEST_CHAINED_SESSION} s or less",
            )

    async def _prompt_for_code(self, io: Io) -> str:
        function, name = self._callbacks.mfa_code_provider, "mfa_code_provider"
        assert function is not None  # checked by the factory, and when a profile is resolved
        with io.user_prompt(_PROMPT_TIMEOUT, name):
            code = await call_user_function(io, function, (self._role.params["SerialNumber"],), name, NAME)
        try:
            code = check_text(str.strip(code) if isinstance(code, str) else code)
        except InvalidValueError as error:
            raise RetrievalError(f"the code that {name} returned {error}", source=NAME) from None
        if code == self._sent_code:
            raise RetrievalError(f"{name} returned a code that was sent before", source=NAME, hint=CODE_REUSED_HINT)
        return code

    async def _call_sts(self, io: Io, endpoint: ResolvedEndpoint, source: Credentials, params: Params) -> Credentials:
        try:
            check_signable(source)
        except InvalidValueError as error:
            message = f"unable to assume {self._role.description}: {error}"
            raise InvalidConfigurationError(message, source=NAME) from None
        body = assume_role_form(params)

        def sign(now: float) -> Request:
            request = endpoint.request("POST", "/", {"Content-Type": FORM_TYPE}, self._timeout, body)
            scope = Scope(endpoint.region, "sts")
            signed = sign_headers(source, scope, now, "POST", request.url, headers=request.headers, body=body)
            return request._replace(headers={**request.headers, **signed})

        code = params.get("TokenCode", "")
        attempts = 1 if code else endpoint.attempts  # a second attempt could send a code that STS has accepted
        budget = await start_budget(io, attempts * self._timeout)
        result = await call_service(io, sign, parse_error_response, attempts, budget)
        if isinstance(result, TransportFailure) and result.kind == "unreachable":
            self._sent_code = ""  # STS has not received it
        assertions = (context["ContextAssertion"] for context in params.get("ProvidedContexts", ()))
        secrets = (source.secret_access_key, source.session_token or "", code, *assertions)
        description = f"unable to assume {self._role.description}: AssumeRole of {endpoint}"
        return credentials_from(result, "AssumeRole", NAME, description, secrets)


async def _call_role_assumer(io: Io, assumer: RoleAssumer, source: Credentials, params: Params) -> Credentials:
    return await credentials_from_callback(io, assumer, (source, params), "role_assumer", NAME)
