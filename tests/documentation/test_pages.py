"""Every Python block of the documentation runs, on asyncio and on trio, against a fake of AWS.

The blocks of a page run in their order and share their names, as a reader would type them. A block that defines
``async def main()`` and does not run it itself is run on the event loop of the test. A block with tests is a file of
tests, and pytest runs it, together with the block before it if that is a ``conftest.py``. The comment
``<!-- skip: next "reason" -->`` leaves a block out.
"""

from __future__ import annotations

import ast
import gc
import inspect
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import SkipTest

import anyio
import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from documentation.world import user_with_aws

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in FOLDER.rglob("*.md") if "_build" not in path.parts)]
CONFTEST = "# conftest.py"
SECONDS = 30  # for the tests of a block
SEARCH_PATH = [str(Path(folder).resolve()) for folder in sys.path if folder]  # of programs in other folders

pytestmark = pytest.mark.skipif(
    "ANYCREDS_DOCS" not in os.environ, reason="the blocks need libraries that `nox -s docs` installs"
)


class PageRunner:
    """Runs the blocks of one page."""

    def __init__(self, backend: str, folder: Path) -> None:
        self._backend = backend
        self._folder = folder
        self._conftest = ""
        self.blocks = 0

    def evaluate(self, example: Example) -> None:
        """Run one block."""
        source = str(example.parsed)
        self.blocks += 1
        if source.startswith(CONFTEST):
            self._conftest = source
            return
        path = example.path
        # As many empty lines as come before, so that tracebacks have the line of the page.
        tree = ast.parse("\n" * (example.line + example.parsed.line_offset) + source, path)
        functions = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        if any(one.name.startswith("test_") for one in functions):
            self._run_tests(source)
            return
        namespace: dict[str, Any] = example.namespace
        namespace.setdefault("__name__", "__main__")
        exec(compile(tree, path, "exec", dont_inherit=True), namespace)
        mains = [one for one in functions if one.name == "main" and isinstance(one, ast.AsyncFunctionDef)]
        if mains and not mains[0].args.args and not _runs_itself(tree):
            main = namespace["main"]
            assert inspect.iscoroutinefunction(main)
            anyio.run(main, backend=self._backend)

    def _run_tests(self, source: str) -> None:
        folder = self._folder / f"block{self.blocks}"
        folder.mkdir()
        (folder / "conftest.py").write_text(self._conftest, encoding="utf-8")
        (folder / "test_block.py").write_text(source, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(folder),
            str(folder),
        ]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(SEARCH_PATH)}
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _runs_itself(tree: ast.Module) -> bool:
    """Return whether the block calls ``asyncio.run``, ``trio.run`` or ``anyio.run`` at its top level."""
    calls = [node for statement in tree.body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    inside = [
        node for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(one)
    ]
    return any(isinstance(call.func, ast.Attribute) and call.func.attr == "run" for call in calls if call not in inside)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_blocks_run(
    page: Path, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """The blocks of a page run without an error."""
    runner = PageRunner(backend, tmp_path)
    sybil = Sybil(parsers=[SkipParser(), CodeBlockParser("python", runner.evaluate)])
    examples = list(sybil.parse(page).examples())
    if not examples:
        return
    logging.getLogger("botocore").setLevel(logging.INFO)  # at DEBUG it logs session tokens
    with user_with_aws(tmp_path / "home", monkeypatch):
        monkeypatch.chdir(tmp_path)
        for example in examples:
            with suppress(SkipTest):  # which would leave out the rest of the page, too
                example.evaluate()
        examples[0].namespace.clear()  # what the page has made ends with it: clients, sessions
        gc.collect()
    if portals := sys.modules.get("anycreds.adapters._blocking_portal"):
        portals.stop_all()
    record_property("blocks", runner.blocks)
