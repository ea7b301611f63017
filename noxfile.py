"""The checks of the project. ``python -m nox -l`` lists them, and ``.ci/run`` calls the same sessions."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen
from zipfile import ZipFile

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"  # uv only if it is there; virtualenv comes with nox
nox.options.reuse_venv = "yes"  # tools are pinned, and the project is reinstalled each time
nox.options.sessions = ["tests", "lint"]

# The groups of ``pyproject.toml`` that have a file in ``requirements``.
GROUPS = ("test", "lint", "mutation", "bench", "peers", "adapters", "engines", "package", "docs")

# No check may depend on the AWS settings of the developer.
BARE = {name: None for name in os.environ if name.startswith("AWS_")}
# More processes than cores, since tests wait for processes and clocks a third of the time. A process without tests
# takes over some of another's, because their durations differ widely.
IN_PARALLEL = (f"--numprocesses={(os.cpu_count() or 1) * 3 // 2}", "--dist=worksteal")
# The tests that start no process and wait for no clock.
FAST = ("-m", "not realtime")
# The tests that an event loop can change.
ABOUT_WAITING = ("tests/cache", "tests/robustness", "tests/simulation", "tests/system")
# How many times as many random examples `soak` draws as `tests`: some minutes on two cores.
SOAK = 20
# What decides which credentials a program gets, and when: `coverage` requires that the tests reach every branch of it.
FULLY_COVERED = ("_cache/*", "_config/*", "_providers/chain.py", "_providers/profile/*", "_wire/*")
HAS_NODE = shutil.which("node") is not None and shutil.which("npm") is not None


def install_project(session: nox.Session) -> None:
    """Install the project as a user gets it: built, not editable. The build backend is pinned beside the tools."""
    session.install("--force-reinstall", "--no-deps", "--no-build-isolation", ".")


def install_tests(session: nox.Session) -> None:
    """Install the project and the tools of its tests."""
    session.install("--require-hashes", "-r", "requirements/test.txt")
    install_project(session)


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest in parallel. The arguments of the session come last, so that they win."""
    session.run("python", "-m", "pytest", *IN_PARALLEL, *arguments, *session.posargs, env=BARE)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on this Python; arguments after ``--`` go to pytest."""
    install_tests(session)
    run_pytest(session)


@nox.session(name="tests-all", python=["3.11", "3.12", "3.13", "3.14"])
def tests_all(session: nox.Session) -> None:
    """Run the tests on every supported Python that is found; from 3.12 on also with eager tasks of asyncio."""
    install_tests(session)
    run_pytest(session)
    if session.python != "3.11":
        run_pytest(session, "--eager-tasks", *ABOUT_WAITING)


# The interpreters without a global interpreter lock, if they are on the PATH.
FREE_THREADED = [version for version in ("3.13t", "3.14t") if shutil.which(f"python{version}")]


@nox.session(python=FREE_THREADED or False)
def freethreaded(session: nox.Session) -> None:
    """Run the fast tests, and those of threads, on each Python without a global interpreter lock that is found."""
    if not FREE_THREADED:
        session.skip("there is no free-threaded Python (python3.13t or python3.14t) on the PATH")
    install_tests(session)
    session.env["PYTHON_GIL"] = "0"  # an extension that does not support it would enable the lock
    session.run("python", "-c", "import sys; assert not sys._is_gil_enabled()")
    run_pytest(session, *FAST)
    run_pytest(session, "tests/cache/test_event_loops.py")


@nox.session
def soak(session: nox.Session) -> None:
    """Run the tests that draw random examples with many more of them; ``-- --budget=100`` draws five times as many."""
    install_tests(session)
    seed = secrets.randbelow(10**9)  # the header and every failure show it; ``-- --seed=1`` chooses another one
    options = (f"--budget={SOAK}", f"--seed={seed}", "--timeout=3600", "--override-ini=faulthandler_timeout=3500")
    run_pytest(session, *options)


@nox.session
def schedules(session: nox.Session) -> None:
    """Search every schedule of the cache's worlds; prints how many, and in what time, for each event loop.

    ``-- --replay TOKEN`` repeats one schedule instead: a failure prints the token.
    """
    install_tests(session)
    figures = Path(session.create_tmp(), "goals.json").resolve()
    run_pytest(session, "tests/simulation/exhaustive", f"--goals={figures}")


@nox.session
def faults(session: nox.Session) -> None:
    """Measure every goal of reliability; ``-- --write`` writes ``docs/reliability.md``, the rest goes to pytest.

    All tests run, because each of them looks for secrets and for what is left behind, and the long ones of the goals.
    """
    install_tests(session)
    file = Path(session.create_tmp(), "goals.json").resolve()
    file.unlink(missing_ok=True)
    arguments = [argument for argument in session.posargs if argument != "--write"]
    options = ("--timeout=1800", "--override-ini=faulthandler_timeout=1700", f"--goals={file}")
    # A failed test does not end the session: its goal is reported as failed.
    session.run("python", "-m", "pytest", *IN_PARALLEL, *options, *arguments, env=BARE, success_codes=[0, 1])
    write = ["--write"] if "--write" in session.posargs else []
    session.run("python", "tests/support/goal_report.py", str(file), *write)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests, and check which lines and branches they reach; arguments after ``--`` go to pytest."""
    session.install("--require-hashes", "-r", "requirements/test.txt")
    install_project(session)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *IN_PARALLEL, *session.posargs, env=BARE)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")
    session.run("coverage", "html", "--quiet")
    files = ",".join(f"*/anycreds/{name}" for name in FULLY_COVERED)
    session.run("coverage", "report", f"--include={files}", "--fail-under=100")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest releases of the runtime dependencies that ``pyproject.toml`` admits."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    floors = [
        requirement.split(",")[0].replace(">=", "==")
        for requirement in [*project["dependencies"], *project["optional-dependencies"]["trio"]]
    ]
    install_tests(session)
    session.install(*floors)
    run_pytest(session)


