"""``aws login``: its file is used, renewed once and shared; what is valid is served; a person is told what to run."""

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
    renewal,
    verified,
)

SESSION = "arn:aws:iam::0123456789012:user/username"
NAME = "a9aa6015b267d43765ace474701cabd31e4e9b20b4a9a72ffc52f3c0b9ae6543.json"
FILE = f"/home/user/.aws/login/cache/{NAME}"
SHOWN = f"~/.aws/login/cache/{NAME}"
URL = "https://eu-central-1.signin.aws.amazon.com/v1/token"
Step = Any


def provider(
    profile: str | None = "dev", session: str = SESSION, config: ClientConfig | None = None, **options: Any
) -> LoginProvider:
    """Make a provider without a world, in eu-central-1."""
    endpoints = EndpointResolver(config or ClientConfig(region="eu-central-1"), view=ProfileView())
    return LoginProvider(FakeRuntime(), Setting(session, "~/.aws/config:2"), endpoints, profile, **options)


def lasting(seconds: float, **changes: object) -> bytes:
    """Make a cache file whose credentials end in so many seconds."""
    end = datetime.fromtimestamp(START, UTC) + timedelta(seconds=seconds)
    return json.dumps(document(accessToken=access_token(expiresAt=end.isoformat()), **changes)).encode()


def runtime(content: bytes | ReadFailure | None, *answers: Step, **options: Any) -> FakeIo:
    """Make a world with this cache file, and a service that gives these answers."""
    files = {} if content is None else {FILE: content}
    return FakeIo(*[("POST", URL, one) for one in answers], files=files, **options)


def read(io: FakeIo) -> dict[str, Any]:
    """Return what is in the cache file."""
    content = io.files[FILE]
    assert isinstance(content, bytes)
    found: dict[str, Any] = json.loads(content)
    return found


def told(error: CredentialsError) -> str:
    """Return what an error says, in which no secret is."""
    assert_no_secret(error, REFRESH_TOKEN, NEW_TOKEN, "canary")
    assert error.source == "login"
    return str(error)


def warnings_in(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)


