"""The default chain's providers are made when they are asked, and what cannot be right is refused before that."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError, InvalidConfigurationError, NotConfiguredError
from anycreds._core.http import Request, Response
from anycreds._core.io import FileQuery, FileVersion, Io, ReadFailure, Runtime, Signature
from anycreds._core.provider import ClientContext, Provider
from anycreds._factories.lazy import LazyProvider
from support.fake_io import FakeIo, FakeRuntime, answer, assert_no_secret, run


class Counting(Provider):
    """Has nothing at first, and then credentials; may serve them past their end, and counts how many were made."""

    made = 0

    def __init__(self, runtime: Runtime, answer: Credentials) -> None:
        super().__init__("counting", runtime)
        type(self).made += 1
        self.answer = answer
        self.asked = 0

    async def _load(self, io: Io, caller: ClientContext) -> Credentials:
        self.asked += 1
        if self.asked == 1:
            raise NotConfiguredError("not yet", source=self.name)
        return self.answer

    def _allows_stale(self, credentials: Credentials) -> bool:
        return True


def lazy(io: FakeIo, kind: type[Counting], credentials: Credentials) -> LazyProvider:
    """Return a lazy provider that builds one of this kind."""
    runtime = FakeRuntime(io)
    return LazyProvider("a provider", runtime, partial(kind, runtime, credentials))


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1.0},
        {"timeout": 0},
        {"max_retries": -1},
        {"sso_region": "us-east-1"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_that_cannot_be_right_are_refused_at_once(options: dict[str, Any]) -> None:
    """``from_default_chain`` raises for such an option, although nobody has asked the provider that takes it."""
    with pytest.raises(InvalidConfigurationError):
        anycreds.from_default_chain(**options)


def test_a_provider_is_made_when_it_is_asked_and_once() -> None:
    """It does not exist before; then it stays, under its own name, with what it remembers."""
    keys = Credentials("AKIDLATER", "canary-secret")
    io = FakeIo()
    Counting.made = 0
    later = lazy(io, Counting, keys)
    assert (Counting.made, later.name) == (0, "a provider")
    assert not later._allows_stale(keys)
    assert not later._may_prompt_user
    with pytest.raises(NotConfiguredError):
        run(later._fetch(io, ClientContext()))
    assert run(later._fetch(io, ClientContext())) is keys
    assert (Counting.made, later.name) == (1, "a provider")
    assert later._allows_stale(keys)


def test_lazy_provider_has_the_values_that_it_was_given() -> None:
    """Whether it may prompt the user, and what its credentials depend on, is known before the provider is made."""
    build = partial(Counting, FakeRuntime(), Credentials("AKIDLATER", "canary-secret"))
    later = LazyProvider("a provider", FakeRuntime(), build, may_prompt_user=True, context_fields=frozenset())
    assert later._may_prompt_user
    assert later._context_fields == frozenset()


def test_loading_is_left_to_a_thread_once() -> None:
    """The first provider of its kind in a process is made in a thread, as that loads modules; the next one is not."""
    worked: list[object] = []

    class Noting(FakeIo):
        async def run_in_thread(self, function: Any, *arguments: object) -> Any:
            worked.append(function)
            return function(*arguments)

    class Kind(Counting):
        """Has not been made before."""

        made = 0

    io = Noting()
    for _ in range(3):
        with pytest.raises(NotConfiguredError):
            run(lazy(io, Kind, Credentials("A", "b"))._fetch(io, ClientContext()))
    assert len(worked) == 1
    assert Kind.made == 3


def test_of_two_that_are_made_at_once_one_stays() -> None:
    """If two threads ask at once, both go on with the provider that was there first, and what it remembers."""

    class Kind(Counting):
        """Has not been made before."""

    class Crossing(FakeIo):
        async def run_in_thread(self, function: Any, *arguments: object) -> Any:
            with pytest.raises(NotConfiguredError):  # another one comes in between
                await later._fetch(FakeIo(), ClientContext())
            return function(*arguments)

    keys = Credentials("AKIDLATER", "canary-secret")
    later = lazy(FakeIo(), Kind, keys)
    assert run(later._fetch(Crossing(), ClientContext())) is keys  # the second time that this one is asked


def test_one_reading_of_the_files_serves_the_whole_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """All providers of a chain share one view of the files, and it is not made before one of them needs it."""
    from anycreds._config import shared_files as _shared_files

    made: list[object] = []
    init = _shared_files.SharedFiles.__init__

    def counted(self: _shared_files.SharedFiles, options: _shared_files.FileOptions) -> None:
        made.append(options)
        init(self, options)

    monkeypatch.setattr(_shared_files.SharedFiles, "__init__", counted)
    chain = anycreds.from_default_chain()
    assert made == []
    with pytest.raises(anycreds.NoCredentialsError):
        anyio.run(chain)
    assert len(made) == 1


# --- every option reaches its provider

ROLE = "arn:aws:iam::123456789012:role/Demo"
MFA = "arn:aws:iam::123456789012:mfa/somebody"
START_URL = "https://d-abc123.awsapps.com/start"
SSO: dict[str, Any] = {
    "sso_start_url": START_URL,
    "sso_account_id": "123456789012",
    "sso_region": "eu-central-1",
    "sso_role_name": "Dev",
}
ONLY_SSO = "".join(f"{name} = {value}\n" for name, value in SSO.items())
WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": ROLE}
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container"}
# The SHA-1 of START_URL and of "my-sso": how ``aws sso login`` names its files.
SIGN_INS = {
    "40a89917e3175433e361b710a9d43528d7f1890a": "canary-of-url",
    "0ad374308c5a4e22f723adf10145eafad7c4031c": "canary-of-session",
}
KEYS = "aws_access_key_id = AKIDFILE\naws_secret_access_key = canaryFILE\n"
CONFIG = f"""
[profile keys]
{KEYS}
[profile nothing]
region = eu-north-1
[profile elsewhere]
endpoint_url = https://elsewhere.example.com
ec2_metadata_service_endpoint = http://127.0.0.1:7
[profile role]
role_arn = {ROLE}
source_profile = keys
[profile person]
role_arn = {ROLE}
source_profile = keys
mfa_serial = {MFA}
[profile web]
role_arn = {ROLE}
web_identity_token_file = /token
[profile instance]
role_arn = {ROLE}
credential_source = Ec2InstanceMetadata
"""


class Answering(FakeIo):
    """Has a file for everything, and answers every request alike, by default with 403."""

    def __init__(self, config: str = CONFIG, environ: Mapping[str, str] | None = None, status: int = 403) -> None:
        super().__init__(environ=environ)
        self.status = status
        self.known: list[Signature | None] = []
        self.files = {"/home/user/.aws/config": config.encode(), "/token": b"canary.web.token"}
        for name, token in SIGN_INS.items():
            content = {"startUrl": START_URL, "accessToken": token, "expiresAt": "2030-01-01T00:00:00Z"}
            self.files[f"/home/user/.aws/sso/cache/{name}.json"] = json.dumps(content).encode()

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        return answer(b"", self.status)

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        self.known += [known for _, known in wanted]
        return await super().read_if_changed(wanted, limit)


def gives(io: Answering, *arguments: Any, caller: ClientContext = ClientContext(), **options: Any) -> Credentials:  # noqa: B008 - a constant
    """Let the default chain with these options make one attempt; return what it gives."""
    return run(anycreds.from_default_chain(*arguments, **options)._source._fetch(io, caller))


def fails(io: Answering, *arguments: Any, **options: Any) -> CredentialsError:
    """Return what it fails with."""
    with pytest.raises(CredentialsError) as caught:
        gives(io, *arguments, **options)
    assert_no_secret(caught.value, "canary")
    return caught.value


def asked(io: Answering, *arguments: Any, **options: Any) -> Request:
    """Return the first request that it makes."""
    fails(io, *arguments, **options)
    return io.requests[0]


def form(request: Request) -> dict[str, str]:
    """Return what STS is asked for."""
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def test_profile() -> None:
    """A named profile is asked first."""
    assert gives(Answering(), "keys").access_key_id == "AKIDFILE"


@pytest.mark.parametrize("option", ["filepath", "config_filepath"])
def test_files(option: str) -> None:
    """Files of the program's own are read instead, by whoever looks for the profile."""
    io = Answering("[profile keys]\nbroken")
    kind = "" if option == "filepath" else "profile "
    io.files["/mine"] = f"[{kind}keys]\n{KEYS}".encode()
    if option == "filepath":
        io.files["/home/user/.aws/config"] = b""
    options: dict[str, Any] = {option: "/mine"}
    assert gives(io, "keys", **options).access_key_id == "AKIDFILE"
    assert "/mine" in io.reads


