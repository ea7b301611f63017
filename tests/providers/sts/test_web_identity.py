"""``from_web_token`` and ``from_token_file``: where the token comes from, and what STS makes of it."""

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

ROLE = "arn:aws:iam::123456789012:role/Web"
STS = "https://sts.eu-west-1.amazonaws.com/"
TOKEN = "canary.web.identity.token"
NEWER = "canary.newer.identity.token"
FILE = "/var/run/secrets/token"
SECRET = "canaryROLEsecretROLEsecretROLEsecretROLE"
VARIABLES = {"AWS_WEB_IDENTITY_TOKEN_FILE": FILE, "AWS_ROLE_ARN": ROLE}
GIVEN = (
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
    f"<AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
    "<SessionToken>canaryTOKEN</SessionToken><Expiration>2024-01-02T04:04:05Z</Expiration></Credentials>"
    "<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/Web/me</Arn></AssumedRoleUser>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
).encode()


def refusal(code: str) -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>no {TOKEN}</Message></Error></ErrorResponse>".encode()


def sends(body: bytes = GIVEN, status: int = 200) -> Step:
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
    """The file's token is sent unsigned, without the newline at its end; the set has the role's account."""
    io = FakeIo(sends(), environ=VARIABLES, files={FILE: f"{TOKEN}\n".encode()})
    given = fetch(provider(io), io)
    assert (given.access_key_id, given.account_id, given.source) == ("ASIAWEB", "123456789012", "web identity")
    [sent] = forms(io)
    assert (sent["WebIdentityToken"], sent["RoleArn"]) == (TOKEN, ROLE)
    assert sent["RoleSessionName"].startswith("anycreds-")
    assert io.requests[0].headers == {"Content-Type": "application/x-www-form-urlencoded"}


def test_options_beat_variables_one_by_one() -> None:
    """Each of file, role and session name comes from its option, else from its variable."""
    environ = {**VARIABLES, "AWS_ROLE_SESSION_NAME": "from-env"}
    io = FakeIo(sends(), environ=environ, files={"/mine": TOKEN.encode()})
    options = WebIdentityOptions(token_file=Setting("/mine", "option web_identity_token_file"))
    fetch(provider(io, options), io)
    assert (forms(io)[0]["RoleSessionName"], forms(io)[0]["RoleArn"]) == ("from-env", ROLE)


def test_profile_is_never_mixed_with_the_environment() -> None:
    """What a profile says is all there is: the variables are not looked at."""
    options = WebIdentityOptions(
        token_file=Setting(FILE, "~/.aws/config:2"), role_arn=Setting(ROLE, "~/.aws/config:3"), only_options=True
    )
    io = FakeIo(sends(), environ={"AWS_ROLE_SESSION_NAME": "from-env"}, files={FILE: TOKEN.encode()})
    fetch(provider(io, options), io)
    assert forms(io)[0]["RoleSessionName"] != "from-env"


@pytest.mark.parametrize(
    ("environ", "kind", "says"),
    [
        ({}, NotConfiguredError, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ({"AWS_ROLE_ARN": ROLE}, NotConfiguredError, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": ROLE}, NotConfiguredError, "not set"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": FILE}, InvalidConfigurationError, "no role"),
        ({**VARIABLES, "AWS_ROLE_ARN": "a\nb"}, InvalidConfigurationError, "AWS_ROLE_ARN"),
    ],
)
def test_halves(environ: Mapping[str, str], kind: type[CredentialsError], says: str) -> None:
    """A role alone is nothing; a token file alone is a mistake that stops a chain."""
    io = FakeIo(environ=environ)
    assert says in str(failing(provider(io), io, kind))


def test_file_is_read_at_every_attempt() -> None:
    """Whoever writes the file replaces the token, and the next attempt has the new one."""
    io = FakeIo(sends(), sends(), environ=VARIABLES, files={FILE: TOKEN.encode()})
    one = provider(io)
    run(one._fetch(io, ClientContext()))
    io.files[FILE] = NEWER.encode()
    fetch(one, io)
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, NEWER]


