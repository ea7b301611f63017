"""Hostile names and values never become part of a path or host, and error messages stay printable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError, InvalidConfigurationError
from anycreds._core.provider import ClientContext
from anycreds.testing import CANARY, FakeAWS
from support.rows import row

NAMES = {
    "up": "../../x",
    "absolute": "/etc/passwd",
    "backslash": "a\\b",
    "dots": "..",
    "NUL": "\0",
    "newline": "a\nb",
    "escape": "\x1b[2J",
    "accent": "é",
    "lone surrogate": "\ud800",
    "percent": "%s%n",
    "braces": "{self.__init__.__globals__}",
    "dunder": "__class__",
    "prototype": "__proto__",
    "shell": "$(id)`id`';id;'",
    "home": "~root",
    "bracket": "x] [profile default",
    "comment": "x # y",
}
VARIABLES = (
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "HOME",
    "AWS_CONFIG_FILE",
    "AWS_MAX_ATTEMPTS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
KEYS = Credentials("AKIDEXAMPLE", f"{CANARY}-secret")
# None of these is a single DNS label.
REGIONS = (
    "a.b",
    "x/",
    "x@evil.example.com:443/#",
    "us-east-1\n",
    "us-east-\uff11",
    "-x",
    "x-",
    "x" * 64,
    "x y",
    "x%2e",
    "xn--é",
    "?",
)
URLS = (
    "http://user:" + CANARY + "@127.0.0.1/",
    "http://127.0.0.1/#x",
    "http://127.0.0.1/?x",
    "http://127.0.0.1\\@evil.example.com/",
    "http:///x",
    "http://[::1",
    "http://127.1/",
    "http://0x7f000001/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1/../x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "//127.0.0.1/",
    "http://127.0.0.1/\r\nX: y",
    "http://\uff11\uff12\uff17.0.0.1/",
)


def message_of(make: Callable[[], Callable[[], Awaitable[Credentials]]]) -> str:
    """Return the message of the ``CredentialsError`` of creating or awaiting a provider, else an empty string.

    The message must be printable and show no secret.
    """

    async def call() -> None:
        with anyio.fail_after(1):
            await make()()

    try:
        anyio.run(call)
    except CredentialsError as error:
        text = str(error)
        assert all(character.isprintable() or character == "\n" for character in text)
        assert CANARY not in text
        return text
    return ""


def files_in(folder: Path) -> list[Path]:
    """Return all files and directories in a directory."""
    return list(folder.rglob("*"))


def makers_for(name: str, config: ClientConfig) -> list[Callable[[], Callable[[], Awaitable[Credentials]]]]:
    """Return functions that create a provider with this name as an option."""
    sso = partial(
        anycreds.from_sso,
        sso_start_url=name,
        sso_region="us-east-1",
        sso_account_id="1",
        sso_role_name="r",
        client_config=config,
    )
    return [
        lambda: anycreds.from_ini(name),
        lambda: anycreds.from_default_chain(name),
        lambda: anycreds.from_login_credentials(name),
        sso,
        partial(sso, sso_session=name),
        lambda: anycreds.from_temporary_credentials(name, source_credentials=KEYS, client_config=config),
        lambda: anycreds.from_cognito_identity(name, client_config=config),
        lambda: anycreds.from_cognito_identity_pool(name, client_config=config),
    ]


@pytest.mark.fault("L10", "S11")
def test_hostile_names_as_options_create_no_file(fake_aws: FakeAWS, isolated: Path) -> None:
    """Hostile names of profiles, sessions and roles create no file, and messages stay printable."""
    config = ClientConfig(region="us-east-1", endpoint_url=fake_aws.service_url, max_attempts=1)
    for name in NAMES.values():
        with row(name):
            for make in makers_for(name, config):
                message_of(make)
            assert files_in(isolated) == []


@pytest.mark.fault("L10", "S01", "S11")
def test_hostile_names_in_files_create_no_file(
    fake_aws: FakeAWS, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same holds in the shared files for profiles, sessions, sources and services sections."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake_aws.service_url)
    config = isolated / "config"
    for name in (name for name in NAMES.values() if name.isprintable() and name.isascii()):
        config.write_text(
            f"[profile p]\nsso_session = {name}\nsso_account_id = 1\nsso_role_name = r\n"
            f"[sso-session {name}]\nsso_region = us-east-1\nsso_start_url = x\n"
            f"[profile q]\nlogin_session = {name}\n"
            f"[profile {name}]\nlogin_session = x\n"
            f"[profile r]\nsource_profile = {name}\nrole_arn = x\n"
            f"[profile s]\nservices = {name}\nlogin_session = x\n"
            f"[services {name}]\nsts =\n  endpoint_url = {name}\n"
        )
        with row(name):
            for profile in ("p", "q", "r", "s", name):
                assert message_of(partial(anycreds.from_ini, profile, config_filepath=str(config)))
            assert files_in(isolated) == [config]


@pytest.mark.fault("S05")
def test_invalid_regions_are_rejected() -> None:
    """A region that is no DNS label is an error, whatever setting it comes from, and nothing is sent."""
    for region in REGIONS:
        with pytest.raises(InvalidConfigurationError):
            ClientConfig(region=region)
        with pytest.MonkeyPatch.context() as variables:
            variables.setenv("AWS_REGION", region)
            role = partial(anycreds.from_temporary_credentials, "arn", source_credentials=KEYS)
            assert "AWS_REGION" in message_of(role)
        web = anycreds.from_web_token("arn", "token")
        assert "region" in message_of(partial(web.for_client, ClientContext(region=region)))
        assert message_of(partial(anycreds.from_cognito_identity, f"{region}:x"))


@pytest.mark.fault("S03")
def test_ambiguous_endpoint_urls_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that clients parse differently is rejected, and not shown, since it may hold a password."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for url in URLS:
        with pytest.raises(InvalidConfigurationError) as caught:
            ClientConfig(endpoint_url=url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        text = message_of(partial(anycreds.from_temporary_credentials, "arn", source_credentials=KEYS))
        assert "AWS_ENDPOINT_URL_STS" in text
        assert CANARY not in f"{caught.value}{text}"


def test_hostile_variables_end_in_a_result_or_an_error(fake_aws: FakeAWS) -> None:
    """Hostile values of variables end in credentials or a ``CredentialsError``."""
    role = partial(anycreds.from_temporary_credentials, "arn", source_credentials=KEYS)
    for variable in VARIABLES:
        for name in NAMES.values():
            if "\0" in name or "\ud800" in name:  # no variable can hold that
                continue
            with pytest.MonkeyPatch.context() as variables:
                variables.setenv("AWS_ENDPOINT_URL", fake_aws.service_url)
                variables.setenv("AWS_REGION", "us-east-1")
                variables.setenv(variable, name)
                assert message_of(role)
