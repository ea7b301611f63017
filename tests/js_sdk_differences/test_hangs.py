"""js-sdk 14.3: where JavaScript hangs, waits in vain or dies, ours ends in time, asks once, and serves what is good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds import (
    ClientConfig,
    Credentials,
    CredentialsError,
    MalformedResponseError,
    NoCredentialsError,
    Provider,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds.testing import CANARY, FakeAWS, Forever, Hang, ManualClock, MemoryNetwork, Status, VirtualClock
from js_sdk_differences.backends import virtual
from js_sdk_differences.environment import DEVICE, KEYS, LOGIN, OTHER_ROLE, ROLE, Machine, error_of, keys, sso_lines
from support.fake_source import FakeSource
from support.raw_http_server import httpx_loaded  # noqa: F401

pytestmark = pytest.mark.anyio

SHORT = 0.05  # seconds for an exchange that is never answered
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
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_14_18_whoever_is_silent_is_left(
    route: str, made: Callable[[FakeAWS, Machine], Provider], aws: FakeAWS, machine: Machine
) -> None:
    """Every call of a service has a deadline: one that is accepted and never answered is a ``ProviderTimeoutError``."""
    aws.script(route, Forever(Hang()))
    with anyio.fail_after(5):
        assert isinstance(await error_of(made(aws, machine)), ProviderTimeoutError)
    assert aws.count(route) == 1


async def test_14_18_a_command_has_a_deadline(machine: Machine) -> None:
    """A command that does not end is ended."""
    machine.config("[default]\ncredential_process = sleep 60\n")
    with anyio.fail_after(5):
        assert isinstance(await error_of(anycreds.from_process(timeout=SHORT)), ProviderTimeoutError)


async def test_14_18_a_command_has_no_standard_input(machine: Machine) -> None:
    """A command that reads its standard input finds its end at once."""
    machine.config("[default]\ncredential_process = cat\n")
    with anyio.fail_after(5):
        error = await error_of(anycreds.from_process())
    assert isinstance(error, MalformedResponseError)
    assert "is empty" in str(error)


@pytest.mark.parametrize(
    ("token", "status", "requests"),
    [("good", 404, 1), ("good", 403, 1), ("missing", 200, 0), ("bad", 200, 0)],
    ids=["404", "403", "no token file", "bad token"],
)
async def test_14_19_what_does_not_pass_is_not_repeated(
    token: str, status: int, requests: int, aws: FakeAWS, machine: Machine
) -> None:
    """An answer that will not change, or a token that cannot be sent, is an error at once."""
    file = machine.write("t", {"good": aws.container_token, "bad": f"{CANARY}\x07"}.get(token, ""))
    if token == "missing":
        file.unlink()
    aws.script("container", Forever(Status(status)))
    provider = anycreds.from_http(full_uri=aws.container_url, authorization_token_file=str(file))
    assert not isinstance(await error_of(provider), ProviderTimeoutError)
    assert aws.count() == requests


@virtual
async def test_14_19_what_passes_is_repeated_soon(network: MemoryNetwork) -> None:
    """A server in trouble is asked again after pauses that double, at random below a tenth of a second at first."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock)
    network.serve(aws)
    aws.script("container", *[Status(503)] * 3)
    made = anycreds.from_http(relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token)
    await anycreds.cached(made, clock=clock)()
    assert aws.count("container") == 4
    assert anyio.current_time() == pytest.approx((0.1 + 0.2 + 0.4) * clock.chance)


async def test_14_20_nobody_is_asked_for_a_code_in_vain(aws: FakeAWS, machine: Machine) -> None:
    """A source that fails is an error, which the caller gets; no code is asked for it, and nothing is left behind."""
    asked: list[str] = []

    async def code(serial: str) -> str:
        asked.append(serial)
        return "123456"

    machine.config(
        f"[profile work]\nrole_arn = {ROLE}\nmfa_serial = {DEVICE}\nsource_profile = base\n"
        "[profile base]\ncredential_process = exit 3\n"
    )
    assert isinstance(await error_of(anycreds.from_ini("work", mfa_code_provider=code)), RetrievalError)
    assert asked == []
    assert aws.count() == 0


