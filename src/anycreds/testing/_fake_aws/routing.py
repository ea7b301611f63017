"""Routes each request to its service, and gives tests the tokens that the services accept."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from .._faults import Expired, OneFault, ServiceError
from . import cognito, metadata, signin, sso, sts
from .messages import FakeRequest, FakeResponse, FakeServiceError, stamp_response
from .state import FakeState

ROUTES = (*metadata.ROUTES, *sts.ROUTES, *sso.ROUTES, *signin.ROUTES, *cognito.ROUTES)
"""The names of all requests, for ``FakeAWS.script`` and ``FakeAWS.count``. Any other request is ``"other"``."""


class _Service(Protocol):
    def respond(self, state: FakeState, request: FakeRequest, expired_ago: float | None = None) -> FakeResponse: ...
    def encode_error(self, error: FakeServiceError) -> FakeResponse: ...


_SERVICES: dict[str, _Service] = {
    **dict.fromkeys(metadata.ROUTES, metadata),
    **dict.fromkeys(sts.ROUTES, sts),
    **dict.fromkeys(sso.ROUTES, sso),
    **dict.fromkeys(signin.ROUTES, signin),
    **dict.fromkeys(cognito.ROUTES, cognito),
}


def route_of(request: FakeRequest) -> str:
    """Return the route of a request. Like an endpoint URL, a service's path may have a prefix."""
    if (route := metadata.route_of(request.path)) != "other":
        return route
    if request.path.endswith(sso.PORTAL_PATH):
        return "sso role"
    if request.path.endswith(signin.PATH):
        return "sign-in token"
    if request.path.endswith(sso.TOKEN_PATH):
        return "sso token"
    if b"x-amz-target" in request.headers:
        return cognito.ACTIONS.get(request.header("x-amz-target"), "other")
    return sts.ACTIONS.get(sts.read_form(request).get("Action", ""), "other") if _is_for_sts(request) else "other"


def respond(state: FakeState, request: FakeRequest, route: str, fault: OneFault | None) -> FakeResponse:
    """Return the response of the service, with credentials unless the fault is an error or lets them expire."""
    service = _service_of(request, route)
    try:
        if isinstance(fault, ServiceError):
            raise FakeServiceError(fault.status, fault.code, fault.message, fault.error)
        response = service.respond(state, request, fault.seconds if isinstance(fault, Expired) else None)
    except FakeServiceError as error:
        response = service.encode_error(error)
    if service is metadata:
        return response
    state.records.responses += 1
    return stamp_response(response, state.records.responses, state.clock.time())


def _service_of(request: FakeRequest, route: str) -> _Service:
    if route in _SERVICES:
        return _SERVICES[route]
    if b"x-amz-target" in request.headers:
        return cognito
    return sts if _is_for_sts(request) else metadata


def _is_for_sts(request: FakeRequest) -> bool:
    if not request.path.endswith("/") or request.path.startswith("/latest/"):
        return False
    return request.method == "POST" or (request.method == "GET" and "Action" in sts.read_form(request))


class FakeServices(FakeState):
    """The state of the services with methods that return what they accept, in the form in which programs find it."""

    def sso_token(
        self,
        *,
        expires_in: float = 3600.0,
        registration_expires_in: float = 90 * 86_400.0,
        region: str = "us-east-1",
        start_url: str = sso.START_URL,
    ) -> dict[str, str]:
        """Sign in at IAM Identity Center and return what ``aws sso login`` writes to the token cache.

        Args:
            expires_in: The lifetime of the access token, in seconds. Negative: the token has expired.
            registration_expires_in: The lifetime of the client registration, in seconds.
            region: The ``region`` in the token file.
            start_url: The ``startUrl`` in the token file.

        Returns:
            The document. The portal and OIDC accept its tokens and its client.
        """
        return sso.new_token(self, expires_in, registration_expires_in, region, start_url)

    def login_token(
        self,
        *,
        expires_in: float = 900.0,
        arn: str | None = None,
        region: str | None = None,
        key_format: Literal["sec1", "pkcs8"] = "sec1",
    ) -> dict[str, Any]:
        """Sign in to the console and return what ``aws login`` writes to its cache, with a new private key.

        Args:
            expires_in: The lifetime of the credentials, in seconds. Negative: the credentials have expired.
            arn: The user who signed in; default: the user who owns the long-term keys.
            region: The ``signInRegion`` in the document; None for none.
            key_format: The PEM encoding of the private key, SEC 1 or PKCS #8.

        Raises:
            RuntimeError: ``cryptography`` is not installed.
        """
        return signin.new_login(self, expires_in, arn, key_format, region)

    def web_identity_token(self, *, expires_in: float = 3600.0) -> str:
        """Return an OpenID Connect token that STS accepts for ``expires_in`` seconds.

        It has the form of a JWT, but not its content.
        """
        secret = self.records.new_secret("web-identity")
        token = f"eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJzdHMuYW1hem9uYXdzLmNvbSJ9.{secret}"
        self.web_identity_tokens[token] = self.clock.time() + expires_in
        return token

    def key_environ(self) -> dict[str, str]:
        """Return the environment variables for the first key pair in ``keys``."""
        access_key_id, secret = next(iter(self.keys.items()))
        return {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": secret}
