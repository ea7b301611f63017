"""Environment variables: a whole set, nothing at all, or an error that names the variable and shows no value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError, RetrievalError
from anycreds._core.provider import ClientContext
from anycreds._providers.environment import EnvironmentProvider, parse_credentials
from support.errors import error_of, outcome
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, START, FakeIo, FakeRuntime, failure, fetch, run

PAIR = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
FULL = {
    **PAIR,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
    "AWS_CREDENTIAL_EXPIRATION": "2024-01-02T04:04:05Z",
    "AWS_ACCOUNT_ID": "012345678901",
    "AWS_CREDENTIAL_SCOPE": "us-east-1",
}
NAMES = list(FULL)


def get(environ: dict[str, str]) -> Credentials:
    """Return what the provider finds in these variables."""
    return fetch(EnvironmentProvider(FakeRuntime()), FakeIo(environ=environ))


def fail(environ: dict[str, str]) -> CredentialsError:
    """Return the provider's error for these variables."""
    error = failure(EnvironmentProvider(FakeRuntime()), FakeIo(environ=environ))
    assert error.source == "environment variables"
    return error


def test_a_pair_is_enough() -> None:
    """Two variables make a set that lasts."""
    assert get(PAIR) == Credentials(KEY_ID, SECRET_KEY, source="environment variables")


def test_every_variable_is_read() -> None:
    """Token, expiration, account and scope are taken where they are set."""
    assert get(FULL) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC),
        account_id="012345678901",
        credential_scope="us-east-1",
        source="environment variables",
    )


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u00a0"])
def test_blank_is_absent(blank: str) -> None:
    """A variable of blanks only is as good as none, for required and optional ones."""
    optional = dict.fromkeys(NAMES[2:], blank)
    assert get({**PAIR, **optional}) == get(PAIR)
    assert type(fail(dict.fromkeys(NAMES, blank))) is NotConfiguredError


def test_nothing_is_not_configured() -> None:
    """Without keys a chain goes on, even if other variables are set, and the error says what was looked for."""
    error = fail({name: FULL[name] for name in NAMES[2:]})
    assert type(error) is NotConfiguredError
    assert "AWS_ACCESS_KEY_ID" in str(error)
    assert "AWS_SECRET_ACCESS_KEY" in str(error)


@pytest.mark.parametrize("blank", [None, "", " "])
@pytest.mark.parametrize(("present", "missing"), [NAMES[:2], NAMES[1::-1]])
def test_half_a_pair_is_broken(present: str, missing: str, blank: str | None) -> None:
    """One half of the pair stops a chain, and the error names the other half."""
    environ = {present: FULL[present]}
    if blank is not None:
        environ[missing] = blank
    error = fail(environ)
    assert type(error) is InvalidConfigurationError
    assert f"{present} is set, but {missing} is not" in str(error)


def test_values_are_taken_as_they_are() -> None:
    """Inner and outer blanks and other letters belong to the value."""
    assert get({"AWS_ACCESS_KEY_ID": " E K ", "AWS_SECRET_ACCESS_KEY": "\u00e9\u4e2d"}).access_key_id == " E K "


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rubbish", ["\n", "\r\n", "\x00", "\x1b[0m", "\x7f", "\x85", "\udcff"], ids=ascii)
def test_control_characters_are_refused(name: str, rubbish: str) -> None:
    """A trailing newline, another control character or undecodable bytes are an error that names the variable."""
    error = fail({**FULL, name: FULL[name] + rubbish})
    assert type(error) is InvalidConfigurationError
    assert name in str(error)


@pytest.mark.parametrize(
    "text", ["EXPIRATION", "1704164645", "2024-01-02", "2024-02-30T00:00:00Z", "0000-01-01T00:00:00Z"]
)
def test_an_unreadable_expiration_is_an_error(text: str) -> None:
    """An expiration that cannot be read stops a chain; it never means that the keys last."""
    error = fail({**FULL, "AWS_CREDENTIAL_EXPIRATION": text})
    assert type(error) is InvalidConfigurationError
    assert "AWS_CREDENTIAL_EXPIRATION" in str(error)


def test_a_past_expiration_is_an_error() -> None:
    """Keys that have ended are not handed out."""
    io = FakeIo(environ=FULL)
    io.wall = START + 3600
    error = failure(EnvironmentProvider(FakeRuntime()), io)
    assert type(error) is RetrievalError
    assert "2024-01-02T04:04:05+00:00" in str(error)


def test_read_at_call_time() -> None:
    """Variables that change after the provider was made are seen."""
    provider = EnvironmentProvider(FakeRuntime())
    io = FakeIo(environ=PAIR)
    assert fetch(provider, io).session_token is None
    io.variables["AWS_SESSION_TOKEN"] = SESSION_TOKEN
    assert fetch(provider, io).session_token == SESSION_TOKEN


def test_a_mapping_in_the_place_of_the_environment() -> None:
    """A given mapping is read instead, also at call time."""
    mapping = {"AWS_ACCESS_KEY_ID": "other"}
    provider = EnvironmentProvider(FakeRuntime(), mapping)
    assert isinstance(failure(provider, FakeIo(environ=FULL)), InvalidConfigurationError)
    mapping["AWS_SECRET_ACCESS_KEY"] = SECRET_KEY
    assert fetch(provider, FakeIo(environ=FULL)).access_key_id == "other"


@pytest.mark.parametrize("value", [1, [], b"AKID", True])
def test_a_mapping_of_anything(value: Any) -> None:
    """A value that is no text is an error that names the variable."""
    error = error_of(parse_credentials, {**PAIR, "AWS_ACCESS_KEY_ID": value}, kind=InvalidConfigurationError)
    assert "AWS_ACCESS_KEY_ID" in str(error)


def test_asks_nothing_else() -> None:
    """No request, no file and no pause is needed."""
    io = FakeIo(environ=FULL)
    run(EnvironmentProvider(FakeRuntime())._fetch(io, ClientContext()))
    assert (io.requests, io.reads, io.pauses) == ([], [], [])


def test_a_call_is_one_attempt() -> None:
    """Awaiting the provider itself reads the environment of its world."""
    assert run(EnvironmentProvider(FakeRuntime(FakeIo(environ=PAIR)))()).access_key_id == KEY_ID


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.text(st.characters(exclude_categories=[])) | st.sampled_from([*FULL.values()])
    )
)
def test_any_environment_is_a_set_or_an_error(environ: dict[str, str]) -> None:
    """Whatever the variables hold, there is a well-formed set, nothing, or a broken configuration."""
    found = outcome(parse_credentials, environ)
    assert isinstance(found, Credentials | NotConfiguredError | InvalidConfigurationError)
