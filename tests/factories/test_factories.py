"""Every option of every factory reaches what is asked, or what is decided: none is dropped on its way.

The factories are called by their public names. What they make is driven without a loop over a world that answers
every request alike, so that what was asked can be looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError, InvalidConfigurationError, Provider
from anycreds._core.http import Request
from anycreds._core.io import FileQuery, FileVersion, ProcessResult, ReadFailure, Signature
from anycreds._core.provider import ClientContext, active_calls
from anycreds.testing import FakeAWS, ManualClock
from support.fake_io import Answer, FakeIo, answer, assert_no_secret, run
from support.login_fixtures import access_token, document

ROLE = "arn:aws:iam::123456789012:role/Demo"
MFA = "arn:aws:iam::123456789012:mfa/somebody"
TOKEN = "canary.web.identity.token"
KEYS = Credentials("AKIDSOURCE", "canarySECRETsource", "canaryTOKENsource")
POOL = "eu-west-1:0a1b2c3d-0000-4000-8000-0000000000ff"
IDENTITY = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000001"
HOME = "/home/user/.aws"
START_URL = "https://d-abc123.awsapps.com/start"
SSO: dict[str, Any] = {
    "sso_start_url": START_URL,
    "sso_account_id": "123456789012",
    "sso_region": "eu-central-1",
    "sso_role_name": "Dev",
}
SSO_TOKEN = {
    "startUrl": START_URL,
    "region": "eu-central-1",
    "accessToken": "canary-access",
    "expiresAt": "2030-01-01T00:00:00Z",
}
# The SHA-1 of START_URL and of "my-sso", and the SHA-256 of the session of the login: how the tools name these files.
LEGACY_FILE = f"{HOME}/sso/cache/40a89917e3175433e361b710a9d43528d7f1890a.json"
SESSION_FILE = f"{HOME}/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json"
LOGIN_FILE = f"{HOME}/login/cache/a9aa6015b267d43765ace474701cabd31e4e9b20b4a9a72ffc52f3c0b9ae6543.json"
CONFIG = f"""
[default]
region = us-west-1
[profile elsewhere]
endpoint_url = https://elsewhere.example.com
[profile keys]
aws_access_key_id = AKIDFILE
aws_secret_access_key = canaryFILE
[profile command]
credential_process = vault
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
[profile sso]
sso_start_url = {START_URL}
sso_account_id = 123456789012
sso_region = eu-central-1
sso_role_name = Dev
[profile login]
login_session = arn:aws:iam::0123456789012:user/username
"""


class Answering(FakeIo):
    """Answers every request alike, and notes which known versions of files need not be read again."""

    def __init__(self, given: Answer = answer(b"", 403), **options: Any) -> None:  # noqa: B008 - a constant
        super().__init__(**options)
        self.given = given
        self.known: list[Signature | None] = []
        ended = document(accessToken=access_token(expiresAt="2024-01-01T00:00:00Z"))
        self.files |= {
            f"{HOME}/config": CONFIG.encode(),
            "/token": TOKEN.encode(),
            LEGACY_FILE: json.dumps(SSO_TOKEN).encode(),
            SESSION_FILE: json.dumps({**SSO_TOKEN, "accessToken": "canary-of-session"}).encode(),
            LOGIN_FILE: json.dumps(ended).encode(),
        }
        output = b'{"Version": 1, "AccessKeyId": "AKIDPROC", "SecretAccessKey": "canaryPROC"}'
        self.processes["vault"] = ProcessResult(0, None, output, b"")

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.given

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        self.known += [known for _, known in wanted]
        return await super().read_if_changed(wanted, limit)


def tried(one: Provider, io: Answering | None = None) -> Answering:
    """Let a provider make one attempt, which comes to nothing; return the world, with what was asked."""
    io = io or Answering()
    with pytest.raises(CredentialsError) as caught:
        run(one._fetch(io, ClientContext()))
    assert_no_secret(caught.value, "canary")
    return io


def form(io: Answering) -> dict[str, str]:
    """Return the form of the first request."""
    return {name: values[0] for name, values in parse_qs(io.requests[0].body.decode()).items()}


def body(io: Answering) -> Any:
    """Return the JSON of the first request."""
    return json.loads(io.requests[0].body)


def temporary(role_arn: str = ROLE, **options: Any) -> Provider:
    """Call ``from_temporary_credentials`` with keys as the source."""
    return anycreds.from_temporary_credentials(role_arn, source_credentials=KEYS, **options)


def web_token(**options: Any) -> Provider:
    """Call ``from_web_token`` with what it needs."""
    return anycreds.from_web_token(ROLE, TOKEN, **options)


def web_file(**options: Any) -> Provider:
    """Call ``from_token_file`` with what it needs."""
    return anycreds.from_token_file(**{"web_identity_token_file": "/token", "role_arn": ROLE, **options})


# --- what is sent to STS

IN_ALL: dict[str, tuple[Any, dict[str, str]]] = {
    "role_session_name": ("me", {"RoleSessionName": "me"}),
    "duration": (timedelta(minutes=20), {"DurationSeconds": "1200"}),
    "policy": ("{}", {"Policy": "{}"}),
    "policy_arns": (["arn:p"], {"PolicyArns.member.1.arn": "arn:p"}),
}
FOR_WEB = {**IN_ALL, "provider_id": ("www.amazon.com", {"ProviderId": "www.amazon.com"})}
FOR_ROLE = {
    **IN_ALL,
    "external_id": ("ext", {"ExternalId": "ext"}),
    "tags": ({"Team": "a"}, {"Tags.member.1.Key": "Team", "Tags.member.1.Value": "a"}),
    "transitive_tag_keys": (["Team"], {"TransitiveTagKeys.member.1": "Team"}),
    "source_identity": ("somebody", {"SourceIdentity": "somebody"}),
    "provided_contexts": (
        {"arn:c": "assertion"},
        {"ProvidedContexts.member.1.ProviderArn": "arn:c", "ProvidedContexts.member.1.ContextAssertion": "assertion"},
    ),
}
STS = [
    *((temporary, option) for option in FOR_ROLE),
    *((make, option) for make in (web_token, web_file) for option in FOR_WEB),
]


@pytest.mark.parametrize(("make", "option"), STS)
def test_options_reach_sts(make: Callable[..., Provider], option: str) -> None:
    """Each parameter of the call is sent, and nothing else changes by it."""
    value, expected = {**FOR_ROLE, **FOR_WEB}[option]
    before, sent = form(tried(make())), form(tried(make(**{option: value})))
    assert {name: text for name, text in sent.items() if before.get(name) != text} == expected
    assert before["RoleArn"] == sent["RoleArn"] == ROLE


@pytest.mark.parametrize("make", [temporary, web_token, web_file])
@pytest.mark.parametrize("duration", [3000, 3000.0])
def test_duration_in_seconds(make: Callable[..., Provider], duration: float) -> None:
    """``duration`` may be a number of seconds, too."""
    assert form(tried(make(duration=duration)))["DurationSeconds"] == "3000"


@pytest.mark.parametrize("make", [temporary, web_token, web_file])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"duration": 899}, "(?i)duration"),
        ({"duration": timedelta(hours=13)}, "(?i)duration"),
        ({"duration": -1}, "duration"),
        ({"policy": "a\x00b"}, "(?i)policy"),
        ({"policy_arns": "arn:p"}, "(?i)policy_?arns"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1.0}, "timeout"),
    ],
)
def test_options_that_cannot_be_right_are_refused_at_once(
    make: Callable[..., Provider], options: dict[str, Any], says: str
) -> None:
    """What STS cannot take, and what is no time, raises in the factory, and names the option."""
    with pytest.raises(InvalidConfigurationError, match=says) as caught:
        make(**options)
    assert_no_secret(caught.value, "canary")


@pytest.mark.parametrize("role", [None, "", " ", "a\nb"])
def test_a_role_is_needed(role: Any) -> None:
    """Without a role's ARN both factories that need one refuse at once."""
    with pytest.raises(InvalidConfigurationError, match=r"(?i)role_?arn") as caught:
        temporary(role)
    assert_no_secret(caught.value, "canary")
    with pytest.raises(InvalidConfigurationError, match=r"(?i)role_?arn") as caught:
        anycreds.from_web_token(role, TOKEN)
    assert_no_secret(caught.value, "canary")


