"""Settings: a blank value counts as not set, a boolean is strict, and a value that may be a secret is not displayed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anycreds._config.settings import Setting, display_value, first_set, from_argument, parse_bool
from anycreds._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError, strip_frames
from anycreds._providers.imds.settings import ImdsOptions, resolve_imds_settings
from support.errors import error_of
from support.fake_io import SECRET_KEY
from support.rows import each_row

ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
NO_OPTIONS = ImdsOptions()
V4, V6 = "http://169.254.169.254", "http://[fd00:ec2::254]"


@each_row("blank", ["", " ", "\t", "\n", " \r\n ", "\u00a0", "\u2003"])
def test_first_set_ignores_blank_variables(blank: str) -> None:
    """A variable that contains only blanks counts as not set."""
    assert first_set({"A": blank}, "A") is None


def test_first_set_returns_value_and_origin() -> None:
    """``first_set`` returns the first variable that is not blank, unchanged, with its name."""
    assert first_set({"A": " ", "B": " b ", "C": "c"}, "A", "B", "C") == (" b ", "B")
    assert first_set({}, "A") is None


def test_from_argument_keeps_blank_values() -> None:
    """A blank argument is a setting, and None is not."""
    assert from_argument("full_uri", "") == ("", "option full_uri")
    assert from_argument("full_uri", None) is None


def test_repr_of_setting_has_no_value() -> None:
    """``repr`` of a setting contains its origin and not its value."""
    assert repr(Setting(SECRET_KEY, "X")) == "Setting(from X)"


@each_row("word", ["true", "TRUE", "True", "1", "yes", "on", "On", " true "])
def test_parse_bool_true(word: str) -> None:
    """Each common word for true is true."""
    assert parse_bool(Setting(word, "X")) is True


@each_row("word", ["false", "FALSE", "0", "no", "off", "OFF\n"])
def test_parse_bool_false(word: str) -> None:
    """Each common word for false is false."""
    assert parse_bool(Setting(word, "X")) is False


@each_row("word", ["2", "t", "y", "enabled", "none", "truefalse", "\uff11", SECRET_KEY])
def test_parse_bool_invalid(word: str) -> None:
    """The error for any other word contains the variable and the valid words, and no long value."""
    error = error_of(parse_bool, Setting(word, "SOME_SWITCH"), "a provider", kind=InvalidConfigurationError)
    assert error.source == "a provider"
    assert "SOME_SWITCH" in str(error)
    assert "true, 1, yes, on, or false, 0, no, off" in str(error)
    assert SECRET_KEY not in str(error)


def test_display_value_shows_short_values_only() -> None:
    """A value as long as a secret access key is not displayed, and a displayed value has no line break."""
    assert display_value("a\n\u00e9") == "'a\\n\\xe9'"
    assert display_value("x" * 32) == repr("x" * 32)
    assert display_value("x" * 40) == "a text of 40 characters"
    assert display_value(1) == "not text but int"


def endpoint_of(environ: dict[str, str], options: ImdsOptions = NO_OPTIONS) -> tuple[str, str, str | None]:
    """Return the endpoint of EC2 metadata, its origin, and what disables IMDSv1."""
    found = resolve_imds_settings(environ, options)
    return str(found.url), found.origin, found.v1_disabled_by


@each_row(
    "environ, options, url, origin",
    [
        ({}, ImdsOptions(), V4, "the default endpoint"),
        ({MODE: " ", ENDPOINT: ""}, ImdsOptions(), V4, "the default endpoint"),
        ({MODE: "IPv4"}, ImdsOptions(), V4, MODE),
        ({MODE: "IPv6"}, ImdsOptions(), V6, MODE),
        ({MODE: "ipv6"}, ImdsOptions(), V6, MODE),
        ({MODE: "IPV6 "}, ImdsOptions(), V6, MODE),
        ({MODE: "ipv6"}, ImdsOptions(endpoint_mode="IPv4"), V4, "option endpoint_mode"),
        ({}, ImdsOptions(endpoint_mode="iPV6"), V6, "option endpoint_mode"),
        ({ENDPOINT: "http://a"}, ImdsOptions(endpoint_mode="IPv6"), "http://a", ENDPOINT),
        ({ENDPOINT: "http://a", MODE: "rubbish"}, ImdsOptions(), "http://a", ENDPOINT),
        ({ENDPOINT: "http://a", MODE: "ipv6"}, ImdsOptions(endpoint="http://b"), "http://b", "option endpoint"),
    ],
)
def test_endpoint_beats_mode_and_option_beats_environment(
    environ: dict[str, str], options: ImdsOptions, url: str, origin: str
) -> None:
    """The endpoint comes from its option, its variable, the mode option, the mode variable, or IPv4, in this order."""
    assert endpoint_of(environ, options)[:2] == (url, origin)


@each_row("mode", ["4", "v6", "IPv5", "dual", SECRET_KEY])
@each_row("by_option", [True, False])
def test_unknown_endpoint_mode(mode: str, by_option: bool) -> None:
    """The error for a mode other than IPv4 and IPv6 contains its origin."""
    options = ImdsOptions(endpoint_mode=mode if by_option else None)
    environ = {} if by_option else {MODE: mode}
    error = error_of(resolve_imds_settings, environ, options, kind=InvalidConfigurationError)
    assert ("option endpoint_mode" if by_option else MODE) in str(error)
    assert SECRET_KEY not in str(error)


def test_metadata_disabled() -> None:
    """AWS_EC2_METADATA_DISABLED takes precedence over all other settings, and must be valid."""
    environ = {"AWS_EC2_METADATA_DISABLED": "TRUE", MODE: "rubbish"}
    error = error_of(resolve_imds_settings, environ, ImdsOptions("http://a"), kind=NotConfiguredError)
    assert "AWS_EC2_METADATA_DISABLED" in str(error)
    assert endpoint_of({"AWS_EC2_METADATA_DISABLED": "false"})[0] == V4
    environ = {"AWS_EC2_METADATA_DISABLED": "maybe"}
    error_of(resolve_imds_settings, environ, NO_OPTIONS, kind=InvalidConfigurationError)


def test_imdsv1_disabled() -> None:
    """The option or the variable disables IMDSv1; a false option does not override the variable."""
    variable = "AWS_EC2_METADATA_V1_DISABLED"
    assert endpoint_of({})[2] is None
    assert endpoint_of({variable: "False"})[2] is None
    assert endpoint_of({variable: "yes"})[2] == variable
    assert endpoint_of({variable: "true"}, ImdsOptions(ec2_metadata_v1_disabled=False))[2] == variable
    assert (
        endpoint_of({variable: "false"}, ImdsOptions(ec2_metadata_v1_disabled=True))[2]
        == "option ec2_metadata_v1_disabled"
    )
    error_of(resolve_imds_settings, {variable: "?"}, NO_OPTIONS, kind=InvalidConfigurationError)


@given(
    st.dictionaries(
        st.sampled_from([ENDPOINT, MODE, "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_V1_DISABLED"]), st.text()
    )
)
def test_any_environment(environ: dict[str, str]) -> None:
    """Any variables can be read, or raise a ``CredentialsError``."""
    try:
        resolve_imds_settings(environ, ImdsOptions())
    except CredentialsError as error:
        strip_frames(error)
