"""The default chain's providers are made when they are asked, and what cannot be right is refused before that."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import anycreds
from anycreds import Credentials, InvalidConfigurationError, NotConfiguredError
from anycreds._io import Io, World
from anycreds._links import Later
from anycreds._provider import Caller, Provider
from scripted import ScriptedIo, ScriptedWorld, run


class Counting(Provider):
    """Has nothing at first, and then credentials; may serve them past their end, and counts how many were made."""

    made = 0

    def __init__(self, world: World, answer: Credentials) -> None:
        super().__init__("counting", world)
        type(self).made += 1
        self.answer = answer
        self.asked = 0

    async def _fetch(self, io: Io, caller: Caller) -> Credentials:
        self.asked += 1
        if self.asked == 1:
            raise NotConfiguredError("not yet", source=self.name)
        return self.answer

    def _may_extend(self, credentials: Credentials) -> bool:
        return True

    def _asks_person(self) -> bool:
        return True


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1.0},
        {"max_retries": -1},
        {"sso_region": "us-east-1"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_that_cannot_be_right_are_refused_at_once(options: dict[str, Any]) -> None:
    """``from_default_chain`` raises for such an option, although nobody has asked the provider that takes it."""
    with pytest.raises(InvalidConfigurationError):
        anycreds.from_default_chain(**options)


def test_a_provider_is_made_when_it_is_asked_and_once() -> None:
    """It does not exist before; then it stays, under its own name, with what it remembers."""
    keys = Credentials("AKIDLATER", "canary-secret")
    io = ScriptedIo()
    Counting.made = 0
    later = Later("a title", ScriptedWorld(io), Counting, {"answer": keys})
    assert (Counting.made, later.name) == (0, "a title")
    assert not later._may_extend(keys)
    assert not later._asks_person()
    with pytest.raises(NotConfiguredError):
        run(later._fetch(io, Caller()))
    assert run(later._fetch(io, Caller())) is keys
    assert (Counting.made, later.name) == (1, "counting")
    assert later._may_extend(keys)
    assert later._asks_person()


def test_loading_is_left_to_a_thread_once() -> None:
    """The first provider of its kind in a process is made in a thread, as that loads modules; the next one is not."""
    worked: list[object] = []

    class Noting(ScriptedIo):
        async def work(self, function: Any, *arguments: object) -> Any:
            worked.append(function)
            return function(*arguments)

    class Kind(Counting):
        """Has not been made before."""

        made = 0

    io = Noting()
    for _ in range(3):
        with pytest.raises(NotConfiguredError):
            run(Later("a title", ScriptedWorld(io), Kind, {"answer": Credentials("A", "b")})._fetch(io, Caller()))
    assert len(worked) == 1
    assert Kind.made == 3


def test_one_reading_of_the_files_serves_the_whole_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """All providers of a chain share one view of the files, and it is not made before one of them needs it."""
    from anycreds import _shared_files

    made: list[object] = []
    init = _shared_files.SharedFiles.__init__

    def counted(self: _shared_files.SharedFiles, options: _shared_files.FileOptions) -> None:
        made.append(options)
        init(self, options)

    monkeypatch.setattr(_shared_files.SharedFiles, "__init__", counted)
    chain = anycreds.from_default_chain()
    assert made == []
    with pytest.raises(anycreds.NoCredentialsError):
        anyio.run(chain)
    assert len(made) == 1
