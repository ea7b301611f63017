"""SSO: the token of a sign-in, refreshed as often as it must be, and the role that the portal gives for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._config.client_config import ClientConfig
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._core.credentials import Credentials
from anycreds._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    MalformedResponseError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds._core.http import Request, Response, TransportFailure
from anycreds._core.io import ReadFailure, WriteFailure
from anycreds._core.provider import ClientContext
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sso.provider import SsoProvider
from anycreds._providers.sso.settings import SsoSettings
from support.fake_io import (
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    FakeIo,
    FakeRuntime,
    answer,
    assert_no_secret,
    failure,
    fetch,
    run,
)

PORTAL = "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?account_id=123456789012&role_name=Dev"
OIDC = "https://oidc.eu-central-1.amazonaws.com/token"
FOLDER = "/home/user/.aws/sso/cache"
SESSION_FILE = f"{FOLDER}/0ad374308c5a4e22f723adf10145eafad7c4031c.json"
LEGACY_FILE = f"{FOLDER}/40a89917e3175433e361b710a9d43528d7f1890a.json"
SESSION_SHOWN = "~/.aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json"
LEGACY_SHOWN = "~/.aws/sso/cache/40a89917e3175433e361b710a9d43528d7f1890a.json"

TOKENS = tuple(f"canary-access-{number}" for number in range(4))
REFRESHES = tuple(f"canary-refresh-{number}" for number in range(4))
CLIENT_SECRET = "canary-client-secret"
SECRETS = (*TOKENS, *REFRESHES, CLIENT_SECRET)
COMMAND = "aws sso login --profile dev"

# Ends, seen from 2024-01-02T03:04:05Z.
FAR, NEAR, OVER = "2024-01-02T11:04:05Z", "2024-01-02T03:09:05Z", "2024-01-02T03:04:05Z"
ROLE_END = datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC)

SETTINGS = SsoSettings(
    Setting("https://d-abc123.awsapps.com/start", "~/.aws/config:7"),
    Setting("123456789012", "~/.aws/config:3"),
    Setting("eu-central-1", "~/.aws/config:8"),
    Setting("Dev", "~/.aws/config:4"),
    Setting("my-sso", "~/.aws/config:2"),
    "dev",
)
LEGACY = SETTINGS._replace(session=None)


def provider(settings: SsoSettings = SETTINGS, config: ClientConfig | None = None, **options: Any) -> SsoProvider:
    """Make a provider without a world."""
    return SsoProvider(FakeRuntime(), settings, EndpointResolver(config, view=ProfileView()), **options)


def token(number: int = 0, end: str = FAR, **changes: Any) -> dict[str, Any]:
    """Make what ``aws sso login`` writes; ``...`` leaves a field out."""
    full = {
        "startUrl": "https://d-abc123.awsapps.com/start",
        "region": "eu-central-1",
        "accessToken": TOKENS[number],
        "expiresAt": end,
        "clientId": "client",
        "clientSecret": CLIENT_SECRET,
        "registrationExpiresAt": "2024-03-01T00:00:00Z",
        "refreshToken": REFRESHES[number],
        **changes,
    }
    return {name: value for name, value in full.items() if value is not ...}


def runtime(document: Any, *script: Any, path: str = SESSION_FILE, **more: Any) -> FakeIo:
    """Make a world with this token file."""
    return FakeIo(*script, files={path: json.dumps(document).encode()}, **more)


def role(*, asks: str = TOKENS[0], status: int = 200, body: Any = None) -> Any:
    """Let the portal be asked with a token, and answer."""
    given = {
        "accessKeyId": KEY_ID,
        "secretAccessKey": SECRET_KEY,
        "sessionToken": SESSION_TOKEN,
        "expiration": int(ROLE_END.timestamp()) * 1000,
    }
    content = {"roleCredentials": given} if body is None else body

    def portal(request: Request) -> Response:
        assert request.headers == {"Accept": "application/json", "x-amz-sso_bearer_token": asks}
        assert not request.direct
        return answer(content, status)

    return ("GET", PORTAL, portal)


def refresh(new: Any = 1, *, asks: int = 0, status: int = 200) -> Any:
    """Let OIDC be asked with the refresh token of a number, and answer with the next token."""
    good = {"accessToken": TOKENS[1], "expiresIn": 28800, "refreshToken": REFRESHES[1], "tokenType": "Bearer"}
    body = {**good, "accessToken": TOKENS[new], "refreshToken": REFRESHES[new]} if isinstance(new, int) else new

    def oidc(request: Request) -> Response:
        assert json.loads(request.body) == {
            "clientId": "client",
            "clientSecret": CLIENT_SECRET,
            "grantType": "refresh_token",
            "refreshToken": REFRESHES[asks],
        }
        return body if isinstance(body, Response) else answer(body, status)

    return ("POST", OIDC, oidc)


def service_error(code: str = "InvalidGrantException", status: int = 400) -> Any:
    """Let OIDC refuse, repeating what was sent."""
    body = {"error": "invalid_grant", "error_description": f"not {REFRESHES[0]} of {CLIENT_SECRET}"}
    return refresh(Response(status, {"x-amzn-errortype": code}, json.dumps(body).encode()))


UNAUTHORIZED = {"message": f"Session token not found or invalid: {TOKENS[0]}", "__type": "com.x#UnauthorizedException"}


def fail(io: FakeIo, one: SsoProvider | None = None) -> CredentialsError:
    """Return the error of one attempt, in which no token may be found."""
    error = failure(one or provider(), io)
    assert_no_secret(error, *SECRETS)
    assert error.source == "SSO"
    return error


def login(io: FakeIo, one: SsoProvider | None = None, command: str = COMMAND) -> LoginRequiredError:
    """Return the error that a person has to sign in."""
    error = fail(io, one)
    assert isinstance(error, LoginRequiredError)
    assert error.command == command
    assert error.hint == f"run: {command}"
    return error


def written(io: FakeIo, path: str = SESSION_FILE) -> Any:
    """Return what the token file holds."""
    content = io.files[path]
    assert isinstance(content, bytes)
    return json.loads(content)


def test_session() -> None:
    """A token with more than five minutes left is used as it is, without a lock, and the account is the profile's."""
    io = runtime(token(), role())
    assert fetch(provider(), io) == Credentials(
        KEY_ID, SECRET_KEY, SESSION_TOKEN, expiration=ROLE_END, account_id="123456789012", source="SSO"
    )
    assert io.reads == [SESSION_FILE]
    assert (io.locks, io.writes) == ([], [])
    assert io.requests[0].timeout == 5.0


