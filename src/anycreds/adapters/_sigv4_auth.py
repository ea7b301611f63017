"""Signature Version 4 as an auth flow, once for httpx and httpx2: sign, send, and retry once if the session expired."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from .._core.credentials import Credentials
from .._core.errors import InvalidConfigurationError, strip_frames
from .._core.logs import log
from .._core.provider import ContextFunction, CredentialProvider
from .._core.validation import InvalidValueError
from .._factories.cache import cached
from .._wire.sigv4 import S3_STYLE_SERVICES, UNSIGNED_PAYLOAD, payload_hash
from .._wire.urls import is_loopback
from ._expired_session import EXPIRED_STATUSES, ReplayedBody, peek_body, reports_expired_session
from ._request_signing import (
    SignableRequest,
    normalize_target,
    request_url,
    signed_headers,
    signing_scope,
    strip_signature,
)

# In bytes. Hashing a mebibyte takes 1 to 3 ms, as long as an event loop may be blocked; more is hashed in a thread.
_MAX_HASHED_INLINE = 1024 * 1024

Trace = Callable[[str, dict[str, Any]], Awaitable[None]]
RequestT = TypeVar("RequestT", bound=SignableRequest)
ResponseT = TypeVar("ResponseT")


class SigV4Flow(Generic[RequestT, ResponseT]):
    """The base of the ``SigV4Auth`` classes. ``library`` is the module, httpx or httpx2, that a subclass is for."""

    _in_memory: ClassVar[type]
    _replayed_type: ClassVar[type[ReplayedBody]]
    _request_error: ClassVar[type[Exception]]

    def __init_subclass__(cls, *, library: Any) -> None:
        super().__init_subclass__()
        cls._in_memory = library.ByteStream
        cls._request_error = library.RequestError
        # httpx closes a body only if it is a stream of its own.
        cls._replayed_type = type("ReplayedBody", (ReplayedBody, library.AsyncByteStream), {})

    def __init__(self, provider: CredentialProvider | ContextFunction, *, service: str, region: str) -> None:
        self._scope = signing_scope("SigV4Auth", service, region)
        self._provider = cached(provider)
        self._warned_origins: set[str] = set()

    def __repr__(self) -> str:
        return f"<SigV4Auth of {self._provider.name}, for {self._scope.service} in {self._scope.region}>"

    def sync_auth_flow(self, request: Any) -> NoReturn:
        """Raise ``RuntimeError``: a sync client cannot await a provider."""
        raise RuntimeError(
            "SigV4Auth works with AsyncClient only, because it awaits a provider; "
            "without an event loop use boto3 with anycreds.adapters.botocore"
        )

    async def async_auth_flow(self, request: RequestT) -> AsyncGenerator[RequestT, ResponseT]:
        """Sign a request; sign and send it once more with new credentials if the service reports an expired session.

        Raises:
            CredentialsError: The provider's own error.
            InvalidConfigurationError: A header or the session token has a character that no HTTP header can carry.
        """
        self._normalize(request)
        payload = request.headers.get("x-amz-content-sha256") or await self._payload(request)
        headers, extensions = request.headers, request.extensions
        response: Any = None
        try:
            request.extensions = {**extensions, "trace": _strip_on_redirect(request, headers, extensions.get("trace"))}
            credentials = await self._provider()
            self._sign(request, headers, credentials, payload)
            response = yield request
            fresh = await self._after_expiry(request, response, credentials)
            if fresh is not None:
                self._sign(request, headers, fresh, payload)
                response = yield request
        finally:
            request.headers, request.extensions = headers, extensions
            next_request = None if response is None else response.next_request
            if next_request is not None:
                next_request.extensions = {**extensions}
                strip_signature(next_request.headers)

    def _normalize(self, request: RequestT) -> None:
        target = request.url.raw_path.decode("ascii")
        if (normalized := normalize_target(target, self._scope.service)) != target:
            request.url = request.url.copy_with(raw_path=normalized.encode("ascii"))
        url = request_url(request)
        if url.scheme == "http" and not is_loopback(url) and url.origin not in self._warned_origins:
            self._warned_origins.add(url.origin)
            log("adapters", "warning", "sending signed requests to %s without TLS; others can read them", url.origin)

    async def _payload(self, request: RequestT) -> str:
        """Return the hash of the body, or the value that replaces it in the signature."""
        is_in_memory = isinstance(request.stream, self._in_memory)
        may_be_unsigned = self._scope.service in S3_STYLE_SERVICES and request.url.scheme == "https"
        if not is_in_memory and (may_be_unsigned or not isinstance(request.stream, AsyncIterable)):
            return UNSIGNED_PAYLOAD  # the client itself rejects a body that it cannot iterate over
        body = await request.aread()
        if request.headers.pop("transfer-encoding", None) is not None:
            request.headers["content-length"] = str(len(body))  # most services reject chunked transfer encoding
        if len(body) <= _MAX_HASHED_INLINE:
            return payload_hash(body)
        async with self._provider._runtime.open_io("SigV4Auth", timeout=None) as io:
            return await io.run_in_thread(payload_hash, body)

    def _sign(self, request: RequestT, headers: Any, credentials: Credentials, payload: str) -> None:
        now = self._provider._runtime.time()
        try:
            signed = signed_headers(request, headers, credentials, self._scope, now, payload=payload)
        except InvalidValueError as error:
            strip_frames(error)  # they hold headers with secrets
            message = f"SigV4Auth: {error}"
            raise InvalidConfigurationError(message, source=self._provider.name) from None
        request.headers = type(headers)(signed)

    async def _after_expiry(self, request: RequestT, response: Any, credentials: Credentials) -> Credentials | None:
        """Return the credentials for a second attempt; None if the response is final."""
        if response.status_code not in EXPIRED_STATUSES or response.request is not request:
            return None  # the response to a redirected request is not about these credentials
        try:
            body = await peek_body(response, self._replayed_type)
        except self._request_error as error:
            error.request = request  # type: ignore[attr-defined] # as the client does when it reads a body
            raise
        if body is None or not reports_expired_session(response.headers.get("x-amzn-errortype", ""), body):
            return None
        self._provider.invalidate(credentials)
        if not isinstance(request.stream, self._in_memory):
            return None
        fresh = await self._provider()
        is_same = (fresh.access_key_id, fresh.session_token) == (credentials.access_key_id, credentials.session_token)
        return None if is_same else fresh


def _strip_on_redirect(request: SignableRequest, headers: Any, user_trace: Trace | None) -> Trace:
    """Return a ``trace`` extension that removes a request's signature when the response is a redirect.

    The client builds the next request from this one, for any host, and removes only ``authorization`` itself.
    ``headers`` are those without the signature. The user's own trace is called afterwards.
    """

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith("receive_response_headers.complete"):
            response = info.get("return_value") or ()
            if any(isinstance(item, int) and 300 <= item < 400 for item in response):
                request.headers = headers
        if user_trace is not None:
            await user_trace(event, info)

    return trace