@nox.session
def package(session: nox.Session) -> None:
    """Build the sdist and from it the wheel, check what they contain, and test the installed wheel."""
    session.install("--require-hashes", "-r", "requirements/package.txt")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--no-isolation", "--outdir", folder)
        (sdist,), (wheel,) = Path(folder).glob("*.tar.gz"), Path(folder).glob("*.whl")
        check_contents(session, sdist, wheel)
        session.run("twine", "check", "--strict", str(sdist), str(wheel))
        session.install("--force-reinstall", "--no-deps", str(wheel))
    session.run("python", "-c", "import anycreds, sysconfig; assert sysconfig.get_path('purelib') in anycreds.__file__")
    run_pytest(session, *FAST)


# What the build backend adds to the folders and pages.
SDIST_FILES = (".gitignore", "LICENSE", "PKG-INFO", "noxfile.py", "pyproject.toml")


def check_contents(session: nox.Session, sdist: Path, wheel: Path) -> None:
    """Check that the wheel has the package and its metadata, and the sdist also what tests it, and nothing else."""
    package = {path.relative_to("src").as_posix() for path in files_in("src")}
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = {name for name in names if ".dist-info/" in name}
    if names - metadata != package or not any(name.endswith("/licenses/LICENSE") for name in metadata):
        session.error(f"wheel: unexpected or missing files: {sorted((names - metadata) ^ package)}")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("src", "tests", "benchmarks", "docs", "examples", "requirements")
    expected = {path.as_posix() for folder in folders for path in files_in(folder)}
    expected |= {path.name for path in Path().glob("*.md")} | set(SDIST_FILES)
    if names != expected:
        session.error(f"sdist: unexpected or missing files: {sorted(names ^ expected)}")


