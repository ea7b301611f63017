"""Whom to trust: one TLS context per process and bundle, made in a thread: reading certificates takes 30 ms."""

from __future__ import annotations

import os
import ssl
from functools import cache
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ..._core.errors import InvalidConfigurationError

BUNDLE = "AWS_CA_BUNDLE"
_FILE = "SSL_CERT_FILE"  # OpenSSL's own variable, which httpx follows

_contexts: dict[str, ssl.SSLContext] = {}


@cache
def untrusting() -> ssl.SSLContext:
    """Return the context that trusts nobody: for clients that speak plain http only. Making one takes 0.1 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def trusting(httpx: Any) -> ssl.SSLContext:
    """Return the context for services: ``AWS_CA_BUNDLE``, else what httpx trusts, by ``SSL_CERT_FILE`` too.

    Raises ``InvalidConfigurationError`` if the bundle cannot be read.
    """
    bundle = os.environ.get(BUNDLE, "").strip()
    if (context := _contexts.get(bundle)) is not None:
        return context
    made = await run_sync(_make, httpx, bundle, abandon_on_cancel=True, limiter=CapacityLimiter(1))
    if isinstance(made, str):
        name, path = (BUNDLE, bundle) if bundle else (_FILE, os.environ.get(_FILE, ""))
        raise InvalidConfigurationError(f"{name} is {path!r}, which cannot be used: {made}")
    return _contexts.setdefault(bundle, made)


def _make(httpx: Any, bundle: str) -> ssl.SSLContext | str:
    try:
        if not bundle:
            if file := os.environ.get(_FILE):
                os.stat(file)  # older releases of httpx pass over a file that is not there
            context: ssl.SSLContext = httpx.create_ssl_context()
            return context
        is_folder = os.path.isdir(bundle)
        return ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    except ssl.SSLError:
        return "it holds no certificates"
    except OSError as error:
        return os.strerror(error.errno) if error.errno else type(error).__name__
