"""The settings of service calls: their precedence, and the errors of invalid values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._config.client_config import ClientConfig
from anycreds._config.parser import read
from anycreds._config.profiles import Profiles
from anycreds._config.service_settings import ServiceSettings, read_service_settings
from anycreds._config.settings import Setting
from anycreds._config.shared_files import view_of
from anycreds._core.errors import InvalidConfigurationError, strip_frames
from support import errors
from support.fake_io import SECRET_KEY
from support.rows import each_row

FILE = "~/.aws/config"
WHO = "a provider"
ATTEMPTS = "AWS_MAX_ATTEMPTS"
IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
SERVICES = ["sts", "sso", "sso_oidc", "signin", "cognito_identity"]


def configured(
    config: str = "",
    environ: Mapping[str, Any] | None = None,
    service: str = "sts",
    client_region: str | None = None,
    options: ClientConfig | None = None,
    *,
    profile_first: bool = True,
) -> ServiceSettings:
    """Return the settings of a service from a config file with the profile "dev", variables and options."""
    view = view_of(Profiles(read(config, "config"), None, FILE, "~/.aws/credentials"), "dev")
    return read_service_settings(
        service, environ or {}, view, WHO, config=options, client_region=client_region, profile_first=profile_first
    )


def error_of(config: str = "", environ: Mapping[str, Any] | None = None) -> str:
    """Return the text of the error that reading the settings raises."""
    error = errors.error_of(configured, config, environ, kind=InvalidConfigurationError)
    assert error.source in (WHO, "shared files")
    return str(error)


# --- endpoint_url


@each_row("service", SERVICES)
@each_row("at", range(4))
def test_order_of_endpoints(service: str, at: int) -> None:
    """A URL comes from the service's variable, the general one, the services section, the profile, in this order."""
    title = service.upper()
    environ = {f"AWS_ENDPOINT_URL_{title}": "http://own", "AWS_ENDPOINT_URL": "http://general"}
    expected = [
        ("http://own", f"AWS_ENDPOINT_URL_{title}"),
        ("http://general", "AWS_ENDPOINT_URL"),
        ("http://section", f"{FILE}:6"),
        ("http://profile", f"{FILE}:2"),
    ][at]
    for name in list(environ)[:at]:
        del environ[name]
    named = "services = s" if at < 3 else "# none"
    config = (
        f"[profile dev]\nendpoint_url = http://profile\n{named}\n"
        f"[services s]\n{service} =\n  endpoint_url = http://section\n"
    )
    assert configured(config, environ, service).endpoint_url == expected


def test_endpoint_of_another_service_is_not_used() -> None:
    """Without a URL, or with URLs of other services only, there is none."""
    config = "[profile dev]\nservices = s\n[services s]\ns3 =\n  endpoint_url = http://s3\n"
    for one in (configured(), configured(config), configured(config, {"AWS_ENDPOINT_URL_S3": "http://s3"})):
        assert one.endpoint_url is None


def test_sso_and_sso_oidc_are_independent() -> None:
    """The URLs of ``sso`` and ``sso_oidc`` are independent."""
    section = "[services s]\nsso =\n  endpoint_url = http://portal\nsso_oidc =\n  endpoint_url = http://oidc\n"
    config = f"[profile dev]\nservices = s\n{section}"
    assert [configured(config, None, name).endpoint_url for name in ("sso", "sso_oidc")] == [
        ("http://portal", f"{FILE}:5"),
        ("http://oidc", f"{FILE}:7"),
    ]
    environ = {"AWS_ENDPOINT_URL_SSO": "http://portal", "AWS_ENDPOINT_URL_SSO_OIDC": "http://oidc"}
    assert [configured("", environ, name).endpoint_url for name in ("sso", "sso_oidc")] == [
        ("http://portal", "AWS_ENDPOINT_URL_SSO"),
        ("http://oidc", "AWS_ENDPOINT_URL_SSO_OIDC"),
    ]


