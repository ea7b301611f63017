"""A fresh process without credentials, with a metadata port that accepts connections and never responds."""

from __future__ import annotations

import socket

from .measurement import Row, fresh_process, ratio, span

GOAL = 1.3  # seconds, of which one is the timeout of the metadata service


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row of one event loop."""
    mine, least = [], []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:  # accepted, but never read
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for _ in range(1 if quick else 2):
            least.append(fresh_process("silent.py", loop, endpoint, "sleep").seconds)
            done = fresh_process("silent.py", loop, endpoint, "resolve")
            if done.words != ["NoCredentialsError"]:
                raise RuntimeError(f"expected the program to print NoCredentialsError; it printed {done.words}")
            mine.append(done.seconds)
    row = Row(
        what="no credentials, silent metadata port",
        loop=loop,
        unit="s",
        ours=span(mine),
        baseline=span(least),
        baseline_is="import anyio, and sleep for one second",
        kind="value",
        judged=span(mine),
        goal=GOAL,
        details={"ratio": ratio(mine, least)},
    )
    return [row]
