"""Network faults of EC2 metadata end in the right error, and leave no connection."""

from __future__ import annotations

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
from anycreds.testing import FakeAWS, Forever, Hang, Redirect, ResetAfter, Status
from support.coroutine_stepper import reaches_step
from support.http_faults import HTTP_FAULTS, Outcome, faults_with
from support.raw_http_server import closed, ok, serving
from support.rows import row

pytestmark = pytest.mark.anyio

TIMEOUT = 0.2  # seconds; in the same attempt, other exchanges must be faster, also on a busy machine
LONG_TIMEOUT = 10.0
METADATA = ("token", "role list", "role")


@pytest.fixture(autouse=True)
def metadata_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable EC2 metadata; each test passes the endpoint of its fake."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def provider_for(aws: FakeAWS, timeout: float = TIMEOUT) -> anycreds.Provider:
    """Return a provider that calls this fake."""
    return anycreds.from_instance_metadata(endpoint=aws.metadata_url, timeout=timeout)


ERRORS: dict[Outcome, type[CredentialsError]] = {
    "timeout": ProviderTimeoutError,
    "broken": MalformedResponseError,
    "too large": MalformedResponseError,
    "status": RetrievalError,
    "malformed": MalformedResponseError,
}


def expected_error(route: str, outcome: Outcome) -> type[CredentialsError]:
    """Return the class of the error for a fault of a route.

    A token request that never got a response means that there is no metadata service, so a chain continues.
    """
    return MetadataUnreachableError if route == "token" and outcome in ("timeout", "broken") else ERRORS[outcome]


@pytest.mark.parametrize("outcome", ERRORS)
async def test_fault_ends_in_its_error(outcome: Outcome, anyio_backend_name: str) -> None:
    """Each fault ends in the right error and leaves no connection, and the next call succeeds.

    All faults of the last exchange are played on asyncio, except for more kinds of silence, which virtual time covers.
    Some are played in all three exchanges, on trio too.
    """
    # A server that responds must not time out on a busy machine.
    timeout = TIMEOUT if outcome == "timeout" else LONG_TIMEOUT
    sample = faults_with(outcome, 1 if outcome == "timeout" else 2)
    pairs = [(name, route) for name in sample for route in METADATA]
    if anyio_backend_name == "asyncio" and outcome != "timeout":
        pairs += [(name, "role") for name in faults_with(outcome) if name not in sample]
    async with FakeAWS() as aws:
        for name, route in pairs:
            with row(f"{name}, {route}"):
                aws.script(route, HTTP_FAULTS[name].fault)
                with pytest.raises(CredentialsError) as caught:
                    await provider_for(aws, timeout=timeout)()
                assert type(caught.value) is expected_error(route, outcome)
                assert str(caught.value).startswith("EC2 instance metadata: ")
                assert route != "role" or HTTP_FAULTS[name].text in str(caught.value)
                assert await closed(aws)
        assert (await provider_for(aws, timeout=5.0)()).access_key_id.startswith("ASIA")


async def test_connection_reset_at_any_byte_is_an_error() -> None:
    """A connection that is reset after any number of bytes of an exchange causes a ``CredentialsError``."""
    async with FakeAWS() as aws:
        for route in METADATA:
            for count in (0, 1, 16, 60):
                with row(f"{count} bytes, {route}"):
                    aws.script(route, ResetAfter(count))
                    with pytest.raises(CredentialsError) as caught:
                        await provider_for(aws, timeout=LONG_TIMEOUT)()
                    assert type(caught.value) is expected_error(route, "broken")
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


@pytest.mark.fault("U07")
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


@pytest.mark.fault("U25")
async def test_redirect_is_not_followed() -> None:
    """The target of a redirect gets no request, and no token."""
    async with FakeAWS() as aws, serving(ok()) as other:
        for route in METADATA:
            aws.script(route, Redirect(f"http://127.0.0.1:{other.port}/"))
            with row(route), pytest.raises(RetrievalError, match="redirects are not followed"):
                await provider_for(aws, timeout=LONG_TIMEOUT)()
        assert other.connections == 0


@pytest.mark.fault("U29", "S08")
async def test_token_fault_leads_to_no_imdsv1_request() -> None:
    """No fault of the token request leads to an IMDSv1 request."""
    async with FakeAWS(imds_v1=True) as aws:
        for number, outcome in enumerate(ERRORS, 1):
            with row(outcome):
                aws.script("token", HTTP_FAULTS[faults_with(outcome)[0]].fault)
                with pytest.raises(CredentialsError):
                    await provider_for(aws, timeout=TIMEOUT if outcome == "timeout" else LONG_TIMEOUT)()
                assert aws.count() == aws.count("token") == number


async def test_cancelled_at_each_await() -> None:
    """Cancelled at any await, a call leaves no connection and no task, and the next call succeeds."""
    async with FakeAWS(token_ttl=100) as aws:  # too short to be cached, so each call has three exchanges
        provider = provider_for(aws, timeout=5.0)
        step, reached = 0, True
        while reached:
            reached = await reaches_step(provider(), step)
            assert await closed(aws)
            step += 1
        assert step > 4  # it waits for three responses, and for nothing else
        assert (await provider()).access_key_id.startswith("ASIA")


async def test_callers_of_a_silent_service_share_one_attempt() -> None:
    """A hundred callers of a cached provider get their own errors from one attempt at a silent service."""
    async with FakeAWS() as aws:
        aws.script("role", Forever(Hang()))
        provider = anycreds.cached(provider_for(aws))
        errors: list[CredentialsError] = []

        async def call() -> None:
            with pytest.raises(ProviderTimeoutError) as caught:
                await provider()
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(call)
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
