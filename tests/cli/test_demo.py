"""The demo: it measures what happens, and it says so if that is not what was promised."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from anycreds import Credentials
from anycreds.__main__ import main
from anycreds._cache.refresh_windows import CALM, FIRST_PAUSE, Moment, arrive
from anycreds._cli.demo import checks as _demo_figures
from anycreds._cli.demo import command as _demo_run
from anycreds._cli.demo import scenarios as _demo_acts
from anycreds._cli.demo.scenarios import Act, MissedInstantError, Play
from anycreds._core.durations import instant
from anycreds.testing import FakeAWS
from cli.demo_runs import perfect, spoil

SVG = "{http://www.w3.org/2000/svg}"


def play_as(monkeypatch: pytest.MonkeyPatch, measure: Callable[[str, int], Play]) -> None:
    """Let the demo measure this."""

    async def play(aws: FakeAWS, backend: str, callers: int, tell: Callable[[str | Act], None]) -> Play:
        measured = measure(backend, callers)
        for act in measured.acts:
            tell(act)
        return measured

    monkeypatch.setattr(_demo_run, "play", play)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_figure_that_is_off_ends_in_1(
    form: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo exits with 1, and says in a plain sentence on stderr what is off, whatever the form of its output."""
    play_as(monkeypatch, lambda backend, callers: spoil(perfect(backend, callers), "no advisory refresh"))
    assert main(["demo", "--backend", "asyncio", *form]) == 1
    shown = capsys.readouterr()
    assert "anycreds demo: asyncio, advisory window: 0 upstream calls instead of 1\n" in shown.err
    if form:
        assert json.loads(shown.out)["ok"] is False
    else:
        assert "NOT AS PROMISED: 0 upstream calls instead of 1" in shown.out
        assert shown.out.endswith("Not as promised.\n")


