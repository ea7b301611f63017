"""``from_sso``: reads and refreshes the token of a sign-in, and requests the credentials of a role."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
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
from support.rows import each_row

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

# Expirations; the time is 2024-01-02T03:04:05Z.
VALID, EXPIRING, EXPIRED = "2024-01-02T11:04:05Z", "2024-01-02T03:09:05Z", "2024-01-02T03:04:05Z"
ROLE_EXPIRATION = datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC)

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
    """Create a provider, without an ``Io``."""
    return SsoProvider(FakeRuntime(), settings, EndpointResolver(config, view=ProfileView()), **options)


def token(number: int = 0, expires_at: str = VALID, **changes: Any) -> dict[str, Any]:
    """Return the document that ``aws sso login`` writes; ``...`` omits a field."""
    full = {
        "startUrl": "https://d-abc123.awsapps.com/start",
        "region": "eu-central-1",
        "accessToken": TOKENS[number],
        "expiresAt": expires_at,
        "clientId": "client",
        "clientSecret": CLIENT_SECRET,
        "registrationExpiresAt": "2024-03-01T00:00:00Z",
        "refreshToken": REFRESHES[number],
        **changes,
    }
    return {name: value for name, value in full.items() if value is not ...}


def runtime(document: Any, *script: Any, path: str = SESSION_FILE, **more: Any) -> FakeIo:
    """Create an ``Io`` with this token file."""
    return FakeIo(*script, files={path: json.dumps(document).encode()}, **more)


def role(*, expected: str = TOKENS[0], status: int = 200, body: Any = None) -> Any:
    """Return the step in which the portal expects a token and sends this response."""
    given = {
        "accessKeyId": KEY_ID,
        "secretAccessKey": SECRET_KEY,
        "sessionToken": SESSION_TOKEN,
        "expiration": int(ROLE_EXPIRATION.timestamp()) * 1000,
    }
    content = {"roleCredentials": given} if body is None else body

    def portal(request: Request) -> Response:
        assert request.headers == {"Accept": "application/json", "x-amz-sso_bearer_token": expected}
        assert not request.direct
        return answer(content, status)

    return ("GET", PORTAL, portal)


def refresh(new: Any = 1, *, expected: int = 0, status: int = 200) -> Any:
    """Return the step in which OIDC expects a refresh token and sends this response, by default the next token."""
    good = {"accessToken": TOKENS[1], "expiresIn": 28800, "refreshToken": REFRESHES[1], "tokenType": "Bearer"}
    body = {**good, "accessToken": TOKENS[new], "refreshToken": REFRESHES[new]} if isinstance(new, int) else new

    def oidc(request: Request) -> Response:
        assert json.loads(request.body) == {
            "clientId": "client",
            "clientSecret": CLIENT_SECRET,
            "grantType": "refresh_token",
            "refreshToken": REFRESHES[expected],
        }
        return body if isinstance(body, Response) else answer(body, status)

    return ("POST", OIDC, oidc)


def service_error(code: str = "InvalidGrantException", status: int = 400) -> Any:
    """Return the step in which OIDC sends an error that repeats the secrets of the request."""
    body = {"error": "invalid_grant", "error_description": f"not {REFRESHES[0]} of {CLIENT_SECRET}"}
    return refresh(Response(status, {"x-amzn-errortype": code}, json.dumps(body).encode()))


UNAUTHORIZED = {"message": f"Session token not found or invalid: {TOKENS[0]}", "__type": "com.x#UnauthorizedException"}


def error_in(io: FakeIo, client: SsoProvider | None = None) -> CredentialsError:
    """Return the error of one attempt, after a check that it shows no token."""
    error = failure(client or provider(), io)
    assert_no_secret(error, *SECRETS)
    assert error.source == "SSO"
    return error


def login_error_in(io: FakeIo, client: SsoProvider | None = None, command: str = COMMAND) -> LoginRequiredError:
    """Return the ``LoginRequiredError`` of one attempt."""
    error = error_in(io, client)
    assert isinstance(error, LoginRequiredError)
    assert error.command == command
    assert error.hint == f"run: {command}"
    return error


def written(io: FakeIo, path: str = SESSION_FILE) -> Any:
    """Return the document in the token file."""
    content = io.files[path]
    assert isinstance(content, bytes)
    return json.loads(content)


def test_valid_token_is_used_without_a_lock() -> None:
    """A token that is valid for more than five minutes is used without a lock; the account is that of the settings."""
    io = runtime(token(), role())
    assert fetch(provider(), io) == Credentials(
        KEY_ID, SECRET_KEY, SESSION_TOKEN, expiration=ROLE_EXPIRATION, account_id="123456789012", source="SSO"
    )
    assert io.reads == [SESSION_FILE]
    assert (io.locks, io.writes) == ([], [])
    assert io.requests[0].timeout == 5.0


def test_start_url_token() -> None:
    """Without a session the file name depends on the start URL, and the token is used until it expires."""
    least = {"accessToken": TOKENS[0], "expiresAt": "2024-01-02T03:04:06UTC"}
    io = runtime(least, role(), path=LEGACY_FILE)
    assert fetch(provider(LEGACY), io).access_key_id == KEY_ID
    assert io.locks == []


def test_region_of_the_settings_is_used_for_both_services() -> None:
    """The region of the settings is used for the portal and for OIDC, whatever other regions are configured."""
    io = runtime(token(expires_at=EXPIRING), refresh(), role(expected=TOKENS[1]), environ={"AWS_REGION": "us-east-1"})
    fetch(provider(config=ClientConfig(region="ap-south-1")), io)


def test_endpoints_of_the_environment() -> None:
    """Each of the two services has its own variable for its endpoint."""
    environ = {"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SSO_OIDC": "http://127.0.0.1:2/x"}
    io = runtime(
        token(expires_at=EXPIRING),
        ("POST", "http://127.0.0.1:2/x/token", refresh()[2]),
        ("GET", PORTAL.replace("https://portal.sso.eu-central-1.amazonaws.com", "http://127.0.0.1:1"), answer({}, 403)),
        environ=environ,
    )
    assert "AWS_ENDPOINT_URL_SSO)" in error_in(io).message


@pytest.mark.parametrize(
    ("expires_at", "left"), [(EXPIRING, 300), ("2024-01-02T03:04:06Z", 1), (EXPIRED, 0), ("2023-01-01T00:00:00Z", -1)]
)
def test_expiring_token_is_refreshed_before_the_portal_is_called(expires_at: str, left: int) -> None:
    """A token that is valid for five minutes or less is refreshed before the portal is called."""
    io = runtime(token(expires_at=expires_at, unknown={"more": [left]}), refresh(), role(expected=TOKENS[1]))
    fetch(provider(), io)
    assert written(io) == token(1, VALID, unknown={"more": [left]})
    assert io.locks == [SESSION_FILE]
    assert io.locked_now == []
    headers = io.requests[0].headers
    assert headers == {"Accept": "application/json", "Content-Type": "application/json"}


def test_no_refresh_above_five_minutes() -> None:
    """A token that is valid for more than five minutes is not refreshed."""
    io = runtime(token(expires_at="2024-01-02T03:09:06Z"), role())
    fetch(provider(), io)


@pytest.mark.fault("U31")
def test_response_without_refresh_token() -> None:
    """Without a refresh token in the response, the one in the file stays."""
    io = runtime(
        token(expires_at=EXPIRING), refresh({"accessToken": TOKENS[1], "expiresIn": 28800}), role(expected=TOKENS[1])
    )
    fetch(provider(), io)
    assert written(io) == token(1, VALID, refreshToken=REFRESHES[0])


def test_another_process_has_refreshed() -> None:
    """A token that another process has written meanwhile is used, and OIDC is not called."""
    io = runtime(token(expires_at=EXPIRING), role(expected=TOKENS[2]))
    io.when_locked[SESSION_FILE] = lambda: io.files.update({SESSION_FILE: json.dumps(token(2)).encode()})
    fetch(provider(), io)
    assert io.writes == []


def test_unwritten_token_is_used_from_memory(caplog: pytest.LogCaptureFixture) -> None:
    """After a failed write the new token and its refresh token are used from memory."""
    client = provider()
    io = runtime(
        token(expires_at=EXPIRING),
        refresh(),
        role(expected=TOKENS[1]),
        unwritable={SESSION_FILE: WriteFailure("cannot be written: x")},
    )
    fetch(client, io)
    io.script = [role(expected=TOKENS[1])]
    fetch(client, io)
    io.advance(8 * 3600 - 200)
    io.script = [refresh(2, expected=1), role(expected=TOKENS[2], body={"roleCredentials": 1})]
    assert type(failure(client, io)) is MalformedResponseError
    assert written(io) == token(expires_at=EXPIRING)
    assert [record.name for record in caplog.records] == ["anycreds.token_files"] * 2


def test_not_refreshable_but_valid() -> None:
    """A token without what a refresh needs is used until it expires."""
    for changes in ({"refreshToken": ...}, {"clientSecret": ""}, {"registrationExpiresAt": EXPIRED}):
        io = runtime(token(expires_at=EXPIRING, **changes), role())
        fetch(provider(), io)
        assert io.locks == []


def test_no_registration_expiration() -> None:
    """Without the expiration of the registration in the file, the token is refreshed."""
    io = runtime(token(expires_at=EXPIRING, registrationExpiresAt=...), refresh(), role(expected=TOKENS[1]))
    fetch(provider(), io)


FAILED: Mapping[str, Any] = {
    "rejected": service_error(),
    "busy": ("POST", OIDC, answer({}, 503)),
    "down": ("POST", OIDC, TransportFailure("unreachable", "connection refused")),
    "garbage": refresh({"accessToken": TOKENS[1]}),
}


@pytest.mark.parametrize("how", [*FAILED])
def test_refresh_fails_but_valid(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A valid token is used after a failed refresh, which is logged; OIDC is not called again for 30 s."""
    client = provider()
    times = 3 if how in ("busy", "down") else 1
    io = runtime(token(expires_at=EXPIRING), *[FAILED[how]] * times, role())
    fetch(client, io)
    assert written(io) == token(expires_at=EXPIRING)
    assert [(record.name, record.levelno) for record in caplog.records] == [("anycreds.providers.sso", logging.WARNING)]
    io.script = [role()]
    fetch(client, io)
    io.advance(31)
    io.script = [refresh(), role(expected=TOKENS[1])]
    fetch(client, io)


