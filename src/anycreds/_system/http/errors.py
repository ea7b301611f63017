"""Why a connection failed, in the words of the system."""

from __future__ import annotations

import os
import ssl


def reason_of(error: BaseException) -> str:
    """Return what the operating system or TLS said, from the depth of the exceptions, and nothing of what was sent.

    The texts of the libraries between are not used: some repeat bytes of a header or an answer.
    """
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if text := _said_by_system(found):
            return text
        waiting += [inner for inner in (found.__context__, found.__cause__) if inner is not None]
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
    return "no more is known"


def _said_by_system(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no reason given'}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else error.strerror
    return None