@pytest.mark.parametrize("token", ["", " ", "canary\x00", "canary" * 3400, None, 7])
def test_a_token_that_cannot_be_one_is_refused_at_once(token: Any) -> None:
    """A token given as text is looked at by the factory, and no error shows it; 20,000 characters are good."""
    with pytest.raises(InvalidConfigurationError, match="web_identity_token") as caught:
        anycreds.from_web_token(ROLE, token)
    assert_no_secret(caught.value, "canary")
    anycreds.from_web_token(ROLE, "x" * 20_000)


@pytest.mark.parametrize(
    "wrong",
    [{"role_arn": ""}, {"tags": {"": "x"}}, {"timeout": -1.0}, {"serial_number": MFA}, {"source_credentials": "x"}],
    ids=str,
)
def test_an_assertion_shows_in_no_error_of_an_option(wrong: dict[str, Any]) -> None:
    """Whatever option is wrong, neither the error nor the frames that it went through hold a context's assertion."""
    with pytest.raises(InvalidConfigurationError) as caught:
        anycreds.from_temporary_credentials(**{"role_arn": ROLE, "provided_contexts": {"arn:c": "canary-x"}, **wrong})
    assert_no_secret(caught.value, "canary")


def test_the_error_names_the_role() -> None:
    """Of several roles, an error says which one was refused."""
    for make in (temporary, web_token, web_file):
        io = Answering()
        with pytest.raises(CredentialsError, match=ROLE):
            run(make()._fetch(io, ClientContext()))