@pytest.mark.parametrize(("options", "remembers"), [({}, True), ({"ignore_cache": True}, False)])
def test_files_are_read_again(options: dict[str, Any], remembers: bool) -> None:
    """With ``ignore_cache`` files that have not changed are read at every attempt."""
    io = Answering()
    chain = anycreds.from_default_chain("keys", **options)._source
    for _ in range(2):
        run(chain._fetch(io, ClientContext()))
    assert any(known is not None for known in io.known) is remembers


def test_mfa_code_provider() -> None:
    """It is asked for the code of a profile's device, and the chain is known to ask a person."""

    async def mfa(serial: str) -> str:
        return f"canary-{serial[-8:]}"

    io = Answering()
    sent = form(asked(io, "person", mfa_code_provider=mfa))
    assert (sent["SerialNumber"], sent["TokenCode"]) == (MFA, "canary-somebody")
    assert anycreds.from_default_chain(mfa_code_provider=mfa)._may_prompt_user
    assert not anycreds.from_default_chain()._may_prompt_user


def test_role_assumer() -> None:
    """It takes the place of STS for a profile's role."""

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        return Credentials(f"{source.access_key_id}-{params['RoleArn'][-4:]}", "canaryHOOK")

    assert gives(Answering(), "role", role_assumer=assumer).access_key_id == "AKIDFILE-Demo"


