"""Every provider that calls a service, with the real ``Io`` and a fake AWS on real sockets.

``KINDS`` lists them. An ``Environment`` creates each with what it needs: files, tokens and user functions.
"""

from __future__ import annotations

import hashlib
import json
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import anyio.lowlevel

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._core.callbacks import Callbacks
from anycreds._core.io import Runtime
from anycreds._core.provider import Provider
from anycreds._providers.cognito.provider import CognitoIdentityPoolProvider, CognitoIdentityProvider
from anycreds._providers.cognito.settings import CognitoOptions
from anycreds._providers.login.provider import LoginProvider
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sso.provider import SsoProvider
from anycreds._providers.sso.settings import SsoSettings
from anycreds._providers.sts.assume_role import AssumeRoleProvider, Role
from anycreds._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import CANARY, FakeAWS
from anycreds.testing._fake_aws.state import CognitoIdentity
from support.fake_io import is_library_file

ROLE = "arn:aws:iam::123456789012:role/Demo"
DEVICE = "arn:aws:iam::123456789012:mfa/alice"
SESSION = "arn:aws:iam::123456789012:user/alice"
ISSUER = "accounts.example.com"
_CODES = count(730_946)  # MFA codes; each is valid once
POOL = "us-east-1:00000000-0000-4000-8000-00000000beef"
IDENTITY = "us-east-1:00000000-0000-4000-8000-000000000001"
LOGIN = f"{CANARY}-login-token/with+odd=characters"


class Kind(NamedTuple):
    """A provider that calls a service."""

    route: str
    """The fake's name for the last request."""
    refreshes: bool = False
    """Whether a token file is rewritten."""


KINDS = {
    "role": Kind("assume role"),
    "role with device": Kind("assume role"),
    "web token": Kind("web identity"),
    "token file": Kind("web identity"),
    "sso portal": Kind("sso role"),
    "sso refresh": Kind("sso token", refreshes=True),
    "login": Kind("sign-in token", refreshes=True),
    "cognito": Kind("cognito credentials"),
    "cognito pool": Kind("cognito id"),
}


def cognito_pools() -> Any:
    """Return the settings of the fake's identity pool."""
    return {POOL: {"logins": {ISSUER: LOGIN}}}