@pytest.mark.fault("U31")
def test_rejected_and_expired() -> None:
    """``LoginRequiredError`` has the code, the endpoint, the file and the command if OIDC rejects an expired token."""
    error = login_error_in(runtime(token(expires_at=EXPIRED), service_error()))
    assert (error.status, error.code) == (400, "InvalidGrantException")
    assert error.message.startswith(
        f"the refresh of the SSO token for sso-session 'my-sso' (~/.aws/config:2) in {SESSION_SHOWN}, "
        "by IAM Identity Center (OIDC) at https://oidc.eu-central-1.amazonaws.com (region eu-central-1"
    )
    assert error.message.endswith("failed with status 400 (InvalidGrantException: not ... of ...)")


@pytest.mark.parametrize("code", ["InvalidClientException", "ExpiredTokenException", "UnauthorizedClientException"])
def test_other_terminal_codes(code: str) -> None:
    """Each terminal error code of OIDC raises ``LoginRequiredError``."""
    assert login_error_in(runtime(token(expires_at=EXPIRED), service_error(code, 401))).code == code


@each_row(
    "step, times, kind",
    [
        (("POST", OIDC, answer({"error": "server_error"}, 500)), 3, RetrievalError),
        (("POST", OIDC, answer({"error": "slow_down"}, 429)), 3, RetrievalError),
        (("POST", OIDC, TransportFailure("unreachable", "connection refused")), 3, RetrievalError),
        (("POST", OIDC, TransportFailure("timeout", "nothing came within 5 s")), 3, ProviderTimeoutError),
        (("POST", OIDC, answer(b"<html>")), 1, MalformedResponseError),
        (("POST", OIDC, answer(b"", 302, location="https://portal.example/")), 1, RetrievalError),
    ],
)
def test_failed_refresh_of_an_expired_token_is_no_login_required(
    step: Any, times: int, kind: type[RetrievalError]
) -> None:
    """A transient failure is no ``LoginRequiredError``, and is raised again within 30 s."""
    client = provider()
    io = runtime(token(expires_at=EXPIRED), *[step] * times)
    error = error_in(io, client)
    assert type(error) is kind
    assert type(error_in(io, client)) is kind
    assert len(io.requests) == times


