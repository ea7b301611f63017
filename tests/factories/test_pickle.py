"""Pickled providers: they keep their settings, contain no secret, and resolve by themselves in another process."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import ssl
import threading
import types
from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest

import anycreds
from anycreds import ClientConfig, ClientContext, Credentials, InvalidConfigurationError, Provider
from anycreds._factories import pickling, shared_objects
from anycreds._factories.runtime import RUNTIME
from anycreds._factories.shared_objects import SharedObjects
from anycreds.testing import CANARY, ManualClock
from support.factory_fixtures import MFA, ROLE, UniformIo, fetch, requested
from support.fake_io import assert_no_secret
from support.rows import each_row

SECRET = f"{CANARY}-secret"
KEYS = Credentials("AKIDSOURCE", SECRET, f"{CANARY}-token")
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": SECRET}
IDENTITY = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000001"
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


async def function() -> Any:
    """Return access keys; a module-level function, which is pickled by its name."""
    return KEYS


async def of_client(context: ClientContext) -> Credentials:
    """Return access keys for a client, with its region as the account."""
    return KEYS.replace(account_id=context.region)


def provider_for(key: str) -> Provider:
    """Return the provider of a role."""
    return anycreds.cached(of_client).for_client(ClientContext(region=key))


def note(key: str, event: object) -> None:
    """Observe a role cache."""


# --- every option of every factory

SSO = {"sso_start_url": "https://x.awsapps.com/start", "sso_region": "eu-west-1", "sso_role_name": "R"}
# What another option needs beside it.
NEEDED: dict[str, dict[str, Any]] = {
    "directory": {"key": "text"},
    "authorization_token": {"full_uri": "http://127.0.0.1/"},
    "authorization_token_file": {"full_uri": "http://127.0.0.1/"},
    "serial_number": {"mfa_code_provider": function},
    "transitive_tag_keys": {"tags": {"Team": "a"}},
    **{name: {**SSO, "sso_account_id": "123456789012"} for name in ("sso_session", *SSO)},
    "sso_account_id": SSO,
}
FUNCTIONS = ("mfa_code_provider", "observer", "role_assumer", "role_assumer_with_web_identity", "web_identity_token")
# By the name of the option; "text" for all others.
VALUES: dict[str, Any] = {
    "authorization_token_file": PurePosixPath("/token"),
    "cache": types.SimpleNamespace(get=function, set=function, delete=function),
    "client_config": ClientConfig(region="eu-west-1", endpoint_url="https://sts.example.com", http_client_factory=dict),
    "config_filepath": PurePosixPath("/config"),
    "duration": timedelta(minutes=20),
    "ec2_metadata_v1_disabled": True,
    "endpoint": "http://127.0.0.1:1",
    "endpoint_mode": "IPv6",
    "full_uri": "http://127.0.0.1/credentials",
    "identity_id": IDENTITY,
    "identity_pool_id": IDENTITY,
    "ignore_cache": True,
    "logins": {"accounts.google.com": function},
    "max_retries": 2,
    "policy_arns": ["arn:p"],
    "provider": anycreds.from_env(),
    "recheck_after": 600,
    "refresh_window": timedelta(minutes=1),
    "serial_number": MFA,
    "source_credentials": function,
    "sso_account_id": "123456789012",
    "stale_ok": True,
    "tags": {"Team": "a"},
    "timeout": 3.0,
    "transitive_tag_keys": ["Team"],
    **dict.fromkeys(FUNCTIONS, function),
    **SSO,
}
SECRETS: dict[str, Any] = {
    "authorization_token": SECRET,
    "environ": ENVIRON,
    "full_uri": f"https://broker.example.com/?token={SECRET}",
    "logins": {"accounts.google.com": SECRET},
    "provided_contexts": {"arn:c": SECRET},
    "relative_uri": f"/v2/{SECRET}",
    "source_credentials": KEYS,
    "web_identity_token": SECRET,
}
NOT_SENT = {"clock", "include_secrets", "providers"}
FACTORIES: dict[str, Callable[..., Provider]] = {
    name: getattr(anycreds, name)
    for name in anycreds.__all__
    if name.startswith("from_") or name in ("cached", "create_credential_chain", "disk_cached")
}
OPTIONS = [(name, option) for name in FACTORIES for option in inspect.signature(FACTORIES[name]).parameters]
PLAIN = [(name, one) for name, one in OPTIONS if one not in NOT_SENT and (one in VALUES or one not in SECRETS)]
SECRET_ONES = [(name, option) for name, option in OPTIONS if option in SECRETS]


def made(name: str, option: str, value: object, **others: Any) -> Provider:
    """Call a factory with its required arguments, an option, and what that option needs."""
    parameters = inspect.signature(FACTORIES[name]).parameters.values()
    required = {one.name: VALUES.get(one.name, ROLE) for one in parameters if one.default is one.empty}
    return FACTORIES[name](**{**required, **NEEDED.get(option, {}), option: value, **others})


def received(data: bytes) -> Any:
    """Return what a process without an object of the same identity unpickles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickling, "SHARED", SharedObjects())
        return pickle.loads(data)


