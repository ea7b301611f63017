"""Which service a request is for, what its routes are called, and who answers. One table holds it all together."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from . import cognito, metadata, signin, sso, sts
from .messages import Answer, Asked, Refusal, json_refusal, stamped
from .state import World

ROUTES = (*metadata.ROUTES, *sts.ROUTES, *sso.ROUTES, *signin.ROUTES, *cognito.ROUTES)
"""What can be asked, by the names that counters and scripts use. Anything else counts as ``"other"``."""


class _Answers(Protocol):
    def __call__(self, world: World, asked: Asked, ended: float | None = None) -> Answer: ...


class _Refuses(Protocol):
    def __call__(self, told: Refusal, /) -> Answer: ...


_SERVICES: dict[str, tuple[_Answers, _Refuses]] = {
    "sts": (sts.answer, sts.refuse),
    "sso": (sso.answer, json_refusal),
    "signin": (signin.answer, signin.refuse),
    "cognito": (cognito.answer, cognito.refuse),
}
_METADATA: tuple[_Answers, _Refuses] = (metadata.answer, metadata.refuse)
_SERVICE_OF = {
    **dict.fromkeys(sts.ROUTES, "sts"),
    **dict.fromkeys(sso.ROUTES, "sso"),
    **dict.fromkeys(signin.ROUTES, "signin"),
    **dict.fromkeys(cognito.ROUTES, "cognito"),
}


def route_of(asked: Asked) -> str:
    """Return the name of what is asked for. A path before that of a service is passed over, as in an endpoint's URL."""
    if (route := metadata.route_of(asked.path)) != "other":
        return route
    if asked.path.endswith(sso.PORTAL_PATH):
        return "sso role"
    if asked.path.endswith(signin.PATH):
        return "sign-in token"
    if asked.path.endswith(sso.TOKEN_PATH):
        return "sso token"
    if b"x-amz-target" in asked.headers:
        return cognito.ACTIONS.get(asked.header("x-amz-target"), "other")
    return sts.ACTIONS.get(sts.form_of(asked).get("Action", ""), "other") if _is_for_sts(asked) else "other"


def answer(world: World, asked: Asked, route: str, ended: float | None = None) -> Answer:
    """Answer one request. ``ended``: if there is a set in the answer, let it have ended that many seconds ago."""
    service = _service_of(asked, route)
    answers, _ = _SERVICES.get(service, _METADATA)
    return _stamped(world, service, answers(world, asked, ended))


def refuse(world: World, asked: Asked, route: str, told: Refusal) -> Answer:
    """Refuse a request in the way of the service that it is for."""
    service = _service_of(asked, route)
    _, refuses = _SERVICES.get(service, _METADATA)
    return _stamped(world, service, refuses(told))


def _stamped(world: World, service: str, made: Answer) -> Answer:
    if service == "metadata":
        return made
    world.memory.answered += 1
    return stamped(made, world.memory.answered, world.clock.time())


def _service_of(asked: Asked, route: str) -> str:
    if route in _SERVICE_OF:
        return _SERVICE_OF[route]
    if route == "other" and b"x-amz-target" in asked.headers:
        return "cognito"
    return "sts" if route == "other" and _is_for_sts(asked) else "metadata"


def _is_for_sts(asked: Asked) -> bool:
    if not asked.path.endswith("/") or asked.path.startswith("/latest/"):
        return False
    return asked.method == "POST" or (asked.method == "GET" and "Action" in sts.form_of(asked))


class Services(World):
    """The world with what prepares a test: tokens that the services accept, as programs find them."""

    def sso_token(
        self,
        *,
        expires_in: float = 3600.0,
        registration_expires_in: float = 90 * 86_400.0,
        region: str = "us-east-1",
        start_url: str = sso.START_URL,
    ) -> dict[str, str]:
        """Log in at IAM Identity Center: return what ``aws sso login`` writes into the token cache.

        A negative ``expires_in`` (seconds) makes an access token that has ended. The portal and OIDC accept what is in
        it: ``accessToken``, and ``clientId``, ``clientSecret``, ``refreshToken``.
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
        """Log in with the console: return what ``aws login`` writes into its cache, with a private key of its own.

        A negative ``expires_in`` (seconds) makes credentials that have ended. ``arn`` is who logged in: by default the
        user of the long-term keys. ``region`` is its ``signInRegion``. The key is in PEM, by SEC 1 or PKCS #8.
        Needs ``cryptography``; raises ``RuntimeError`` without it.
        """
        return signin.new_login(self, expires_in, arn, key_format, region)

    def web_identity_token(self, *, expires_in: float = 3600.0) -> str:
        """Return an OpenID Connect token that STS accepts for so many seconds. It has a JWT's form, not its content."""
        token = f"eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJzdHMuYW1hem9uYXdzLmNvbSJ9.{self.memory.plant('web-identity')}"
        self.web_identity_tokens[token] = self.clock.time() + expires_in
        return token

    def key_environ(self) -> dict[str, str]:
        """Return the environment variables with the first pair in ``keys``."""
        access_key_id, secret = next(iter(self.keys.items()))
        return {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": secret}
