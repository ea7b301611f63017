"""Cognito: credentials of the right identity, which no trouble forgets and which nobody else ever gets."""

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
    """Make the options that both providers take."""
    return CognitoOptions(logins=logins, **more)


def identity(
    logins: Mapping[str, Any] | None = None, config: ClientConfig | None = None, identity_id: str = ME, **more: Any
) -> CognitoIdentityProvider:
    """Make a provider for an identity."""
    return CognitoIdentityProvider(FakeRuntime(), identity_id, EndpointResolver(config), options(logins, **more))


def pool(
    logins: Mapping[str, Any] | None = None, config: ClientConfig | None = None, pool_id: str = POOL_ID, **more: Any
) -> CognitoIdentityPoolProvider:
    """Make a provider for a pool."""
    return CognitoIdentityPoolProvider(FakeRuntime(), pool_id, EndpointResolver(config), options(logins), **more)


def credentials(identity_id: str = ME) -> Answer:
    """Make a good answer to GetCredentialsForIdentity."""
    keys = {"AccessKeyId": KEY_ID, "SecretKey": SECRET_KEY, "SessionToken": SESSION_TOKEN, "Expiration": START + 3600}
    return answer({"IdentityId": identity_id, "Credentials": keys})


def got(identity_id: str = ME) -> Answer:
    """Make a good answer to GetId."""
    return answer({"IdentityId": identity_id})


def error(code: str, message: str = "because", status: int = 400) -> Answer:
    """Make an error of Cognito."""
    return answer({"__type": f"com.amazonaws.cognito#{code}", "message": message}, status)


GONE = error("ResourceNotFoundException", "Identity not found.")


def cognito(*answers: Answer, url: str = URL, **runtime: Any) -> FakeIo:
    """Make a world in which Cognito gives these answers."""
    return FakeIo(*[("POST", url, one) for one in answers], **runtime)


def asked(io: FakeIo) -> list[tuple[str, dict[str, Any]]]:
    """Return what Cognito was asked: operations and bodies."""
    return [
        (request.headers["x-amz-target"].removeprefix("AWSCognitoIdentityService."), json.loads(request.body))
        for request in io.requests
    ]


def operations(io: FakeIo) -> list[str]:
    """Return the identity of each GetCredentialsForIdentity, and GetId as it is."""
    return [body.get("IdentityId", operation) for operation, body in asked(io)]


def giving(*values: object) -> Callable[[], Awaitable[Any]]:
    """Make a login that gives these, one after another; an error is raised."""
    left = list(values)

    async def login() -> object:
        value = left.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return login


class Cache:
    """A cache of a program, that remembers what it was asked; ``broken`` names methods and what they do instead."""

    def __init__(self, kept: Mapping[str, Any] | None = None, **broken: Callable[[], Any]) -> None:
        self.kept: dict[str, Any] = dict(kept or {})
        self.broken = broken
        self.calls: list[tuple[str, ...]] = []

    async def get(self, key: str) -> Any:
        self.calls.append(("get", key))
        return self.broken["get"]() if "get" in self.broken else self.kept.get(key)

    async def set(self, key: str, value: str) -> None:
        self.calls.append(("set", key, value))
        if "set" in self.broken:
            self.broken["set"]()
        self.kept[key] = value

    async def delete(self, key: str) -> None:
        self.calls.append(("delete", key))
        if "delete" in self.broken:
            self.broken["delete"]()
        self.kept.pop(key, None)


def test_an_identity() -> None:
    """A known identity is asked for once, at the region in its id, unsigned, and its set is given."""
    io = cognito(credentials())
    assert fetch(identity(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC),
        identity_id=ME,
        source=IDENTITY,
    )
    assert asked(io) == [("GetCredentialsForIdentity", {"IdentityId": ME})]
    (request,) = io.requests
    assert request.headers["content-type"] == "application/x-amz-json-1.1"
    assert {name.lower() for name in request.headers} == {"content-type", "x-amz-target"}
    assert (request.direct, request.timeout) == (False, 5.0)


def test_a_pool() -> None:
    """A pool is asked for an identity and then for its credentials; the next time the identity is known."""
    io = cognito(got(), credentials(), credentials())
    provider = pool(account_id="012345678901")
    found = run(provider._fetch(io, ClientContext()))
    assert (found.identity_id, found.source) == (ME, POOL)
    assert fetch(provider, io) == found
    assert asked(io) == [
        ("GetId", {"IdentityPoolId": POOL_ID, "AccountId": "012345678901"}),
        ("GetCredentialsForIdentity", {"IdentityId": ME}),
        ("GetCredentialsForIdentity", {"IdentityId": ME}),
    ]