def test_fresh_credentials_are_used() -> None:
    """More than five minutes left: the file's credentials are given, without a request, a lock or cryptography."""
    io = runtime(lasting(301))
    assert fetch(provider(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime.fromtimestamp(START + 301, UTC),
        account_id="012345678901",
        source="login",
    )
    assert (io.reads, io.locks, io.writes) == ([FILE], [], [])


@pytest.mark.parametrize(("left", "asked"), [(300.01, 0), (300, 1), (1, 1), (0, 1), (-3600, 1)])
def test_they_are_renewed_from_five_minutes_on(left: float, asked: int) -> None:
    """Five minutes left or less, or ended: they are renewed, once."""
    io = runtime(lasting(left), *[renewal()] * asked)
    fetch(provider(), io)
    assert len(io.requests) == len(io.writes) == asked


def test_refresh_on_the_wire() -> None:
    """The request is the operation's: its body, no signature, and a proof for just this request."""
    io = runtime(lasting(60), renewal())
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


def test_refresh_and_the_file() -> None:
    """The new set is given and written under a lock, indented by two; all else in the file stays as it was."""
    before = document(accessToken=access_token(expiresAt="2024-01-02T03:05:00Z", more="x"), unknown={"a": [1, None]})
    io = runtime(json.dumps(before).encode(), renewal())
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


def test_the_new_credentials_last_from_when_they_were_asked_for() -> None:
    """The end is counted from the last request on, so that a slow answer never makes it too late."""

    def slow(request: Request) -> Response:
        io.advance(4)
        return renewal()

    io = runtime(lasting(60), answer(b"", 500), slow)
    found = fetch(provider(), io)
    assert found.expiration is not None
    assert found.expiration.timestamp() == pytest.approx(io.wall - 4 + 900, abs=0.001)


def test_each_attempt_has_its_own_proof() -> None:
    """A repeated request has the same refresh token, but a new identity and time in its proof."""
    io = runtime(lasting(60), answer(b"", 500), TransportFailure("broken", "reset"), renewal(), jitter=0.999)
    fetch(provider(), io)
    claims = [verified(request.headers["DPoP"])[1] for request in io.requests]
    assert len({claim["jti"] for claim in claims}) == 3
    assert len({request.body for request in io.requests}) == 1
    assert io.pauses == [pytest.approx(0.05, rel=0.01), pytest.approx(0.1, rel=0.01)]


def test_the_proof_is_for_the_endpoint_that_is_called() -> None:
    """With an endpoint of one's own, its host, port and path are in the proof."""
    config = ClientConfig(region="eu-central-1", endpoint_url="http://127.0.0.1:5000/base/")
    url = "http://127.0.0.1:5000/base/v1/token"
    io = FakeIo(("POST", url, renewal()), files={FILE: lasting(60)})
    fetch(provider(config=config), io)
    assert verified(io.requests[0].headers["DPoP"])[1]["htu"] == url
    assert io.requests[0].direct


@pytest.mark.parametrize(
    ("region", "host"),
    [("us-west-2", "us-west-2"), (None, "eu-central-1"), ("evil.example/", "eu-central-1"), ("", "eu-central-1")],
)
def test_region_of_the_sign_in(region: str | None, host: str) -> None:
    """The region where it was signed in comes before every other, if it can be one; else the usual list counts."""
    io = FakeIo(
        ("POST", f"https://{host}.signin.aws.amazon.com/v1/token", renewal()),
        files={FILE: lasting(60, signInRegion=region)},
    )
    fetch(provider(), io)
    assert read(io)["signInRegion"] == region


def test_region_from_the_environment() -> None:
    """Without any other region that of the environment is called."""
    io = FakeIo(
        ("POST", "https://cn-north-1.signin.amazonaws.cn/v1/token", renewal()),
        files={FILE: lasting(60)},
        environ={"AWS_REGION": "cn-north-1"},
    )
    fetch(provider(config=ClientConfig()), io)


@pytest.mark.parametrize(
    ("environ", "path"),
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
def test_directories(environ: Mapping[str, str], path: str) -> None:
    """The directory is that of the environment, or in the home directory that the shared files have, too."""
    io = FakeIo(files={path: lasting(600)}, environ=environ)
    fetch(provider(), io)
    assert io.reads == [path]


def test_blanks_around_the_session() -> None:
    """Blanks around the session do not count, as in the other SDKs' names of the file."""
    fetch(provider(session=f" {SESSION} "), runtime(lasting(600)))
    assert file_name(f" {SESSION} ") == NAME


@pytest.mark.parametrize("session", ["", "  ", "canary\x00", "canary\udcff"])
def test_sessions_that_cannot_be_one(session: str) -> None:
    """A session that is blank or no text is an error of the configuration, with the place of the setting."""
    error = failure(provider(session=session), FakeIo())
    assert type(error) is InvalidConfigurationError
    assert "login_session from ~/.aws/config:2" in told(error)


@pytest.mark.parametrize(
    ("profile", "command"),
    [
        (None, "aws login"),
        ("default", "aws login"),
        ("dev", "aws login --profile dev"),
        ("my dev", "aws login --profile 'my dev'"),
        ("a'; rm -rf /", """aws login --profile 'a'"'"'; rm -rf /'"""),
    ],
)
def test_commands(profile: str | None, command: str) -> None:
    """The command that signs in can be pasted into a shell; the default profile needs no name."""
    assert login_command(profile) == command
    error = failure(provider(profile), FakeIo())
    assert isinstance(error, LoginRequiredError)
    assert error.command == command
    assert f"run: {command}" in str(error)


def without(name: str) -> bytes:
    """Make a cache file without a field."""
    return lasting(3600).replace(f'"{name}"'.encode(), b'"canary"')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, f"{SHOWN} does not exist"),
        (ReadFailure("cannot be read: Permission denied"), "Permission denied"),
        (b"", "is empty"),
        (b'{"accessToken": {"secretAccessKey": "canary', "is not JSON"),
        (lasting(3600)[:-40], "is not JSON"),
        (lasting(3600) + b"}", "is not JSON"),
        (b"[]", "is JSON, but not an object"),
        (b"\xff\xfe", "begins with a byte order mark"),
        (b"\x80canary", "is not UTF-8 text"),
        (b"{}", "accessToken is missing"),
        (without("accessToken"), "accessToken is missing"),
        (without("clientId"), "clientId is missing"),
        (without("refreshToken"), "refreshToken is missing"),
        (without("dpopKey"), "dpopKey is missing"),
        (without("accountId"), "accessToken.accountId is missing"),
        (without("accessKeyId"), "accessToken.accessKeyId is missing"),
        (without("secretAccessKey"), "accessToken.secretAccessKey is missing"),
        (without("sessionToken"), "accessToken.sessionToken is missing"),
        (without("expiresAt"), "accessToken.expiresAt is missing"),
        (lasting(3600).replace(b"012345678901", b"\\u0000canary"), "accessToken.accountId contains the control"),
    ],
)
def test_files_that_cannot_be_used(content: bytes | ReadFailure | None, said: str) -> None:
    """A file that is missing, torn or wrong needs a person; the error names file and field, and nothing is asked."""
    error = failure(provider(), runtime(content))
    assert type(error) is LoginRequiredError
    assert error.command == "aws login --profile dev"
    assert said in told(error)
    assert SHOWN in str(error)