def test_legacy() -> None:
    """Without a session the file has its name from the start URL, and its token is used to the last second."""
    least = {"accessToken": TOKENS[0], "expiresAt": "2024-01-02T03:04:06UTC"}
    io = runtime(least, role(), path=LEGACY_FILE)
    assert fetch(provider(LEGACY), io).access_key_id == KEY_ID
    assert io.locks == []


def test_region_is_always_the_settings() -> None:
    """Neither the program's region nor the environment's moves the portal or OIDC."""
    io = runtime(token(end=NEAR), refresh(), role(asks=TOKENS[1]), environ={"AWS_REGION": "us-east-1"})
    fetch(provider(config=ClientConfig(region="ap-south-1")), io)


def test_endpoints_of_the_environment() -> None:
    """Both services can be sent elsewhere, each with its own variable."""
    environ = {"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SSO_OIDC": "http://127.0.0.1:2/x"}
    io = runtime(
        token(end=NEAR),
        ("POST", "http://127.0.0.1:2/x/token", refresh()[2]),
        ("GET", PORTAL.replace("https://portal.sso.eu-central-1.amazonaws.com", "http://127.0.0.1:1"), answer({}, 403)),
        environ=environ,
    )
    assert "AWS_ENDPOINT_URL_SSO)" in fail(io).message


@pytest.mark.parametrize(
    ("end", "left"), [(NEAR, 300), ("2024-01-02T03:04:06Z", 1), (OVER, 0), ("2023-01-01T00:00:00Z", -1)]
)
def test_refresh(end: str, left: int) -> None:
    """With five minutes left or less the token is refreshed before the portal is asked, and the file written whole."""
    io = runtime(token(end=end, unknown={"kept": [left]}), refresh(), role(asks=TOKENS[1]))
    fetch(provider(), io)
    assert written(io) == token(1, FAR, unknown={"kept": [left]})
    assert io.locks == [SESSION_FILE]
    assert io.locked_now == []
    headers = io.requests[0].headers
    assert headers == {"Accept": "application/json", "Content-Type": "application/json"}