# --- the source of a role


async def function() -> Credentials:
    """Return keys."""
    return Credentials("AKIDFUNCTION", "canaryFUNCTION")


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (KEYS, "AKIDSOURCE"),
        (function, "AKIDFUNCTION"),
        (anycreds.from_env(environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"}), "AKIDENV"),
    ],
)
def test_source_credentials(source: Any, key: str) -> None:
    """A set, a function or a provider signs the call."""
    io = tried(anycreds.from_temporary_credentials(ROLE, source_credentials=source))
    assert f"Credential={key}/" in io.requests[0].headers["authorization"]


@pytest.mark.anyio
async def test_the_default_source_is_the_default_chain() -> None:
    """Without ``source_credentials`` the default chain is asked, and all that it looked for is told."""
    with pytest.raises(InvalidConfigurationError, match="none of 6 providers has credentials configured"):
        await anycreds.from_temporary_credentials(ROLE)()


async def mfa(serial: str) -> str:
    """Return a code."""
    return f"canary-{serial[-8:]}"


def test_device_and_who_is_asked_for_its_code() -> None:
    """``serial_number`` and ``mfa_code_provider`` go together, and both reach the call."""
    sent = form(tried(temporary(serial_number=MFA, mfa_code_provider=mfa)))
    assert (sent["SerialNumber"], sent["TokenCode"]) == (MFA, "canary-somebody")
    with pytest.raises(InvalidConfigurationError, match="mfa_code_provider"):
        temporary(serial_number=MFA)


# --- where a web identity token comes from


async def token() -> str:
    """Return a token."""
    return "canary.of.a.function"


def test_web_identity_token() -> None:
    """It is a text or an async function."""
    assert form(tried(web_token()))["WebIdentityToken"] == TOKEN
    assert form(tried(anycreds.from_web_token(ROLE, token)))["WebIdentityToken"] == "canary.of.a.function"


def test_options_of_the_token_file() -> None:
    """Each of the three comes from its option, else from its variable; a path may be an object."""
    environ = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/of-environment",
        "AWS_ROLE_ARN": "arn:of-environment",
        "AWS_ROLE_SESSION_NAME": "of-environment",
    }
    files = {"/of-environment": b"canary.of.environment", "/mine": b"canary.mine"}
    options: dict[str, tuple[Any, str, str]] = {
        "web_identity_token_file": (PurePosixPath("/mine"), "WebIdentityToken", "canary.mine"),
        "role_arn": ("arn:mine", "RoleArn", "arn:mine"),
        "role_session_name": ("mine", "RoleSessionName", "mine"),
    }
    before = form(tried(anycreds.from_token_file(), Answering(environ=environ, files=files)))
    for option, (value, parameter, expected) in options.items():
        one = anycreds.from_token_file(**{option: value})
        assert form(tried(one, Answering(environ=environ, files=files))) == {**before, parameter: expected}


