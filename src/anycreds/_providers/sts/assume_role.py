"""Credentials of a role, asked from STS with the credentials of a source; or from the program's own ``role_assumer``.

The source comes first, then the person with the MFA code, if one is needed, and then STS: nobody is asked for a code
in vain, and none is sent twice.
"""

from __future__ import annotations

from typing import NamedTuple

from ..._core.callbacks import Callbacks
from ..._core.credentials import Credentials
from ..._core.errors import CredentialsError, InvalidConfigurationError, RetrievalError
from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.provider import WHOLE_CONTEXT, ClientContext, Provider
from ..._core.validation import InvalidValueError, check_text, check_timeout_and_retries
from ..._wire.service_errors import service_error, transport_error
from ..._wire.sigv4 import Scope, check_signable, sign_headers
from ..service.callbacks import call_user_function, credentials_from_callback, fetch_source
from ..service.calling import call
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import GRACE, start_budget
from .parameters import LONGEST_CHAINED_SESSION, Params, missing_mfa_callback
from .requests import FORM_TYPE, assume_role_form
from .responses import HINTS, parse_credentials, parse_error_response

NAME = "assume role"

# How people are told where sessions of roles come from; AWS lets these assume another role for one hour at most.
_ROLE_SESSIONS = frozenset(
    (NAME, "web identity", "SSO", "EC2 instance metadata", "Cognito identity", "Cognito identity pool")
)
# A person has to find the device first.
_ASKING_TIME = 5 * 60.0
# As long as a flight: the program's own function has no other bound.
_HOOK_TIME = 60.0
# A file server that takes longer than this for two small files is down.
_FILES_TIME = 10.0
# How STS says that a code is wrong or was used before; its error code is that of every refusal.
_WRONG_CODE = "invalid MFA one time pass code"
_SENT_IN_VAIN = "codes change every 30 s, and AWS takes each of them once; wait for the next one"
_CHAINED_HINT = f"set the duration to {LONGEST_CHAINED_SESSION} s or less"


class Role(NamedTuple):
    """What to assume."""

    params: Params
    """Checked; without session name where the default serves."""
    told: str
    """The role and where it is configured, for people."""
    source: str = ""
    """What names its source, and where, for people; empty: the program has given that itself."""

    def __repr__(self) -> str:
        return f"Role({self.told})"  # the assertions of contexts are secrets


