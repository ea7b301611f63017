"""How long the event loop stands still at most during the first IMDS resolve of a process, its imports included."""

from __future__ import annotations

from .measuring import Row, excess, fake_aws, fresh_process, span

GOAL = 0.010  # seconds


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row of one event loop."""
    mine, least, whole = [], [], []
    with fake_aws() as fake:
        fresh_process("stall.py", loop, fake.metadata_url, "resolve")  # so that everything is compiled
        for _ in range(2 if quick else 9):
            least.append(float(fresh_process("stall.py", loop, fake.metadata_url, "nothing").words[0]))
            longest, seconds = map(float, fresh_process("stall.py", loop, fake.metadata_url, "resolve").words)
            mine.append(longest)
            whole.append(seconds)
    row = Row(
        what="first IMDS resolve: longest stall",
        loop=loop,
        unit="s",
        ours=span(mine),
        floor=span(least),
        floor_is="the same process does nothing",
        kind="value",
        judged=span(mine),
        goal=GOAL,
        notes=(f"the whole first resolve took {span(whole).median * 1e3:.0f} ms",),
        details={"whole_resolve": span(whole), "excess": excess(mine, least)},
    )
    return [row]
