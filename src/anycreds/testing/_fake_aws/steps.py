"""What a server does after a request, as steps that a connection performs on a socket or in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

Step: TypeAlias = (
    tuple[Literal["send"], bytes]
    | tuple[Literal["sleep"], float]
    | tuple[Literal["drip"], bytes, float, int | None]
    | tuple[Literal["hang", "close", "reset", "refuse", "ignore"]]
)
"""One step of a server. See ``MemoryNetwork.script``."""

Script: TypeAlias = Sequence[Step]
"""The steps of a server for one request."""

CONNECT_STEPS = ("refuse", "ignore")  # they end an attempt to connect, so that no request follows
_DETAILS: dict[str, tuple[tuple[type, ...], ...]] = {
    "send": ((bytes,),),
    "sleep": ((int, float),),
    "drip": ((bytes,), (int, float), (int, type(None))),
    **dict.fromkeys(("hang", "close", "reset", *CONNECT_STEPS), ()),
}


def check_script(script: Iterable[Any]) -> list[Step]:
    """Return a copy of a script. Raises ``ValueError`` for an invalid step."""
    steps: list[Step] = []
    for step in script:
        name = step[0] if isinstance(step, tuple) and step else type(step).__name__
        types = _DETAILS.get(name) if isinstance(step, tuple) else None
        if types is None or len(step) != len(types) + 1 or not all(map(isinstance, step[1:], types)):
            # The details can be a response with secrets, so that the message contains only the name.
            raise ValueError(f"invalid step {name!r}; the steps are {', '.join(_DETAILS)}")
        steps.append(step)
    if len(steps) > 1 and any(step[0] in CONNECT_STEPS for step in steps):
        raise ValueError(f"invalid script: {' and '.join(CONNECT_STEPS)} must be the only step of a script")
    return steps
