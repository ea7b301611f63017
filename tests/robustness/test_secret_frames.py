"""No exception that leaves a provider keeps a frame with a secret, wherever the attempt fails or is cancelled.

``SOURCES`` has one function for each credential source. It prepares the scripted ``Io`` and returns a provider. The
test runs that provider repeatedly, and interrupts it at each await in turn, with a cancellation or an error. Rows of
``FAILURES`` raise an error of their own without an interruption. Without ``strip_frames`` in ``Provider._fetch`` each
source fails in at least one of the two tests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import pytest

from anycreds import ClientConfig, Credentials, CredentialsError, RetrievalError
from anycreds._config.settings import Setting
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.callbacks import Callbacks
from anycreds._core.http import Request
from anycreds._core.io import FileQuery, PrivateFile, ProcessResult, ReadFailure, Signature, WriteFailure
from anycreds._core.provider import ClientContext, CredentialProvider, Provider
from anycreds._providers.cognito.provider import CognitoIdentityPoolProvider, CognitoIdentityProvider
from anycreds._providers.cognito.settings import CognitoOptions
from anycreds._providers.container.provider import ContainerProvider
from anycreds._providers.container.settings import container_options
from anycreds._providers.disk_cache.entry import format_entry
from anycreds._providers.disk_cache.provider import DiskCachedProvider
from anycreds._providers.disk_cache.settings import DiskCacheSettings, own_name
from anycreds._providers.environment import EnvironmentProvider
from anycreds._providers.function import FunctionProvider
from anycreds._providers.imds.provider import InstanceMetadataProvider
from anycreds._providers.imds.settings import ImdsOptions
from anycreds._providers.login.provider import LoginProvider
from anycreds._providers.login.token import file_name
from anycreds._providers.process.provider import ProcessProvider
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sso.provider import SsoProvider
from anycreds._providers.sso.settings import SsoSettings
from anycreds._providers.sts.assume_role import AssumeRoleProvider, Role
from anycreds._providers.sts.cache_key import cache_name
from anycreds._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider
from anycreds.testing import CANARY
from robustness.environment import leaks
from support import login_fixtures
from support.fake_io import Answer, FakeIo, FakeRuntime, answer, document, run

ROLE = "arn:aws:iam::123456789012:role/Demo"
DEVICE = "arn:aws:iam::123456789012:mfa/alice"
STS = "https://sts.eu-west-1.amazonaws.com/"
KEYS = Credentials("AKIDEXAMPLE", f"{CANARY}-secret-access-key", f"{CANARY}-session-token")
CODE = f"{CANARY}-mfa-code"
TOKEN = f"{CANARY}-web-identity-token"
FILE = "/var/run/secrets/token"
ASSUMED = f"{CANARY}-assumed-secret"
SSO_FILE = "/home/user/.aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json"
SSO_PORTAL = "https://portal.sso.eu-west-1.amazonaws.com/federation/credentials?account_id=123456789012&role_name=Dev"
SSO_OIDC = "https://oidc.eu-west-1.amazonaws.com/token"
SESSION = "arn:aws:iam::123456789012:user/alice"
SIGN_IN = "https://eu-west-1.signin.aws.amazon.com/v1/token"
COGNITO = "https://cognito-identity.eu-west-1.amazonaws.com/"
HTTP = "http://localhost:8080/"
IMDS = "http://169.254.169.254"
IDENTITY = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000001"
BEARER = f"{CANARY}-bearer-token"
CLIENT_SECRET = f"{CANARY}-client-secret"
REFRESH_TOKEN, NEW_REFRESH_TOKEN = f"{CANARY}-refresh-token", f"{CANARY}-new-refresh-token"
SECRETS = (
    *(KEYS.secret_access_key, CODE, TOKEN, ASSUMED),
    *(BEARER, CLIENT_SECRET, REFRESH_TOKEN, NEW_REFRESH_TOKEN),
)


class Interruption(BaseException):
    """A cancellation, as event loops raise it."""


class InterruptedIo(FakeIo):
    """A scripted ``Io`` that raises an exception at the n-th await, from 0."""

    def __init__(self, at: int, error: BaseException) -> None:
        super().__init__()
        self.at = at
        self.error = error
        self.awaited = 0

    def checkpoint(self) -> None:
        """Raise the exception if it is time."""
        self.awaited += 1
        if self.awaited == self.at + 1:
            raise self.error

    async def send(self, request: Request) -> Answer:
        self.checkpoint()
        return await super().send(request)

    async def sleep(self, seconds: float) -> None:
        self.checkpoint()
        await super().sleep(seconds)

    async def preload_http(self, *, plain: bool) -> None:
        self.checkpoint()

    async def read_file(self, path: str, limit: int) -> bytes | ReadFailure:
        self.checkpoint()
        return await super().read_file(path, limit)

    async def read_private(self, path: str, limit: int, *, follow_link: bool = True) -> PrivateFile | ReadFailure:
        self.checkpoint()
        return await super().read_private(path, limit)

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> Any:
        self.checkpoint()
        return await super().read_if_changed(wanted, limit)

    async def write_private(
        self, path: str, content: bytes, replaces: Signature | None = None, *, follow_link: bool = True
    ) -> WriteFailure | None:
        self.checkpoint()
        return await super().write_private(path, content, replaces)

    @asynccontextmanager
    async def file_lock(self, path: str, seconds: float) -> AsyncIterator[WriteFailure | None]:
        self.checkpoint()
        async with super().file_lock(path, seconds) as failure:
            yield failure

    async def run_process(self, command: str, timeout: float, limit: int) -> Any:  # noqa: ASYNC109
        self.checkpoint()
        return await super().run_process(command, timeout, limit)

    async def run_in_thread(self, function: Callable[..., Any], *arguments: object) -> Any:
        self.checkpoint()
        return await super().run_in_thread(function, *arguments)


def endpoints() -> EndpointResolver:
    return EndpointResolver(ClientConfig(region="eu-west-1"))


def sts_response(operation: str) -> Answer:
    return answer(
        f"<{operation}Response><{operation}Result><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
        f"<SecretAccessKey>{ASSUMED}</SecretAccessKey><SessionToken>token</SessionToken>"
        f"<Expiration>2024-01-02T04:04:05Z</Expiration></Credentials></{operation}Result></{operation}Response>".encode()
    )


def rejection(code: str) -> Answer:
    return answer(f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>".encode(), 400)


class Source(Provider):
    """A source of access keys for roles."""

    async def _load(self, io: Any, context: ClientContext) -> Credentials:
        io.checkpoint()
        return KEYS


def source(io: InterruptedIo) -> Provider:
    return Source("source", FakeRuntime(io))


def assume_role_with_mfa(io: InterruptedIo) -> Provider:
    async def code(_: str) -> str:
        io.checkpoint()
        return CODE

    io.script = [("POST", STS, sts_response("AssumeRole"))]
    role = Role({"RoleArn": ROLE, "SerialNumber": DEVICE}, "the role")
    return AssumeRoleProvider(FakeRuntime(io), role, source(io), endpoints(), callbacks=Callbacks(code))


def rejected_role(io: InterruptedIo) -> Provider:
    io.script = [("POST", STS, answer(status=503)), ("POST", STS, rejection("AccessDenied"))]
    return AssumeRoleProvider(FakeRuntime(io), Role({"RoleArn": ROLE}, "the role"), source(io), endpoints())


def disk_cache(io: InterruptedIo) -> Provider:
    io.script = [("POST", STS, sts_response("AssumeRole"))]
    old = KEYS.replace(expiration=datetime(2024, 1, 2, 3, 4, tzinfo=UTC))
    io.files[f"/cache/{own_name('a', cache_name({'RoleArn': ROLE}))}.json"] = format_entry(old, None)
    role = AssumeRoleProvider(FakeRuntime(io), Role({"RoleArn": ROLE}, "the role"), source(io), endpoints())
    settings = DiskCacheSettings(Setting("/cache", "a test"), "a")
    return DiskCachedProvider(FakeRuntime(io), role, settings)


def role_assumer(io: InterruptedIo) -> Provider:
    async def code(_: str) -> str:
        io.checkpoint()
        return CODE

    async def assumer(keys: Credentials, params: Mapping[str, Any]) -> Credentials:
        io.checkpoint()
        return Credentials("ASIAROLE", ASSUMED)

    role = Role({"RoleArn": ROLE, "SerialNumber": DEVICE}, "the role")
    return AssumeRoleProvider(FakeRuntime(io), role, source(io), endpoints(), callbacks=Callbacks(code, assumer))


def web_token(io: InterruptedIo) -> Provider:
    async def token() -> str:
        io.checkpoint()
        return TOKEN

    io.script = [("POST", STS, rejection("Throttling")), ("POST", STS, sts_response("AssumeRoleWithWebIdentity"))]
    return WebIdentityProvider(FakeRuntime(io), WebIdentityOptions(token, params={"RoleArn": ROLE}), endpoints())


def token_file(io: InterruptedIo) -> Provider:
    io.script = [("POST", STS, sts_response("AssumeRoleWithWebIdentity"))]
    io.files[FILE] = TOKEN.encode()
    options = WebIdentityOptions(token_file=Setting(FILE, "a test"), role_arn=Setting(ROLE, "a test"))
    return WebIdentityProvider(FakeRuntime(io), options, endpoints())


def web_identity_assumer(io: InterruptedIo) -> Provider:
    async def assumer(params: Mapping[str, Any]) -> Credentials:
        io.checkpoint()
        return Credentials("ASIAROLE", ASSUMED)

    options = WebIdentityOptions(TOKEN, params={"RoleArn": ROLE}, assumer=assumer)
    return WebIdentityProvider(FakeRuntime(io), options, endpoints())


def sso_token(expires_at: str) -> bytes:
    document = {"accessToken": BEARER, "expiresAt": expires_at, "clientId": "x"}
    return json.dumps({**document, "clientSecret": CLIENT_SECRET, "refreshToken": REFRESH_TOKEN}).encode()


def sso(io: InterruptedIo, expires_at: str = "2024-01-02T11:04:05Z") -> Provider:
    start_url, account, region, role, session = (
        Setting(value, "a test") for value in ("https://x.example", "123456789012", "eu-west-1", "Dev", "my-sso")
    )
    settings = SsoSettings(start_url, account, region, role, session)
    keys = {"accessKeyId": "ASIAROLE", "secretAccessKey": ASSUMED, "sessionToken": "token"}
    body = {"roleCredentials": {**keys, "expiration": 1_704_200_000_000}}
    io.script += [("GET", SSO_PORTAL, answer(status=503)), ("GET", SSO_PORTAL, answer(body))]
    io.files[SSO_FILE] = sso_token(expires_at)
    return SsoProvider(FakeRuntime(io), settings, endpoints())


def sso_refresh(io: InterruptedIo) -> Provider:
    body = {"accessToken": BEARER, "expiresIn": 28800, "refreshToken": NEW_REFRESH_TOKEN}
    io.script = [("POST", SSO_OIDC, answer(status=503)), ("POST", SSO_OIDC, answer(body))]
    return sso(io, "2024-01-02T03:04:05Z")


def rejected_sso_refresh(io: InterruptedIo) -> Provider:
    provider = sso(io, "2024-01-02T03:04:05Z")
    io.script = [("POST", SSO_OIDC, answer({"error": "invalid_grant"}, 400))]
    return provider


def login(io: InterruptedIo) -> Provider:
    expired = login_fixtures.access_token(secretAccessKey=KEYS.secret_access_key, expiresAt="2024-01-02T03:04:05Z")
    document = login_fixtures.document(accessToken=expired, refreshToken=REFRESH_TOKEN)
    io.files[f"/home/user/.aws/login/cache/{file_name(SESSION)}"] = json.dumps(document).encode()
    new_keys = {"accessKeyId": "ASIANEW", "secretAccessKey": ASSUMED, "sessionToken": "token"}
    response = login_fixtures.refresh_response(accessToken=new_keys, refreshToken=NEW_REFRESH_TOKEN)
    io.script = [("POST", SIGN_IN, answer(status=503)), ("POST", SIGN_IN, response)]
    return LoginProvider(FakeRuntime(io), Setting(SESSION, "a test"), endpoints())


def rejected_login(io: InterruptedIo) -> Provider:
    provider = login(io)
    io.script = [("POST", SIGN_IN, login_fixtures.denied("TOKEN_EXPIRED"))]
    return provider


def cognito_options(io: InterruptedIo) -> CognitoOptions:
    async def token() -> str:
        io.checkpoint()
        return TOKEN

    return CognitoOptions(logins={"accounts.example.com": TOKEN, "login.example.com": token})


def cognito_credentials() -> Answer:
    keys = {"AccessKeyId": "ASIAROLE", "SecretKey": ASSUMED, "SessionToken": "token", "Expiration": 1_704_200_000}
    return answer({"Credentials": keys})


def cognito_identity(io: InterruptedIo) -> Provider:
    io.script = [("POST", COGNITO, answer(status=503)), ("POST", COGNITO, cognito_credentials())]
    return CognitoIdentityProvider(FakeRuntime(io), IDENTITY, endpoints(), cognito_options(io))


def cognito_identity_pool(io: InterruptedIo) -> Provider:
    io.script = [("POST", COGNITO, answer({"IdentityId": IDENTITY})), ("POST", COGNITO, cognito_credentials())]
    return CognitoIdentityPoolProvider(FakeRuntime(io), IDENTITY, endpoints(), cognito_options(io))


def container(io: InterruptedIo) -> Provider:
    io.script = [("GET", HTTP, answer(status=503)), ("GET", HTTP, answer(document(SecretAccessKey=ASSUMED)))]
    io.variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": HTTP, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": FILE}
    io.files[FILE] = TOKEN.encode()
    return ContainerProvider(FakeRuntime(io), max_retries=1)


def http(io: InterruptedIo) -> Provider:
    io.script = [("GET", HTTP, answer(document(SecretAccessKey=ASSUMED)))]
    options = container_options({"full_uri": HTTP, "authorization_token": TOKEN})
    return ContainerProvider(FakeRuntime(io), options)


def instance_metadata(io: InterruptedIo) -> Provider:
    roles = f"{IMDS}/latest/meta-data/iam/security-credentials/"
    io.script = [
        ("PUT", f"{IMDS}/latest/api/token", answer(TOKEN.encode())),
        ("GET", roles, answer(b"demo")),
        ("GET", f"{roles}demo", answer(document(SecretAccessKey=ASSUMED))),
    ]
    return InstanceMetadataProvider(FakeRuntime(io), ImdsOptions(), files=SharedFiles(FileOptions()))


def process(io: InterruptedIo) -> Provider:
    command = f"helper --token {TOKEN}"
    io.processes[command] = ProcessResult(0, None, b"{}", b"")
    return ProcessProvider(FakeRuntime(io), Setting(command, "a test"))


def function(io: InterruptedIo) -> Provider:
    class Vault:
        def __repr__(self) -> str:
            return f"Vault({TOKEN})"

        async def __call__(self) -> Credentials:
            io.checkpoint()
            return KEYS

    return FunctionProvider(FakeRuntime(io), Vault())


def environment_with_invalid_token(io: InterruptedIo) -> Provider:
    io.variables = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": KEYS.secret_access_key,
        "AWS_SESSION_TOKEN": f"{TOKEN}\n",
    }
    return EnvironmentProvider(FakeRuntime(io))


def container_with_invalid_token(io: InterruptedIo) -> Provider:
    io.variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": HTTP, "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"{TOKEN}\n"}
    return ContainerProvider(FakeRuntime(io))


def instance_metadata_with_invalid_token(io: InterruptedIo) -> Provider:
    provider = instance_metadata(io)
    io.script = [("PUT", f"{IMDS}/latest/api/token", answer(f"{TOKEN}\x00".encode()))]
    return provider


def process_with_malformed_output(io: InterruptedIo) -> Provider:
    command = f"helper --token {TOKEN}"
    output = {"Version": 2, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": ASSUMED}
    io.processes[command] = ProcessResult(0, None, json.dumps(output).encode(), b"")
    return ProcessProvider(FakeRuntime(io), Setting(command, "a test"))


def function_that_returns_a_secret(io: InterruptedIo) -> Provider:
    async def token() -> str:
        return TOKEN

    return FunctionProvider(FakeRuntime(io), cast("CredentialProvider", token))


SOURCES: dict[str, Callable[[InterruptedIo], Provider]] = {
    "assume role with MFA": assume_role_with_mfa,
    "rejected role": rejected_role,
    "disk cache": disk_cache,
    "role_assumer": role_assumer,
    "web token": web_token,
    "token file": token_file,
    "role_assumer_with_web_identity": web_identity_assumer,
    "SSO": sso,
    "SSO refresh": sso_refresh,
    "rejected SSO refresh": rejected_sso_refresh,
    "login": login,
    "rejected login": rejected_login,
    "Cognito identity": cognito_identity,
    "Cognito identity pool": cognito_identity_pool,
    "container": container,
    "HTTP": http,
    "EC2 instance metadata": instance_metadata,
    "process": process,
    "function": function,
}
FAILURES: dict[str, Callable[[InterruptedIo], Provider]] = {
    "environment": environment_with_invalid_token,
    "container": container_with_invalid_token,
    "EC2 instance metadata": instance_metadata_with_invalid_token,
    "process": process_with_malformed_output,
    "function": function_that_returns_a_secret,
}
ERRORS: dict[str, Callable[[], BaseException]] = {
    "cancellation": Interruption,
    "error of a provider": lambda: RetrievalError("down"),
    "error of a function": lambda: OSError("down"),
}


def outcome(provider: Provider, io: InterruptedIo) -> BaseException | None:
    """Return the exception of an attempt; None if it succeeds."""
    try:
        run(provider._fetch(io, ClientContext()))
    except BaseException as error:  # noqa: BLE001 - a cancellation, too
        return error
    return None


@pytest.mark.fault("S09")
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("source", SOURCES)
def test_no_frame_holds_a_secret(source: str, error: str) -> None:
    """Whichever await of an attempt raises, no frame of the exception that leaves the provider holds a secret."""
    raised: list[BaseException] = []
    for at in count():
        io = InterruptedIo(at, ERRORS[error]())
        found = outcome(SOURCES[source](io), io)
        assert found is None or leaks(found, SECRETS) == []
        if io.awaited <= at:  # the attempt was not interrupted
            break
        if found is None:  # new credentials are returned even if they cannot be written
            assert (source, error) == ("login", "error of a provider")
        else:
            raised.append(found)
    assert raised
    if error == "cancellation":
        assert {type(one) for one in raised} == {Interruption}


@pytest.mark.fault("S09")
@pytest.mark.parametrize("source", FAILURES)
def test_no_frame_of_a_failure_holds_a_secret(source: str) -> None:
    """If a source raises an error of its own, no frame of the error holds a secret."""
    io = InterruptedIo(sys.maxsize, Interruption())
    found = outcome(FAILURES[source](io), io)
    assert isinstance(found, CredentialsError)
    assert leaks(found, SECRETS) == []
