"""Access keys in environment variables: credentials, or an error that names the variable and not its value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._config.settings import _warn_of_old_name
from anycreds._core.credentials import Credentials
from anycreds._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError, RetrievalError
from anycreds._core.provider import ClientContext
from anycreds._providers.environment import EnvironmentProvider, parse_credentials
from support.errors import error_of, outcome
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, START, FakeIo, FakeRuntime, failure, fetch, run
from support.rows import each_row

PAIR = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
FULL = {
    **PAIR,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
    "AWS_CREDENTIAL_EXPIRATION": "2024-01-02T04:04:05Z",
    "AWS_ACCOUNT_ID": "012345678901",
    "AWS_CREDENTIAL_SCOPE": "us-east-1",
}
NAMES = list(FULL)


def read(environ: dict[str, str]) -> Credentials:
    """Return the credentials in these variables."""
    return fetch(EnvironmentProvider(FakeRuntime()), FakeIo(environ=environ))


def fail(environ: dict[str, str]) -> CredentialsError:
    """Return the provider's error for these variables."""
    error = failure(EnvironmentProvider(FakeRuntime()), FakeIo(environ=environ))
    assert error.source == "environment variables"
    return error


def test_required_variables_only() -> None:
    """Two variables are credentials without an expiration."""
    assert read(PAIR) == Credentials(KEY_ID, SECRET_KEY, source="environment variables")


def test_all_variables() -> None:
    """Token, expiration, account and scope are read if they are set."""
    assert read(FULL) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC),
        account_id="012345678901",
        credential_scope="us-east-1",
        source="environment variables",
    )


@pytest.mark.fault("L12")
@each_row("blank", ["", " ", "\t\r\n", "\u00a0"])
def test_blank_variables(blank: str) -> None:
    """A blank variable counts as not set."""
    optional = dict.fromkeys(NAMES[2:], blank)
    assert read({**PAIR, **optional}) == read(PAIR)
    assert type(fail(dict.fromkeys(NAMES, blank))) is NotConfiguredError


def test_no_access_key() -> None:
    """Without keys nothing is configured, even if other variables are set, and the error names both variables."""
    error = fail({name: FULL[name] for name in NAMES[2:]})
    assert type(error) is NotConfiguredError
    assert "AWS_ACCESS_KEY_ID" in str(error)
    assert "AWS_SECRET_ACCESS_KEY" in str(error)


@pytest.mark.fault("L12")
@each_row("blank", [None, "", " "])
@each_row("present, missing", [NAMES[:2], NAMES[1::-1]])
def test_incomplete_key_pair(present: str, missing: str, blank: str | None) -> None:
    """One variable of the pair stops a chain, and the error names the other one."""
    environ = {present: FULL[present]}
    if blank is not None:
        environ[missing] = blank
    error = fail(environ)
    assert type(error) is InvalidConfigurationError
    assert f"{present} is set, but {missing} is not" in str(error)


def test_values_are_unchanged() -> None:
    """Blanks and letters outside of ASCII are parts of the value."""
    assert read({"AWS_ACCESS_KEY_ID": " E K ", "AWS_SECRET_ACCESS_KEY": "\u00e9\u4e2d"}).access_key_id == " E K "


@pytest.mark.fault("L12")
@each_row("name", NAMES)
def test_invalid_text_in_a_variable_is_an_error(name: str) -> None:
    """A control character or bytes that are not UTF-8 are an error that names the variable."""
    for suffix in ("\n", "\udcff"):
        error = fail({**FULL, name: FULL[name] + suffix})
        assert type(error) is InvalidConfigurationError
        assert name in str(error)


@pytest.mark.fault("L13")
@each_row("text", ["EXPIRATION", "1704164645", "2024-01-02", "2024-02-30T00:00:00Z", "0000-01-01T00:00:00Z"])
def test_invalid_expiration(text: str) -> None:
    """An invalid expiration stops a chain; it does not mean that the keys never expire."""
    error = fail({**FULL, "AWS_CREDENTIAL_EXPIRATION": text})
    assert type(error) is InvalidConfigurationError
    assert "AWS_CREDENTIAL_EXPIRATION" in str(error)


