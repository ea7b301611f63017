"""Eight processes share the token file of a sign-in, whose refresh tokens are valid once, and some are killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anycreds.testing import FakeAWS
from support.budget import Budget
from support.goals import RecordGoal

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name != "posix", reason="kills processes, and looks at the modes of files"),
]

PROGRAM = Path(__file__).with_name("token_program.py")
PROCESSES = 8
ROUNDS = 20
KILLS = 3  # in every third round one of the eight is killed: about every twentieth call
PAST = "2020-01-01T00:00:00Z"
USER = "arn:aws:iam::123456789012:user/alice"
CONFIG = f"""
[profile sso]
sso_session = s
sso_account_id = 123456789012
sso_role_name = Dev
[sso-session s]
sso_region = us-east-1
sso_start_url = https://anycreds-fake.awsapps.com/start
[profile login]
login_session = {USER}
"""
ROUTES = {"sso": "sso token", "login": "sign-in token"}


class SignIn:
    """The token file of a sign-in, and the service that it belongs to."""

    def __init__(self, kind: str, aws: FakeAWS, home: Path) -> None:
        self.kind, self.aws = kind, aws
        name = hashlib.sha1(b"s") if kind == "sso" else hashlib.sha256(USER.encode())
        self.path = home / ".aws" / kind / "cache" / f"{name.hexdigest()}.json"
        (home / ".aws").mkdir()
        (home / ".aws" / "config").write_text(CONFIG)
        before = os.umask(0)  # the library creates the directory of tokens elsewhere; here it is as the AWS CLI's
        self.path.parent.mkdir(parents=True, mode=0o700)
        os.umask(before)
        self.sign_in()

    def sign_in(self) -> None:
        """Write a new token, as the AWS CLI does."""
        self._write(self.aws.sso_token() if self.kind == "sso" else self.aws.login_token(arn=USER))

    def expire(self) -> None:
        """Let the token in the file be expired."""
        document = json.loads(self.path.read_text())
        (document if self.kind == "sso" else document["accessToken"])["expiresAt"] = PAST
        self._write(document)

    def _write(self, document: dict[str, Any]) -> None:
        new = self.path.with_suffix(".new")
        new.touch(0o600)
        new.write_text(json.dumps(document))
        new.replace(self.path)

    def is_lost(self) -> bool:
        """Return whether the refresh token in the file has been used."""
        token = json.loads(self.path.read_text())["refreshToken"]
        return self.aws.records.refresh_tokens[token].was_used

    def refreshes(self) -> int:
        """Return how many refreshes were requested."""
        return self.aws.count(ROUTES[self.kind])

    def wrong_modes(self) -> set[str]:
        """Return the files that others may read."""
        folder = self.path.parent
        found = {path.name for path in folder.iterdir() if path.suffix != ".new" and _mode(path) not in (0o600, 0)}
        return found | ({"the folder"} if _mode(folder) != 0o700 else set())


def _mode(path: Path) -> int:
    """Return the permissions of a file; 0 if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    return 0


class Reader(threading.Thread):
    """Reads the token file without a pause, as another program would."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="reads the token file")
        self._path, self.done = path, threading.Event()
        self.reads = self.torn = 0

    def run(self) -> None:
        while not self.done.wait(0.0005):
            self.reads += 1
            try:
                json.loads(self._path.read_bytes())
            except ValueError:
                self.torn += 1


class Programs:
    """Eight programs, half of them on each event loop."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._running = [self._start(number) for number in range(PROCESSES)]

    def _start(self, number: int) -> subprocess.Popen[str]:
        command = [sys.executable, str(PROGRAM), "trio" if number % 2 else "asyncio", self._kind]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, killed_after: float | None, chance: random.Random) -> list[str]:
        """Let all programs call at once, kill one of them if a time is given, and return the outcomes of the others."""
        for program in self._running:
            assert program.stdin is not None
            program.stdin.write("\n")
            program.stdin.flush()
        victim = chance.randrange(PROCESSES) if killed_after is not None else None
        if victim is not None and killed_after is not None:
            time.sleep(killed_after)
            self._running[victim].send_signal(signal.SIGKILL)
        outcomes = []
        for number, program in enumerate(self._running):
            assert program.stdout is not None
            line = program.stdout.readline().strip()
            if number != victim:
                outcomes.append(line)
        if victim is not None:
            self._running[victim].communicate()
            self._running[victim] = self._start(victim)
        return outcomes

    def end(self) -> None:
        """Let all programs end."""
        for program in self._running:
            program.communicate()


@pytest.fixture
def aws(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    """Return a running fake AWS, which the programs use."""
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with FakeAWS.in_thread(latency=0.01) as aws:
        for name, value in aws.service_environ().items():
            monkeypatch.setenv(name, value)
        yield aws


@pytest.mark.fault("L16", "L19", "S14")
@pytest.mark.goal("G14", long=True)
@pytest.mark.parametrize("kind", ROUTES)
def test_processes_share_a_sign_in(kind: str, aws: FakeAWS, isolated: Path, budget: Budget, goal: RecordGoal) -> None:
    """Of eight processes one refreshes an expired token, once; the file is never torn, and only a kill loses it."""
    sign_in, chance = SignIn(kind, aws, isolated), budget.random(kind)
    programs, reader = Programs(kind), Reader(sign_in.path)
    programs.call(None, chance)  # all have loaded the library
    reader.start()
    twice = lost = lost_by_kills = kills = 0
    wrong_modes: set[str] = set()
    for number in range(budget.count(ROUNDS)):
        is_kill = number % KILLS == 1
        sign_in.expire()
        before = sign_in.refreshes()
        outcomes = programs.call(chance.uniform(0, 0.12) if is_kill else None, chance)
        wrong_modes |= sign_in.wrong_modes()
        kills += is_kill
        if is_kill and sign_in.is_lost():
            lost_by_kills += 1
            sign_in.sign_in()
            continue
        lost += sign_in.is_lost() or outcomes.count("credentials") < len(outcomes)
        twice += sign_in.refreshes() - before > 1 + is_kill
    reader.done.set()
    reader.join()
    programs.end()
    goal(
        "G14",
        "{expired} expirations, {kills} kills: {twice} refreshed twice, {lost} sign-ins lost ({by_kills} more by kills "
        "between response and write), {torn} of {reads} reads torn, {modes} files with a wrong mode",
        "8 processes, {expired} expirations, at least 20",
        expired=budget.count(ROUNDS),
        kills=kills,
        twice=twice,
        lost=lost,
        by_kills=lost_by_kills,
        torn=reader.torn,
        reads=reader.reads,
        modes=len(wrong_modes),
    )
    assert (twice, lost, reader.torn, wrong_modes) == (0, 0, 0, set())
