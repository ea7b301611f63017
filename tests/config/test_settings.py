"""Settings: blank is absent, a switch is on, off or an error, and a value that may be a secret is not shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._config.settings import Setting, first, option, shown, switch
from anycreds._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError
from anycreds._providers.imds.settings import MetadataOptions, MetadataSettings, find_metadata
from support.fake_io import SECRET_KEY
from support.strategies import shown_texts

ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
NO_OPTIONS = MetadataOptions()
V4, V6 = "http://169.254.169.254", "http://[fd00:ec2::254]"


@pytest.mark.parametrize("blank", ["", " ", "\t", "\n", " \r\n ", "\u00a0", "\u2003"])
def test_blank_is_absent(blank: str) -> None:
    """A variable of blanks only counts as not set."""
    assert first({"A": blank}, "A") is None


def test_first_that_is_set() -> None:
    """The first variable with more than blanks counts, unchanged, and says where it is from."""
    assert first({"A": " ", "B": " b ", "C": "c"}, "A", "B", "C") == (" b ", "B")
    assert first({}, "A") is None


def test_an_option_knows_its_name() -> None:
    """An argument is a setting even if it is blank; None is no argument."""
    assert option("full_uri", "") == ("", "option full_uri")
    assert option("full_uri", None) is None


def test_a_setting_hides_its_value() -> None:
    """A setting prints where it is from and not what it is."""
    assert repr(Setting(SECRET_KEY, "X")) == "Setting(from X)"


@pytest.mark.parametrize("word", ["true", "TRUE", "True", "1", "yes", "on", "On", " true "])
def test_on(word: str) -> None:
    """Any usual word for yes switches on."""
    assert switch(Setting(word, "X")) is True


@pytest.mark.parametrize("word", ["false", "FALSE", "0", "no", "off", "OFF\n"])
def test_off(word: str) -> None:
    """Any usual word for no switches off."""
    assert switch(Setting(word, "X")) is False


@pytest.mark.parametrize("word", ["2", "t", "y", "enabled", "none", "truefalse", "\uff11", SECRET_KEY])
def test_neither_on_nor_off(word: str) -> None:
    """Another word is an error that names the variable and what is allowed, and shows no long value."""
    error = switch(Setting(word, "SOME_SWITCH"), "somebody")
    assert isinstance(error, InvalidConfigurationError)
    assert error.source == "somebody"
    assert "SOME_SWITCH" in str(error)
    assert "true, 1, yes, on, or false, 0, no, off" in str(error)
    assert SECRET_KEY not in str(error)


def test_shows_short_values_only() -> None:
    """What is as long as a secret key is not shown, and nothing shown can break a line."""
    assert shown("a\n\u00e9") == "'a\\n\\xe9'"
    assert shown("x" * 32) == repr("x" * 32)
    assert shown("x" * 40) == "a text of 40 characters"
    assert shown(1) == "not text but int"


def place(environ: dict[str, str], options: MetadataOptions = NO_OPTIONS) -> tuple[str, str, str | None]:
    """Return where EC2 metadata is asked, according to whom, and what rules out its version 1."""
    found = find_metadata(environ, options, "somebody")
    assert isinstance(found, MetadataSettings)
    return found.endpoint.value, found.endpoint.origin, found.v1_disabled_by


@pytest.mark.parametrize(
    ("environ", "options", "url", "origin"),
    [
        ({}, MetadataOptions(), V4, "the default endpoint"),
        ({MODE: " ", ENDPOINT: ""}, MetadataOptions(), V4, "the default endpoint"),
        ({MODE: "IPv4"}, MetadataOptions(), V4, MODE),
        ({MODE: "IPv6"}, MetadataOptions(), V6, MODE),
        ({MODE: "ipv6"}, MetadataOptions(), V6, MODE),
        ({MODE: "IPV6 "}, MetadataOptions(), V6, MODE),
        ({MODE: "ipv6"}, MetadataOptions(endpoint_mode="IPv4"), V4, "option endpoint_mode"),
        ({}, MetadataOptions(endpoint_mode="iPV6"), V6, "option endpoint_mode"),
        ({ENDPOINT: "http://a"}, MetadataOptions(endpoint_mode="IPv6"), "http://a", ENDPOINT),
        ({ENDPOINT: "http://a", MODE: "rubbish"}, MetadataOptions(), "http://a", ENDPOINT),
        ({ENDPOINT: "http://a", MODE: "ipv6"}, MetadataOptions(endpoint="http://b"), "http://b", "option endpoint"),
    ],
)
def test_endpoint_beats_mode_and_option_beats_environment(
    environ: dict[str, str], options: MetadataOptions, url: str, origin: str
) -> None:
    """The endpoint comes from the option, its variable, the mode option, its variable, or IPv4, in this order."""
    assert place(environ, options)[:2] == (url, origin)


@pytest.mark.parametrize("mode", ["4", "v6", "IPv5", "dual", SECRET_KEY])
@pytest.mark.parametrize("by_option", [True, False])
def test_unknown_modes_are_errors(mode: str, by_option: bool) -> None:
    """A mode other than IPv4 and IPv6 is an error that names its origin."""
    options = MetadataOptions(endpoint_mode=mode if by_option else None)
    error = find_metadata({} if by_option else {MODE: mode}, options, "somebody")
    assert isinstance(error, InvalidConfigurationError)
    assert ("option endpoint_mode" if by_option else MODE) in str(error)
    assert SECRET_KEY not in str(error)


def test_metadata_switched_off() -> None:
    """AWS_EC2_METADATA_DISABLED counts whatever else is set, and an unreadable one is an error."""
    error = find_metadata(
        {"AWS_EC2_METADATA_DISABLED": "TRUE", MODE: "rubbish"}, MetadataOptions("http://a"), "somebody"
    )
    assert isinstance(error, NotConfiguredError)
    assert "AWS_EC2_METADATA_DISABLED" in str(error)
    assert place({"AWS_EC2_METADATA_DISABLED": "false"})[0] == V4
    error = find_metadata({"AWS_EC2_METADATA_DISABLED": "maybe"}, MetadataOptions(), "somebody")
    assert isinstance(error, InvalidConfigurationError)


def test_what_rules_out_version_1() -> None:
    """The option or the variable rules it out, a false option does not overrule the variable, rubbish is an error."""
    variable = "AWS_EC2_METADATA_V1_DISABLED"
    assert place({})[2] is None
    assert place({variable: "False"})[2] is None
    assert place({variable: "yes"})[2] == variable
    assert place({variable: "true"}, MetadataOptions(v1_disabled=False))[2] == variable
    assert place({variable: "false"}, MetadataOptions(v1_disabled=True))[2] == "option ec2_metadata_v1_disabled"
    assert isinstance(find_metadata({variable: "?"}, MetadataOptions(), "somebody"), InvalidConfigurationError)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([ENDPOINT, MODE, "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_V1_DISABLED"]), shown_texts()
    )
)
def test_any_environment_is_read(environ: dict[str, str]) -> None:
    """Whatever the variables hold, there is an answer or an error as a value."""
    assert isinstance(find_metadata(environ, MetadataOptions(), "somebody"), MetadataSettings | CredentialsError)
