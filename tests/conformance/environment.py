"""Sets a case up (files, the fake, the environment), lets somebody make its call, and tells what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from anycreds import testing
from anycreds.testing import Exchange, FakeAWS, Fault
from anycreds.testing._fake_aws.state import Identity
from conformance.case_files import Case, filled, read_shared

_DEFAULTS = read_shared("defaults")


class Stage(NamedTuple):
    """A case that is ready to be played."""

    environ: dict[str, str]
    """The whole environment, but for ``PATH``."""
    call: Mapping[str, Any]
    times: int
    fake: FakeAWS
    home: Path

    def fill(self, value: Any) -> Any:
        """Fill the placeholders in a value."""
        return filled(value, self.fake.metadata_url, self.home)

    def requests(self) -> list[dict[str, str]]:
        """Return what was asked, in order: the route, the parameters, and who signed it for which region."""
        return [_asked(exchange) for exchange in self.fake.exchanges]

    def files(self, names: list[str]) -> dict[str, Any]:
        """Return what stands in these files now; they hold JSON."""
        return {name: json.loads(_under(self.home, name).read_text(encoding="utf-8")) for name in names}


@contextmanager
def staged(case: Case, home: Path) -> Iterator[Stage]:
    """Serve the fake and write the files of a case, while the ``with`` lasts."""
    told = case.data.get("fake", {})
    with FakeAWS.in_thread(**{**_DEFAULTS["settings"], **told.get("settings", {})}) as fake:
        for identity, logins in told.get("identities", {}).items():
            fake.memory.identities[identity] = Identity(next(iter(fake.cognito_pools)), frozenset(logins))
        for route, faults in told.get("faults", {}).items():
            fake.script(route, *(fault(filled(one, fake.metadata_url, home)) for one in faults))
        for name, content in filled(case.data.get("files", {}), fake.metadata_url, home).items():
            path = _under(home, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_text(fake, content), encoding="utf-8", newline="")
        environ = {**_DEFAULTS["environ"], **case.data.get("environ", {})}
        given = {name: value for name, value in environ.items() if value is not None}
        fill: Callable[[Any], Any] = lambda value: filled(value, fake.metadata_url, home)  # noqa: E731
        yield Stage(fill(given), fill(case.data["call"]), case.data.get("times", 1), fake, home)


def fault(told: list[Any]) -> Fault:
    """Make a fault of its name and arguments."""
    name, *arguments = told
    if name == "Forever":
        return testing.Forever(fault(arguments[0]))  # type: ignore[arg-type]
    made: Fault = getattr(testing, name)(*(_argument(name, argument) for argument in arguments))
    return made


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value)
    return value.encode() if isinstance(value, str) and name not in {"Redirect", "Refuse"} else value


def _under(home: Path, name: str) -> Path:
    assert name.startswith("~/"), f"{name}: files of a case stand in its home"
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
    """Return a token as the fake accepts it, with some fields changed; null takes a field away."""
    token = fake.sso_token(**options) if prepared == "sso token" else fake.login_token(**options)
    return {name: value for name, value in {**token, **(change or {})}.items() if value is not None}


def _asked(exchange: Exchange) -> dict[str, str]:
    signed = exchange.signed_for
    named = {"signed by": signed.access_key_id, "region": signed.region} if signed else {}
    return {"route": exchange.route, **exchange.parameters, **named}
