"""``FakeAWS``: AWS's credential services on a loopback socket, with recorded requests and scripted faults."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, Unpack

from anyio.from_thread import start_blocking_portal

from .._faults import Fault, Forever, Hang, OneFault, Raw
from .messages import FakeRequest
from .metadata import CONTAINER_PATH
from .recording import Exchange, parameters_of, signed_for
from .routing import ROUTES, FakeServices, respond, route_of
from .server import LoopbackServer
from .state import FakeServiceSettings, FakeSettings
from .steps import Script, replacement, steps_for


class FakeAWS(FakeServices, LoopbackServer):
    """AWS's credential services on one loopback port. Each rejects what the real service rejects.

    The services are EC2 instance metadata (IMDSv2), container credentials (ECS, EKS), STS (verifies signatures), the
    portal and the OIDC service of IAM Identity Center, sign-in (``aws login``; verifies DPoP proofs, which needs
    ``cryptography``) and Cognito identity pools. ``ROUTES`` lists the supported requests.

    ``async with FakeAWS() as aws:`` serves on the running event loop, trio or asyncio. ``with FakeAWS.in_thread() as
    aws:`` serves from a new thread, for code without an event loop. ``metadata_environ()``, ``container_environ()`` and
    ``service_environ()`` return the environment variables that point an AWS SDK at the fake. ``key_environ()``,
    ``web_identity_token()``, ``sso_token()`` and ``login_token()`` return keys and tokens that the services accept.

    ``latency`` and all ``settings`` that follow it are also attributes, and may be changed while the fake serves.

    Args:
        host: The loopback address to serve at, ``"127.0.0.1"`` (default) or ``"::1"``.
        latency: Seconds before each response (default: 0).
        role_name: The role of the instance; None: it has no role, and the list of roles returns 404.
        lifetime: The lifetime of issued credentials, in seconds (default: 6 hours), unless a request specifies it.
        token_ttl: The maximum lifetime of an IMDSv2 token, in seconds; None (default): the requested one.
        sticky: Return the same credentials until five minutes before they expire, as EC2 does, instead of new ones for
            each request (default: False).
        clock: The clock of all times; default: the system's.
        account_id: The account of all roles and users (default: ``"123456789012"``).
        imds_v1: Accept metadata requests without a token (default: False).
        token_status: Reject requests for an IMDSv2 token with this status; None (default): accept them.
        region: The region that STS requests must be signed for; None (default): any region.
        keys: The long-term keys of a user, secrets by access key id (default: one key).
        roles: The roles that STS can assume, ``RoleTrust`` by ARN; None (default): any role, unconditionally.
        web_identity_tokens: The tokens that STS accepts, expiration in seconds since 1970 by token (default: none).
        sso_roles: The names of the roles by account; None (default): any role of any account.
        sso_token_lifetime: The lifetime of access tokens from OIDC, in seconds (default: 1 hour).
        sso_refresh: The refresh token in OIDC's responses: ``"rotate"`` (default; a new one), ``"keep"`` (the same) or
            ``"omit"`` (none).
        login_lifetime: The lifetime of credentials from sign-in, in seconds (default and maximum: 900).
        login_error: The error with which sign-in denies access, such as ``"TOKEN_EXPIRED"``; None (default): it
            grants access.
        cognito_pools: ``IdentityPool`` by id (default: one pool, for guests).

    Attributes:
        exchanges: The requests, each an ``Exchange``.
        issued: The number of issued credentials.
        connections: The number of accepted connections.
        reused_refresh_tokens: The number of requests with a refresh token that had been used before.

    Example::

        async with FakeAWS(latency=0.1) as aws:
            aws.script("role", Status(500), Hang())
            provider = anycreds.from_instance_metadata(endpoint=aws.metadata_url)
            credentials = await provider()
            assert aws.count("token") == 1
    """

    def __init__(
        self, *, host: str = "127.0.0.1", latency: float = 0.0, **settings: Unpack[FakeServiceSettings]
    ) -> None:
        FakeServices.__init__(self, **settings)
        LoopbackServer.__init__(self, host)
        self.latency = latency
        self.exchanges: list[Exchange] = []
        self._scripts: dict[str, deque[Fault]] = {route: deque() for route in ROUTES}

    @property
    def metadata_url(self) -> str:
        """The endpoint of the instance metadata service. Raises ``RuntimeError`` if the fake is not serving."""
        return self.service_url

    @property
    def container_url(self) -> str:
        """The full URI of the container credentials. Raises ``RuntimeError`` if the fake is not serving."""
        return self.service_url + CONTAINER_PATH

    def metadata_environ(self) -> dict[str, str]:
        """Return the environment variables that point an AWS SDK at the instance metadata."""
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata_url, "AWS_EC2_METADATA_DISABLED": "false"}

    def container_environ(self) -> dict[str, str]:
        """Return the environment variables that point an AWS SDK at the container credentials."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.container_url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.container_token,
        }

    def service_environ(self) -> dict[str, str]:
        """Return the environment variable that points an AWS SDK at STS and the other services."""
        return {"AWS_ENDPOINT_URL": self.service_url}

    def count(self, route: str | None = None) -> int:
        """Return the number of requests.

        Args:
            route: One of ``ROUTES``. Default: None, all of them.
        """
        return sum(route in (None, exchange.route) for exchange in self.exchanges)

    def script(self, route: str, *faults: Fault) -> None:
        """Apply faults to the next requests, one fault to each, in order. Later requests succeed again.

        Args:
            route: One of ``ROUTES``.
            faults: Appended to the faults that are already scripted for the route.

        Raises:
            ValueError: There is no such route.
        """
        if route not in self._scripts:
            raise ValueError(f"no route {route!r}; there is {', '.join(ROUTES)}")
        self._scripts[route].extend(faults)

    def restore(self) -> None:
        """Remove all scripted faults, ``Forever`` included."""
        for script in self._scripts.values():
            script.clear()

    @classmethod
    @contextmanager
    def in_thread(cls, **settings: Unpack[FakeSettings]) -> Iterator[Self]:
        """Serve from a new thread within ``with``. ``settings`` are the arguments of the class."""
        aws = cls(**settings)
        with start_blocking_portal("asyncio", name="FakeAWS") as portal, portal.wrap_async_context_manager(aws):
            yield aws

    def _steps_for(self, request: FakeRequest, connection: int) -> Script:
        """Record a request, and return the steps that follow it."""
        route = route_of(request)
        fault = self._next_fault(route)
        if (response := replacement(fault)) is None:
            response = respond(self, request, route, fault)
        status = None if isinstance(fault, Raw | Hang) else response.status
        parameters, scope, now = parameters_of(request, route), signed_for(request), self.clock.time()
        exchange = Exchange(route, request.method, request.path, status, now, connection, parameters, scope)
        self.exchanges.append(exchange)
        if request.method == "HEAD":
            response = response._replace(body=b"")
        steps = steps_for(fault, response)
        return [("sleep", self.latency), *steps] if self.latency else steps

    def _next_fault(self, route: str) -> OneFault | None:
        script = self._scripts.get(route)
        if not script:
            return None
        if isinstance(fault := script[0], Forever):
            return fault.fault
        script.popleft()
        return fault