@pytest.mark.parametrize(("profile", "environ"), [("web", {}), (None, WEB)])
def test_role_assumer_with_web_identity(profile: str | None, environ: dict[str, str]) -> None:
    """It takes the place of STS for a token, be it of a profile or of the environment."""

    async def assumer(params: Mapping[str, Any]) -> Credentials:
        return Credentials(params["WebIdentityToken"].replace("canary", "ASIA"), "canaryHOOK")

    io = Answering(environ=environ)
    assert gives(io, profile, role_assumer_with_web_identity=assumer).access_key_id == "ASIA.web.token"


def test_sso() -> None:
    """The portal is asked in the region for the account and the role, with the token of session or URL."""
    request = asked(Answering(), **SSO)
    url = "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?account_id=123456789012&role_name=Dev"
    assert str(request.url) == url
    assert request.headers["x-amz-sso_bearer_token"] == "canary-of-url"
    request = asked(Answering(), **SSO, sso_session="my-sso")
    assert request.headers["x-amz-sso_bearer_token"] == "canary-of-session"


@pytest.mark.parametrize("missing", SSO)
def test_an_option_of_sso_is_missing(missing: str) -> None:
    """All four are needed: the chain is not made without one."""
    with pytest.raises(InvalidConfigurationError, match=f"{missing} is missing"):
        anycreds.from_default_chain(**{name: value for name, value in SSO.items() if name != missing})


