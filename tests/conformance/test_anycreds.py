"""Every case, played by ours on every event loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import anycreds
from anycreds import Credentials, CredentialsError
from conformance.case_files import Case, read_cases
from conformance.comparison import FIELDS, KINDS, chain_of, problems
from conformance.environment import staged
from support.raw_http_server import httpx_loaded  # noqa: F401

CASES = [pytest.param(case, id=case.name) for case in read_cases()]


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES)
async def test_case(case: Case, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the case expects comes about: the credentials or the error, the requests, and the files."""
    with staged(case, isolated) as stage:
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"):
            monkeypatch.delenv(name)
        for name, value in stage.environ.items():
            monkeypatch.setenv(name, value)
        expect = stage.fill(case.data["expect"])
        came = await play(stage.call, stage.times)
        came |= {"requests": stage.requests(), "files": stage.files(list(expect.get("files", {})))}
    assert problems(expect, came) == []


async def play(call: Mapping[str, Any], times: int) -> dict[str, Any]:
    """Make a provider, await it so many times, and tell what came the last time."""
    try:
        provider = made(call)
        for _ in range(times - 1):
            await provider()
        return {"credentials": plain(await provider())}
    except CredentialsError as error:
        kind = KINDS["anycreds"][type(error).__name__]
        return {"error": kind, "chain": chain_of(kind), "message": str(error)}


def made(call: Mapping[str, Any]) -> Any:
    """Make the provider that a call names."""
    factory = getattr(anycreds, call["factory"])
    if "providers" not in call:
        return factory(**{name: option(name, value) for name, value in call.get("options", {}).items()})
    chain = factory(*map(made, call["providers"]))
    return chain.expire_after(call["expire_after"]) if "expire_after" in call else chain


def option(name: str, value: Any) -> Any:
    """Return the value of an option: a provider, a function, a client config, or what stands there."""
    if not isinstance(value, dict):
        return value
    if name == "client_config":
        return anycreds.ClientConfig(**value)
    if "factory" in value:
        return made(value)
    if "returns" in value:
        return returning(value["returns"])
    return {key: option(key, item) for key, item in value.items()}


def returning(value: Any) -> Any:
    """Return an async function that answers with a value whatever it is asked."""

    async def function(*_: Any) -> Any:
        return Credentials(**value) if isinstance(value, dict) else value

    return function


def plain(credentials: Credentials) -> dict[str, str]:
    """Return the fields that are compared, without those that are not set."""
    values = {name: getattr(credentials, name) for name in FIELDS}
    if values["expiration"] is not None:
        values["expiration"] = values["expiration"].isoformat()
    return {name: value for name, value in values.items() if value is not None}