@pytest.mark.parametrize("gap", [ReadFailure("No such file", is_missing=True), b"", b"\n"])
def test_gap_of_a_rotation(gap: bytes | ReadFailure) -> None:
    """A file that is away or empty for a moment is looked for again, without asking STS meanwhile."""
    io = FakeIo(sends(), environ=VARIABLES, files={FILE: gap})
    slept = io.sleep

    async def sleep(seconds: float) -> None:
        await slept(seconds)
        if len(io.pauses) == 2:
            io.files[FILE] = TOKEN.encode()

    io.sleep = sleep  # type: ignore[method-assign]
    fetch(provider(io), io)
    assert sum(io.pauses) < 1.0


def test_file_that_stays_away() -> None:
    """A file that is not there after a second is an error that names it and its variable, and stops a chain."""
    io = FakeIo(environ=VARIABLES)
    error = failing(provider(io), io, RetrievalError)
    assert FILE in str(error)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(error)
    assert 0.5 <= sum(io.pauses) <= 1.0
    assert len(io.pauses) == 4


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\x00b", b"x" * 20_001, ReadFailure("is a directory")])
def test_what_is_no_token(content: bytes | ReadFailure) -> None:
    """What cannot be a token is never sent."""
    io = FakeIo(environ=VARIABLES, files={FILE: content})
    failing(provider(io), io, RetrievalError)
    assert io.pauses == []  # it is there: waiting would make nothing of it


def test_long_tokens_are_good() -> None:
    """A token may be as long as STS takes it: 20,000 characters."""
    io = FakeIo(sends(), environ=VARIABLES, files={FILE: b"x" * 20_000})
    fetch(provider(io), io)


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken"])
def test_ended_token_is_read_once_more(code: str) -> None:
    """If STS says that the token has ended and the file has a newer one, that is sent; and that is all."""
    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})

    def rotate(_request: object) -> Any:
        io.files[FILE] = NEWER.encode()
        return answer(refusal(code), 400)

    io.script = [("POST", STS, rotate), sends(refusal(code), 400)]
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert error.code == code
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, NEWER]


def test_same_token_is_not_sent_again() -> None:
    """If the file still has the token that has ended, STS is asked no more."""
    io = FakeIo(sends(refusal("ExpiredTokenException"), 400), environ=VARIABLES, files={FILE: TOKEN.encode()})
    failing(provider(io), io, RetrievalError)


def test_token_as_text_and_all_parameters() -> None:
    """A token given as text is sent with what else the API takes."""
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


def test_token_function_is_asked_at_every_attempt() -> None:
    """An async function gives the token anew each time, and once more if STS says that it has ended."""
    tokens = [TOKEN, TOKEN, NEWER]

    async def token() -> str:
        return tokens.pop(0)

    io = FakeIo(sends(), sends(refusal("ExpiredTokenException"), 400), sends())
    one = provider(io, with_token(token))
    run(one._fetch(io, ClientContext()))
    fetch(one, io)
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, TOKEN, NEWER]


@pytest.mark.parametrize("gives", [None, "", 7, "a\nb"])
def test_token_function_that_gives_none(gives: Any) -> None:
    """What a function returns is looked at before it is sent."""

    async def token() -> Any:
        return gives

    io = FakeIo()
    failing(provider(io, with_token(token)), io, RetrievalError)


def test_token_function_that_fails() -> None:
    """What it raises is the cause of an error of ours; "not configured" does not let a chain go on."""

    async def broken() -> str:
        raise ValueError(TOKEN)

    async def empty() -> str:
        raise NotConfiguredError("nothing")

    io = FakeIo()
    with pytest.raises(RetrievalError, match="raised ValueError") as caught:
        run(provider(io, with_token(broken))._fetch(io, ClientContext()))
    assert isinstance(caught.value.__cause__, ValueError)
    failing(provider(io, with_token(empty)), io, InvalidConfigurationError)


