"""TLS contexts, one per process and CA bundle. They are made in a thread: reading certificates takes 30 ms."""

from __future__ import annotations

import os
import ssl
from functools import cache

import httpx

from ..._core.errors import InvalidConfigurationError
from ..threads import run_in_thread

_BUNDLE = "AWS_CA_BUNDLE"
_CERT_FILE = "SSL_CERT_FILE"  # a variable of OpenSSL that httpx uses too

_contexts: dict[str, ssl.SSLContext] = {}


@cache
def unverified_context() -> ssl.SSLContext:
    """Return a context without certificates, for clients that send plain http only. Making it takes 0.1 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def verified_context() -> ssl.SSLContext:
    """Return the context for services, with ``AWS_CA_BUNDLE`` or else what httpx trusts, such as ``SSL_CERT_FILE``."""
    bundle = os.environ.get(_BUNDLE, "").strip()
    if bundle not in _contexts:
        try:
            _contexts.setdefault(bundle, await run_in_thread(_make, bundle))
        except OSError as error:
            name, path = (_BUNDLE, bundle) if bundle else (_CERT_FILE, os.environ.get(_CERT_FILE, ""))
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            if isinstance(error, ssl.SSLError):
                reason = "it contains no certificates"
            raise InvalidConfigurationError(f"{name} is {path!r}, which cannot be used: {reason}") from None
    return _contexts[bundle]


def _make(bundle: str) -> ssl.SSLContext:
    if bundle:
        is_folder = os.path.isdir(bundle)
        return ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    if file := os.environ.get(_CERT_FILE):
        os.stat(file)  # older releases of httpx ignore a missing file
    return httpx.create_ssl_context()