def test_new_sign_in() -> None:
    """A running program uses the token of a new sign-in, also within 30 s after a rejection."""
    client = provider()
    io = runtime(token(expires_at=EXPIRED), service_error())
    login_error_in(io, client)
    io.files[SESSION_FILE] = json.dumps(token(3)).encode()
    io.script = [role(expected=TOKENS[3])]
    fetch(client, io)


@pytest.mark.fault("U31")
def test_rejected_after_a_race() -> None:
    """If another program has used the refresh token first, its new token is used."""

    def use_elsewhere(request: Request) -> Response:
        io.files[SESSION_FILE] = json.dumps(token(2)).encode()
        return answer({"error": "invalid_grant"}, 400)

    io = runtime(token(expires_at=EXPIRED), ("POST", OIDC, use_elsewhere), role(expected=TOKENS[2]))
    fetch(provider(), io)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"refreshToken": ...}, "it has no refreshToken"),
        ({"registrationExpiresAt": EXPIRED}, "the registration of its client expired at 2024-01-02T03:04:05Z"),
    ],
)
def test_expired_and_not_refreshable(changes: dict[str, Any], reason: str) -> None:
    """The error for an expired token names the file, the expiration, and why it cannot be refreshed."""
    error = login_error_in(runtime(token(expires_at=EXPIRED, **changes)))
    assert error.message == (
        f"the SSO token for sso-session 'my-sso' (~/.aws/config:2) in {SESSION_SHOWN} has expired "
        f"(at 2024-01-02T03:04:05Z); it cannot be refreshed, because {reason}"
    )
    assert str(error).endswith(f"(run: {COMMAND})")


