"""The settings of EC2 metadata: their precedence, and the errors of invalid values."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anycreds._config.parser import read
from anycreds._config.profiles import Profiles
from anycreds._config.service_settings import ProfileView
from anycreds._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError
from anycreds._providers.imds.settings import (
    ImdsOptions,
    ImdsSettings,
    needs_profile,
    resolve_imds_settings,
)
from support.errors import error_of
from support.fake_io import SECRET_KEY
from support.rows import each_row

DISABLED = "AWS_EC2_METADATA_DISABLED"
ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
V1 = "AWS_EC2_METADATA_V1_DISABLED"
TIMEOUT = "AWS_METADATA_SERVICE_TIMEOUT"
ATTEMPTS = "AWS_METADATA_SERVICE_NUM_ATTEMPTS"
KEY = "ec2_metadata_service_endpoint"
V4, V6 = "http://169.254.169.254", "http://[fd00:ec2::254]"


def view(*lines: str) -> ProfileView:
    """Return the view of a profile with these lines, which begin in line 2 of the file."""
    text = "\n".join(["[default]", *lines])
    profile = Profiles(read(text, "config"), None, "~/.aws/config", "~/.aws/credentials").find("default")
    return ProfileView(profile)


def found(environ: dict[str, str], options: ImdsOptions, profile_view: ProfileView | None) -> ImdsSettings:
    """Return the settings that apply."""
    return resolve_imds_settings(environ, options, profile_view)


# From the strongest to the weakest: what sets it, the URL that it gives, and what an error calls it.
SOURCES: list[tuple[str, str, str]] = [
    ("option", "http://option", "option endpoint"),
    ("variable", "http://variable", ENDPOINT),
    ("profile", "http://profile", f"{KEY} in ~/.aws/config:2"),
    ("option mode", V6, "option endpoint_mode"),
    ("variable mode", V4, MODE),
    ("profile mode", V6, f"{KEY}_mode in ~/.aws/config:3"),
]


@each_row("at", range(len(SOURCES)))
def test_endpoint_comes_from_the_strongest_setting(at: int) -> None:
    """The endpoint comes from option, variable, profile, then the mode from the same three, in this order."""
    is_set = {name: index >= at for index, (name, _, _) in enumerate(SOURCES)}
    options = ImdsOptions(
        endpoint="http://option" if is_set["option"] else None,
        endpoint_mode="IPv6" if is_set["option mode"] else None,
    )
    environ = {name: value for name, value, source in (
        (ENDPOINT, "http://variable", "variable"), (MODE, "IPv4", "variable mode")
    ) if is_set[source]}  # fmt: skip
    profile_view = view(
        f"{KEY} = http://profile" if is_set["profile"] else "",
        f"{KEY}_mode = ipv6" if is_set["profile mode"] else "",
    )
    _, url, origin = SOURCES[at]
    settings = found(environ, options, profile_view)
    assert (str(settings.url), settings.origin) == (url, origin)


def test_default_endpoint_is_the_ipv4_address() -> None:
    """The default endpoint is the IPv4 address, whether the profile was read or not."""
    for profile_view in (None, ProfileView(), view("region = eu-central-1")):
        settings = found({}, ImdsOptions(), profile_view)
        assert (str(settings.url), settings.origin) == (V4, "the default endpoint")


@each_row("blank", ["", " ", "\t"])
def test_blank_settings_count_as_not_set(blank: str) -> None:
    """A blank variable or key counts as not set."""
    profile_view = view(f"{KEY} ={blank}", f"{KEY}_mode = IPv6")
    assert str(found({ENDPOINT: blank, MODE: blank, V1: blank}, ImdsOptions(), profile_view).url) == V6


def test_overridden_settings_are_not_validated() -> None:
    """Invalid settings that are overridden are not errors."""
    profile_view = view(f"{KEY} = http://a", f"{KEY}_mode = rubbish", "ec2_metadata_v1_disabled = rubbish")
    assert str(found({MODE: "rubbish", V1: "true"}, ImdsOptions(), profile_view).url) == "http://a"
    assert found({V1: "rubbish"}, ImdsOptions(ec2_metadata_v1_disabled=True), profile_view).v1_disabled_by is not None


@each_row("mode, url", [("IPv4", V4), ("ipv4 ", V4), ("ipv6", V6), ("IPV6", V6)])
def test_mode_is_read_in_any_case(mode: str, url: str) -> None:
    """The mode may be in upper or lower case, as an option, in a variable and in the profile."""
    for environ, options, profile_view in (
        ({}, ImdsOptions(endpoint_mode=mode), None),
        ({MODE: mode}, ImdsOptions(), None),
        ({}, ImdsOptions(), view(f"{KEY}_mode = {mode}")),
    ):
        assert str(found(environ, options, profile_view).url) == url


@each_row("mode", ["4", "v6", "dual", SECRET_KEY])
def test_unknown_mode_is_an_error_with_its_origin(mode: str) -> None:
    """An unknown mode is an error with option, variable, or key with file and line, and without a long value."""
    for environ, options, profile_view, origin in (
        ({}, ImdsOptions(endpoint_mode=mode), None, "option endpoint_mode"),
        ({MODE: mode}, ImdsOptions(), None, MODE),
        ({}, ImdsOptions(), view("", f"{KEY}_mode = {mode}"), f"{KEY}_mode in ~/.aws/config:3"),
    ):
        error = error_of(resolve_imds_settings, environ, options, profile_view, kind=InvalidConfigurationError)
        assert str(error).startswith(f"EC2 instance metadata: {origin} is ")
        assert SECRET_KEY not in str(error)


# --- version 1


@each_row(
    "option, variable, key, disabled_by, allowed_by",
    [
        (True, "false", "false", "option", None),
        (False, "true", "false", "variable", None),
        (False, None, "true", "key", None),
        (False, "false", "true", None, "option"),
        (False, None, None, None, "option"),
        (None, "true", "false", "variable", None),
        (None, "false", "true", None, "variable"),
        (None, None, "true", "key", None),
        (None, None, "off", None, "key"),
        (None, " ", None, None, None),
        (None, None, None, None, None),
    ],
)
def test_option_variable_and_profile_allow_or_disable_imdsv1(
    option: bool | None, variable: str | None, key: str | None, disabled_by: str | None, allowed_by: str | None
) -> None:
    """The option disables IMDSv1, else the variable decides, else the profile; each may allow it explicitly."""
    environ = {} if variable is None else {V1: variable}
    profile_view = view("" if key is None else f"ec2_metadata_v1_disabled = {key}")
    settings = found(environ, ImdsOptions(ec2_metadata_v1_disabled=option), profile_view)
    origins = {
        None: None,
        "option": "option ec2_metadata_v1_disabled",
        "variable": V1,
        "key": "ec2_metadata_v1_disabled in ~/.aws/config:2",
    }
    assert (settings.v1_disabled_by, settings.v1_allowed_by) == (origins[disabled_by], origins[allowed_by])


def test_invalid_imdsv1_setting_of_the_profile() -> None:
    """An invalid value in the profile is an error with its line."""
    rubbish = view("ec2_metadata_v1_disabled = maybe")
    error = error_of(resolve_imds_settings, {}, ImdsOptions(), rubbish, kind=InvalidConfigurationError)
    assert "ec2_metadata_v1_disabled in ~/.aws/config:2 is 'maybe'" in str(error)


# --- timeout and retries


@each_row(
    "option, variable, key, expected",
    [
        (2.5, "3", "4", 2.5),
        (None, "3", "4", 3.0),
        (None, " 0.25 ", None, 0.25),
        (None, None, "4", 4.0),
        (None, "", ".5", 0.5),
        (None, None, None, 1.0),
    ],
)
def test_timeout_comes_from_option_variable_or_profile(
    option: float | None, variable: str | None, key: str | None, expected: float
) -> None:
    """The timeout comes from option, variable or profile, in this order; the default is one second."""
    environ = {} if variable is None else {TIMEOUT: variable}
    profile_view = view("" if key is None else f"metadata_service_timeout = {key}")
    assert found(environ, ImdsOptions(timeout=option), profile_view).timeout == expected


@each_row(
    "option, variable, key, expected",
    [
        (5, "3", "4", 5),
        (0, "3", "4", 0),
        (None, "3", "4", 2),
        (None, "1", "4", 0),
        (None, None, "4", 3),
        (None,) * 3 + (0,),
    ],
)
def test_attempts_come_from_option_variable_or_profile(
    option: int | None, variable: str | None, key: str | None, expected: int
) -> None:
    """A number of attempts is one more than that of retries, which the option counts."""
    environ = {} if variable is None else {ATTEMPTS: variable}
    profile_view = view("" if key is None else f"metadata_service_num_attempts = {key}")
    assert found(environ, ImdsOptions(max_retries=option), profile_view).max_retries == expected


@each_row("value", ["0", "0.0", "-1", "+1", "1e3", "inf", "nan", "1s", "100000", "1,5", "\u0661", "x" * 40])
def test_invalid_timeout(value: str) -> None:
    """An invalid timeout is an error that names its setting, also if the number is out of range."""
    for environ, profile_view, origin in (
        ({TIMEOUT: value}, None, TIMEOUT),
        ({}, view(f"metadata_service_timeout = {value}"), "metadata_service_timeout in ~/.aws/config:2"),
    ):
        error = error_of(resolve_imds_settings, environ, ImdsOptions(), profile_view, kind=InvalidConfigurationError)
        assert str(error).startswith(f"EC2 instance metadata: {origin} is ")
        assert "expected a number of seconds above 0" in str(error)
        assert found(environ, ImdsOptions(timeout=2), profile_view).timeout == 2


@each_row("value", ["0", "-1", "1.0", "two", "101"])
def test_invalid_attempts(value: str) -> None:
    """An invalid number of attempts is an error that names its setting."""
    for environ, profile_view, origin in (
        ({ATTEMPTS: value}, None, ATTEMPTS),
        ({}, view(f"metadata_service_num_attempts = {value}"), "metadata_service_num_attempts in ~/.aws/config:2"),
    ):
        error = error_of(resolve_imds_settings, environ, ImdsOptions(), profile_view, kind=InvalidConfigurationError)
        assert str(error).startswith(f"EC2 instance metadata: {origin} is ")
        assert "expected a whole number from 1 to 100" in str(error)
        assert found(environ, ImdsOptions(max_retries=2), profile_view).max_retries == 2


# --- when the profile is needed


@each_row(
    "environ, options, needed",
    [
        ({}, ImdsOptions(), True),
        ({}, ImdsOptions(endpoint_mode="IPv6"), True),
        ({MODE: "IPv6"}, ImdsOptions(), True),
        ({ENDPOINT: " "}, ImdsOptions(), True),
        ({DISABLED: "false"}, ImdsOptions(ec2_metadata_v1_disabled=True), True),
        ({ENDPOINT: "http://a"}, ImdsOptions(), True),
        ({}, ImdsOptions(endpoint="http://a"), True),
        ({}, ImdsOptions("http://a", None, True, 1.0), True),
        ({}, ImdsOptions("http://a", None, True, 1.0, 0), False),
        ({}, ImdsOptions("http://a", None, False, 1.0, 0), True),
        ({ENDPOINT: "http://a", V1: "false", TIMEOUT: "1"}, ImdsOptions(), True),
        ({ENDPOINT: "http://a", V1: "false", TIMEOUT: "1", ATTEMPTS: "1"}, ImdsOptions(), False),
        ({DISABLED: "true"}, ImdsOptions(), False),
        ({DISABLED: "maybe"}, ImdsOptions(), False),
    ],
)
def test_when_the_profile_is_needed(environ: dict[str, str], options: ImdsOptions, needed: bool) -> None:
    """The profile has to be read, unless options or variables have all settings that it can have."""
    assert needs_profile(environ, options) is needed


def endpoint_or_error(environ: dict[str, str], options: ImdsOptions, profile_view: ProfileView | None) -> object:
    """Return the endpoint, or the class of the error."""
    try:
        return resolve_imds_settings(environ, options, profile_view).url
    except CredentialsError as error:
        return type(error)


VALUES: list[Any] = [None, "", "true", "false", "maybe", "IPv6", "http://a"]


@each_row("endpoint, mode, variable", list(product([None, "http://b"], [None, "IPv6"], VALUES)))
def test_a_profile_that_is_not_needed_changes_nothing(
    endpoint: str | None, mode: str | None, variable: str | None
) -> None:
    """A profile that does not need to be read does not change the endpoint."""
    profile_view = view(f"{KEY} = http://c", f"{KEY}_mode = IPv4", "metadata_service_timeout = rubbish")
    for name in (ENDPOINT, MODE, DISABLED, V1):
        environ = {} if variable is None else {name: variable}
        options = ImdsOptions(endpoint, mode, None if name == V1 else True, 1.0, 0)
        if not needs_profile(environ, options):
            assert endpoint_or_error(environ, options, profile_view) == endpoint_or_error(environ, options, None)


def test_disabling_variable_precedes_all_settings() -> None:
    """The variable that disables the service takes precedence, and the profile has no such key."""
    rubbish = view(f"{KEY} = rubbish", "ec2_metadata_v1_disabled = rubbish")
    error = error_of(resolve_imds_settings, {DISABLED: "true"}, ImdsOptions(), rubbish, kind=NotConfiguredError)
    assert error.message == "EC2 metadata is disabled by AWS_EC2_METADATA_DISABLED"
    assert str(found({DISABLED: "false"}, ImdsOptions(), view("ec2_metadata_disabled = true")).url) == V4


@given(st.dictionaries(st.sampled_from([ENDPOINT, MODE, DISABLED, V1, TIMEOUT, ATTEMPTS]), st.text()), st.text())
def test_any_environment_and_profile_is_read_or_rejected(environ: dict[str, str], value: str) -> None:
    """Any environment and profile can be read, or raise a ``CredentialsError``."""
    line = value.replace("\n", "").replace("\r", "")
    profile_view = view(f"{KEY} = {line}", f"{KEY}_mode = {line}", f"ec2_metadata_v1_disabled = {line}")
    endpoint_or_error(environ, ImdsOptions(), profile_view)
