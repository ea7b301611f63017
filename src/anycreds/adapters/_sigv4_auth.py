"""How a request is signed and sent, and once more if the session has ended: the same for httpx and httpx2.

Whatever waits, waits for the provider, the program's own body, a worker thread or the answer, on any event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from anyio import to_thread

from .._core.credentials import Credentials, InvalidReason
from .._core.errors import InvalidConfigurationError
from .._core.logs import log
from .._core.provider import CredentialProvider
from .._factories.chains import cached
from .._wire.sigv4 import LIKE_S3, UNSIGNED_PAYLOAD, payload_hash
from .._wire.urls import is_loopback
from ._expired_session import STATUSES, Peeked, peek, says_expired
from ._request_signing import Request, scope_of, signed_headers, take_off, unambiguous, url_of

# Hashing a mebibyte takes 1 to 3 ms, for which an event loop may stand still; more is done in a worker thread.
_HASHED_AT_ONCE = 1024 * 1024

Trace = Callable[[str, dict[str, Any]], Awaitable[None]]
RequestT = TypeVar("RequestT", bound=Request)
ResponseT = TypeVar("ResponseT")


class SigV4Flow(Generic[RequestT, ResponseT]):
    """Signs requests, for one of the libraries. The class of its request bodies in memory and the like are its own."""

    _in_memory: ClassVar[type]
    _peeked: ClassVar[type[Peeked]]
    _failure: ClassVar[type[Exception]]

    def __init__(self, provider: CredentialProvider, *, service: str, region: str) -> None:
        self._scope = scope_of(type(self).__name__, service, region)
        self._provider = cached(provider)
        self._told: set[str] = set()  # for which origins it was said that they are called without TLS

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._provider.name}, for {self._scope.service} in {self._scope.region}>"

    def sync_auth_flow(self, request: Any) -> NoReturn:
        """Refuse: the provider has to be awaited. Raises ``RuntimeError``, which says what to use instead."""
        raise RuntimeError(
            f"{type(self).__name__} works with AsyncClient only, as it awaits a provider; "
            "in a program without an event loop use boto3 with anycreds.adapters.botocore"
        )

    async def async_auth_flow(self, request: RequestT) -> AsyncGenerator[RequestT, ResponseT]:
        """Sign a request, and once more with new credentials if a service says that the session has ended.

        Raises what the provider raises, and ``InvalidConfigurationError`` for headers that cannot be signed.
        """
        self._put_in_order(request)
        payload = request.headers.get("x-amz-content-sha256") or await self._payload(request)
        headers, extensions = request.headers, request.extensions
        response: Any = None
        try:
            request.extensions = {**extensions, "trace": _unsigning(request, headers, extensions.get("trace"))}
            credentials = await self._provider()
            self._sign(request, headers, credentials, payload)
            response = yield request
            fresh = await self._after_expiry(request, response, credentials)
            if fresh is not None:
                self._sign(request, headers, fresh, payload)
                response = yield request
        finally:
            request.headers, request.extensions = headers, extensions
            following = None if response is None else response.next_request
            if following is not None:
                following.extensions = {**extensions}
                take_off(following.headers)

    def _put_in_order(self, request: RequestT) -> None:
        target = request.url.raw_path.decode("ascii")
        if (better := unambiguous(target, self._scope.service)) != target:
            request.url = request.url.copy_with(raw_path=better.encode("ascii"))
        url = url_of(request)
        if url.scheme == "http" and not is_loopback(url) and url.origin not in self._told:
            self._told.add(url.origin)
            log("adapters", "warning", "%s is called without TLS, so that others can read along", url.origin)

    async def _payload(self, request: RequestT) -> str:
        """Return what stands for the body in the signature."""
        is_here = isinstance(request.stream, self._in_memory)
        may_be_unsigned = self._scope.service in LIKE_S3 and request.url.scheme == "https"
        if not is_here and (may_be_unsigned or not isinstance(request.stream, AsyncIterable)):
            return UNSIGNED_PAYLOAD  # the client itself refuses bodies that it cannot iterate over
        body = await request.aread()
        if request.headers.pop("transfer-encoding", None) is not None:
            request.headers["content-length"] = str(len(body))  # known now, and hardly a service takes chunks
        if len(body) <= _HASHED_AT_ONCE:
            return payload_hash(body)
        return await to_thread.run_sync(payload_hash, body)

    def _sign(self, request: RequestT, headers: Any, credentials: Credentials, payload: str) -> None:
        now = self._provider._runtime.time()
        signed = signed_headers(request, headers, credentials, self._scope, now, payload=payload)
        if isinstance(signed, InvalidReason):
            raise InvalidConfigurationError(f"{type(self).__name__}: {signed}", source=self._provider.name)
        request.headers = type(headers)(signed)

    async def _after_expiry(self, request: RequestT, response: Any, credentials: Credentials) -> Credentials | None:
        """Return the credentials to send a request with once more; None: its answer is the answer."""
        if response.status_code not in STATUSES or response.request is not request:
            return None  # what another host says, after a redirect, is not about these credentials
        try:
            body = await peek(response, self._peeked)
        except self._failure as error:
            error.request = request  # type: ignore[attr-defined] # as the client does where it reads answers
            raise
        if body is None or not says_expired(response.headers.get("x-amzn-errortype", ""), body):
            return None
        self._provider.invalidate(credentials)
        if not isinstance(request.stream, self._in_memory):
            return None
        fresh = await self._provider()
        is_same = (fresh.access_key_id, fresh.session_token) == (credentials.access_key_id, credentials.session_token)
        return None if is_same else fresh


def _unsigning(request: Request, headers: Any, other: Trace | None) -> Trace:
    """Return what takes the signature off a request whose answer is a redirect, before the client follows it.

    The client makes the next request from this one, for whatever host; only ``authorization`` does it leave out.
    ``headers`` are those without a signature, ``other`` is the program's own ``trace``.
    """

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith("receive_response_headers.complete"):
            answer = info.get("return_value") or ()
            if any(isinstance(item, int) and 300 <= item < 400 for item in answer):
                request.headers = headers
        if other is not None:
            await other(event, info)

    return trace