def files_in(folder: str) -> Iterator[Path]:
    """Yield the files of a folder that no tool has made."""
    yield from (
        path
        for path in Path(folder).rglob("*")
        if path.is_file() and not {"__pycache__", "_build", "_figures"} & set(path.parts)
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, banned calls, types and the import contracts."""
    session.install("--require-hashes", "-r", "requirements/lint.txt")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", env={"PYTHONPATH": "src"})
    check_public_types(session)


def check_public_types(session: nox.Session) -> None:
    """Let pyright verify that every public symbol has a complete type, except where aiobotocore has none."""
    command = ("pyright", "--verifytypes", "anycreds", "--ignoreexternal", "--outputjson")
    output = session.run(*command, env={"PYTHONPATH": "src"}, silent=True, success_codes=[0, 1])
    symbols = json.loads(str(output))["typeCompleteness"]["symbols"]
    incomplete = {symbol["name"] for symbol in symbols if not symbol["isTypeKnown"]}
    incomplete -= {f"anycreds.adapters.aiobotocore.{name}" for name in ("ProviderSession", "create_session")}
    if incomplete:
        session.error(f"incomplete public types: {', '.join(sorted(incomplete))}")
    session.log(f"pyright: the types of {len(symbols)} symbols are complete")


# In percent: the tests have to notice at least this share of the changes, in total and in each module.
MUTATION_SCORE = 85
# Explains the changes that no test can notice, by module, function and new line.
EXPLAINED_SURVIVORS = Path("tests/mutation_survivors.toml")


@nox.session
def mutation(session: nox.Session) -> None:
    """Change the decisions of the core, one place at a time; fail if the tests notice too few of the changes.

    Arguments after ``--`` go to ``mutmut run``, such as ``"anycreds._cache.policy*"`` for the changes of one module.
    """
    if not hasattr(os, "fork"):
        session.skip("mutmut needs a system that can fork")
    session.install("--require-hashes", "-r", "requirements/mutation.txt")
    shutil.rmtree("mutants", ignore_errors=True)  # mutmut would keep the results of the last run
    # For processes that tests start. Python ignores a folder that is missing when it starts.
    package = Path("mutants/src").resolve()
    package.mkdir(parents=True)
    # Silent, since it prints ten lines per second.
    session.run("mutmut", "run", *session.posargs, env={**BARE, "PYTHONPATH": str(package)}, silent=True)
    report_mutants(session)


def report_mutants(session: nox.Session) -> None:
    """Log the score of each module, and each change that no test has noticed. Fail below the smallest score."""
    explained = tomllib.loads(EXPLAINED_SURVIVORS.read_text())
    noticed: dict[str, list[bool]] = {}
    results = session.run("mutmut", "results", "--all", "true", silent=True, log=False)
    for name, result in re.findall(r"^ *(\S+): (.+)$", str(results), re.MULTILINE):
        if result == "not checked":
            continue  # the arguments name other changes
        # module.x_function__mutmut_1 or module.xǁClassǁmethod__mutmut_1
        module, function = re.split(r"\.x[_ǁ]", name.rpartition("__mutmut_")[0])
        is_noticed = result in {"killed", "timeout", "segfault"}
        for part in (module, "total"):
            noticed.setdefault(part, []).append(is_noticed)
        if not is_noticed:
            diff = str(session.run("mutmut", "show", name, silent=True, log=False))
            change = f"{function.replace('ǁ', '.')}: {changed_line(diff)}"
            reason = explained.get(module, {}).get(change, "NOT EXPLAINED")
            session.log(f"{result}: {module}.{change}\n    {reason} ({name})")
    scores = {part: 100 * sum(results) / len(results) for part, results in noticed.items()}
    for part, score in scores.items():
        session.log(f"{part}: {sum(noticed[part])} of {len(noticed[part])} changes noticed, {score:.1f} %")
    if min(scores.values()) < MUTATION_SCORE:
        session.error(f"the tests have to notice at least {MUTATION_SCORE} % of the changes")


def changed_line(diff: str) -> str:
    """Return what a diff adds, in one line; what it removes if it adds nothing."""
    added, removed = (
        [line.strip() for line in re.findall(rf"^\{sign}(?!\{sign})(.*)$", diff, re.MULTILINE)] for sign in "+-"
    )
    new = [line for line in added if line not in removed]
    return " ".join(new) or "without " + " ".join(line for line in removed if line not in added)


@nox.session
def planted(session: nox.Session) -> None:
    """Plant faults in copies of the package, one at a time; fail if the tests miss one. ``-- ID`` selects faults."""
    session.install("--require-hashes", "-r", "requirements/test.txt")
    session.run("python", "tests/support/planted_faults.py", *session.posargs, env=BARE)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into ``docs/_build/html``, and run its code; arguments after ``--`` go to pytest."""
    session.install("--require-hashes", "-r", "requirements/docs.txt")
    install_project(session)
    session.run("sphinx-build", "-E", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html", env=BARE)
    session.run("sphinx-build", "-q", "-b", "html", "docs", "docs/_build/llms", env={**BARE, "ANYCREDS_LLMS_TXT": "1"})
    tests = ("tests/documentation", *session.posargs)
    session.run("python", "-m", "pytest", *IN_PARALLEL, *tests, env={**BARE, "ANYCREDS_DOCS": "1"})


@contextmanager
def javascript_sdk(session: nox.Session, package: str) -> Iterator[dict[str, str]]:
    """Install the AWS SDK for JavaScript by a ``package.json``; return the variable with its location."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(package, folder)
        with session.chdir(folder):
            quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
            session.run("npm", "install", *quiet, external=True)
        yield {"ANYCREDS_JAVASCRIPT": folder}


@nox.session
def bench(session: nox.Session) -> None:
    """Run all benchmarks into ``benchmarks/results``; arguments after ``--`` replace that."""
    session.install("--require-hashes", "-r", "requirements/bench.txt")
    install_project(session)
    arguments = session.posargs or ["--results", "benchmarks/results"]
    with ExitStack() as stack:
        location = {}
        if HAS_NODE:
            location = stack.enter_context(javascript_sdk(session, "benchmarks/peers/node/package.json"))
        else:
            session.log("the AWS SDK for JavaScript is left out: it needs node and npm")
        session.run("python", "-m", "benchmarks", *arguments, env={**BARE, **location})


@nox.session
def javascript(session: nox.Session) -> None:
    """Run the conformance cases with the AWS SDK for JavaScript; skipped without node and npm."""
    if not HAS_NODE:
        session.skip("needs node and npm")
    session.install("--require-hashes", "-r", "requirements/test.txt")
    install_project(session)
    with javascript_sdk(session, "tests/conformance/javascript/package.json") as location:
        tests = ("tests/conformance/test_javascript.py", "tests/cli/test_serve_other_sdks.py", *session.posargs)
        session.run("python", "-m", "pytest", *tests, env={**BARE, **location})


# By peer: its tests, and the environment variable without which they are skipped.
PEERS = {
    "botocore": (("tests/conformance/test_botocore.py",), {"ANYCREDS_BOTOCORE": "1"}),
    "moto": (("tests/conformance/test_moto.py",), {"ANYCREDS_MOTO": "1"}),
    "awscli": (
        ("tests/cli/test_serve_other_sdks.py", "tests/providers/disk_cache/test_aws_cli.py"),
        {"ANYCREDS_AWS_CLI": "aws"},
    ),
}


@nox.session
@nox.parametrize("peer", list(PEERS))
def peers(session: nox.Session, peer: str) -> None:
    """Run the conformance cases with botocore and moto; ``serve`` and the cache on disk with the AWS CLI."""
    session.install("--require-hashes", "-r", "requirements/peers.txt")
    install_project(session)
    if peer == "awscli":
        session.install("awscli==1.45.11")  # it pins an older botocore than the other peers
    tests, switch = PEERS[peer]
    session.run("python", "-m", "pytest", *tests, *session.posargs, env={**BARE, **switch})


# Proves that the search finds what it has to, in the cache of aiobotocore.
AIOBOTOCORE_SCHEDULES = "tests/simulation/exhaustive/test_aiobotocore.py"
SERVICE_CALLS = ("tests/system/http", "tests/robustness/test_servers.py", "tests/end_to_end/test_services.py")


@nox.session
@nox.parametrize("libraries", ["newest", "aioboto3"])
def adapters(session: nox.Session, libraries: str) -> None:
    """Run the tests of the adapters with the newest libraries, and with those that aioboto3 pins.

    The newest ones include httpx2, so the tests of service calls run here on both HTTP libraries.
    """
    session.install("--require-hashes", "-r", "requirements/adapters.txt")
    install_project(session)
    tests = ["tests/adapters", "tests/repository/test_docstrings.py", AIOBOTOCORE_SCHEDULES, *SERVICE_CALLS]
    if libraries == "aioboto3":
        session.install("aiobotocore==2.25.1", "botocore==1.40.61", "boto3==1.40.61")
        tests = ["tests/adapters/aiobotocore"]
    session.run("python", "-m", "pytest", *tests, *session.posargs, env=BARE)


@nox.session
@nox.parametrize("engine", ["dask", "ray", "spark"])
def engines(session: nox.Session, engine: str) -> None:
    """Run providers on workers of Dask, Ray and Spark, which read from a moto server while credentials rotate."""
    session.install("--require-hashes", "-r", "requirements/engines.txt")
    if engine == "spark":
        if shutil.which("java") is None:
            session.skip("needs Java")
        session.install("pyspark==4.3.0")  # not in the requirements: it has 400 MB
    install_project(session)
    tests = ("-s", "--override-ini=faulthandler_timeout=290", "tests/engines", *session.posargs)
    session.run("python", "-m", "pytest", *tests, env={**BARE, "ANYCREDS_ENGINE": engine})


# The open database of vulnerabilities; pip-audit sends it the name and version of each pinned package.
OSV = "https://api.osv.dev"


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities of what ``requirements/*.txt`` pins; skipped without access to the database."""
    try:
        urlopen(OSV, timeout=10).close()
    except HTTPError:
        pass  # any response will do
    except OSError as error:
        session.skip(f"cannot reach {OSV}: {error}")
    session.install("pip-audit==2.10.1")
    pins = [f"--requirement=requirements/{group}.txt" for group in GROUPS]
    session.run("pip-audit", "--vulnerability-service=osv", "--disable-pip", "--require-hashes", *pins)


@nox.session
def lock(session: nox.Session) -> None:
    """Write ``requirements/*.txt`` from ``pyproject.toml``; ``-- --upgrade`` takes newer releases."""
    session.install("uv")
    for group in GROUPS:
        session.run(
            *("uv", "pip", "compile", "pyproject.toml", "--group", group),
            *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"),
            *("--quiet", "--output-file", f"requirements/{group}.txt", *session.posargs),
        )
