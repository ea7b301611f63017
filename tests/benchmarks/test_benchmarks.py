"""The benchmarks run, and their deterministic figures are right. No test checks a duration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.run_benchmarks import run

pytestmark = pytest.mark.timeout(120)  # seconds: on a busy machine, many processes take long

FIELDS = {
    "what",
    "loop",
    "unit",
    "ours",
    "baseline",
    "baseline_is",
    "kind",
    "judged",
    "goal",
    "notes",
    "details",
    "met",
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Run some benchmarks once on one event loop, and return the table and the JSON."""
    file = tmp_path_factory.mktemp("benchmarks") / "quick.json"
    parts = [
        argument for name in ("hit", "waiters", "first_keys", "assume_role", "stall") for argument in ("--only", name)
    ]
    done = run("--quick", *parts, "--loop", "asyncio", "--json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))


def row(data: dict[str, Any], words: str) -> dict[str, Any]:
    (found,) = [row for row in data["rows"] if row["what"].endswith(words)]
    assert isinstance(found, dict)
    return found


def test_every_row_is_complete(quick: tuple[str, dict[str, Any]]) -> None:
    """Every row has all fields, medians lie within their bounds, and a comparison has a baseline."""
    _, data = quick
    assert data["failed"] == []
    assert [row["loop"] for row in data["rows"]] == ["asyncio"] * 12
    for found in data["rows"]:
        assert set(found) == FIELDS
        for figure in (found["ours"], found["judged"], found["baseline"] or found["ours"]):
            assert figure["least"] <= figure["median"] <= figure["most"]
            assert figure["rounds"] >= 1
        if found["kind"] in {"ratio", "excess"}:
            assert found["baseline"]["least"] > 0
            assert found["baseline_is"]


def test_the_table_shows_every_row(quick: tuple[str, dict[str, Any]]) -> None:
    """The table has a line for each row, with its goal and whether it is met, and shows the machine."""
    table, data = quick
    assert f"{data['machine']['cpus']} CPUs" in table
    assert data["machine"]["packages"]["anyio"] in table
    for found in data["rows"]:
        (line,) = [line for line in table.splitlines() if line.startswith(f"{found['what']}  ") and "asyncio" in line]
        if found["goal"] is not None:
            assert line.endswith("yes" if found["met"] else "NO")


def test_concurrent_callers_make_one_request(quick: tuple[str, dict[str, Any]]) -> None:
    """All concurrent callers of a cold provider get credentials by one HTTP request."""
    _, data = quick
    exchanges = row(data, "HTTP requests")
    assert exchanges["ours"]["least"] == exchanges["ours"]["most"] == 1
    assert exchanges["details"]["served"] == exchanges["details"]["callers"] >= 1_000
    assert set(row(data, "1,000 cold callers: all served")["details"]["upstream_requests"]) == {1}


def test_memory_per_waiter(quick: tuple[str, dict[str, Any]]) -> None:
    """A task that waits for credentials takes at most 1 KiB more than one that waits for an event."""
    _, data = quick
    assert 0 < row(data, "memory per waiter")["judged"]["median"] <= 1024


@pytest.mark.parametrize("variant", ["environment keys", "environment keys by the default chain"])
def test_environment_keys_load_no_expensive_module(quick: tuple[str, dict[str, Any]], variant: str) -> None:
    """For environment keys, no HTTP, TLS, XML or trio modules are loaded."""
    _, data = quick
    modules = row(data, f"expensive modules loaded: {variant}")["details"]
    assert modules["forbidden"] == []
    assert "anycreds._cache.provider" in modules["anycreds"]
    tops = {name.partition(".")[0] for name in modules["others"]}
    heavy = {"httpx", "httpcore", "h11", "trio", "ssl", "xml", "email", "http", "urllib", "certifi"}
    assert not tops & (heavy | {"json", "hashlib", "hmac", "cryptography", "logging"})


@pytest.mark.parametrize("variant", ["environment keys", "environment keys by the default chain"])
def test_environment_keys_load_no_other_provider(quick: tuple[str, dict[str, Any]], variant: str) -> None:
    """For environment keys, no other provider, file reader or endpoint resolver is loaded."""
    _, data = quick
    modules = set(row(data, f"expensive modules loaded: {variant}")["details"]["anycreds"])
    providers = {name for name in modules if name.startswith("anycreds._providers.")}
    assert providers <= {"anycreds._providers.environment", "anycreds._providers.chain"}
    assert not modules & {
        "anycreds._providers.profile.provider",
        "anycreds._providers.service.endpoint_resolution",
        "anycreds._config.shared_files",
        "anycreds._providers.profile.build",
    }


def test_roles_are_compared_with_a_baseline(quick: tuple[str, dict[str, Any]]) -> None:
    """The role benchmark compares one and three exchanges with a baseline."""
    table, _ = quick
    for what in ("assume role cold, one exchange", "chain of three roles, three exchanges"):
        (line,) = [line for line in table.splitlines() if line.startswith(what) and "asyncio" in line]
        assert " × (" in line


def test_stalls_are_measured(quick: tuple[str, dict[str, Any]]) -> None:
    """The stall benchmark runs fresh processes and prints a figure for each provider."""
    table, _ = quick
    assert len([line for line in table.splitlines() if "longest stall" in line and "≤ 10 ms" in line]) == 2


def test_unknown_benchmark_name() -> None:
    """An unknown benchmark name is a usage error that lists the valid names."""
    done = run("--only", "everything")
    assert done.returncode == 2
    assert "first_keys" in done.stderr