def sent(given: Any, protocol: int | None = None) -> Any:
    """Return what another process gets. The pickle has no secret."""
    data = pickle.dumps(given, protocol)
    assert CANARY.encode() not in data
    return received(data)


def settings(provider: Provider) -> Any:
    """Return the arguments of the call that made a provider, and of the providers among them."""
    call: Any = provider._made_by
    args, options = call.named()
    values = [settings(one) if isinstance(one, Provider) else one for one in (*args, *options.values())]
    return call.factory, [*options], values


@each_row("name, option", PLAIN)
def test_option_is_pickled(name: str, option: str) -> None:
    """A provider has the same settings in another process, whichever option was given, with every protocol."""
    provider = made(name, option, VALUES.get(option, "text"))
    for protocol in PROTOCOLS:
        found = sent(provider, protocol)
        assert type(found) is type(provider)
        assert settings(found) == settings(provider)


@pytest.mark.fault("S10")
@each_row("name, option", SECRET_ONES)
def test_secret_is_not_pickled(name: str, option: str) -> None:
    """A provider with a secret among its options cannot be pickled; the error names the option, and what to do."""
    with pytest.raises(
        InvalidConfigurationError, match=rf"option {option} of {name}\(\) .*include_secrets=True"
    ) as got:
        pickle.dumps(made(name, option, SECRETS[option]))
    assert_no_secret(got.value, CANARY)


@each_row("name, option", SECRET_ONES)
def test_secret_is_pickled_on_request(name: str, option: str) -> None:
    """With ``include_secrets`` the secret is pickled, also from the process that received it."""
    provider = made(name, option, SECRETS[option], include_secrets=True)
    assert CANARY.encode() in pickle.dumps(provider)
    found = received(pickle.dumps(received(pickle.dumps(provider))))
    assert settings(found) == settings(provider)


def test_every_secret_option_is_refused() -> None:
    """The options with secrets are the ones of which each factory says so, and all of them are tested."""
    assert SECRETS.keys() == pickling.SECRET_OPTIONS.keys()
    allowing = {name for name, option in OPTIONS if option == "include_secrets"}
    assert allowing == {name for name, _ in SECRET_ONES}


def test_positional_secret_is_not_pickled() -> None:
    """A secret that was given by position is found, too."""
    with pytest.raises(InvalidConfigurationError, match="option web_identity_token"):
        pickle.dumps(anycreds.from_web_token(ROLE, SECRET))


