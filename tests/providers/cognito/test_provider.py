"""Cognito providers return the credentials of the right identity, and never those of another user."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from anycreds import from_cognito_identity, from_cognito_identity_pool
from anycreds._config.client_config import ClientConfig
from anycreds._core.credentials import Credentials
from anycreds._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    MalformedResponseError,
    NotConfiguredError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds._core.http import Request, TransportFailure
from anycreds._core.provider import ClientContext
from anycreds._providers.cognito.provider import CognitoIdentityPoolProvider, CognitoIdentityProvider
from anycreds._providers.cognito.settings import IDENTITY, POOL, CognitoOptions
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from support.errors import error_of
from support.fake_io import (
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    START,
    Answer,
    FakeIo,
    FakeRuntime,
    Suspend,
    answer,
    assert_no_secret,
    failure,
    fetch,
    run,
)
from support.rows import each_row

POOL_ID = "eu-west-1:0a1b2c3d-0000-4000-8000-0000000000ff"
ME = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000001"
OTHER = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000002"
THIRD = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000003"
USERS = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x"
GOOGLE = "accounts.google.com"
TOKEN = "eyJ.canary-login-token.x"
TOKEN2 = "eyJ.canary-other-login-token.x"
URL = "https://cognito-identity.eu-west-1.amazonaws.com/"
KEY = f"aws:cognito-identity-credentials:{POOL_ID}"
Login = str | Callable[[], Awaitable[str]]


def options(logins: Mapping[str, Any] | None = None, **more: Any) -> CognitoOptions:
    """Return the options that both providers have."""
    return CognitoOptions(logins=logins, **more)


def identity(
    logins: Mapping[str, Any] | None = None, config: ClientConfig | None = None, identity_id: str = ME, **more: Any
) -> CognitoIdentityProvider:
    """Create the provider of an identity."""
    return CognitoIdentityProvider(FakeRuntime(), identity_id, EndpointResolver(config), options(logins, **more))


def pool(
    logins: Mapping[str, Any] | None = None, config: ClientConfig | None = None, pool_id: str = POOL_ID, **more: Any
) -> CognitoIdentityPoolProvider:
    """Create the provider of a pool."""
    return CognitoIdentityPoolProvider(FakeRuntime(), pool_id, EndpointResolver(config), options(logins), **more)


def credentials_response(identity_id: str = ME) -> Answer:
    """Return a response to GetCredentialsForIdentity."""
    keys = {"AccessKeyId": KEY_ID, "SecretKey": SECRET_KEY, "SessionToken": SESSION_TOKEN, "Expiration": START + 3600}
    return answer({"IdentityId": identity_id, "Credentials": keys})


def identity_response(identity_id: str = ME) -> Answer:
    """Return a response to GetId."""
    return answer({"IdentityId": identity_id})


def error(code: str, message: str = "because", status: int = 400) -> Answer:
    """Return an error response of Cognito."""
    return answer({"__type": f"com.amazonaws.cognito#{code}", "message": message}, status)


NOT_FOUND = error("ResourceNotFoundException", "Identity not found.")


def cognito(*answers: Answer, url: str = URL, **runtime: Any) -> FakeIo:
    """Create an ``Io`` in which Cognito sends these responses."""
    return FakeIo(*[("POST", url, one) for one in answers], **runtime)


def requests_in(io: FakeIo) -> list[tuple[str, dict[str, Any]]]:
    """Return the operations and bodies of the requests."""
    return [
        (request.headers["x-amz-target"].removeprefix("AWSCognitoIdentityService."), json.loads(request.body))
        for request in io.requests
    ]


def operations(io: FakeIo) -> list[str]:
    """Return the identity of each GetCredentialsForIdentity, and GetId as it is."""
    return [body.get("IdentityId", operation) for operation, body in requests_in(io)]


def returning(*values: object) -> Callable[[], Awaitable[Any]]:
    """Return a login function that returns these values one after another, or raises them."""
    left = list(values)

    async def login() -> object:
        value = left.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return login


class Cache:
    """An identity cache that records its calls. ``broken`` has functions that methods call first."""

    def __init__(self, values: Mapping[str, Any] | None = None, **broken: Callable[[], Any]) -> None:
        self.values: dict[str, Any] = dict(values or {})
        self.broken = broken
        self.calls: list[tuple[str, ...]] = []

    async def get(self, key: str) -> Any:
        self.calls.append(("get", key))
        return self.broken["get"]() if "get" in self.broken else self.values.get(key)

    async def set(self, key: str, value: str) -> None:
        self.calls.append(("set", key, value))
        if "set" in self.broken:
            self.broken["set"]()
        self.values[key] = value

    async def delete(self, key: str) -> None:
        self.calls.append(("delete", key))
        if "delete" in self.broken:
            self.broken["delete"]()
        self.values.pop(key, None)


def test_known_identity_is_requested_once() -> None:
    """A known identity is requested once, without a signature, in the region of its ID."""
    io = cognito(credentials_response())
    assert fetch(identity(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC),
        identity_id=ME,
        source=IDENTITY,
    )
    assert requests_in(io) == [("GetCredentialsForIdentity", {"IdentityId": ME})]
    (request,) = io.requests
    assert request.headers["content-type"] == "application/x-amz-json-1.1"
    assert {name.lower() for name in request.headers} == {"content-type", "x-amz-target"}
    assert (request.direct, request.timeout) == (False, 5.0)


def test_pool_requests_and_caches_an_identity() -> None:
    """A pool returns an identity and then its credentials; the next call uses the cached identity."""
    io = cognito(identity_response(), credentials_response(), credentials_response())
    provider = pool(account_id="012345678901")
    found = run(provider._fetch(io, ClientContext()))
    assert (found.identity_id, found.source) == (ME, POOL)
    assert fetch(provider, io) == found
    assert requests_in(io) == [
        ("GetId", {"IdentityPoolId": POOL_ID, "AccountId": "012345678901"}),
        ("GetCredentialsForIdentity", {"IdentityId": ME}),
        ("GetCredentialsForIdentity", {"IdentityId": ME}),
    ]


def test_every_option_is_sent() -> None:
    """Logins are sent in both requests, the custom role only in the second."""
    io = cognito(identity_response(), credentials_response())
    logins = {USERS: TOKEN, GOOGLE: TOKEN2}
    provider = CognitoIdentityPoolProvider(
        FakeRuntime(), POOL_ID, EndpointResolver(), CognitoOptions("arn:aws:iam::1:role/r", logins, timeout=2)
    )
    fetch(provider, io)
    assert requests_in(io) == [
        ("GetId", {"IdentityPoolId": POOL_ID, "Logins": logins}),
        ("GetCredentialsForIdentity", {"IdentityId": ME, "Logins": logins, "CustomRoleArn": "arn:aws:iam::1:role/r"}),
    ]
    assert [request.timeout for request in io.requests] == [2, 2]


@each_row(
    "config, identity_id, environ, region",
    [
        ("us-west-2", ME, {"AWS_REGION": "eu-central-1"}, "us-west-2"),
        (None, ME, {"AWS_REGION": "eu-central-1"}, "eu-west-1"),
        (None, "no-prefix", {"AWS_REGION": "eu-central-1"}, "eu-central-1"),
        (None, ":x", {"AWS_DEFAULT_REGION": "eu-central-1"}, "eu-central-1"),
        (None, "no-prefix", {}, "us-east-1"),
    ],
)
def test_region_of_the_option_precedes_id_and_environment(
    config: str | None, identity_id: str, environ: dict[str, str], region: str
) -> None:
    """The region is that of the option, of the ID, or of the environment, in this order."""
    io = cognito(credentials_response(), url=f"https://cognito-identity.{region}.amazonaws.com/", environ=environ)
    fetch(identity(config=ClientConfig(region=config), identity_id=identity_id), io)


@each_row("prefix", ["evil.example/", "a b", "x" * 64, "-x"])
def test_invalid_region_in_the_id(prefix: str) -> None:
    """The part of the ID before the colon is validated before it becomes a part of a host name."""
    found = failure(pool(pool_id=f"{prefix}:x"), FakeIo())
    assert type(found) is InvalidConfigurationError
    assert "option identity_pool_id cannot be a part of a host name" in str(found)


def test_custom_endpoint() -> None:
    """A custom endpoint is called with its path."""
    io = cognito(credentials_response(), url="http://127.0.0.1:4566/cognito/")
    fetch(identity(config=ClientConfig(endpoint_url="http://127.0.0.1:4566/cognito")), io)
    assert io.requests[0].direct


def test_login_functions_are_called_at_each_attempt() -> None:
    """A login function is called at each attempt; a later change of the mapping has no effect."""
    logins: dict[str, Login] = {USERS: returning(TOKEN, TOKEN2), GOOGLE: "same"}
    provider = identity(logins)
    logins[GOOGLE] = "changed"
    io = cognito(credentials_response(), credentials_response())
    run(provider._fetch(io, ClientContext()))
    fetch(provider, io)
    assert [body["Logins"] for _, body in requests_in(io)] == [
        {USERS: TOKEN, GOOGLE: "same"},
        {USERS: TOKEN2, GOOGLE: "same"},
    ]


def test_login_functions_are_called_once_per_attempt() -> None:
    """All requests and retries of one attempt have the same tokens."""
    io = cognito(
        error("ThrottlingException"),
        identity_response(),
        error("InternalErrorException", status=500),
        credentials_response(),
    )
    fetch(pool({USERS: returning(TOKEN)}), io)
    assert [body["Logins"] for _, body in requests_in(io)] == [{USERS: TOKEN}] * 4


@pytest.mark.fault("U33")
@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (ValueError(TOKEN), RetrievalError, "raised ValueError"),
        (KeyError("x"), RetrievalError, "raised KeyError"),
        (RetrievalError("no luck", source="mine"), RetrievalError, "mine: no luck"),
        (NotConfiguredError("nothing", source="mine"), InvalidConfigurationError, "mine: nothing"),
        (None, RetrievalError, "is missing"),
        (b"bytes", RetrievalError, "is not text but bytes"),
        ("", RetrievalError, "is blank"),
        (TOKEN + "\n", RetrievalError, "U+000A"),
        (TOKEN + "x" * 50_000, RetrievalError, "characters"),
    ],
)
def test_failing_login_is_named_and_nothing_is_sent(value: object, kind: type[CredentialsError], text: str) -> None:
    """The error for a login without a token names the login, and nothing is sent."""
    found = failure(identity({GOOGLE: TOKEN2, USERS: returning(value)}), FakeIo())
    assert type(found) is kind
    assert text in str(found)
    if not isinstance(value, RetrievalError):  # an error of this library already says what it is about
        assert f"the login for {USERS}" in str(found)
        assert found.source == IDENTITY
    if isinstance(value, ValueError):
        found.__cause__ = found._cause = None  # the user's exception, whose text is not ours
    assert_no_secret(found, TOKEN2)


def test_longest_tokens_are_sent() -> None:
    """Tokens of up to 50,000 characters are sent, as Cognito accepts them."""
    logins = {USERS: returning("x" * 50_000), GOOGLE: "y" * 50_000}
    io = cognito(credentials_response())
    fetch(identity(logins), io)
    assert len(io.requests[0].body) > 100_000


def test_login_that_is_not_async() -> None:
    """A login function that is not async is an error of the configuration."""
    found = failure(identity({USERS: lambda: TOKEN}), FakeIo())
    assert type(found) is InvalidConfigurationError
    assert f"the login for {USERS} returned str" in str(found)
    assert "async def" in str(found)


class Cancelled(BaseException):
    """The cancellation of a task."""


@pytest.mark.fault("U33")
def test_cancelled_login() -> None:
    """If the attempt is cancelled in a login, its timeout error names the login, and no frame shows a token."""

    async def login() -> str:
        await Suspend()
        return TOKEN

    io = FakeIo()
    attempt = identity({GOOGLE: TOKEN2, USERS: login})._fetch(io, ClientContext())
    attempt.send(None)
    with pytest.raises(Cancelled) as caught:
        attempt.throw(Cancelled())
    assert io.waiting_for == f"the login for {USERS}"
    assert_no_secret(caught.value, TOKEN, TOKEN2)


def test_hanging_cache(caplog: pytest.LogCaptureFixture) -> None:
    """A cache that takes longer than five seconds is logged and left out; the pool is called without it."""

    class Slow(Cache):
        async def get(self, key: str) -> Any:
            io.advance(6)

    io = cognito(identity_response(ME), credentials_response(ME))
    assert fetch(pool(cache=Slow()), io).identity_id == ME
    assert (5.0, "the method get of the identity cache") in io.deadlines
    assert "no response within 5 s; continuing without the cache" in caplog.text


def test_cancelled_cache() -> None:
    """If the attempt is cancelled in a method of the cache, its timeout error names the method."""

    class Hanging(Cache):
        async def get(self, key: str) -> Any:
            await Suspend()

    io = FakeIo()
    attempt = pool(cache=Hanging())._fetch(io, ClientContext())
    attempt.send(None)
    with pytest.raises(Cancelled):
        attempt.throw(Cancelled())
    assert io.waiting_for == "the method get of the identity cache"


@pytest.mark.parametrize("outcome", [TOKEN, ValueError("x")], ids=["returned", "raised"])
def test_timeout_after_a_user_function(outcome: object) -> None:
    """After a user function has returned or raised, a timeout of the attempt names the provider only."""
    io = cognito(identity_response(), credentials_response())
    cache = Cache(get=raising(outcome)) if isinstance(outcome, Exception) else None
    run(pool({USERS: returning(TOKEN)}, cache=cache, user_identifier="me")._load(io, ClientContext()))
    assert io.waiting_for == POOL


def test_process_exit_in_a_login() -> None:
    """A ``KeyboardInterrupt`` in a login propagates."""
    with pytest.raises(KeyboardInterrupt):
        run(identity({USERS: returning(KeyboardInterrupt())})._fetch(FakeIo(), ClientContext()))


@pytest.mark.fault("U33")
@each_row("code", ["NotAuthorizedException", "InvalidIdentityPoolConfigurationException", "ResourceConflictException"])
@each_row("step", ["GetId", "GetCredentialsForIdentity"])
def test_terminal_errors(code: str, step: str) -> None:
    """A terminal error is not retried; it has the operation, the endpoint, the option and a hint."""
    io = cognito(*([] if step == "GetId" else [identity_response()]), error(code, f"Bad token: {TOKEN}"))
    found = failure(pool({USERS: TOKEN}), io)
    assert type(found) is RetrievalError
    assert (found.code, found.status, found.source) == (code, 400, POOL)
    assert f"{step} of Amazon Cognito at https://cognito-identity.eu-west-1.amazonaws.com" in str(found)
    assert "option identity_pool_id" in str(found)
    assert found.hint
    assert_no_secret(found, TOKEN)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (answer(b"", 302, location="https://evil.example/"), RetrievalError),
        (answer(b"<html>", 403), RetrievalError),
        (answer(b"<html>"), MalformedResponseError),
        (answer({}), MalformedResponseError),
        (answer({"IdentityId": ME, "Credentials": {"SecretKey": SECRET_KEY}}), MalformedResponseError),
        (TransportFailure("too large", "more than 64 KiB"), MalformedResponseError),
    ],
)
def test_invalid_responses(bad: Answer, kind: type[CredentialsError]) -> None:
    """An invalid response is an error without a retry."""
    found = failure(identity({USERS: TOKEN}), cognito(bad))
    assert type(found) is kind
    assert_no_secret(found, TOKEN)


@each_row(
    "failures, kind",
    [
        (error("TooManyRequestsException"), RetrievalError),
        (error("InternalErrorException", status=500), RetrievalError),
        (answer(b"", 503), RetrievalError),
        (answer(b"", 429), RetrievalError),
        (TransportFailure("unreachable", "refused"), RetrievalError),
        (TransportFailure("broken", "reset"), MalformedResponseError),
        (TransportFailure("timeout", "nothing came"), ProviderTimeoutError),
    ],
)
def test_transient_errors(failures: Answer, kind: type[CredentialsError]) -> None:
    """A transient failure is retried twice, or as often as configured, and is then the error."""
    fetch(identity(), cognito(failures, failures, credentials_response()))
    assert type(failure(identity(), cognito(failures, failures, failures))) is kind
    once = identity({USERS: TOKEN}, ClientConfig(max_attempts=1))
    found = failure(once, cognito(failures))
    assert type(found) is kind
    assert_no_secret(found, TOKEN)


def test_call_ends_within_its_timeout() -> None:
    """Each call ends within the timeout times the number of attempts, delays included."""
    io = FakeIo()

    def silence(request: Request) -> Answer:
        return io.timeout(request)

    io.script = [("POST", URL, silence)] * 3
    begin = io.monotonic()
    found = failure(pool(), io)
    assert type(found) is ProviderTimeoutError
    assert "GetId of Amazon Cognito" in str(found)
    assert io.monotonic() - begin <= 15


FAILURES = [
    [error("TooManyRequestsException")] * 3,
    [error("LimitExceededException")] * 3,
    [answer(b"", 500)] * 3,
    [answer(b"<html>", 502)] * 3,
    [TransportFailure("unreachable", "refused")] * 3,
    [TransportFailure("timeout", "nothing came")] * 3,
    [error("NotAuthorizedException", "Token has expired")],
    [error("ExternalServiceException")],
    [error("InvalidIdentityPoolConfigurationException")],
    [answer(b"<html>")],
    [answer({})],
    [answer(b"not found", 404)],
]


@each_row("failures", FAILURES)
@each_row("with_cache", [False, True])
def test_identity_is_kept_after_errors(failures: list[Answer], with_cache: bool) -> None:
    """No error except a missing identity deletes the cached identity."""
    provider = pool(cache=Cache() if with_cache else None)
    io = cognito(identity_response(), *failures, credentials_response(), *failures, credentials_response())
    for works in (False, True, False, True):
        if works:
            assert run(provider._fetch(io, ClientContext())).identity_id == ME
        else:
            with pytest.raises(RetrievalError):
                run(provider._fetch(io, ClientContext()))
    assert io.script == []
    assert operations(io).count("GetId") == 1


@pytest.mark.parametrize("with_cache", [False, True])
def test_missing_identity(with_cache: bool, caplog: pytest.LogCaptureFixture) -> None:
    """If the cached identity does not exist any more, another one is requested and cached."""
    caplog.set_level(logging.INFO)
    cache = Cache()
    provider = pool(cache=cache if with_cache else None)
    io = cognito(
        identity_response(ME),
        credentials_response(ME),
        NOT_FOUND,
        identity_response(OTHER),
        credentials_response(OTHER),
        credentials_response(OTHER),
    )
    found = [run(provider._fetch(io, ClientContext())).identity_id for _ in range(3)]
    assert found == [ME, OTHER, OTHER]
    assert operations(io) == ["GetId", ME, ME, "GetId", OTHER, OTHER]
    assert "no longer exists" in caplog.text
    if with_cache:
        assert ("delete", f"{KEY}:ANONYMOUS") in cache.calls
        assert cache.values == {f"{KEY}:ANONYMOUS": OTHER}


def test_new_identity_that_is_missing() -> None:
    """A new identity that does not exist is the error, and is not cached; there is no endless loop."""
    provider = pool()
    found = failure(provider, cognito(identity_response(ME), NOT_FOUND))
    assert isinstance(found, RetrievalError)
    assert found.code == "ResourceNotFoundException"
    io = cognito(identity_response(OTHER), credentials_response(OTHER), NOT_FOUND, identity_response(THIRD), NOT_FOUND)
    run(provider._fetch(io, ClientContext()))
    assert failure(provider, io).source == POOL
    assert operations(io) == ["GetId", OTHER, OTHER, "GetId", THIRD]
    io = cognito(identity_response(ME), credentials_response(ME))
    fetch(provider, io)


def test_missing_pool() -> None:
    """A pool that does not exist is the error, and nothing is cached."""
    cache = Cache()
    found = failure(pool(cache=cache), cognito(error("ResourceNotFoundException", "IdentityPool not found.")))
    assert "IdentityPool not found." in str(found)
    assert [call[0] for call in cache.calls] == ["get"]


@each_row("bad", [{}, {"IdentityId": ""}, {"IdentityId": 1}, {"IdentityId": "x\n"}])
def test_invalid_identity_is_not_cached(bad: dict[str, object]) -> None:
    """An invalid identity is an error, and is requested again the next time."""
    provider = pool()
    found = failure(provider, cognito(answer(bad)))
    assert isinstance(found, MalformedResponseError)
    assert found.field == "IdentityId"
    fetch(provider, cognito(identity_response(), credentials_response()))


@each_row(
    "more, logins, key",
    [
        ({}, None, f"{KEY}:ANONYMOUS"),
        ({}, {}, f"{KEY}:ANONYMOUS"),
        ({"user_identifier": "me"}, None, f"{KEY}:me"),
        ({"user_identifier": "me"}, {USERS: TOKEN}, f"{KEY}:me"),
        (
            {"user_identifier": "me", "account_id": "012345678901"},
            None,
            f"aws:cognito-identity-credentials:account=012345678901:{POOL_ID}:me",
        ),
        (
            {"user_identifier": "me:account=1", "config": ClientConfig(region="us-west-2")},
            None,
            f"aws:cognito-identity-credentials:region=us-west-2:{POOL_ID}:me:account=1",
        ),
        ({"config": ClientConfig(region="eu-west-1")}, None, f"{KEY}:ANONYMOUS"),
        (
            {"pool_id": "pool", "account_id": "1"},
            None,
            "aws:cognito-identity-credentials:account=1:region=us-east-1:pool:ANONYMOUS",
        ),
    ],
)
def test_cache_key_contains_pool_and_user(more: dict[str, Any], logins: dict[str, str] | None, key: str) -> None:
    """The key has pool and user as in JavaScript, and account and region where they may differ."""
    cache = Cache()
    provider = pool(logins, cache=cache, **more)
    region = next((part[7:] for part in key.split(":") if part.startswith("region=")), "eu-west-1")
    url = f"https://cognito-identity.{region}.amazonaws.com/"
    fetch(provider, cognito(identity_response(), credentials_response(), url=url))
    assert cache.values == {key: ME}
    fetch(provider, cognito(credentials_response(), url=url))
    assert cache.calls == [("get", key), ("set", key, ME), ("get", key)]


def test_identity_in_the_cache_is_used() -> None:
    """An identity in the cache is used without a request to the pool."""
    io = cognito(credentials_response(OTHER))
    assert fetch(pool(cache=Cache({f"{KEY}:ANONYMOUS": OTHER})), io).identity_id == OTHER
    assert operations(io) == [OTHER]


def test_users_do_not_share() -> None:
    """Each user of one pool and one cache has an identity, and so has the user without logins."""
    cache = Cache()
    for number, user in enumerate(["a", "b", None]):
        mine = f"eu-west-1:{number}"
        fetch(pool(cache=cache, user_identifier=user), cognito(identity_response(mine), credentials_response(mine)))
    assert sorted(cache.values.values()) == ["eu-west-1:0", "eu-west-1:1", "eu-west-1:2"]


def test_providers_without_a_cache_do_not_share() -> None:
    """Two providers without the option cache do not share an identity."""
    for _ in range(2):
        fetch(pool(), cognito(identity_response(), credentials_response()))


def test_clients_in_other_regions_do_not_share() -> None:
    """A pool whose ID has no region has another identity in each region."""
    provider = pool(pool_id="pool")
    for region in ("eu-west-1", "eu-west-2"):
        io = cognito(
            identity_response(), credentials_response(), url=f"https://cognito-identity.{region}.amazonaws.com/"
        )
        run(provider._fetch(io, ClientContext(region=region)))
        assert io.script == []


def test_login_functions_without_a_user() -> None:
    """With a login function and no user identifier, the identity is requested each time and never cached."""
    cache = Cache({f"{KEY}:ANONYMOUS": THIRD})
    provider = pool({GOOGLE: "same", USERS: returning(TOKEN, TOKEN2)}, cache=cache)
    io = cognito(identity_response(ME), credentials_response(ME), identity_response(OTHER), credentials_response(OTHER))
    assert run(provider._fetch(io, ClientContext())).identity_id == ME
    assert fetch(provider, io).identity_id == OTHER
    assert cache.calls == []


def test_login_strings_without_a_user() -> None:
    """With strings for logins and no user identifier, the provider caches the identity, and does not use the cache."""
    cache = Cache({f"{KEY}:ANONYMOUS": THIRD, f"{KEY}:": THIRD})
    provider = pool({USERS: TOKEN}, cache=cache)
    io = cognito(identity_response(ME), credentials_response(ME), credentials_response(ME))
    run(provider._fetch(io, ClientContext()))
    assert fetch(provider, io).identity_id == ME
    assert cache.calls == []


def test_login_functions_with_a_user() -> None:
    """With a user identifier the identity is cached, also with login functions."""
    cache = Cache()
    provider = pool({USERS: returning(TOKEN, TOKEN2)}, cache=cache, user_identifier="me")
    io = cognito(identity_response(ME), credentials_response(ME), credentials_response(ME))
    run(provider._fetch(io, ClientContext()))
    assert fetch(provider, io).identity_id == ME
    assert operations(io) == ["GetId", ME, ME]


def raising(error: Exception) -> Callable[[], Any]:
    """Return a function that raises."""

    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("method", "broken"),
    [
        ("get", raising(OSError("down"))),
        ("get", raising(RetrievalError("no luck"))),
        ("set", raising(KeyError("x"))),
        ("delete", raising(KeyError("x"))),
    ],
    ids=["get, system error", "get, error of a provider", "set", "delete"],
)
def test_failing_cache_is_logged_and_left_out(
    method: str, broken: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An error of the cache is logged and does not fail the call; a failed get is a miss."""
    cache = Cache({f"{KEY}:ANONYMOUS": THIRD}, **{method: broken})
    answers = (
        [identity_response(ME), credentials_response(ME)]
        if method == "get"
        else [NOT_FOUND, identity_response(ME), credentials_response(ME)]
    )
    assert fetch(pool(cache=cache), cognito(*answers)).identity_id == ME
    (record,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert record.name == "anycreds.identities"
    assert "continuing without the cache" in record.getMessage()


@pytest.mark.parametrize("value", ["x\n", 1])
def test_invalid_value_in_the_cache(value: object, caplog: pytest.LogCaptureFixture) -> None:
    """An invalid value of the cache is logged without its content, and replaced."""
    cache = Cache({f"{KEY}:ANONYMOUS": value})
    assert fetch(pool(cache=cache), cognito(identity_response(), credentials_response())).identity_id == ME
    assert cache.values == {f"{KEY}:ANONYMOUS": ME}
    assert "the identity cache returned a value that" in caplog.text


def test_logins_can_wait() -> None:
    """A login can wait for something itself."""

    async def login() -> str:
        await Suspend()
        return TOKEN

    attempt = identity({USERS: login})._fetch(cognito(credentials_response()), ClientContext())
    attempt.send(None)
    with pytest.raises(StopIteration) as end:
        attempt.send(None)
    assert end.value.value.identity_id == ME


class PlainCache(Cache):
    """A cache with a method that is not async."""

    def set(self, key: str, value: str) -> None:  # type: ignore[override]
        self.values[key] = value


@each_row(
    "more, text",
    [
        ({"identity_id": None}, "option identity_id is missing"),
        ({"identity_id": " "}, "option identity_id is blank"),
        ({"identity_id": 1}, "option identity_id is not text"),
        ({"identity_id": ME + "\n"}, "option identity_id contains"),
        ({"custom_role_arn": ""}, "option custom_role_arn is blank"),
        ({"custom_role_arn": 1}, "option custom_role_arn is not text"),
        ({"logins": [TOKEN]}, "option logins is not a mapping but list"),
        ({"logins": {1: TOKEN}}, "the name of a provider is not text"),
        ({"logins": {"": TOKEN}}, "the name of a provider is blank"),
        ({"logins": {USERS: None}}, f"the token for {USERS} is missing"),
        ({"logins": {USERS: ""}}, f"the token for {USERS} is blank"),
        ({"logins": {USERS: TOKEN + "\n"}}, f"the token for {USERS} contains"),
        ({"logins": {GOOGLE: TOKEN2, USERS: {TOKEN}}}, f"the token for {USERS} is not text but set"),
        ({"timeout": 0, "logins": {USERS: TOKEN}}, "option timeout"),
    ],
)
def test_invalid_options(more: dict[str, Any], text: str) -> None:
    """The factory rejects an invalid option; the error names it, and shows no token."""
    error = error_of(from_cognito_identity, kind=InvalidConfigurationError, **{"identity_id": ME, **more})
    assert str(error).startswith("Cognito identity: option")
    assert text in str(error)
    assert_no_secret(error, TOKEN, TOKEN2)


@each_row(
    "more, text",
    [
        ({"identity_pool_id": ""}, "option identity_pool_id is blank"),
        ({"account_id": 12345678901}, "option account_id is not text but int"),
        ({"account_id": ""}, "option account_id is blank"),
        ({"user_identifier": ""}, "option user_identifier is blank"),
        ({"user_identifier": "a\n"}, "option user_identifier contains"),
        ({"user_identifier": "ANONYMOUS"}, "the user without logins"),
        ({"cache": {}}, "option cache is dict, whose method get is not async"),
        ({"cache": PlainCache()}, "option cache is PlainCache, whose method set is not async"),
        ({"cache": object()}, "option cache is object, which has no method get"),
        ({"logins": {USERS: TOKEN + "\n"}}, f"the token for {USERS} contains"),
    ],
)
def test_invalid_pool_options(more: dict[str, Any], text: str) -> None:
    """The factory of a pool rejects an invalid option, and a cache with plain methods."""
    options = {"identity_pool_id": POOL_ID, "logins": {USERS: TOKEN}, **more}
    error = error_of(from_cognito_identity_pool, kind=InvalidConfigurationError, **options)
    assert str(error).startswith("Cognito identity pool: option")
    assert text in str(error)
    assert_no_secret(error, TOKEN, TOKEN2)


def test_repr() -> None:
    """The repr of options and providers shows no login."""
    given = options({USERS: TOKEN})
    assert TOKEN not in repr(given)
    assert repr(pool({USERS: TOKEN})) == "<anycreds provider: Cognito identity pool>"
