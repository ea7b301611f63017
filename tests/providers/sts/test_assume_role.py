"""``from_temporary_credentials``: what is asked of source, person and STS, in which order, and what comes of it."""

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
MFA = "arn:aws:iam::123456789012:mfa/somebody"
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
    """Gives keys, and notes in the io when it was asked."""

    def __init__(self, error: CredentialsError | None = None, source: str | None = "environment") -> None:
        super().__init__("a source", FakeRuntime())
        self.error = error
        self.gives = Credentials(KEY_ID, SECRET_KEY, SESSION_TOKEN, source=source)
        self.asked = 0

    async def _load(self, io: Io, caller: ClientContext) -> Credentials:
        self.asked += 1
        self.caller = caller
        if self.error is not None:
            raise self.error
        return self.gives


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
    """STS is asked once, signed with the source's key and for its region; the set has the role's account and end."""
    io = FakeIo(sends(sts_answer()))
    given = fetch(provider(io), io)
    assert (given.access_key_id, given.account_id, given.source) == ("ASIAROLE", "123456789012", "assume role")
    assert given.expiration is not None
    assert given.expiration.isoformat() == "2024-01-02T04:04:05+00:00"
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


def test_every_parameter_reaches_sts() -> None:
    """All that the API takes is sent, in the API's form."""
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
        SourceIdentity="somebody",
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
    assert sent["SourceIdentity"] == "somebody"
    assert sent["ProvidedContexts.member.1.ProviderArn"].endswith("IdentityCenter")
    assert sent["ProvidedContexts.member.1.ContextAssertion"] == "assertion"


def test_source_without_anything_is_a_mistake() -> None:
    """A source with nothing configured does not let a chain go on: the error names the role that needed it."""
    io = FakeIo()
    missing = NotConfiguredError("nothing is set", source="environment")
    error = failing(provider(io, source=Source(missing)), io, InvalidConfigurationError)
    assert ROLE in str(error)
    assert "nothing is set" in str(error)


def test_error_of_the_source_passes() -> None:
    """What fails in the source is the error, unchanged, and STS is not asked."""
    io = FakeIo()
    error = RetrievalError("is down", source="vault")
    with pytest.raises(RetrievalError) as caught:
        run(provider(io, source=Source(error))._fetch(io, ClientContext()))
    assert caught.value is error


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
def test_refusals(body: bytes, status: int, code: str | None, hint: str | None) -> None:
    """A refusal is an error at once, with status, code, the role, who was asked, and what to do."""
    io = FakeIo(sends(body, status))
    error = failing(provider(io), io, RetrievalError)
    assert isinstance(error, RetrievalError)
    assert (error.status, error.code) == (status, code)
    assert ROLE in str(error)
    assert "https://sts.eu-west-1.amazonaws.com" in str(error)
    assert hint is None or hint in str(error.hint)


def test_secrets_that_come_back_are_not_repeated() -> None:
    """An error text in which STS repeats what was sent is shown without it."""
    assertion = "canary-context-assertion"
    told = f"not with {SESSION_TOKEN}, {SECRET_KEY}, {assertion} and {CODE}"
    io = FakeIo(sends(sts_error("AccessDenied", told), 403))
    callbacks = Callbacks(mfa_code_provider=returning(CODE))
    failing(
        provider(io, callbacks=callbacks, SerialNumber=MFA, ProvidedContexts={"arn:c": assertion}), io, RetrievalError
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, b""), (500, b""), (429, b""), (400, sts_error("Throttling")), (400, sts_error("IDPCommunicationError"))],
)
def test_what_passes_is_tried_again(status: int, body: bytes) -> None:
    """Throttling and the service's own troubles are tried three times in all, each signed anew."""
    io = FakeIo(sends(body, status), sends(body, status), sends(sts_answer()))
    assert fetch(provider(io), io).access_key_id == "ASIAROLE"
    assert len(io.pauses) == 2
    dates = [request.headers["x-amz-date"] for request in io.requests]
    assert dates[0] <= dates[1] <= dates[2]