def test_every_option_is_sent() -> None:
    """Logins go into both calls, the custom role into the second only."""
    io = cognito(got(), credentials())
    logins = {USERS: TOKEN, GOOGLE: TOKEN2}
    provider = CognitoIdentityPoolProvider(
        FakeRuntime(), POOL_ID, EndpointResolver(), CognitoOptions("arn:aws:iam::1:role/r", logins, timeout=2)
    )
    fetch(provider, io)
    assert asked(io) == [
        ("GetId", {"IdentityPoolId": POOL_ID, "Logins": logins}),
        ("GetCredentialsForIdentity", {"IdentityId": ME, "Logins": logins, "CustomRoleArn": "arn:aws:iam::1:role/r"}),
    ]
    assert [request.timeout for request in io.requests] == [2, 2]


@pytest.mark.parametrize(
    ("config", "identity_id", "environ", "region"),
    [
        ("us-west-2", ME, {"AWS_REGION": "eu-central-1"}, "us-west-2"),
        (None, ME, {"AWS_REGION": "eu-central-1"}, "eu-west-1"),
        (None, "no-prefix", {"AWS_REGION": "eu-central-1"}, "eu-central-1"),
        (None, ":x", {"AWS_DEFAULT_REGION": "eu-central-1"}, "eu-central-1"),
        (None, "no-prefix", {}, "us-east-1"),
    ],
)
def test_region(config: str | None, identity_id: str, environ: dict[str, str], region: str) -> None:
    """The region is the option's, the one in the id, or what everybody else says, in this order."""
    io = cognito(credentials(), url=f"https://cognito-identity.{region}.amazonaws.com/", environ=environ)
    fetch(identity(config=ClientConfig(region=config), identity_id=identity_id), io)


@pytest.mark.parametrize("prefix", ["evil.example/", "a b", "x" * 64, "-x"])
def test_a_region_in_an_id_becomes_no_other_host(prefix: str) -> None:
    """What stands before the colon is checked before it is a part of a host name."""
    problem = failure(pool(pool_id=f"{prefix}:x"), FakeIo())
    assert type(problem) is InvalidConfigurationError
    assert "option identity_pool_id cannot be a part of a host name" in str(problem)


def test_an_endpoint_of_ones_own() -> None:
    """An endpoint is called where it is, with its path."""
    io = cognito(credentials(), url="http://127.0.0.1:4566/cognito/")
    fetch(identity(config=ClientConfig(endpoint_url="http://127.0.0.1:4566/cognito")), io)
    assert io.requests[0].direct


def test_logins_are_asked_at_each_attempt() -> None:
    """A function is asked anew each time, a text is as it was when the provider was made."""
    logins: dict[str, Login] = {USERS: giving(TOKEN, TOKEN2), GOOGLE: "same"}
    provider = identity(logins)
    logins[GOOGLE] = "changed"
    io = cognito(credentials(), credentials())
    run(provider._fetch(io, ClientContext()))
    fetch(provider, io)
    assert [body["Logins"] for _, body in asked(io)] == [
        {USERS: TOKEN, GOOGLE: "same"},
        {USERS: TOKEN2, GOOGLE: "same"},
    ]


def test_logins_are_asked_once_for_all_calls() -> None:
    """GetId, GetCredentialsForIdentity and their repetitions have the same tokens."""
    io = cognito(error("ThrottlingException"), got(), error("InternalErrorException", status=500), credentials())
    fetch(pool({USERS: giving(TOKEN)}), io)
    assert [body["Logins"] for _, body in asked(io)] == [{USERS: TOKEN}] * 4


