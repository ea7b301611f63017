"""Timeouts, retries and prompts: every call ends in time and calls a failing source no more often than it must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import anycreds
import anycreds._system.http
from anycreds import (
    ClientConfig,
    Credentials,
    CredentialsError,
    NoCredentialsError,
    Provider,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds.testing import CANARY, FakeAWS, Forever, Hang, ManualClock, MemoryNetwork, Status, VirtualClock
from js_sdk_differences.backends import virtual
from js_sdk_differences.environment import KEYS, LOGIN, ROLE, Machine, error_of, sso_lines
from support.fake_source import FakeSource

pytestmark = pytest.mark.anyio

SHORT = 0.05  # seconds; the timeout of an exchange that never gets a response
POOL = "us-east-1:00000000-0000-4000-8000-00000000c0de"
IMDS = "169.254.169.254"
ONE_TRY = ClientConfig(region="us-east-1", max_attempts=1)


def sts(aws: FakeAWS, machine: Machine) -> Provider:
    return anycreds.from_temporary_credentials(ROLE, source_credentials=KEYS, client_config=ONE_TRY, timeout=SHORT)


def web(aws: FakeAWS, machine: Machine) -> Provider:
    return anycreds.from_web_token(ROLE, f"{CANARY}-token", client_config=ONE_TRY, timeout=SHORT)


def portal(aws: FakeAWS, machine: Machine) -> Provider:
    machine.config(sso_lines())
    machine.sso(aws.sso_token())
    return anycreds.from_sso("dev", client_config=ONE_TRY, timeout=SHORT)


def oidc(aws: FakeAWS, machine: Machine) -> Provider:
    machine.config(sso_lines())
    machine.sso(aws.sso_token(expires_in=-1))
    return anycreds.from_sso("dev", client_config=ONE_TRY, timeout=SHORT)


def sign_in(aws: FakeAWS, machine: Machine) -> Provider:
    machine.config(f"[default]\nlogin_session = {LOGIN}\n")
    machine.login(aws.login_token(expires_in=-1))
    return anycreds.from_login_credentials(client_config=ONE_TRY, timeout=SHORT)


def cognito(aws: FakeAWS, machine: Machine) -> Provider:
    return anycreds.from_cognito_identity_pool(POOL, client_config=ONE_TRY, timeout=SHORT)


def http(aws: FakeAWS, machine: Machine) -> Provider:
    return anycreds.from_http(full_uri=aws.container_url, timeout=SHORT, max_retries=0)


@pytest.mark.parametrize(
    ("route", "made"),
    [
        ("assume role", sts),
        ("web identity", web),
        ("sso role", portal),
        ("sso token", oidc),
        ("sign-in token", sign_in),
        ("cognito id", cognito),
        ("container", http),
    ],
    ids=["STS", "web identity", "SSO portal", "OIDC", "sign-in", "Cognito", "container"],
)
async def test_silent_service_times_out(
    route: str, made: Callable[[FakeAWS, Machine], Provider], aws: FakeAWS, machine: Machine
) -> None:
    """A service that accepts the connection and never responds causes a ``ProviderTimeoutError``."""
    aws.script(route, Forever(Hang()))
    with anyio.fail_after(5):
        assert isinstance(await error_of(made(aws, machine)), ProviderTimeoutError)
    assert aws.count(route) == 1


@pytest.mark.parametrize(
    ("token", "status", "requests"),
    [("good", 404, 1), ("good", 403, 1), ("missing", 200, 0), ("bad", 200, 0)],
    ids=["404", "403", "no token file", "bad token"],
)
async def test_permanent_errors_are_not_retried(
    token: str, status: int, requests: int, aws: FakeAWS, machine: Machine
) -> None:
    """A permanent error status or a token that cannot be sent is an error without a retry."""
    file = machine.write("t", {"good": aws.container_token, "bad": f"{CANARY}\x07"}.get(token, ""))
    if token == "missing":
        file.unlink()
    aws.script("container", Forever(Status(status)))
    provider = anycreds.from_http(full_uri=aws.container_url, authorization_token_file=str(file))
    assert not isinstance(await error_of(provider), ProviderTimeoutError)
    assert aws.count() == requests


@virtual
async def test_transient_errors_are_retried_with_backoff(network: MemoryNetwork) -> None:
    """A container endpoint that fails with 503 is called again after pauses that double, with jitter."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock)
    network.serve(aws)
    aws.script("container", *[Status(503)] * 3)
    made = anycreds.from_http(relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token)
    await anycreds.cached(made, clock=clock)()
    assert aws.count("container") == 4
    assert anyio.current_time() == pytest.approx((0.1 + 0.2 + 0.4) * clock.chance)


@virtual
async def test_unreachable_metadata_costs_one_connect_timeout(network: MemoryNetwork) -> None:
    """If packets to EC2 metadata are dropped, the chain ends after one second and one connection attempt."""
    network.script(IMDS, 80, [("ignore",)], forever=True)
    provider = anycreds.cached(anycreds.from_default_chain(), clock=VirtualClock())
    assert isinstance(await error_of(provider), NoCredentialsError)
    assert (anyio.current_time(), len(network.connections)) == (1.0, 1)


def counting(machine: Machine) -> tuple[str, Path]:
    """Return a command that fails, and the file that gets a line each time it runs."""
    file = machine.write("runs", "")
    return f"echo run >> {file}; exit 3", file


async def test_failing_command_runs_once_per_second(machine: Machine) -> None:
    """A failing command runs once for concurrent callers, and again after one second at the earliest."""
    command, runs = counting(machine)
    machine.config(f"[default]\ncredential_process = {command}\n")
    clock = ManualClock()
    chain = anycreds.cached(anycreds.from_default_chain(), clock=clock)
    errors: list[CredentialsError] = []

    async def call() -> None:
        errors.append(await error_of(chain))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(call)
    await call()
    assert len(errors) == 6
    assert runs.read_text() == "run\n"
    clock.advance(1)
    await call()
    assert runs.read_text() == "run\nrun\n"


async def test_valid_credentials_do_not_wait_for_the_refresh() -> None:
    """Valid credentials are returned while their refresh runs, and after it has failed."""
    clock = ManualClock()
    upstream = FakeSource(clock, 3600.0)
    until = anyio.Event()

    async def source() -> Credentials:
        if upstream.calls:
            await until.wait()
            raise RetrievalError("down")
        return await upstream()

    provider = anycreds.cached(source, clock=clock)
    first = await provider()
    clock.advance(56 * 60)
    with anyio.fail_after(5):
        assert await provider() is first
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(1) as waited:
            assert await provider() is first
        assert not waited.cancelled_caught
    until.set()
    await anyio.wait_all_tasks_blocked()
    assert await provider() is first
