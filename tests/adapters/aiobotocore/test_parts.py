"""The parts of the botocore adapters, without botocore."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.aiobotocore.sources import RecordingProvider
from anycreds import ClientContext, Credentials, cached
from anycreds._core.frozen_credentials import FrozenCredentials
from anycreds.adapters._botocore_requests import (
    AttemptCredentials,
    client_context,
    connect_session,
    for_session,
    is_expired_response,
    on_before_sign,
    on_endpoint_resolution,
    retry_if_expired,
    rewind,
)
from anycreds.testing import CANARY, ManualClock
from support.event_loops import asyncio_only as anyio_backend
from support.rows import each_row

__all__ = ["anyio_backend"]  # no HTTP stack is used here

KEYS = Credentials("AKIDONE", f"{CANARY}-secret", f"{CANARY}-session", account_id="111111111111")
OTHER = KEYS.replace(access_key_id="AKIDTWO", account_id="222222222222")


class Sequence:
    """An async function that returns one credentials value after another, and the last one again and again."""

    def __init__(self, *values: Credentials) -> None:
        self.values = list(values)
        self.clock = ManualClock()

    async def __call__(self) -> Credentials:
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]

    def credentials(self) -> AttemptCredentials:
        """Return the credentials object of a session."""
        return AttemptCredentials(cached(self, clock=self.clock))


def session(config: object = None, **variables: str | None) -> Any:
    """Return the part of a session that the adapter reads."""
    return SimpleNamespace(instance_variables=lambda: variables, get_default_client_config=lambda: config)


def error_response(code: str) -> Any:
    """Return an error response as handlers of botocore receive it."""
    return SimpleNamespace(status_code=400), {"Error": {"Code": code}}


def test_import_error_without_aiobotocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiobotocore, the import error names the package to install."""
    monkeypatch.delitem(sys.modules, "anycreds.adapters.aiobotocore", raising=False)
    monkeypatch.setitem(sys.modules, "aiobotocore", None)
    with pytest.raises(ImportError, match=r"pip install anycreds\[aiobotocore\]") as caught:
        importlib.import_module("anycreds.adapters.aiobotocore")
    assert caught.value.name == "aiobotocore"


def test_frozen_credentials_have_botocores_names() -> None:
    """Frozen credentials have botocore's names, and None without token or account."""
    frozen = FrozenCredentials(KEYS)
    values = (frozen.access_key, frozen.secret_key, frozen.token, frozen.account_id)
    assert values == ("AKIDONE", f"{CANARY}-secret", f"{CANARY}-session", "111111111111")
    plain = FrozenCredentials(Credentials("AKIDONE", f"{CANARY}-secret"))
    assert (plain.token, plain.account_id) == (None, None)


def test_frozen_credentials_print_no_secret() -> None:
    """The text of frozen credentials contains only the key id."""
    frozen = FrozenCredentials(KEYS)
    assert f"{frozen!r} {frozen} {[frozen]}" == " ".join(["FrozenCredentials('AKIDONE')"] * 2 + [str([frozen])])
    assert CANARY not in str([frozen])


def test_frozen_credentials_are_immutable() -> None:
    """Frozen credentials cannot be changed or pickled, and a copy is the same object."""
    frozen = FrozenCredentials(KEYS)
    with pytest.raises(AttributeError, match="frozen"):
        frozen.token = None
    with pytest.raises(AttributeError, match="frozen"):
        del frozen.token
    assert copy.copy(frozen) is copy.deepcopy(frozen) is frozen
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(frozen)


@each_row(
    "variables, config, expected",
    [
        ({}, None, ClientContext()),
        ({"region": None, "profile": None}, None, ClientContext()),
        ({"region": "", "profile": ""}, None, ClientContext()),
        ({"region": "eu-west-3", "profile": "dev"}, None, ClientContext("eu-west-3", "dev")),
        ({"region": "eu-west-3"}, {"region_name": "eu-west-1"}, ClientContext("eu-west-1")),
        ({"region": "eu-west-3"}, {"region_name": None}, ClientContext("eu-west-3")),
        ({"profile": "dev"}, {}, ClientContext(None, "dev")),
    ],
)
def test_client_context_has_the_settings_of_the_session(
    variables: dict[str, str | None], config: dict[str, str | None] | None, expected: ClientContext
) -> None:
    """The client context has the settings of a session, and None for an empty value."""
    default_config = None if config is None else SimpleNamespace(**config)
    assert client_context(session(default_config, **variables)) == expected


def test_provider_gets_the_context_of_the_session() -> None:
    """A provider gets the client context of the session, unless it has one or does not depend on it."""
    provider = cached(RecordingProvider(KEYS))
    assert for_session(provider, session()) is provider
    bound = for_session(provider, session(region="eu-west-3"))
    assert bound is provider.for_client(ClientContext("eu-west-3"))
    assert for_session(bound, session(region="eu-west-1")) is bound
    function = cached(Sequence(KEYS))
    assert for_session(function, session(region="eu-west-3")) is function


