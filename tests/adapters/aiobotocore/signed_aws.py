"""A server for S3, STS and DynamoDB that verifies signatures by computing each from the received bytes.

It runs in a thread of its own, for clients on any event loop. Objects are stored by path.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import anyio
import h11
from anyio.abc import ByteStream, SocketAttribute
from anyio.from_thread import start_blocking_portal

from anycreds import Credentials
from anycreds.testing._fake_aws.messages import FakeServiceError
from anycreds.testing._fake_aws.sigv4_verify import SignatureClaim, read_claim, verify
from anycreds.testing._fake_aws.state import AccessKey

EXPIRED = {
    "s3": FakeServiceError(400, "ExpiredToken", "The provided token has expired."),
    "sts": FakeServiceError(403, "ExpiredToken", "The security token included in the request is expired"),
    "dynamodb": FakeServiceError(400, "ExpiredTokenException", "The security token included in the request is expired"),
    "ec2": FakeServiceError(400, "RequestExpired", "Request has expired."),
}
_WHO = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>{0.arn}</Arn><UserId>{0.access_key_id}</UserId><Account>{0.account_id}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
_LIST = (
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{}</Name><KeyCount>{}</KeyCount>'
    "<IsTruncated>false</IsTruncated>{}</ListBucketResult>"
)
_ENTRY = "<Contents><Key>{}</Key><Size>{}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
_BUCKETS = (
    b'<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets>'
    b"<Bucket><Name>first</Name></Bucket><Bucket><Name>second</Name></Bucket></Buckets></ListAllMyBucketsResult>"
)


class SeenRequest(NamedTuple):
    """A received request and its result."""

    method: str
    path: str
    key_id: str | None
    error_code: str | None = None
    """The error code of the response; None for a success."""
    has_token: bool = False


class SignedAws:
    """The keys that the server knows, and the requests that it received."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, AccessKey] = {}
        self.expired: set[str] = set()
        self.broken = 0
        """How many requests with valid signatures, from now on, get a response with status 503."""
        self.objects: dict[str, bytes] = {}
        self.seen: list[SeenRequest] = []
        self.before: Callable[[], object] = int
        """Called for each request before it is verified."""

    @property
    def key_ids(self) -> list[str | None]:
        """The key ids of the requests, in order."""
        return [seen.key_id for seen in self.seen]

    @property
    def error_codes(self) -> list[str | None]:
        """The error codes of the responses, in order; None for a success."""
        return [seen.error_code for seen in self.seen]

    def know(self, credentials: Credentials) -> Credentials:
        """Accept signatures with these credentials from now on."""
        arn = f"arn:aws:iam::{credentials.account_id or '123456789012'}:user/example"
        self.keys[credentials.access_key_id] = AccessKey(
            credentials.access_key_id, credentials.secret_access_key, credentials.session_token, math.inf, arn
        )
        return credentials

    def check(self, method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> AccessKey | FakeServiceError:
        """Verify and record a request; return the signing key, or the error."""
        self.before()
        claim: SignatureClaim | None = None
        verified: AccessKey | FakeServiceError
        try:
            claim = read_claim(target, headers)
            now, service = time.time(), claim.service
            verified = verify(method, target, headers, body, find_key=self.keys.get, now=now, service=service).key
            if verified.access_key_id in self.expired:
                verified = EXPIRED[service]
            elif self.broken:
                self.broken -= 1
                verified = FakeServiceError(503, "SlowDown", "Reduce your request rate.")
        except FakeServiceError as error:
            verified = error
        key_id = None if claim is None else claim.access_key_id
        error_code = verified.code if isinstance(verified, FakeServiceError) else None
        has_token = claim is not None and claim.session_token is not None
        self.seen.append(SeenRequest(method, target.partition("?")[0], key_id, error_code, has_token))
        return verified

    def respond(self, method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> tuple[int, bytes]:
        """Return the status and body of the response."""
        verified = self.check(method, target, headers, body)
        if b"x-amz-target" in headers:
            return _json(verified)
        if isinstance(verified, FakeServiceError):
            return verified.status, _error(verified)
        if method == "POST":
            return 200, _WHO.format(verified).encode()
        return self._object(method, target, body)

    def _object(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        path, _, query = target.partition("?")
        if method == "PUT":
            self.objects[path] = body
            return 200, b""
        if path == "/":
            return 200, _BUCKETS
        if "list-type=2" in query:
            return 200, self._listing(path)
        if path in self.objects:
            return 200, self.objects[path]
        return 404, _error(FakeServiceError(404, "NoSuchKey", "The specified key does not exist."))

    def _listing(self, path: str) -> bytes:
        bucket = path.strip("/")
        found = [name for name in self.objects if name.startswith(f"/{bucket}/")]
        entries = "".join(_ENTRY.format(name[len(bucket) + 2 :], len(self.objects[name])) for name in found)
        return _LIST.format(bucket, len(found), entries).encode()


@contextmanager
def signed_aws() -> Iterator[SignedAws]:
    """Run a server during the ``with`` block."""
    aws = SignedAws()
    with start_blocking_portal("asyncio", name="SignedAws") as portal, portal.wrap_async_context_manager(_serving(aws)):
        yield aws


@asynccontextmanager
async def _serving(aws: SignedAws) -> AsyncIterator[None]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        aws.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, partial(_serve, aws))
            yield
            tasks.cancel_scope.cancel()


async def _serve(aws: SignedAws, stream: ByteStream) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        async with stream:
            while await _exchange(aws, connection, stream):
                connection.start_next_cycle()
    except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
        pass  # the client disconnected


async def _exchange(aws: SignedAws, connection: h11.Connection, stream: ByteStream) -> bool:
    request, body = None, b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.ConnectionClosed):
            return False
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                # Older versions of botocore ignore it without a reason phrase.
                proceed = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                await stream.send(connection.send(proceed) or b"")
            connection.receive_data(await stream.receive())
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
    assert request is not None
    method = request.method.decode("ascii")
    status, content = aws.respond(method, _origin_form(request.target), dict(request.headers), body)
    length = ("Content-Length", str(len(content)))
    kind = ("Content-Type", "application/json" if content.startswith(b"{") else "application/xml")
    await stream.send(connection.send(h11.Response(status_code=status, headers=[length, kind])) or b"")
    if method != "HEAD":
        await stream.send(connection.send(h11.Data(data=content)) or b"")
    await stream.send(connection.send(h11.EndOfMessage()) or b"")
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


def _origin_form(raw: bytes) -> str:
    """Return path and query; httpx may be made to send absolute URLs."""
    target = raw.decode("latin-1")
    if not target.startswith("http"):
        return target
    parts = urlsplit(target)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _error(error: FakeServiceError) -> bytes:
    element = f"<Code>{error.code}</Code><Message>{error.message}</Message>"
    if error.code == "RequestExpired":
        return f"<Response><Errors><Error>{element}</Error></Errors></Response>".encode()
    if error.status == 403:
        return f"<ErrorResponse><Error><Type>Sender</Type>{element}</Error></ErrorResponse>".encode()
    return f"<Error>{element}</Error>".encode()


def _json(verified: AccessKey | FakeServiceError) -> tuple[int, bytes]:
    if isinstance(verified, FakeServiceError):
        return verified.status, f'{{"__type": "x#{verified.code}", "message": "{verified.message}"}}'.encode()
    return 200, b'{"TableNames": []}'
