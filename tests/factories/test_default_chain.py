"""The default chain: its order with and without a selected profile, and its errors."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import ClientContext, CredentialsError
from anycreds.testing import FakeAWS, Forever, ManualClock, Status
from support.factory_fixtures import (
    CONFIG,
    CONTAINER,
    ENVIRONMENT_KEYS,
    KEY_LINES,
    ROLE,
    SSO,
    SSO_LINES,
    WEB_IDENTITY,
    UniformIo,
    default_chain,
    failure,
    fetch,
    requested,
)
from support.fake_io import assert_no_secret
from support.rows import each_row

PORTAL = "portal.sso.eu-central-1.amazonaws.com"


def first_source(io: UniformIo, *arguments: Any, **options: Any) -> str:
    """Return the access key id that the chain returns, or the host that it calls first."""
    try:
        return fetch(default_chain(*arguments, **options), io).access_key_id
    except CredentialsError as error:
        assert_no_secret(error, "canary")
        return io.hosts[0]


def test_order_without_a_profile() -> None:
    """Environment, SSO, token file, shared files, container, instance: each takes precedence over those behind it."""
    config = f"[default]\n{KEY_LINES}"
    environ = {**WEB_IDENTITY, **CONTAINER, "AWS_REGION": "eu-west-1"}
    assert first_source(UniformIo(config=config, environ={**ENVIRONMENT_KEYS, **environ}), **SSO) == "AKIDENV"
    assert first_source(UniformIo(config=config, environ=environ), **SSO) == PORTAL
    assert first_source(UniformIo(config=config, environ=environ)) == "sts.eu-west-1.amazonaws.com"
    assert first_source(UniformIo(config=config, environ=CONTAINER)) == "AKIDFILE"
    assert first_source(UniformIo(config="", environ=CONTAINER)) == "169.254.170.2"
    assert first_source(UniformIo(config="")) == "169.254.169.254"


def test_order_with_a_profile() -> None:
    """SSO options, profile, environment, token file, container, instance."""
    environ = {**WEB_IDENTITY, **CONTAINER}
    assert first_source(UniformIo(environ={**ENVIRONMENT_KEYS, **environ}), "keys", **SSO) == PORTAL
    assert first_source(UniformIo(environ={**ENVIRONMENT_KEYS, **environ}), "keys") == "AKIDFILE"
    assert first_source(UniformIo(environ={**ENVIRONMENT_KEYS, **environ}), "nothing") == "AKIDENV"
    assert first_source(UniformIo(environ=environ), "nothing") == "sts.eu-north-1.amazonaws.com"
    assert first_source(UniformIo(environ=CONTAINER), "nothing") == "169.254.170.2"
    assert first_source(UniformIo(), "nothing") == "169.254.169.254"


@each_row("profile", ["keys", "nothing", "missing"])
@each_row("keys", [{}, ENVIRONMENT_KEYS], ids=["no keys", "keys"])
def test_sso_options_precede_aws_profile(profile: str, keys: dict[str, str]) -> None:
    """The ``sso_*`` options come before ``AWS_PROFILE``, whatever its profile contains."""
    io = UniformIo(environ={"AWS_PROFILE": profile, **keys})
    assert first_source(io, **SSO) == PORTAL


@pytest.mark.parametrize("by", ["argument", "client", "variable"])
@pytest.mark.parametrize(("profile", "expected"), [("keys", "AKIDFILE"), ("nothing", "AKIDENV")])
def test_warning_about_ignored_keys(
    by: str, profile: str, expected: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says that environment keys are ignored, once per process, and only if they are."""
    monkeypatch.setattr("anycreds._providers.chain._warned", [])
    variable = {"AWS_PROFILE": profile} if by == "variable" else {}
    provider = default_chain(profile if by == "argument" else None)
    context = ClientContext(profile=profile if by == "client" else None)
    for _ in range(2):
        assert fetch(provider, UniformIo(environ={**ENVIRONMENT_KEYS, **variable}), context).access_key_id == expected
    origin = {"argument": "option profile", "client": "the profile of the client", "variable": "AWS_PROFILE"}[by]
    text = f"a profile is selected explicitly by {origin}; access keys in environment variables are ignored"
    warnings = [record for record in caplog.record_tuples if record[1] >= logging.WARNING]
    assert warnings == ([("anycreds.chain", logging.WARNING, text)] if expected == "AKIDFILE" else [])


