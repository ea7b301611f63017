"""Every conformance case with anycreds on asyncio, and one of each folder on trio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest
from anyio.from_thread import BlockingPortal

import anycreds
import anycreds._system.http.services
from anycreds import Credentials, CredentialsError
from anycreds._system.io import SystemIo
from conformance.case_files import PEERS, Case, read_cases
from conformance.comparison import FIELDS, KINDS, chain_of, differences
from conformance.environment import prepared
from support.goals import RecordGoal

CASES = read_cases()


def busiest(cases: Sequence[Case]) -> list[Case]:
    """Return the case of each folder with the longest expectation: the most requests and files."""
    found: dict[str, Case] = {}
    for case in sorted(cases, key=lambda case: len(str(case.data["expect"])), reverse=True):
        found.setdefault(case.provider, case)
    return list(found.values())


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the pauses between attempts, which no case compares."""

    async def skip(io: SystemIo, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(SystemIo, "sleep", skip)


@pytest.mark.goal("G17")
@pytest.mark.anyio
@pytest.mark.usefixtures("without_pauses")
@pytest.mark.parametrize(
    ("anyio_backend", "case"),
    [pytest.param("asyncio", case, id=f"asyncio-{case.name}") for case in CASES]
    + [pytest.param("trio", case, id=f"trio-{case.name}") for case in busiest(CASES)],
)
async def test_anycreds_has_the_expected_outcome(
    case: Case, isolated: Path, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch, goal: RecordGoal
) -> None:
    """The credentials or the error, the requests and the files are what the case expects."""
    with prepared(case, isolated, portal) as environment:
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"):
            monkeypatch.delenv(name)
        for name, value in environment.variables.items():
            monkeypatch.setenv(name, value)
        expect = environment.fill(case.data["expect"])
        actual = await run_case(environment.call, environment.times)
        actual |= {"requests": environment.requests(), "files": environment.files(list(expect.get("files", {})))}
    compared = [case.peer(peer) for peer in PEERS if not case.skip(peer)]
    goal(
        "G17",
        "{cases} runs of cases have their outcome; of {compared} comparisons with botocore and the JavaScript SDK "
        "{documented} are documented differences",
        "all cases",
        cases=1,
        compared=len(compared),
        documented=sum("differs" in one for one in compared),
    )
    assert differences(expect, actual) == []


async def run_case(call: Mapping[str, Any], times: int) -> dict[str, Any]:
    """Create a provider, await it ``times`` times, and return the outcome of the last call."""
    try:
        provider = create_provider(call)
        for _ in range(times - 1):
            await provider()
        return {"credentials": plain(await provider())}
    except CredentialsError as error:
        kind = KINDS["anycreds"][type(error).__name__]
        return {"error": kind, "chain": chain_of(kind), "message": str(error)}


def create_provider(call: Mapping[str, Any]) -> Any:
    """Create the provider that a case calls."""
    factory = getattr(anycreds, call["factory"])
    if "providers" not in call:
        return factory(**{name: option(name, value) for name, value in call.get("options", {}).items()})
    chain = factory(*map(create_provider, call["providers"]))
    return chain.expire_after(call["expire_after"]) if "expire_after" in call else chain


def option(name: str, value: Any) -> Any:
    """Return the value of an option: a provider, a function, a client config, or the value itself."""
    if not isinstance(value, dict):
        return value
    if name == "client_config":
        return anycreds.ClientConfig(**value)
    if "factory" in value:
        return create_provider(value)
    if "returns" in value:
        return returning(value["returns"])
    return {key: option(key, item) for key, item in value.items()}


def returning(value: Any) -> Any:
    """Return an async function that ignores its arguments and returns a value."""

    async def function(*_: Any) -> Any:
        return Credentials(**value) if isinstance(value, dict) else value

    return function


def plain(credentials: Credentials) -> dict[str, str]:
    """Return the compared fields that are set."""
    values = {name: getattr(credentials, name) for name in FIELDS}
    if values["expiration"] is not None:
        values["expiration"] = values["expiration"].isoformat()
    return {name: value for name, value in values.items() if value is not None}
