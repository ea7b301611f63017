"""Whatever goes wrong on the wire, instance metadata ends in time, in the right error, with no socket left."""

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
from anycreds._providers.imds.provider import InstanceMetadataProvider
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
from support.raw_http_server import closed, httpx_loaded, ok, serving  # noqa: F401

pytestmark = pytest.mark.anyio

TIMEOUT = 0.1
# Three exchanges, each as long as the timeout at most, and what a busy machine adds.
LONGEST = 3 * TIMEOUT + 5.0
PLENTY = 10.0
METADATA = ("token", "role list", "role")


@pytest.fixture(autouse=True)
def metadata_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the metadata service be asked, at the endpoint that a test names."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def provider_for(aws: FakeAWS, timeout: float = TIMEOUT) -> anycreds.Provider:
    """Return the provider that asks this fake."""
    return anycreds.from_instance_metadata(endpoint=aws.metadata_url, timeout=timeout)


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
    ("header bomb", Raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000), MalformedResponseError),
    ("server error", Status(500, b'{"message": "no"}'), RetrievalError),
]


@pytest.mark.parametrize("route", METADATA)
@pytest.mark.parametrize(("fault", "kind"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
async def test_fault(route: str, fault: Fault, kind: type[CredentialsError]) -> None:
    """In each of the three exchanges it ends in time, without a socket; and all is well again afterwards.

    A service that never answered a call for a token is taken for none, so that a chain goes on.
    """
    async with FakeAWS() as aws:
        aws.script(route, fault)
        started = time.monotonic()
        with pytest.raises(CredentialsError) as caught:
            # What answers, be it nonsense, has time enough on the busiest machine.
            await provider_for(aws, timeout=TIMEOUT if kind is ProviderTimeoutError else PLENTY)()
        assert time.monotonic() - started < (LONGEST if kind is ProviderTimeoutError else PLENTY)
        unanswered = isinstance(fault, Hang | Drip | HalfBody | ResetAfter | Raw)
        wanted = MetadataUnreachableError if route == "token" and unanswered else kind
        assert type(caught.value) is wanted, caught.value
        assert str(caught.value).startswith("EC2 instance metadata: ")
        assert await closed(aws)
        assert (await provider_for(aws, timeout=5.0)()).access_key_id.startswith("ASIA")


@pytest.mark.parametrize("route", METADATA)
@pytest.mark.parametrize("count", [1, 16, 60, 150, 300])
async def test_reset_after_some_bytes(route: str, count: int) -> None:
    """A connection that is reset at any place of any exchange ends in an error of ours."""
    async with FakeAWS() as aws:
        aws.script(route, ResetAfter(count))
        with contextlib.suppress(MalformedResponseError, MetadataUnreachableError):  # or it came through whole
            await provider_for(aws, timeout=2.0)()
        assert await closed(aws)


async def test_failure_after_a_success_is_no_missing_configuration() -> None:
    """A service that answered once and then is silent is an error, so that a chain does not go on to somebody else."""
    async with FakeAWS(token_ttl=100) as aws:  # too short to be kept
        provider = provider_for(aws)
        await provider()
        aws.script("token", Hang())
        with pytest.raises(ProviderTimeoutError) as caught:
            await provider()
    assert not isinstance(caught.value, NotConfiguredError)


async def test_kept_token_that_is_refused_is_renewed_once() -> None:
    """A 401 drops the token: one new one is asked for, and no third."""
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
async def test_redirect_leads_nowhere(route: str) -> None:
    """The place that a redirect leads to sees nothing, and no token either."""
    async with FakeAWS() as aws, serving(ok()) as other:
        aws.script(route, Redirect(f"http://127.0.0.1:{other.port}/"))
        with pytest.raises(RetrievalError, match="redirects are not followed"):
            await provider_for(aws, timeout=2.0)()
        assert other.connections == 0


async def test_no_request_without_a_token_after_a_fault() -> None:
    """No fault of the token call leads to a request without one, which version 1 of the protocol would be."""
    for _, fault, _ in FAULTS:
        async with FakeAWS(imds_v1=True) as aws:
            aws.script("token", fault)
            with pytest.raises(CredentialsError):
                await provider_for(aws, timeout=0.3)()
            assert aws.count() == 1


async def test_cancelled_at_each_await() -> None:
    """Cancelled at any of its awaits it leaves no socket and no task, and the next call works."""
    async with FakeAWS(token_ttl=100) as aws:  # too short to be kept, so that each call has all three exchanges
        provider = provider_for(aws, timeout=5.0)
        step, reached = 0, True
        while reached:
            reached = await cancelled_at(provider, step)
            assert await closed(aws)
            step += 1
        assert step > 6
        assert (await provider()).access_key_id.startswith("ASIA")


async def cancelled_at(provider: anycreds.Provider, step: int) -> bool:
    """Cancel a call before that step of it. Return whether it had so many."""
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
    """Through the cache a hundred callers of a silent service get their errors at once, of one attempt."""
    async with FakeAWS() as aws:
        aws.script("role", Forever(Hang()))
        provider = anycreds.cached(provider_for(aws))
        errors: list[CredentialsError] = []

        async def ask() -> None:
            with pytest.raises(ProviderTimeoutError) as caught:
                await provider()
            errors.append(caught.value)

        started = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(ask)
        assert time.monotonic() - started < LONGEST
        assert aws.count("role") == 1
        assert len({id(error) for error in errors}) == 100
        assert await closed(aws)


@pytest.mark.parametrize("route", ["token", "role"])
async def test_deadline_has_no_context(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a deadline around a whole attempt carries no cancellation, and no frame that holds a request."""
    async with FakeAWS() as aws:
        aws.script(route, Hang())
        provider = provider_for(aws, timeout=5.0)
        monkeypatch.setattr(InstanceMetadataProvider, "_attempt_timeout", lambda _: 0.05)
        with pytest.raises(ProviderTimeoutError, match=r"gave no answer within 0\.05 s") as caught:
            await provider()
        assert await closed(aws)
    error = caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    trace = error.__traceback__
    while trace is not None:
        local = trace.tb_frame.f_locals
        if trace.tb_frame.f_globals["__name__"].startswith("anycreds."):
            assert not {"request", "traceback", "error", "headers", "key"} & set(local)
        trace = trace.tb_next
