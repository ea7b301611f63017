"""The caller that started a refresh is cancelled at each await of it, and 50 others wait for the same refresh."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import Credentials
from anycreds.testing import CANARY, FakeAWS
from robustness.environment import KINDS, Environment
from support.coroutine_stepper import stepped
from support.event_loops import each_loop
from support.goals import RecordGoal

pytestmark = [pytest.mark.realtime, pytest.mark.anyio]

FOLLOWERS = 50
# With those of the services, twelve providers; each with the fake's name for its last request.
OTHERS = {"container": "container", "instance": "role", "process": None}
OUTPUT = {"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": f"{CANARY}-s", "SessionToken": f"{CANARY}-t"}


def create(kind: str, aws: FakeAWS, home: Path) -> anycreds.Provider:
    """Create a provider that has resolved nothing yet."""
    if kind == "container":
        return anycreds.from_http(full_uri=aws.container_url, authorization_token=aws.container_token, timeout=5.0)
    if kind == "instance":
        return anycreds.from_instance_metadata(endpoint=aws.metadata_url, timeout=5.0)
    if kind != "process":
        return Environment(aws, home).provider(kind)
    folder = home / ".aws"
    folder.mkdir(exist_ok=True)
    document = folder / "output.json"
    document.write_text(json.dumps(OUTPUT | {"Expiration": "2999-01-01T00:00:00Z"}))
    (folder / "config").write_text(f"[default]\ncredential_process = cat {shlex.quote(str(document))}\n")
    return anycreds.from_process()


class Refresh:
    """One refresh, whose first caller is cancelled before one of its steps."""

    def __init__(self, provider: anycreds.Provider, step: int) -> None:
        self.calls = self.steps = 0
        self.got: list[Credentials] = []
        self._provider, self._wanted = provider, step
        self._joined = anyio.Event()
        self._started = anyio.Event()
        self._leader = anyio.CancelScope()
        self._cached = anycreds.cached(self._source)

    async def _source(self) -> Credentials:
        self.calls += 1
        self._started.set()
        await self._joined.wait()
        return await stepped(self._provider(), self._before)

    def _before(self, step: int) -> None:
        self.steps = step + 1
        if step == self._wanted:
            self._leader.cancel()

    async def _lead(self) -> None:
        with self._leader:
            await self._cached()

    async def _follow(self) -> None:
        self.got.append(await self._cached())

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._lead)
            await self._started.wait()
            for _ in range(FOLLOWERS):
                tasks.start_soon(self._follow)
            await anyio.wait_all_tasks_blocked()
            self._joined.set()


@pytest.mark.goal("G1", long=True)
@pytest.mark.skipif(sys.platform == "win32", reason="the command is one of POSIX")
@each_loop
@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
@pytest.mark.usefixtures("without_delays")
async def test_leader_cancelled_at_every_await(
    aws: FakeAWS, isolated: Path, monkeypatch: pytest.MonkeyPatch, kind: str, goal: RecordGoal
) -> None:
    """Whenever the first caller is cancelled, the others get the credentials of the refresh that it has started."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    route = OTHERS[kind] if kind in OTHERS else KINDS[kind].route
    step, reached = 0, True
    served = calls = extra = 0
    while reached:
        before = aws.count(route) if route else 0
        refresh = Refresh(create(kind, aws, isolated), step)
        await refresh.run()
        served += len(refresh.got)
        calls += refresh.calls
        extra += (aws.count(route) - before if route else 1) - 1
        reached = refresh.steps > step
        step += reached
    goal(
        "G1",
        "{awaits} first callers cancelled: {unserved} of {followers} others not served, {extra} additional requests",
        "each await of {providers} refreshes, of 12 providers on 2 event loops",
        awaits=step,
        unserved=(step + 1) * FOLLOWERS - served,
        followers=(step + 1) * FOLLOWERS,
        extra=extra + calls - (step + 1),
        providers=1,
    )
    assert step > 1  # fewer would mean that nothing was awaited
    assert served == (step + 1) * FOLLOWERS
    assert calls == step + 1
    assert extra == 0