def test_expired_start_url_token() -> None:
    """A token without a session is never refreshed, even if its file contains a refresh token."""
    error = login_error_in(runtime(token(expires_at=EXPIRED), path=LEGACY_FILE), provider(LEGACY))
    assert error.message == (
        f"the SSO token for the start URL from ~/.aws/config:7 in {LEGACY_SHOWN} has expired "
        "(at 2024-01-02T03:04:05Z); it cannot be refreshed, because sso_session is not set"
    )


@pytest.mark.fault("L15")
@each_row(
    "content, reason",
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
@each_row("style", ["session", "legacy"])
def test_missing_or_invalid_token_file_is_login_required(content: Any, reason: str, style: str) -> None:
    """A missing or invalid file raises ``LoginRequiredError``, and nothing is sent."""
    path, shown = (SESSION_FILE, SESSION_SHOWN) if style == "session" else (LEGACY_FILE, LEGACY_SHOWN)
    io = FakeIo(files={} if content is None else {path: content})
    error = login_error_in(io, provider(SETTINGS if style == "session" else LEGACY))
    assert error.message.endswith(f": {shown}{reason}")
    assert "~/.aws/config:" in error.message


@each_row(
    "changes, command",
    [
        ({"profile": "my dev"}, "aws sso login --profile 'my dev'"),
        ({"profile": "it's;rm -rf"}, """aws sso login --profile 'it'"'"'s;rm -rf'"""),
        ({"profile": None}, "aws sso login --sso-session my-sso"),
        ({"profile": None, "session": None}, "aws sso login"),
    ],
)
def test_command_to_sign_in_is_valid_shell_syntax(changes: dict[str, Any], command: str) -> None:
    """The command is valid shell syntax, whatever the name of the profile."""
    login_error_in(FakeIo(), provider(SETTINGS._replace(**changes)), command)


@pytest.mark.fault("U31")
def test_rejected_by_the_portal() -> None:
    """A token that the portal rejects is refreshed, and the portal is called again."""
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), refresh(), role(expected=TOKENS[1]))
    fetch(provider(), io)
    assert written(io)["accessToken"] == TOKENS[1]


