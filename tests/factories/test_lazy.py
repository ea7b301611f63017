"""A lazy provider is built once, in a thread where that imports modules, when it is first awaited."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import ClientContext, Credentials, NotConfiguredError, Provider
from anycreds._config import shared_files
from anycreds._core.io import Io, Runtime
from anycreds._factories.lazy import LazyProvider
from support.factory_fixtures import ROLE, SSO, default_chain, fetch, mfa_code
from support.fake_io import FakeIo, FakeRuntime
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


def test_a_chain_reads_shared_files_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """All providers of the default chain use one ``SharedFiles``, which is built when one of them needs it."""
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
    assert len(built) == 1