def test_no_refresh_before() -> None:
    """With more than five minutes left nothing is refreshed."""
    io = runtime(token(end="2024-01-02T03:09:06Z"), role())
    fetch(provider(), io)


def test_refresh_token_that_stays() -> None:
    """An answer without a refresh token leaves the one in the file."""
    io = runtime(token(end=NEAR), refresh({"accessToken": TOKENS[1], "expiresIn": 28800}), role(asks=TOKENS[1]))
    fetch(provider(), io)
    assert written(io) == token(1, FAR, refreshToken=REFRESHES[0])


def test_sibling_has_refreshed() -> None:
    """What another process has written meanwhile is used, and OIDC is not asked."""
    io = runtime(token(end=NEAR), role(asks=TOKENS[2]))
    io.when_locked[SESSION_FILE] = lambda: io.files.update({SESSION_FILE: json.dumps(token(2)).encode()})
    fetch(provider(), io)
    assert io.writes == []


def test_unwritable(caplog: pytest.LogCaptureFixture) -> None:
    """A read-only file fails no call: the new token is kept in memory, and with it its refresh token."""
    one = provider()
    io = runtime(
        token(end=NEAR),
        refresh(),
        role(asks=TOKENS[1]),
        unwritable={SESSION_FILE: WriteFailure("cannot be written: x")},
    )
    fetch(one, io)
    io.script = [role(asks=TOKENS[1])]
    fetch(one, io)
    io.advance(8 * 3600 - 200)
    io.script = [refresh(2, asks=1), role(asks=TOKENS[2], body={"roleCredentials": 1})]
    assert type(failure(one, io)) is MalformedResponseError
    assert written(io) == token(end=NEAR)
    assert [record.name for record in caplog.records] == ["anycreds.token_files"] * 2


def test_not_refreshable_but_valid() -> None:
    """A token without a refresh token, or with a registration that has ended, is used until it ends (not as JS)."""
    for changes in ({"refreshToken": ...}, {"clientSecret": ""}, {"registrationExpiresAt": OVER}):
        io = runtime(token(end=NEAR, **changes), role())
        fetch(provider(), io)
        assert io.locks == []


def test_no_registration_end() -> None:
    """Where the file does not say when the registration ends, a refresh is tried."""
    io = runtime(token(end=NEAR, registrationExpiresAt=...), refresh(), role(asks=TOKENS[1]))
    fetch(provider(), io)


FAILED: Mapping[str, Any] = {
    "refused": service_error(),
    "busy": ("POST", OIDC, answer({}, 503)),
    "down": ("POST", OIDC, TransportFailure("unreachable", "connection refused")),
    "garbage": refresh({"accessToken": TOKENS[1]}),
}


