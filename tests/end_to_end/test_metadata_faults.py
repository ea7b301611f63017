"""Network faults of EC2 metadata end in time, in the right error, and leave no connection."""

from __future__ import annotations

import contextlib
import time

import anyio
import pytest

import anycreds
from anycreds import (
    CredentialsError,
    MalformedResponseError,
    MetadataUnreachableError,
    NotConfiguredError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds._core import provider as provider_module
from anycreds.testing import (
    Body,
    Drip,
    FakeAWS,
    Fault,
    Flood,
    Forever,
    Gzip,
    HalfBody,
    Hang,
    Raw,
    Redirect,
    ResetAfter,
    Status,
)
from support.coroutine_stepper import stepped
from support.raw_http_server import closed, ok, serving

pytestmark = pytest.mark.anyio

TIMEOUT = 0.1
# seconds: three exchanges of at most the timeout each, and a margin for a busy machine.
LONGEST = 3 * TIMEOUT + 5.0
LONG_TIMEOUT = 10.0
METADATA = ("token", "role list", "role")


@pytest.fixture(autouse=True)
def metadata_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable EC2 metadata; each test passes the endpoint of its fake."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def provider_for(aws: FakeAWS, timeout: float = TIMEOUT) -> anycreds.Provider:
    """Return a provider that calls this fake."""
    return anycreds.from_instance_metadata(endpoint=aws.metadata_url, timeout=timeout)


# Not a missing response but one that is too large.
HEADER_BOMB = Raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000)
FAULTS: list[tuple[str, Fault, type[CredentialsError]]] = [
    ("silent", Hang(), ProviderTimeoutError),
    ("body drips", Drip(b"x", 0.01), ProviderTimeoutError),
    ("half a body", HalfBody(), MalformedResponseError),
    ("reset at once", ResetAfter(0), MalformedResponseError),
    ("reset in the head", ResetAfter(20), MalformedResponseError),
    ("endless", Flood(), MalformedResponseError),
    ("declared too large", Flood(1 << 30), MalformedResponseError),
    ("compressed", Gzip(), MalformedResponseError),
    ("redirect", Redirect("http://127.0.0.1:9/"), RetrievalError),
    ("no HTTP", Raw(b"\x00\x01\x02"), MalformedResponseError),
    ("web page", Body(b"<html>log in</html>"), MalformedResponseError),
    ("header bomb", HEADER_BOMB, MalformedResponseError),
    ("server error", Status(500, b'{"message": "no"}'), RetrievalError),
]