REFUSED = [
    (denied("TOKEN_EXPIRED"), "AccessDeniedException: TOKEN_EXPIRED: No."),
    (denied("USER_CREDENTIALS_CHANGED"), "USER_CREDENTIALS_CHANGED"),
    (denied("INSUFFICIENT_PERMISSIONS"), "INSUFFICIENT_PERMISSIONS"),
    (denied("canary-else", 403), "AccessDeniedException: No."),
    (denied("invalid_request", 400, "ValidationException"), "ValidationException"),
]


@pytest.mark.parametrize(("response", "said"), REFUSED)
def test_refused_and_ended(response: Response, said: str) -> None:
    """Ended credentials whose refresh is refused for good: a person must sign in, and is told why and how."""
    error = failure(provider(), runtime(lasting(0), response))
    assert type(error) is LoginRequiredError
    assert (error.command, error.status) == ("aws login --profile dev", response.status)
    assert error.code == response.headers["x-amzn-errortype"]
    assert said in told(error)
    assert "CreateOAuth2Token of AWS Sign-In at https://eu-central-1.signin.aws.amazon.com" in str(error)


def test_a_service_that_repeats_what_was_sent() -> None:
    """What a service says is shown without the secrets that were sent to it."""
    said = f"bad {REFRESH_TOKEN} {SECRET_KEY} {SESSION_TOKEN}"
    for response in (denied("TOKEN_EXPIRED", message=said), denied("x", 404, "Odd", message=said)):
        assert "bad ... ... ..." in told(failure(provider(), runtime(lasting(0), response)))


@pytest.mark.parametrize("word", list(HINTS))
def test_hints(word: str) -> None:
    """Each word of the service has its own explanation, beside the command."""
    error = failure(provider(), runtime(lasting(0), denied(word)))
    assert error.hint == f"{HINTS[word]}; run: aws login --profile dev"


