"""What the adapter is made of, without the library that it is for."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from anycreds import ClientContext, Credentials, cached
from anycreds._core.frozen_credentials import FrozenCredentials
from anycreds.adapters._botocore_requests import (
    AttemptCredentials,
    on_before_sign,
    on_endpoint_resolution,
    register_handlers,
    retry_if_expired,
)
from anycreds.adapters._botocore_session import client_context, for_session, is_expired_response, rewind
from anycreds.testing import CANARY, ManualClock

SET = Credentials("AKIDONE", f"{CANARY}-secret", f"{CANARY}-session", account_id="111111111111")
OTHER = SET.replace(access_key_id="AKIDTWO", account_id="222222222222")


class Sets:
    """An async function that gives one set after another, and the last one again and again."""

    def __init__(self, *sets: Credentials) -> None:
        self.sets = list(sets)
        self.clock = ManualClock()

    async def __call__(self) -> Credentials:
        return self.sets.pop(0) if len(self.sets) > 1 else self.sets[0]

    def credentials(self) -> AttemptCredentials:
        """Return what stands for them in a session."""
        return AttemptCredentials(cached(self, clock=self.clock))


def session(config: object = None, **variables: str | None) -> Any:
    """Return as much of a session as is looked at."""
    return SimpleNamespace(instance_variables=lambda: variables, get_default_client_config=lambda: config)


def refusal(code: str) -> Any:
    """Return an answer as handlers of botocore get it."""
    return SimpleNamespace(status_code=400), {"Error": {"Code": code}}


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiobotocore, importing the adapter says what to install."""
    monkeypatch.delitem(sys.modules, "anycreds.adapters.aiobotocore", raising=False)
    monkeypatch.setitem(sys.modules, "aiobotocore", None)
    with pytest.raises(ImportError, match=r"pip install anycreds\[aiobotocore\]") as caught:
        importlib.import_module("anycreds.adapters.aiobotocore")
    assert caught.value.name == "aiobotocore"


def test_frozen() -> None:
    """A frozen set has botocore's names, and None where there is no token or account."""
    frozen = FrozenCredentials(SET)
    values = (frozen.access_key, frozen.secret_key, frozen.token, frozen.account_id)
    assert values == ("AKIDONE", f"{CANARY}-secret", f"{CANARY}-session", "111111111111")
    plain = FrozenCredentials(Credentials("AKIDONE", f"{CANARY}-secret"))
    assert (plain.token, plain.account_id) == (None, None)


def test_frozen_shows_no_secret() -> None:
    """Neither its text nor its format shows more than the key id."""
    frozen = FrozenCredentials(SET)
    assert f"{frozen!r} {frozen} {[frozen]}" == " ".join(["FrozenCredentials('AKIDONE')"] * 2 + [str([frozen])])
    assert CANARY not in str([frozen])


def test_frozen_stays() -> None:
    """It cannot be changed, copies are itself, and it cannot be pickled."""
    frozen = FrozenCredentials(SET)
    with pytest.raises(AttributeError, match="frozen"):
        frozen.token = None
    with pytest.raises(AttributeError, match="frozen"):
        del frozen.token
    assert copy.copy(frozen) is copy.deepcopy(frozen) is frozen
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(frozen)


@pytest.mark.parametrize(
    ("found", "caller"),
    [
        (session(), ClientContext()),
        (session(region=None, profile=None), ClientContext()),
        (session(region="", profile=""), ClientContext()),
        (session(region="eu-west-3", profile="dev"), ClientContext("eu-west-3", "dev")),
        (session(SimpleNamespace(region_name="eu-west-1"), region="eu-west-3"), ClientContext("eu-west-1")),
        (session(SimpleNamespace(region_name=None), region="eu-west-3"), ClientContext("eu-west-3")),
        (session(SimpleNamespace(), profile="dev"), ClientContext(None, "dev")),
    ],
    ids=str,
)
def test_caller_of(found: Any, caller: ClientContext) -> None:
    """What was set on a session is told, and an empty value is none."""
    assert client_context(found) == caller


def test_for_session() -> None:
    """A provider is bound to what was set, unless nothing was, or it is bound already."""
    provider = cached(Sets(SET))
    assert for_session(provider, session()) is provider
    bound = for_session(provider, session(region="eu-west-3"))
    assert bound is provider.for_client(ClientContext("eu-west-3"))
    assert for_session(bound, session(region="eu-west-1")) is bound


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired(code: str) -> None:
    """The codes by which services say that a session has ended."""
    assert is_expired_response(refusal(code))


@pytest.mark.parametrize(
    "response",
    [None, refusal("AccessDenied"), (None, {}), (None, {"Error": {}})],
    ids=["none", "other", "right", "bare"],
)
def test_not_expired(response: Any) -> None:
    """Any other answer, and none at all, says nothing of the kind."""
    assert not is_expired_response(response)