# --- functions in the place of STS


def hooked(seen: list[Any]) -> dict[str, Any]:
    """Return both hooks, which note what they get."""

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        seen.append((source.access_key_id, params["RoleArn"]))
        return Credentials("ASIAHOOK", "canaryHOOK")

    async def web(params: Mapping[str, Any]) -> Credentials:
        seen.append((params["WebIdentityToken"], params["RoleArn"]))
        return Credentials("ASIAWEB", "canaryWEB")

    return {"role_assumer": assumer, "role_assumer_with_web_identity": web}


@pytest.mark.parametrize(
    "make",
    [web_token, web_file, lambda **options: anycreds.from_ini("web", **options)],
    ids=["from_web_token", "from_token_file", "from_ini"],
)
def test_role_assumer_with_web_identity(make: Callable[..., Provider]) -> None:
    """It gets the token and the role, and STS is not asked."""
    seen: list[Any] = []
    io = Answering()
    hook = hooked(seen)["role_assumer_with_web_identity"]
    assert run(make(role_assumer_with_web_identity=hook)._fetch(io, ClientContext())).access_key_id == "ASIAWEB"
    assert (seen, io.requests) == ([(TOKEN, ROLE)], [])


def test_role_assumer_of_a_profile() -> None:
    """It gets the source and the role, and STS is not asked."""
    seen: list[Any] = []
    io = Answering()
    one = anycreds.from_ini("role", role_assumer=hooked(seen)["role_assumer"])
    assert run(one._fetch(io, ClientContext())).access_key_id == "ASIAHOOK"
    assert (seen, io.requests) == ([("AKIDFILE", ROLE)], [])


def test_code_for_a_profile() -> None:
    """``mfa_code_provider`` is asked for the device of a profile."""
    assert form(tried(anycreds.from_ini("person", mfa_code_provider=mfa)))["TokenCode"] == "canary-somebody"


# --- how services are called

SERVICES: dict[str, Callable[..., Provider]] = {
    "from_temporary_credentials": temporary,
    "from_web_token": web_token,
    "from_token_file": web_file,
    "from_ini, a role": lambda **options: anycreds.from_ini("role", **options),
    "from_ini, web identity": lambda **options: anycreds.from_ini("web", **options),
    "from_ini, SSO": lambda **options: anycreds.from_ini("sso", **options),
    "from_ini, login": lambda **options: anycreds.from_ini("login", **options),
    "from_sso": lambda **options: anycreds.from_sso("sso", **options),
    "from_sso, by options": lambda **options: anycreds.from_sso(**SSO, **options),
    "from_login_credentials": lambda **options: anycreds.from_login_credentials("login", **options),
    "from_cognito_identity": lambda **options: anycreds.from_cognito_identity(IDENTITY, **options),
    "from_cognito_identity_pool": lambda **options: anycreds.from_cognito_identity_pool(POOL, **options),
}


@pytest.mark.parametrize("make", SERVICES.values(), ids=SERVICES.keys())
def test_client_config_and_timeout(make: Callable[..., Provider]) -> None:
    """Each service is called as ``client_config`` says, and has ``timeout`` seconds for an answer, by default five."""
    config = ClientConfig(endpoint_url="https://mine.example.com/base", http_client_factory=dict, max_attempts=2)
    io = tried(make(client_config=config, timeout=2.5), Answering(answer(b"", 503)))
    assert str(io.requests[0].url).startswith("https://mine.example.com/base/")
    assert io.requests[0].transport.client_factory is dict
    assert [request.timeout for request in io.requests] == [2.5, 2.5]
    io = tried(make())
    assert ".amazon" in io.requests[0].url.host
    assert io.requests[0].timeout == 5.0


@pytest.mark.parametrize("make", SERVICES.values(), ids=SERVICES.keys())
@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), "1", True])
def test_time_that_is_none(make: Callable[..., Provider], timeout: Any) -> None:
    """A ``timeout`` that is no time is refused by the factory."""
    with pytest.raises(InvalidConfigurationError, match="timeout") as caught:
        make(timeout=timeout)
    assert_no_secret(caught.value, "canary")


# --- the shared files