@pytest.mark.fault("U31")
def test_rejected_twice_by_the_portal() -> None:
    """If the portal rejects the new token too, ``LoginRequiredError`` is raised without a second refresh."""
    rejected = role(expected=TOKENS[1], status=401, body={**UNAUTHORIZED, "message": f"again: {TOKENS[1]}"})
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), refresh(), rejected)
    error = login_error_in(io)
    assert (error.status, error.code) == (401, "UnauthorizedException")


def test_rejected_within_the_cooldown() -> None:
    """A token that the portal rejects within 30 s after its refresh is not refreshed."""
    io = runtime(token(expires_at=EXPIRING), refresh(), role(expected=TOKENS[1], status=401, body={}))
    assert login_error_in(io).status == 401


def test_rejected_during_a_sign_in() -> None:
    """If the portal rejects the token, a newer one in the file is used without a refresh."""

    def sign_in(request: Request) -> Response:
        io.files[SESSION_FILE] = json.dumps(token(2)).encode()
        return answer(UNAUTHORIZED, 401)

    io = runtime(token(), ("GET", PORTAL, sign_in), role(expected=TOKENS[2]))
    fetch(provider(), io)
    assert io.locks == []


@pytest.mark.parametrize("step", [service_error(), refresh(answer(b"<html>")), refresh(answer({}, 302))])
def test_rejected_and_refresh_fails(step: Any, caplog: pytest.LogCaptureFixture) -> None:
    """If the portal rejects the token and the refresh fails, the error of the portal is raised."""
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), step)
    error = login_error_in(io)
    assert (error.status, error.code) == (401, "UnauthorizedException")
    assert error.message.startswith(
        "the request for role 'Dev' (~/.aws/config:4) in account '123456789012' (~/.aws/config:3), "
        "to the IAM Identity Center portal at https://portal.sso.eu-central-1.amazonaws.com (region eu-central-1"
    )
    assert error.message.endswith("(UnauthorizedException: Session token not found or invalid: ...)")
    assert len(caplog.records) == 1


def test_rejected_and_not_refreshable(caplog: pytest.LogCaptureFixture) -> None:
    """A rejected token that cannot be refreshed raises ``LoginRequiredError``."""
    assert login_error_in(runtime(token(refreshToken=...), role(status=401, body={}))).code is None
    assert "was rejected by the portal; it cannot be refreshed, because it has no refreshToken" in caplog.text
    io = runtime(token(), role(status=401, body=UNAUTHORIZED), path=LEGACY_FILE)
    assert login_error_in(io, provider(LEGACY)).code == "UnauthorizedException"
    assert io.reads == [LEGACY_FILE]


@pytest.mark.parametrize(("status", "code"), [(403, "ForbiddenException"), (404, "ResourceNotFoundException")])
def test_role_without_access_is_no_login_required(status: int, code: str) -> None:
    """The error for a role without access names both settings, and is no ``LoginRequiredError``."""
    error = error_in(runtime(token(), role(status=status, body={"message": "No access", "__type": code})))
    assert type(error) is RetrievalError
    assert (error.status, error.code) == (status, code)
    assert error.hint == (
        "assign the signed-in user to this role in this account, or correct ~/.aws/config:3 and ~/.aws/config:4"
    )