def test_hook_takes_the_place_of_sts() -> None:
    """``role_assumer_with_web_identity`` gets all parameters, the token too, and nothing goes over the network."""
    seen: list[Mapping[str, Any]] = []

    async def assumer(params: Mapping[str, Any]) -> Credentials:
        seen.append(params)
        return Credentials("ASIAHOOK", SECRET)

    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})
    given = fetch(provider(io, WebIdentityOptions(assumer=assumer)), io)
    assert (given.access_key_id, given.source) == ("ASIAHOOK", "web identity")
    assert (seen[0]["WebIdentityToken"], seen[0]["RoleArn"]) == (TOKEN, ROLE)


@pytest.mark.parametrize("code", ["InvalidIdentityToken", "IDPRejectedClaim", "AccessDenied"])
def test_refusals_are_final(code: str) -> None:
    """A token that is refused for good is sent once; the error has code and hint, and not the token."""
    io = FakeIo(sends(refusal(code), 400), environ=VARIABLES, files={FILE: TOKEN.encode()})
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert error.code == code
    assert error.hint
    assert f"role {ROLE!r} (AWS_ROLE_ARN)" in str(error)


def test_provider_that_cannot_be_reached_by_sts_is_tried_again() -> None:
    """``IDPCommunicationError`` passes by itself, though its status is 400."""
    io = FakeIo(sends(refusal("IDPCommunicationError"), 400), sends(), environ=VARIABLES, files={FILE: TOKEN.encode()})
    fetch(provider(io), io)


def test_unreachable_sts_stops() -> None:
    """No connection, three times, is an error that says who was asked."""
    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})
    io.script = [("POST", STS, TransportFailure("unreachable", "Connection refused"))] * 3
    assert "sts.eu-west-1.amazonaws.com" in str(failing(provider(io), io, RetrievalError))


def test_answer_without_content() -> None:
    """Any answer but 200 is a refusal with its status."""
    io = FakeIo(sends(b"", 204), environ=VARIABLES, files={FILE: TOKEN.encode()})
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert (type(error), error.status) == (RetrievalError, 204)


def test_file_that_goes_away_after_the_token_has_ended() -> None:
    """If there is no newer token to read, what STS said about the old one is the error."""
    io = FakeIo(environ=VARIABLES, files={FILE: TOKEN.encode()})

    def remove(_request: object) -> Any:
        del io.files[FILE]
        return answer(refusal("ExpiredTokenException"), 400)

    io.script = [("POST", STS, remove)]
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert error.code == "ExpiredTokenException"


def test_token_as_text_that_has_ended() -> None:
    """A token that was given as text cannot be another one: STS is asked once."""
    io = FakeIo(sends(refusal("ExpiredTokenException"), 400))
    failing(provider(io, with_token(TOKEN)), io, RetrievalError)


def test_blanks_around_a_token() -> None:
    """What a function or a program has read from a file may end with its newline."""

    async def token() -> str:
        return f"{TOKEN}\n"

    io = FakeIo(sends(), sends())
    run(provider(io, with_token(token))._fetch(io, ClientContext()))
    fetch(provider(io, with_token(f" {TOKEN}\n")), io)
    assert [sent["WebIdentityToken"] for sent in forms(io)] == [TOKEN, TOKEN]


def test_the_caller_is_handed_on() -> None:
    """The client's region is called if nobody says another."""
    io = FakeIo(sends(), environ={"AWS_REGION": "us-west-2"})
    one = WebIdentityProvider(FakeRuntime(io), with_token(TOKEN), EndpointResolver(ClientConfig()))
    run(one._fetch(io, ClientContext(region="eu-west-1")))


def test_time_limits() -> None:
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


def test_options_do_not_show_the_token() -> None:
    """Their repr is without it."""
    assert repr(with_token(TOKEN)) == "WebIdentityOptions(...)"
