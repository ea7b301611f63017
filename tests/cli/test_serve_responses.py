"""The responses of ``serve``, without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from anycreds import Credentials
from anycreds._cli.serve import responses
from anycreds._cli.serve.responses import (
    ASSUMED_LIFETIME,
    PATH,
    AccessCheck,
    ServerResponse,
    credentials_response,
    error_response,
)

TOKEN = "canary-token"
NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
HOST, AUTHORIZED = (b"host", b"127.0.0.1:4000"), (b"authorization", TOKEN.encode())


def check(
    *headers: tuple[bytes, bytes], method: bytes = b"GET", target: bytes = PATH.encode("ascii")
) -> ServerResponse | None:
    return AccessCheck(TOKEN, 4000).check(method, target, headers)


@pytest.mark.parametrize("host", [b"127.0.0.1:4000", b"localhost:4000"])
def test_request_with_the_token_is_accepted(host: bytes) -> None:
    """A request with the token, a host of this server, the path and GET is accepted, whatever other headers it has."""
    assert check((b"host", host), AUTHORIZED, (b"accept", b"*/*")) is None


OTHER_HOSTS: list[list[bytes]] = [
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
]


def test_other_host_is_rejected() -> None:
    """A request for another host, as of a web page with a rebound domain, is rejected even with the token."""
    for hosts in OTHER_HOSTS:
        response = check(*((b"host", host) for host in hosts), AUTHORIZED)
        assert response is not None, hosts
        assert (hosts, response.status, response.document["Code"]) == (hosts, 403, "AccessDenied")


@pytest.mark.parametrize("are_equal", [True, False])
def test_tokens_are_compared_in_constant_time(are_equal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``hmac.compare_digest`` alone decides on a token, so that its duration does not depend on the difference."""
    monkeypatch.setattr(responses, "compare_digest", lambda *_: are_equal)
    for token in (TOKEN.encode(), b"x"):
        assert (check(HOST, (b"authorization", token)) is None) == are_equal


OTHER_TOKENS: list[tuple[list[bytes], int]] = [
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
]


def test_other_token_is_rejected() -> None:
    """A missing token gets 401, a wrong or repeated one 403, whether or not the path exists."""
    for tokens, status in OTHER_TOKENS:
        for target in (PATH.encode("ascii"), b"/other"):
            response = check(HOST, *((b"authorization", token) for token in tokens), target=target)
            assert response is not None, tokens
            assert (tokens, response.status) == (tokens, status)
            assert TOKEN not in json.dumps(response.document)


def test_other_path_is_not_found() -> None:
    """Only one path exists, without a query."""
    for target in (b"/", b"/credentials/", b"/credentials?x", b"*", b"http://127.0.0.1:4000/credentials"):
        response = check(HOST, AUTHORIZED, target=target)
        assert response is not None, target
        assert (target, response.status, response.document["Code"]) == (target, 404, "NotFound")


def test_other_method_is_rejected() -> None:
    """Only GET is allowed; the response has the Allow header that HTTP requires."""
    for method in (b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"get"):
        response = check(HOST, AUTHORIZED, method=method)
        assert response is not None, method
        assert (method, response.status) == (method, 405)
        assert b"\r\nAllow: GET\r\n" in response.encode()


def test_credentials_response_has_every_field() -> None:
    """The response has every field that SDKs read, in the format of AWS."""
    credentials = Credentials(
        "ASIATEST", "canary-secret", "canary-session", expiration=NOW + timedelta(hours=1), account_id="012345678901"
    )
    assert credentials_response(credentials, NOW).document == {
        "AccessKeyId": "ASIATEST",
        "SecretAccessKey": "canary-secret",
        "Token": "canary-session",
        "Expiration": "2024-01-02T04:04:05Z",
        "AccountId": "012345678901",
    }


def test_keys_without_expiration_get_one() -> None:
    """Botocore and the JavaScript SDK require an expiration and a token: keys get a near one and an empty one."""
    document = credentials_response(Credentials("AKIDTEST", "canary-secret"), NOW).document
    assert document == {
        "AccessKeyId": "AKIDTEST",
        "SecretAccessKey": "canary-secret",
        "Token": "",
        "Expiration": "2024-01-02T03:34:05Z",
    }
    # Botocore refreshes 15 minutes before the expiration: with less it would send a request for every signature.
    assert timedelta(minutes=15) < ASSUMED_LIFETIME


def test_response_closes_the_connection() -> None:
    """A response has its length, must not be stored, and closes the connection; its repr contains no secret."""
    response = ServerResponse(200, {"SecretAccessKey": "canary-\u00e9"})
    head, _, body = response.encode().partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Cache-Control: no-store",
        b"Connection: close",
    ]
    assert json.loads(body) == response.document
    assert response.encode(with_body=False) == head + b"\r\n\r\n"
    assert repr(response) == "ServerResponse(200)"
    assert error_response(503, "it is down", "RetrievalError").document == {
        "Code": "RetrievalError",
        "Message": "it is down",
    }