@pytest.mark.parametrize("how", [*FAILED])
def test_refresh_fails_but_valid(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A token that has not ended serves, whatever becomes of its refresh; that is logged, and not asked for 30 s."""
    one = provider()
    times = 3 if how in ("busy", "down") else 1
    io = runtime(token(end=NEAR), *[FAILED[how]] * times, role())
    fetch(one, io)
    assert written(io) == token(end=NEAR)
    assert [(record.name, record.levelno) for record in caplog.records] == [("anycreds.providers.sso", logging.WARNING)]
    io.script = [role()]
    fetch(one, io)
    io.advance(31)
    io.script = [refresh(), role(asks=TOKENS[1])]
    fetch(one, io)


def test_refused_and_over() -> None:
    """A refusal, once the token has ended, is for a person: with the code, the places and the command."""
    error = login(runtime(token(end=OVER), service_error()))
    assert (error.status, error.code) == (400, "InvalidGrantException")
    assert error.message.startswith(
        f"the refresh of the SSO token for sso-session 'my-sso' (~/.aws/config:2) in {SESSION_SHOWN}, "
        "by IAM Identity Center (OIDC) at https://oidc.eu-central-1.amazonaws.com (region eu-central-1"
    )
    assert error.message.endswith("failed with status 400 (InvalidGrantException: not ... of ...)")


@pytest.mark.parametrize("code", ["InvalidClientException", "ExpiredTokenException", "UnauthorizedClientException"])
def test_other_refusals(code: str) -> None:
    """Whatever OIDC refuses for good, a new sign-in is the remedy."""
    assert login(runtime(token(end=OVER), service_error(code, 401))).code == code


@pytest.mark.parametrize(
    ("step", "times", "kind"),
    [
        (("POST", OIDC, answer({"error": "server_error"}, 500)), 3, RetrievalError),
        (("POST", OIDC, answer({"error": "slow_down"}, 429)), 3, RetrievalError),
        (("POST", OIDC, TransportFailure("unreachable", "connection refused")), 3, RetrievalError),
        (("POST", OIDC, TransportFailure("timeout", "nothing came within 5 s")), 3, ProviderTimeoutError),
        (("POST", OIDC, answer(b"<html>")), 1, MalformedResponseError),
        (("POST", OIDC, answer(b"", 302, location="https://portal.example/")), 1, RetrievalError),
    ],
)
def test_fails_and_over(step: Any, times: int, kind: type[RetrievalError]) -> None:
    """What passes by itself asks nobody to sign in: the error is that of the call; within 30 s it is said again."""
    one = provider()
    io = runtime(token(end=OVER), *[step] * times)
    error = fail(io, one)
    assert type(error) is kind
    assert type(fail(io, one)) is kind
    assert len(io.requests) == times


def test_sign_in_heals() -> None:
    """A running program sees a new sign-in at its next attempt, also within 30 s of a refusal."""
    one = provider()
    io = runtime(token(end=OVER), service_error())
    login(io, one)
    io.files[SESSION_FILE] = json.dumps(token(3)).encode()
    io.script = [role(asks=TOKENS[3])]
    fetch(one, io)


def test_refused_because_somebody_was_faster() -> None:
    """If OIDC refuses a refresh token that another program has just spent, that one's new token is used (U31)."""

    def spend(request: Request) -> Response:
        io.files[SESSION_FILE] = json.dumps(token(2)).encode()
        return answer({"error": "invalid_grant"}, 400)

    io = runtime(token(end=OVER), ("POST", OIDC, spend), role(asks=TOKENS[2]))
    fetch(provider(), io)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"refreshToken": ...}, "it has no refreshToken"),
        ({"registrationExpiresAt": OVER}, "the registration of its client expired at 2024-01-02T03:04:05Z"),
    ],
)
def test_over_and_not_refreshable(changes: dict[str, Any], reason: str) -> None:
    """A token that has ended for good is told with its file, its end, and why nothing renews it."""
    error = login(runtime(token(end=OVER, **changes)))
    assert error.message == (
        f"the SSO token for sso-session 'my-sso' (~/.aws/config:2) in {SESSION_SHOWN} has expired "
        f"(at 2024-01-02T03:04:05Z); it cannot be refreshed, because {reason}"
    )
    assert str(error).endswith(f"(run: {COMMAND})")


def test_legacy_over() -> None:
    """A legacy token is never refreshed, even if its file has all it takes."""
    error = login(runtime(token(end=OVER), path=LEGACY_FILE), provider(LEGACY))
    assert error.message == (
        f"the SSO token for the start URL from ~/.aws/config:7 in {LEGACY_SHOWN} has expired "
        "(at 2024-01-02T03:04:05Z); it cannot be refreshed, because sso_session is not set"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, " does not exist"),
        (ReadFailure("cannot be read: Permission denied"), " cannot be read: Permission denied"),
        (b"{", " is not JSON"),
        (b'{"accessToken": "canary-access-0"}', ": expiresAt is missing"),
        (b'{"expiresAt": "2024-01-02T11:04:05Z"}', ": accessToken is missing"),
        (
            b'{"accessToken": "canary-access-0\\n", "expiresAt": "x"}',
            ": accessToken contains the control character U+000A",
        ),
    ],
)
@pytest.mark.parametrize("style", ["session", "legacy"])
def test_no_token(content: Any, problem: str, style: str) -> None:
    """A file that is missing or cannot be read means that somebody has to sign in; nothing is asked."""
    path, shown = (SESSION_FILE, SESSION_SHOWN) if style == "session" else (LEGACY_FILE, LEGACY_SHOWN)
    io = FakeIo(files={} if content is None else {path: content})
    error = login(io, provider(SETTINGS if style == "session" else LEGACY))
    assert error.message.endswith(f": {shown}{problem}")
    assert "~/.aws/config:" in error.message


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"profile": "my dev"}, "aws sso login --profile 'my dev'"),
        ({"profile": "it's;rm -rf"}, """aws sso login --profile 'it'"'"'s;rm -rf'"""),
        ({"profile": None}, "aws sso login --sso-session my-sso"),
        ({"profile": None, "session": None}, "aws sso login"),
    ],
)
def test_commands(changes: dict[str, Any], command: str) -> None:
    """The command can be pasted into a shell, whatever the profile is called."""
    login(FakeIo(), provider(SETTINGS._replace(**changes)), command)


