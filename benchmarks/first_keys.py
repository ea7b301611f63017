"""Import and first environment keys in fresh processes: time and modules beyond the import of the event loop."""

from __future__ import annotations

from .measurement import Finished, Row, excess, fresh_process, span

GOAL = 0.020  # seconds beyond the import of the event loop
# Expensive modules that must not be loaded for environment keys, unless the baseline loads them.
FORBIDDEN = ("anyio", "httpx", "httpcore", "trio", "ssl", "xml", "email", "json", "cryptography")
ROUNDS, QUICK_ROUNDS = 13, 2
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "no-secret", "AWS_SESSION_TOKEN": "t"}
VARIANTS = {"env": "environment keys", "chain": "environment keys by the default chain"}


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    variants = ("import", *VARIANTS)
    found: dict[str, list[Finished]] = {variant: [] for variant in variants}
    for variant in variants:
        _process(loop, variant)  # compile everything, as installers do
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for variant in variants:
            found[variant].append(_process(loop, variant))
    least = found["import"]
    return [
        row
        for variant, mine in ((variant, found[variant]) for variant in VARIANTS)
        for row in (_time(loop, variant, mine, least), _modules(loop, variant, mine[-1], least[-1]))
    ]


def _process(loop: str, variant: str) -> Finished:
    return fresh_process("first_keys.py", loop, variant, **KEYS)


def _time(loop: str, variant: str, mine: list[Finished], least: list[Finished]) -> Row:
    ours, baseline = ([done.seconds for done in all_done] for all_done in (mine, least))
    inner = excess(*([float(done.words[0]) for done in all_done] for all_done in (mine, least)))
    return Row(
        what=f"import and first keys: {VARIANTS[variant]}",
        loop=loop,
        unit="s",
        ours=span(ours),
        baseline=span(baseline),
        baseline_is="the import of the event loop",
        kind="excess",
        judged=excess(ours, baseline),
        goal=GOAL,
        notes=(
            f"difference of the minima: {(min(ours) - min(baseline)) * 1e3:+.1f} ms",
            f"from the first line of the program, without start and exit of Python: {inner.median * 1e3:+.1f} ms",
        ),
        details={"without_start_and_exit": inner, "least_excess": min(ours) - min(baseline)},
    )


def _modules(loop: str, variant: str, mine: Finished, least: Finished) -> Row:
    extra = sorted(set(mine.words[1:]) - set(least.words[1:]))
    own = [name for name in extra if _top(name) == "anycreds"]
    other = [name for name in extra if _top(name) != "anycreds"]
    unwanted = [name for name in other if _is_one_of(name, FORBIDDEN)]
    judged = span([len(unwanted)])
    return Row(
        what=f"… expensive modules loaded: {VARIANTS[variant]}",
        loop=loop,
        unit="modules",
        ours=judged,
        baseline=None,
        baseline_is="",
        kind="exact",
        judged=judged,
        goal=0.0,
        notes=(
            f"counted: {', '.join(FORBIDDEN)}",
            f"loaded beyond the baseline: {len(own)} modules of anycreds, and {', '.join(other) or 'no other'}",
        ),
        details={"anycreds": own, "others": other, "forbidden": unwanted},
    )


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_one_of(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
