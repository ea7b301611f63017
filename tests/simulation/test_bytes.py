"""Responses that arrive in pieces or are cut off: a provider returns the same credentials or raises ``RetrievalError``.

They run on ``MemoryNetwork``, where each piece is one read.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError
from anycreds.testing import CANARY, MemoryNetwork, Script, Step, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.budget import Budget
from support.goals import RecordGoal

pytestmark = pytest.mark.anyio

FIELDS = {
    "AccessKeyId": "AKID",
    "SecretAccessKey": f"{CANARY}-s",
    "Token": f"{CANARY}-t",
    "Expiration": "2999-01-01T00:00:00Z",
}
BODY = json.dumps({"Code": "Success", **FIELDS}).encode()
TOKEN = f"{CANARY}-imds".encode()
WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\nContent-Length: %d\r\n\r\n%b"
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n%x\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (
    40,
    BODY[:40],
    len(BODY) - 40,
    BODY[40:],
)
CONTAINER, IMDS = "127.0.0.1", "169.254.169.254"


def whole(body: bytes) -> bytes:
    return WHOLE % (len(body), body)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable httpcore's two dozen log records for each of thousands of requests. Other tests search them."""
    for name in ("httpcore.connection", "httpcore.http11"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)
        logging.getLogger(name).manager._clear_cache()  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def pieces(response: bytes, *cuts: int) -> Script:
    """Return the steps that send a response, cut at these offsets."""
    bounds = [0, *cuts, len(response)]
    return [("send", response[start:end]) for start, end in itertools.pairwise(bounds)]


async def fetch(host: str, *scripts: Script, seconds: float = 0.0) -> Credentials | CredentialsError:
    """Return the result of a new provider, after a check that no connection is open and so much time has passed."""
    started = anyio.current_time()
    with MemoryNetwork() as network:
        network.script(host, 80, *scripts)
        made = (
            anycreds.from_http(full_uri=f"http://{host}/", max_retries=0)
            if host == CONTAINER
            else anycreds.from_instance_metadata()
        )
        try:
            return await anycreds.cached(made, clock=VirtualClock())()
        except CredentialsError as error:
            return error
        finally:
            assert network.open == 0
            assert anyio.current_time() == started + seconds


def expected(source: str) -> Credentials:
    end = datetime(2999, 1, 1, tzinfo=UTC)
    return Credentials("AKID", f"{CANARY}-s", f"{CANARY}-t", expiration=end, source=source)


RESPONSES = pytest.mark.parametrize("response", [whole(BODY), CHUNKED], ids=["whole", "chunked"])
END: dict[str, Step] = {"reset": ("reset",), "close": ("close",)}


SPLITS = "{splits} splits: the same credentials"
CUTS = "{cuts} responses that end early: an error"
# In three pieces there are tens of thousands of ways for each response: a sample.
SPLIT_BUDGET, CUT_BUDGET = "every byte, and {pairs} pairs of bytes", "every byte"


@pytest.mark.fault("U06")
@pytest.mark.goal("G24", scale=100)
@RESPONSES
async def test_response_in_two_pieces(response: bytes, budget: Budget, goal: RecordGoal) -> None:
    """A container response that is cut at any byte gives the same credentials."""
    cuts = budget.sample(range(1, len(response)), 40)
    goal("G24", SPLITS, SPLIT_BUDGET, splits=len(cuts), pairs=0)
    for cut in cuts:
        assert await fetch(CONTAINER, pieces(response, cut)) == expected("container credentials"), cut


@pytest.mark.fault("U06")
@pytest.mark.goal("G24", scale=100)
@RESPONSES
async def test_response_in_three_pieces(response: bytes, budget: Budget, goal: RecordGoal) -> None:
    """A container response that is cut at any two bytes, in a sample, gives the same credentials."""
    chance = budget.random()
    goal("G24", SPLITS, SPLIT_BUDGET, splits=budget.count(20), pairs=budget.count(20))
    for _ in range(budget.count(20)):
        cuts = sorted(chance.sample(range(1, len(response)), 2))
        assert await fetch(CONTAINER, pieces(response, *cuts)) == expected("container credentials"), cuts


@pytest.mark.fault("U06")
@RESPONSES
async def test_response_in_single_bytes(response: bytes) -> None:
    """A container response that arrives byte by byte gives the same credentials."""
    assert await fetch(CONTAINER, pieces(response, *range(1, len(response)))) == expected("container credentials")


@pytest.mark.fault("U05")
@pytest.mark.goal("G24", scale=100)
@RESPONSES
async def test_truncated_response(response: bytes, budget: Budget, goal: RecordGoal) -> None:
    """A container response that is cut off anywhere raises ``RetrievalError``."""
    cuts = list(itertools.product(budget.sample(range(len(response)), 40), END.items()))
    goal("G24", CUTS, CUT_BUDGET, cuts=len(cuts))
    for length, (end, last) in cuts:
        broken = await fetch(CONTAINER, [*pieces(response[:length]), last])
        assert isinstance(broken, anycreds.RetrievalError), (length, end)
    for end, last in END.items():
        assert await fetch(CONTAINER, [*pieces(response), last]) == expected("container credentials"), end


@pytest.mark.fault("U05")
@RESPONSES
async def test_response_that_stalls(response: bytes, budget: Budget) -> None:
    """A container response that stalls after any byte is a timeout after exactly one second."""
    for length in budget.sample(range(len(response)), 20):
        stalled = await fetch(CONTAINER, [*pieces(response[:length]), ("hang",)], seconds=1.0)
        assert isinstance(stalled, anycreds.ProviderTimeoutError), length


IMDS_RESPONSES = [whole(TOKEN), whole(b"role"), whole(BODY)]


def cut_responses(budget: Budget, *tails: Step) -> Iterator[tuple[int, int, list[Script]]]:
    """Yield scripts for offsets in the three IMDS responses. With ``tails``, the response ends at the offset."""
    for number, response in enumerate(IMDS_RESPONSES):
        for cut in budget.sample(range(1, len(response)), 15):
            scripts = [pieces(whole_answer) for whole_answer in IMDS_RESPONSES]
            scripts[number] = [*pieces(response[:cut]), *tails] if tails else pieces(response, cut)
            yield number, cut, scripts


@pytest.mark.fault("U06")
@pytest.mark.goal("G24", scale=100)
async def test_instance_metadata_in_two_pieces(budget: Budget, goal: RecordGoal) -> None:
    """Each IMDS response, cut at any byte, gives the same credentials."""
    cases = list(cut_responses(budget))
    goal("G24", SPLITS, SPLIT_BUDGET, splits=len(cases), pairs=0)
    for number, cut, scripts in cases:
        assert await fetch(IMDS, *scripts) == expected("EC2 instance metadata"), (number, cut)


@pytest.mark.fault("U05")
@pytest.mark.goal("G24", scale=100)
@pytest.mark.parametrize("end", END)
async def test_truncated_instance_metadata(end: str, budget: Budget, goal: RecordGoal) -> None:
    """Each IMDS response that is cut off anywhere raises an error. The first one means that there is no IMDS."""
    cases = list(cut_responses(budget, END[end]))
    goal("G24", CUTS, CUT_BUDGET, cuts=len(cases))
    for number, cut, scripts in cases:
        broken = await fetch(IMDS, *scripts)
        kind = anycreds.RetrievalError if number else anycreds.MetadataUnreachableError
        assert isinstance(broken, kind), (number, cut)
