"""What sends the requests of one attempt: a transport or client of ours, or the client of the user's factory."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from ..._core.errors import InvalidConfigurationError, RetrievalError
from . import library
from .resolving import resolve_in_threads

_FACTORY = "client_config: http_client_factory"
_EXPECTED = "AsyncClient of httpx or httpx2"
_HINT = f"return a new {_EXPECTED} from each call; it is closed at the end of the attempt that it was made for"
_LIBRARIES = ("httpx", "httpx2")  # where a user's client may come from
_METHODS = ("send", "build_request", "aclose")  # of an asynchronous client; a synchronous one has no `aclose`

MakeTransport: TypeAlias = Callable[[Any], Any]
"""Returns a transport of the given library, for another network than that of sockets."""


class Client(NamedTuple):
    """What sends requests, and the library whose requests it takes and whose errors it raises."""

    library: Any
    made: Any
    send: Callable[[Any], Awaitable[Any]]
    is_ours: bool = True


def open_client(
    direct: bool, client_factory: Callable[[], Any] | None, context: Any, make_transport: MakeTransport | None
) -> Client:
    """Return a client with this TLS context. Raise an error if the user's factory or a proxy is unusable."""
    if not direct and client_factory is not None:
        made = _call_factory(client_factory)
        return Client(_library_of(made), made, _sender(made), is_ours=False)
    if direct or make_transport is not None:
        # A transport alone: it has no proxies, cookies or redirects.
        if make_transport is None:
            transport = library.chosen.AsyncHTTPTransport(verify=context, trust_env=False)
            resolve_in_threads(library.chosen, transport)
        else:
            transport = make_transport(library.chosen)
        return Client(library.chosen, transport, transport.handle_async_request)
    client = _proxied_client(context)
    resolve_in_threads(library.chosen, client)
    return Client(library.chosen, client, _sender(client))


def check_open(client: Client) -> None:
    """Raise ``InvalidConfigurationError`` if the user's client is closed, such as one that was returned before."""
    if not client.is_ours and getattr(client.made, "is_closed", False) is True:
        raise InvalidConfigurationError(f"{_FACTORY} returned a client that is closed", hint=_HINT)


def _sender(client: Any) -> Callable[[Any], Awaitable[Any]]:
    return partial(client.send, stream=True, auth=None, follow_redirects=False)


def _proxied_client(context: Any) -> Any:
    """Return a client that uses the proxies in environment variables."""
    chosen = library.chosen
    try:
        return chosen.AsyncClient(verify=context, timeout=None, follow_redirects=False)  # each exchange has a timeout
    except (chosen.InvalidURL, ValueError, ImportError) as error:
        kind = type(error).__name__  # the error's text may contain the password of the proxy
    raise InvalidConfigurationError(
        f"HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY cannot be used ({kind})",
        hint=f"set proxies as http://host:port or https://host:port; for socks5:// install {chosen.__name__}[socks]",
    )


def _call_factory(factory: Callable[[], Any]) -> Any:
    try:
        made = factory()
    except Exception as error:
        raised = RetrievalError(f"{_FACTORY} raised {type(error).__name__}", hint="see the cause of this error")
        raise raised._keep_cause(error) from error
    if isinstance(made, type) or not all(callable(getattr(made, name, None)) for name in _METHODS):
        if isinstance(made, Coroutine):
            made.close()  # otherwise Python warns that it was never awaited
        kind = type(made).__name__
        raise InvalidConfigurationError(f"{_FACTORY} returned {kind}; expected an {_EXPECTED}", hint=_HINT)
    return made


def _library_of(client: object) -> Any:
    """Return the library that a user's client is from, or that a client of no known library most likely wraps."""
    for kind in type(client).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in _LIBRARIES:
            return sys.modules.get(name, library.chosen)
    return sys.modules.get("httpx", library.chosen)
