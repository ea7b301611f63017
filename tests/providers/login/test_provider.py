"""``from_login_credentials``: uses the file of ``aws login``, and refreshes its token once."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest

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
from anycreds._providers.login import provider as login
from anycreds._providers.login.api import HINTS
from anycreds._providers.login.dpop_keys import CryptographyMissingError
from anycreds._providers.login.provider import LoginProvider, login_command
from anycreds._providers.login.token import file_name
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from support.fake_io import (
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    START,
    FakeIo,
    FakeRuntime,
    answer,
    assert_no_secret,
    failure,
    fetch,
)
from support.login_fixtures import (
    CLIENT,
    NEW_TOKEN,
    PEM,
    REFRESH_TOKEN,
    access_token,
    denied,
    document,
    refresh_response,
    verified,
)
from support.rows import each_row

SESSION = "arn:aws:iam::0123456789012:user/username"
NAME = "a9aa6015b267d43765ace474701cabd31e4e9b20b4a9a72ffc52f3c0b9ae6543.json"
FILE = f"/home/user/.aws/login/cache/{NAME}"
SHOWN = f"~/.aws/login/cache/{NAME}"
URL = "https://eu-central-1.signin.aws.amazon.com/v1/token"
Step = Any


def provider(
    profile: str | None = "dev", session: str = SESSION, config: ClientConfig | None = None, **options: Any
) -> LoginProvider:
    """Create a provider for eu-central-1, without an ``Io``."""
    endpoints = EndpointResolver(config or ClientConfig(region="eu-central-1"), view=ProfileView())
    return LoginProvider(FakeRuntime(), Setting(session, "~/.aws/config:2"), endpoints, profile, **options)


def expiring_in(seconds: float, **changes: object) -> bytes:
    """Return a file whose credentials expire in some seconds."""
    expiration = datetime.fromtimestamp(START, UTC) + timedelta(seconds=seconds)
    return json.dumps(document(accessToken=access_token(expiresAt=expiration.isoformat()), **changes)).encode()


def runtime(content: bytes | ReadFailure | None, *responses: Step, **options: Any) -> FakeIo:
    """Create an ``Io`` with this file, and a service that sends these responses."""
    files = {} if content is None else {FILE: content}
    return FakeIo(*[("POST", URL, one) for one in responses], files=files, **options)


def read(io: FakeIo) -> dict[str, Any]:
    """Return the document in the file."""
    content = io.files[FILE]
    assert isinstance(content, bytes)
    found: dict[str, Any] = json.loads(content)
    return found


def text_of(error: CredentialsError) -> str:
    """Return the text of an error, after a check that it shows no secret."""
    assert_no_secret(error, REFRESH_TOKEN, NEW_TOKEN, "canary")
    assert error.source == "login"
    return str(error)


def warnings_in(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)


def test_valid_credentials() -> None:
    """Credentials that are valid for more than five minutes are returned without a request, a lock or cryptography."""
    io = runtime(expiring_in(301))
    assert fetch(provider(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime.fromtimestamp(START + 301, UTC),
        account_id="012345678901",
        source="login",
    )
    assert (io.reads, io.locks, io.writes) == ([FILE], [], [])


@each_row("left, requests", [(300.01, 0), (300, 1), (1, 1), (0, 1), (-3600, 1)])
def test_refresh_from_five_minutes_on(left: float, requests: int) -> None:
    """Credentials that are valid for five minutes or less are refreshed once."""
    io = runtime(expiring_in(left), *[refresh_response()] * requests)
    fetch(provider(), io)
    assert len(io.requests) == len(io.writes) == requests


def test_refresh_request() -> None:
    """The request has the body of the operation, no signature, and a proof for this request."""
    io = runtime(expiring_in(60), refresh_response())
    fetch(provider(), io)
    (request,) = io.requests
    assert json.loads(request.body) == {
        "clientId": CLIENT,
        "grantType": "refresh_token",
        "refreshToken": REFRESH_TOKEN,
    }
    assert request.headers.keys() == {"Content-Type", "Accept", "DPoP"}
    assert request.headers["Content-Type"] == "application/json"
    assert (request.direct, request.timeout) == (False, 5.0)
    _, claims = verified(request.headers["DPoP"])
    assert claims == {"jti": "00000000-0000-4000-8000-000000000001", "htm": "POST", "htu": URL, "iat": int(START)}


def test_refresh_writes_the_file() -> None:
    """The new credentials are written under a lock, and other fields of the file stay."""
    before = document(accessToken=access_token(expiresAt="2024-01-02T03:05:00Z", more="x"), unknown={"a": [1, None]})
    io = runtime(json.dumps(before).encode(), refresh_response())
    assert fetch(provider(), io) == Credentials(
        "AKIDNEW",
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime.fromtimestamp(START + 900, UTC),
        account_id="012345678901",
        source="login",
    )
    assert io.locks == [FILE]
    assert io.locked_now == []
    ((path, content),) = io.writes
    assert path == FILE
    assert json.loads(content) == {
        **before,
        "accessToken": access_token(accessKeyId="AKIDNEW", expiresAt="2024-01-02T03:19:05.000Z", more="x"),
        "refreshToken": NEW_TOKEN,
    }
    assert content.startswith(b'{\n  "accessToken": {\n    "accessKeyId"')


def test_lifetime_starts_at_the_last_request() -> None:
    """The expiration is counted from the last request, so that a slow response does not make it too late."""

    def slow(request: Request) -> Response:
        io.advance(4)
        return refresh_response()

    io = runtime(expiring_in(60), answer(b"", 500), slow)
    found = fetch(provider(), io)
    assert found.expiration is not None
    assert found.expiration.timestamp() == pytest.approx(io.wall - 4 + 900, abs=0.001)


def test_each_retry_has_its_own_proof() -> None:
    """A retry has the same refresh token, but another identifier and time in its proof."""
    io = runtime(
        expiring_in(60), answer(b"", 500), TransportFailure("broken", "reset"), refresh_response(), jitter=0.999
    )
    fetch(provider(), io)
    claims = [verified(request.headers["DPoP"])[1] for request in io.requests]
    assert len({claim["jti"] for claim in claims}) == 3
    assert len({request.body for request in io.requests}) == 1
    assert io.pauses == [pytest.approx(0.05, rel=0.01), pytest.approx(0.1, rel=0.01)]


def test_proof_for_a_custom_endpoint() -> None:
    """The proof contains host, port and path of a custom endpoint."""
    config = ClientConfig(region="eu-central-1", endpoint_url="http://127.0.0.1:5000/base/")
    url = "http://127.0.0.1:5000/base/v1/token"
    io = FakeIo(("POST", url, refresh_response()), files={FILE: expiring_in(60)})
    fetch(provider(config=config), io)
    assert verified(io.requests[0].headers["DPoP"])[1]["htu"] == url
    assert io.requests[0].direct


@each_row(
    "region, host",
    [("us-west-2", "us-west-2"), (None, "eu-central-1"), ("evil.example/", "eu-central-1"), ("", "eu-central-1")],
)
def test_region_of_the_sign_in(region: str | None, host: str) -> None:
    """A valid region in the file precedes all others."""
    io = FakeIo(
        ("POST", f"https://{host}.signin.aws.amazon.com/v1/token", refresh_response()),
        files={FILE: expiring_in(60, signInRegion=region)},
    )
    fetch(provider(), io)
    assert read(io)["signInRegion"] == region


def test_region_from_the_environment() -> None:
    """The region of the environment is used if there is no other."""
    io = FakeIo(
        ("POST", "https://cn-north-1.signin.amazonaws.cn/v1/token", refresh_response()),
        files={FILE: expiring_in(60)},
        environ={"AWS_REGION": "cn-north-1"},
    )
    fetch(provider(config=ClientConfig()), io)


@each_row(
    "environ, path",
    [
        ({}, FILE),
        ({"AWS_LOGIN_CACHE_DIRECTORY": " "}, FILE),
        ({"HOME": "/root/"}, f"/root/.aws/login/cache/{NAME}"),
        ({"AWS_LOGIN_CACHE_DIRECTORY": "/var/cache"}, f"/var/cache/{NAME}"),
        ({"AWS_LOGIN_CACHE_DIRECTORY": "/var/cache/"}, f"/var/cache/{NAME}"),
        ({"AWS_LOGIN_CACHE_DIRECTORY": "~/logins"}, f"/home/user/logins/{NAME}"),
        ({"AWS_LOGIN_CACHE_DIRECTORY": "~/logins", "HOME": "/root"}, f"/root/logins/{NAME}"),
    ],
)
def test_directory_of_the_environment_precedes_the_home_directory(environ: Mapping[str, str], path: str) -> None:
    """The directory is that of the environment, otherwise the one in the home directory."""
    io = FakeIo(files={path: expiring_in(600)}, environ=environ)
    fetch(provider(), io)
    assert io.reads == [path]


def test_blanks_around_the_session() -> None:
    """Blanks around the session do not change the file name, as in the other SDKs."""
    fetch(provider(session=f" {SESSION} "), runtime(expiring_in(600)))
    assert file_name(f" {SESSION} ") == NAME


@each_row("session", ["", "  ", "canary\x00", "canary\udcff"])
def test_invalid_session(session: str) -> None:
    """A session that is blank or not text is an error that names the setting."""
    error = failure(provider(session=session), FakeIo())
    assert type(error) is InvalidConfigurationError
    assert "login_session from ~/.aws/config:2" in text_of(error)


@each_row(
    "profile, command",
    [
        (None, "aws login"),
        ("default", "aws login"),
        ("dev", "aws login --profile dev"),
        ("my dev", "aws login --profile 'my dev'"),
        ("a'; rm -rf /", """aws login --profile 'a'"'"'; rm -rf /'"""),
    ],
)
def test_command_to_sign_in_is_valid_shell_syntax(profile: str | None, command: str) -> None:
    """The command is valid shell syntax; the default profile needs no name."""
    assert login_command(profile) == command
    error = failure(provider(profile), FakeIo())
    assert isinstance(error, LoginRequiredError)
    assert error.command == command
    assert f"run: {command}" in str(error)


def without(name: str) -> bytes:
    """Return a file without a field."""
    return expiring_in(3600).replace(f'"{name}"'.encode(), b'"canary"')


@pytest.mark.fault("U32", "L15")
@each_row(
    "content, text",
    [
        (None, f"{SHOWN} does not exist"),
        (ReadFailure("cannot be read: Permission denied"), "Permission denied"),
        (b"", "is empty"),
        (b'{"accessToken": {"secretAccessKey": "canary', "is not JSON"),
        (b"[]", "is JSON, but not an object"),
        (b"\x80canary", "is not UTF-8 text"),
        (without("accessToken"), "accessToken is missing"),
        (without("clientId"), "clientId is missing"),
        (without("expiresAt"), "accessToken.expiresAt is missing"),
        (expiring_in(3600).replace(b"012345678901", b"\\u0000canary"), "accessToken.accountId contains the control"),
    ],
)
def test_invalid_file_is_login_required(content: bytes | ReadFailure | None, text: str) -> None:
    """A missing or invalid file raises ``LoginRequiredError`` with the file and the field; nothing is sent."""
    error = failure(provider(), runtime(content))
    assert type(error) is LoginRequiredError
    assert error.command == "aws login --profile dev"
    assert text in text_of(error)
    assert SHOWN in str(error)


REJECTIONS = [
    (denied("TOKEN_EXPIRED"), "AccessDeniedException: TOKEN_EXPIRED: No."),
    (denied("USER_CREDENTIALS_CHANGED"), "USER_CREDENTIALS_CHANGED"),
    (denied("INSUFFICIENT_PERMISSIONS"), "INSUFFICIENT_PERMISSIONS"),
    (denied("canary-else", 403), "AccessDeniedException: No."),
    (denied("invalid_request", 400, "ValidationException"), "ValidationException"),
]


@pytest.mark.fault("U32")
@each_row("response, text", REJECTIONS)
def test_rejected_and_expired(response: Response, text: str) -> None:
    """If the refresh of expired credentials is rejected, ``LoginRequiredError`` says why and what to run."""
    error = failure(provider(), runtime(expiring_in(0), response))
    assert type(error) is LoginRequiredError
    assert (error.command, error.status) == ("aws login --profile dev", response.status)
    assert error.code == response.headers["x-amzn-errortype"]
    assert text in text_of(error)
    assert "CreateOAuth2Token of AWS Sign-In at https://eu-central-1.signin.aws.amazon.com" in str(error)


def test_response_that_repeats_secrets() -> None:
    """Secrets of the request in an error response are not shown."""
    text = f"bad {REFRESH_TOKEN} {SECRET_KEY} {SESSION_TOKEN}"
    for response in (denied("TOKEN_EXPIRED", message=text), denied("x", 404, "Odd", message=text)):
        assert "bad ... ... ..." in text_of(failure(provider(), runtime(expiring_in(0), response)))


@pytest.mark.fault("U32")
@each_row("name", list(HINTS))
def test_known_error_has_a_hint_beside_the_command(name: str) -> None:
    """Each known value of the field "error" has its own hint beside the command."""
    error = failure(provider(), runtime(expiring_in(0), denied(name)))
    assert error.hint == f"{HINTS[name]}; run: aws login --profile dev"


FAILURES: list[tuple[list[Any], type[RetrievalError], str]] = [
    ([answer(b"", 500)] * 3, RetrievalError, "status 500"),
    ([denied("server_error", 500, "InternalServerException")] * 3, RetrievalError, "InternalServerException: No."),
    ([answer(b"", 503)] * 3, RetrievalError, "status 503"),
    ([denied("rate_exceeded", 429, "TooManyRequestsError")] * 3, RetrievalError, "TooManyRequestsError"),
    ([TransportFailure("unreachable", "refused")] * 3, RetrievalError, "could not connect to the endpoint: refused"),
    ([TransportFailure("broken", "reset")] * 3, MalformedResponseError, "no valid response: reset"),
    ([TransportFailure("too large", "more than 64 KiB")], MalformedResponseError, "more than 64 KiB"),
    ([answer(b"<html>canary</html>", 403)], RetrievalError, "status 403"),
    ([answer(b"", 302, location="https://other.example/x")], RetrievalError, "redirects are not followed"),
    ([answer(b"<html>")], MalformedResponseError, "is a web page"),
    ([answer(b"{")], MalformedResponseError, "is not JSON"),
    ([refresh_response(refreshToken=...)], MalformedResponseError, "refreshToken in the response is missing"),
    ([refresh_response(accessToken=...)], MalformedResponseError, "accessToken in the response is missing"),
    (
        [refresh_response(accessToken={"accessKeyId": "x"})],
        MalformedResponseError,
        "accessToken.secretAccessKey in the response",
    ),
    ([refresh_response(expiresIn="900")], MalformedResponseError, "expiresIn in the response is not a number"),
]


@each_row("responses, kind, text", FAILURES)
def test_failed_refresh_of_expired_credentials_is_no_login_required(
    responses: list[Any], kind: type[RetrievalError], text: str
) -> None:
    """A transient failure or an invalid response is no ``LoginRequiredError``, and its error says what was received."""
    error = failure(provider(), runtime(expiring_in(-1), *responses))
    assert type(error) is kind
    assert text in text_of(error)


def test_timeout_and_expired() -> None:
    """A service that does not respond is a timeout within the time for one refresh."""
    io = runtime(expiring_in(-1))
    io.script = [("POST", URL, io.timeout)] * 3
    assert type(failure(provider(), io)) is ProviderTimeoutError
    assert io.steady - 1000.0 <= 15.0


@pytest.mark.fault("U32")
@each_row("responses", [*[[response] for response, _ in REJECTIONS], *[responses for responses, _, _ in FAILURES]])
def test_valid_credentials_survive_every_failure(responses: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    """After any failed refresh valid credentials are returned, the file is unchanged, and the failure is logged."""
    caplog.clear()
    content = expiring_in(120)
    io = runtime(content, *responses)
    found = fetch(provider(), io)
    assert found.access_key_id == KEY_ID
    assert found.expiration == datetime.fromtimestamp(START + 120, UTC)
    assert io.files[FILE] == content
    assert "using the credentials, which are valid for 1" in warnings_in(caplog)


def test_expired_during_the_refresh() -> None:
    """Credentials that expire before the refresh fails are not returned."""
    io = runtime(expiring_in(4))
    io.script = [("POST", URL, io.timeout)] * 3
    assert type(failure(provider(), io)) is ProviderTimeoutError


@pytest.mark.fault("U32")
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("canary", "is not a key; expected a PEM private key on the curve P-256"),
        (PEM.replace("MHcCAQ", "canary"), "is an invalid key"),
        (PEM.replace("EC PRIVATE", "RSA PRIVATE"), "is an RSA key"),
    ],
)
def test_invalid_key(key: str, text: str) -> None:
    """Nothing is sent with an invalid key; ``LoginRequiredError`` is raised when the credentials have expired."""
    error = failure(provider(), runtime(expiring_in(0, dpopKey=key)))
    assert type(error) is LoginRequiredError
    assert f"dpopKey in {SHOWN} {text}" in text_of(error)
    assert fetch(provider(), runtime(expiring_in(60, dpopKey=key))).access_key_id == KEY_ID


def test_key_in_one_line() -> None:
    """A key with escaped line breaks is used, and is not changed in the file."""
    key = PEM.replace("\n", "\\n")
    io = runtime(expiring_in(0, dpopKey=key), refresh_response())
    fetch(provider(), io)
    assert read(io)["dpopKey"] == key


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without cryptography the error names the extra, and valid credentials are returned."""

    def missing_library(pem: str) -> NoReturn:
        raise CryptographyMissingError("is not installed")

    monkeypatch.setattr(login, "load_key", missing_library)
    error = failure(provider(), runtime(expiring_in(0)))
    assert type(error) is InvalidConfigurationError
    assert "requires cryptography, which is not installed (install anycreds[login])" in text_of(error)
    assert fetch(provider(), runtime(expiring_in(60))).access_key_id == KEY_ID
    assert "install anycreds[login]" in warnings_in(caplog)