TROUBLE: list[tuple[list[Any], type[RetrievalError], str]] = [
    ([answer(b"", 500)] * 3, RetrievalError, "status 500"),
    ([denied("server_error", 500, "InternalServerException")] * 3, RetrievalError, "InternalServerException: No."),
    ([answer(b"", 503)] * 3, RetrievalError, "status 503"),
    ([denied("rate_exceeded", 429, "TooManyRequestsError")] * 3, RetrievalError, "TooManyRequestsError"),
    ([TransportFailure("unreachable", "refused")] * 3, RetrievalError, "could not connect: refused"),
    ([TransportFailure("broken", "reset")] * 3, MalformedResponseError, "no valid response: reset"),
    ([TransportFailure("too large", "more than 64 KiB")], MalformedResponseError, "more than 64 KiB"),
    ([answer(b"<html>canary</html>", 403)], RetrievalError, "status 403"),
    ([answer(b"", 302, location="https://other.example/x")], RetrievalError, "redirects are not followed"),
    ([answer(b"<html>")], MalformedResponseError, "is a web page"),
    ([answer(b"{")], MalformedResponseError, "is not JSON"),
    ([renewal(refreshToken=...)], MalformedResponseError, "refreshToken in the response is missing"),
    ([renewal(accessToken=...)], MalformedResponseError, "accessToken in the response is missing"),
    (
        [renewal(accessToken={"accessKeyId": "x"})],
        MalformedResponseError,
        "accessToken.secretAccessKey in the response",
    ),
    ([renewal(expiresIn="900")], MalformedResponseError, "expiresIn in the response is not a number"),
]


@pytest.mark.parametrize(("answers", "kind", "said"), TROUBLE)
def test_trouble_and_ended(answers: list[Any], kind: type[RetrievalError], said: str) -> None:
    """What may pass by itself, or is the service's fault, needs no person: it is a plain error, and says what came."""
    error = failure(provider(), runtime(lasting(-1), *answers))
    assert type(error) is kind
    assert said in told(error)


def test_silence_and_ended() -> None:
    """A service that never answers is given up within the time for one refresh, as a timeout."""
    io = runtime(lasting(-1))
    io.script = [("POST", URL, io.timeout)] * 3
    assert type(failure(provider(), io)) is ProviderTimeoutError
    assert io.steady - 1000.0 <= 15.0


@pytest.mark.parametrize("answers", [*[[response] for response, _ in REFUSED], *[answers for answers, _, _ in TROUBLE]])
def test_valid_credentials_survive_every_failure(answers: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    """Whatever becomes of a refresh, credentials that are still valid are given, the file stays, and it is logged."""
    content = lasting(120)
    io = runtime(content, *answers)
    found = fetch(provider(), io)
    assert found.access_key_id == KEY_ID
    assert found.expiration == datetime.fromtimestamp(START + 120, UTC)
    assert io.files[FILE] == content
    assert "using the credentials, which are valid for 1" in warnings_in(caplog)


def test_credentials_that_end_while_they_are_renewed() -> None:
    """Credentials that were valid at the beginning, but end before the refresh has failed, are not given."""
    io = runtime(lasting(4))
    io.script = [("POST", URL, io.timeout)] * 3
    assert type(failure(provider(), io)) is ProviderTimeoutError


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("canary", "is not a key; expected a PEM private key on the curve P-256"),
        (PEM.replace("MHcCAQ", "canary"), "is an invalid key"),
        (PEM.replace("EC PRIVATE", "RSA PRIVATE"), "is an RSA key"),
    ],
)
def test_wrong_keys(key: str, said: str) -> None:
    """With a key that cannot sign nothing is sent; only a new sign-in writes another one. Until then it is served."""
    error = failure(provider(), runtime(lasting(0, dpopKey=key)))
    assert type(error) is LoginRequiredError
    assert f"dpopKey in {SHOWN} {said}" in told(error)
    assert fetch(provider(), runtime(lasting(60, dpopKey=key))).access_key_id == KEY_ID


