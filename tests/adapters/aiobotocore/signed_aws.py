"""S3, STS and DynamoDB as far as signatures go: a server that computes every one again from the bytes that came.

It runs in a thread of its own, so that clients of any event loop can ask it. Objects are kept by their paths.
"""

from __future__ import annotations

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
from anycreds.testing._fake_aws.issued_keys import AccessKey
from anycreds.testing._fake_aws.messages import FakeServiceError
from anycreds.testing._fake_aws.sigv4_claims import SignatureClaim, read_claim
from anycreds.testing._fake_aws.sigv4_verify import verify

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


class Seen(NamedTuple):
    """A request that came, and what became of it."""

    method: str
    path: str
    key_id: str | None
    refused: str | None = None
    """The code of the error; None: it was right."""
    has_token: bool = False


class SignedAws:
    """What the server knows and has seen."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, AccessKey] = {}
        self.expired: set[str] = set()
        self.broken = 0
        """How many requests, from now on, are answered with 503 although they are right."""
        self.objects: dict[str, bytes] = {}
        self.seen: list[Seen] = []
        self.before: Callable[[], object] = int
        """Called when a request has come, before it is looked at."""

    @property
    def key_ids(self) -> list[str | None]:
        """The key ids of the requests, in order."""
        return [seen.key_id for seen in self.seen]

    @property
    def refusals(self) -> list[str | None]:
        """What the requests were refused with, in order."""
        return [seen.refused for seen in self.seen]

    def know(self, credentials: Credentials) -> Credentials:
        """Take signatures by this set from now on."""
        arn = f"arn:aws:iam::{credentials.account_id or '123456789012'}:user/somebody"
        self.keys[credentials.access_key_id] = AccessKey(
            credentials.access_key_id, credentials.secret_access_key, credentials.session_token, None, arn
        )
        return credentials

    def check(self, method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> AccessKey | FakeServiceError:
        """Return who signed a request, or why it is refused; take it down."""
        self.before()
        claim: SignatureClaim | None = None
        judged: AccessKey | FakeServiceError
        try:
            claim = read_claim(target, headers)
            now, service = time.time(), claim.service
            judged = verify(method, target, headers, body, find_key=self.keys.get, now=now, service=service).key
            if judged.access_key_id in self.expired:
                judged = EXPIRED[service]
            elif self.broken:
                self.broken -= 1
                judged = FakeServiceError(503, "SlowDown", "Reduce your request rate.")
        except FakeServiceError as error:
            judged = error
        key_id = None if claim is None else claim.access_key_id
        refused = judged.code if isinstance(judged, FakeServiceError) else None
        has_token = claim is not None and claim.session_token is not None
        self.seen.append(Seen(method, target.partition("?")[0], key_id, refused, has_token))
        return judged

    def answer(self, method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        judged = self.check(method, target, headers, body)
        if b"x-amz-target" in headers:
            return _json(judged)
        if isinstance(judged, FakeServiceError):
            return judged.status, _error(judged)
        if method == "POST":
            return 200, _WHO.format(judged).encode()
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
    """Serve while the ``with`` lasts."""
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
    line = h11.Connection(h11.SERVER)
    try:
        async with stream:
            while await _exchange(aws, line, stream):
                line.start_next_cycle()
    except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
        pass  # the client left


async def _exchange(aws: SignedAws, line: h11.Connection, stream: ByteStream) -> bool:
    request, body = None, b""
    while not isinstance(event := line.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.ConnectionClosed):
            return False
        if event is h11.NEED_DATA:
            if line.they_are_waiting_for_100_continue:
                # An older botocore takes it for no answer if it has no reason.
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                await stream.send(line.send(go_on) or b"")
            line.receive_data(await stream.receive())
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
    assert request is not None
    method = request.method.decode("ascii")
    status, content = aws.answer(method, _origin_form(request.target), dict(request.headers), body)
    length = ("Content-Length", str(len(content)))
    kind = ("Content-Type", "application/json" if content.startswith(b"{") else "application/xml")
    await stream.send(line.send(h11.Response(status_code=status, headers=[length, kind])) or b"")
    if method != "HEAD":
        await stream.send(line.send(h11.Data(data=content)) or b"")
    await stream.send(line.send(h11.EndOfMessage()) or b"")
    return line.our_state is h11.DONE and line.their_state is h11.DONE


def _origin_form(raw: bytes) -> str:
    """Return path and query; httpx is made to send whole URLs."""
    target = raw.decode("latin-1")
    if not target.startswith("http"):
        return target
    parts = urlsplit(target)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _error(refusal: FakeServiceError) -> bytes:
    error = f"<Code>{refusal.code}</Code><Message>{refusal.message}</Message>"
    if refusal.code == "RequestExpired":
        return f"<Response><Errors><Error>{error}</Error></Errors></Response>".encode()
    if refusal.status == 403:
        return f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>".encode()
    return f"<Error>{error}</Error>".encode()


def _json(judged: AccessKey | FakeServiceError) -> tuple[int, bytes]:
    if isinstance(judged, FakeServiceError):
        return judged.status, f'{{"__type": "x#{judged.code}", "message": "{judged.message}"}}'.encode()
    return 200, b'{"TableNames": []}'