@pytest.mark.parametrize(
    ("value", "kind", "said"),
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
def test_a_login_that_fails(value: object, kind: type[CredentialsError], said: str) -> None:
    """What a login raises or returns instead of a token is an error that names it, and nothing is sent."""
    problem = failure(identity({GOOGLE: TOKEN2, USERS: giving(value)}), FakeIo())
    assert type(problem) is kind
    assert said in str(problem)
    if not isinstance(value, RetrievalError):  # an error of this library already says what it is about
        assert f"the login for {USERS}" in str(problem)
        assert problem.source == IDENTITY
    if isinstance(value, ValueError):
        problem.__cause__ = problem._cause = None  # a stranger's own error, with what the stranger put into it
    assert_no_secret(problem, TOKEN2)


def test_long_tokens() -> None:
    """Cognito takes tokens of up to 50,000 characters, and so do logins of both kinds."""
    logins = {USERS: giving("x" * 50_000), GOOGLE: "y" * 50_000}
    io = cognito(credentials())
    fetch(identity(logins), io)
    assert len(io.requests[0].body) > 100_000


def test_a_login_that_is_not_async() -> None:
    """A plain function is told to be async."""
    problem = failure(identity({USERS: lambda: TOKEN}), FakeIo())
    assert type(problem) is InvalidConfigurationError
    assert f"the login for {USERS} returned str" in str(problem)
    assert "async def" in str(problem)


class Cancelled(BaseException):
    """The cancellation of a task."""


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
    io = cognito(got(), credentials())
    cache = Cache(get=raising(outcome)) if isinstance(outcome, Exception) else None
    run(pool({USERS: giving(TOKEN)}, cache=cache, user_identifier="me")._load(io, ClientContext()))
    assert io.waiting_for == POOL


def test_an_exit_in_a_login_leaves() -> None:
    """What ends the program is not held back."""
    with pytest.raises(KeyboardInterrupt):
        run(identity({USERS: giving(KeyboardInterrupt())})._fetch(FakeIo(), ClientContext()))


@pytest.mark.parametrize(
    "code", ["NotAuthorizedException", "InvalidIdentityPoolConfigurationException", "ResourceConflictException"]
)
@pytest.mark.parametrize("step", ["GetId", "GetCredentialsForIdentity"])
def test_refusals(code: str, step: str) -> None:
    """What Cognito refuses is not asked again; the error says who was asked for what, where, and what to do."""
    io = cognito(*([] if step == "GetId" else [got()]), error(code, f"Bad token: {TOKEN}"))
    problem = failure(pool({USERS: TOKEN}), io)
    assert type(problem) is RetrievalError
    assert (problem.code, problem.status, problem.source) == (code, 400, POOL)
    assert f"{step} of Amazon Cognito at https://cognito-identity.eu-west-1.amazonaws.com" in str(problem)
    assert "option identity_pool_id" in str(problem)
    assert problem.hint
    assert_no_secret(problem, TOKEN)


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
def test_bad_answers(bad: Answer, kind: type[CredentialsError]) -> None:
    """An answer of another kind is an error, and no second try."""
    problem = failure(identity({USERS: TOKEN}), cognito(bad))
    assert type(problem) is kind
    assert_no_secret(problem, TOKEN)


@pytest.mark.parametrize(
    ("trouble", "kind"),
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
def test_trouble_is_tried_again(trouble: Answer, kind: type[CredentialsError]) -> None:
    """What passes by itself is tried three times, or as often as is configured, and then it is the error."""
    fetch(identity(), cognito(trouble, trouble, credentials()))
    assert type(failure(identity(), cognito(trouble, trouble, trouble))) is kind
    once = identity({USERS: TOKEN}, ClientConfig(max_attempts=1))
    problem = failure(once, cognito(trouble))
    assert type(problem) is kind
    assert_no_secret(problem, TOKEN)


def test_silence_ends_in_time() -> None:
    """Each call has its tries times its timeout, pauses included, and not more."""
    io = FakeIo()

    def silence(request: Request) -> Answer:
        return io.timeout(request)

    io.script = [("POST", URL, silence)] * 3
    begin = io.monotonic()
    problem = failure(pool(), io)
    assert type(problem) is ProviderTimeoutError
    assert "GetId of Amazon Cognito" in str(problem)
    assert io.monotonic() - begin <= 15


TROUBLES = [
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


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("with_cache", [False, True])
def test_no_trouble_forgets_an_identity(trouble: list[Answer], with_cache: bool) -> None:
    """Whatever goes wrong at first, or later, the identity that was got is used from then on."""
    provider = pool(cache=Cache() if with_cache else None)
    io = cognito(got(), *trouble, credentials(), *trouble, credentials())
    for works in (False, True, False, True):
        if works:
            assert run(provider._fetch(io, ClientContext())).identity_id == ME
        else:
            with pytest.raises(RetrievalError):
                run(provider._fetch(io, ClientContext()))
    assert io.script == []
    assert operations(io).count("GetId") == 1


@pytest.mark.parametrize("with_cache", [False, True])
def test_an_identity_that_is_gone(with_cache: bool, caplog: pytest.LogCaptureFixture) -> None:
    """If the identity that was kept is gone, the pool is asked for another at once, and that one is kept."""
    caplog.set_level(logging.INFO)
    cache = Cache()
    provider = pool(cache=cache if with_cache else None)
    io = cognito(got(ME), credentials(ME), GONE, got(OTHER), credentials(OTHER), credentials(OTHER))
    found = [run(provider._fetch(io, ClientContext())).identity_id for _ in range(3)]
    assert found == [ME, OTHER, OTHER]
    assert operations(io) == ["GetId", ME, ME, "GetId", OTHER, OTHER]
    assert "no longer exists" in caplog.text
    if with_cache:
        assert ("delete", f"{KEY}:ANONYMOUS") in cache.calls
        assert cache.kept == {f"{KEY}:ANONYMOUS": OTHER}


def test_an_identity_that_is_gone_at_once() -> None:
    """A new identity that is gone is the error and is forgotten: no circle of asking."""
    provider = pool()
    problem = failure(provider, cognito(got(ME), GONE))
    assert isinstance(problem, RetrievalError)
    assert problem.code == "ResourceNotFoundException"
    io = cognito(got(OTHER), credentials(OTHER), GONE, got(THIRD), GONE)
    run(provider._fetch(io, ClientContext()))
    assert failure(provider, io).source == POOL
    assert operations(io) == ["GetId", OTHER, OTHER, "GetId", THIRD]
    io = cognito(got(ME), credentials(ME))
    fetch(provider, io)


def test_a_pool_that_is_gone() -> None:
    """A pool that does not exist is the error, and nothing is kept."""
    cache = Cache()
    problem = failure(pool(cache=cache), cognito(error("ResourceNotFoundException", "IdentityPool not found.")))
    assert "IdentityPool not found." in str(problem)
    assert [call[0] for call in cache.calls] == ["get"]


@pytest.mark.parametrize("bad", [{}, {"IdentityId": ""}, {"IdentityId": 1}, {"IdentityId": "x\n"}])
def test_an_identity_that_cannot_be_right_is_not_kept(bad: dict[str, object]) -> None:
    """What is no identity is an error, and the pool is asked again the next time."""
    provider = pool()
    problem = failure(provider, cognito(answer(bad)))
    assert isinstance(problem, MalformedResponseError)
    assert problem.field == "IdentityId"
    fetch(provider, cognito(got(), credentials()))


@pytest.mark.parametrize(
    ("more", "logins", "key"),
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
def test_keys(more: dict[str, Any], logins: dict[str, str] | None, key: str) -> None:
    """The key of a cache says pool and user as JavaScript's does, and account and region where they may differ."""
    cache = Cache()
    provider = pool(logins, cache=cache, **more)
    region = next((part[7:] for part in key.split(":") if part.startswith("region=")), "eu-west-1")
    url = f"https://cognito-identity.{region}.amazonaws.com/"
    fetch(provider, cognito(got(), credentials(), url=url))
    assert cache.kept == {key: ME}
    fetch(provider, cognito(credentials(), url=url))
    assert cache.calls == [("get", key), ("set", key, ME), ("get", key)]


def test_a_cache_that_others_have_filled() -> None:
    """What stands in the cache is used without asking the pool."""
    io = cognito(credentials(OTHER))
    assert fetch(pool(cache=Cache({f"{KEY}:ANONYMOUS": OTHER})), io).identity_id == OTHER
    assert operations(io) == [OTHER]


def test_users_do_not_share() -> None:
    """Users of one pool and one cache have an identity each, and nobody in particular has another."""
    cache = Cache()
    for number, user in enumerate(["a", "b", None]):
        mine = f"eu-west-1:{number}"
        fetch(pool(cache=cache, user_identifier=user), cognito(got(mine), credentials(mine)))
    assert sorted(cache.kept.values()) == ["eu-west-1:0", "eu-west-1:1", "eu-west-1:2"]


def test_providers_without_a_cache_do_not_share() -> None:
    """What one provider keeps is not another's."""
    for _ in range(2):
        fetch(pool(), cognito(got(), credentials()))


def test_callers_in_other_regions_do_not_share() -> None:
    """A pool whose id has no region is another pool in each region."""
    provider = pool(pool_id="pool")
    for region in ("eu-west-1", "eu-west-2"):
        io = cognito(got(), credentials(), url=f"https://cognito-identity.{region}.amazonaws.com/")
        run(provider._fetch(io, ClientContext(region=region)))
        assert io.script == []


def test_logins_that_may_become_another_users_keep_nothing() -> None:
    """With a function for a login and no user named, the pool is asked each time, and no cache is touched."""
    cache = Cache({f"{KEY}:ANONYMOUS": THIRD})
    provider = pool({GOOGLE: "same", USERS: giving(TOKEN, TOKEN2)}, cache=cache)
    io = cognito(got(ME), credentials(ME), got(OTHER), credentials(OTHER))
    assert run(provider._fetch(io, ClientContext())).identity_id == ME
    assert fetch(provider, io).identity_id == OTHER
    assert cache.calls == []


def test_logins_that_remain_one_users_are_kept_here_only() -> None:
    """With texts for logins and no user named, the provider keeps the identity, and no cache is touched."""
    cache = Cache({f"{KEY}:ANONYMOUS": THIRD, f"{KEY}:": THIRD})
    provider = pool({USERS: TOKEN}, cache=cache)
    io = cognito(got(ME), credentials(ME), credentials(ME))
    run(provider._fetch(io, ClientContext()))
    assert fetch(provider, io).identity_id == ME
    assert cache.calls == []


def test_logins_of_a_named_user_are_kept() -> None:
    """With a user named, functions for logins are no obstacle."""
    cache = Cache()
    provider = pool({USERS: giving(TOKEN, TOKEN2)}, cache=cache, user_identifier="me")
    io = cognito(got(ME), credentials(ME), credentials(ME))
    run(provider._fetch(io, ClientContext()))
    assert fetch(provider, io).identity_id == ME
    assert operations(io) == ["GetId", ME, ME]


def raising(error: Exception) -> Callable[[], Any]:
    """Make a function that raises."""

    def function() -> None:
        raise error

    return function


BROKEN = [raising(OSError("down")), raising(KeyError("x")), raising(RetrievalError("no luck"))]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("method", ["get", "set", "delete"])
def test_a_cache_that_fails(method: str, broken: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    """What a cache raises is logged and never fails the call; a get that failed is an empty one."""
    cache = Cache({f"{KEY}:ANONYMOUS": THIRD}, **{method: broken})
    answers = [got(ME), credentials(ME)] if method == "get" else [GONE, got(ME), credentials(ME)]
    assert fetch(pool(cache=cache), cognito(*answers)).identity_id == ME
    (record,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert record.name == "anycreds.identities"
    assert "continuing without the cache" in record.getMessage()


@pytest.mark.parametrize("value", ["", " ", "x\n", "x\x00", "\ud800", b"bytes", 1, [ME], {"a": ME}, "x" * 20_000])
def test_what_a_cache_gives_is_checked(value: object, caplog: pytest.LogCaptureFixture) -> None:
    """What can be no identity is logged, without repeating it, and replaced by the pool's."""
    cache = Cache({f"{KEY}:ANONYMOUS": value})
    assert fetch(pool(cache=cache), cognito(got(), credentials())).identity_id == ME
    assert cache.kept == {f"{KEY}:ANONYMOUS": ME}
    assert "the identity cache returned a value that" in caplog.text


def test_waits_for_logins_and_caches() -> None:
    """Both are awaited, so that they can wait for something themselves."""

    async def login() -> str:
        await Suspend()
        return TOKEN

    attempt = identity({USERS: login})._fetch(cognito(credentials()), ClientContext())
    attempt.send(None)
    with pytest.raises(StopIteration) as end:
        attempt.send(None)
    assert end.value.value.identity_id == ME


class PlainCache(Cache):
    """A cache with a method that is not async."""

    def set(self, key: str, value: str) -> None:  # type: ignore[override]
        self.kept[key] = value


@pytest.mark.parametrize(
    ("more", "said"),
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
def test_options_that_cannot_be_right(more: dict[str, Any], said: str) -> None:
    """A wrong option is an error at once, which names it and shows no token."""
    error = error_of(from_cognito_identity, kind=InvalidConfigurationError, **{"identity_id": ME, **more})
    assert str(error).startswith("Cognito identity: option")
    assert said in str(error)
    assert_no_secret(error, TOKEN, TOKEN2)


@pytest.mark.parametrize(
    ("more", "said"),
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
def test_options_of_a_pool_that_cannot_be_right(more: dict[str, Any], said: str) -> None:
    """The same for a pool and what only a pool has."""
    options = {"identity_pool_id": POOL_ID, "logins": {USERS: TOKEN}, **more}
    error = error_of(from_cognito_identity_pool, kind=InvalidConfigurationError, **options)
    assert str(error).startswith("Cognito identity pool: option")
    assert said in str(error)
    assert_no_secret(error, TOKEN, TOKEN2)


def test_nothing_secret_is_printed() -> None:
    """Neither options nor providers show logins."""
    given = options({USERS: TOKEN})
    assert TOKEN not in repr(given)
    assert repr(pool({USERS: TOKEN})) == "<anycreds provider: Cognito identity pool>"