def test_unauthorized_is_refreshed_once() -> None:
    """A token that the portal rejects before its time is refreshed, and the portal asked once more."""
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), refresh(), role(asks=TOKENS[1]))
    fetch(provider(), io)
    assert written(io)["accessToken"] == TOKENS[1]


def test_unauthorized_twice() -> None:
    """If the portal rejects the new token, too, a person has to sign in; nothing is refreshed a second time."""
    rejected = role(asks=TOKENS[1], status=401, body={**UNAUTHORIZED, "message": f"again: {TOKENS[1]}"})
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), refresh(), rejected)
    error = login(io)
    assert (error.status, error.code) == (401, "UnauthorizedException")


def test_unauthorized_within_the_pause() -> None:
    """Within 30 s of a refresh a rejected token is not refreshed again."""
    io = runtime(token(end=NEAR), refresh(), role(asks=TOKENS[1], status=401, body={}))
    assert login(io).status == 401


def test_unauthorized_and_signed_in_meanwhile() -> None:
    """A newer token in the file is used instead of a refresh, even if it ends soon."""

    def sign_in(request: Request) -> Response:
        io.files[SESSION_FILE] = json.dumps(token(2)).encode()
        return answer(UNAUTHORIZED, 401)

    io = runtime(token(), ("GET", PORTAL, sign_in), role(asks=TOKENS[2]))
    fetch(provider(), io)
    assert io.locks == []


@pytest.mark.parametrize("step", [service_error(), refresh(answer(b"<html>")), refresh(answer({}, 302))])
def test_unauthorized_and_refresh_fails(step: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A rejected token is not used again where its refresh fails: the portal's answer is the error."""
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), step)
    error = login(io)
    assert (error.status, error.code) == (401, "UnauthorizedException")
    assert error.message.startswith(
        "the request for role 'Dev' (~/.aws/config:4) in account '123456789012' (~/.aws/config:3), "
        "to the IAM Identity Center portal at https://portal.sso.eu-central-1.amazonaws.com (region eu-central-1"
    )
    assert error.message.endswith("(UnauthorizedException: Session token not found or invalid: ...)")
    assert len(caplog.records) == 1


def test_unauthorized_and_not_refreshable(caplog: pytest.LogCaptureFixture) -> None:
    """Without a way to refresh, or in legacy style, a rejected token is for a person at once."""
    assert login(runtime(token(refreshToken=...), role(status=401, body={}))).code is None
    assert "was rejected by the portal; it cannot be refreshed, because it has no refreshToken" in caplog.text
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), path=LEGACY_FILE)
    assert login(io, provider(LEGACY)).code == "UnauthorizedException"
    assert io.reads == [LEGACY_FILE]


@pytest.mark.parametrize(("status", "code"), [(403, "ForbiddenException"), (404, "ResourceNotFoundException")])
def test_no_access(status: int, code: str) -> None:
    """A role that is not there for whoever signed in is told with both settings; signing in again would not help."""
    error = fail(runtime(token(), role(status=status, body={"message": "No access", "__type": code})))
    assert type(error) is RetrievalError
    assert (error.status, error.code) == (status, code)
    assert error.hint == (
        "assign the signed-in user to this role in this account, or correct ~/.aws/config:3 and ~/.aws/config:4"
    )


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([answer({}, 400)], RetrievalError),
        ([answer({}, 429)] * 3, RetrievalError),
        ([answer({}, 500)] * 3, RetrievalError),
        ([answer({})], MalformedResponseError),
        ([answer(b"", 301, location="https://evil.example")], RetrievalError),
        ([TransportFailure("unreachable", "no route")] * 3, RetrievalError),
        ([TransportFailure("timeout", "nothing came")] * 3, ProviderTimeoutError),
        ([TransportFailure("too large", "more than 64 KiB came")], MalformedResponseError),
    ],
)
def test_portal_fails(steps: list[Any], kind: type[RetrievalError]) -> None:
    """What passes by itself is tried three times; the error says who was asked, for what, and whence the settings."""
    error = fail(runtime(token(), *[("GET", PORTAL, step) for step in steps]))
    assert type(error) is kind
    if not isinstance(error, MalformedResponseError) or error.status is None:
        assert "role 'Dev' (~/.aws/config:4) in account '123456789012' (~/.aws/config:3)" in error.message