def test_cryptography_is_imported_lazily() -> None:
    """Importing the provider does not import cryptography."""
    code = "import sys, anycreds._providers.login.provider; assert 'cryptography' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], timeout=20, check=True)


def test_key_is_parsed_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is parsed in a thread, since importing cryptography would block the event loop."""
    io = runtime(expiring_in(0), refresh_response())
    worked: list[str] = []

    async def work(function: Any, *arguments: object) -> Any:
        worked.append(function.__name__)
        return function(*arguments)

    monkeypatch.setattr(io, "run_in_thread", work)
    fetch(provider(), io)
    assert worked == ["load_key"]


def test_another_process_has_refreshed() -> None:
    """Credentials that another process has written during the wait for the lock are returned; nothing is sent."""
    io = runtime(expiring_in(60))
    io.when_locked[FILE] = lambda: io.files.update({FILE: expiring_in(880, refreshToken="canary-3")})
    assert fetch(provider(), io).expiration == datetime.fromtimestamp(START + 880, UTC)
    assert io.writes == []


def test_rejected_after_a_race() -> None:
    """If a program without a lock has used the refresh token, its new credentials are returned."""

    def use_elsewhere(request: Request) -> Response:
        io.files[FILE] = expiring_in(890, refreshToken="canary-3")
        return denied("TOKEN_EXPIRED")

    io = runtime(expiring_in(-5), use_elsewhere)
    assert fetch(provider(), io).expiration == datetime.fromtimestamp(START + 890, UTC)


def test_refresh_token_under_the_lock() -> None:
    """The refresh token that is in the file when the lock is acquired is sent."""
    io = runtime(expiring_in(60), refresh_response())
    io.when_locked[FILE] = lambda: io.files.update({FILE: expiring_in(200, refreshToken="canary-3")})
    fetch(provider(), io)
    assert json.loads(io.requests[0].body)["refreshToken"] == "canary-3"


def test_newest_credentials_after_a_failure() -> None:
    """After a failed refresh the newest valid credentials in the file are returned."""
    io = runtime(expiring_in(60), *[answer(b"", 500)] * 3)
    io.when_locked[FILE] = lambda: io.files.update({FILE: expiring_in(200)})
    assert fetch(provider(), io).expiration == datetime.fromtimestamp(START + 200, UTC)


def test_unavailable_lock() -> None:
    """While another process holds the lock, credentials that are still valid are used, and nothing is sent."""
    io = runtime(expiring_in(60), busy=[FILE])
    assert fetch(provider(), io).access_key_id == KEY_ID
    io = runtime(expiring_in(0), busy=[FILE])
    assert "its lock file has been locked by process 7" in failure(provider(), io).message


def test_new_sign_in() -> None:
    """A running program uses the credentials of a new sign-in at the next attempt."""
    one = provider()
    io = runtime(expiring_in(0), denied("TOKEN_EXPIRED"))
    assert isinstance(failure(one, io), LoginRequiredError)
    io.files[FILE] = expiring_in(900)
    assert fetch(one, io).access_key_id == KEY_ID


def test_cooldown_after_a_failure() -> None:
    """Within 30 s after a failed refresh nothing is sent, and the error is raised again."""
    one = provider()
    io = runtime(expiring_in(0), *[answer(b"", 500)] * 3)
    first = failure(one, io)
    io.advance(29)
    again = failure(one, io)
    assert str(again) == str(first)
    assert again is not first
    io.advance(2)
    io.script = [("POST", URL, refresh_response())]
    assert fetch(one, io).access_key_id == "AKIDNEW"


def test_cooldown_of_another_provider() -> None:
    """The cooldown of one provider does not delay another one."""
    io = runtime(expiring_in(0), denied("TOKEN_EXPIRED"))
    failure(provider(), io)
    io.script = [("POST", URL, refresh_response())]
    assert fetch(provider(), io).access_key_id == "AKIDNEW"


FULL_DISK = WriteFailure("cannot be written: No space left on device")


def test_unwritable_file(caplog: pytest.LogCaptureFixture) -> None:
    """New credentials that cannot be written are returned, and are used from memory, with their refresh token."""
    one = provider()
    io = runtime(expiring_in(60), refresh_response(), unwritable={FILE: FULL_DISK})
    assert fetch(one, io).access_key_id == "AKIDNEW"
    assert "No space left on device" in warnings_in(caplog)
    assert read(io)["refreshToken"] == REFRESH_TOKEN
    io.advance(500)
    assert fetch(one, io).access_key_id == "AKIDNEW"
    io.advance(200)
    io.unwritable.clear()
    io.script = [("POST", URL, refresh_response(refreshToken="canary-4"))]
    fetch(one, io)
    assert json.loads(io.requests[-1].body)["refreshToken"] == NEW_TOKEN
    assert read(io)["refreshToken"] == "canary-4"


def test_the_file_replaces_memory() -> None:
    """The credentials in memory are used until the file contains others, or does not exist."""
    one = provider()
    io = runtime(expiring_in(60), refresh_response(), unwritable={FILE: FULL_DISK})
    fetch(one, io)
    io.files[FILE] = expiring_in(700)
    assert fetch(one, io).access_key_id == KEY_ID
    del io.files[FILE]
    assert isinstance(failure(one, io), LoginRequiredError)


def test_file_with_an_infinite_number_is_not_changed(caplog: pytest.LogCaptureFixture) -> None:
    """A file with an infinite number is not changed, and the new credentials are used from memory."""
    before = expiring_in(60).replace(b'"aws_sigv4"', b"1e999")
    io = runtime(before, refresh_response())
    assert fetch(provider(), io).access_key_id == "AKIDNEW"
    assert io.files[FILE] == before
    assert "cannot be written as JSON" in warnings_in(caplog)


def test_expired_after_the_refresh() -> None:
    """Refreshed credentials that have already expired are not returned."""

    def late(request: Request) -> Response:
        io.advance(3)
        return refresh_response(expiresIn=2)

    io = runtime(expiring_in(0), late)
    error = failure(provider(), io)
    assert type(error) is RetrievalError
    assert "have already expired" in text_of(error)


def test_invalid_region() -> None:
    """An invalid region is an error of the configuration, and nothing is sent."""
    io = runtime(expiring_in(0), environ={"AWS_REGION": "not a region"})
    error = failure(provider(config=ClientConfig()), io)
    assert type(error) is InvalidConfigurationError
    assert "AWS_REGION" in text_of(error)


def test_no_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home directory the location of the file is an error."""
    io = FakeIo()
    monkeypatch.setattr(io, "home_directory", lambda: None)
    error = failure(provider(), io)
    assert isinstance(error, InvalidConfigurationError)
    assert "home directory" in text_of(error)


def test_repr_shows_no_secret() -> None:
    """The repr of the provider and of its state shows no secret."""
    one = provider()
    fetch(one, runtime(expiring_in(60), refresh_response(), unwritable={FILE: FULL_DISK}))
    assert repr(one) == "<anycreds provider: login>"
    assert "canary" not in repr([getattr(one, name) for name in LoginProvider.__slots__])