def test_bodies() -> None:
    """What is in memory can be sent again; a stream, if it can be set back, and then it is."""
    stream = io.BytesIO(b"content")
    stream.read()
    assert all(rewind(body) for body in (None, b"", bytearray(), "text", {"Action": "x"}, stream))
    assert stream.tell() == 0
    stream.close()
    assert not rewind(stream)
    assert not rewind(iter([b"content"]))


def test_handlers_are_last_but_for_the_retry() -> None:
    """The handlers that note what a task is busy with come after those of others, which may do something themselves."""
    calls: list[tuple[str, str]] = []

    class Emitter:
        def register_first(self, event: str, handler: object, unique_id: str) -> None:
            calls.append(("first", event))

        def register_last(self, event: str, handler: object, unique_id: str) -> None:
            calls.append(("last", event))

    register_handlers(Emitter(), retry_if_expired)
    assert calls == [("last", "before-endpoint-resolution"), ("last", "before-sign"), ("first", "needs-retry")]


@pytest.mark.anyio
async def test_outside_of_a_request() -> None:
    """Whoever asks for the keys outside of a request gets those that are good now."""
    credentials = Sets(SET).credentials()
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"
    assert await credentials.get_account_id() == "111111111111"
    assert await credentials.get_deferred_property("account_id")() == "111111111111"
    assert credentials.get_deferred_property("expiry_time")() is None


@pytest.mark.anyio
async def test_one_account_in_one_request() -> None:
    """The set whose account is in the host signs, though there is one of another account by now."""
    sets = Sets(SET, OTHER)
    credentials, context = sets.credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    assert await credentials.get_account_id() == "111111111111"
    sets.clock.advance(2)
    credentials.provider.invalidate(SET)
    on_before_sign(request=SimpleNamespace(context=context))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTWO"


@pytest.mark.anyio
async def test_two_requests_in_one_task() -> None:
    """What is known of one request says nothing of another one that the same task makes in between."""
    sets = Sets(SET, OTHER)
    credentials, outer, inner = sets.credentials(), dict[str, Any](), dict[str, Any]()
    on_endpoint_resolution(context=outer)
    await credentials.get_account_id()
    on_before_sign(request=SimpleNamespace(context=inner))
    sets.clock.advance(2)
    credentials.provider.invalidate(SET)
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTWO"
    on_before_sign(request=SimpleNamespace(context=outer))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"


@pytest.mark.anyio
async def test_an_account_that_becomes_known() -> None:
    """A host that was chosen without an account takes any set, so that the newest one signs."""
    sets = Sets(SET.replace(account_id=None), OTHER)
    credentials, context = sets.credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    old = await credentials.provider()
    assert await credentials.get_account_id() is None
    sets.clock.advance(2)
    credentials.provider.invalidate(old)
    on_before_sign(request=SimpleNamespace(context=context))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTWO"


@pytest.mark.anyio
async def test_two_providers_in_one_task() -> None:
    """Whoever asks another provider while a request is under way gets that one's keys, and so does the request."""
    mine, other, context = Sets(SET).credentials(), Sets(OTHER).credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    await mine.get_account_id()
    assert (await other.get_frozen_credentials()).access_key == "AKIDTWO"
    on_before_sign(request=SimpleNamespace(context=context))
    assert (await mine.get_frozen_credentials()).access_key == "AKIDONE"


@pytest.mark.anyio
async def test_a_copied_request() -> None:
    """A request can be copied deeply, as botocore does it to presign a part of one."""
    credentials, context = Sets(SET).credentials(), dict[str, Any]()
    on_endpoint_resolution(context=context)
    await credentials.get_account_id()
    on_before_sign(request=SimpleNamespace(context=copy.deepcopy(context)))
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDONE"


@pytest.mark.anyio
@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken"])
async def test_requests_of_others(code: str) -> None:
    """A request that was signed with other keys is left alone."""
    request: dict[str, Any] = {"context": {}, "body": b""}
    assert await retry_if_expired(response=refusal(code), request_dict=request) is None


@pytest.mark.anyio
async def test_signed_by_others() -> None:
    """A request for which we gave the account only, and which somebody else signed, is left alone."""
    credentials = Sets(SET).credentials()
    request: dict[str, Any] = {"context": {}, "body": b""}
    on_endpoint_resolution(context=request["context"])
    await credentials.get_account_id()
    assert await retry_if_expired(response=refusal("ExpiredToken"), request_dict=request) is None


@pytest.mark.anyio
async def test_repeated_once() -> None:
    """A refused set is dropped each time, and the request is repeated the first time."""
    same = SET.replace(access_key_id="AKIDTWO"), SET.replace(access_key_id="AKIDTHREE")
    sets = Sets(SET, *same)
    credentials = sets.credentials()
    request: dict[str, Any] = {"context": {}, "body": b""}
    said = []
    for _ in range(2):
        on_before_sign(request=SimpleNamespace(context=request["context"]))
        await credentials.get_frozen_credentials()
        sets.clock.advance(2)
        said.append(await retry_if_expired(response=refusal("ExpiredToken"), request_dict=request))
    assert said == [0, None]
    assert (await credentials.get_frozen_credentials()).access_key == "AKIDTHREE"