@pytest.mark.parametrize("service", ["sso_oidc", "cognito_identity"])
def test_service_name_may_have_a_hyphen(service: str) -> None:
    """A section may have a hyphen in a service's name; the underscore of the reference takes precedence."""
    hyphen = service.replace("_", "-")
    start = f"[profile dev]\nservices = s\n[services s]\n{hyphen} =\n  endpoint_url = http://hyphen\n"
    assert configured(start, None, service).endpoint_url == ("http://hyphen", f"{FILE}:5")
    both = f"{start}{service} =\n  endpoint_url = http://underscore\n"
    assert configured(both, None, service).endpoint_url == ("http://underscore", f"{FILE}:7")


@pytest.mark.parametrize("blank", ["", " "])
def test_blank_endpoint_counts_as_not_set(blank: str) -> None:
    """A blank URL counts as not set in variables, section and profile."""
    config = (
        "[profile dev]\nservices = s\nendpoint_url = http://profile\n"
        f"[services s]\nsts =\n  endpoint_url ={blank}\n  other = x\n"
    )
    environ = {"AWS_ENDPOINT_URL_STS": blank, "AWS_ENDPOINT_URL": blank, IGNORE: blank}
    assert configured(config, environ).endpoint_url == ("http://profile", f"{FILE}:3")


def test_missing_services_section_is_an_error() -> None:
    """A missing section is an error with its name and that of the profile, and only if it is needed."""
    config = "[profile dev]\nendpoint_url = http://profile\nservices = locl\n[services local]\n"
    said = error_of(config)
    for part in ("services 'locl'", f"profile 'dev' refers to it ({FILE}:3)", "did you mean 'local'?"):
        assert part in said
    assert configured(config, {"AWS_ENDPOINT_URL": "http://a"}).endpoint_url == ("http://a", "AWS_ENDPOINT_URL")
    assert configured(config, {IGNORE: "true"}).endpoint_url is None


def test_malformed_services_section_is_an_error() -> None:
    """A malformed line in the section is an error with file and line, and only if the section is needed."""
    config = f"[profile dev]\nservices = s\n[services s]\nsts =\n  endpoint_url = http://a\n{SECRET_KEY}\n"
    said = error_of(config)
    assert f"unable to parse {FILE}:6: the line has no =" in said
    assert SECRET_KEY not in said
    assert configured(config, {IGNORE: "1"}).endpoint_url is None


@each_row(
    "variable, key, ignored",
    [
        (None, None, False),
        ("true", None, True),
        ("TRUE", "false", True),
        ("false", "true", False),
        (None, "true", True),
        (None, "false", False),
        (" ", "yes", True),
    ],
)
def test_ignore_setting_disables_configured_endpoints(variable: str | None, key: str | None, ignored: bool) -> None:
    """The setting ignores all configured URLs, and the variable overrides the profile."""
    line = "" if key is None else f"ignore_configured_endpoint_urls = {key}"
    config = f"[profile dev]\nendpoint_url = http://profile\n{line}\n"
    environ = {} if variable is None else {IGNORE: variable}
    for more in ({}, {"AWS_ENDPOINT_URL": "http://a"}, {"AWS_ENDPOINT_URL_STS": "http://a"}):
        assert (configured(config, {**environ, **more}).endpoint_url is None) is ignored


def test_invalid_boolean_is_an_error_with_its_origin() -> None:
    """An invalid boolean is an error with its origin."""
    said = error_of("", {IGNORE: "maybe", "AWS_ENDPOINT_URL": "http://a"})
    assert IGNORE in said
    config = "[profile dev]\nignore_configured_endpoint_urls = maybe\n"
    assert f"{FILE}:2" in error_of(config)


# --- attempts


