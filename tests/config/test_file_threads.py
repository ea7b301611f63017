"""Threads that read the shared files while another one writes them: switched at each access to what they share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from anycreds import Credentials
from anycreds._config import shared_files
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.io import FileQuery, FileVersion, ReadFailure, Signature
from support.budget import Budget
from support.fake_io import FakeIo, run
from support.fake_source import make_credentials
from support.history import History, problems
from support.interleaving import Schedule, Scheduler

TRACED = str(Path(shared_files.__file__))
CREDENTIALS = "/home/user/.aws/credentials"
# By key of the file: the field of the credentials.
KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
# How many schedules with one switch, and how many with more, a change tries; there are 340 with one.
SAMPLE = 60


class Files(FakeIo):
    """The credentials file in memory, each version of it with a signature of its own."""

    def __init__(self) -> None:
        super().__init__(environ={"HOME": "/home/user"})
        self._version = FileVersion(b"", (0,))

    def write(self, history: History) -> None:
        """Replace the file by a new version."""
        number = self._version.signature[0] + 1
        new, asked = make_credentials(str(number), None), history.moment()
        lines = [f"{name} = {getattr(new, field)}" for name, field in KEYS.items()]
        self._version = FileVersion("\n".join(["[dev]", *lines]).encode(), (number,))
        history.record_issue(asked, new)

    def read_at_once(self, wanted: Sequence[FileQuery]) -> list[FileVersion | ReadFailure | None]:
        return [self._read(path, known) for path, known in wanted]

    def _read(self, path: str, known: Signature | None) -> FileVersion | ReadFailure | None:
        version = self._version
        if path != CREDENTIALS:
            return ReadFailure("does not exist", is_missing=True)
        return None if version.signature == known else version


def play(schedule: Schedule) -> tuple[int, list[str]]:
    """Return the number of steps, and what is wrong."""
    files, shared = Files(), SharedFiles(FileOptions())
    history = History(files)
    scheduler = Scheduler(schedule, TRACED)

    async def read() -> Credentials:
        profiles = shared.profiles_at_once(files)
        assert profiles is not None
        profile = profiles.get("dev")
        assert profile is not None
        return Credentials(*(profile.settings[name].value for name in KEYS))

    def use(*, writes: bool) -> None:
        if writes:
            files.write(history)
        for _ in range(3):
            run(history.call(read))

    files.write(history)
    scheduler.run([partial(use, writes=False), partial(use, writes=True)])
    return scheduler.steps, [*map(repr, scheduler.errors), *problems(history)]


@pytest.mark.fault("L05", "C05")
def test_every_schedule_of_threads_reads_the_newest_file(budget: Budget) -> None:
    """Wherever threads are switched, each read returns a whole version of the file, and none older than one before."""
    steps, _ = play(())
    chance = budget.random()
    schedules: list[Schedule] = [((step, 1),) for step in budget.sample(range(1, steps + 1), SAMPLE)]
    schedules += [
        tuple(sorted((chance.randrange(1, steps + 1), 1) for _ in range(3))) for _ in range(budget.count(SAMPLE))
    ]
    for schedule in schedules:
        assert play(schedule)[1] == [], schedule
