"""Every fault of a server, in every exchange of every source: the right error at the exact time. In virtual time.

The faults are those of ``support.http_faults``. ``end_to_end`` and ``robustness`` play them on real sockets.
"""

from __future__ import annotations

import pytest

import anycreds
from anycreds import (
    Credentials,
    CredentialsError,
    LoginRequiredError,
    MalformedResponseError,
    MetadataUnreachableError,
    NotConfiguredError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds.testing import CANARY, Forever, MemoryNetwork, ResetAfter, Status, Step
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend
from simulation.sources import READERS, SERVICES, Sources, sources
from support.goals import RecordGoal
from support.http_faults import HTTP_FAULTS, Outcome
from support.rows import row

__all__ = ["anyio_backend", "sources"]  # fixtures

pytestmark = pytest.mark.anyio

ERRORS: dict[Outcome, type[CredentialsError]] = {
    "timeout": ProviderTimeoutError,
    "broken": MalformedResponseError,
    "too large": MalformedResponseError,
    "status": RetrievalError,
    "malformed": MalformedResponseError,
}
NOT_JSON = ("role", "web token", "imds token", "imds role list")


def timeout_of(reader: str) -> float:
    """Return the default timeout of an exchange."""
    return 5.0 if reader in SERVICES else 1.0


def expected_error(reader: str, name: str, kind: Outcome) -> type[CredentialsError]:
    """Return the class of the error for a fault. Only two of them let a chain continue."""
    if reader == "imds token" and kind in ("timeout", "broken"):
        return MetadataUnreachableError  # this may not be an EC2 instance
    if reader == "imds role list" and name == "empty body":
        return NotConfiguredError  # there is no role in the list
    return ERRORS[kind]


FAULTS = "{faults} faults: {late} not at their exact virtual second, {open} connections left open"


def metadata_requests(network: MemoryNetwork) -> list[bytes]:
    """Return the requests to the metadata service that are not for a token."""
    sent = b"\r\n\r\n".join(one.written for one in network.connections if one.host == "169.254.169.254")
    return [request for request in sent.split(b"\r\n\r\n") if request.startswith(b"GET ")]


def count_tokenless(network: MemoryNetwork) -> int:
    """Return how many requests to the metadata service have no token."""
    return sum(b"x-aws-ec2-metadata-token:" not in request.lower() for request in metadata_requests(network))


def check_time(seconds: float, expected: float, sources: Sources, goal: RecordGoal) -> None:
    """Check, and record, how long a fault took and whether a connection is open."""
    late = seconds != expected
    goal("G7", FAULTS, "every fault in every exchange", faults=1, late=int(late), open=sources.network.open)
    assert not late, seconds


@pytest.mark.fault("U03", "U04", "U05", "U10", "U11", "U12", "U13", "U14", "U25")
@pytest.mark.goal("G7", "G16")
@pytest.mark.parametrize("reader", READERS)
async def test_fault_ends_in_its_error_at_its_time(sources: Sources, reader: str, goal: RecordGoal) -> None:
    """Each fault ends in its error: silence exactly at the timeout, all else at once, and nothing stays open."""
    for name, (fault, kind, text) in HTTP_FAULTS.items():
        if (reader, kind) == ("imds token", "malformed"):
            continue  # the response is a token, not JSON
        with row(name):
            provider = sources.provider(reader)
            sources.aws.script(sources.route(reader), fault)
            error, seconds = await sources.failure(provider)
            check_time(seconds, timeout_of(reader) if kind == "timeout" else 0.0, sources, goal)
            assert type(error) is expected_error(reader, name, kind)
            assert text in str(error) or reader in NOT_JSON
    assert isinstance(await sources.provider(reader)(), Credentials)
    # A 403, 404 or 405 in response to the request for a token permits IMDSv1; one of the faults is a 403.
    permitted = int(reader == "imds token")
    goal(
        "G16",
        "{tokenless} of {sent} requests without a token, besides {permitted} after a 403, which permits IMDSv1",
        "every fault in every exchange",
        sent=len(metadata_requests(sources.network)),
        tokenless=count_tokenless(sources.network) - permitted,
        permitted=permitted,
    )
    assert count_tokenless(sources.network) == permitted


@pytest.mark.fault("U01", "U02", "U05")
@pytest.mark.goal("G7")
@pytest.mark.parametrize("reader", READERS)
async def test_connection_that_fails(sources: Sources, reader: str, goal: RecordGoal) -> None:
    """A refused or reset connection is an error at once, one that is never accepted exactly at the timeout."""
    unreachable = MetadataUnreachableError if reader == "imds token" else None
    if reader not in ("imds role list", "imds role"):  # their connection is that of the token
        steps: list[tuple[Step, type[CredentialsError]]] = [
            (("refuse",), RetrievalError),
            (("ignore",), ProviderTimeoutError),
        ]
        for step, expected in steps:
            with row(step[0]):
                sources.network.script(*sources.address(reader), [step])
                error, seconds = await sources.failure(sources.provider(reader))
                check_time(seconds, timeout_of(reader) if expected is ProviderTimeoutError else 0.0, sources, goal)
                assert type(error) is (unreachable or expected)
                assert sources.address(reader)[0] in str(error) or reader == "container"
    for count in (0, 1, 9, 16, 40, 60, 80):
        with row(f"{count} bytes"):
            provider = sources.provider(reader)
            sources.aws.script(sources.route(reader), ResetAfter(count))
            error, seconds = await sources.failure(provider)
            check_time(seconds, 0.0, sources, goal)
            assert type(error) is (unreachable or MalformedResponseError)


# What some exchanges do with a status, by the number of requests and the class of the error.
SPECIAL: dict[tuple[str, int], tuple[int, type[CredentialsError]]] = {
    ("imds role list", 404): (1, NotConfiguredError),  # there is no role
    ("sso portal", 401): (2, LoginRequiredError),  # the second time with a refreshed token
    ("sso refresh", 401): (1, LoginRequiredError),
}


@pytest.mark.fault("U07", "U08", "U09")
@pytest.mark.parametrize("reader", READERS)
async def test_status_of_a_response(sources: Sources, reader: str) -> None:
    """Rejections are final, throttling and server errors are retried after growing pauses, in every exchange."""
    pauses = {429: 0.5 + 1.0} if reader in SERVICES else {}  # half of the limits, which is the jitter of the clock
    others = (0.05 + 0.1) / (2 if reader in SERVICES else 1)
    for status in (400, 401, 403, 404, 405, 429, 500, 501, 502, 503, 504):
        is_transient = status in (429, 500, 502, 503, 504)
        requests, kind = SPECIAL.get((reader, status), (3 if is_transient else 1, RetrievalError))
        with row(str(status)):
            provider = sources.provider(reader, attempts=3)
            sources.aws.script(sources.route(reader), Forever(Status(status)))
            before = sources.aws.count(sources.route(reader))
            error, seconds = await sources.failure(provider)
            assert sources.aws.count(sources.route(reader)) - before == requests
            assert type(error) is kind
            assert seconds == (round(pauses.get(status, others), 6) if is_transient else 0.0)
            assert f"status {status}" in str(error) or (reader, status) in SPECIAL or reader == "imds token"


@pytest.mark.fault("U08")
@pytest.mark.parametrize("reader", READERS)
async def test_retry_after(sources: Sources, reader: str) -> None:
    """``Retry-After`` is the shortest pause; if the budget of the call is shorter, that ends at once."""
    for header, pauses in (("1", [1.0, 1.0]), ("1000000000", []), ("9" * 500, [])):
        with row(header[:9]):
            provider = sources.provider(reader, attempts=3)
            sources.aws.script(sources.route(reader), Forever(Status(503, headers=(("Retry-After", header),))))
            before = sources.aws.count(sources.route(reader))
            error, seconds = await sources.failure(provider)
            assert (type(error), seconds) == (RetrievalError, sum(pauses))
            assert sources.aws.count(sources.route(reader)) - before == len(pauses) + 1


@pytest.mark.fault("U09")
@pytest.mark.parametrize("reader", READERS)
async def test_every_second_request_fails(sources: Sources, reader: str) -> None:
    """A source whose every second request fails causes no error, and one retry of each call."""
    for _ in range(3):
        provider = sources.provider(reader, attempts=2)
        sources.aws.script(sources.route(reader), Status(500))
        assert isinstance(await provider(), Credentials)
        assert sources.network.open == 0


CHAINED = ("silence", "half a body", "endless body", "forbidden", "server error", "redirect", "web page", "empty body")


@pytest.mark.fault("U01", "U03", "U07", "U10", "U11", "U14", "U25")
@pytest.mark.parametrize("reader", READERS)
async def test_chain_continues_only_where_nothing_is_configured(sources: Sources, reader: str) -> None:
    """A fault of a source stops a chain, except where EC2 metadata never responded or the instance has no role."""

    async def other() -> Credentials:
        return Credentials("AKIDOTHER", CANARY)

    for name in CHAINED:
        fault, kind, _ = HTTP_FAULTS[name]
        if (reader, kind) == ("imds token", "malformed"):
            continue
        with row(name):
            sources.aws.script(sources.route(reader), fault)
            chain = anycreds.create_credential_chain(sources.provider(reader), other)
            if issubclass(expected_error(reader, name, kind), NotConfiguredError):
                assert (await chain()).access_key_id == "AKIDOTHER"
                sources.aws.restore()
            else:
                error, _ = await sources.failure(chain)
                assert type(error) is expected_error(reader, name, kind)
