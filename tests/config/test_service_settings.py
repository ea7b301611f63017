"""What environment and profile say about services: each source beats all below it, and rubbish is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._config.parser import read
from anycreds._config.profiles import merge
from anycreds._config.service_settings import Configured
from anycreds._config.settings import Setting
from anycreds._config.shared_files import view_of
from anycreds._core.errors import CredentialsError, InvalidConfigurationError
from support.fake_io import SECRET_KEY
from support.strategies import shown_texts

FILE = "~/.aws/config"
WHO = "somebody"
ATTEMPTS = "AWS_MAX_ATTEMPTS"
IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
SERVICES = ["sts", "sso", "sso_oidc", "signin", "cognito_identity"]


def configured(config: str = "", environ: Mapping[str, Any] | None = None, profile: str = "dev") -> Configured:
    """Take a config file and variables for what counts."""
    view = view_of(merge(read(config, "config"), None, FILE, "~/.aws/credentials"), profile)
    assert not isinstance(view, CredentialsError)
    return Configured(environ or {}, view, WHO)


def error_in(found: object) -> str:
    """Return what an error says that came as a value."""
    assert isinstance(found, InvalidConfigurationError)
    assert found.source in (WHO, "shared files")
    return str(found)


# --- endpoint_url


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("at", range(4))
def test_order_of_endpoints(service: str, at: int) -> None:
    """The service's variable, the general one, the services section, the profile: each beats all below it."""
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
    assert configured(config, environ).endpoint_url(service) == expected


def test_no_endpoint() -> None:
    """Without any, or with those of other services only, there is none."""
    config = "[profile dev]\nservices = s\n[services s]\ns3 =\n  endpoint_url = http://s3\n"
    for one in (configured(), configured(config), configured(config, {"AWS_ENDPOINT_URL_S3": "http://s3"})):
        assert one.endpoint_url("sts") is None


def test_names_are_not_mixed_up() -> None:
    """The portal's endpoint is not that of OIDC, nor the other way round."""
    section = "[services s]\nsso =\n  endpoint_url = http://portal\nsso_oidc =\n  endpoint_url = http://oidc\n"
    one = configured(f"[profile dev]\nservices = s\n{section}")
    assert [one.endpoint_url(name) for name in ("sso", "sso_oidc")] == [
        ("http://portal", f"{FILE}:5"),
        ("http://oidc", f"{FILE}:7"),
    ]
    one = configured("", {"AWS_ENDPOINT_URL_SSO": "http://portal", "AWS_ENDPOINT_URL_SSO_OIDC": "http://oidc"})
    assert [str(one.endpoint_url(name)[0]) for name in ("sso", "sso_oidc")] == [  # type: ignore[index]
        "http://portal",
        "http://oidc",
    ]


@pytest.mark.parametrize("service", ["sso_oidc", "cognito_identity"])
def test_hyphen_or_underscore(service: str) -> None:
    """A section may write a service of two words with a hyphen; with an underscore, as the reference has it, wins."""
    hyphen = service.replace("_", "-")
    start = f"[profile dev]\nservices = s\n[services s]\n{hyphen} =\n  endpoint_url = http://hyphen\n"
    assert configured(start).endpoint_url(service) == ("http://hyphen", f"{FILE}:5")
    both = f"{start}{service} =\n  endpoint_url = http://underscore\n"
    assert configured(both).endpoint_url(service) == ("http://underscore", f"{FILE}:7")


@pytest.mark.parametrize("blank", ["", " "])
def test_blank_endpoints(blank: str) -> None:
    """What is blank counts as not set, everywhere: in variables, in the section, in the profile."""
    config = (
        "[profile dev]\nservices = s\nendpoint_url = http://profile\n"
        f"[services s]\nsts =\n  endpoint_url ={blank}\n  other = x\n"
    )
    environ = {"AWS_ENDPOINT_URL_STS": blank, "AWS_ENDPOINT_URL": blank, IGNORE: blank}
    assert configured(config, environ).endpoint_url("sts") == ("http://profile", f"{FILE}:3")


def test_missing_section() -> None:
    """A section that the profile names and nobody has is an error with both names, once the section matters."""
    config = "[profile dev]\nendpoint_url = http://profile\nservices = locl\n[services local]\n"
    said = error_in(configured(config).endpoint_url("sts"))
    for part in ("services 'locl'", f"profile 'dev' names it ({FILE}:3)", "did you mean 'local'?"):
        assert part in said
    assert configured(config, {"AWS_ENDPOINT_URL": "http://a"}).endpoint_url("sts") == ("http://a", "AWS_ENDPOINT_URL")
    assert configured(config, {IGNORE: "true"}).endpoint_url("sts") is None


def test_unreadable_section() -> None:
    """A section with a line that was not understood is an error with that line, once the section matters."""
    config = f"[profile dev]\nservices = s\n[services s]\nsts =\n  endpoint_url = http://a\n{SECRET_KEY}\n"
    said = error_in(configured(config).endpoint_url("sts"))
    assert f"{FILE}:6" in said
    assert SECRET_KEY not in said
    assert configured(config, {IGNORE: "1"}).endpoint_url("sts") is None


