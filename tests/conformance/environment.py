"""Prepares a case (files, fake AWS, environment variables) and returns the requests and files afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from anyio.from_thread import BlockingPortal

from anycreds import testing
from anycreds.testing import Exchange, FakeAWS, Fault
from anycreds.testing._fake_aws.state import CognitoIdentity
from conformance.case_files import Case, filled, read_shared

_DEFAULTS = read_shared("defaults")


class CaseEnvironment(NamedTuple):
    """A prepared case."""

    variables: dict[str, str]
    """All environment variables except ``PATH``."""
    call: Mapping[str, Any]
    times: int
    fake: FakeAWS
    home: Path

    def fill(self, value: Any) -> Any:
        """Replace the placeholders in a value."""
        return filled(value, self.fake.metadata_url, self.home)

    def requests(self) -> list[dict[str, str]]:
        """Return the requests in order: route, parameters, and the key id and region of the signature."""
        return [_request(exchange) for exchange in self.fake.exchanges]

    def files(self, names: list[str]) -> dict[str, Any]:
        """Return the content of these JSON files."""
        return {name: json.loads(_path_in(self.home, name).read_text(encoding="utf-8")) for name in names}


@contextmanager
def prepared(case: Case, home: Path, portal: BlockingPortal) -> Iterator[CaseEnvironment]:
    """Write the files of a case, and run its fake AWS in the portal's thread inside the ``with`` block."""
    described = case.data.get("fake", {})
    settings = {**_DEFAULTS["settings"], **described.get("settings", {})}
    with portal.wrap_async_context_manager(FakeAWS(**settings)) as fake:
        for identity, logins in described.get("identities", {}).items():
            fake.records.identities[identity] = CognitoIdentity(next(iter(fake.cognito_pools)), frozenset(logins))
        for route, faults in described.get("faults", {}).items():
            fake.script(route, *(fault(filled(one, fake.metadata_url, home)) for one in faults))
        for name, content in filled(case.data.get("files", {}), fake.metadata_url, home).items():
            path = _path_in(home, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_text(fake, content), encoding="utf-8", newline="")
        environ = {**_DEFAULTS["environ"], **case.data.get("environ", {})}
        given = {name: value for name, value in environ.items() if value is not None}
        fill: Callable[[Any], Any] = lambda value: filled(value, fake.metadata_url, home)  # noqa: E731
        yield CaseEnvironment(fill(given), fill(case.data["call"]), case.data.get("times", 1), fake, home)


def fault(described: list[Any]) -> Fault:
    """Return the fault with this name and these arguments."""
    name, *arguments = described
    if name == "Forever":
        return testing.Forever(fault(arguments[0]))  # type: ignore[arg-type]
    made: Fault = getattr(testing, name)(*(_argument(name, argument) for argument in arguments))
    return made


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value)
    return value.encode() if isinstance(value, str) and name not in {"Redirect", "ServiceError"} else value


def _path_in(home: Path, name: str) -> Path:
    assert name.startswith("~/"), f"{name}: the files of a case must be in its home directory"
    return home / name[2:]


def _text(fake: FakeAWS, content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(f"{line}\n" for line in content)
    if isinstance(content, dict) and "prepared" in content:
        content = _prepared(fake, **content)
    return json.dumps(content)


def _prepared(fake: FakeAWS, prepared: str, change: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Return a token that the fake accepts, with some fields changed; null removes a field."""
    token = fake.sso_token(**options) if prepared == "sso token" else fake.login_token(**options)
    return {name: value for name, value in {**token, **(change or {})}.items() if value is not None}


def _request(exchange: Exchange) -> dict[str, str]:
    signed = exchange.signed_for
    named = {"signed by": signed.access_key_id, "region": signed.region} if signed else {}
    return {"route": exchange.route, **exchange.parameters, **named}