FROM_FILES: dict[str, tuple[Callable[..., Provider], str]] = {
    "from_ini": (anycreds.from_ini, "role"),
    "from_process": (anycreds.from_process, "command"),
    "from_sso": (anycreds.from_sso, "sso"),
    "from_sso, by options": (lambda profile, **options: anycreds.from_sso(profile, **SSO, **options), "elsewhere"),
    "from_login_credentials": (anycreds.from_login_credentials, "login"),
}


@pytest.mark.parametrize(("make", "profile"), FROM_FILES.values(), ids=FROM_FILES.keys())
def test_files_of_ones_own(make: Callable[..., Provider], profile: str) -> None:
    """``filepath`` and ``config_filepath`` are read instead of those in the home directory."""
    io = Answering(files={"/config": CONFIG.encode(), "/credentials": b""})
    attempt(make(profile, filepath="/credentials", config_filepath="/config"), io)
    assert {"/config", "/credentials"} <= set(io.reads)
    assert not {f"{HOME}/config", f"{HOME}/credentials"} & set(io.reads)


@pytest.mark.parametrize(("make", "profile"), FROM_FILES.values(), ids=FROM_FILES.keys())
def test_files_are_read_again(make: Callable[..., Provider], profile: str) -> None:
    """With ``ignore_cache`` a file that has not changed is read again; without, it is not."""
    if make is anycreds.from_process:
        return  # whose command is what may change
    for options, remembers in (({}, True), ({"ignore_cache": True}, False)):
        io, one = Answering(), make(profile, **options)
        for _ in range(2):
            attempt(one, io)
        assert any(known is not None for known in io.known) is remembers


def attempt(one: Provider, io: Answering) -> None:
    """Let a provider make one attempt, whatever comes of it."""
    try:
        run(one._fetch(io, ClientContext()))
    except CredentialsError as error:
        assert_no_secret(error, "canary")


def test_the_profile_counts() -> None:
    """Each factory looks at the profile that it is given, and not at that of AWS_PROFILE."""
    environ = {"AWS_PROFILE": "keys"}
    assert form(tried(anycreds.from_ini("role"), Answering(environ=environ)))["RoleArn"] == ROLE
    for make, profile in ((anycreds.from_sso, "sso"), (anycreds.from_login_credentials, "login")):
        assert len(tried(make(profile), Answering(environ=environ)).requests) == 1
    io = Answering(environ=environ)
    assert run(anycreds.from_process("command")._fetch(io, ClientContext())).access_key_id == "AKIDPROC"
    io = tried(anycreds.from_sso("elsewhere", **SSO), Answering(environ=environ))
    assert io.requests[0].url.host == "elsewhere.example.com"


@pytest.mark.parametrize("make", [anycreds.from_process, anycreds.from_ini])
def test_time_of_a_command(make: Callable[..., Provider]) -> None:
    """A command has ``timeout`` seconds, by default 60, of which a part is kept for ending it."""
    io = Answering()
    run(make("command", timeout=7.0)._fetch(io, ClientContext()))
    run(make("command")._fetch(io, ClientContext()))
    first, second = (seconds for _, seconds, _ in io.runs)
    assert 6 < first <= 7
    assert 59 < second <= 60


