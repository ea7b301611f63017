"""Every option of every factory reaches the requests, files or commands of its provider, or is rejected at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pytest

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError, InvalidConfigurationError, Provider
from support.factory_fixtures import (
    CONFIG,
    CONTAINER,
    ENVIRONMENT_KEYS,
    HOME,
    MFA,
    ROLE,
    SSO,
    SSO_LINES,
    TOKEN,
    UNAVAILABLE,
    WEB_IDENTITY,
    UniformIo,
    default_chain,
    failure,
    fetch,
    mfa_code,
    requested,
)
from support.fake_io import answer, assert_no_secret
from support.rows import each_row

KEYS = Credentials("AKIDSOURCE", "canarySECRETsource", "canaryTOKENsource")
POOL = "eu-west-1:0a1b2c3d-0000-4000-8000-0000000000ff"
IDENTITY = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000001"
Factory = Callable[..., Provider]


def temporary(role_arn: str = ROLE, **options: Any) -> Provider:
    """Call ``from_temporary_credentials`` with access keys as the source."""
    return anycreds.from_temporary_credentials(role_arn, source_credentials=KEYS, **options)


def web_token(**options: Any) -> Provider:
    """Call ``from_web_token`` with its required arguments."""
    return anycreds.from_web_token(ROLE, TOKEN, **options)


def token_file(**options: Any) -> Provider:
    """Call ``from_token_file`` with a file and a role."""
    return anycreds.from_token_file(**{"web_identity_token_file": "/token", "role_arn": ROLE, **options})


def http(**options: Any) -> Provider:
    """Call ``from_http`` with a URL."""
    return anycreds.from_http(**{"full_uri": "http://127.0.0.1:1/full", **options})


def cognito_identity(**options: Any) -> Provider:
    """Call ``from_cognito_identity`` with its required argument."""
    return anycreds.from_cognito_identity(IDENTITY, **options)


def cognito_pool(**options: Any) -> Provider:
    """Call ``from_cognito_identity_pool`` with its required argument."""
    return anycreds.from_cognito_identity_pool(POOL, **options)


STS_FACTORIES = each_row("factory", [temporary, web_token, token_file])


# --- the parameters of STS

OF_EVERY_ROLE: dict[str, tuple[Any, dict[str, str]]] = {
    "role_session_name": ("me", {"RoleSessionName": "me"}),
    "duration": (timedelta(minutes=20), {"DurationSeconds": "1200"}),
    "policy": ("{}", {"Policy": "{}"}),
    "policy_arns": (["arn:p"], {"PolicyArns.member.1.arn": "arn:p"}),
}
OF_WEB_IDENTITY = {**OF_EVERY_ROLE, "provider_id": ("www.amazon.com", {"ProviderId": "www.amazon.com"})}
OF_ASSUME_ROLE = {
    **OF_EVERY_ROLE,
    "external_id": ("ext", {"ExternalId": "ext"}),
    "tags": ({"Team": "a"}, {"Tags.member.1.Key": "Team", "Tags.member.1.Value": "a"}),
    "transitive_tag_keys": (["Team"], {"TransitiveTagKeys.member.1": "Team"}),
    "source_identity": ("alice", {"SourceIdentity": "alice"}),
    "provided_contexts": (
        {"arn:c": "assertion"},
        {"ProvidedContexts.member.1.ProviderArn": "arn:c", "ProvidedContexts.member.1.ContextAssertion": "assertion"},
    ),
}
STS_OPTIONS = [
    *((temporary, option) for option in OF_ASSUME_ROLE),
    *((factory, option) for factory in (web_token, token_file) for option in OF_WEB_IDENTITY),
]


@each_row("factory, option", STS_OPTIONS)
def test_option_is_sent_to_sts(factory: Factory, option: str) -> None:
    """An option is sent as its parameter, and changes no other parameter."""
    value, expected = {**OF_ASSUME_ROLE, **OF_WEB_IDENTITY}[option]
    before, sent = requested(factory()).form, requested(factory(**{option: value})).form
    assert {name: text for name, text in sent.items() if before.get(name) != text} == expected
    assert before["RoleArn"] == sent["RoleArn"] == ROLE


@STS_FACTORIES
@each_row("duration", [3000, 3000.0])
def test_duration_in_seconds(factory: Factory, duration: float) -> None:
    """``duration`` may be a number of seconds."""
    assert requested(factory(duration=duration)).form["DurationSeconds"] == "3000"


@STS_FACTORIES
@each_row(
    "options, message",
    [
        ({"duration": 899}, "(?i)duration"),
        ({"duration": timedelta(hours=13)}, "(?i)duration"),
        ({"duration": -1}, "duration"),
        ({"policy": "a\x00b"}, "(?i)policy"),
        ({"policy_arns": "arn:p"}, "(?i)policy_?arns"),
    ],
    ids=["too short", "too long", "negative", "control character", "text for a list"],
)
def test_invalid_option_of_sts(factory: Factory, options: dict[str, Any], message: str) -> None:
    """The factory raises an error that names an option which STS would reject."""
    with pytest.raises(InvalidConfigurationError, match=message) as caught:
        factory(**options)
    assert_no_secret(caught.value, "canary")


@each_row("role", [None, "", " ", "a\nb"])
def test_role_arn_is_required(role: Any) -> None:
    """Both factories that need the ARN of a role raise an error without a usable one."""
    for call in (partial(temporary, role), partial(anycreds.from_web_token, role, TOKEN)):
        with pytest.raises(InvalidConfigurationError, match=r"(?i)role_?arn") as caught:
            call()
        assert_no_secret(caught.value, "canary")


@each_row(
    "token",
    ["", " ", "canary\x00", "canary" * 3400, None, 7],
    ids=["empty", "blank", "control character", "too long", "none", "number"],
)
def test_invalid_web_identity_token_is_rejected(token: Any) -> None:
    """A token that is an invalid text is rejected without showing it; 20,000 characters are valid."""
    with pytest.raises(InvalidConfigurationError, match="web_identity_token") as caught:
        anycreds.from_web_token(ROLE, token)
    assert_no_secret(caught.value, "canary")
    anycreds.from_web_token(ROLE, "x" * 20_000)


@each_row(
    "invalid",
    [{"role_arn": ""}, {"tags": {"": "x"}}, {"timeout": -1.0}, {"serial_number": MFA}, {"source_credentials": "x"}],
)
def test_error_of_an_option_contains_no_assertion(invalid: dict[str, Any]) -> None:
    """Neither the error of another option nor its frames contain the assertion of a context."""
    with pytest.raises(InvalidConfigurationError) as caught:
        anycreds.from_temporary_credentials(**{"role_arn": ROLE, "provided_contexts": {"arn:c": "canary-x"}, **invalid})
    assert_no_secret(caught.value, "canary")


@STS_FACTORIES
def test_error_names_the_role(factory: Factory) -> None:
    """The error of a rejected request names the role."""
    assert ROLE in str(failure(factory()))


# --- the source of a role


async def function() -> Credentials:
    """Return access keys."""
    return Credentials("AKIDFUNCTION", "canaryFUNCTION")


@each_row(
    "source, key",
    [(KEYS, "AKIDSOURCE"), (function, "AKIDFUNCTION"), (anycreds.from_env(environ=ENVIRONMENT_KEYS), "AKIDENV")],
    ids=["credentials", "function", "provider"],
)
def test_source_credentials_sign_the_request(source: Any, key: str) -> None:
    """``source_credentials`` may be credentials, a function or a provider."""
    io = requested(anycreds.from_temporary_credentials(ROLE, source_credentials=source))
    assert f"Credential={key}/" in io.requests[0].headers["authorization"]


@pytest.mark.anyio
async def test_default_source_is_the_default_chain() -> None:
    """Without ``source_credentials`` the default chain is called, and the error lists what it tried."""
    with pytest.raises(InvalidConfigurationError, match="no credentials found"):
        await anycreds.from_temporary_credentials(ROLE)()


@each_row(
    "provider",
    [
        temporary(serial_number=MFA, mfa_code_provider=mfa_code),
        anycreds.from_ini("mfa", mfa_code_provider=mfa_code),
        default_chain("mfa", mfa_code_provider=mfa_code),
    ],
    ids=["from_temporary_credentials", "from_ini", "from_default_chain"],
)
def test_mfa_code_provider_returns_the_code(provider: Provider) -> None:
    """``mfa_code_provider`` returns the code for the device, and the provider is known to prompt the user."""
    sent = requested(provider).form
    assert (sent["SerialNumber"], sent["TokenCode"]) == (MFA, "canary-laptop")
    assert provider._may_prompt_user


def test_mfa_device_without_a_code() -> None:
    """``serial_number`` without ``mfa_code_provider`` is an error, and without both the user is not prompted."""
    with pytest.raises(InvalidConfigurationError, match="mfa_code_provider"):
        temporary(serial_number=MFA)
    for provider in (temporary(), anycreds.from_ini("mfa"), default_chain("mfa")):
        assert not provider._may_prompt_user


# --- web identity tokens, and callbacks instead of STS


async def token_function() -> str:
    """Return a token."""
    return "canary.of.a.function"


def test_web_identity_token_is_a_text_or_a_function() -> None:
    """``web_identity_token`` is a text or an async function."""
    assert requested(web_token()).form["WebIdentityToken"] == TOKEN
    assert requested(anycreds.from_web_token(ROLE, token_function)).form["WebIdentityToken"] == "canary.of.a.function"


@each_row("factory", [anycreds.from_token_file, default_chain])
def test_options_of_the_token_file(factory: Factory) -> None:
    """File, role and session name are those of the options, or else of the environment. A path may be an object."""
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
    before = requested(factory(), UniformIo(environ=environ, files=files)).form
    for option, (value, parameter, expected) in options.items():
        io = requested(factory(**{option: value}), UniformIo(environ=environ, files=files))
        assert io.form == {**before, parameter: expected}


@each_row(
    "factory, environ",
    [
        (web_token, {}),
        (token_file, {}),
        (lambda **options: anycreds.from_ini("web", **options), {}),
        (lambda **options: default_chain("web", **options), {}),
        (default_chain, WEB_IDENTITY),
    ],
    ids=["from_web_token", "from_token_file", "from_ini", "from_default_chain, profile", "from_default_chain"],
)
def test_role_assumer_with_web_identity_replaces_sts(factory: Factory, environ: dict[str, str]) -> None:
    """``role_assumer_with_web_identity`` receives the token and the role, and STS is not called."""
    received: list[Any] = []

    async def assume(params: Mapping[str, Any]) -> Credentials:
        received.append((params["WebIdentityToken"], params["RoleArn"]))
        return Credentials("ASIAWEB", "canaryWEB")

    io = UniformIo(environ=environ)
    assert fetch(factory(role_assumer_with_web_identity=assume), io).access_key_id == "ASIAWEB"
    assert (received, io.requests) == ([(TOKEN, ROLE)], [])


@each_row("factory", [anycreds.from_ini, default_chain])
def test_role_assumer_replaces_sts(factory: Factory) -> None:
    """``role_assumer`` receives the credentials of the source and the role, and STS is not called."""
    received: list[Any] = []

    async def assume(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        received.append((source.access_key_id, params["RoleArn"]))
        return Credentials("ASIAROLE", "canaryROLE")

    io = UniformIo()
    assert fetch(factory("role", role_assumer=assume), io).access_key_id == "ASIAROLE"
    assert (received, io.requests) == ([("AKIDFILE", ROLE)], [])


# --- how services are called

SERVICES: dict[str, Factory] = {
    "from_temporary_credentials": temporary,
    "from_web_token": web_token,
    "from_token_file": token_file,
    "from_ini, role": lambda **options: anycreds.from_ini("role", **options),
    "from_ini, web identity": lambda **options: anycreds.from_ini("web", **options),
    "from_ini, SSO": lambda **options: anycreds.from_ini("sso", **options),
    "from_ini, login": lambda **options: anycreds.from_ini("login", **options),
    "from_sso": lambda **options: anycreds.from_sso("sso", **options),
    "from_sso, options": lambda **options: anycreds.from_sso(**SSO, **options),
    "from_login_credentials": lambda **options: anycreds.from_login_credentials("login", **options),
    "from_cognito_identity": cognito_identity,
    "from_cognito_identity_pool": cognito_pool,
}
CHAINS: dict[str, tuple[Factory, dict[str, Any]]] = {
    "chain, SSO options": (lambda **options: default_chain(**SSO, **options), {}),
    "chain, default profile": (default_chain, {"config": f"[default]\n{SSO_LINES}"}),
    "chain, token file": (default_chain, {"environ": WEB_IDENTITY}),
    "chain, role": (lambda **options: default_chain("role", **options), {}),
    "chain, web identity": (lambda **options: default_chain("web", **options), {}),
}
EVERY_SERVICE = {**{name: (factory, {}) for name, factory in SERVICES.items()}, **CHAINS}


@each_row("factory, given", EVERY_SERVICE.values(), ids=[*EVERY_SERVICE])
def test_client_config_reaches_every_service(factory: Factory, given: dict[str, Any]) -> None:
    """Each service is called with the endpoint, HTTP client and number of attempts of ``client_config``."""
    config = ClientConfig(endpoint_url="https://mine.example.com/base", http_client_factory=dict, max_attempts=2)
    io = requested(factory(client_config=config), UniformIo(UNAVAILABLE, **given))
    assert len(io.requests) == 2
    assert str(io.requests[0].url).startswith("https://mine.example.com/base/")
    transport = io.requests[0].transport
    assert transport is not None
    assert transport.client_factory is dict
    assert ".amazon" in requested(factory(), UniformIo(**given)).hosts[0]


@each_row("factory", [factory for factory, _ in EVERY_SERVICE.values()], ids=[*EVERY_SERVICE])
def test_other_object_as_client_config_is_rejected(factory: Factory) -> None:
    """A dictionary in place of a ``ClientConfig`` is rejected before any I/O."""
    with pytest.raises(InvalidConfigurationError, match=r"client_config is not an anycreds\.ClientConfig but dict"):
        factory(client_config={"region": "eu-west-1"})


@each_row("factory, given", EVERY_SERVICE.values(), ids=[*EVERY_SERVICE])
def test_exchange_with_a_service_has_five_seconds_by_default(factory: Factory, given: dict[str, Any]) -> None:
    """An exchange with a service has five seconds by default."""
    assert requested(factory(), UniformIo(**given)).requests[0].timeout == 5.0


@each_row("factory", SERVICES.values(), ids=[*SERVICES])
def test_exchange_with_a_service_has_the_given_timeout(factory: Factory) -> None:
    """An exchange with a service has ``timeout`` seconds."""
    assert requested(factory(timeout=2.5)).requests[0].timeout == 2.5


LIMITED: dict[str, Factory] = {
    **SERVICES,
    "from_process": anycreds.from_process,
    "from_http": http,
    "from_container_metadata": anycreds.from_container_metadata,
    "from_instance_metadata": anycreds.from_instance_metadata,
    "from_default_chain": default_chain,
}


@each_row("factory", LIMITED.values(), ids=[*LIMITED])
def test_invalid_timeout_is_rejected_by_every_factory(factory: Factory) -> None:
    """Every factory rejects a ``timeout`` that is not a number of seconds above 0, and zero too, which is false."""
    for timeout in (0, float("nan"), "1"):
        with pytest.raises(InvalidConfigurationError, match="timeout") as caught:
            factory(timeout=timeout)
        assert_no_secret(caught.value, "canary")


METADATA: dict[str, tuple[Factory, dict[str, str], int]] = {
    "from_http": (http, {}, 3),
    "from_container_metadata": (anycreds.from_container_metadata, CONTAINER, 0),
    "from_instance_metadata": (anycreds.from_instance_metadata, {}, 0),
    "from_ini, container": (partial(anycreds.from_ini, "container"), CONTAINER, 0),
    "from_ini, instance": (partial(anycreds.from_ini, "instance"), {}, 0),
    "from_default_chain, container": (default_chain, CONTAINER, 0),
    "from_default_chain, instance": (default_chain, {}, 0),
    "from_default_chain, profile": (partial(default_chain, "instance"), {}, 0),
}


@each_row("factory, environ, retries", METADATA.values(), ids=[*METADATA])
def test_timeout_and_retries_of_metadata(factory: Factory, environ: dict[str, str], retries: int) -> None:
    """An exchange has ``timeout`` seconds, by default one, and is repeated ``max_retries`` times."""
    io = requested(factory(timeout=2.5, max_retries=2), UniformIo(UNAVAILABLE, environ=environ))
    assert [request.timeout for request in io.requests] == [2.5] * 3
    io = requested(factory(), UniformIo(UNAVAILABLE, environ=environ))
    assert [request.timeout for request in io.requests] == [1.0] * (1 + retries)
    for invalid in (-1, 0.5):
        with pytest.raises(InvalidConfigurationError, match="max_retries"):
            factory(max_retries=invalid)


# --- shared files and environment

FROM_FILES: dict[str, tuple[Factory, str]] = {
    "from_ini": (anycreds.from_ini, "role"),
    "from_process": (anycreds.from_process, "command"),
    "from_sso": (anycreds.from_sso, "sso"),
    "from_sso, options": (lambda profile, **options: anycreds.from_sso(profile, **SSO, **options), "elsewhere"),
    "from_login_credentials": (anycreds.from_login_credentials, "login"),
    "from_default_chain": (default_chain, "role"),
    "from_default_chain, SSO": (lambda profile, **options: default_chain(profile, **SSO, **options), "elsewhere"),
}


def attempt(provider: Provider, io: UniformIo) -> UniformIo:
    """Call a provider once, and ignore its outcome."""
    try:
        fetch(provider, io)
    except CredentialsError as error:
        assert_no_secret(error, "canary")
    return io


@each_row("factory, profile", FROM_FILES.values(), ids=[*FROM_FILES])
def test_file_options_replace_the_default_files(factory: Factory, profile: str) -> None:
    """``filepath`` and ``config_filepath`` are read instead of the files in the home directory."""
    io = UniformIo(files={"/config": CONFIG.encode(), "/credentials": b""})
    attempt(factory(profile, filepath="/credentials", config_filepath="/config"), io)
    assert {"/config", "/credentials"} <= set(io.reads)
    assert not {f"{HOME}/config", f"{HOME}/credentials"} & set(io.reads)


CACHING = {name: call for name, call in FROM_FILES.items() if name != "from_process"}


@each_row("factory, profile", CACHING.values(), ids=[*CACHING])
@each_row("ignore_cache", [False, True])
def test_ignore_cache_reads_files_at_every_call(factory: Factory, profile: str, ignore_cache: bool) -> None:
    """With ``ignore_cache`` an unchanged file is read at every call, otherwise only once."""
    io, provider = UniformIo(), factory(profile, ignore_cache=ignore_cache)
    attempt(provider, io)
    attempt(provider, io)
    assert any(known is not None for known in io.known) is not ignore_cache


@each_row("factory, profile", FROM_FILES.values(), ids=[*FROM_FILES])
def test_profile_argument_precedes_aws_profile(factory: Factory, profile: str) -> None:
    """The argument ``profile`` takes precedence over ``AWS_PROFILE``."""
    io = attempt(factory(profile), UniformIo(environ={"AWS_PROFILE": "keys"}))
    expected = {"command": (0, 1), "role": (1, 0), "sso": (1, 0), "login": (1, 0), "elsewhere": (1, 0)}
    assert (len(io.requests), len(io.runs)) == expected[profile]
    assert (io.hosts == ["elsewhere.example.com"]) is (profile == "elsewhere")


@each_row("factory", [anycreds.from_process, anycreds.from_ini])
def test_timeout_of_a_command(factory: Factory) -> None:
    """A command has ``timeout`` seconds, by default 60, minus the time that terminating it takes."""
    io = UniformIo()
    fetch(factory("command", timeout=7.0), io)
    fetch(factory("command"), io)
    first, second = (seconds for _, seconds, _ in io.runs)
    assert 6 < first <= 7
    assert 59 < second <= 60


def test_environ_replaces_the_environment() -> None:
    """``from_env`` reads the given mapping at each call instead of the environment of the process."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIDMINE", "AWS_SECRET_ACCESS_KEY": "canaryMINE"}
    provider, io = anycreds.from_env(environ=environ), UniformIo(environ=ENVIRONMENT_KEYS)
    assert fetch(provider, io).access_key_id == "AKIDMINE"
    environ["AWS_ACCESS_KEY_ID"] = "AKIDNEW"
    assert fetch(provider, io).access_key_id == "AKIDNEW"
    assert fetch(anycreds.from_env(), io).access_key_id == "AKIDENV"


