"""Roles assumed with source credentials: the order of source, user and STS, and the errors of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from anycreds import ClientConfig, Credentials, CredentialsError, InvalidConfigurationError, RetrievalError
from anycreds._core.callbacks import Callbacks
from anycreds._core.errors import NotConfiguredError, ProviderTimeoutError
from anycreds._core.http import Request, TransportFailure
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sts.assume_role import AssumeRoleProvider, Role
from anycreds._providers.sts.parameters import sts_parameters
from support.fake_io import (
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    START,
    FakeIo,
    FakeRuntime,
    Step,
    answer,
    assert_no_secret,
    fetch,
    run,
)

ROLE = "arn:aws:iam::123456789012:role/Demo"
STS = "https://sts.eu-west-1.amazonaws.com/"
MFA = "arn:aws:iam::123456789012:mfa/alice"
CODE = "canary-731946"
ROLE_SECRET = "canaryROLEsecretROLEsecretROLEsecretROLE"
ROLE_TOKEN = "canaryROLEtoken=="


def sts_answer(expiration: str = "2024-01-02T04:04:05Z", key: str = "ASIAROLE") -> bytes:
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{ROLE_SECRET}</SecretAccessKey>"
        f"<SessionToken>{ROLE_TOKEN}</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
        "<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/Demo/me</Arn></AssumedRoleUser>"
        "</AssumeRoleResult></AssumeRoleResponse>"
    ).encode()


def sts_error(code: str, message: str = "no") -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()


class Source(Provider):
    """A source of access keys that counts its calls."""

    def __init__(self, error: CredentialsError | None = None, source: str | None = "environment") -> None:
        super().__init__("a source", FakeRuntime())
        self.error = error
        self.credentials = Credentials(KEY_ID, SECRET_KEY, SESSION_TOKEN, source=source)
        self.calls = 0

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.calls += 1
        self.context = context
        if self.error is not None:
            raise self.error
        return self.credentials


def role(**params: object) -> Role:
    checked = sts_parameters({"RoleArn": ROLE, **params}, "role")
    assert not isinstance(checked, InvalidConfigurationError)
    return Role(checked, f"role {ROLE!r}")


def provider(
    io: FakeIo,
    *,
    source: Provider | None = None,
    callbacks: Callbacks | None = None,
    config: ClientConfig | None = None,
    **params: object,
) -> AssumeRoleProvider:
    config = config or ClientConfig(region="eu-west-1")
    return AssumeRoleProvider(
        FakeRuntime(io),
        role(**params),
        source or Source(),
        EndpointResolver(config),
        callbacks=callbacks or Callbacks(),
    )


def sends(body: bytes, status: int = 200, **headers: str) -> Step:
    return ("POST", STS, answer(body, status, **headers))


def form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def failing(one: Provider, io: FakeIo, kind: type[CredentialsError]) -> CredentialsError:
    with pytest.raises(kind) as caught:
        run(one._fetch(io, ClientContext()))
    assert type(caught.value) is kind
    assert_no_secret(caught.value, CODE, ROLE_SECRET, ROLE_TOKEN)
    assert io.script == []
    return caught.value


def test_role_is_assumed_with_the_source() -> None:
    """One request is signed with the source's key for the region of STS; the credentials have the role's account."""
    io = FakeIo(sends(sts_answer()))
    found = fetch(provider(io), io)
    assert (found.access_key_id, found.account_id, found.source) == (
        "ASIAROLE",
        "123456789012",
        "assume role",
    )
    assert found.expiration is not None
    assert found.expiration.isoformat() == "2024-01-02T04:04:05+00:00"
    [request] = io.requests
    signed = request.headers["authorization"]
    assert f"Credential={KEY_ID}/20240102/eu-west-1/sts/aws4_request" in signed
    assert request.headers["x-amz-security-token"] == SESSION_TOKEN
    assert form(request) == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": f"anycreds-{START:.0f}",
    }


def test_all_parameters_are_sent() -> None:
    """All parameters are sent in the form of the API."""
    io = FakeIo(sends(sts_answer()))
    one = provider(
        io,
        RoleSessionName="me",
        DurationSeconds=900,
        ExternalId="ext",
        Policy='{"Version":"2012-10-17"}',
        PolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        Tags={"Team": "a b"},
        TransitiveTagKeys=["Team"],
        SourceIdentity="alice",
        ProvidedContexts={"arn:aws:iam::aws:contextProvider/IdentityCenter": "assertion"},
    )
    fetch(one, io)
    sent = form(io.requests[0])
    assert sent["RoleSessionName"] == "me"
    assert sent["DurationSeconds"] == "900"
    assert sent["ExternalId"] == "ext"
    assert sent["Policy"] == '{"Version":"2012-10-17"}'
    assert sent["PolicyArns.member.1.arn"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert (sent["Tags.member.1.Key"], sent["Tags.member.1.Value"]) == ("Team", "a b")
    assert sent["TransitiveTagKeys.member.1"] == "Team"
    assert sent["SourceIdentity"] == "alice"
    assert sent["ProvidedContexts.member.1.ProviderArn"].endswith("IdentityCenter")
    assert sent["ProvidedContexts.member.1.ContextAssertion"] == "assertion"


def test_source_without_credentials() -> None:
    """A source with nothing configured is a configuration error that names the role, so no chain continues."""
    io = FakeIo()
    missing = NotConfiguredError("nothing is set", source="environment")
    error = failing(provider(io, source=Source(missing)), io, InvalidConfigurationError)
    assert ROLE in str(error)
    assert "nothing is set" in str(error)


def test_error_of_the_source() -> None:
    """An error of the source is raised unchanged, and STS is not called."""
    io = FakeIo()
    error = RetrievalError("is down", source="vault")
    with pytest.raises(RetrievalError) as caught:
        run(provider(io, source=Source(error))._fetch(io, ClientContext()))
    assert caught.value is error


@pytest.mark.fault("U07", "U30")
@pytest.mark.parametrize(
    ("body", "status", "code", "hint"),
    [
        (sts_error("AccessDenied"), 403, "AccessDenied", "trust policy"),
        (sts_error("ExpiredToken"), 403, "ExpiredToken", "expired"),
        (sts_error("MalformedPolicyDocument"), 400, "MalformedPolicyDocument", "policy"),
        (b"<html>no</html>", 403, None, None),
        (b"", 404, None, None),
        (b"", 204, None, None),
    ],
)
def test_error_responses(body: bytes, status: int, code: str | None, hint: str | None) -> None:
    """An error response is final, and the error has status, code, role, endpoint and a hint."""
    io = FakeIo(sends(body, status))
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert (error.status, error.code) == (status, code)
    assert ROLE in str(error)
    assert "https://sts.eu-west-1.amazonaws.com" in str(error)
    assert hint is None or hint in str(error.hint)


def test_echoed_secrets_are_removed() -> None:
    """Secrets of the request that STS repeats do not appear in the error."""
    assertion = "canary-context-assertion"
    text = f"not with {SESSION_TOKEN}, {SECRET_KEY}, {assertion} and {CODE}"
    io = FakeIo(sends(sts_error("AccessDenied", text), 403))
    callbacks = Callbacks(mfa_code_provider=returning(CODE))
    failing(
        provider(io, callbacks=callbacks, SerialNumber=MFA, ProvidedContexts={"arn:c": assertion}), io, RetrievalError
    )


@pytest.mark.fault("U30")
@pytest.mark.parametrize(
    ("status", "body"),
    [(503, b""), (500, b""), (429, b""), (400, sts_error("Throttling")), (400, sts_error("IDPCommunicationError"))],
)
def test_transient_errors_are_retried(status: int, body: bytes) -> None:
    """Throttling and server errors are retried up to three attempts, each with a new signature."""
    io = FakeIo(sends(body, status), sends(body, status), sends(sts_answer()))
    assert fetch(provider(io), io).access_key_id == "ASIAROLE"
    assert len(io.pauses) == 2
    dates = [request.headers["x-amz-date"] for request in io.requests]
    assert dates[0] <= dates[1] <= dates[2]


def test_silent_sts_is_called_three_times() -> None:
    """An STS that never responds is called three times for five seconds each; the error is a timeout."""
    io = FakeIo()
    io.script = [("POST", STS, io.timeout) for _ in range(3)]
    failing(provider(io), io, ProviderTimeoutError)
    assert io.steady - 1000.0 <= 15.0


def test_wrong_clock_is_corrected() -> None:
    """A signature that is rejected because of its time is made again with the clock of STS."""
    later = "Tue, 02 Jan 2024 04:04:05 GMT"
    service_error = sends(sts_error("SignatureDoesNotMatch", "Signature expired"), 403, date=later)
    io = FakeIo(service_error, sends(sts_answer("2024-01-02T06:04:05Z")))
    fetch(provider(io), io)
    assert io.requests[1].headers["x-amz-date"] == "20240102T040405Z"


def returning(*codes: Any, log: list[str] | None = None) -> Any:
    left = list(codes)

    async def mfa(serial: str) -> str:
        assert serial == MFA
        if log is not None:
            log.append("prompt")
        code: str = left.pop(0)
        return code

    return mfa


@pytest.mark.fault("S24")
def test_user_is_prompted_after_the_source() -> None:
    """The user is prompted once, after the source, with five minutes of time, and the code is sent."""
    io = FakeIo(sends(sts_answer()))
    log: list[str] = []
    one = provider(io, callbacks=Callbacks(returning(f" {CODE}\n", log=log)), SerialNumber=MFA)
    fetch(one, io)
    assert log == ["prompt"]
    assert (form(io.requests[0])["SerialNumber"], form(io.requests[0])["TokenCode"]) == (MFA, CODE)
    assert io.asked == [(300.0, "mfa_code_provider")]
    assert one._may_prompt_user
    assert io.prompts_user


def test_user_is_not_prompted_after_an_error() -> None:
    """The user is not prompted if the source fails or the region is invalid."""
    io = FakeIo()
    callbacks = Callbacks(returning())
    failing(
        provider(io, source=Source(RetrievalError("down")), callbacks=callbacks, SerialNumber=MFA), io, RetrievalError
    )
    io.variables["AWS_REGION"] = "evil.example/"
    one = provider(io, callbacks=callbacks, config=ClientConfig(), SerialNumber=MFA)
    failing(one, io, InvalidConfigurationError)


def test_code_is_sent_once() -> None:
    """A request with a code is not retried, and the same code is not sent again."""
    io = FakeIo(sends(b"", 503))
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE)), SerialNumber=MFA)
    failing(one, io, RetrievalError)
    error = failing(one, io, RetrievalError)
    assert "sent before" in str(error)
    assert "wait for the next code" in str(error.hint)
    assert len(io.requests) == 1


def test_rejected_code() -> None:
    """The hint for a rejected code is to wait for the next one, and not to check the trust policy."""
    message = "MultiFactorAuthentication failed with invalid MFA one time pass code."
    io = FakeIo(sends(sts_error("AccessDenied", message), 403))
    error = failing(provider(io, callbacks=Callbacks(returning(CODE)), SerialNumber=MFA), io, RetrievalError)
    assert message in str(error)
    assert "wait for the next code" in str(error.hint)
    assert "trust policy" not in str(error)


def test_code_may_be_reused_if_sts_was_unreachable() -> None:
    """The same code may be sent again if no connection to STS was possible."""
    io = FakeIo(("POST", STS, TransportFailure("unreachable", "refused")), sends(sts_answer()))
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE)), SerialNumber=MFA)
    with pytest.raises(RetrievalError):
        run(one._fetch(io, ClientContext()))
    assert fetch(one, io).access_key_id == "ASIAROLE"


@pytest.mark.parametrize("code", ["", "  ", None, 731946, "73\x001946"])
def test_invalid_codes(code: object) -> None:
    """An invalid code is an error, and STS is not called."""
    io = FakeIo()
    failing(provider(io, callbacks=Callbacks(returning(code)), SerialNumber=MFA), io, RetrievalError)


@pytest.mark.parametrize(
    "source",
    ["assume role", "web identity", "SSO", "EC2 instance metadata", "Cognito identity", "Cognito identity pool"],
)
def test_duration_with_the_credentials_of_a_role(source: str) -> None:
    """More than an hour with the credentials of another role is an error before STS is called."""
    io = FakeIo()
    error = failing(provider(io, source=Source(source=source), DurationSeconds=3601), io, InvalidConfigurationError)
    assert "3600" in str(error)
    assert "3600 s or less" in str(error.hint)
    io = FakeIo(sends(sts_answer()))
    fetch(provider(io, source=Source(source=source), DurationSeconds=3600), io)


def test_duration_with_the_keys_of_a_user() -> None:
    """A session with the keys of a user may last twelve hours."""
    io = FakeIo(sends(sts_answer("2024-01-02T15:04:05Z")))
    fetch(provider(io, DurationSeconds=43200), io)
    assert form(io.requests[0])["DurationSeconds"] == "43200"


def test_role_assumer_replaces_sts() -> None:
    """``role_assumer`` gets the source credentials and all parameters, and no request is made."""
    io = FakeIo()
    seen: list[tuple[Credentials, Mapping[str, Any]]] = []

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        seen.append((source, params))
        return Credentials("ASIAHOOK", ROLE_SECRET)

    source = Source()
    one = provider(io, source=source, callbacks=Callbacks(returning(CODE), assumer), SerialNumber=MFA, ExternalId="ext")
    assert fetch(one, io).access_key_id == "ASIAHOOK"
    [(passed, params)] = seen
    assert passed is source.credentials
    assert params["RoleArn"] == ROLE
    assert (params["ExternalId"], params["TokenCode"]) == ("ext", CODE)


@pytest.mark.parametrize(
    ("raises", "kind"),
    [
        (NotConfiguredError("nothing"), InvalidConfigurationError),
        (RetrievalError("down"), RetrievalError),
        (KeyError("x"), RetrievalError),
    ],
)
def test_role_assumer_that_raises(raises: Exception, kind: type[CredentialsError]) -> None:
    """An exception of ``role_assumer`` becomes an error that stops a chain, even ``NotConfiguredError``."""

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        raise raises

    io = FakeIo()
    failing(provider(io, callbacks=Callbacks(role_assumer=assumer)), io, kind)


def test_expired_credentials() -> None:
    """Credentials that have expired are an error with both times."""
    io = FakeIo(sends(sts_answer("2024-01-02T03:00:00Z")))
    error = failing(provider(io), io, RetrievalError)
    assert "expired at 2024-01-02T03:00:00+00:00, 245 s ago" in str(error)
    assert "set the clock of this machine" in str(error.hint)


@pytest.mark.parametrize(
    "body",
    [
        b"not xml",
        b"<!DOCTYPE a><a/>",
        b"<AssumeRoleResponse/>",
        sts_answer("soon"),
        sts_answer(key=""),
        sts_answer().replace(b"SessionToken>", b"Sessiontoken>"),
    ],
)
def test_malformed_responses(body: bytes) -> None:
    """A malformed response is a ``MalformedResponseError`` without any secret."""
    io = FakeIo(sends(body))
    with pytest.raises(CredentialsError) as caught:
        run(provider(io)._fetch(io, ClientContext()))
    assert type(caught.value).__name__ == "MalformedResponseError"
    assert_no_secret(caught.value, ROLE_SECRET, ROLE_TOKEN)


def test_session_token_that_no_header_can_contain() -> None:
    """A session token that no header can contain is an error before a request is made."""
    io = FakeIo()
    source = Source()
    source.credentials = Credentials(KEY_ID, SECRET_KEY, "canary-töken")
    assert ROLE in str(failing(provider(io, source=source), io, InvalidConfigurationError))


def test_code_is_not_reused_after_a_timeout() -> None:
    """After a timeout STS may have accepted the code, so it is not sent again."""
    io = FakeIo(("POST", STS, TransportFailure("timeout", "nothing came")))
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE)), SerialNumber=MFA)
    failing(one, io, ProviderTimeoutError)
    assert "sent before" in str(failing(one, io, RetrievalError))


def test_code_is_not_reused_after_role_assumer() -> None:
    """A code that ``role_assumer`` got is not used again, since it may have been sent."""

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        raise ValueError("it broke")

    io = FakeIo()
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE), assumer), SerialNumber=MFA)
    with pytest.raises(RetrievalError, match="raised ValueError"):
        run(one._fetch(io, ClientContext()))
    assert "sent before" in str(failing(one, io, RetrievalError))


def test_client_reaches_the_source_and_selects_the_region() -> None:
    """The source is called for the same client, and the client's region precedes the variables."""
    client = ClientContext(region="eu-west-1", profile="theirs")
    io = FakeIo(sends(sts_answer()), environ={"AWS_REGION": "us-west-2"})
    source = Source()
    run(provider(io, source=source, config=ClientConfig())._fetch(io, client))
    assert source.context == client
    assert "/eu-west-1/sts/" in io.requests[0].headers["authorization"]


def test_each_attempt_has_a_timeout_and_the_user_function_a_deadline() -> None:
    """STS gets one timeout for each attempt, and the deadline of the attempt names the user's function."""
    io = FakeIo()
    io.script = [("POST", STS, io.timeout)] * 2
    config = ClientConfig(region="eu-west-1", max_attempts=2)
    one = AssumeRoleProvider(FakeRuntime(io), role(), Source(), EndpointResolver(config), timeout=2.0)
    failing(one, io, ProviderTimeoutError)
    assert io.steady - 1000.0 <= 2 * 2.0
    assert io.deadlines == []
    seen: list[str] = []

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        seen.append(io.waiting_for)
        return Credentials("ASIAHOOK", ROLE_SECRET)

    fetch(provider(io, callbacks=Callbacks(role_assumer=assumer)), io)
    assert seen == ["role_assumer"]
    assert io.deadlines == []


def test_role_with_an_mfa_device_may_prompt_the_user() -> None:
    """A role with an MFA device may prompt the user, and so may every role on top of it."""
    io = FakeIo()
    inner = provider(io, callbacks=Callbacks(returning()), SerialNumber=MFA)
    assert provider(io, source=inner)._may_prompt_user
    assert not provider(io)._may_prompt_user