async def test_14_20_codes_are_asked_one_after_the_other(aws: FakeAWS, machine: Machine) -> None:
    """Two roles with a device each ask for the second code when the first role is there, innermost first."""
    devices = {f"{DEVICE}-1": "111111", f"{DEVICE}-2": "222222"}
    told: list[str] = []

    async def code(serial: str) -> str:
        told.append(f"asked {serial[-1]} after {aws.count('assume role')} roles")
        await anyio.lowlevel.checkpoint()
        told.append(f"told {serial[-1]}")
        return devices[serial]

    aws.roles = {
        ROLE: {"mfa_serial": f"{DEVICE}-1", "mfa_codes": ["111111"]},
        OTHER_ROLE: {"mfa_serial": f"{DEVICE}-2", "mfa_codes": ["222222"]},
    }
    machine.config(
        f"[profile top]\nrole_arn = {OTHER_ROLE}\nmfa_serial = {DEVICE}-2\nsource_profile = middle\n"
        f"[profile middle]\nrole_arn = {ROLE}\nmfa_serial = {DEVICE}-1\nsource_profile = base\n"
        f"[profile base]\n{keys(aws)}"
    )
    await anycreds.from_ini("top", mfa_code_provider=code)()
    assert told == ["asked 1 after 0 roles", "told 1", "asked 2 after 1 roles", "told 2"]


@virtual
async def test_14_21_off_ec2_one_connect_timeout_is_enough(network: MemoryNetwork) -> None:
    """Where packets to EC2 metadata are dropped, the chain knows after one second and one attempt to connect."""
    network.script(IMDS, 80, [("ignore",)], forever=True)
    provider = anycreds.cached(anycreds.from_default_chain(), clock=VirtualClock())
    assert isinstance(await error_of(provider), NoCredentialsError)
    assert (anyio.current_time(), len(network.connections)) == (1.0, 1)


def counting(machine: Machine) -> tuple[str, Path]:
    """Return a command that fails, and the file that gets a line each time it runs."""
    file = machine.write("runs", "")
    return f"echo run >> {file}; exit 3", file


async def test_14_22_a_command_runs_once_for_an_attempt(machine: Machine) -> None:
    """A command that fails runs once, however many ask; then a second passes before it runs again."""
    command, runs = counting(machine)
    machine.config(f"[default]\ncredential_process = {command}\n")
    clock = ManualClock()
    chain = anycreds.cached(anycreds.from_default_chain(), clock=clock)
    errors: list[CredentialsError] = []

    async def ask() -> None:
        errors.append(await error_of(chain))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    await ask()
    assert len(errors) == 6
    assert runs.read_text() == "run\n"
    clock.advance(1)
    await ask()
    assert runs.read_text() == "run\nrun\n"


async def test_14_23_a_refresh_that_fails_is_not_hammered() -> None:
    """While a set is good, a source that is down is asked again after minutes, not at each request."""
    clock = ManualClock()
    upstream = FakeSource(clock, 3600.0, *[RetrievalError("down") for _ in range(9)])
    provider = anycreds.cached(upstream, clock=clock)

    async def ask_often() -> int:
        for _ in range(20):
            await provider()
            await anyio.wait_all_tasks_blocked()
        return upstream.calls

    assert await ask_often() == 1
    clock.advance(46 * 60)
    assert await ask_often() == 2
    clock.advance(5 * 60 - 1)
    assert await ask_often() == 2
    clock.advance(5 * 60 + 1)
    assert await ask_often() == 3


async def test_14_24_what_is_valid_is_served() -> None:
    """A set with four minutes left is served while its refresh is in the air, and when that has failed."""
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


async def test_14_24_a_short_life_is_no_reason_to_ask_twice() -> None:
    """A set that comes with four minutes to live is got once by those who wait for it, and kept."""
    upstream = FakeSource(ManualClock(), 240.0)
    provider = anycreds.cached(upstream, clock=upstream.clock)
    got: list[Credentials] = []

    async def ask() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    await ask()
    assert len(set(map(id, got))) == 1
    assert upstream.calls == 1