class Environment:
    """A home directory and a running fake AWS; creates providers that use both."""

    def __init__(self, aws: FakeAWS, home: Path, url: str | None = None, runtime: Runtime | None = None) -> None:
        self.aws = aws
        self.home = home
        self.runtime = SystemRuntime() if runtime is None else runtime
        self.config = ClientConfig(region="us-east-1", endpoint_url=url or aws.service_url, max_attempts=1)
        self.timeout = 5.0
        self.sent: list[str] = [LOGIN]
        """Secrets that no error may show."""
        self.token_lifetime = 60.0  # seconds; tokens in files are due for a refresh, but still valid

    @property
    def endpoints(self) -> EndpointResolver:
        """The resolver of the fake's endpoints."""
        return EndpointResolver(self.config, view=ProfileView())

    def provider(self, kind: str, **callbacks: Any) -> Provider:
        """Create a provider and the files it needs."""
        made: Provider = getattr(self, "_" + kind.replace(" ", "_"))(**callbacks)
        return made

    def keys(self) -> Credentials:
        """Return the access keys of the fake's user."""
        [(key, secret)] = self.aws.keys.items()
        self.sent.append(secret)
        return Credentials(key, secret)

    def _role(self, source: Any = None, **callbacks: Any) -> Provider:
        keys = self.keys()

        async def given() -> Credentials:
            return keys

        params = {"RoleArn": ROLE} | ({"SerialNumber": DEVICE} if "mfa_code_provider" in callbacks else {})
        return AssumeRoleProvider(
            self.runtime,
            Role(params, "the role"),
            anycreds.create_credential_chain(source or given),
            self.endpoints,
            callbacks=Callbacks(**callbacks),
            timeout=self.timeout,
        )

    def _role_with_device(self, **callbacks: Any) -> Provider:
        async def code(_: str) -> str:
            await anyio.lowlevel.checkpoint()
            self.sent.append(str(next(_CODES)))
            return self.sent[-1]

        return self._role(**{"mfa_code_provider": code, **callbacks})

    def _web_token(self, **callbacks: Any) -> Provider:
        token = self.aws.web_identity_token()
        self.sent.append(token)
        options = WebIdentityOptions(
            callbacks.get("web_identity_token", token), params={"RoleArn": ROLE}, assumer=callbacks.get("assumer")
        )
        return WebIdentityProvider(self.runtime, options, self.endpoints, timeout=self.timeout)

    def _token_file(self, **callbacks: Any) -> Provider:
        token = self.aws.web_identity_token()
        self.sent.append(token)
        self.token_path.write_text(token)
        options = WebIdentityOptions(
            token_file=Setting(str(self.token_path), "a test"),
            role_arn=Setting(ROLE, "a test"),
            assumer=callbacks.get("assumer"),
        )
        return WebIdentityProvider(self.runtime, options, self.endpoints, timeout=self.timeout)

    def _sso_portal(self) -> Provider:
        return self._sso(3600.0)

    def _sso_refresh(self) -> Provider:
        return self._sso(self.token_lifetime)

    def _sso(self, expires_in: float) -> Provider:
        self._write(self.sso_path, self.aws.sso_token(expires_in=expires_in))
        return self._sso_provider()

    def _sso_provider(self) -> Provider:
        start_url, account, region, role, session = (
            Setting(text, "a test")
            for text in ("https://anycreds-fake.awsapps.com/start", "123456789012", "us-east-1", "Dev", "attack")
        )
        settings = SsoSettings(start_url, account, region, role, session, "dev")
        return SsoProvider(self.runtime, settings, self.endpoints, timeout=self.timeout)

    def _login(self) -> Provider:
        self._write(self.login_path, self.aws.login_token(expires_in=self.token_lifetime))
        return self._login_provider()

    def _login_provider(self) -> Provider:
        return LoginProvider(self.runtime, Setting(SESSION, "a test"), self.endpoints, timeout=self.timeout)

    def _cognito(self, **callbacks: Any) -> Provider:
        self.aws.records.identities[IDENTITY] = CognitoIdentity(POOL, frozenset((ISSUER,)))
        return CognitoIdentityProvider(self.runtime, IDENTITY, self.endpoints, self._logins(callbacks))

    def _cognito_pool(self, **callbacks: Any) -> Provider:
        return CognitoIdentityPoolProvider(
            self.runtime,
            POOL,
            self.endpoints,
            self._logins(callbacks),
            user_identifier="alice",
            cache=callbacks.get("cache"),
        )

    def _logins(self, callbacks: dict[str, Any]) -> CognitoOptions:
        return CognitoOptions(logins={ISSUER: callbacks.get("login", LOGIN)}, timeout=self.timeout)

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        path.chmod(0o600)
        self.sent += [
            value
            for name, value in document.items()
            if name.endswith(("Token", "Secret", "Key")) and isinstance(value, str)
        ]
        if isinstance(keys := document["accessToken"], dict):
            self.sent += [keys["secretAccessKey"], keys["sessionToken"]]

    @property
    def token_path(self) -> Path:
        """The path of the web identity token."""
        return self.home / "web-identity-token"

    @property
    def sso_path(self) -> Path:
        """The path of the IAM Identity Center token."""
        return self.home / ".aws" / "sso" / "cache" / (hashlib.sha1(b"attack").hexdigest() + ".json")

    @property
    def login_path(self) -> Path:
        """The path of the credentials of ``aws login``."""
        return self.home / ".aws" / "login" / "cache" / (hashlib.sha256(SESSION.encode()).hexdigest() + ".json")

    def fresh(self, kind: str) -> Provider:
        """Create another provider that uses the same token file, as another program would."""
        if kind == "login":
            return self._login_provider()
        return self._sso_provider()

    def path(self, kind: str) -> Path:
        """Return the path of the token file that a kind of provider refreshes."""
        return self.login_path if kind == "login" else self.sso_path


def texts_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield every text of an error that could show a secret, each with its location.

    Messages of foreign exceptions belong to the program; only the locals of our frames count there.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        kind = type(one).__name__
        if isinstance(one, CredentialsError):
            yield f"str of {kind}", str(one)
            yield f"repr of {kind}", repr(one)
            yield f"fields of {kind}", repr(vars(one))
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if _is_ours(frame.f_code.co_filename):
                for name, value in frame.f_locals.items():
                    yield f"{name} in {frame.f_code.co_name}() of {kind}", repr(value)


def leaks(error: BaseException, secrets: Iterable[str]) -> list[str]:
    """Return the locations at which an error shows one of these secrets."""
    wanted = re.compile("|".join(map(_pattern, secrets)))
    return [where for where, text in texts_of(error) if wanted.search(text)]


def _pattern(secret: str) -> str:
    """Return what finds a secret. The digits of an MFA code may also be a part of an address or of a longer number."""
    pattern = re.escape(secret)
    return rf"(?<![0-9a-f.]){pattern}(?![0-9a-f])" if secret.isdecimal() else pattern


async def outcome(
    provider: Callable[[], Awaitable[Credentials]], environment: Environment
) -> Credentials | CredentialsError:
    """Await a provider. Return its credentials, or its ``CredentialsError``, which must not show a secret."""
    try:
        return await provider()
    except CredentialsError as error:
        found = error
    assert leaks(found, environment.sent) == []
    return found


def _is_ours(path: str) -> bool:
    return is_library_file(path) and "testing" not in path.replace("\\", "/").split("/")