# --- SSO and Cognito

SSO_FACTORIES = each_row("factory", [anycreds.from_sso, default_chain])


@SSO_FACTORIES
def test_options_of_sso(factory: Factory) -> None:
    """The portal receives account, role and the token of the start URL or session, in ``sso_region``."""
    request = requested(factory(**SSO)).requests[0]
    url = "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?account_id=123456789012&role_name=Dev"
    assert str(request.url) == url
    assert request.headers["x-amz-sso_bearer_token"] == "canary-of-url"
    request = requested(factory(**SSO, sso_session="my-sso")).requests[0]
    assert request.headers["x-amz-sso_bearer_token"] == "canary-of-session"
    other = {**SSO, "sso_account_id": "1", "sso_role_name": "r", "sso_region": "us-east-2"}
    url = "https://portal.sso.us-east-2.amazonaws.com/federation/credentials?account_id=1&role_name=r"
    assert str(requested(factory(**other)).requests[0].url) == url


@SSO_FACTORIES
@each_row("missing", SSO)
def test_missing_option_of_sso(factory: Factory, missing: str) -> None:
    """If any option of SSO is given, the factory names the one that is missing."""
    with pytest.raises(InvalidConfigurationError, match=f"{missing} is missing"):
        factory("sso", **{name: value for name, value in SSO.items() if name != missing})


