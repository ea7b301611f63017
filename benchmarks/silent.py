"""No credentials anywhere, and the metadata port takes connections but never answers: a fresh process, to its error."""

from __future__ import annotations

import socket

from .measuring import Row, fresh_process, ratio, span

GOAL = 1.3  # seconds, of which one is the time that the service is given


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row of one event loop."""
    mine, least = [], []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:  # the system accepts, and nobody answers
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for _ in range(1 if quick else 2):
            least.append(fresh_process("silent.py", loop, endpoint, "sleep").seconds)
            done = fresh_process("silent.py", loop, endpoint, "resolve")
            if done.words != ["NoCredentialsError"]:
                raise RuntimeError(f"the program was to print NoCredentialsError and printed {done.words}")
            mine.append(done.seconds)
    row = Row(
        what="no credentials, silent metadata port",
        loop=loop,
        unit="s",
        ours=span(mine),
        floor=span(least),
        floor_is="import anyio, and sleep for one second",
        kind="value",
        judged=span(mine),
        goal=GOAL,
        details={"ratio": ratio(mine, least)},
    )
    return [row]
