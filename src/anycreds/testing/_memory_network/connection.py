"""What a server in memory does on one connection: steps, as plain tuples, carried out while the client reads.

There are no tasks and no sockets: the client's own wait for an answer is what moves the server on.
"""

from __future__ import annotations

import errno
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NoReturn, TypeAlias

import anyio
import anyio.lowlevel
import h11

from .._fake_aws.metadata import Asked

Step: TypeAlias = (
    tuple[Literal["send"], bytes]
    | tuple[Literal["sleep"], float]
    | tuple[Literal["drip"], bytes, float, int | None]
    | tuple[Literal["hang", "close", "reset", "refuse", "ignore"]]
)
"""One step of a server. See ``MemoryNetwork.script``."""

Script: TypeAlias = Sequence[Step]
"""What a server does for one exchange."""

AT_CONNECT = ("refuse", "ignore")  # these take the place of a whole exchange, since it does not come to one
_KINDS: dict[str, tuple[tuple[type, ...], ...]] = {
    "send": ((bytes,),),
    "sleep": ((int, float),),
    "drip": ((bytes,), (int, float), (int, type(None))),
    **dict.fromkeys(("hang", "close", "reset", *AT_CONNECT), ()),
}
_UNREADABLE: Script = [("send", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), ("close",)]


def checked(script: Iterable[Any]) -> list[Step]:
    """Return a script as a list of its own. Raises ``ValueError`` for a step that there is not."""
    steps: list[Step] = []
    for step in script:
        kinds = _KINDS.get(step[0]) if isinstance(step, tuple) and step else None
        details = step[1:] if kinds is not None else ()
        if kinds is None or len(details) != len(kinds) or not all(map(isinstance, details, kinds)):
            # The name only: the details may be a whole answer with its secrets.
            name = step[0] if isinstance(step, tuple) and step else type(step).__name__
            raise ValueError(f"no step {name!r} with these details; there is {', '.join(_KINDS)}")
        steps.append(step)
    if len(steps) > 1 and any(step[0] in AT_CONNECT for step in steps):
        raise ValueError(f"{' and '.join(AT_CONNECT)} stand alone: nothing comes after them")
    return steps


class MemoryConnection:
    """One connection of a ``MemoryNetwork``, or the attempt at one, as the client has used it.

    It is what httpcore calls a network stream; a test reads its attributes.
    """

    __slots__ = (
        "_answer", "_asked", "_buffer", "_end", "_http", "_httpcore", "_steps",
        "at", "bytes_read", "closed_at", "host", "number", "port", "requests", "server_name", "was_accepted", "written",
    )  # fmt: skip

    def __init__(self, number: int, host: str, port: int, httpcore: Any, answer: Callable[[Asked], Script]) -> None:
        self.number = number
        """Its number, from 1."""
        self.host = host
        """The host that was asked for, exactly."""
        self.port = port
        self.at = anyio.current_time()
        """When it was asked for, by the event loop's clock."""
        self.was_accepted = False
        """Whether the server took it; it may also refuse, or be silent."""
        self.closed_at: float | None = None
        """When the client closed it, or gave up or failed to make it; None: it has not."""
        self.server_name: str | None = None
        """The name whose certificate TLS would have checked; None: TLS was not asked for."""
        self.requests = 0
        """How many whole requests came."""
        self.written = b""
        """All that the client has written."""
        self.bytes_read = 0
        """How many bytes the client has taken."""
        self._answer = answer
        self._httpcore = httpcore
        self._http = h11.Connection(h11.SERVER)
        self._steps: deque[Step] = deque()
        self._buffer = b""
        self._asked: Asked | None = None
        self._end: Literal["close", "reset"] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        """Return what the server sends next: at most one piece, as it was sent."""
        await anyio.lowlevel.checkpoint()
        if self.closed_at is not None:
            fail(self._httpcore.ReadError, errno.EBADF)
        with anyio.move_on_after(math.inf if timeout is None else timeout):
            while not self._buffer and self._end is None:
                await self._advance()
            if self._end == "reset" and not self._buffer:
                fail(self._httpcore.ReadError, errno.ECONNRESET)
            data, self._buffer = self._buffer[:max_bytes], self._buffer[max_bytes:]
            self.bytes_read += len(data)
            return data
        raise self._httpcore.ReadTimeout

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        """Take what the client sends. The server makes up its mind when a request is complete."""
        await anyio.lowlevel.checkpoint()
        if self._end is not None or self.closed_at is not None:
            fail(self._httpcore.WriteError, errno.EPIPE)
        if not buffer:
            return  # httpcore's way of saying that there is no body; to h11 it would be the connection's end
        self.written += buffer
        self._http.receive_data(buffer)
        try:
            if (asked := self._request()) is None:
                return
        except h11.RemoteProtocolError:
            self._steps.extend(_UNREADABLE)
            return
        self.requests += 1
        self._http = h11.Connection(h11.SERVER)  # the next request begins anew: no client of ours sends ahead
        self._steps.extend(self._answer(asked))

    async def aclose(self) -> None:
        """Close it on the client's side."""
        if self.closed_at is None:
            self.closed_at = anyio.current_time()

    async def start_tls(
        self,
        ssl_context: object,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> MemoryConnection:
        """Note that TLS was asked for, and go on without: what is served is served in plain."""
        self.server_name = server_hostname
        return self

    def get_extra_info(self, info: str) -> Any:
        """Tell httpcore whether something has come that nobody asked for, such as the connection's end."""
        if info == "is_readable":
            return bool(self._buffer or self._end or (self._steps and self._steps[0][0] in ("send", "close", "reset")))
        return None

    async def _advance(self) -> None:
        """Take one step."""
        if not self._steps:
            await anyio.sleep_forever()  # nothing was asked, so nothing is answered
        step = self._steps.popleft()
        match step:
            case ("send", data):
                self._buffer = data
            case ("sleep", seconds):
                await anyio.sleep(seconds)
            case ("drip", data, every, count) if count != 0:
                self._steps.appendleft(("drip", data, every, None if count is None else count - 1))
                await anyio.sleep(every)
                self._buffer = data
            case ("close",) | ("reset",):
                self._end = step[0]
            case ("hang",):
                await anyio.sleep_forever()

    def _request(self) -> Asked | None:
        """Return the request, if the whole of it has come."""
        while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                target = event.target.decode("latin-1")
                path = target.partition("?")[0]
                self._asked = Asked(event.method.decode("ascii"), path, dict(event.headers), target)
            elif isinstance(event, h11.Data) and self._asked is not None:
                self._asked = self._asked._replace(body=self._asked.body + event.data)
            elif isinstance(event, h11.EndOfMessage):
                return self._asked
        return None


def fail(kind: Any, number: int) -> NoReturn:
    """Raise httpcore's error for what the system would have said, with that as its cause and its context."""
    try:
        raise OSError(number, os.strerror(number))
    except OSError as error:
        raise kind(str(error)) from error