def test_busy_portal_recovers() -> None:
    """An answer after a repetition is as good as the first."""
    fetch(provider(), runtime(token(), role(status=503, body={}), role()))


def test_wrong_region() -> None:
    """A region that cannot be a part of a host name is an error before anything is read or asked."""
    io = runtime(token())
    error = fail(io, provider(SETTINGS._replace(region=Setting("evil.example/", "~/.aws/config:8"))))
    assert type(error) is InvalidConfigurationError
    assert "the region from ~/.aws/config:8 cannot be a part of a host name" in error.message


def test_oidc_endpoint_that_is_none() -> None:
    """A wrong OIDC endpoint counts once it is needed: with a valid token it is logged, later it is the error."""
    environ = {"AWS_ENDPOINT_URL_SSO_OIDC": "nonsense"}
    fetch(provider(), runtime(token(end=NEAR), role(), environ=environ))
    error = fail(runtime(token(end=OVER), environ=environ))
    assert type(error) is InvalidConfigurationError
    assert "AWS_ENDPOINT_URL_SSO_OIDC" in error.message


def test_no_home() -> None:
    """Without a home directory there is no place for a token."""
    io = FakeIo()
    io.home_directory = lambda: None  # type: ignore[method-assign]
    assert type(fail(io)) is InvalidConfigurationError


def test_home_of_the_environment() -> None:
    """The home directory is the environment's, as for the shared files."""
    io = FakeIo(
        role(),
        environ={"HOME": "/h"},
        files={SESSION_FILE.replace("/home/user", "/h"): json.dumps(token()).encode()},
    )
    fetch(provider(), io)


def test_slow_refresh_leaves_time_for_the_portal() -> None:
    """While OIDC hangs, a token that still serves does: the refresh cannot use up the portal's time."""
    io = runtime(token(end=NEAR), busy=[SESSION_FILE])
    io.script = [("POST", OIDC, io.timeout)] * 3 + [role()]
    fetch(provider(), io)
    assert io.steady - 1000 < 30
    assert io.requests[-1].timeout == 5.0


def test_patient_oidc_leaves_time_for_the_portal() -> None:
    """OIDC that asks to be left alone for longer than its share is not waited for while the old token serves."""
    io = runtime(token(end=NEAR), ("POST", OIDC, answer({}, 503, retry_after="16")), role())
    fetch(provider(), io)
    assert io.pauses == []


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
BODIES = st.binary(max_size=30) | ANYTHING.map(lambda value: json.dumps(value).encode())
ANSWERS = st.builds(
    Response, st.integers(200, 599), st.dictionaries(st.just("x-amzn-errortype"), st.text(max_size=9)), BODIES
) | st.sampled_from(
    [TransportFailure("timeout", "x"), TransportFailure("unreachable", "x"), TransportFailure("broken", "x")]
)


@settings(deadline=None)
@given(
    content=BODIES
    | st.fixed_dictionaries({}, optional=dict.fromkeys(token(), ANYTHING)).map(
        lambda changes: json.dumps(token(end=NEAR) | changes).encode()
    ),
    answers=st.lists(ANSWERS, max_size=9),
)
def test_nothing_else_leaves(content: bytes, answers: list[Any]) -> None:
    """Whatever the file holds and whatever comes, there is a set or a ``CredentialsError``."""
    io = FakeIo(files={SESSION_FILE: content})
    waiting = iter(answers)

    async def exchange(request: Request) -> Any:
        return next(waiting, TransportFailure("timeout", "x"))

    io.send = exchange  # type: ignore[method-assign]
    with suppress(CredentialsError):
        run(provider()._fetch(io, ClientContext()))
    assert io.locked_now == []


def test_asks_nobody_and_is_not_extended() -> None:
    """No person answers an attempt, and a set is not served past its end."""
    credentials = fetch(provider(), runtime(token(), role()))
    assert not provider()._may_prompt_user
    assert not provider()._allows_stale(credentials)


def test_representation() -> None:
    """The provider prints its name only."""
    assert repr(provider()) == "<anycreds provider: SSO>"