def test_silence_has_an_end() -> None:
    """An STS that never answers is asked three times for five seconds each, and then it is a timeout."""
    io = FakeIo()
    io.script = [("POST", STS, io.timeout) for _ in range(3)]
    failing(provider(io), io, ProviderTimeoutError)
    assert io.steady - 1000.0 <= 15.0


def test_wrong_clock_is_corrected() -> None:
    """A signature refused for its time is made once more, by the service's own clock."""
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
            log.append("person")
        code: str = left.pop(0)
        return code

    return mfa


def test_person_is_asked_after_the_source_and_before_sts() -> None:
    """The code is asked once, when the source has credentials, in five minutes of its own, and is sent."""
    io = FakeIo(sends(sts_answer()))
    log: list[str] = []
    one = provider(io, callbacks=Callbacks(returning(f" {CODE}\n", log=log)), SerialNumber=MFA)
    fetch(one, io)
    assert log == ["person"]
    assert (form(io.requests[0])["SerialNumber"], form(io.requests[0])["TokenCode"]) == (MFA, CODE)
    assert io.asked == [(300.0, "mfa_code_provider")]
    assert one._may_prompt_user
    assert io.prompts_user


def test_person_is_not_asked_in_vain() -> None:
    """Nobody is asked for a code if the source fails or the region cannot be right."""
    io = FakeIo()
    callbacks = Callbacks(returning())
    failing(
        provider(io, source=Source(RetrievalError("down")), callbacks=callbacks, SerialNumber=MFA), io, RetrievalError
    )
    io.variables["AWS_REGION"] = "evil.example/"
    one = provider(io, callbacks=callbacks, config=ClientConfig(), SerialNumber=MFA)
    failing(one, io, InvalidConfigurationError)


def test_code_is_sent_once() -> None:
    """A call with a code is never repeated by itself, and a code that was sent is not sent again."""
    io = FakeIo(sends(b"", 503))
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE)), SerialNumber=MFA)
    failing(one, io, RetrievalError)
    error = failing(one, io, RetrievalError)
    assert "sent before" in str(error)
    assert "wait for the next code" in str(error.hint)
    assert len(io.requests) == 1


def test_code_that_sts_does_not_take() -> None:
    """A code that is wrong, or was used for another role, is no matter of trust: the hint is to take the next one."""
    said = "MultiFactorAuthentication failed with invalid MFA one time pass code."
    io = FakeIo(sends(sts_error("AccessDenied", said), 403))
    error = failing(provider(io, callbacks=Callbacks(returning(CODE)), SerialNumber=MFA), io, RetrievalError)
    assert said in str(error)
    assert "wait for the next code" in str(error.hint)
    assert "trust policy" not in str(error)


def test_code_that_never_left_is_good() -> None:
    """A code may be given again if STS could not be reached at all."""
    io = FakeIo(("POST", STS, TransportFailure("unreachable", "refused")), sends(sts_answer()))
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE)), SerialNumber=MFA)
    with pytest.raises(RetrievalError):
        run(one._fetch(io, ClientContext()))
    assert fetch(one, io).access_key_id == "ASIAROLE"


@pytest.mark.parametrize("code", ["", "  ", None, 731946, "73\x001946"])
def test_what_is_no_code_is_not_sent(code: object) -> None:
    """What a person cannot have read from a device is an error, and STS is not asked."""
    io = FakeIo()
    failing(provider(io, callbacks=Callbacks(returning(code)), SerialNumber=MFA), io, RetrievalError)


@pytest.mark.parametrize(
    "source",
    ["assume role", "web identity", "SSO", "EC2 instance metadata", "Cognito identity", "Cognito identity pool"],
)
def test_cap_of_role_chaining(source: str) -> None:
    """More than an hour with another role's credentials is refused before STS is asked."""
    io = FakeIo()
    error = failing(provider(io, source=Source(source=source), DurationSeconds=3601), io, InvalidConfigurationError)
    assert "3600" in str(error)
    assert "3600 s or less" in str(error.hint)
    io = FakeIo(sends(sts_answer()))
    fetch(provider(io, source=Source(source=source), DurationSeconds=3600), io)