@pytest.mark.parametrize(("keys", "is_warned"), [({}, False), (ENVIRONMENT_KEYS, True)], ids=["no keys", "keys"])
def test_warning_about_ignored_keys_of_a_failing_profile(
    keys: dict[str, str], is_warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the selected profile fails, environment keys are ignored as well, and the warning says so."""
    monkeypatch.setattr("anycreds._providers.chain._warned", [])
    failure(default_chain("role"), UniformIo(environ=keys))
    assert any("are ignored" in text for text in caplog.messages) == is_warned


def test_no_warning_about_incomplete_environment_keys(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the selected profile has nothing configured and the environment keys fail, they are not ignored."""
    monkeypatch.setattr("anycreds._providers.chain._warned", [])
    error = failure(default_chain("nothing"), UniformIo(environ={"AWS_ACCESS_KEY_ID": "AKIDENV"}))
    assert error.source == "environment variables"
    assert not [text for text in caplog.messages if "are ignored" in text]


def test_names_of_chains() -> None:
    """The chains are called by what they are, in errors and for display."""
    assert default_chain().name == "default chain"
    assert anycreds.create_credential_chain(default_chain()).name == "credential chain"


def test_default_profile_with_sso_only() -> None:
    """A profile ``default`` with SSO settings only, even incomplete ones, comes before the token file."""
    assert first_source(UniformIo(config=f"[default]\n{SSO_LINES}", environ=WEB_IDENTITY)) == PORTAL
    incomplete = f"[default]\n{SSO_LINES.replace('sso_role_name', 'other')}"
    error = failure(default_chain(), UniformIo(config=incomplete, environ=WEB_IDENTITY))
    assert "sso_role_name is missing" in str(error)


@each_row(
    "lines",
    [
        f"role_arn = {ROLE}\nsource_profile = base\n[profile base]\n{SSO_LINES}",
        f"role_arn = {ROLE}\n",
        KEY_LINES,
    ],
    ids=["role with SSO", "incomplete role", "keys"],
)
def test_default_profile_with_other_settings(lines: str) -> None:
    """A profile ``default`` with other credential settings, even incomplete ones, comes after the token file."""
    io = UniformIo(config=f"[default]\nregion = eu-north-1\n{lines}", environ=WEB_IDENTITY)
    assert first_source(io) == "sts.eu-north-1.amazonaws.com"


@pytest.mark.parametrize(("options", "environ"), [(SSO, {}), ({}, WEB_IDENTITY)], ids=["SSO options", "token file"])
def test_selected_profile_configures_later_services(options: dict[str, Any], environ: dict[str, str]) -> None:
    """The selected profile, in the files of the options, has the endpoint of the services after it in the chain."""
    io = requested(default_chain("elsewhere", **options), UniformIo(environ=environ))
    assert io.hosts[0] == "elsewhere.example.com"
    other = CONFIG.replace("elsewhere.example.com", "other.example.com")
    io = UniformIo(config=other, environ=environ, files={"/mine": CONFIG.encode()})
    assert requested(default_chain("elsewhere", config_filepath="/mine", **options), io).hosts[0] == io.hosts[0]
    assert io.hosts[0] == "elsewhere.example.com"


def test_selected_profile_configures_instance_metadata() -> None:
    """The selected profile, in the files of the options, has the endpoint of the EC2 metadata service."""
    assert requested(default_chain("elsewhere")).requests[0].url.origin == "http://127.0.0.1:7"
    io = UniformIo(config="", files={"/mine": CONFIG.encode()})
    provider = default_chain("elsewhere", config_filepath="/mine")
    assert requested(provider, io).requests[0].url.origin == "http://127.0.0.1:7"


@pytest.mark.parametrize("by", ["argument", "client", "variable"])
def test_selected_profile_without_credentials(by: str) -> None:
    """A selected profile without credential settings is no error: the chain continues, and describes the profile."""
    environ = {"AWS_EC2_METADATA_DISABLED": "true", **({"AWS_PROFILE": "nothing"} if by == "variable" else {})}
    context = ClientContext(profile="nothing" if by == "client" else None)
    provider = default_chain("nothing" if by == "argument" else None)
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        fetch(provider, UniformIo(environ=environ), context)
    reasons = {attempt.provider: attempt.reason for attempt in caught.value.attempts}
    assert "only profile 'default' is used here" in reasons["SSO"]
    assert "'nothing' has no credential settings" in reasons["shared files"]


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_missing_selected_profile(by: str) -> None:
    """A selected profile that does not exist is an error that names what selects it, despite keys in variables."""
    environ = {**ENVIRONMENT_KEYS, **({"AWS_PROFILE": "work"} if by == "variable" else {})}
    error = failure(default_chain("work" if by == "argument" else None), UniformIo(environ=environ))
    assert isinstance(error, anycreds.ProfileNotFoundError)
    assert f"selected by {'option profile' if by == 'argument' else 'AWS_PROFILE'}" in str(error)
    assert "'work'" in str(error)


@pytest.mark.anyio
async def test_environment_is_read_when_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain reads environment variables when it is awaited, and caches the credentials."""
    chain = anycreds.from_default_chain()
    for name, value in ENVIRONMENT_KEYS.items():
        monkeypatch.setenv(name, value)
    first = await chain()
    assert (first.access_key_id, first.source) == ("AKIDENV", "environment variables")
    assert await chain() is first


@pytest.mark.anyio
async def test_error_without_credentials_lists_every_provider() -> None:
    """If nothing is configured, the error lists every provider of the chain, in order."""
    with pytest.raises(anycreds.NoCredentialsError, match="no credentials found") as caught:
        await anycreds.from_default_chain()()
    names = [attempt.provider for attempt in caught.value.attempts]
    expected = "environment variables, SSO, web identity, shared files, container credentials, EC2 instance metadata"
    assert names == expected.split(", ")
    assert "AWS_EC2_METADATA_DISABLED" in str(caught.value)


@pytest.mark.fault("L12")
@pytest.mark.anyio
async def test_incomplete_keys_stop_the_chain() -> None:
    """An access key id without its secret is an error: the chain does not continue."""
    chain = anycreds.from_default_chain(environ={"AWS_ACCESS_KEY_ID": "AKIDENV"})
    with pytest.raises(anycreds.InvalidConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
        await chain()


@pytest.mark.anyio
async def test_empty_environ_replaces_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``environ={}`` replaces the environment of the process."""
    for name, value in ENVIRONMENT_KEYS.items():
        monkeypatch.setenv(name, value)
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    with socket.socket() as closed:  # bound but not listening, so that a connection is refused
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        chain = anycreds.from_default_chain(environ={}, filepath=empty, config_filepath=empty, endpoint=endpoint)
        with pytest.raises(anycreds.NoCredentialsError):
            await chain()


def test_static_stability_of_instance_metadata(fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """During an outage of the EC2 metadata service its expired credentials are returned, with a later expiration."""
    for name, value in fake_aws.metadata_environ().items():
        monkeypatch.setenv(name, value)
    fake_aws.clock = clock = ManualClock()
    provider = anycreds.cached(anycreds.from_default_chain(), clock=clock, refresh_window=60)
    first = anyio.run(provider)
    assert first.source == "EC2 instance metadata"
    fake_aws.script("role", Forever(Status(503)))
    clock.advance(7 * 3600)
    stale = anyio.run(provider)
    assert stale.access_key_id == first.access_key_id
    assert stale.original_expiration == first.expiration
    fake_aws.restore()
    clock.advance(20 * 60)
    assert anyio.run(provider).original_expiration is None
