"""Roles assumed with a web identity token: where the token comes from, and the responses of STS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from anycreds import ClientConfig, Credentials, CredentialsError, InvalidConfigurationError, RetrievalError
from anycreds._config.settings import Setting
from anycreds._core.errors import NotConfiguredError, ProviderTimeoutError
from anycreds._core.http import TransportFailure
from anycreds._core.io import ReadFailure
from anycreds._core.provider import ClientContext
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider
from support.fake_io import FakeIo, FakeRuntime, Step, answer, assert_no_secret, fetch, run
from support.rows import each_row

ROLE = "arn:aws:iam::123456789012:role/Web"
STS = "https://sts.eu-west-1.amazonaws.com/"
TOKEN = "canary.web.identity.token"
NEWER = "canary.newer.identity.token"
FILE = "/var/run/secrets/token"
SECRET = "canaryROLEsecretROLEsecretROLEsecretROLE"
VARIABLES = {"AWS_WEB_IDENTITY_TOKEN_FILE": FILE, "AWS_ROLE_ARN": ROLE}
RESPONSE = (
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
    f"<AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
    "<SessionToken>canaryTOKEN</SessionToken><Expiration>2024-01-02T04:04:05Z</Expiration></Credentials>"
    "<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/Web/me</Arn></AssumedRoleUser>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
).encode()


def rejection(code: str) -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>no {TOKEN}</Message></Error></ErrorResponse>".encode()


def sends(body: bytes = RESPONSE, status: int = 200) -> Step:
    return ("POST", STS, answer(body, status))


def provider(io: FakeIo, options: WebIdentityOptions | None = None) -> WebIdentityProvider:
    endpoints = EndpointResolver(ClientConfig(region="eu-west-1"))
    return WebIdentityProvider(FakeRuntime(io), options or WebIdentityOptions(), endpoints)


def with_token(token: Any, **params: Any) -> WebIdentityOptions:
    return WebIdentityOptions(token, params={"RoleArn": ROLE, **params})


def forms(io: FakeIo) -> list[dict[str, str]]:
    return [{name: one[0] for name, one in parse_qs(request.body.decode()).items()} for request in io.requests]


def failing(one: WebIdentityProvider, io: FakeIo, kind: type[CredentialsError]) -> CredentialsError:
    with pytest.raises(kind) as caught:
        run(one._fetch(io, ClientContext()))
    assert_no_secret(caught.value, TOKEN, NEWER, SECRET)
    assert io.script == []
    return caught.value


def test_token_file_of_the_environment() -> None:
    """The token of the file, which is UTF-8, is sent unsigned and without its newline."""
    token = f"{TOKEN}-t\u00f6k\u00e9n"
    io = FakeIo(sends(), environ=VARIABLES, files={FILE: f"{token}\n".encode()})
    found = fetch(provider(io), io)
    assert (found.access_key_id, found.account_id, found.source) == (
        "ASIAWEB",
        "123456789012",
        "web identity",
    )
    [sent] = forms(io)
    assert (sent["WebIdentityToken"], sent["RoleArn"]) == (token, ROLE)
    assert sent["RoleSessionName"].startswith("anycreds-")
    assert io.requests[0].headers == {"Content-Type": "application/x-www-form-urlencoded"}


def test_options_precede_variables() -> None:
    """Each of file, role and session name comes from its option, otherwise from its variable."""
    environ = {**VARIABLES, "AWS_ROLE_SESSION_NAME": "from-env"}
    io = FakeIo(sends(), environ=environ, files={"/mine": TOKEN.encode()})
    options = WebIdentityOptions(token_file=Setting("/mine", "option web_identity_token_file"))
    fetch(provider(io, options), io)
    assert (forms(io)[0]["RoleSessionName"], forms(io)[0]["RoleArn"]) == ("from-env", ROLE)


def test_settings_of_a_profile_exclude_variables() -> None:
    """With the settings of a profile no variable is read."""
    options = WebIdentityOptions(
        token_file=Setting(FILE, "~/.aws/config:2"), role_arn=Setting(ROLE, "~/.aws/config:3"), only_options=True
    )
    io = FakeIo(sends(), environ={"AWS_ROLE_SESSION_NAME": "from-env"}, files={FILE: TOKEN.encode()})
    fetch(provider(io, options), io)
    assert forms(io)[0]["RoleSessionName"] != "from-env"


FILE_OPTION = Setting(FILE, "option web_identity_token_file")
ROLE_OPTION = Setting(ROLE, "option role_arn")
NAME_OPTION = Setting("me", "option role_session_name")


@each_row(
    "options",
    [
        WebIdentityOptions(),
        WebIdentityOptions(role_arn=ROLE_OPTION),
        WebIdentityOptions(role_arn=ROLE_OPTION, session_name=NAME_OPTION),
    ],
)
@each_row("environ", [{"AWS_ROLE_ARN": ROLE}, {**VARIABLES, "AWS_WEB_IDENTITY_TOKEN_FILE": " "}])
def test_role_without_token_file_is_not_configured(options: WebIdentityOptions, environ: Mapping[str, str]) -> None:
    """A role without a token file is not configured, and a blank variable counts as not set."""
    error = failing(provider(FakeIo(environ=environ), options), FakeIo(environ=environ), NotConfiguredError)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(error)
    assert error.source == "web identity"


@each_row(
    "environ, options, origin",
    [
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": FILE}, WebIdentityOptions(), "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ({**VARIABLES, "AWS_ROLE_ARN": "\t"}, WebIdentityOptions(), "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ({}, WebIdentityOptions(token_file=FILE_OPTION), "option web_identity_token_file"),
        (
            {"AWS_ROLE_SESSION_NAME": "pod"},
            WebIdentityOptions(token_file=FILE_OPTION, session_name=NAME_OPTION),
            "option web_identity_token_file",
        ),
    ],
)
def test_token_file_without_role_is_an_error(
    environ: Mapping[str, str], options: WebIdentityOptions, origin: str
) -> None:
    """A token file without a role stops a chain, and the error names its origin and the missing variable."""
    io = FakeIo(environ=environ)
    text = str(failing(provider(io, options), io, InvalidConfigurationError))
    assert f"({origin})" in text
    assert "AWS_ROLE_ARN" in text
    assert FILE not in text


def test_invalid_role_is_an_error_that_names_its_variable() -> None:
    """A role that is not printable text is an error before STS is called."""
    io = FakeIo(environ={**VARIABLES, "AWS_ROLE_ARN": "a\nb"}, files={FILE: TOKEN.encode()})
    assert "AWS_ROLE_ARN" in str(failing(provider(io), io, InvalidConfigurationError))


@pytest.mark.fault("L14")
def test_file_is_read_at_every_attempt() -> None:
    """The token file is read at every attempt, because other programs replace it."""
    io = FakeIo(sends(), sends(), environ=VARIABLES, files={FILE: TOKEN.encode()})
    one = provider(io)
    run(one._fetch(io, ClientContext()))
    io.files[FILE] = NEWER.encode()
    fetch(one, io)
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, NEWER]


@pytest.mark.fault("L05", "L14")
@pytest.mark.parametrize("content", [ReadFailure("No such file", is_missing=True), b"", b"\n"])
def test_file_missing_during_rotation(content: bytes | ReadFailure) -> None:
    """A file that is missing or empty for a moment is read again, before STS is called."""
    io = FakeIo(sends(), environ=VARIABLES, files={FILE: content})
    slept = io.sleep

    async def sleep(seconds: float) -> None:
        await slept(seconds)
        if len(io.pauses) == 2:
            io.files[FILE] = TOKEN.encode()

    io.sleep = sleep  # type: ignore[method-assign]
    fetch(provider(io), io)
    assert sum(io.pauses) < 1.0


@pytest.mark.fault("L14")
def test_missing_file() -> None:
    """A file that is missing for a second is an error with path and variable, and stops a chain."""
    io = FakeIo(environ=VARIABLES)
    error = failing(provider(io), io, RetrievalError)
    assert FILE in str(error)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(error)
    assert 0.5 <= sum(io.pauses) <= 1.0
    assert len(io.pauses) == 4


@pytest.mark.fault("L14")
@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\x00b", b"x" * 20_001, ReadFailure("is a directory")])
def test_invalid_tokens_in_a_file(content: bytes | ReadFailure) -> None:
    """Content that cannot be a token is an error at once, and is not sent."""
    io = FakeIo(environ=VARIABLES, files={FILE: content})
    failing(provider(io), io, RetrievalError)
    assert io.pauses == []  # it is there: waiting would make nothing of it


@pytest.mark.fault("L14")
def test_longest_token() -> None:
    """A token may have the 20,000 characters that STS accepts."""
    io = FakeIo(sends(), environ=VARIABLES, files={FILE: b"x" * 20_000})
    fetch(provider(io), io)


@pytest.mark.fault("U30")
@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken"])
def test_expired_token_is_read_once_more(code: str) -> None:
    """If STS says that the token has expired and the file has a newer one, that is sent, once."""
    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})

    def rotate(_request: object) -> Any:
        io.files[FILE] = NEWER.encode()
        return answer(rejection(code), 400)

    io.script = [("POST", STS, rotate), sends(rejection(code), 400)]
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert error.code == code
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, NEWER]


@pytest.mark.fault("U30")
def test_expired_token_is_not_sent_again() -> None:
    """If the file still has the expired token, STS is not called again."""
    io = FakeIo(sends(rejection("ExpiredTokenException"), 400), environ=VARIABLES, files={FILE: TOKEN.encode()})
    failing(provider(io), io, RetrievalError)


def test_all_parameters_are_sent() -> None:
    """A token given as text is sent with all other parameters."""
    io = FakeIo(sends())
    options = with_token(
        TOKEN,
        RoleSessionName="me",
        ProviderId="www.amazon.com",
        Policy="{}",
        PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
        DurationSeconds=900,
    )
    fetch(provider(io, options), io)
    [sent] = forms(io)
    assert sent == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "me",
        "WebIdentityToken": TOKEN,
        "ProviderId": "www.amazon.com",
        "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "Policy": "{}",
        "DurationSeconds": "900",
    }


def test_token_function_is_called_at_every_attempt() -> None:
    """A token function is called at every attempt, and once more if STS says that the token has expired."""
    tokens = [TOKEN, TOKEN, NEWER]

    async def token() -> str:
        return tokens.pop(0)

    io = FakeIo(sends(), sends(rejection("ExpiredTokenException"), 400), sends())
    one = provider(io, with_token(token))
    run(one._fetch(io, ClientContext()))
    fetch(one, io)
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, TOKEN, NEWER]


@pytest.mark.parametrize("result", [None, "", 7, "a\nb"])
def test_invalid_result_of_a_token_function(result: Any) -> None:
    """The result of a token function is validated before it is sent."""

    async def token() -> Any:
        return result

    io = FakeIo()
    failing(provider(io, with_token(token)), io, RetrievalError)


def test_token_function_that_fails() -> None:
    """An exception of a token function becomes an error that stops a chain, even ``NotConfiguredError``."""

    async def broken() -> str:
        raise ValueError(TOKEN)

    async def empty() -> str:
        raise NotConfiguredError("nothing")

    io = FakeIo()
    with pytest.raises(RetrievalError, match="raised ValueError") as caught:
        run(provider(io, with_token(broken))._fetch(io, ClientContext()))
    assert isinstance(caught.value.__cause__, ValueError)
    failing(provider(io, with_token(empty)), io, InvalidConfigurationError)


def test_role_assumer_replaces_sts() -> None:
    """``role_assumer_with_web_identity`` gets all parameters with the token, and no request is made."""
    seen: list[Mapping[str, Any]] = []

    async def assumer(params: Mapping[str, Any]) -> Credentials:
        seen.append(params)
        return Credentials("ASIAHOOK", SECRET)

    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})
    found = fetch(provider(io, WebIdentityOptions(assumer=assumer)), io)
    assert (found.access_key_id, found.source) == ("ASIAHOOK", "web identity")
    assert (seen[0]["WebIdentityToken"], seen[0]["RoleArn"]) == (TOKEN, ROLE)


@pytest.mark.fault("U30")
@pytest.mark.parametrize("code", ["InvalidIdentityToken", "IDPRejectedClaim", "AccessDenied"])
def test_rejected_token(code: str) -> None:
    """A rejected token is sent once; the error has code and hint, and not the token."""
    io = FakeIo(sends(rejection(code), 400), environ=VARIABLES, files={FILE: TOKEN.encode()})
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert error.code == code
    assert error.hint
    assert f"role {ROLE!r} (AWS_ROLE_ARN)" in str(error)


def test_unreachable_identity_provider_is_retried() -> None:
    """``IDPCommunicationError`` is retried, although its status is 400."""
    io = FakeIo(
        sends(rejection("IDPCommunicationError"), 400), sends(), environ=VARIABLES, files={FILE: TOKEN.encode()}
    )
    fetch(provider(io), io)


def test_unreachable_sts() -> None:
    """After three failed connections the error names the endpoint."""
    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})
    io.script = [("POST", STS, TransportFailure("unreachable", "Connection refused"))] * 3
    assert "sts.eu-west-1.amazonaws.com" in str(failing(provider(io), io, RetrievalError))


def test_other_success_status() -> None:
    """Any other status than 200 is an error with that status."""
    io = FakeIo(sends(b"", 204), environ=VARIABLES, files={FILE: TOKEN.encode()})
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert (type(error), error.status) == (RetrievalError, 204)


def test_file_removed_after_the_token_has_expired() -> None:
    """If no newer token can be read, the error of STS is raised."""
    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})

    def remove(_request: object) -> Any:
        del io.files[FILE]
        return answer(rejection("ExpiredTokenException"), 400)

    io.script = [("POST", STS, remove)]
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert error.code == "ExpiredTokenException"


def test_expired_token_given_as_text() -> None:
    """A token given as text cannot change, so STS is called once."""
    io = FakeIo(sends(rejection("ExpiredTokenException"), 400))
    failing(provider(io, with_token(TOKEN)), io, RetrievalError)


@pytest.mark.fault("L14")
def test_blanks_around_a_token() -> None:
    """Blanks and newlines around a token are removed."""

    async def token() -> str:
        return f"{TOKEN}\n"

    io = FakeIo(sends(), sends())
    run(provider(io, with_token(token))._fetch(io, ClientContext()))
    fetch(provider(io, with_token(f" {TOKEN}\n")), io)
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, TOKEN]


def test_region_of_the_client_precedes_the_variables() -> None:
    """The client's region precedes the variables."""
    io = FakeIo(sends(), environ={"AWS_REGION": "us-west-2"})
    one = WebIdentityProvider(FakeRuntime(io), with_token(TOKEN), EndpointResolver(ClientConfig()))
    run(one._fetch(io, ClientContext(region="eu-west-1")))


def test_each_attempt_has_a_timeout_and_the_user_function_a_deadline() -> None:
    """STS gets one timeout for each attempt, and the deadline of the attempt names the user's function."""
    seen: list[str] = []

    async def token() -> str:
        seen.append(io.waiting_for)
        return TOKEN

    async def assumer(params: Mapping[str, Any]) -> Credentials:
        seen.append(io.waiting_for)
        return Credentials("ASIAHOOK", SECRET)

    io = FakeIo()
    fetch(provider(io, with_token(token)._replace(assumer=assumer)), io)
    assert seen == ["web_identity_token", "role_assumer_with_web_identity"]
    io.script = [("POST", STS, io.timeout)] * 2
    endpoints = EndpointResolver(ClientConfig(region="eu-west-1", max_attempts=2))
    one = WebIdentityProvider(FakeRuntime(io), with_token(TOKEN), endpoints, timeout=2.0)
    failing(one, io, ProviderTimeoutError)
    assert io.steady - 1000.0 <= 2 * 2.0
    assert io.deadlines == []


def test_repr_of_options() -> None:
    """``repr`` of the options does not contain the token."""
    assert repr(with_token(TOKEN)) == "WebIdentityOptions(...)"