def test_long_session_with_a_users_keys() -> None:
    """A user's own keys may have a session of twelve hours."""
    io = FakeIo(sends(sts_answer("2024-01-02T15:04:05Z")))
    fetch(provider(io, DurationSeconds=43200), io)
    assert form(io.requests[0])["DurationSeconds"] == "43200"


def test_hook_takes_the_place_of_sts() -> None:
    """``role_assumer`` gets the source's set and all parameters, and nothing is asked over the network."""
    io = FakeIo()
    seen: list[tuple[Credentials, Mapping[str, Any]]] = []

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        seen.append((source, params))
        return Credentials("ASIAHOOK", ROLE_SECRET)

    source = Source()
    one = provider(io, source=source, callbacks=Callbacks(returning(CODE), assumer), SerialNumber=MFA, ExternalId="ext")
    assert fetch(one, io).access_key_id == "ASIAHOOK"
    [(given, params)] = seen
    assert given is source.gives
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
def test_hook_that_raises(raises: Exception, kind: type[CredentialsError]) -> None:
    """What a hook raises is an error of ours: "not configured" from it does not let a chain go on."""

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        raise raises

    io = FakeIo()
    failing(provider(io, callbacks=Callbacks(role_assumer=assumer)), io, kind)


def test_set_that_has_ended_is_refused() -> None:
    """An answer with a past expiration is an error that names both clocks."""
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
def test_answer_that_is_none(body: bytes) -> None:
    """An answer that is not what was asked for is an error of its own kind, without what stood in it."""
    io = FakeIo(sends(body))
    with pytest.raises(CredentialsError) as caught:
        run(provider(io)._fetch(io, ClientContext()))
    assert type(caught.value).__name__ == "MalformedResponseError"
    assert_no_secret(caught.value, ROLE_SECRET, ROLE_TOKEN)


def test_token_that_no_header_carries() -> None:
    """A session token that cannot be a header is an error before anything is sent."""
    io = FakeIo()
    source = Source()
    source.gives = Credentials(KEY_ID, SECRET_KEY, "canary-töken")
    assert ROLE in str(failing(provider(io, source=source), io, InvalidConfigurationError))


def test_code_that_may_have_come_is_spent() -> None:
    """After silence STS may have taken the code, so that it is not sent again."""
    io = FakeIo(("POST", STS, TransportFailure("timeout", "nothing came")))
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE)), SerialNumber=MFA)
    failing(one, io, ProviderTimeoutError)
    assert "sent before" in str(failing(one, io, RetrievalError))


def test_code_that_went_to_the_hook_is_spent() -> None:
    """What ``role_assumer`` does with a code nobody knows, so that it gets none twice."""

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        raise ValueError("it broke")

    io = FakeIo()
    one = provider(io, callbacks=Callbacks(returning(CODE, CODE), assumer), SerialNumber=MFA)
    with pytest.raises(RetrievalError, match="raised ValueError"):
        run(one._fetch(io, ClientContext()))
    assert "sent before" in str(failing(one, io, RetrievalError))


def test_the_caller_is_handed_on() -> None:
    """The source is asked for the same client, and its region is called if nobody says another."""
    caller = ClientContext(region="eu-west-1", profile="theirs")
    io = FakeIo(sends(sts_answer()), environ={"AWS_REGION": "us-west-2"})
    source = Source()
    run(provider(io, source=source, config=ClientConfig())._fetch(io, caller))
    assert source.caller == caller
    assert "/eu-west-1/sts/" in io.requests[0].headers["authorization"]


def test_time_limits() -> None:
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


def test_who_asks_a_person() -> None:
    """A role with a device does, one on top of it too, and no other."""
    io = FakeIo()
    inner = provider(io, callbacks=Callbacks(returning()), SerialNumber=MFA)
    assert provider(io, source=inner)._may_prompt_user
    assert not provider(io)._may_prompt_user
