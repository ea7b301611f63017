"""Rules for every file of the project.

The forbidden texts are concatenated here, so that this file does not contain them.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import anycreds
from support.rows import each_row

ROOT = Path(__file__).parents[2]
GROUPS = sorted(path.stem for path in (ROOT / "requirements").glob("*.txt"))

REGISTRIES = ["py" + "pi.org", "py" + "pi.python.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"]
MACHINES = ["/wo" + "rk/", "/tmp/" + "dev", "/tmp/" + "w/", "." + "pyenv/", "/home/" + "dev"]

# Generated folders, for a copy of the project without git.
GENERATED = {"__pycache__", "build", "dist"}


def project_files() -> list[Path]:
    """Return the files that are or may be committed; without git, all files that are not generated."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        found = [ROOT / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        found = [path for path in ROOT.rglob("*") if not any(map(_is_generated, path.relative_to(ROOT).parts))]
    return [path for path in found if path.is_file()]


def _is_generated(part: str) -> bool:
    hidden = part.startswith(".") and part not in {".ci", ".gitignore"}
    return hidden or part in GENERATED or part.endswith(".egg-info")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def files_with(needles: list[str]) -> list[str]:
    wanted = [needle.encode() for needle in needles]
    return [
        f"{path.relative_to(ROOT)}: {needle.decode()}"
        for path in project_files()
        for needle in wanted
        if needle in path.read_bytes()
    ]


def test_the_project_files_are_found() -> None:
    """The list of project files contains files of every kind."""
    names = {str(path.relative_to(ROOT)) for path in project_files()}
    assert {"pyproject.toml", "noxfile.py", "CHANGELOG.md", "requirements/test.txt"} <= names
    assert {"src/anycreds/_core/credentials.py", "tests/repository/test_repository.py"} <= names
    assert files_with(["AWS credentials for trio " + "and asyncio programs"]) != []


def test_no_file_names_a_registry() -> None:
    """No file names the host of a package registry, which is a setting of the reader's own."""
    assert files_with(REGISTRIES) == []


def test_no_file_names_a_machine() -> None:
    """No file contains a path of a machine on which the project was developed."""
    assert files_with(MACHINES) == []


@pytest.mark.fault("S25")
@each_row("group", GROUPS)
def test_requirements_are_pinned_and_without_addresses(group: str) -> None:
    """Every line of a requirements file is a pinned version or its hash; none is an option or a URL."""
    text = (ROOT / "requirements" / f"{group}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split("--hash=")
        assert re.fullmatch(r"[a-z0-9-]+==[^ ;*]+( ; .+)?", requirement.strip()), entry
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest.strip()) for digest in hashes), entry


@each_row("group", GROUPS)
def test_requirements_follow_pyproject(group: str) -> None:
    """Every requirement of ``pyproject.toml`` is pinned to a version that it allows (``nox -s lock``)."""
    pins = {}
    for line in (ROOT / "requirements" / f"{group}.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith(" "):
            name, _, rest = line.partition("==")
            pins[canonicalize_name(name)] = rest.split()[0]
    required = [*pyproject()["project"]["dependencies"], *_group(group)]
    assert len(required) > 2
    for requirement in map(Requirement, required):
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"{requirement} is not in requirements/{group}.txt"
        assert requirement.specifier.contains(pinned), f"{requirement} does not allow {pinned}"


@pytest.mark.fault("S25")
def test_imported_packages_are_declared() -> None:
    """Every package that the library imports is a dependency or an extra, not only a dependency of one."""
    project = pyproject()["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    declared = {Requirement(requirement).name for requirement in [*project["dependencies"], *extras]}
    imported = {
        name.partition(".")[0]
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported_by(node)
    }
    assert {"anyio", "httpx"} < imported
    imported -= {"anycreds", "pytest"}  # pytest imports the plugin
    assert imported - sys.stdlib_module_names - declared == set()


def _imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


@pytest.mark.fault("S25")
@each_row("name, vulnerable", [("h11", "0.15"), ("httpcore", "1.0.8"), ("idna", "3.6"), ("cryptography", "44.0.0")])
def test_vulnerable_releases_are_excluded(name: str, vulnerable: str) -> None:
    """No requirement allows a release with a known vulnerability, or one that needs such a release."""
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), *groups.values()]
    requirements = [Requirement(each) for entries in lists for each in entries if isinstance(each, str)]
    specifiers = [requirement.specifier for requirement in requirements if requirement.name == name]
    assert specifiers
    assert [str(specifier) for specifier in specifiers if specifier.contains(vulnerable)] == []


@pytest.mark.fault("S22", "S25")
def test_the_security_policy() -> None:
    """SECURITY.md says how to report, which versions get fixes, and that memory is not erased."""
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert {"Reporting", "Supported versions", "What is not promised"} <= set(
        re.findall("^## (.+)$", policy, re.MULTILINE)
    )
    assert "private vulnerability reporting" in policy
    assert "Erasing memory" in policy


def _group(name: str) -> Iterator[str]:
    for entry in pyproject()["dependency-groups"][name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from _group(entry["include-group"])


def test_every_test_is_run_by_some_session() -> None:
    """Every environment variable that enables tests is set by a session of ``noxfile.py``."""
    switches = {
        switch
        for path in project_files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")
        for switch in re.findall(r'environ\.get\("(ANYCREDS_[A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(switches) >= 4
    sessions = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert {switch for switch in switches if f'"{switch}"' not in sessions} == set()


def test_sessions_that_are_named_exist() -> None:
    """Every ``nox -s NAME`` in a text or a message is a session of ``noxfile.py``."""
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        name
        for path in project_files()
        if path.suffix in {".py", ".md", ".toml", ".json"}
        for names in re.findall(r"nox -s((?: [a-z]+)+)", path.read_text(encoding="utf-8"))
        for name in names.split()
    }
    assert {"javascript", "lock", "peers"} <= named
    assert named - sessions == set()


def test_paths_in_the_sessions_exist() -> None:
    """Every file and folder that ``noxfile.py`` names exists, so that no session fails for a renamed test file."""
    names = re.findall(
        r'"((?:tests|benchmarks|requirements)/[\w./-]+)"', (ROOT / "noxfile.py").read_text(encoding="utf-8")
    )
    assert len(names) >= 8
    assert [name for name in names if not (ROOT / name).exists() and name != "benchmarks/results"] == []


def test_one_release_of_the_javascript_sdk() -> None:
    """Conformance cases and benchmarks use the same version of the AWS SDK for JavaScript."""
    conformance, benchmarks = (ROOT / "tests/conformance/javascript", ROOT / "benchmarks/peers/node")
    assert (conformance / "package.json").read_bytes() == (benchmarks / "package.json").read_bytes()


def test_the_changelog_is_about_this_version() -> None:
    """The newest entry of the changelog is the version of ``pyproject.toml`` and of the package."""
    headings = re.findall(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == pyproject()["project"]["version"] == anycreds.__version__


def test_every_test_has_a_docstring() -> None:
    """Every test has a docstring."""
    tests = [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", ast.get_docstring(node))
        for path in project_files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert "test_every_test_has_a_docstring" in str(tests)
    assert [name for name, docstring in tests if not docstring] == []