def test_token_file() -> None:
    """File, role and session name of options are used instead of those in the environment."""
    io = Answering(environ={**WEB, "AWS_ROLE_SESSION_NAME": "of-environment"})
    io.files["/mine"] = b"canary.mine"
    options = {"web_identity_token_file": "/mine", "role_arn": "arn:mine", "role_session_name": "mine"}
    sent = form(asked(io, **options))
    assert (sent["WebIdentityToken"], sent["RoleArn"], sent["RoleSessionName"]) == ("canary.mine", "arn:mine", "mine")
    for name, value, parameter in (
        ("role_arn", "arn:mine", "RoleArn"),
        ("role_session_name", "mine", "RoleSessionName"),
    ):
        assert form(asked(Answering(environ=WEB), **{name: value}))[parameter] == value


@pytest.mark.parametrize(
    ("arguments", "options", "config", "environ"),
    [
        ([], SSO, CONFIG, {}),
        ([], {}, f"[default]\n{ONLY_SSO}", {}),
        ([], {}, CONFIG, WEB),
        (["role"], {}, CONFIG, {}),
        (["web"], {}, CONFIG, {}),
    ],
    ids=["sso by options", "sso by default", "token file", "role", "web identity"],
)
def test_client_config(arguments: list[str], options: dict[str, Any], config: str, environ: dict[str, str]) -> None:
    """Every service in the chain is called where ``client_config`` says, and has five seconds for each answer."""
    given = ClientConfig(endpoint_url="https://mine.example.com")
    request = asked(Answering(config, environ), *arguments, client_config=given, **options)
    assert (request.url.host, request.timeout) == ("mine.example.com", 5.0)


@pytest.mark.parametrize(("options", "environ"), [(SSO, {}), ({}, WEB)], ids=["sso", "token file"])
def test_profile_and_files_say_where(options: dict[str, Any], environ: dict[str, str]) -> None:
    """The chain's own profile, in its own files, says which endpoint is called, also behind that profile."""
    assert asked(Answering(environ=environ), "elsewhere", **options).url.host == "elsewhere.example.com"
    io = Answering(CONFIG.replace("elsewhere.example.com", "wrong.example.com"), environ)
    io.files["/mine"] = CONFIG.encode()
    assert asked(io, "elsewhere", config_filepath="/mine", **options).url.host == "elsewhere.example.com"


@pytest.mark.parametrize("profile", [None, "instance"])
def test_options_of_metadata(profile: str | None) -> None:
    """Endpoint, mode and version hold for the last of the chain, and for a profile that stands on EC2 metadata."""
    assert asked(Answering(), profile).url.host == "169.254.169.254"
    assert asked(Answering(), profile, endpoint="http://127.0.0.1:1").url.origin == "http://127.0.0.1:1"
    assert "fd00:ec2::254" in str(asked(Answering(), profile, endpoint_mode="IPv6").url)
    for disabled, requests in ((None, 2), (False, 2), (True, 1)):  # after 403 for a token, version 1 may be used
        io = Answering()
        fails(io, profile, ec2_metadata_v1_disabled=disabled)
        assert len(io.requests) == requests


def test_profile_and_files_say_where_metadata_is() -> None:
    """The chain's own profile, in its own files, says where the last one looks."""
    assert asked(Answering(), "elsewhere").url.origin == "http://127.0.0.1:7"
    io = Answering("")
    io.files["/mine"] = CONFIG.encode()
    assert asked(io, "elsewhere", config_filepath="/mine").url.origin == "http://127.0.0.1:7"


@pytest.mark.parametrize("environ", [CONTAINER, {}])
def test_time_and_retries(environ: dict[str, str]) -> None:
    """``timeout`` and ``max_retries`` are those of container and metadata."""
    io = Answering(environ=environ, status=503)
    fails(io, timeout=2.5, max_retries=2)
    assert [request.timeout for request in io.requests] == [2.5] * 3
    io = Answering(environ=environ, status=503)
    fails(io)
    assert [request.timeout for request in io.requests] == [1.0]


# --- order


