"""``FakeAWS``: AWS's credential services on a real loopback socket, counted and scripted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, Unpack

from .._faults import Expired, Fault, Forever, OneFault, Refuse
from . import fault_injection as faults
from .connection import Exchange, Line
from .messages import Answer, Asked, Refusal
from .metadata import CONTAINER_PATH
from .recording import parameters_of, signed_for
from .routing import ROUTES, Services, answer, refuse, route_of
from .server import Server
from .settings import FakeSettings, WorldSettings


class FakeAWS(Services, Server):
    """AWS's credential services on one loopback port, each refusing what the real one refuses.

    They are EC2 instance metadata (IMDSv2), container credentials (ECS, EKS), STS (signatures are verified), the
    portal and the OIDC service of IAM Identity Center, sign-in (``aws login``; DPoP proofs are verified, for which it
    needs ``cryptography``) and Cognito identity pools. ``ROUTES`` names what can be asked.

    ``async with FakeAWS() as aws:`` serves on the running event loop, trio or asyncio. ``with FakeAWS.in_thread() as
    aws:`` serves from a thread of its own, for code without a loop, and for loops that are themselves under test.
    Point a program at it with the variables in ``metadata_environ()``, ``container_environ()`` or
    ``service_environ()``; ``key_environ()``, ``web_identity_token()``, ``sso_token()`` and ``login_token()`` give what
    the services accept.

    Settings (keywords; also attributes that may be changed while it serves). Of metadata and container:

    - ``role_name``: the instance's role; None: it has none, and the role list answers 404
    - ``token_ttl``: the longest life of an IMDSv2 token, in seconds; None: as long as is asked for
    - ``sticky``: hand out the same set until five minutes before its end, as EC2 does; else a new one each time
    - ``imds_v1``: answer metadata requests without a token too
    - ``token_status``: refuse requests for a token with this status; None: grant them

    Of STS:

    - ``keys``: the long-term keys of a user, secrets by access key id (one pair; sets that it issued are known anyway)
    - ``region``: the one that requests must be signed for; None: any
    - ``roles``: the roles that can be assumed, each ``RoleTrust`` by its ARN; None: any, without conditions
    - ``web_identity_tokens``: the tokens that are accepted, each with its end in seconds since 1970 (none)

    Of IAM Identity Center, sign-in and Cognito:

    - ``sso_roles``: the accounts that can be entered, each with the names of its roles; None: any
    - ``sso_token_lifetime``: for how many seconds OIDC gives access tokens (an hour)
    - ``sso_refresh``: what becomes of OIDC's refresh tokens: ``"rotate"``, ``"keep"`` or ``"omit"``
    - ``login_lifetime``: for how many seconds sign-in gives credentials (900, which is also the most)
    - ``login_refusal``: why sign-in denies access, for example ``"TOKEN_EXPIRED"``; None: it grants it
    - ``cognito_pools``: each ``IdentityPool`` by its id (one, for guests)

    Of all:

    - ``account_id``: the account of everybody and everything
    - ``lifetime``: how many seconds a new set lives, if nothing else says so (6 hours)
    - ``clock``: whose ``time()`` everything is dated by; default: the real one
    - ``latency``: seconds to wait before each answer (0)
    - ``host``: the loopback address to serve at, ``"127.0.0.1"`` or ``"::1"`` (only when made)

    ``exchanges`` lists every request, ``issued`` counts the sets, ``connections`` the connections, and
    ``reused_refresh_tokens`` how often a refresh token came that had been used before.
    """

    def __init__(self, *, host: str = "127.0.0.1", latency: float = 0.0, **settings: Unpack[WorldSettings]) -> None:
        Services.__init__(self, **settings)
        Server.__init__(self, host)
        self.latency = latency
        self.exchanges: list[Exchange] = []
        self._scripts: dict[str, deque[Fault]] = {route: deque() for route in ROUTES}

    @property
    def metadata_url(self) -> str:
        """The endpoint of the instance metadata service. Raises ``RuntimeError`` if the fake does not serve."""
        return self.service_url

    @property
    def container_url(self) -> str:
        """The full URI of the container credentials. Raises ``RuntimeError`` if the fake does not serve."""
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
        """Return how many requests came, for one route or in all."""
        return sum(route in (None, exchange.route) for exchange in self.exchanges)

    def script(self, route: str, *faults: Fault) -> None:
        """Let the next requests to ``route`` meet these faults, one each, in order; then all is well again.

        Raises ``ValueError`` for a route that there is not.
        """
        if route not in self._scripts:
            raise ValueError(f"no route {route!r}; there is {', '.join(ROUTES)}")
        self._scripts[route].extend(faults)

    def restore(self) -> None:
        """Forget every fault that has not happened yet, ``Forever`` included."""
        for script in self._scripts.values():
            script.clear()

    @classmethod
    @contextmanager
    def in_thread(cls, **settings: Unpack[FakeSettings]) -> Iterator[Self]:
        """Serve from a thread of its own while the ``with`` lasts. Takes the settings that the class takes."""
        from anyio.from_thread import start_blocking_portal

        aws = cls(**settings)
        with start_blocking_portal("asyncio", name="FakeAWS") as portal, portal.wrap_async_context_manager(aws):
            yield aws

    async def _exchange(self, line: Line, asked: Asked) -> bool:
        fault, answer = self._meet(asked, line.number)
        if self.latency:
            await line.pause(self.latency)
        return await faults.perform(fault, line, answer)

    def _meet(self, asked: Asked, connection: int) -> tuple[OneFault | None, Answer]:
        """Return the fault that happens to a request, and the answer; count both."""
        route = route_of(asked)
        fault = self._next_fault(route)
        answer = self._answer(asked, route, fault)
        status = None if faults.is_silent(fault) else answer.status
        at, notes = self.clock.time(), parameters_of(asked, route)
        self.exchanges.append(
            Exchange(route, asked.method, asked.path, status, at, connection, notes, signed_for(asked))
        )
        return fault, answer

    def _answer(self, asked: Asked, route: str, fault: OneFault | None) -> Answer:
        if isinstance(fault, Refuse):
            return refuse(self, asked, route, Refusal(fault.status, fault.code, fault.message, fault.error))
        if faults.needs_answer(fault):
            ended = fault.seconds if isinstance(fault, Expired) else None
            return faults.changed(fault, answer(self, asked, route, ended))
        return faults.instead(fault)

    def _next_fault(self, route: str) -> OneFault | None:
        script = self._scripts.get(route)
        if not script:
            return None
        if isinstance(first := script[0], Forever):
            return first.fault
        return script.popleft()  # type: ignore[return-value]  # not a Forever, as was just seen