def test_environ() -> None:
    """``from_env`` looks at the mapping that it is given, and at each call."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIDMINE", "AWS_SECRET_ACCESS_KEY": "canaryMINE"}
    one = anycreds.from_env(environ=environ)
    others = {"AWS_ACCESS_KEY_ID": "AKIDOTHER", "AWS_SECRET_ACCESS_KEY": "canaryOTHER"}
    io = Answering(environ=others)
    assert run(one._fetch(io, ClientContext())).access_key_id == "AKIDMINE"
    environ["AWS_ACCESS_KEY_ID"] = "AKIDNEW"
    assert run(one._fetch(io, ClientContext())).access_key_id == "AKIDNEW"
    assert run(anycreds.from_env()._fetch(io, ClientContext())).access_key_id == "AKIDOTHER"


# --- SSO


def test_options_of_sso() -> None:
    """Account, role and region are asked for; start URL or session say which token is shown."""
    io = tried(anycreds.from_sso(**SSO))
    url = "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?account_id=123456789012&role_name=Dev"
    assert str(io.requests[0].url) == url
    assert io.requests[0].headers["x-amz-sso_bearer_token"] == "canary-access"
    io = tried(anycreds.from_sso(**SSO, sso_session="my-sso"))
    assert io.requests[0].headers["x-amz-sso_bearer_token"] == "canary-of-session"
    io = tried(anycreds.from_sso(**{**SSO, "sso_account_id": "1", "sso_role_name": "r", "sso_region": "us-east-2"}))
    other = "https://portal.sso.us-east-2.amazonaws.com/federation/credentials?account_id=1&role_name=r"
    assert str(io.requests[0].url) == other


@pytest.mark.parametrize("missing", SSO)
def test_an_option_of_sso_is_missing(missing: str) -> None:
    """All four are needed, and the factory says at once which one is not there."""
    with pytest.raises(InvalidConfigurationError, match=f"{missing} is missing"):
        anycreds.from_sso("sso", **{name: value for name, value in SSO.items() if name != missing})


def test_a_session_alone_is_not_enough() -> None:
    """``sso_session`` alone is no account and no role."""
    with pytest.raises(InvalidConfigurationError, match="sso_account_id"):
        anycreds.from_sso(sso_session="my-sso")


# --- Cognito


COGNITO: dict[str, Callable[..., Provider]] = {
    "from_cognito_identity": lambda **options: anycreds.from_cognito_identity(IDENTITY, **options),
    "from_cognito_identity_pool": lambda **options: anycreds.from_cognito_identity_pool(POOL, **options),
}


@pytest.mark.parametrize("make", COGNITO.values(), ids=COGNITO.keys())
def test_options_of_cognito(make: Callable[..., Provider]) -> None:
    """Id, logins and role are sent."""
    got = answer({"IdentityId": IDENTITY, "Credentials": None})  # good for the first call, and no credentials
    io = tried(make(logins={"example.com": "canary-login"}, custom_role_arn=ROLE), Answering(got))
    last = json.loads(io.requests[-1].body)
    assert last == {"IdentityId": IDENTITY, "Logins": {"example.com": "canary-login"}, "CustomRoleArn": ROLE}
    assert "CustomRoleArn" not in json.loads(tried(make(), Answering(got)).requests[-1].body)


@pytest.mark.parametrize("make", COGNITO.values(), ids=COGNITO.keys())
@pytest.mark.parametrize("options", [{"logins": {"example.com": ""}}, {"custom_role_arn": "\n"}, {"timeout": 0}])
def test_options_of_cognito_that_cannot_be_right(make: Callable[..., Provider], options: dict[str, Any]) -> None:
    """They are refused by the factory, and no error shows a login."""
    with pytest.raises(InvalidConfigurationError) as caught:
        make(**{"logins": {"example.com": "canary-login"}, **options})
    assert_no_secret(caught.value, "canary")


class Cache:
    """A cache of a program."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, key: str) -> str | None:
        """Return what is kept."""
        self.asked.append(key)
        return None

    async def set(self, key: str, value: str) -> None:
        """Keep it."""

    async def delete(self, key: str) -> None:
        """Forget it."""


def test_options_of_a_pool() -> None:
    """The account is asked with and is in the cache's key, and so is who the user is."""
    cache = Cache()
    one = anycreds.from_cognito_identity_pool(
        POOL, account_id="123456789012", cache=cache, user_identifier="me", logins={"example.com": "canary-login"}
    )
    sent = body(tried(one))
    assert sent == {"IdentityPoolId": POOL, "AccountId": "123456789012", "Logins": {"example.com": "canary-login"}}
    assert cache.asked == [f"aws:cognito-identity-credentials:account=123456789012:{POOL}:me"]
    assert body(tried(anycreds.from_cognito_identity_pool(POOL))) == {"IdentityPoolId": POOL}


def test_region_of_an_id() -> None:
    """The region is the id's, unless ``client_config`` says another."""
    for make in COGNITO.values():
        assert tried(make()).requests[0].url.host == "cognito-identity.eu-west-1.amazonaws.com"
        io = tried(make(client_config=ClientConfig(region="eu-north-1")))
        assert io.requests[0].url.host == "cognito-identity.eu-north-1.amazonaws.com"


# --- metadata

LINK = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/of-environment"}


