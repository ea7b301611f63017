"""The examples, commands and figures in README.md are correct."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from anycreds.testing import FakeAWS

README = Path(__file__).parents[2] / "README.md"

# The two commands for new users; ``.ci/run`` reads them from README.md and runs them.
COMMANDS = [
    "python -m pip install '.[trio]' && python -m anycreds demo",
    "python -m pip install nox && python -m nox -s tests",
]

SECRET = "readme-" + "secret-" + "access-key"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAREADMEEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
# EC2 metadata is disabled, so that it is not called even if the keys were not found.
SURROUNDINGS = {**KEYS, "AWS_EC2_METADATA_DISABLED": "true"}


def first_block() -> tuple[str, int]:
    """Return the first code block of README.md and the number of its last line."""
    text = README.read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None, "README.md has no Python code"
    assert found.start() == text.index("```"), "README.md has another block before its first Python code"
    return found[1], text.count("\n", 0, found.end()) + 1


def test_the_comparison_is_the_committed_one() -> None:
    """The comparison table is that of the committed benchmark results, and its plot exists."""
    results = README.parent / "benchmarks" / "results"
    assert (results / "summary.md").read_text(encoding="utf-8") in README.read_text(encoding="utf-8")
    assert "(benchmarks/results/waits.svg)" in README.read_text(encoding="utf-8")
    assert (results / "waits.svg").is_file()


def test_the_committed_results_are_complete() -> None:
    """The committed results are those of a full run, with its machine and all versions."""
    results = json.loads((README.parent / "benchmarks" / "results" / "results.json").read_text(encoding="utf-8"))
    assert results["quick"] is False
    assert results["failed"] == []
    assert results["machine"]["cpus"] == 2
    peers = {"anycreds", "aiobotocore", "botocore", "awscrt", "node", "@aws-sdk/credential-providers"}
    assert peers <= results["machine"]["packages"].keys()


def test_length() -> None:
    """README.md has at most 150 lines; the documentation has the rest."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def headings(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_to_files_and_headings() -> None:
    """Every relative link of the pages leads to a file, and to a heading in it if it names one."""
    broken = []
    root = README.parent
    pages = [page for page in (root / "docs").rglob("*.md") if "_build" not in page.parts]
    for page in [*root.glob("*.md"), *(root / "examples").glob("*.md"), *pages]:
        for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
            target = page.parent / link if link else page
            if "_figures/" not in link and not target.exists():  # the build draws figures
                broken.append(f"{page.name}: {link}")
            elif anchor and anchor not in headings(target):
                broken.append(f"{page.name}: {link}#{anchor}")
    assert broken == []


def test_the_first_code_block_is_near_the_top() -> None:
    """The first code block ends within the first 15 lines."""
    assert first_block()[1] <= 15


def test_the_first_code_block_runs(tmp_path: Path) -> None:
    """The first code block runs as a script without errors or warnings, and prints no secret."""
    script = tmp_path / "first.py"
    script.write_text(first_block()[0], encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env={**inherited, **SURROUNDINGS, "HOME": str(tmp_path)},
        cwd=README.parent,  # so that the relative PYTHONPATH of CONTRIBUTING.md works
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,  # seconds for a new interpreter on a busy machine; usually less than one
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert SECRET not in done.stdout


def test_all_code_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python code blocks run one after another with shared names, and call AWS's services."""
    with FakeAWS.in_thread() as aws:
        signed_in(aws, tmp_path / ".aws")
        here = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": "~/.aws/config"}
        for name, value in {**SURROUNDINGS, **aws.key_environ(), **aws.service_environ(), **here}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        examples = list(Sybil(parsers=[PythonCodeBlockParser()]).parse(README).examples())
        assert examples
        for example in examples:
            example.evaluate()
        requests = [(exchange.route, exchange.status) for exchange in aws.exchanges]
    assert requests == [("assume role", 200), ("assume role", 200), ("sso role", 200)]
    assert capsys.readouterr().out.count("access_key_id='ASIA") == 1


def signed_in(aws: FakeAWS, folder: Path) -> None:
    """Write the files of ``aws sso login --profile dev``."""
    (folder / "sso/cache").mkdir(parents=True)
    (folder / "config").write_text(
        "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Developer\n"
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
    )
    name = hashlib.sha1(b"corp", usedforsecurity=False).hexdigest()
    (folder / f"sso/cache/{name}.json").write_text(json.dumps(aws.sso_token()))


def test_the_two_commands_are_shown() -> None:
    """README.md shows the command of the demo and then that of the tests."""
    lines = [line.strip().removeprefix("$ ") for line in README.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if re.match(r"python3? -m pip install .*&& python3? -m ", line)][:2] == COMMANDS
