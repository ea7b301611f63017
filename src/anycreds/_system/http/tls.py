"""TLS contexts, one per process and CA bundle. They are made in a thread: reading certificates takes 30 ms."""

from __future__ import annotations

import os
import ssl
from functools import cache, partial

from ..._core.errors import InvalidConfigurationError, ProviderTimeoutError
from ..._core.http import CaBundle
from ..files.read import READ_TIMEOUT, read_file
from ..threads import run_in_thread
from . import library

_BUNDLE = "AWS_CA_BUNDLE"
_CERT_FILE = "SSL_CERT_FILE"  # a variable of OpenSSL that httpx and httpx2 use too
_MAX_SIZE = 16 * 1024 * 1024  # bytes; the authorities that browsers trust take 300 KiB

_contexts: dict[str, ssl.SSLContext] = {}


@cache
def unverified_context() -> ssl.SSLContext:
    """Return a context without certificates, for clients that send plain http only. Making it takes 0.1 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def verified_context(configured: CaBundle | None = None) -> ssl.SSLContext:
    """Return the context for services: with ``AWS_CA_BUNDLE``, the configured bundle, or what the HTTP library trusts.

    Without a bundle, httpx trusts the certificates of certifi, and httpx2 those of the operating system.
    """
    bundle = _from_environment(_BUNDLE) or configured or _from_environment(_CERT_FILE)
    key = "" if bundle is None else bundle.path
    if key not in _contexts:
        made = await (run_in_thread(library.chosen.create_ssl_context) if bundle is None else _load(bundle))
        _contexts.setdefault(key, made)
    return _contexts[key]


def _from_environment(variable: str) -> CaBundle | None:
    path = os.environ.get(variable, "").strip()
    return CaBundle(path, variable) if path else None


async def _load(bundle: CaBundle) -> ssl.SSLContext:
    """Return a context with the certificates of a bundle.

    OpenSSL does not open the file: on a FIFO or a dead network drive it would never return, and so keep the program
    from ending. Of a directory, OpenSSL opens single files when it verifies a certificate.
    """
    try:
        content = await read_file(bundle.path, _MAX_SIZE)
        if isinstance(content, bytes):
            return await run_in_thread(_make, content)
        if await run_in_thread(os.path.isdir, bundle.path):
            return await run_in_thread(partial(ssl.create_default_context, capath=bundle.path))
        reason = content.detail
    except ProviderTimeoutError:
        reason = f"was not read within {READ_TIMEOUT:g} s"
    except ssl.SSLError:
        reason = "contains no valid certificates"
    raise InvalidConfigurationError(f"{bundle.origin} is {bundle.path!r}, which {reason}")


def _make(content: bytes) -> ssl.SSLContext:
    # Between the certificates there may be any text, which OpenSSL ignores. An empty text means: those of the system.
    return ssl.create_default_context(cadata=content.decode("ascii", "ignore") or "\n")