@pytest.mark.fault("L13")
def test_past_expiration() -> None:
    """Expired credentials are an error."""
    io = FakeIo(environ=FULL)
    io.wall = START + 3600
    error = failure(EnvironmentProvider(FakeRuntime()), io)
    assert type(error) is RetrievalError
    assert "2024-01-02T04:04:05+00:00" in str(error)


@pytest.mark.fault("L12")
def test_variables_are_read_at_every_call() -> None:
    """Each call reads the current variables."""
    provider = EnvironmentProvider(FakeRuntime())
    io = FakeIo(environ=PAIR)
    assert fetch(provider, io).session_token is None
    io.variables["AWS_SESSION_TOKEN"] = SESSION_TOKEN
    assert fetch(provider, io).session_token == SESSION_TOKEN


def test_mapping_instead_of_the_environment() -> None:
    """A mapping replaces the environment, and is read at every call."""
    mapping = {"AWS_ACCESS_KEY_ID": "other"}
    provider = EnvironmentProvider(FakeRuntime(), mapping)
    assert isinstance(failure(provider, FakeIo(environ=FULL)), InvalidConfigurationError)
    mapping["AWS_SECRET_ACCESS_KEY"] = SECRET_KEY
    assert fetch(provider, FakeIo(environ=FULL)).access_key_id == "other"


@each_row("value", [1, [], b"AKID", True])
def test_value_that_is_not_text(value: Any) -> None:
    """A value that is not text is an error that names the variable."""
    error = error_of(parse_credentials, {**PAIR, "AWS_ACCESS_KEY_ID": value}, kind=InvalidConfigurationError)
    assert "AWS_ACCESS_KEY_ID" in str(error)


def test_no_io() -> None:
    """The provider makes no request, reads no file and does not wait."""
    io = FakeIo(environ=FULL)
    run(EnvironmentProvider(FakeRuntime())._fetch(io, ClientContext()))
    assert (io.requests, io.reads, io.pauses) == ([], [], [])


def test_await_of_the_provider() -> None:
    """Awaiting the provider returns the credentials in the environment of its runtime."""
    assert run(EnvironmentProvider(FakeRuntime(FakeIo(environ=PAIR)))()).access_key_id == KEY_ID


@pytest.mark.fault("L12")
@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.text(st.characters(exclude_categories=[])) | st.sampled_from([*FULL.values()])
    )
)
def test_any_environment(environ: dict[str, str]) -> None:
    """Any variables are credentials, nothing configured, or an invalid configuration."""
    found = outcome(parse_credentials, environ)
    assert isinstance(found, Credentials | NotConfiguredError | InvalidConfigurationError)


def test_old_name_of_the_session_token(caplog: pytest.LogCaptureFixture) -> None:
    """``AWS_SECURITY_TOKEN`` is read where ``AWS_SESSION_TOKEN`` is not set, with one warning per process."""
    _warn_of_old_name.cache_clear()
    provider, io = EnvironmentProvider(FakeRuntime()), FakeIo(environ={**PAIR, "AWS_SECURITY_TOKEN": SESSION_TOKEN})
    for _ in range(2):
        assert fetch(provider, io).session_token == SESSION_TOKEN
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message.startswith("AWS_SECURITY_TOKEN is the old name of AWS_SESSION_TOKEN")
    assert "AWS_SECURITY_TOKEN" in run(provider._describe_sources(io, ClientContext()))[0]
    io.variables["AWS_SESSION_TOKEN"] = "canary-new"
    assert fetch(provider, io).session_token == "canary-new"


def test_old_name_of_the_session_token_without_keys(caplog: pytest.LogCaptureFixture) -> None:
    """``AWS_SECURITY_TOKEN`` alone configures nothing, and causes no warning."""
    _warn_of_old_name.cache_clear()
    provider, io = EnvironmentProvider(FakeRuntime()), FakeIo(environ={"AWS_SECURITY_TOKEN": SESSION_TOKEN})
    assert isinstance(failure(provider, io), NotConfiguredError)
    assert not caplog.records