class AssumeRoleProvider(Provider):
    """What ``from_temporary_credentials`` makes, and ``from_ini`` for every ``role_arn``.

    ``timeout``: seconds for one exchange with STS.
    Raises ``InvalidConfigurationError`` for an MFA device without a function to ask for its code.
    Follows the AWS STS API reference, "AssumeRole", and the AWS "SDKs and Tools" reference, page "Assume role
    credential provider".
    """

    __slots__ = ("_callbacks", "_endpoints", "_role", "_source", "_spent", "_timeout")

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
        check_timeout_and_retries(timeout, 0, NAME)
        if "SerialNumber" in role.params and callbacks.mfa_code_provider is None:
            raise InvalidConfigurationError(missing_mfa_callback(role.told), source=NAME)
        self._role = role
        self._source = source
        self._endpoints = endpoints
        self._callbacks = callbacks
        self._timeout = timeout
        self._spent = ""

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        io.prompts_user = io.prompts_user or "SerialNumber" in self._role.params
        endpoint = await self._place(io, context)
        if isinstance(endpoint, InvalidConfigurationError):
            raise endpoint
        source = await fetch_source(self._source, io, context, f"the source of {self._role.told}", NAME)
        if problem := self._chaining_problem(source):
            raise problem
        return await self._assumed(io, endpoint, source)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        source = f", with {self._role.source}" if self._role.source else ""
        return [f"{self._role.told}{source}", *await self._source._describe_sources(io, context)]

    async def _place(self, io: Io, context: ClientContext) -> ResolvedEndpoint | InvalidConfigurationError | None:
        """Return where STS is called; None: it is not, as the program does that itself."""
        if self._callbacks.role_assumer is not None:
            return None
        with io.deadline(_FILES_TIME, self.name):
            return await self._endpoints.resolve(io, context, "sts", NAME)

    def _chaining_problem(self, source: Credentials) -> InvalidConfigurationError | None:
        seconds = self._role.params.get("DurationSeconds", 0)
        if seconds <= LONGEST_CHAINED_SESSION or source.source not in _ROLE_SESSIONS:
            return None
        return InvalidConfigurationError(
            f"{self._role.told} is to be assumed for {seconds} s, but with credentials of another role "
            f"({source.source}), for which AWS allows {LONGEST_CHAINED_SESSION} s at most",
            source=NAME,
            hint=_CHAINED_HINT,
        )

    async def _assumed(self, io: Io, endpoint: ResolvedEndpoint | None, source: Credentials) -> Credentials:
        params = {"RoleSessionName": f"anycreds-{io.time():.0f}", **self._role.params}
        if "SerialNumber" in params:
            params["TokenCode"] = await self._code(io)
        if endpoint is None:
            assert self._callbacks.role_assumer is not None  # else there is a place
            self._spent = params.get("TokenCode", "")
            with io.deadline(_HOOK_TIME, "role_assumer"):
                assumed = await credentials_from_callback(
                    self._callbacks.role_assumer, (source, params), "role_assumer", NAME
                )
            if isinstance(assumed, CredentialsError):
                raise assumed
            return assumed
        return await self._asked(io, endpoint, source, params)

    async def _code(self, io: Io) -> str:
        """Ask for an MFA code, and only now, as all else is there."""
        assert self._callbacks.mfa_code_provider is not None  # checked when this was made
        with io.user_prompt(_ASKING_TIME, "mfa_code_provider"):
            arguments = (self._role.params["SerialNumber"],)
            code = await call_user_function(self._callbacks.mfa_code_provider, arguments, "mfa_code_provider", NAME)
        if isinstance(code, CredentialsError):
            raise code
        try:
            code = check_text(str.strip(code) if isinstance(code, str) else code)
        except InvalidValueError as error:
            raise RetrievalError(f"the code that mfa_code_provider returned {error}", source=NAME) from None
        if code == self._spent:
            message = "mfa_code_provider returned a code that was sent before"
            raise RetrievalError(message, source=NAME, hint=_SENT_IN_VAIN)
        return code

    async def _asked(self, io: Io, endpoint: ResolvedEndpoint, source: Credentials, params: Params) -> Credentials:
        try:
            check_signable(source)
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"to assume {self._role.told}: {error}", source=NAME) from None
        body = assume_role_form(params)

        def make(now: float) -> Request:
            request = endpoint.request("POST", "/", {"Content-Type": FORM_TYPE}, self._timeout, body)
            scope = Scope(endpoint.region, "sts")
            signed = sign_headers(source, scope, now, "POST", request.url, headers=request.headers, body=body)
            return request._replace(headers={**request.headers, **signed})

        code = params.get("TokenCode")
        attempts = 1 if code else endpoint.attempts  # a code is good for one call, whatever became of that
        seconds = attempts * self._timeout
        before, self._spent = self._spent, code or self._spent  # also if it is cancelled
        with io.deadline(seconds + GRACE, self.name):
            answer = await call(io, make, parse_error_response, attempts, await start_budget(io, seconds))
        if isinstance(answer, TransportFailure) and answer.kind == "unreachable":
            self._spent = before
        assertions = (context["ContextAssertion"] for context in params.get("ProvidedContexts", ()))
        secrets = (source.secret_access_key, source.session_token or "", code or "", *assertions)
        return _read(answer, f"AssumeRole for {self._role.told} of {endpoint}", secrets)


def _read(answer: Response | TransportFailure, asked: str, secrets: tuple[str, ...]) -> Credentials:
    if isinstance(answer, TransportFailure):
        raise transport_error(answer, NAME, asked)
    if answer.status != 200:
        told = parse_error_response(answer, secrets)
        hints = {**HINTS, told.code or "": _SENT_IN_VAIN} if _WRONG_CODE in told.message else HINTS
        raise service_error(answer, told, NAME, asked, hints)
    return parse_credentials(answer, "AssumeRole", NAME, secrets)
