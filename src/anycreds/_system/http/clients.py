"""What carries the requests of one attempt: transports and clients of our own, or what the program's factory makes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from ..._core.errors import InvalidConfigurationError, RetrievalError

_FACTORY = "client_config: http_client_factory"
_ANEW = "return a new httpx.AsyncClient from each call; it is closed together with the attempt that it was made for"
# Where a program's client may come from; the second is the successor of the first, and has its names.
_LIBRARIES = ("httpx", "httpx2")
_NEEDED = ("send", "build_request", "aclose")  # what an asynchronous client can do; a synchronous one has no ``aclose``


class Client(NamedTuple):
    """A client, or the transport of one, and the library that its requests and errors come from."""

    library: Any
    made: Any
    is_ours: bool = True


def direct(httpx: Any, context: Any) -> Client:
    """Return what goes straight to a host: a transport alone, so that there are no proxies, cookies or redirects."""
    return Client(httpx, httpx.AsyncHTTPTransport(verify=context, trust_env=False))


def behind_proxies(httpx: Any, context: Any) -> Client:
    """Return the client that goes through the proxies which the environment names.

    Raises ``InvalidConfigurationError`` if one of them can be none. It does not repeat it: there may be a password.
    """
    try:
        return Client(httpx, httpx.AsyncClient(verify=context, timeout=None, follow_redirects=False))
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        kind = type(error).__name__
    raise InvalidConfigurationError(
        f"HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY cannot be used ({kind})",
        hint="a proxy is http://host:port or https://host:port; for socks5:// install httpx[socks]",
    )


def from_factory(httpx: Any, factory: Callable[[], Any]) -> Client:
    """Return the client that the program makes.

    Raises ``RetrievalError`` if its factory fails, and ``InvalidConfigurationError`` if what it returns is no client.
    """
    made = _call(factory)
    if isinstance(made, type) or not all(callable(getattr(made, name, None)) for name in _NEEDED):
        if isinstance(made, Coroutine):
            made.close()  # or else it is a warning that nobody awaited it
        kind = type(made).__name__
        raise InvalidConfigurationError(f"{_FACTORY} returned {kind}, which is no httpx.AsyncClient", hint=_ANEW)
    return Client(_library_of(made, httpx), made, is_ours=False)


def refuse_closed(client: Client) -> None:
    """Raise ``InvalidConfigurationError`` for a program's client that is closed, as one is that it has given before."""
    if not client.is_ours and getattr(client.made, "is_closed", False) is True:
        raise InvalidConfigurationError(f"{_FACTORY} returned a client that is closed", hint=_ANEW)


def _call(factory: Callable[[], Any]) -> object:
    try:
        made: object = factory()
        return made
    except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises has one meaning here
        failure = RetrievalError(f"{_FACTORY} raised {type(error).__name__}", hint="its own error is the cause of this")
        failure.__cause__ = error
    raise failure


def _library_of(made: object, httpx: Any) -> Any:
    for kind in type(made).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in _LIBRARIES:
            return sys.modules.get(name, httpx)
    return httpx