def http(**options: Any) -> Provider:
    """Call ``from_http`` with what it needs."""
    return anycreds.from_http(**{"full_uri": "http://127.0.0.1:1/full", **options})


def test_options_of_http() -> None:
    """URI and token are asked with, and no variable is looked at."""
    io = tried(http(), Answering(environ=LINK))
    assert str(io.requests[0].url) == "http://127.0.0.1:1/full"
    assert "Authorization" not in io.requests[0].headers
    io = tried(anycreds.from_http(relative_uri="/mine"), Answering(environ=LINK))
    assert str(io.requests[0].url) == "http://169.254.170.2/mine"
    assert str(tried(anycreds.from_http(), Answering(environ=LINK)).requests[0].url).endswith("/of-environment")
    assert tried(http(authorization_token="canary-a")).requests[0].headers["Authorization"] == "canary-a"
    assert tried(http(authorization_token_file="/token")).requests[0].headers["Authorization"] == TOKEN


def test_options_of_http_that_exclude_each_other() -> None:
    """They are refused by the factory, and no error shows a token or a path."""
    with pytest.raises(InvalidConfigurationError, match="are both set; expected one of them") as caught:
        http(relative_uri="/canary-path")
    assert_no_secret(caught.value, "canary")
    with pytest.raises(InvalidConfigurationError, match="are both set; expected one of them") as caught:
        http(authorization_token="canary-a", authorization_token_file="/token")
    assert_no_secret(caught.value, "canary")
    with pytest.raises(InvalidConfigurationError, match="is set without full_uri or relative_uri") as caught:
        anycreds.from_http(authorization_token="canary-a")
    assert_no_secret(caught.value, "canary")


@pytest.mark.parametrize(
    ("make", "environ", "retries"),
    [(http, {}, 3), (anycreds.from_container_metadata, LINK, 0), (anycreds.from_instance_metadata, {}, 0)],
)
def test_time_and_retries_of_metadata(make: Callable[..., Provider], environ: dict[str, str], retries: int) -> None:
    """Each exchange has ``timeout`` seconds, by default one, and is made once more for each of ``max_retries``."""
    busy = answer(b"", 503)
    io = tried(make(timeout=2.5, max_retries=2), Answering(busy, environ=environ))
    assert [request.timeout for request in io.requests] == [2.5] * 3
    io = tried(make(), Answering(busy, environ=environ))
    assert [request.timeout for request in io.requests] == [1.0] * (1 + retries)
    for options in ({"timeout": 0}, {"max_retries": -1}, {"max_retries": 0.5}):
        with pytest.raises(InvalidConfigurationError, match=next(iter(options))):
            make(**options)


def test_options_of_instance_metadata() -> None:
    """Endpoint and mode say who is asked, and version 1 is not used where it is ruled out."""
    io = tried(anycreds.from_instance_metadata())
    assert io.requests[0].url.host == "169.254.169.254"
    assert io.requests[1].method == "GET"  # 403 to the call for a token: this is version 1
    io = tried(anycreds.from_instance_metadata(ec2_metadata_v1_disabled=True))
    assert len(io.requests) == 1
    io = tried(anycreds.from_instance_metadata(endpoint="http://127.0.0.1:1", endpoint_mode="IPv6"))
    assert io.requests[0].url.origin == "http://127.0.0.1:1"
    io = tried(anycreds.from_instance_metadata(endpoint_mode="IPv6"))
    assert "fd00:ec2::254" in str(io.requests[0].url)


# --- chains and caches


def test_a_chain_needs_a_provider() -> None:
    """An empty chain is refused at once."""
    with pytest.raises(InvalidConfigurationError, match="at least one"):
        anycreds.create_credential_chain()


@pytest.mark.parametrize("option", ["refresh_window", "recheck_after"])
@pytest.mark.parametrize("value", [-1, float("nan"), "1", True])
def test_lengths_of_time_that_are_none(option: str, value: Any) -> None:
    """``cached`` names the option that is no length of time."""
    with pytest.raises(InvalidConfigurationError, match=option):
        anycreds.cached(function, **{option: value})