@each_row("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_response_is_recognized(code: str) -> None:
    """The error codes for an expired session are recognized."""
    assert is_expired_response(error_response(code))


@each_row(
    "response",
    [None, error_response("AccessDenied"), (None, {}), (None, {"Error": {}})],
    ids=["none", "other", "right", "bare"],
)
def test_other_responses_do_not_report_an_expired_session(response: Any) -> None:
    """Other responses, and none at all, do not report an expired session."""
    assert not is_expired_response(response)


def test_body_in_memory_can_be_sent_again() -> None:
    """A body in memory can be sent again, and a seekable stream is set to its start."""
    stream = io.BytesIO(b"content")
    stream.read()
    assert all(rewind(body) for body in (None, b"", bytearray(), "text", {"Action": "x"}, stream))
    assert stream.tell() == 0
    stream.close()
    assert not rewind(stream)
    assert not rewind(iter([b"content"]))


def test_order_of_handlers() -> None:
    """The handlers that note the current request run after those of other code; the retry handler runs first."""
    calls: list[tuple[str, str]] = []

    class Emitter:
        def register_first(self, event: str, handler: object, unique_id: str) -> None:
            calls.append(("first", event))

        def register_last(self, event: str, handler: object, unique_id: str) -> None:
            calls.append(("last", event))

    session = SimpleNamespace(register_component=lambda *_: None, get_component=lambda _: Emitter())
    connect_session(session, "test", lambda: None, retry_if_expired)
    assert calls == [("last", "before-endpoint-resolution"), ("last", "before-sign"), ("first", "needs-retry")]


@pytest.mark.anyio
async def test_credentials_outside_a_request() -> None:
    """Outside a request, the current credentials are returned."""
    credentials = Sequence(KEYS).credentials()
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"
    assert await credentials.get_account_id() == "111111111111"
    assert await credentials.get_deferred_property("account_id")() == "111111111111"
    assert credentials.get_deferred_property("expiry_time")() is None


@pytest.mark.anyio
async def test_endpoint_credentials_sign() -> None:
    """The credentials whose account is in the host sign, although those of another account are current."""
    source = Sequence(KEYS, OTHER)
    credentials, context = source.credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    assert await credentials.get_account_id() == "111111111111"
    source.clock.advance(2)
    credentials.provider.invalidate(KEYS)
    on_before_sign(request=SimpleNamespace(context=context))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTWO"


@pytest.mark.anyio
async def test_nested_requests_of_one_task() -> None:
    """The state of one request does not affect another request that the same task makes meanwhile."""
    source = Sequence(KEYS, OTHER)
    credentials, outer, inner = source.credentials(), dict[str, Any](), dict[str, Any]()
    on_endpoint_resolution(context=outer)
    await credentials.get_account_id()
    on_before_sign(request=SimpleNamespace(context=inner))
    source.clock.advance(2)
    credentials.provider.invalidate(KEYS)
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTWO"
    on_before_sign(request=SimpleNamespace(context=outer))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"


@pytest.mark.anyio
async def test_endpoint_without_account() -> None:
    """A host without an account accepts any credentials, so the current ones sign."""
    source = Sequence(KEYS.replace(account_id=None), OTHER)
    credentials, context = source.credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    old = await credentials.provider()
    assert await credentials.get_account_id() is None
    source.clock.advance(2)
    credentials.provider.invalidate(old)
    on_before_sign(request=SimpleNamespace(context=context))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTWO"


@pytest.mark.anyio
async def test_two_providers_in_one_task() -> None:
    """A call of another provider during a request returns its credentials and does not affect the request."""
    ours, other, context = Sequence(KEYS).credentials(), Sequence(OTHER).credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    await ours.get_account_id()
    assert (await other.get_frozen_credentials()).access_key == "AKIDTWO"
    on_before_sign(request=SimpleNamespace(context=context))
    assert (await ours.get_frozen_credentials()).access_key == "AKIDONE"


@pytest.mark.anyio
async def test_deep_copy_of_a_request() -> None:
    """A request can be copied deeply, as botocore does to presign a part of one."""
    credentials, context = Sequence(KEYS).credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    await credentials.get_account_id()
    on_before_sign(request=SimpleNamespace(context=copy.deepcopy(context)))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"


@pytest.mark.anyio
@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken"])
async def test_request_with_other_keys(code: str) -> None:
    """A request that was signed with other keys is not retried."""
    request: dict[str, Any] = {"context": {}, "body": b""}
    assert await retry_if_expired(response=error_response(code), request_dict=request) is None


@pytest.mark.anyio
async def test_request_signed_by_other_code() -> None:
    """A request that used only our account id is not retried."""
    credentials = Sequence(KEYS).credentials()
    request: dict[str, Any] = {"context": {}, "body": b""}
    on_endpoint_resolution(context=request["context"])
    await credentials.get_account_id()
    assert await retry_if_expired(response=error_response("ExpiredToken"), request_dict=request) is None


@pytest.mark.anyio
async def test_request_is_retried_once() -> None:
    """Each expired session is invalidated, and the request is retried the first time only."""
    same = KEYS.replace(access_key_id="AKIDTWO"), KEYS.replace(access_key_id="AKIDTHREE")
    source = Sequence(KEYS, *same)
    credentials = source.credentials()
    request: dict[str, Any] = {"context": {}, "body": b""}
    results = []
    for _ in range(2):
        on_before_sign(request=SimpleNamespace(context=request["context"]))
        await credentials.get_frozen_credentials()
        source.clock.advance(2)
        results.append(await retry_if_expired(response=error_response("ExpiredToken"), request_dict=request))
    assert results == [0, None]
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTHREE"