@pytest.mark.fault("U31")
@each_row(
    "steps, kind",
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
def test_failing_portal_is_called_three_times(steps: list[Any], kind: type[RetrievalError]) -> None:
    """Transient failures of the portal are retried twice; the error names the role, the account and their settings."""
    error = error_in(runtime(token(), *[("GET", PORTAL, step) for step in steps]))
    assert type(error) is kind
    if not isinstance(error, MalformedResponseError) or error.status is None:
        assert "role 'Dev' (~/.aws/config:4) in account '123456789012' (~/.aws/config:3)" in error.message


def test_retry_of_the_portal() -> None:
    """Credentials are returned after a retry."""
    fetch(provider(), runtime(token(), role(status=503, body={}), role()))


def test_invalid_region() -> None:
    """An invalid region is an error before anything is sent."""
    io = runtime(token())
    error = error_in(io, provider(SETTINGS._replace(region=Setting("evil.example/", "~/.aws/config:8"))))
    assert type(error) is InvalidConfigurationError
    assert "the region from ~/.aws/config:8 cannot be a part of a host name" in error.message


def test_invalid_oidc_endpoint() -> None:
    """An invalid endpoint of OIDC is an error only if the token has expired."""
    environ = {"AWS_ENDPOINT_URL_SSO_OIDC": "nonsense"}
    fetch(provider(), runtime(token(expires_at=EXPIRING), role(), environ=environ))
    error = error_in(runtime(token(expires_at=EXPIRED), environ=environ))
    assert type(error) is InvalidConfigurationError
    assert "AWS_ENDPOINT_URL_SSO_OIDC" in error.message


def test_no_home_directory() -> None:
    """Without a home directory the location of the token is an error."""
    io = FakeIo()
    io.home_directory = lambda: None  # type: ignore[method-assign]
    assert type(error_in(io)) is InvalidConfigurationError


def test_home_of_the_environment() -> None:
    """The home directory of the environment precedes that of the system."""
    io = FakeIo(
        role(),
        environ={"HOME": "/h"},
        files={SESSION_FILE.replace("/home/user", "/h"): json.dumps(token()).encode()},
    )
    fetch(provider(), io)


def test_slow_refresh_leaves_time_for_the_portal() -> None:
    """A refresh that times out leaves time for the portal, so that a valid token is used."""
    io = runtime(token(expires_at=EXPIRING))
    io.when_locked[SESSION_FILE] = lambda: io.advance(9.9)  # of the 10 s that it waits for
    io.script = [("POST", OIDC, io.timeout)] * 3 + [role()]
    fetch(provider(), io)
    assert io.steady - 1000 < 30
    assert io.requests[-1].timeout == 5.0


def test_long_retry_after_is_not_waited_for() -> None:
    """A ``Retry-After`` beyond the budget of the refresh is not waited for while the token is valid."""
    io = runtime(token(expires_at=EXPIRING), ("POST", OIDC, answer({}, 503, retry_after="16")), role())
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


@given(
    content=BODIES
    | st.fixed_dictionaries({}, optional=dict.fromkeys(token(), ANYTHING)).map(
        lambda changes: json.dumps(token(expires_at=EXPIRING) | changes).encode()
    ),
    answers=st.lists(ANSWERS, max_size=9),
)
def test_only_credentials_errors_are_raised(content: bytes, answers: list[Any]) -> None:
    """Whatever the file and the responses contain, the provider returns credentials or raises ``CredentialsError``."""
    io = FakeIo(files={SESSION_FILE: content})
    waiting = iter(answers)

    async def exchange(request: Request) -> Any:
        return next(waiting, TransportFailure("timeout", "x"))

    io.send = exchange  # type: ignore[method-assign]
    with suppress(CredentialsError):
        run(provider()._fetch(io, ClientContext()))
    assert io.locked_now == []


def test_no_prompt_and_no_static_stability() -> None:
    """The provider does not prompt the user, and its credentials are not used past their expiration."""
    credentials = fetch(provider(), runtime(token(), role()))
    assert not provider()._may_prompt_user
    assert not provider()._allows_stale(credentials)


def test_repr_shows_no_secret() -> None:
    """The repr shows the name only."""
    assert repr(provider()) == "<anycreds provider: SSO>"
