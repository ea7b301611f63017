"""However an answer is cut into pieces, and wherever it breaks off: the same set, or an error of ours. Nothing between.

On the network in memory, where every piece is one read.
"""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Iterable
from datetime import UTC, datetime

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError
from anycreds.testing import CANARY, MemoryNetwork, Script, Step, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401

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
SAMPLES = 300  # of the ten thousands of ways to cut an answer twice
CONTAINER, IMDS = "127.0.0.1", "169.254.169.254"


def whole(body: bytes) -> bytes:
    return WHOLE % (len(body), body)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out httpcore's two dozen log records for each of thousands of exchanges; other tests search them."""
    for name in ("httpcore.connection", "httpcore.http11"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)
        logging.getLogger(name).manager._clear_cache()  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def pieces(answer: bytes, *cuts: int) -> Script:
    """Return an answer, cut at these places."""
    bounds = [0, *cuts, len(answer)]
    return [("send", answer[start:end]) for start, end in itertools.pairwise(bounds)]


async def ask(host: str, *scripts: Script) -> Credentials | CredentialsError:
    """Ask a new provider, and prove that it leaves no connection and no time has passed."""
    begun = anyio.current_time()
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
            assert anyio.current_time() == begun


def expected(source: str) -> Credentials:
    end = datetime(2999, 1, 1, tzinfo=UTC)
    return Credentials("AKID", f"{CANARY}-s", f"{CANARY}-t", expiration=end, source=source)


@pytest.mark.parametrize("answer", [whole(BODY), CHUNKED], ids=["whole", "chunked"])
async def test_an_answer_in_two_pieces(answer: bytes) -> None:
    """A container's answer that is cut at any byte gives the same set."""
    for cut in range(1, len(answer)):
        assert await ask(CONTAINER, pieces(answer, cut)) == expected("container credentials"), cut


async def test_an_answer_in_three_pieces() -> None:
    """So does one that is cut at any two bytes, as far as a sample can tell."""
    chance = random.Random(3)
    for _ in range(SAMPLES):
        answer = chance.choice([whole(BODY), CHUNKED])
        cuts = sorted(chance.sample(range(1, len(answer)), 2))
        assert await ask(CONTAINER, pieces(answer, *cuts)) == expected("container credentials"), cuts


@pytest.mark.parametrize("answer", [whole(BODY), CHUNKED], ids=["whole", "chunked"])
async def test_an_answer_in_single_bytes(answer: bytes) -> None:
    """So does one that comes byte by byte."""
    assert await ask(CONTAINER, pieces(answer, *range(1, len(answer)))) == expected("container credentials")


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("answer", [whole(BODY), CHUNKED], ids=["whole", "chunked"])
async def test_an_answer_that_breaks_off(answer: bytes, end: str) -> None:
    """A connection that ends after any byte gives an error of ours, unless all had come: then the set."""
    last: Step = ("reset",) if end == "reset" else ("close",)
    for length in range(len(answer)):
        broken = await ask(CONTAINER, [*pieces(answer[:length]), last])
        assert isinstance(broken, anycreds.RetrievalError), length
    assert await ask(CONTAINER, [*pieces(answer), last]) == expected("container credentials")


IMDS_ANSWERS = [whole(TOKEN), whole(b"role"), whole(BODY)]


def at_each(*tails: Step) -> Iterable[tuple[int, int, list[Script]]]:
    """Go through all places in the three answers of IMDS. With ``tails`` the answer ends there, so."""
    for number, answer in enumerate(IMDS_ANSWERS):
        for cut in range(len(answer)):
            scripts = [pieces(whole_answer) for whole_answer in IMDS_ANSWERS]
            scripts[number] = [*pieces(answer[:cut]), *tails] if tails else pieces(answer, cut)
            yield number, cut, scripts


async def test_instance_metadata_in_two_pieces() -> None:
    """Each of the three answers of IMDS, cut at any byte, leads to the same set."""
    for number, cut, scripts in at_each():
        if cut:
            assert await ask(IMDS, *scripts) == expected("EC2 instance metadata"), (number, cut)


@pytest.mark.parametrize("end", ["reset", "close"])
async def test_instance_metadata_that_breaks_off(end: str) -> None:
    """Each of the three answers, broken off at any byte, leads to an error of ours. A first one means: no service."""
    last: Step = ("reset",) if end == "reset" else ("close",)
    for number, cut, scripts in at_each(last):
        broken = await ask(IMDS, *scripts)
        kind = anycreds.RetrievalError if number else anycreds.MetadataUnreachableError
        assert isinstance(broken, kind), (number, cut)