def test_key_in_one_line() -> None:
    """A key whose ends of lines were written as a backslash and an n is used, and stays in the file as it is."""
    key = PEM.replace("\n", "\\n")
    io = runtime(lasting(0, dpopKey=key), renewal())
    fetch(provider(), io)
    assert read(io)["dpopKey"] == key


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without the library an error names the extra; credentials that are valid are given all the same."""

    def missing_library(pem: str) -> NoReturn:
        raise CryptographyMissingError("is not installed")

    monkeypatch.setattr(login, "load_key", missing_library)
    error = failure(provider(), runtime(lasting(0)))
    assert type(error) is InvalidConfigurationError
    assert "requires cryptography, which is not installed (install anycreds[login])" in told(error)
    assert fetch(provider(), runtime(lasting(60))).access_key_id == KEY_ID
    assert "install anycreds[login]" in warnings_in(caplog)


def test_libraries_are_loaded_late() -> None:
    """Importing the provider does not import cryptography."""
    code = "import sys, anycreds._providers.login.provider; assert 'cryptography' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], timeout=20, check=True)


def test_keys_are_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading cryptography takes longer than an event loop may wait, so it is work for a thread."""
    io = runtime(lasting(0), renewal())
    worked: list[str] = []

    async def work(function: Any, *arguments: object) -> Any:
        worked.append(function.__name__)
        return function(*arguments)

    monkeypatch.setattr(io, "run_in_thread", work)
    fetch(provider(), io)
    assert worked == ["load_key"]


def test_a_sibling_was_faster() -> None:
    """Another process has renewed while the lock was waited for: its credentials are taken, and nothing is asked."""
    io = runtime(lasting(60))
    io.when_locked[FILE] = lambda: io.files.update({FILE: lasting(880, refreshToken="canary-3")})
    assert fetch(provider(), io).expiration == datetime.fromtimestamp(START + 880, UTC)
    assert io.writes == []


def test_a_sibling_without_a_lock_was_faster() -> None:
    """A refusal because another program has used the token up: what that has written meanwhile is taken."""

    def used_up(request: Request) -> Response:
        io.files[FILE] = lasting(890, refreshToken="canary-3")
        return denied("TOKEN_EXPIRED")

    io = runtime(lasting(-5), used_up)
    assert fetch(provider(), io).expiration == datetime.fromtimestamp(START + 890, UTC)


def test_the_token_on_file_is_the_one_that_is_used() -> None:
    """Under the lock the file counts: its refresh token is sent, not the one that was read before."""
    io = runtime(lasting(60), renewal())
    io.when_locked[FILE] = lambda: io.files.update({FILE: lasting(200, refreshToken="canary-3")})
    fetch(provider(), io)
    assert json.loads(io.requests[0].body)["refreshToken"] == "canary-3"


def test_a_lucky_sibling_counts_after_a_failure() -> None:
    """After a failed refresh the newest set is served, even if it is not quite fresh."""
    io = runtime(lasting(60), *[answer(b"", 500)] * 3)
    io.when_locked[FILE] = lambda: io.files.update({FILE: lasting(200)})
    assert fetch(provider(), io).expiration == datetime.fromtimestamp(START + 200, UTC)


def test_a_lock_that_is_never_free() -> None:
    """A process that hangs with the lock does not keep others from their credentials."""
    io = runtime(lasting(60), renewal(), busy=[FILE])
    assert fetch(provider(), io).access_key_id == "AKIDNEW"


def test_sign_in_heals_a_running_program() -> None:
    """After a new sign-in the next attempt gives its credentials, without waiting for anything."""
    one = provider()
    io = runtime(lasting(0), denied("TOKEN_EXPIRED"))
    assert isinstance(failure(one, io), LoginRequiredError)
    io.files[FILE] = lasting(900)
    assert fetch(one, io).access_key_id == KEY_ID


