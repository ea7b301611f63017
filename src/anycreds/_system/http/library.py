"""The HTTP library that calls AWS services: httpx2 if it is installed, otherwise httpx, which is a dependency.

httpx2 is the maintained successor of httpx, with the same names. If the program has imported httpx, and not httpx2,
httpx is used: importing the other one too would take 100 ms, and its memory. No other module imports either of them.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

# The releases of the extra ``httpx2``, with which this library is tested. Another package may have installed one that
# is older, or that has other names. It is not used: the bounds of httpx are a dependency's, and so are always kept.
_MAJOR, _FIRST_MINOR = 2, 12
# What the libraries import for their first request, on the event loop.
_PARTS = {
    "httpx": ("httpcore", "httpcore._backends.anyio", "httpcore._backends.auto", "idna"),
    "httpx2": ("httpcore2", "httpcore2._backends.anyio", "httpcore2._backends.auto"),
}


def _httpx2_or_none() -> Any:
    """Return httpx2, or None if it is not installed or not the right release."""
    with suppress(ImportError, ValueError):  # ValueError: no version, as of a folder of that name, or a strange one
        import httpx2

        major, minor, *_ = getattr(httpx2, "__version__", "").split(".")
        if int(major) == _MAJOR and int(minor) >= _FIRST_MINOR:
            return httpx2
    return None


def choose() -> Any:
    """Import the library for this process, with all that its first request needs, and return it."""
    library: Any = None if "httpx" in sys.modules and "httpx2" not in sys.modules else _httpx2_or_none()
    if library is None:
        import httpx

        library = httpx
    for name in _PARTS[library.__name__]:
        with suppress(ImportError):  # a part of another name is imported for the first request
            import_module(name)
    return library


chosen: Any = choose()