@pytest.mark.parametrize(
    ("variable", "key", "ignored"),
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
def test_ignored_endpoints(variable: str | None, key: str | None, ignored: bool) -> None:
    """The switch takes all configured endpoints away, and the environment's switch beats the profile's."""
    line = "" if key is None else f"ignore_configured_endpoint_urls = {key}"
    config = f"[profile dev]\nendpoint_url = http://profile\n{line}\n"
    environ = {} if variable is None else {IGNORE: variable}
    for more in ({}, {"AWS_ENDPOINT_URL": "http://a"}, {"AWS_ENDPOINT_URL_STS": "http://a"}):
        assert (configured(config, {**environ, **more}).endpoint_url("sts") is None) is ignored


def test_unreadable_switch() -> None:
    """A switch that is neither on nor off is an error with its place, and no endpoint is used."""
    said = error_in(configured("", {IGNORE: "maybe", "AWS_ENDPOINT_URL": "http://a"}).endpoint_url("sts"))
    assert IGNORE in said
    config = "[profile dev]\nignore_configured_endpoint_urls = maybe\n"
    assert f"{FILE}:2" in error_in(configured(config).endpoint_url("sts"))


# --- region


@pytest.mark.parametrize("at", range(5))
def test_order_of_regions(at: int) -> None:
    """The profile's, the client's, AWS_REGION, AWS_DEFAULT_REGION: each beats all below it; then there is none."""
    expected = [
        ("eu-profile-1", f"{FILE}:2"),
        ("eu-caller-1", "the region of the client"),
        ("eu-variable-1", "AWS_REGION"),
        ("eu-old-1", "AWS_DEFAULT_REGION"),
        None,
    ]
    environ = {"AWS_REGION": "eu-variable-1", "AWS_DEFAULT_REGION": "eu-old-1"}
    for name in list(environ)[: max(0, at - 2)]:
        del environ[name]
    config = "[profile dev]\nregion = eu-profile-1\n" if at == 0 else "[profile dev]\nregion =\n"
    found = configured(config, environ).region("eu-caller-1" if at <= 1 else None)
    assert found == expected[at]


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_blank_regions(blank: str) -> None:
    """Blanks are no region, neither of the client nor in a variable nor in the profile."""
    one = configured(f"[profile dev]\nregion ={blank}\n", {"AWS_REGION": blank, "AWS_DEFAULT_REGION": "eu-old-1"})
    assert one.region(blank) == ("eu-old-1", "AWS_DEFAULT_REGION")


# --- attempts


@pytest.mark.parametrize(
    ("variable", "key", "number"),
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
def test_attempts(variable: Any, key: str | None, number: int) -> None:
    """The environment's number beats the profile's, and without either it is three."""
    config = "" if key is None else f"[profile dev]\nmax_attempts = {key}\n"
    assert configured(config, {} if variable is None else {ATTEMPTS: variable}).attempts() == number


@pytest.mark.parametrize(
    "value",
    ["0", "-1", "101", "1000", "10000", "3.0", "1e1", "three", "+3", "1_0", "\u0663", "\u00b2", "0x5", "00100000",
     "0" * 5000 + "5", "0001" + "9" * 5000, "9" * 5000, SECRET_KEY, "3\x00"],
)  # fmt: skip
def test_rubbish_for_attempts(value: str) -> None:
    """What is no number from 1 to 100 is an error with its place, and never shown if it is long."""
    said = error_in(configured("", {ATTEMPTS: value}).attempts())
    assert ATTEMPTS in said
    assert len(said) < 200
    assert SECRET_KEY not in said


def test_rubbish_for_attempts_in_the_profile() -> None:
    """The same for the profile's, with file and line."""
    assert f"{FILE}:2" in error_in(configured("[profile dev]\nmax_attempts = many\n").attempts())


# --- switches


@pytest.mark.parametrize(
    ("variable", "key", "on"),
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
def test_switches(variable: Any, key: str | None, on: bool) -> None:
    """The variable beats the profile, and without either a switch is off."""
    config = "" if key is None else f"[profile dev]\nuse_fips_endpoint = {key}\n"
    environ = {} if variable is None else {"AWS_USE_FIPS_ENDPOINT": variable}
    assert configured(config, environ).is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint") is on


# --- the view of the profile


def test_profile_that_is_not_there() -> None:
    """A profile that does not exist says nothing."""
    one = configured("[profile other]\nregion = eu-west-1\nmax_attempts = 9\nendpoint_url = http://a\n")
    assert (one.region(None), one.attempts(), one.endpoint_url("sts")) == (None, 3, None)


VARIABLES = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", IGNORE, ATTEMPTS]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(VARIABLES), shown_texts() | st.integers()), shown_texts() | st.none())
def test_any_environment(environ: dict[str, Any], caller: str | None) -> None:
    """Whatever variables hold, each question has an answer, or an error as a value."""
    one = configured("", environ)
    for found in (one.region(caller), one.endpoint_url("sts")):
        assert found is None or isinstance(found, Setting | InvalidConfigurationError)
    assert isinstance(attempts := one.attempts(), int | InvalidConfigurationError)
    assert isinstance(attempts, InvalidConfigurationError) or 1 <= attempts <= 100
