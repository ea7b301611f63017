"""A loopback service of AWS, optionally with TLS, that verifies every signature with independent code.

It knows the credentials of ``keys``; ``Source`` is a provider that returns scripted credentials.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, NamedTuple

import anyio
import h11
import pytest
import trustme
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from anycreds import Credentials
from anycreds.testing import CANARY
from anycreds.testing._fake_aws.messages import FakeServiceError
from anycreds.testing._fake_aws.sigv4_verify import verify
from anycreds.testing._fake_aws.state import AccessKey

REGION = "eu-central-1"
ARN = "arn:aws:iam::123456789012:role/Demo"
NEVER = 9e9  # seconds since 1970

each_library = pytest.mark.parametrize("library", ["httpx", "httpx2"], indirect=True)


def keys(number: int = 1) -> Credentials:
    """Return one of many temporary credentials."""
    return Credentials(f"ASIASET{number}", f"{CANARY}-secret-{number}", f"{CANARY}-session-{number}/+==")


class Library(NamedTuple):
    """One of the two libraries, and its ``SigV4Auth``."""

    http: Any
    SigV4Auth: Any

    def client(self, service: Service, auth: Any, **options: Any) -> Any:
        """Return a client that know the service's URL and trusts its certificate."""
        return self.http.AsyncClient(auth=auth, base_url=service.url, verify=trust(), trust_env=False, **options)


class Source:
    """A provider: an async function that returns ``credentials`` or raises ``error``, and counts its ``calls``."""

    def __init__(self, *credentials: Credentials) -> None:
        self._credentials = list(credentials) or [keys()]
        self.error: Exception | None = None
        self.calls = 0

    async def __call__(self) -> Credentials:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self._credentials.pop(0) if len(self._credentials) > 1 else self._credentials[0]


class FastClock:
    """A clock 10,000 times as fast as the real one, because a cache calls its source at most once per second."""

    time = staticmethod(time.time)

    def monotonic(self) -> float:
        return time.monotonic() * 10_000

    def jitter(self) -> float:
        return 0.5


class ReceivedRequest(NamedTuple):
    """A received request, and the error of its signature; None if it is valid."""

    method: str
    target: str
    headers: dict[bytes, bytes]
    body: bytes
    error: FakeServiceError | None
    access_key_id: str | None

    def __repr__(self) -> str:
        return f"ReceivedRequest({self.method} {self.target}, {self.error})"

    @property
    def payload(self) -> bytes:
        """The content hash header of the request."""
        return self.headers[b"x-amz-content-sha256"]


class CannedResponse(NamedTuple):
    """A response, with a ``Content-Length`` header if ``has_length``, else in chunks."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    has_length: bool = True


NO_RESPONSE = CannedResponse(0)  # the connection stays open


class Service:
    """A service that returns the request body, or an error as S3 does, unless ``respond`` returns a response."""

    def __init__(self, name: str, *, tls: bool) -> None:
        self.name = name
        self.tls = tls
        self.port = 0
        self.known: dict[str, AccessKey] = {}
        self.requests: list[ReceivedRequest] = []
        self.respond: Callable[[ReceivedRequest], CannedResponse | None] = always(None)
        for number in range(1, 10):
            self.know(keys(number))

    @property
    def url(self) -> str:
        return f"http{'s' * self.tls}://127.0.0.1:{self.port}"

    @property
    def last(self) -> ReceivedRequest:
        return self.requests[-1]

    def know(self, credentials: Credentials, until: float = NEVER) -> None:
        """Accept requests that are signed with these credentials."""
        name, secret, token = credentials.access_key_id, credentials.secret_access_key, credentials.session_token
        self.known[name] = AccessKey(name, secret, token, until, ARN)

    def expire(self, credentials: Credentials) -> None:
        """Report from now on that the session of these credentials has expired."""
        self.know(credentials, until=1.0)

    def check(self, method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> ReceivedRequest:
        """Verify one request."""
        try:
            found = verify(
                method,
                target,
                headers,
                body,
                find_key=self.known.get,
                now=time.time(),
                service=self.name,
                region=REGION,
            )
        except FakeServiceError as error:
            return ReceivedRequest(method, target, headers, body, error, None)
        return ReceivedRequest(method, target, headers, body, None, found.key.access_key_id)

    async def serve(self, stream: ByteStream) -> None:
        """Serve one connection until it is closed."""
        http = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while await self._exchange(stream, http):
                    http.start_next_cycle()
        except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, h11.RemoteProtocolError):
            pass

    async def _exchange(self, stream: ByteStream, http: h11.Connection) -> bool:
        request: h11.Request | None = None
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                try:
                    http.receive_data(await stream.receive())
                except anyio.EndOfStream:
                    http.receive_data(b"")
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert request is not None
        headers: dict[bytes, bytes] = {}
        for name, value in request.headers:
            headers[name] = headers[name] + b"," + value if name in headers else value
        received = self.check(request.method.decode(), request.target.decode("latin-1"), headers, body)
        self.requests.append(received)
        await self._send(stream, http, received)
        return http.our_state is h11.DONE

    async def _send(self, stream: ByteStream, http: h11.Connection, received: ReceivedRequest) -> None:
        response = self.respond(received) or default_response(received)
        if response == NO_RESPONSE:
            await anyio.sleep_forever()
        length = [("Content-Length", str(len(response.body)))] if response.has_length else []
        head = [*response.headers, *length]
        data = http.send(h11.Response(status_code=response.status, headers=head)) or b""
        if received.method != "HEAD":
            data += http.send(h11.Data(data=response.body)) or b""
        await stream.send(data + (http.send(h11.EndOfMessage()) or b""))


def always(response: CannedResponse | None) -> Callable[[ReceivedRequest], CannedResponse | None]:
    """Return a function that returns the same response for every request; None for the default."""
    return lambda _: response


def default_response(received: ReceivedRequest) -> CannedResponse:
    """Return the response of S3."""
    if received.error is None:
        return CannedResponse(200, received.body)
    return xml_error(received.error.status, received.error.code)


def xml_error(status: int, code: str) -> CannedResponse:
    """Return an error response of S3, in chunks."""
    document = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>no</Message></Error>'
    return CannedResponse(status, document.encode(), (("Content-Type", "application/xml"),), has_length=False)


@cache
def authority() -> trustme.CA:
    """Return the certificate authority of the tests."""
    return trustme.CA()


@cache
def trust() -> ssl.SSLContext:
    """Return the TLS context of clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    return context


@cache
def identity() -> ssl.SSLContext:
    """Return the TLS context of services."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@asynccontextmanager
async def serving(name: str = "dynamodb", *, tls: bool = False) -> AsyncIterator[Service]:
    """Run a service during the ``async with`` block. ``name`` is its signing name."""
    service = Service(name, tls=tls)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0) as plain:
        service.port = plain.extra(SocketAttribute.local_port)
        listener = TLSListener(plain, identity(), standard_compatible=False) if tls else plain
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, service.serve)
            yield service
            tasks.cancel_scope.cancel()
