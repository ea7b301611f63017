"""Responses and outputs of any size: the memory of a program of its own grows by at most a mebibyte."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from anycreds.testing import FakeAWS, Fault, Flood, Gzip, Raw
from support.goals import RecordGoal

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.timeout(300),  # dozens of programs
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc, to measure the peak of memory"),
]

PROGRAM = Path(__file__).with_name("memory_program.py")
LIMIT = 1024  # KiB
FIGURE = "{bodies} bodies and outputs: at most {grown:.0f} KiB more memory"
MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(64 * MIB), 9)  # 63 KiB


def compressed(body: bytes, encoding: bytes) -> Raw:
    return Raw(OK + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (encoding, len(body), body))


BODIES: dict[str, Fault] = {
    "endless": Flood(),
    "a declared gibibyte": Flood(1 << 30),
    "as large as allowed": Flood(64 << 10),
    "without a length": Raw(OK + b"\r\n" + bytes(8 * MIB)),
    "in chunks": Raw(OK + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 128),
    "in chunks of a byte": Raw(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 200_000),
    "one huge chunk": Raw(OK + b"Transfer-Encoding: chunked\r\n\r\n4000000\r\n" + bytes(8 * MIB)),
    "a decompression bomb": compressed(BOMB, b"gzip"),
    "one in deflate": compressed(BOMB, b"deflate"),
    "one in two layers": compressed(gzip.compress(BOMB), b"gzip, gzip"),
    "compressed": Gzip(),
    "a header of 8 MiB": Raw(OK + b"X: " + b"x" * 8 * MIB),
    "many headers": Raw(OK + b"X: y\r\n" * 500_000),
    "many interim responses": Raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200_000),
    "JSON of great depth": Raw(OK + b"Content-Length: 60000\r\n\r\n" + b"[" * 60_000),
    "an XML entity bomb": Raw(
        OK + b"\r\n<!DOCTYPE a [<!ENTITY b '" + b"x" * 30_000 + b"'>]><a>" + b"&b;" * 5_000 + b"</a>"
    ),
}  # fmt: skip


def growth(kind: str, url: str) -> int:
    """Return by how many KiB the memory of a program grew in its last call."""
    command = [sys.executable, str(PROGRAM), kind, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.goal("G8", long=True)
def test_growth_is_noticed() -> None:
    """Memory that the program takes and gives back at once is counted."""
    assert growth("nothing", "") > 7 * 1024


@pytest.mark.fault("U11", "U12")
@pytest.mark.goal("G8", long=True)
@pytest.mark.parametrize(("kind", "route"), [("container", "container"), ("role", "assume role")])
def test_responses_of_any_size(kind: str, route: str, goal: RecordGoal) -> None:
    """No response makes the memory grow by more than a mebibyte, from a metadata service or from STS."""
    with FakeAWS.in_thread() as aws:
        url = aws.container_url if kind == "container" else aws.service_url
        for name, body in BODIES.items():
            aws.script(route, Raw(OK), Raw(OK + b"Content-Length: 4\r\n\r\nnull"), body)
            grown = growth(kind, url)
            assert aws.count(route) == 3
            aws.exchanges.clear()
            goal("G8", FIGURE, "all", bodies=1, grown=float(grown))
            assert grown < LIMIT, name


@pytest.mark.fault("P02")
@pytest.mark.goal("G8", long=True)
@pytest.mark.parametrize("stream", ["1", "2"])
def test_output_of_any_size(isolated: Path, stream: str, monkeypatch: pytest.MonkeyPatch, goal: RecordGoal) -> None:
    """A command that prints 100 MB makes the memory grow by no more than a mebibyte."""
    monkeypatch.delenv("AWS_CONFIG_FILE")
    folder = isolated / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[default]\ncredential_process = head -c 100000000 /dev/zero >&{stream}\n")
    grown = growth("process", "")
    goal("G8", FIGURE, "all", bodies=1, grown=float(grown))
    assert grown < LIMIT
