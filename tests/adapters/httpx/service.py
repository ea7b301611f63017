"""A service of AWS on loopback, over TLS too, that computes every signature again by code that is not the library's.

It knows the credentials that ``keys`` makes; ``Source`` is a provider that hands out whatever it is told.
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
import trustme
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from anycreds import Credentials
from anycreds.testing import CANARY
from anycreds.testing._fake_aws.issued_keys import AccessKey
from anycreds.testing._fake_aws.messages import FakeServiceError
from anycreds.testing._fake_aws.sigv4_verify import verify

REGION = "eu-central-1"
ARN = "arn:aws:iam::123456789012:role/Demo"
NEVER = 9e9  # seconds since 1970


def keys(number: int = 1) -> Credentials:
    """Return one of many sets of temporary credentials."""
    return Credentials(f"ASIASET{number}", f"{CANARY}-secret-{number}", f"{CANARY}-session-{number}/+==")


class Library(NamedTuple):
    """One of the two libraries, and what signs for it."""

    http: Any
    SigV4Auth: Any

    def client(self, service: Service, auth: Any, **options: Any) -> Any:
        """Return a client that knows the service's address and trusts its certificate."""
        return self.http.AsyncClient(auth=auth, base_url=service.url, verify=trust(), trust_env=False, **options)


class Source:
    """A provider: an async function that gives ``credentials``, or raises ``error``. ``calls`` counts."""

    def __init__(self, *credentials: Credentials) -> None:
        self.waiting = list(credentials) or [keys()]
        self.error: Exception | None = None
        self.calls = 0

    async def __call__(self) -> Credentials:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]


class Hasty:
    """A clock on which seconds go by within a millisecond: a cache asks its source once a second at most."""

    time = staticmethod(time.time)

    def monotonic(self) -> float:
        return time.monotonic() * 10_000

    def jitter(self) -> float:
        return 0.5


class Came(NamedTuple):
    """A request as it came, and what is wrong with its signature: None, if nothing is."""

    method: str
    target: str
    headers: dict[bytes, bytes]
    body: bytes
    refusal: FakeServiceError | None
    access_key_id: str | None

    def __repr__(self) -> str:
        return f"Came({self.method} {self.target}, {self.refusal})"

    @property
    def payload(self) -> bytes:
        """What the request says of its body."""
        return self.headers[b"x-amz-content-sha256"]


class Answer(NamedTuple):
    """What goes back. ``length`` says how long the body is; else it comes in chunks."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    has_length: bool = True


SILENCE = Answer(0)  # the connection stays, and nothing comes


class Service:
    """Answers 200 with the body that came, or refuses as S3 does, unless ``answer`` returns something else."""

    def __init__(self, name: str, *, tls: bool) -> None:
        self.name = name
        self.tls = tls
        self.port = 0
        self.known: dict[str, AccessKey] = {}
        self.came: list[Came] = []
        self.answer: Callable[[Came], Answer | None] = always(None)
        for number in range(1, 10):
            self.knows(keys(number))

    @property
    def url(self) -> str:
        return f"http{'s' * self.tls}://127.0.0.1:{self.port}"

    @property
    def last(self) -> Came:
        return self.came[-1]

    def knows(self, credentials: Credentials, until: float = NEVER) -> None:
        """Take requests that are signed with these."""
        name, secret, token = credentials.access_key_id, credentials.secret_access_key, credentials.session_token
        self.known[name] = AccessKey(name, secret, token, until, ARN)

    def ends(self, credentials: Credentials) -> None:
        """Say from now on that the session of this set has ended."""
        self.knows(credentials, until=1.0)

    def check(self, method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> Came:
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
            return Came(method, target, headers, body, error, None)
        return Came(method, target, headers, body, None, found.key.access_key_id)

    async def serve(self, stream: ByteStream) -> None:
        """Answer on one connection until it ends."""
        http = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while await self._exchange(stream, http):
                    http.start_next_cycle()
        except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, h11.RemoteProtocolError):
            pass

    async def _exchange(self, stream: ByteStream, http: h11.Connection) -> bool:
        asked: h11.Request | None = None
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                try:
                    http.receive_data(await stream.receive())
                except anyio.EndOfStream:
                    http.receive_data(b"")
            elif isinstance(event, h11.Request):
                asked = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert asked is not None
        headers: dict[bytes, bytes] = {}
        for name, value in asked.headers:
            headers[name] = headers[name] + b"," + value if name in headers else value
        came = self.check(asked.method.decode(), asked.target.decode("latin-1"), headers, body)
        self.came.append(came)
        await self._send(stream, http, came)
        return http.our_state is h11.DONE

    async def _send(self, stream: ByteStream, http: h11.Connection, came: Came) -> None:
        answer = self.answer(came) or usual(came)
        if answer == SILENCE:
            await anyio.sleep_forever()
        head = [*answer.headers, ("Content-Length", str(len(answer.body)))] if answer.has_length else [*answer.headers]
        data = http.send(h11.Response(status_code=answer.status, headers=head)) or b""
        if came.method != "HEAD":
            data += http.send(h11.Data(data=answer.body)) or b""
        await stream.send(data + (http.send(h11.EndOfMessage()) or b""))


def always(answer: Answer | None) -> Callable[[Came], Answer | None]:
    """Return what gives the same answer to every request; None: the usual one."""
    return lambda _: answer


def usual(came: Came) -> Answer:
    """Return what S3 answers."""
    if came.refusal is None:
        return Answer(200, came.body)
    return xml(came.refusal.status, came.refusal.code)


def xml(status: int, code: str) -> Answer:
    """Return an error of S3, which comes in chunks."""
    document = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>no</Message></Error>'
    return Answer(status, document.encode(), (("Content-Type", "application/xml"),), has_length=False)


@cache
def authority() -> trustme.CA:
    """Return the only one whose certificates count here."""
    return trustme.CA()


@cache
def trust() -> ssl.SSLContext:
    """Return the context of clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    return context


@cache
def identity() -> ssl.SSLContext:
    """Return the context of services."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@asynccontextmanager
async def serving(name: str = "dynamodb", *, tls: bool = False) -> AsyncIterator[Service]:
    """Serve while the ``async with`` lasts. ``name`` is that of the service's signatures."""
    service = Service(name, tls=tls)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0) as plain:
        service.port = plain.extra(SocketAttribute.local_port)
        listener = TLSListener(plain, identity(), standard_compatible=False) if tls else plain
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, service.serve)
            yield service
            tasks.cancel_scope.cancel()