@each_row(
    "variable, key, number",
    [
        (None, None, 3),
        (" ", "", 3),
        ("1", None, 1),
        (" 7 ", "9", 7),
        (None, "9", 9),
        ("100", "rubbish", 100),
        ("05", None, 5),
        (4, None, 4),
    ],
)
def test_variable_with_attempts_precedes_the_profile(variable: Any, key: str | None, number: int) -> None:
    """The variable overrides the profile, and the default is three attempts."""
    config = "" if key is None else f"[profile dev]\nmax_attempts = {key}\n"
    assert configured(config, {} if variable is None else {ATTEMPTS: variable}).max_attempts == number


@each_row(
    "value",
    ["0", "-1", "101", "1000", "10000", "3.0", "1e1", "three", "+3", "1_0", "\u0663", "\u00b2", "0x5", "00100000",
     "0" * 5000 + "5", "0001" + "9" * 5000, "9" * 5000, SECRET_KEY, "3\x00"],
)  # fmt: skip
def test_invalid_attempts_are_an_error_with_their_origin(value: str) -> None:
    """An invalid number is an error with its origin, and a long value is not displayed."""
    said = error_of("", {ATTEMPTS: value})
    assert ATTEMPTS in said
    assert len(said) < 200
    assert SECRET_KEY not in said


def test_invalid_attempts_in_the_profile() -> None:
    """An invalid number in the profile is an error with key, file and line."""
    assert f"{FILE}:2" in error_of("[profile dev]\nmax_attempts = many\n")


# --- FIPS and dual-stack endpoints


@each_row(
    "variable, key, on",
    [
        (None, None, False),
        ("true", "false", True),
        ("false", "true", False),
        (" ", "true", True),
        (None, "1", True),
        (None, "off", False),
        (True, None, True),
    ],
)
def test_variables_of_fips_and_dualstack_precede_the_profile(variable: Any, key: str | None, on: bool) -> None:
    """The variable overrides the profile, and both settings are off by default."""
    config = "" if key is None else f"[profile dev]\nuse_fips_endpoint = {key}\n"
    environ = {} if variable is None else {"AWS_USE_FIPS_ENDPOINT": variable}
    assert configured(config, environ).use_fips is on
    assert (
        configured(
            config.replace("fips", "dualstack"), {k.replace("FIPS", "DUALSTACK"): v for k, v in environ.items()}
        ).use_dualstack
        is on
    )


# --- the view of the profile


def test_missing_profile_has_no_settings() -> None:
    """A profile that does not exist has no settings."""
    config = "[profile other]\nregion = eu-west-1\nmax_attempts = 9\nendpoint_url = http://a\n"
    assert configured(config) == (None, None, False, False, 3, None, None)


# --- options


def test_options_take_precedence() -> None:
    """Options override environment and profile, and a setting that is overridden is not validated."""
    bad = (
        "[profile dev]\nmax_attempts = many\nuse_fips_endpoint = maybe\nuse_dualstack_endpoint = maybe\nservices = x\n"
    )
    environ = {IGNORE: "maybe", "AWS_USE_FIPS_ENDPOINT": "maybe", ATTEMPTS: "many"}
    options = ClientConfig(endpoint_url="http://option", use_fips=True, use_dualstack=False, max_attempts=7)
    assert configured(bad, environ, options=options) == (
        None,
        ("http://option", "option client_config.endpoint_url"),
        True,
        False,
        7,
        None,
        None,
    )
    view = view_of(Profiles(read("[profile dev]\nregion = eu-west-1", "config"), None, FILE, ""), "dev")
    fixed = Setting("eu-south-1", "sso_region")
    assert read_service_settings("sso", {}, view, WHO, region=fixed, client_region="eu-north-1").region is fixed


VARIABLES = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", IGNORE, ATTEMPTS]


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text() | st.integers()), st.text() | st.none())
def test_any_environment_is_read_or_rejected(environ: dict[str, Any], caller: str | None) -> None:
    """Any variables can be read, or raise ``InvalidConfigurationError``."""
    try:
        found = configured("", environ, client_region=caller)
    except InvalidConfigurationError as error:
        strip_frames(error)
        return
    assert 1 <= found.max_attempts <= 100
