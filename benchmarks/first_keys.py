"""Import and the first keys, from the environment, in fresh processes: what it takes and loads beyond anyio alone."""

from __future__ import annotations

from .measuring import Finished, Row, excess, fresh_process, span

GOAL = 0.025  # seconds beyond anyio's own import
# What a program pays for only if it needs it: never loaded, beyond the floor, for keys that stand in the environment.
FORBIDDEN = ("httpx", "httpcore", "trio", "ssl", "xml", "email", "json", "cryptography")
ROUNDS, QUICK_ROUNDS = 13, 4
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "no-secret", "AWS_SESSION_TOKEN": "t"}


WAYS = {"env": "environment keys", "chain": "the same by the default chain"}


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    ways = ("anyio", "wait", *WAYS)
    found: dict[str, list[Finished]] = {way: [] for way in ways}
    for way in ways:
        _process(loop, way)  # so that everything is compiled, as installers do it
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for way in ways:
            found[way].append(_process(loop, way))
    least, waits = found["anyio"], found["wait"]
    return [
        row
        for way, mine in ((way, found[way]) for way in WAYS)
        for row in (_time(loop, way, mine, least, waits), _modules(loop, way, mine[-1], least[-1]))
    ]


def _process(loop: str, way: str) -> Finished:
    return fresh_process("first_keys.py", loop, way, **KEYS)


def _time(loop: str, way: str, mine: list[Finished], least: list[Finished], waits: list[Finished]) -> Row:
    ours, floor, waiting = ([float(done.words[0]) for done in all_done] for all_done in (mine, least, waits))
    to_waiting = excess(ours, waiting)
    whole = excess([done.seconds for done in mine], [done.seconds for done in least])
    return Row(
        what=f"import and first keys: {WAYS[way]}",
        loop=loop,
        unit="s",
        ours=span(ours),
        floor=span(floor),
        floor_is="import anyio, and a trivial coroutine",
        kind="excess",
        judged=excess(ours, floor),
        goal=GOAL,
        notes=(
            f"the fastest of each compared: {(min(ours) - min(floor)) * 1e3:+.1f} ms",
            f"beyond a coroutine that waits once with anyio: {to_waiting.median * 1e3:+.1f} ms",
            f"by whole processes, start and exit of Python included: {whole.median * 1e3:+.1f} ms",
        ),
        details={"whole_process_excess": whole, "least_excess": min(ours) - min(floor), "beyond_waiting": to_waiting},
    )


def _modules(loop: str, way: str, mine: Finished, least: Finished) -> Row:
    extra = sorted(set(mine.words[1:]) - set(least.words[1:]))
    own = [name for name in extra if _top(name) == "anycreds"]
    other = [name for name in extra if _top(name) != "anycreds"]
    rest = [name for name in other if _top(name) != "anyio"]
    unwanted = [name for name in other if _is_one_of(name, FORBIDDEN)]
    judged = span([len(unwanted)])
    return Row(
        what=f"… heavy modules that this loads: {WAYS[way]}",
        loop=loop,
        unit="modules",
        ours=judged,
        floor=None,
        floor_is="",
        kind="exact",
        judged=judged,
        goal=0.0,
        notes=(
            f"counted: {', '.join(FORBIDDEN)}",
            f"loaded beyond the floor: {len(own)} modules of anycreds, {len(other) - len(rest)} of anyio, and "
            + (", ".join(rest) or "no other"),
        ),
        details={"anycreds": own, "others": other, "forbidden": unwanted},
    )


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_one_of(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