def test_a_failed_refresh_is_not_repeated_at_once() -> None:
    """Within 30 s of a failed refresh nothing is sent: the error is the same again, and then it is tried anew."""
    one = provider()
    io = runtime(lasting(0), *[answer(b"", 500)] * 3)
    first = failure(one, io)
    io.advance(29)
    again = failure(one, io)
    assert str(again) == str(first)
    assert again is not first
    io.advance(2)
    io.script = [("POST", URL, renewal())]
    assert fetch(one, io).access_key_id == "AKIDNEW"


def test_one_provider_does_not_hold_up_another() -> None:
    """The pause after a failure is each provider's own."""
    io = runtime(lasting(0), denied("TOKEN_EXPIRED"))
    failure(provider(), io)
    io.script = [("POST", URL, renewal())]
    assert fetch(provider(), io).access_key_id == "AKIDNEW"


FULL_DISK = WriteFailure("cannot be written: No space left on device")


def test_a_file_that_cannot_be_written(caplog: pytest.LogCaptureFixture) -> None:
    """The new set is given although it cannot be written, and so are it and its refresh token from then on."""
    one = provider()
    io = runtime(lasting(60), renewal(), unwritable={FILE: FULL_DISK})
    assert fetch(one, io).access_key_id == "AKIDNEW"
    assert "No space left on device" in warnings_in(caplog)
    assert read(io)["refreshToken"] == REFRESH_TOKEN
    io.advance(500)
    assert fetch(one, io).access_key_id == "AKIDNEW"
    io.advance(200)
    io.unwritable.clear()
    io.script = [("POST", URL, renewal(refreshToken="canary-4"))]
    fetch(one, io)
    assert json.loads(io.requests[-1].body)["refreshToken"] == NEW_TOKEN
    assert read(io)["refreshToken"] == "canary-4"


def test_memory_ends_when_the_file_moves_on() -> None:
    """What could not be written counts only until the file has something else: a sign-in, or none at all."""
    one = provider()
    io = runtime(lasting(60), renewal(), unwritable={FILE: FULL_DISK})
    fetch(one, io)
    io.files[FILE] = lasting(700)
    assert fetch(one, io).access_key_id == KEY_ID
    del io.files[FILE]
    assert isinstance(failure(one, io), LoginRequiredError)


def test_a_set_that_cannot_be_written_as_json(caplog: pytest.LogCaptureFixture) -> None:
    """A file with a number that JSON cannot hold is not spoiled: the new set is given from memory."""
    before = lasting(60).replace(b'"aws_sigv4"', b"1e999")
    io = runtime(before, renewal())
    assert fetch(provider(), io).access_key_id == "AKIDNEW"
    assert io.files[FILE] == before
    assert "cannot be written as JSON" in warnings_in(caplog)


def test_a_renewal_that_ends_at_once() -> None:
    """Credentials that have ended when they come are not given."""

    def late(request: Request) -> Response:
        io.advance(3)
        return renewal(expiresIn=2)

    io = runtime(lasting(0), late)
    error = failure(provider(), io)
    assert type(error) is RetrievalError
    assert "have already expired" in told(error)


def test_errors_of_the_configuration() -> None:
    """A region or an endpoint that cannot be right is told as such, and nothing is sent."""
    io = runtime(lasting(0), environ={"AWS_REGION": "not a region"})
    error = failure(provider(config=ClientConfig()), io)
    assert type(error) is InvalidConfigurationError
    assert "AWS_REGION" in told(error)


def test_no_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home directory it cannot be told where the file is."""
    io = FakeIo()
    monkeypatch.setattr(io, "home_directory", lambda: None)
    error = failure(provider(), io)
    assert isinstance(error, InvalidConfigurationError)
    assert "home directory" in told(error)


def test_a_provider_shows_nothing() -> None:
    """The provider itself prints its name only, whatever it remembers."""
    one = provider()
    fetch(one, runtime(lasting(60), renewal(), unwritable={FILE: FULL_DISK}))
    assert repr(one) == "<anycreds provider: login>"
    assert "canary" not in repr([getattr(one, name) for name in LoginProvider.__slots__])