@SSO_FACTORIES
def test_sso_session_without_account(factory: Factory) -> None:
    """``sso_session`` alone names neither account nor role."""
    with pytest.raises(InvalidConfigurationError, match="sso_account_id"):
        factory(sso_session="my-sso")


COGNITO_FACTORIES = each_row("factory", [cognito_identity, cognito_pool])


@COGNITO_FACTORIES
def test_options_of_cognito(factory: Factory) -> None:
    """Cognito receives the ID, the logins and the role."""
    response = answer({"IdentityId": IDENTITY, "Credentials": None})  # valid for the first request of a pool only
    io = requested(factory(logins={"example.com": "canary-login"}, custom_role_arn=ROLE), UniformIo(response))
    last = json.loads(io.requests[-1].body)
    assert last == {"IdentityId": IDENTITY, "Logins": {"example.com": "canary-login"}, "CustomRoleArn": ROLE}
    assert "CustomRoleArn" not in json.loads(requested(factory(), UniformIo(response)).requests[-1].body)


@COGNITO_FACTORIES
@each_row("options", [{"logins": {"example.com": ""}}, {"custom_role_arn": "\n"}], ids=["login", "role"])
def test_invalid_options_of_cognito(factory: Factory, options: dict[str, Any]) -> None:
    """The factory rejects an invalid option, and the error contains no login."""
    with pytest.raises(InvalidConfigurationError) as caught:
        factory(**{"logins": {"example.com": "canary-login"}, **options})
    assert_no_secret(caught.value, "canary")