@pytest.mark.parametrize("callers", [1, 10, 10_000])
def test_the_story_fits_80_columns(
    callers: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line of the text is wider than 80 columns, and both backends are summed up at its end."""
    play_as(monkeypatch, perfect)
    assert main(["demo", "--callers", str(callers)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line.split()[0] for line in lines[-3:]] == ["trio", "asyncio", "As"]


@pytest.mark.anyio
async def test_a_missed_instant_is_played_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine was too busy, the acts are played again with sets that live longer; in the end it gives up."""
    lives: list[float] = []
    late = 2

    class Stage:
        def __init__(self, aws: FakeAWS, callers: int, tell: object) -> None:
            lives.append(aws.lifetime)

        async def play(self, backend: str) -> Play:
            if len(lives) <= late:
                raise MissedInstantError
            return perfect(backend)

    monkeypatch.setattr(_demo_acts, "_Stage", Stage)
    told: list[str | Act] = []
    assert (await _demo_acts.play(FakeAWS(), "trio", 10, told.append)).backend == "trio"
    assert lives == [lives[0], 2 * lives[0], 4 * lives[0]]
    assert len(told) == 2
    late = 100
    with pytest.raises(MissedInstantError):
        await _demo_acts.play(FakeAWS(), "trio", 10, told.append)


def test_a_machine_that_is_too_busy_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the instants are missed again and again, one line says so, and the exit status is 1."""

    def late(backend: str, callers: int) -> Play:
        raise MissedInstantError

    play_as(monkeypatch, late)
    assert main(["demo", "--json"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "too busy" in shown.err


def test_without_trio_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without trio, asyncio is shown, with a line that says how to get trio; asked for, it is refused."""
    monkeypatch.setattr(_demo_run, "find_spec", lambda _: None)
    play_as(monkeypatch, perfect)
    assert main(["demo", "--callers", "10"]) == 0
    told = capsys.readouterr().out
    assert "python -m pip install trio" in told
    assert "── trio" not in told
    assert "── asyncio" in told
    assert main(["demo", "--backend", "trio"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "python -m pip install trio" in shown.err


def test_the_check_of_the_path_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is there is not touched before the new one is done, and an interrupted demo leaves none."""

    def interrupted(backend: str, callers: int) -> Play:
        raise KeyboardInterrupt

    play_as(monkeypatch, interrupted)
    old, new = tmp_path / "old.svg", tmp_path / "new.svg"
    old.write_text("picture")
    for path in (old, new):
        assert main(["demo", "--svg", str(path)]) == 130
    assert old.read_text() == "picture"
    assert not new.exists()


def test_a_disk_that_fills_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the picture cannot be written after all, one line says why, with status 2."""

    def remove(backend: str, callers: int) -> Play:
        (tmp_path / "there").rmdir()
        return perfect(backend, callers)

    (tmp_path / "there").mkdir()
    play_as(monkeypatch, remove)
    assert main(["demo", "--json", "--backend", "trio", "--svg", str(tmp_path / "there" / "x.svg")]) == 2
    assert re.fullmatch(r"anycreds demo: .*x\.svg cannot be written: .*\n", capsys.readouterr().err)


def test_both_backends_for_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On trio and asyncio, over sockets: one refresh for all, whoever is cancelled, as figures and as a picture."""
    monkeypatch.setattr(_demo_acts, "LIFE", 1.8)  # seconds: the shortest with more than one between two refreshes
    for module in (_demo_acts, _demo_figures):
        monkeypatch.setattr(module, "LATENCY", 0.03)
    picture = tmp_path / "demo.svg"
    status = main(["demo", "--callers", "20", "--json", "--svg", str(picture)])
    shown = capsys.readouterr()
    assert (status, shown.err) == (0, "")
    found = json.loads(shown.out)
    assert (found["callers"], found["ok"]) == (20, True)
    assert [backend["backend"] for backend in found["backends"]] == ["trio", "asyncio"]
    for backend in found["backends"]:
        acts = backend["acts"]
        assert [act["act"] for act in acts] == ["cold", "fresh", "advisory", "expired"]
        assert [act["upstream_calls"] for act in acts] == [1, 0, 1, 1]
        assert [act["http_requests"] for act in acts] == [3, 0, 2, 2]
        assert [(act["served"], act["cancelled"]) for act in acts] == [(18, 2), (20, 0), (20, 0), (20, 0)]
        for act in acts:
            assert (act["callers"], act["ok"]) == (20, True)
            for name in ("served", "cancelled", "upstream_calls", "http_requests"):
                assert act["expected"][name] == act[name]
            waits = act["waits"]
            assert 0 <= waits["min"] <= waits["median"] <= waits["p99"] <= waits["max"]
        assert acts[0]["waits"]["min"] > 0.08  # three answers of 0.03 s each, less what clocks differ by
        assert acts[3]["waits"]["min"] > 0.05
    words = [element.text for element in ET.parse(picture).iter(f"{SVG}text")]
    assert words.count("as promised") == 2
    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"  # as the fixture has it, and as it was found


def test_the_command_for_real_whatever_the_environment() -> None:
    """``python -m anycreds demo`` keeps its promise where metadata is off and proxies and profiles are set."""
    environ = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EC2_METADATA_V1_DISABLED": "perhaps",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv5",
        "AWS_PROFILE": "elsewhere",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "socks5://127.0.0.1:9",
        "PYTHONIOENCODING": "ascii",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "anycreds", "demo", "--callers", "20", "--backend", "asyncio"],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,  # seconds; it needs five
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "asyncio  80 asked, 78 served, 2 cancelled, 3 upstream calls: ok" in done.stdout
    assert done.stdout.isascii()


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_the_acts_ask_when_the_rules_say(chance: float) -> None:
    """The demo knows the cache's windows: whatever the chance, each act asks in the one that it is about."""
    life = _demo_acts.LIFE
    held = arrive(Credentials("AKIATEST", "canary-secret", expiration=instant(life)), Moment(0.0, 0.0), chance)
    assert not held.is_due(Moment(*[_demo_acts.ADVISORY_BEGINS * life * 0.999] * 2))
    asks = Moment(*[_demo_acts.ASK_AT * life] * 2)
    assert held.is_due(asks)
    assert held.urgency(asks) == CALM
    assert held.urgency(Moment(*[_demo_acts.MANDATORY_BEGINS * life * 0.999] * 2)) == CALM
    assert _demo_acts.ASK_AT * life > FIRST_PAUSE
