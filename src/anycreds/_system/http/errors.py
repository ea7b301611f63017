"""Describes why a connection failed, in the words of the operating system or OpenSSL."""

from __future__ import annotations

import os
import socket
import sys

from ..._core.http import HOST_NOT_FOUND


def describe_os_error(error: BaseException) -> str:
    """Return the reason that the operating system or TLS gave, from anywhere among an error's causes and contexts.

    Texts of other libraries are not used: some of them repeat bytes of a header or a response.
    """
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        found = pending.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if text := _system_text(found):
            return text
        pending += [inner for inner in (found.__context__, found.__cause__) if inner is not None]
        if isinstance(found, BaseExceptionGroup):
            pending += found.exceptions
    return "no further details"


def _system_text(error: BaseException) -> str | None:
    ssl = sys.modules.get("ssl")  # not imported for plain http; without it there is no error of it
    if ssl is not None and isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if ssl is not None and isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no reason given'}"
    if isinstance(error, socket.gaierror):
        return f"{HOST_NOT_FOUND} ({error.strerror})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return None