@COGNITO_FACTORIES
def test_region_of_cognito(factory: Factory) -> None:
    """The region is the prefix of the ID, unless ``client_config`` has another."""
    assert requested(factory()).hosts[0] == "cognito-identity.eu-west-1.amazonaws.com"
    io = requested(factory(client_config=ClientConfig(region="eu-north-1")))
    assert io.hosts[0] == "cognito-identity.eu-north-1.amazonaws.com"


class RecordingCache:
    """An identity cache without content that records the keys."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def get(self, key: str) -> str | None:
        """Return None."""
        self.keys.append(key)
        return None

    async def set(self, key: str, value: str) -> None:
        """Do nothing."""

    async def delete(self, key: str) -> None:
        """Do nothing."""


def test_options_of_a_pool() -> None:
    """The pool receives the account, and the key of the cache contains account and user."""
    cache = RecordingCache()
    provider = cognito_pool(
        account_id="123456789012", cache=cache, user_identifier="me", logins={"example.com": "canary-login"}
    )
    sent = requested(provider).body
    assert sent == {"IdentityPoolId": POOL, "AccountId": "123456789012", "Logins": {"example.com": "canary-login"}}
    assert cache.keys == [f"aws:cognito-identity-credentials:account=123456789012:{POOL}:me"]
    assert requested(cognito_pool()).body == {"IdentityPoolId": POOL}


# --- metadata services


def test_options_of_http() -> None:
    """The endpoint and the token are those of the options, and the environment is then ignored."""
    request = requested(http(), UniformIo(environ=CONTAINER)).requests[0]
    assert str(request.url) == "http://127.0.0.1:1/full"
    assert "Authorization" not in request.headers
    request = requested(anycreds.from_http(relative_uri="/mine"), UniformIo(environ=CONTAINER)).requests[0]
    assert str(request.url) == "http://169.254.170.2/mine"
    request = requested(anycreds.from_http(), UniformIo(environ=CONTAINER)).requests[0]
    assert str(request.url) == "http://169.254.170.2/container"
    for option, value, header in (
        ("authorization_token", "canary-a", "canary-a"),
        ("authorization_token_file", "/token", TOKEN),
    ):
        assert requested(http(**{option: value})).requests[0].headers["Authorization"] == header


INSTANCE: dict[str, Factory] = {
    "from_instance_metadata": anycreds.from_instance_metadata,
    "from_ini": partial(anycreds.from_ini, "instance"),
    "from_default_chain": default_chain,
    "from_default_chain, profile": lambda **options: default_chain("instance", **options),
}


@each_row("factory", INSTANCE.values(), ids=[*INSTANCE])
def test_options_of_instance_metadata(factory: Factory) -> None:
    """Endpoint and mode select the host. IMDSv1 is used after status 403, unless it is disabled."""
    assert requested(factory()).hosts[0] == "169.254.169.254"
    io = requested(factory(endpoint="http://127.0.0.1:1", endpoint_mode="IPv6"))
    assert io.requests[0].url.origin == "http://127.0.0.1:1"
    assert "fd00:ec2::254" in str(requested(factory(endpoint_mode="IPv6")).requests[0].url)
    for disabled, methods in ((None, ["PUT", "GET"]), (False, ["PUT", "GET"]), (True, ["PUT"])):
        io = requested(factory(ec2_metadata_v1_disabled=disabled))
        assert [request.method for request in io.requests] == methods


@pytest.mark.parametrize(("profile", "host"), [("elsewhere", "127.0.0.1"), (None, "169.254.169.254")])
def test_profile_of_instance_metadata(profile: str | None, host: str) -> None:
    """``profile`` selects the profile whose settings count, and takes precedence over ``AWS_PROFILE``."""
    io = UniformIo(environ={"AWS_PROFILE": "nothing"})
    assert requested(anycreds.from_instance_metadata(profile=profile), io).hosts[0] == host


@each_row("factory", [anycreds.from_ini, default_chain])
def test_invalid_max_retries_of_a_profile(factory: Factory) -> None:
    """``max_retries`` is checked when the provider is made, although only some profiles use it."""
    with pytest.raises(InvalidConfigurationError, match="max_retries"):
        factory("keys", max_retries=-1)