def test_environment_of_the_process_is_pickled_as_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """``os.environ`` itself cannot be pickled; with ``include_secrets`` its current variables are."""
    provider = anycreds.from_env(environ=os.environ, include_secrets=True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNEW")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    found = received(pickle.dumps(provider))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert fetch(found).access_key_id == "AKIDNEW"


# --- what a provider does in the other process


def test_received_provider_sends_the_same_request() -> None:
    """The provider in the other process sends what the first one would."""
    provider = anycreds.from_temporary_credentials(
        ROLE, source_credentials=function, tags={"Team": "a"}, client_config=VALUES["client_config"]
    )
    assert requested(sent(provider)).form == requested(provider).form


def test_later_changes_of_options_are_not_pickled() -> None:
    """A dict or a list that the program changes after the call is pickled as it was: tags decide about permissions."""
    tags, arns = {"Team": "a"}, ["arn:p"]
    provider = anycreds.from_temporary_credentials(ROLE, source_credentials=function, tags=tags, policy_arns=arns)
    before = requested(provider).form
    tags["Team"] = "b"
    arns.append("arn:q")
    assert requested(sent(provider)).form == before


def test_environment_is_looked_up_where_it_is_unpickled() -> None:
    """What was not given as an option is looked up in the other process."""
    provider = sent(anycreds.from_default_chain())
    assert fetch(provider._source, UniformIo(environ=ENVIRON)).access_key_id == "AKIDENV"


@each_row(
    "provider, message",
    [
        (
            anycreds.from_token_file(web_identity_token_file="/missing", role_arn=ROLE),
            r"/missing.*option web_identity_token_file|option web_identity_token_file.*/missing",
        ),
        (anycreds.from_ini("dev", config_filepath="/missing"), "/missing.*config_filepath|config_filepath.*/missing"),
        (anycreds.from_http(full_uri="http://127.0.0.1/", authorization_token_file="/missing"), "token_file.*/missing"),
    ],
    ids=["token", "config", "authorization"],
)
def test_missing_file_is_the_error_of_the_worker(provider: Provider, message: str) -> None:
    """A worker without the file that an option names raises the usual error, which names the option and the file."""
    with pytest.raises(anycreds.CredentialsError, match=message):
        fetch(sent(provider))


@pytest.mark.anyio
async def test_credentials_are_not_pickled() -> None:
    """A cached provider that has credentials is pickled without them, and the other process calls its own source."""
    provider = anycreds.cached(function)
    assert (await provider()).secret_access_key == SECRET
    found = sent(provider)
    assert found._state.snapshot.cached is None
    assert (await found()).access_key_id == "AKIDSOURCE"


@pytest.mark.anyio
async def test_provider_of_a_client_is_pickled() -> None:
    """A provider for one client keeps its client, cached and uncached, and shares the cache of equal clients."""
    client = ClientContext(region="123456789012")
    provider = anycreds.cached(of_client)
    found, root = sent([provider.for_client(client), provider])
    assert (await found()).account_id == "123456789012"
    assert root.for_client(client) is found
    uncached = sent(anycreds.create_credential_chain(of_client).for_client(client))
    assert (await uncached()).account_id == "123456789012"
    changed = sent(anycreds.cached(provider.for_client(client), refresh_window=60))
    assert (await changed()).account_id == "123456789012"
    assert changed._state.options.refresh_window == 60


@pytest.mark.anyio
async def test_chain_with_an_expiration_is_pickled() -> None:
    """A chain keeps its providers, and the lifetime of ``expire_after``: the last one, if it was called twice."""
    chain = anycreds.create_credential_chain(anycreds.from_env(), function)
    assert (await sent(chain)()).expiration is None
    found = sent(chain.expire_after(600).expire_after(timedelta(minutes=20)))
    assert found._lifetime == 1200
    assert (await found()).expiration is not None
    assert [one.name for one in found._providers] == [one.name for one in chain._providers]


def test_clock_of_a_test_is_not_pickled() -> None:
    """The clock of a test stays in its process."""
    clock = ManualClock()
    found = sent(anycreds.cached(function, clock=clock, stale_ok=True))
    assert found._runtime.time is not clock.time
    assert found._state.options.stale_ok


@pytest.mark.anyio
async def test_role_cache_is_pickled() -> None:
    """A role cache keeps its function and limits; its pickles are one cache in a process, without credentials."""
    roles = anycreds.RoleCache(provider_for, max_size=7, max_concurrency=3, observer=note)
    assert (await roles("red")).account_id == "red"
    first, second = sent([roles, roles])
    assert first is second
    assert (first.statistics.size, first._entries.max_size, first._call_limit.max_concurrency) == (0, 7, 3)
    assert first._observer is note
    assert (await first("blue")).account_id == "blue"
    assert pickle.loads(pickle.dumps(roles)) is copy.deepcopy(roles) is copy.copy(roles) is roles
    assert sent(anycreds.RoleCache(provider_for))._observer is None


@pytest.mark.anyio
async def test_provider_of_a_role_is_pickled_alone() -> None:
    """The provider of one key is pickled without the role cache and its function, which may be local."""
    roles: anycreds.RoleCache[str] = anycreds.RoleCache(lambda key: provider_for(key))  # noqa: PLW0108 - it has to be local
    found = sent(roles.provider("red"))
    assert (await found()).account_id == "red"
    assert found._state.options.spread_first_refresh


# --- one provider per process


def test_pickles_of_one_provider_are_one_provider() -> None:
    """In one process all pickles of a cached provider are one provider, so that tasks share its cache."""
    provider = anycreds.cached(anycreds.from_env())
    first, second = pickle.dumps(provider), pickle.dumps(provider)
    assert first == second
    assert pickle.loads(first) is provider
    del provider
    found = pickle.loads(first)
    assert pickle.loads(second) is found
    assert pickle.loads(pickle.dumps(found)) is found
    assert pickle.dumps(found) == first


def test_equal_providers_stay_separate() -> None:
    """Two providers with equal settings have separate caches in the other process, too."""
    one, two = pickle.loads(pickle.dumps([anycreds.cached(function), anycreds.cached(function)]))
    assert one is not two


def test_concurrent_unpickling_makes_one_provider() -> None:
    """Threads that unpickle at the same time get one provider."""
    shared, started, found = SharedObjects(), threading.Barrier(4), []

    def make() -> Provider:
        started.wait(5)  # all four have seen that there is none
        return anycreds.from_env()

    workers = [threading.Thread(target=lambda: found.append(shared.find_or_make(b"one", make))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_unpickled_providers_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unpickled provider lives on between two tasks; of many, the oldest are dropped."""
    monkeypatch.setattr(shared_objects, "_KEPT", 2)
    shared = SharedObjects()
    first = id(shared.find_or_make(b"0", lambda: anycreds.cached(function)))
    assert id(shared.find_or_make(b"0", anycreds.from_env)) == first
    for identity in (b"1", b"2"):
        shared.find_or_make(identity, lambda: anycreds.cached(function))
    assert shared.find_or_make(b"0", anycreds.from_env).name == "environment variables"


def test_changed_settings_change_the_identity() -> None:
    """An object whose settings have changed since it was pickled gets another identity."""
    shared, given = SharedObjects(), anycreds.from_env()
    first = shared.identify(given, {"region": "eu-west-1"})
    assert shared.identify(given, {"region": "eu-west-1"}) == first
    assert shared.identify(given, {"region": "eu-west-2"}) != first


@each_row("given", [anycreds.cached(function), anycreds.from_ini(), anycreds.from_ini().for_client(ClientContext("x"))])
def test_copies_are_the_same_provider(given: Provider) -> None:
    """A copy and a deep copy of a provider are the provider itself, so that they share its cache."""
    assert copy.copy(given) is given
    assert copy.deepcopy({"session": given})["session"] is given


# --- what cannot be pickled


class OwnProvider(Provider):
    """A provider of a program."""


@each_row("broken", [OwnProvider("mine", RUNTIME), anycreds.from_default_chain()._source])
def test_other_providers_cannot_be_pickled(broken: Provider) -> None:
    """A provider that no factory has returned cannot be pickled, and the error says so."""
    with pytest.raises(InvalidConfigurationError, match="no function of anycreds has returned it"):
        pickle.dumps(broken)


def test_ssl_context_cannot_be_pickled() -> None:
    """An ``ssl_context`` cannot be sent to another process; the error names it and what to do."""
    config = ClientConfig(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with pytest.raises(InvalidConfigurationError, match=r"it has an ssl_context.*AWS_CA_BUNDLE"):
        pickle.dumps(anycreds.from_token_file(client_config=config))


def test_local_function_is_left_to_the_pickler() -> None:
    """A function that pickle cannot send is its own error: cloudpickle, which Dask and Ray use, can send it."""
    with pytest.raises(Exception, match=r"(?i)can't (pickle|get) local object"):
        pickle.dumps(anycreds.cached(lambda context: of_client(context)))  # noqa: PLW0108 - it has to be local


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (("9.0.0", "from_ini", (), {"unheard_of": SECRET}), "unheard_of"),
        (("9.0.0", "from_carrier_pigeon", (), {"profile": SECRET}), "there is no function from_carrier_pigeon"),
    ],
    ids=["option", "function"],
)
def test_pickle_of_another_version(call: Any, problem: str) -> None:
    """A pickle with a function or an option of another version is an error that names both versions, and no value."""
    with pytest.raises(
        InvalidConfigurationError, match=rf"anycreds 9.0.0 .*{anycreds.__version__}: .*{problem}"
    ) as got:
        pickling.call_again(*call)
    assert_no_secret(got.value, CANARY)


def test_invalid_option_in_a_pickle() -> None:
    """An option that this version rejects is the factory's own error, without the values in its frames."""
    with pytest.raises(InvalidConfigurationError, match="web_identity_token") as got:
        pickling.call_again("9.0.0", "from_web_token", (ROLE, f"{SECRET}\n\0"), {})
    assert_no_secret(got.value, CANARY)