@pytest.mark.parametrize("route", METADATA)
@pytest.mark.parametrize(("fault", "kind"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
async def test_fault(route: str, fault: Fault, kind: type[CredentialsError]) -> None:
    """A fault in any of the three exchanges ends in time and leaves no connection; the next call succeeds.

    A token request that never got a response means that there is no metadata service, so a chain continues.
    """
    async with FakeAWS() as aws:
        aws.script(route, fault)
        started = time.monotonic()
        with pytest.raises(CredentialsError) as caught:
            # A server that responds must not time out on a busy machine.
            await provider_for(aws, timeout=TIMEOUT if kind is ProviderTimeoutError else LONG_TIMEOUT)()
        assert time.monotonic() - started < (LONGEST if kind is ProviderTimeoutError else LONG_TIMEOUT)
        has_no_response = isinstance(fault, Hang | Drip | HalfBody | ResetAfter | Raw) and fault is not HEADER_BOMB
        wanted = MetadataUnreachableError if route == "token" and has_no_response else kind
        assert type(caught.value) is wanted, caught.value
        assert str(caught.value).startswith("EC2 instance metadata: ")
        assert await closed(aws)
        assert (await provider_for(aws, timeout=5.0)()).access_key_id.startswith("ASIA")


@pytest.mark.parametrize("route", METADATA)
@pytest.mark.parametrize("count", [1, 16, 60, 150, 300])
async def test_reset_after_some_bytes(route: str, count: int) -> None:
    """A connection that is reset at any byte of any exchange causes a ``CredentialsError``."""
    async with FakeAWS() as aws:
        aws.script(route, ResetAfter(count))
        with contextlib.suppress(MalformedResponseError, MetadataUnreachableError):  # or the response was complete
            await provider_for(aws, timeout=2.0)()
        assert await closed(aws)


async def test_silence_after_a_success_stops_the_chain() -> None:
    """A service that is silent after a success causes an error that stops a chain."""
    async with FakeAWS(token_ttl=100) as aws:  # too short to be cached
        provider = provider_for(aws)
        await provider()
        aws.script("token", Hang())
        with pytest.raises(ProviderTimeoutError) as caught:
            await provider()
    assert not isinstance(caught.value, NotConfiguredError)


async def test_rejected_token_is_replaced_once() -> None:
    """A 401 drops the cached token: one new token is requested, and no third."""
    async with FakeAWS() as aws:
        provider = provider_for(aws, timeout=2.0)
        await provider()
        aws.script("role list", Status(401))
        await provider()
        assert aws.count("token") == 2
        aws.script("role list", Forever(Status(401)))
        with pytest.raises(RetrievalError, match="401"):
            await provider()
        assert aws.count("token") == 3


@pytest.mark.parametrize("route", METADATA)
async def test_redirect_is_not_followed(route: str) -> None:
    """The target of a redirect gets no request, and no token."""
    async with FakeAWS() as aws, serving(ok()) as other:
        aws.script(route, Redirect(f"http://127.0.0.1:{other.port}/"))
        with pytest.raises(RetrievalError, match="redirects are not followed"):
            await provider_for(aws, timeout=2.0)()
        assert other.connections == 0


async def test_no_imdsv1_after_a_fault() -> None:
    """No fault of the token request leads to an IMDSv1 request."""
    for _, fault, _ in FAULTS:
        async with FakeAWS(imds_v1=True) as aws:
            aws.script("token", fault)
            with pytest.raises(CredentialsError):
                await provider_for(aws, timeout=0.3)()
            assert aws.count() == 1


async def test_cancelled_at_each_await() -> None:
    """Cancelled at any await, a call leaves no connection and no task, and the next call succeeds."""
    async with FakeAWS(token_ttl=100) as aws:  # too short to be cached, so each call has three exchanges
        provider = provider_for(aws, timeout=5.0)
        step, reached = 0, True
        while reached:
            reached = await cancelled_at(provider, step)
            assert await closed(aws)
            step += 1
        assert step > 6
        assert (await provider()).access_key_id.startswith("ASIA")


async def cancelled_at(provider: anycreds.Provider, step: int) -> bool:
    """Cancel a call before the given step. Return whether the call reached it."""
    reached = False
    with anyio.CancelScope() as scope:

        def cancel(number: int) -> None:
            nonlocal reached
            if number == step:
                reached = True
                scope.cancel()

        await stepped(provider(), cancel)
    return reached


async def test_cached_over_a_silent_service() -> None:
    """A hundred callers of a cached provider get their own errors from one attempt at a silent service."""
    async with FakeAWS() as aws:
        aws.script("role", Forever(Hang()))
        provider = anycreds.cached(provider_for(aws))
        errors: list[CredentialsError] = []

        async def call() -> None:
            with pytest.raises(ProviderTimeoutError) as caught:
                await provider()
            errors.append(caught.value)

        started = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(call)
        assert time.monotonic() - started < LONGEST
        assert aws.count("role") == 1
        assert len({id(error) for error in errors}) == 100
        assert await closed(aws)


@pytest.mark.parametrize("route", ["token", "role"])
async def test_timeout_error_has_no_context(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of an attempt's timeout has no cause, no context and no frame that holds a request."""
    async with FakeAWS() as aws:
        aws.script(route, Hang())
        provider = provider_for(aws, timeout=5.0)
        monkeypatch.setattr(provider_module, "ATTEMPT_TIMEOUT", 0.05)
        with pytest.raises(ProviderTimeoutError, match=r"no response within 0\.05 s") as caught:
            await provider()
        assert await closed(aws)
    error = caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals["__name__"].startswith("anycreds."):
            assert not {"request", "response", "token", "cached"} & set(trace.tb_frame.f_locals)
        trace = trace.tb_next
