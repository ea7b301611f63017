"""Parameters of roles have the form of the API, and invalid values are errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.errors import InvalidConfigurationError
from anycreds._core.validation import InvalidValueError
from anycreds._providers.sts.parameters import check_duration, sts_parameters
from support.errors import error_of
from support.fake_io import SECRET_KEY
from support.rows import each_row

WHO = "a provider"
ARN = "arn:aws:iam::123456789012:role/demo"


def service_error(**values: object) -> str:
    """Return the error of parameters."""
    error = error_of(sts_parameters, values, WHO, kind=InvalidConfigurationError)
    assert error.source == WHO
    return str(error)


def test_the_form_of_the_api() -> None:
    """Each parameter has the form of the API, under its own name, in the order given."""
    params = sts_parameters(
        {
            "RoleArn": ARN,
            "RoleSessionName": "me",
            "DurationSeconds": 3600.0,
            "ExternalId": " x y ",
            "Policy": '{"Version": "2012-10-17"}',
            "PolicyArns": ("arn:a", "arn:b"),
            "Tags": {"Team": "blue", "Empty": ""},
            "TransitiveTagKeys": ["Team"],
            "SourceIdentity": "alice",
            "ProvidedContexts": {"arn:c": "assertion"},
            "SerialNumber": "arn:mfa",
        },
        WHO,
    )
    assert params == {
        "RoleArn": ARN,
        "RoleSessionName": "me",
        "DurationSeconds": 3600,
        "ExternalId": " x y ",
        "Policy": '{"Version": "2012-10-17"}',
        "PolicyArns": [{"arn": "arn:a"}, {"arn": "arn:b"}],
        "Tags": [{"Key": "Team", "Value": "blue"}, {"Key": "Empty", "Value": ""}],
        "TransitiveTagKeys": ["Team"],
        "SourceIdentity": "alice",
        "ProvidedContexts": [{"ProviderArn": "arn:c", "ContextAssertion": "assertion"}],
        "SerialNumber": "arn:mfa",
    }
    assert isinstance(params, dict)
    assert type(params["DurationSeconds"]) is int


@each_row("nothing", [None, [], (), {}])
@each_row("name", ["PolicyArns", "Tags", "TransitiveTagKeys", "ProvidedContexts"])
def test_what_is_empty_is_not_sent(name: str, nothing: Any) -> None:
    """None and empty lists are left out; a value of the wrong type is an error even if it is empty."""
    needs_mapping = name in ("Tags", "ProvidedContexts")
    if nothing is None or isinstance(nothing, dict) is needs_mapping:
        assert sts_parameters({"RoleArn": ARN, name: nothing}, WHO) == {"RoleArn": ARN}
    else:
        service_error(RoleArn=ARN, **{name: nothing})


def test_what_is_given_is_copied() -> None:
    """A list that the user changes later does not change the parameters."""
    keys = ["a"]
    params = sts_parameters({"TransitiveTagKeys": keys}, WHO)
    keys.append("b")
    assert params == {"TransitiveTagKeys": ["a"]}


@each_row("name", ["RoleArn", "RoleSessionName", "ExternalId", "Policy", "SourceIdentity", "SerialNumber"])
def test_invalid_text_is_an_error_with_its_name(name: str) -> None:
    """A blank text, one with control characters, and any other type is an error with the name of the parameter."""
    for value in ("", "a\x00", 1):
        assert service_error(**{"RoleArn": ARN, name: value}).startswith(f"{WHO}: {name} "), value


@each_row(
    "name, value",
    [
        *[("PolicyArns", value) for value in ("arn:a", {"arn:a"}, 1, [1], [""], ["a\x00"], b"arn", [["arn"]])],
        *[("TransitiveTagKeys", value) for value in ("Team", {"Team": ""}, [None], [" "], iter(["a"]))],
        *[("Tags", value) for value in (["a"], "a=b", {"": "x"}, {1: "x"}, {"a": 1}, {"a": None}, {"a": "\x00"})],
        *[("Tags", value) for value in ([("a", "b")], {"a": ["b"]}, {"\ud800": "x"}, [{"Key": "a", "Value": "b"}])],
        *[("ProvidedContexts", value) for value in (["a"], {"": "x"}, {"arn": 1}, {"arn": None})],
        *[("DurationSeconds", value) for value in ("3600", None.__class__, True, [3600], b"1")],
    ],
)
def test_list_or_mapping_of_the_wrong_type_is_an_error(name: str, value: object) -> None:
    """A list or mapping of the wrong type is an error with its name."""
    assert service_error(**{name: value}).startswith(f"{WHO}: {name} ")


def test_errors_contain_no_value() -> None:
    """The error does not contain the value, which may be a secret."""
    long = f"{SECRET_KEY}\x00"
    for values in (
        {"ExternalId": long},
        {"Tags": {"a": long}},
        {"PolicyArns": [long]},
        {"TransitiveTagKeys": SECRET_KEY},
        {"ProvidedContexts": {"arn": long}},
        {"DurationSeconds": SECRET_KEY},
    ):
        assert SECRET_KEY not in service_error(**values)


# --- how long


@each_row("seconds", [900, 901, 3600, 43200, 900.0])
def test_valid_durations(seconds: float) -> None:
    """Fifteen minutes to twelve hours are valid, both included."""
    assert check_duration(seconds) == int(seconds)
    assert sts_parameters({"DurationSeconds": seconds}, WHO) == {"DurationSeconds": int(seconds)}


@each_row(
    "seconds", [899, 43201, 0, -900, 899.9, 900.5, 43200.1, 10**400, 1e308, float("inf"), float("-inf"), float("nan")]
)
def test_invalid_durations(seconds: float) -> None:
    """A shorter, longer or fractional duration is an error with the limits."""
    with pytest.raises(InvalidValueError, match="expected 900 to 43200 whole seconds") as caught:
        check_duration(seconds)
    assert len(str(caught.value)) < 200
    assert "900 to 43200" in service_error(DurationSeconds=seconds)


@given(st.floats() | st.integers())
def test_any_duration(seconds: float) -> None:
    """Every number is either valid or an error."""
    try:
        assert check_duration(seconds) == seconds
    except InvalidValueError:
        assert not (900 <= seconds <= 43200 and seconds == int(seconds))
    else:
        assert 900 <= seconds <= 43200