def test_a_cache_stays_itself_without_options() -> None:
    """``cached`` of a cached provider is that one; with any option, or a clock, it is another."""
    one = anycreds.cached(function)
    assert anycreds.cached(one) is one
    more: list[dict[str, Any]] = [
        {"refresh_window": 60},
        {"recheck_after": 60},
        {"stale_ok": True},
        {"observer": print},
        {"clock": ManualClock()},
    ]
    for options in more:
        assert anycreds.cached(one, **options) is not one


def test_the_caller_reaches_what_is_inside() -> None:
    """A provider in a chain, or under a role, is asked for the client that the whole is bound to."""
    caller = ClientContext(profile="keys", region="eu-north-1")
    chain = anycreds.create_credential_chain(anycreds.from_ini())
    assert run(chain._fetch(Answering(), caller)).access_key_id == "AKIDFILE"
    assert chain.for_client(caller).name == chain.name
    io = Answering()
    one = anycreds.from_temporary_credentials(ROLE, source_credentials=anycreds.from_ini())
    with pytest.raises(CredentialsError):
        run(one._fetch(io, caller))
    assert "Credential=AKIDFILE/" in io.requests[0].headers["authorization"]


@pytest.mark.parametrize("asks", [True, False])
def test_nobody_is_asked_ahead_of_need(fake_aws: FakeAWS, asks: bool) -> None:
    """A set that a person was asked for is served to its end, and only then somebody is asked again."""
    clock = ManualClock()
    fake_aws.clock = clock
    asked: list[str] = []

    async def code(serial: str) -> str:
        asked.append(serial)
        return f"{len(asked):06d}"

    device: dict[str, Any] = {"serial_number": MFA, "mfa_code_provider": code} if asks else {}
    provider = anycreds.cached(
        anycreds.from_temporary_credentials(
            ROLE,
            source_credentials=Credentials(*fake_aws.key_environ().values()),
            duration=900,
            client_config=ClientConfig(region="us-east-1", endpoint_url=fake_aws.service_url),
            **device,
        ),
        clock=clock,
    )

    async def ask() -> Credentials:
        return await provider()

    first = anyio.run(ask)
    clock.advance(890)  # ten seconds are left: whoever asks now would wait for a refresh
    assert (anyio.run(ask) is first) is asks
    assert len(asked) == asks
    clock.advance(11)
    assert anyio.run(ask) is not first
    assert len(asked) == 2 * asks


@pytest.mark.anyio
async def test_a_cache_made_anew_keeps_its_client(isolated: Path) -> None:
    """``cached`` of a provider that is bound to a client, with options, is still for that client."""
    (isolated / ".aws").mkdir()
    (isolated / ".aws" / "config").write_text(CONFIG)
    bound = anycreds.cached(anycreds.from_ini()).for_client(ClientContext(profile="keys"))
    assert (await anycreds.cached(bound, stale_ok=True)()).access_key_id == "AKIDFILE"


def test_who_is_bound_to_a_client() -> None:
    """The last client counts, also inside a chain; and a bound provider is what it was in all else."""
    keys, role = ClientContext(profile="keys"), ClientContext(profile="role")
    bound = anycreds.from_ini().for_client(role).for_client(keys)
    for one in (bound, anycreds.create_credential_chain(bound)):
        assert run(one._fetch(Answering(), role)).access_key_id == "AKIDFILE"
    assert temporary(serial_number=MFA, mfa_code_provider=mfa).for_client(keys)._may_prompt_user
    assert not temporary().for_client(keys)._may_prompt_user
    instance = anycreds.from_instance_metadata()
    tried(instance)  # it is made when it is first asked
    of_instance = KEYS.replace(source=instance.name)
    assert instance.for_client(keys)._allows_stale(of_instance)
    assert not instance.for_client(keys)._allows_stale(KEYS)


@pytest.mark.anyio
async def test_what_a_call_has_started_may_outlive_it() -> None:
    """A task that a function has started may await the provider once the call is over, and no call is remembered."""
    over = anyio.Event()
    got: list[Credentials] = []

    async def later() -> None:
        await over.wait()
        got.append(await chain())

    async def starting() -> Credentials:
        if not over.is_set():
            tasks.start_soon(later)
        return KEYS

    chain = anycreds.create_credential_chain(starting)
    async with anyio.create_task_group() as tasks:
        await chain()
        assert active_calls.get() == ()
        over.set()
    assert len(got) == 1
