"""A lazy provider is built once, in a thread where that imports modules, when it is first awaited."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import ClientContext, Credentials, NotConfiguredError, Provider
from anycreds._config import shared_files
from anycreds._core.io import Io, Runtime
from anycreds._factories import lazy as lazy_module
from anycreds._factories.lazy import LazyProvider
from support.factory_fixtures import ROLE, SSO, default_chain, fetch, mfa_code
from support.fake_io import FakeIo, FakeRuntime
from support.interleaving import Schedule, Scheduler
from support.rows import each_row

KEYS = Credentials("AKIDLAZY", "canary-secret")


class CountingProvider(Provider):
    """Has nothing configured at its first call. Counts its instances, and allows stale credentials."""

    built = 0

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("counting", runtime)
        type(self).built += 1
        self.calls = 0

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.calls += 1
        if self.calls == 1:
            raise NotConfiguredError("not at the first call", source=self.name)
        return KEYS

    def _allows_stale(self, credentials: Credentials) -> bool:
        return True


class ThreadRecordingIo(FakeIo):
    """Records the functions that run in a thread. Calls ``before`` first."""

    def __init__(self, before: Callable[[], Any] | None = None) -> None:
        super().__init__()
        self.before = before
        self.in_thread: list[object] = []

    async def run_in_thread(self, function: Any, *arguments: object) -> Any:
        self.in_thread.append(function)
        if self.before is not None:
            with pytest.raises(NotConfiguredError):
                await self.before()
        return function(*arguments)


@pytest.fixture
def kind() -> type[CountingProvider]:
    """Return a class of providers that was never built in this process."""
    return type("NewProvider", (CountingProvider,), {"built": 0})


def lazy(kind: type[CountingProvider], **options: Any) -> LazyProvider:
    """Return a lazy provider that builds one of this class."""
    return LazyProvider("a name", FakeRuntime(), partial(kind, FakeRuntime()), **options)


def errors_of_two_threads(schedule: Schedule, kind: type[CountingProvider]) -> tuple[int, int]:
    """Return the number of steps, and how many of four calls by two threads were the first one of their provider."""
    provider = lazy(kind)
    errors: list[NotConfiguredError] = []

    def call_twice() -> None:
        for _ in range(2):
            try:
                fetch(provider, FakeIo())
            except NotConfiguredError as error:
                errors.append(error)

    scheduler = Scheduler(schedule, lazy_module.__file__)
    scheduler.run([call_twice, call_twice])
    assert scheduler.errors == []
    return scheduler.steps, len(errors)


@pytest.mark.fault("C05")
def test_threads_share_the_provider_that_was_built_first(kind: type[CountingProvider]) -> None:
    """Wherever two threads are switched during their first calls, one provider serves all: it keeps its state."""
    steps, _ = errors_of_two_threads((), kind)
    pairs = [((first, 1), (second, 1)) for first in range(1, steps) for second in range(first + 1, steps)]
    for schedule in pairs:
        assert errors_of_two_threads(schedule, kind)[1] == 1, schedule


def test_provider_is_built_once_when_awaited(kind: type[CountingProvider]) -> None:
    """The provider does not exist before the first call, and then keeps its state. The lazy one has its own name."""
    provider = lazy(kind)
    assert (kind.built, provider.name, provider._allows_stale(KEYS)) == (0, "a name", False)
    with pytest.raises(NotConfiguredError):
        fetch(provider, FakeIo())
    assert fetch(provider, FakeIo()) is KEYS
    assert (kind.built, provider.name, provider._allows_stale(KEYS)) == (1, "a name", True)


def test_only_the_first_build_of_a_kind_runs_in_a_thread(kind: type[CountingProvider]) -> None:
    """The first provider of a kind is built in a thread, which imports its module. Further ones are built directly."""
    io = ThreadRecordingIo()
    for _ in range(3):
        with pytest.raises(NotConfiguredError):
            fetch(lazy(kind), io)
    assert (len(io.in_thread), kind.built) == (1, 3)


def test_concurrent_calls_share_the_first_provider(kind: type[CountingProvider]) -> None:
    """If another call builds the provider meanwhile, both calls use that one, because it may cache something."""
    provider = lazy(kind)
    io = ThreadRecordingIo(before=lambda: provider._fetch(FakeIo(), ClientContext()))
    assert fetch(provider, io) is KEYS  # the second call of the shared provider
    assert kind.built == 2


def test_values_are_known_before_the_provider_is_built(kind: type[CountingProvider]) -> None:
    """Whether the provider may prompt the user, and what its credentials depend on, is known at once."""
    provider = lazy(kind, may_prompt_user=True, context_fields=frozenset())
    assert (provider._may_prompt_user, provider._context_fields, kind.built) == (True, frozenset(), 0)
    assert not lazy(kind)._may_prompt_user


CONTEXT_FIELDS: dict[str, tuple[Provider, set[str]]] = {
    "environment": (anycreds.from_env(), set()),
    "container": (anycreds.from_container_metadata(), set()),
    "instance metadata": (anycreds.from_instance_metadata(), {"profile"}),
    "process": (anycreds.from_process(), {"profile"}),
    "process of a profile": (anycreds.from_process("x"), set()),
    "SSO": (anycreds.from_sso(), {"profile"}),
    "SSO of a profile": (anycreds.from_sso("x"), set()),
    "SSO options": (anycreds.from_sso(**SSO), {"profile"}),
    "SSO options and profile": (anycreds.from_sso("x", **SSO), set()),
    "login": (anycreds.from_login_credentials(), {"profile", "region"}),
    "login of a profile": (anycreds.from_login_credentials("x"), {"region"}),
    "profile": (anycreds.from_ini("x", mfa_code_provider=mfa_code), {"region"}),
    "selected profile": (anycreds.from_ini(), {"profile", "region"}),
    "role": (anycreds.from_temporary_credentials(ROLE, source_credentials=KEYS), {"profile", "region"}),
    "chain": (default_chain(), {"profile", "region"}),
}


@each_row("provider, fields", CONTEXT_FIELDS.values(), ids=[*CONTEXT_FIELDS])
def test_provider_declares_its_context_fields(provider: Provider, fields: set[str]) -> None:
    """A provider declares the fields of the client that its credentials depend on, and no others."""
    assert provider._context_fields == fields


@pytest.mark.parametrize(
    ("provider", "calls"),
    [(anycreds.from_process("x"), 1), (anycreds.from_process(), 2)],
    ids=["explicit profile", "profile of the client"],
)
@pytest.mark.anyio
async def test_clients_share_a_cache(
    provider: Provider, calls: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients whose differences do not matter share the cached credentials, so that a command runs once."""
    log = tmp_path / "log"
    command = f"""echo x >> {log}; echo '{{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "canary"}}'"""
    (tmp_path / "config").write_text(
        f"[profile x]\ncredential_process = {command}\n[profile y]\ncredential_process = {command}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    cache = anycreds.cached(provider)
    for profile, region in (("x", "eu-west-1"), ("x", "eu-north-1"), ("y", "eu-west-1")):
        await cache.for_client(ClientContext(region=region, profile=profile))()
    assert len(log.read_text().splitlines()) == calls


@pytest.mark.parametrize("exists", [True, False])
def test_a_chain_reads_shared_files_together(exists: bool, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All providers of the default chain use one ``SharedFiles``, which is built when there is a file."""
    if exists:
        (isolated / ".aws").mkdir(exist_ok=True)
        (isolated / ".aws/config").write_text("[default]\nregion = eu-west-1\n")
    built: list[object] = []

    class RecordedFiles(shared_files.SharedFiles):
        def __init__(self, options: shared_files.FileOptions) -> None:
            built.append(options)
            super().__init__(options)

    monkeypatch.setattr(shared_files, "SharedFiles", RecordedFiles)
    chain = anycreds.from_default_chain()
    assert built == []
    with pytest.raises(anycreds.NoCredentialsError):
        anyio.run(chain)
    assert len(built) == exists


def test_a_file_that_appears_is_read_by_the_next_call(isolated: Path) -> None:
    """A provider that found no file, and so was not built, looks for one again at its next call."""
    chain = anycreds.from_default_chain()._source
    with pytest.raises(anycreds.NoCredentialsError):
        anyio.run(chain)
    (isolated / ".aws").mkdir(exist_ok=True)
    (isolated / ".aws/config").write_text(
        "[default]\naws_access_key_id = AKIDNEW\naws_secret_access_key = canary-secret\n"
    )
    assert anyio.run(chain).access_key_id == "AKIDNEW"


UNUSED = (
    "anycreds._config.parser",
    "anycreds._config.profiles",
    "anycreds._config.shared_files",
    "anycreds._factories.profile_build",
    "anycreds._providers.sts.web_identity",
    "anycreds._wire.xml",
)


def test_nothing_is_imported_for_providers_without_configuration(isolated: Path) -> None:
    """EC2 metadata, the last provider of the default chain, needs neither the parser of the files nor STS."""
    program = (
        "import sys, asyncio, anycreds\n"
        "try: asyncio.run(anycreds.from_default_chain(endpoint='http://127.0.0.1:1')())\n"
        "except anycreds.NoCredentialsError as error: assert error.attempts[-1].provider == 'EC2 instance metadata'\n"
        f"print([name for name in {UNUSED!r} if name in sys.modules])"
    )
    environ = {**os.environ, "HOME": str(isolated), "AWS_EC2_METADATA_DISABLED": "false"}
    result = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[]\n", "")


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("selects", ["AWS_PROFILE", "profile", "client"])
def test_a_missing_profile_that_is_selected_is_an_error(
    exists: bool, selects: str, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any file too, an explicitly selected profile that does not exist is reported."""
    if exists:
        (isolated / ".aws").mkdir(exist_ok=True)
        (isolated / ".aws/config").write_text("[profile other]\nregion = eu-west-1\n")
    if selects == "AWS_PROFILE":
        monkeypatch.setenv("AWS_PROFILE", "gone")
    provider = anycreds.from_ini("gone" if selects == "profile" else None)
    if selects == "client":
        provider = provider.for_client(ClientContext(profile="gone"))
    with pytest.raises(anycreds.ProfileNotFoundError, match="gone"):
        anyio.run(provider)


@pytest.mark.parametrize("option", ["filepath", "config_filepath"])
def test_a_missing_file_that_an_option_names_is_an_error(option: str, tmp_path: Path) -> None:
    """A missing file is no configuration, unless an option names it."""
    with pytest.raises(anycreds.InvalidConfigurationError, match=f"option {option}"):
        anyio.run(default_chain(**{option: str(tmp_path / "gone")}))
