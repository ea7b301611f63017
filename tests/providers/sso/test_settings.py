"""SSO settings from profiles, sso-session sections and options, and the errors of incomplete ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

import anycreds
from anycreds._config.parser import read
from anycreds._config.profiles import Profiles
from anycreds._core.errors import (
    ConfigParseError,
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    NotConfiguredError,
)
from anycreds._providers.sso.settings import SsoSettings, describe_missing_role, sso_options, sso_settings
from support.errors import error_of
from support.fake_io import FakeIo, run

E = TypeVar("E", bound=CredentialsError)

CONFIG, CREDENTIALS = "~/.aws/config", "~/.aws/credentials"
URL = "https://d-abc123.awsapps.com/start"
ROLE = "sso_account_id = 123456789012\nsso_role_name = Dev\n"
SHARED = f"sso_start_url = {URL}\nsso_region = eu-central-1\n"


def settings_of(config: str, credentials: str = "") -> SsoSettings | None:
    """Return the settings of profile "dev"."""
    profiles = Profiles(read(config, "config"), read(credentials, "credentials"), CONFIG, CREDENTIALS)
    return sso_settings(profiles.find("dev"), profiles)


def error_in(config: str) -> InvalidConfigurationError:
    """Return the error of profile "dev"."""
    error = error_of(settings_of, config, kind=InvalidConfigurationError)
    assert error.source == "SSO"
    return error


def test_profile_with_a_session_has_settings_of_both() -> None:
    """Account and role come from the profile, URL and region from the section; each knows its line."""
    found = settings_of(f"[profile dev]\nsso_session = my-sso\n{ROLE}[sso-session my-sso]\n{SHARED}")
    assert found == SsoSettings(
        start_url=(URL, f"{CONFIG}:6"),  # type: ignore[arg-type]
        account_id=("123456789012", f"{CONFIG}:3"),  # type: ignore[arg-type]
        region=("eu-central-1", f"{CONFIG}:7"),  # type: ignore[arg-type]
        role_name=("Dev", f"{CONFIG}:4"),  # type: ignore[arg-type]
        session=("my-sso", f"{CONFIG}:2"),  # type: ignore[arg-type]
        profile="dev",
    )


def test_profile_without_a_session_has_all_settings() -> None:
    """Without a session all four settings come from the profile, from either file."""
    found = settings_of(f"[profile dev]\n{SHARED}", f"[dev]\n{ROLE}")
    assert isinstance(found, SsoSettings)
    assert found.session is None
    assert found.start_url == (URL, f"{CONFIG}:2")
    assert found.role_name == ("Dev", f"{CREDENTIALS}:3")


def test_profile_and_section_may_agree() -> None:
    """Profile and section may have the same value, and the section may lack URL and region."""
    same = settings_of(f"[profile dev]\nsso_session = s\n{ROLE}{SHARED}[sso-session s]\n{SHARED}")
    assert isinstance(same, SsoSettings)
    assert same.region.origin == f"{CONFIG}:9"
    empty = settings_of(f"[profile dev]\nsso_session = s\n{ROLE}{SHARED}[sso-session s]\nsso_region = eu-central-1")
    assert isinstance(empty, SsoSettings)
    assert empty.start_url.origin == f"{CONFIG}:5"


@pytest.mark.parametrize("text", ["region = x", SHARED, f"sso_session = s\n[sso-session s]\n{SHARED}"])
def test_profile_without_role_has_no_settings(text: str) -> None:
    """A profile with neither account nor role has no SSO credentials; it may be for bearer tokens only."""
    assert settings_of(f"[profile dev]\n{text}") is None


def test_missing_role_is_described() -> None:
    """The description of a profile for bearer tokens only names the session and both missing keys."""
    config = f"[profile dev]\nsso_session = s\n[sso-session s]\n{SHARED}[profile plain]\nregion = x"
    profiles = Profiles(read(config, "config"), None, CONFIG, CREDENTIALS)
    assert describe_missing_role(profiles.find("dev")) == (
        f"profile 'dev' refers to sso-session 's' ({CONFIG}:2), but sso_account_id and sso_role_name are not set"
    )
    assert describe_missing_role(profiles.find("plain")) is None
    config = f"[profile dev]\nsso_session = s\n{ROLE}"
    assert describe_missing_role(Profiles(read(config, "config"), None, CONFIG, CREDENTIALS).find("dev")) is None


@pytest.mark.parametrize("role", ["", ROLE])
def test_missing_session_is_an_error(role: str) -> None:
    """A missing ``sso-session`` section is an error, even if the profile has no account and role."""
    error = error_in(f"[profile dev]\nsso_session = gone\n{role}")
    assert error.message == (
        f"sso-session 'gone' could not be found in {CONFIG}; profile 'dev' refers to it ({CONFIG}:2)"
    )


@pytest.mark.parametrize("role", ["", ROLE])
def test_contradicting_region_is_an_error(role: str) -> None:
    """A profile that contradicts its session is an error, even if the profile has no account and role."""
    error = error_in(f"[profile dev]\nsso_session = s\nsso_region = a\n{role}[sso-session s]\n{SHARED}")
    assert "set different values for sso_region" in error.message


def test_missing_keys_are_named_with_the_origin_of_the_others() -> None:
    """The error names all missing keys and the origin of the others."""
    error = error_in("[profile dev]\nsso_account_id = 1")
    assert error.message == (
        f"profile 'dev' ({CONFIG}:1): sso_start_url, sso_region and sso_role_name are missing, "
        f"beside sso_account_id ({CONFIG}:2)"
    )
    assert error.hint == "set sso_start_url, sso_region and sso_role_name"


def test_missing_key_with_a_session_names_profile_and_section() -> None:
    """The error for a missing key names profile and section."""
    error = error_in(
        f"[profile dev]\nsso_session=s\nsso_role_name=x\nsso_account_id=1\n[sso-session s]\nsso_start_url={URL}"
    )
    assert error.message == (
        f"profile 'dev' ({CONFIG}:1) with sso-session 's' ({CONFIG}:5): sso_region is missing, beside sso_account_id "
        f"({CONFIG}:4), sso_role_name ({CONFIG}:3), sso_start_url ({CONFIG}:6)"
    )


def test_account_and_role_must_be_in_the_profile() -> None:
    """Account and role in the ``sso-session`` section are ignored."""
    error = error_in(f"[profile dev]\nsso_session=s\nsso_role_name=x\n[sso-session s]\n{SHARED}{ROLE.splitlines()[0]}")
    assert "sso_account_id is missing" in error.message


@pytest.mark.parametrize("key", ["sso_start_url", "sso_region", "sso_account_id", "sso_role_name"])
def test_conflict_of_profile_and_section_is_an_error_with_both_lines(key: str) -> None:
    """Different values in profile and section are an error with both lines and no value."""
    error = error_in(f"[profile dev]\nsso_session=s\nsso_role_name=x\n{key}=mine\n[sso-session s]\n{key}=theirs\n")
    assert error.message == (
        f"profile 'dev' and its sso-session 's' set different values for {key} ({CONFIG}:4 and {CONFIG}:6)"
    )
    assert error.hint == "remove one of the two"


def test_unknown_session() -> None:
    """The error for a missing section contains the profile, its line and similar names."""
    error = error_in(f"[profile dev]\nsso_session = my-ssO\n{ROLE}[sso-session my-sso]\n{SHARED}")
    assert error.message == (
        f"sso-session 'my-ssO' could not be found in {CONFIG}; profile 'dev' refers to it ({CONFIG}:2)"
    )
    assert error.hint == "did you mean 'my-sso'?"


def test_malformed_line() -> None:
    """A malformed line in section or profile is an error with file and line."""
    for text in (
        f"[profile dev]\nsso_session = s\n{ROLE}[sso-session s]\n{SHARED}this is no setting",
        f"[profile dev]\n{ROLE}this is no setting",
    ):
        error = error_in(text)
        assert isinstance(error, ConfigParseError)
        assert error.line == len(text.splitlines())


def test_invalid_value() -> None:
    """The error for an invalid value contains its line and not the value."""
    error = error_in(f"[profile dev]\n{SHARED}sso_account_id = 1\nsso_role_name = {'x' * 16385}")
    assert error.message == (
        f"profile 'dev' ({CONFIG}:1): sso_role_name ({CONFIG}:5) has 16385 characters; expected at most 16384"
    )


OPTIONS = {"sso_start_url": URL, "sso_account_id": "1", "sso_region": "eu-central-1", "sso_role_name": "Dev"}


def test_four_options_are_sufficient() -> None:
    """The four options are sufficient, and belong to no profile."""
    found = sso_options(**OPTIONS)
    assert isinstance(found, SsoSettings)
    assert found.region == ("eu-central-1", "option sso_region")
    assert (found.session, found.profile) == (None, None)
    with_session = sso_options(**OPTIONS, sso_session="s")
    assert isinstance(with_session, SsoSettings)
    assert with_session.session == ("s", "option sso_session")


def test_blank_options_count_as_not_set() -> None:
    """Options that are not given or blank count as not set."""
    assert sso_options() is None
    assert sso_options(sso_region="", sso_session=" ") is None


@pytest.mark.parametrize("missing", [*OPTIONS])
def test_missing_option_is_named(missing: str) -> None:
    """The error for a missing option names it."""
    for absent in ({}, {missing: " "}):
        given = {name: value for name, value in OPTIONS.items() if name != missing} | absent
        error = error_of(sso_options, **given, kind=InvalidConfigurationError)
        assert error.message.startswith(f"options: {missing} is missing, beside ")
        assert error.hint == f"set {missing}"


def test_session_option_alone_is_an_error() -> None:
    """``sso_session`` alone is an error that names the four other options."""
    error = error_of(sso_options, sso_session="s", kind=InvalidConfigurationError)
    assert error.message == (
        "options: sso_start_url, sso_region, sso_account_id and sso_role_name are missing, "
        "beside sso_session (option sso_session)"
    )


@pytest.mark.parametrize("value", [5, b"x", ["x"]])
def test_option_that_is_not_text_is_an_error(value: Any) -> None:
    """An option that is not a text is an error that names it."""
    error = error_of(sso_options, **{**OPTIONS, "sso_account_id": value}, kind=InvalidConfigurationError)
    assert error.message.startswith("options: sso_account_id (option sso_account_id) is not text but ")


# --- what the factories raise

SESSION_ONLY = f"[profile dev]\nsso_session = corp\n[sso-session corp]\n{SHARED}"


def fetch_error(config: str, profile: str, kind: type[E], factory: Callable[[str], Any] = anycreds.from_ini) -> E:
    """Return the error that a provider raises for a profile of this config file."""
    io = FakeIo(environ={"HOME": "/home/x"}, files={"/home/x/.aws/config": config.encode()})
    provider = factory(profile)
    return error_of(lambda: run(provider._fetch(io, anycreds.ClientContext())), kind=kind)


@pytest.mark.parametrize("factory", [anycreds.from_ini, anycreds.from_sso])
def test_session_without_account_and_role_is_not_configured(factory: Callable[[str], Any]) -> None:
    """A chain continues after a profile with an ``sso-session`` only, and the message names the two missing keys."""
    error = fetch_error(SESSION_ONLY, "dev", NotConfiguredError, factory)
    assert error.message == (
        "profile 'dev' refers to sso-session 'corp' (~/.aws/config:2), but sso_account_id and sso_role_name are not set"
    )


@pytest.mark.parametrize("factory", [anycreds.from_ini, anycreds.from_sso])
@pytest.mark.parametrize(("key", "missing"), [("sso_account_id", "sso_role_name"), ("sso_role_name", "sso_account_id")])
def test_session_without_account_or_role_is_an_error(factory: Callable[[str], Any], key: str, missing: str) -> None:
    """A profile with one of account and role is an error that names the other one."""
    config = SESSION_ONLY.replace("corp\n", f"corp\n{key} = 1\n", 1)
    error = fetch_error(config, "dev", InvalidConfigurationError, factory)
    assert f"{missing} is missing" in error.message
    assert "sso-session 'corp'" in error.message


@pytest.mark.parametrize("factory", [anycreds.from_ini, anycreds.from_sso])
def test_missing_session_stops_a_chain(factory: Callable[[str], Any]) -> None:
    """A profile that refers to a missing ``sso-session`` is an error that names the section."""
    error = fetch_error("[profile dev]\nsso_session = gone\n", "dev", InvalidConfigurationError, factory)
    assert "sso-session 'gone' could not be found in ~/.aws/config" in error.message


def test_session_without_account_and_role_as_a_source_is_an_error() -> None:
    """A role on top of a profile with an ``sso-session`` only is an error that names the missing keys."""
    config = f"{SESSION_ONLY}[profile top]\nrole_arn = arn:r\nsource_profile = dev\n"
    error = fetch_error(config, "top", InvalidConfigurationError)
    assert "sso_account_id and sso_role_name are not set" in error.message
    assert "profile 'top'" in error.message


def test_login_session_beside_an_sso_session_is_used() -> None:
    """A profile with an ``sso-session`` for bearer tokens may have a console login for its credentials."""
    config = SESSION_ONLY.replace("corp\n", "corp\nlogin_session = arn:aws:iam::1:user/me\n", 1)
    assert fetch_error(config, "dev", LoginRequiredError).source == "login"
