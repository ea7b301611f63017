"""Who gets what from ``serve``, decided without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from anycreds import Credentials
from anycreds._cli.serve.responses import LENT_LIFE, PATH, Answer, Door, granted, refusal

TOKEN = "canary-token"
NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
HOST, RIGHT = (b"host", b"127.0.0.1:4000"), (b"authorization", TOKEN.encode())


def check(*headers: tuple[bytes, bytes], method: bytes = b"GET", target: bytes = PATH.encode("ascii")) -> Answer | None:
    return Door(TOKEN, 4000).check(method, target, headers)


@pytest.mark.parametrize("host", [b"127.0.0.1:4000", b"localhost:4000"])
def test_who_has_the_token_gets_the_set(host: bytes) -> None:
    """The right token, host, path and method are all that is needed, whatever else is sent."""
    assert check((b"host", host), RIGHT, (b"accept", b"*/*")) is None


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"127.0.0.1"],
        [b"127.0.0.1:4001"],
        [b"evil.example:4000"],
        [b"127.0.0.1:4000.evil.example"],
        [b"127.0.0.1:4000@evil.example"],
        [b"LOCALHOST:4000"],
        [b"0.0.0.0:4000"],
        [b"127.0.0.1:4000", b"evil.example"],
        [b"127.0.0.1:4000", b"127.0.0.1:4000"],
    ],
)
def test_another_host_is_refused(hosts: list[bytes]) -> None:
    """Who asks for another host, as a page whose name was pointed here does, is refused even with the token."""
    answer = check(*((b"host", host) for host in hosts), RIGHT)
    assert answer is not None
    assert (answer.status, answer.document["Code"]) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("tokens", "status"),
    [
        ([], 401),
        ([b""], 403),
        ([b"x"], 403),
        ([TOKEN.encode() + b"x"], 403),
        ([TOKEN.encode()[:-1]], 403),
        ([TOKEN.upper().encode()], 403),
        ([b"Bearer " + TOKEN.encode()], 403),
        ([b"\xff\xfe"], 403),
        ([TOKEN.encode(), TOKEN.encode()], 403),
        ([TOKEN.encode(), b"x"], 403),
    ],
)
def test_another_token_is_refused(tokens: list[bytes], status: int) -> None:
    """Without the token it is 401, with another one, or with two, 403; and which paths there are is not told."""
    for target in (PATH.encode("ascii"), b"/other"):
        answer = check(HOST, *((b"authorization", token) for token in tokens), target=target)
        assert answer is not None
        assert answer.status == status
        assert TOKEN not in json.dumps(answer.document)


@pytest.mark.parametrize(
    "target", [b"/", b"/credentials/", b"/credentials?x", b"*", b"http://127.0.0.1:4000/credentials"]
)
def test_another_path_is_not_there(target: bytes) -> None:
    """There is one path, without a query, and nothing else."""
    answer = check(HOST, RIGHT, target=target)
    assert answer is not None
    assert (answer.status, answer.document["Code"]) == (404, "NotFound")


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"get"])
def test_another_method_is_refused(method: bytes) -> None:
    """Only GET is allowed, and that is told as HTTP asks for."""
    answer = check(HOST, RIGHT, method=method)
    assert answer is not None
    assert answer.status == 405
    assert b"\r\nAllow: GET\r\n" in answer.encoded()


def test_a_whole_set() -> None:
    """Everything that SDKs read is there, in AWS's form."""
    credentials = Credentials(
        "ASIATEST", "canary-secret", "canary-session", expiration=NOW + timedelta(hours=1), account_id="012345678901"
    )
    assert granted(credentials, NOW).document == {
        "AccessKeyId": "ASIATEST",
        "SecretAccessKey": "canary-secret",
        "Token": "canary-session",
        "Expiration": "2024-01-02T04:04:05Z",
        "AccountId": "012345678901",
    }


def test_keys_that_last_get_an_end() -> None:
    """Botocore and JavaScript need an end and a token; keys without get one that is near, and one that is empty."""
    document = granted(Credentials("AKIDTEST", "canary-secret"), NOW).document
    assert document == {
        "AccessKeyId": "AKIDTEST",
        "SecretAccessKey": "canary-secret",
        "Token": "",
        "Expiration": "2024-01-02T03:34:05Z",
    }
    # Of the SDKs, botocore refreshes earliest. An end that is nearer would make it ask at every request.
    assert timedelta(minutes=15) < LENT_LIFE


def test_an_answer_is_whole_and_the_only_one() -> None:
    """An answer tells its length, is not to be kept, and closes the connection; its repr shows no secret."""
    answer = Answer(200, {"SecretAccessKey": "canary-\u00e9"})
    head, _, body = answer.encoded().partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Cache-Control: no-store",
        b"Connection: close",
    ]
    assert json.loads(body) == answer.document
    assert answer.encoded(with_body=False) == head + b"\r\n\r\n"
    assert repr(answer) == "Answer(200)"
    assert refusal(503, "it is down", "RetrievalError").document == {"Code": "RetrievalError", "Message": "it is down"}