def first_asked(io: Answering, *arguments: Any, **options: Any) -> str:
    """Return the key that the chain gives, or the host that it asks first."""
    try:
        return gives(io, *arguments, **options).access_key_id
    except CredentialsError as error:
        assert_no_secret(error, "canary")
        return io.requests[0].url.host


PORTAL = "portal.sso.eu-central-1.amazonaws.com"


def test_order_without_a_profile() -> None:
    """Environment, SSO, token file, shared files, container, metadata: each beats all behind it."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"}
    left = {**environ, **WEB, **CONTAINER, "AWS_REGION": "eu-west-1"}
    config = f"[default]\n{KEYS}"
    assert first_asked(Answering(config, left), **SSO) == "AKIDENV"
    left = {name: value for name, value in left.items() if name not in environ}
    assert first_asked(Answering(config, left), **SSO) == PORTAL
    assert first_asked(Answering(config, left)) == "sts.eu-west-1.amazonaws.com"
    left = {name: value for name, value in left.items() if name not in WEB}
    assert first_asked(Answering(config, left)) == "AKIDFILE"
    assert first_asked(Answering("", left)) == "169.254.170.2"
    assert first_asked(Answering("")) == "169.254.169.254"


def test_order_with_a_profile() -> None:
    """The profile, SSO, token file, container, metadata; keys of the environment do not count."""
    left = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV", **WEB, **CONTAINER}
    assert first_asked(Answering(environ=left), "keys", **SSO) == "AKIDFILE"
    assert first_asked(Answering(environ=left), "nothing", **SSO) == PORTAL
    assert first_asked(Answering(environ=left), "nothing") == "sts.eu-north-1.amazonaws.com"
    left = {name: value for name, value in left.items() if name not in WEB}
    assert first_asked(Answering(environ=left), "nothing") == "169.254.170.2"
    left = {name: value for name, value in left.items() if name not in CONTAINER}
    assert first_asked(Answering(environ=left), "nothing") == "169.254.169.254"


def test_default_profile_that_is_only_a_sign_in() -> None:
    """It comes before the token file, broken too; what is more than a sign-in, or broken otherwise, comes behind it."""
    assert first_asked(Answering(f"[default]\n{ONLY_SSO}", WEB)) == PORTAL
    half = f"[default]\n{ONLY_SSO.replace('sso_role_name', 'other')}"
    assert "sso_role_name is missing" in str(fails(Answering(half, WEB)))
    sts = "sts.eu-north-1.amazonaws.com"
    region = "region = eu-north-1\n"
    role = f"[default]\nrole_arn = {ROLE}\nsource_profile = in\n{region}[profile in]\n{ONLY_SSO}"
    for config in (role, f"[default]\nrole_arn = {ROLE}\n{region}", f"[default]\n{KEYS}{region}"):
        assert first_asked(Answering(config, WEB)) == sts


@pytest.mark.parametrize("by", ["argument", "caller", "variable"])
def test_named_profile_is_asked_once(by: str) -> None:
    """A named profile that says nothing is not looked at for a sign-in once more, and the error says so."""
    environ = {"AWS_PROFILE": "nothing"} if by == "variable" else {}
    caller = ClientContext(profile="nothing" if by == "caller" else None)
    io = Answering(environ={**environ, "AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        gives(io, "nothing" if by == "argument" else None, caller=caller)
    reasons = {attempt.provider: attempt.reason for attempt in caught.value.attempts}
    assert "only profile 'default' is used here" in reasons["SSO"]
    assert "'nothing' has no credential settings" in reasons["shared files"]


@pytest.mark.anyio
async def test_an_empty_environment_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``environ={}`` stands in for the process's environment, too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canaryENV")
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused
        nobody.bind(("127.0.0.1", 0))
        chain = anycreds.from_default_chain(
            environ={},
            filepath=str(empty),
            config_filepath=str(empty),
            endpoint=f"http://127.0.0.1:{nobody.getsockname()[1]}",
        )
        with pytest.raises(anycreds.NoCredentialsError):
            await chain()
