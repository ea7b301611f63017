"""The public names can be imported, described and found, and ``import anycreds`` loads no more than it needs."""

from __future__ import annotations

import ast
import inspect
import json
import pydoc
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import anycreds

ROOT = Path(__file__).parents[2]
LAZY = ["adapters", "events", "testing", "typing"]
LAZY_NAMES = vars(anycreds)["_LAZY_NAMES"].keys()
# Programs get instances of these classes from a function, or inherit the class, and never call the constructor.
NOT_CONSTRUCTED = (anycreds.FreshCredentials, anycreds.Provider)
FACTORIES = [name for name in anycreds.__all__ if name.startswith(("from_", "create_")) or name == "cached"]
KEYS = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = canary-secret\n"
# Profiles by the name of the one source that they need.
PROFILES = {
    "static": KEYS,
    "process": "credential_process = exit 1\n",
    "sso": "sso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
    "login": "login_session = arn\n",
}


def run_python(code: str, *arguments: str) -> Any:
    """Return the JSON that code prints in a new interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_version_is_that_of_pyproject() -> None:
    """``anycreds.__version__`` is the version in ``pyproject.toml``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert anycreds.__version__ == project["version"]


def test_all_names_exist_once_and_in_order() -> None:
    """``__all__`` is sorted, has no duplicates, and contains every public name that ``__init__`` imports or finds."""
    assert anycreds.__all__ == sorted(set(anycreds.__all__))
    public = {
        name
        for name, value in vars(anycreds).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and name not in {"annotations", "TYPE_CHECKING"}
    }
    assert public | LAZY_NAMES == set(anycreds.__all__) - {"__version__"}


def test_help_describes_every_factory() -> None:
    """``help(anycreds)`` contains every factory with the first line of its docstring."""
    text = pydoc.plain(pydoc.render_doc(anycreds))
    assert len(FACTORIES) >= 16
    for name in FACTORIES:
        assert f"    {name}(" in text
        first, *_ = (inspect.getdoc(getattr(anycreds, name)) or "").splitlines()
        assert first in text


def test_import_loads_no_public_submodule() -> None:
    """``import anycreds`` imports neither the adapters nor the testing kit, and no event loop or HTTP library."""
    code = "import anycreds, json, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = set(run_python(code))
    unwanted = {f"anycreds.{name}" for name in LAZY} | {"asyncio", "httpx", "ssl", "trio"}
    assert loaded & unwanted == set()


@pytest.mark.parametrize("name", LAZY)
def test_submodule_is_imported_on_first_use(name: str) -> None:
    """``anycreds.<submodule>`` works after ``import anycreds`` alone, and ``dir()`` lists it."""
    code = (
        "import anycreds, json, sys; listed = sys.argv[1] in dir(anycreds); module = getattr(anycreds, sys.argv[1]);"
        "print(json.dumps([listed, module.__name__, getattr(anycreds, sys.argv[1]) is module]))"
    )
    assert run_python(code, name) == [True, f"anycreds.{name}", True]


def test_rare_class_is_imported_on_first_use() -> None:
    """A class that few programs name is found, listed and imported like any other, and loaded only then."""
    code = """
import anycreds, json, sys
rare = {"Clock": "anycreds._core.io", "FreshCredentials": "anycreds._cache.keep_fresh"}
before = [name in dir(anycreds) and module not in sys.modules for name, module in rare.items()]
from anycreds import *
classes = [globals()[name] is getattr(anycreds, name) is vars(anycreds)[name] for name in rare]
print(json.dumps([before, classes, [vars(anycreds)[name].__module__ for name in rare] == list(rare.values())]))
"""
    assert run_python(code) == [[True, True], [True, True], True]


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that does not exist raises ``AttributeError`` with the name."""
    with pytest.raises(AttributeError, match="module 'anycreds' has no attribute 'from_nothing'"):
        anycreds.from_nothing  # type: ignore[attr-defined]  # noqa: B018 - the access is the test


@pytest.mark.parametrize("kind", PROFILES)
def test_only_the_sources_of_the_profile_are_imported(kind: str, tmp_path: Path) -> None:
    """Awaiting ``from_ini`` imports the source of the profile, and of the others only those that take no time."""
    code = """
import anycreds, anyio, contextlib, json, sys
def modules(base):
    return {module for kind in base.__subclasses__() for module in (kind.__module__, *modules(kind))}
with contextlib.suppress(anycreds.CredentialsError):
    anyio.run(anycreds.from_ini("x", config_filepath=sys.argv[1]))
print(json.dumps(sorted(modules(anycreds.Provider))))
"""
    config = tmp_path / "config"
    config.write_text(f"[profile x]\n{PROFILES[kind]}", encoding="utf-8")
    modules = [module.split(".") for module in run_python(code, str(config))]
    imported = {name for _, package, name, *_ in modules if package == "_providers"}
    assert imported == {"chain", "environment", "profile", "static", kind}


def public_signatures() -> Iterator[tuple[str, Any]]:
    """Yield every public function, and the constructors and public methods of the public classes."""
    for name in anycreds.__all__:
        value = getattr(anycreds, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for method, function in inspect.getmembers(value, inspect.isfunction):
                is_public = not method.startswith("_") or method == "__call__"
                if is_public or (method == "__init__" and not issubclass(value, NOT_CONSTRUCTED)):
                    yield f"{name}.{method}", function


def own_types() -> Iterator[str]:
    """Yield the name of every class and type alias of the package."""
    for path in (ROOT / "src" / "anycreds").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
                yield ast.unparse(node.target)


def test_types_of_public_signatures_are_public() -> None:
    """Every type of this library in a public signature can be imported from a public module."""
    modules = [import_module(f"anycreds{suffix}") for suffix in ("", ".typing", ".events", ".testing")]
    public = {name for module in modules for name in vars(module) if not name.startswith("_")}
    ours = set(own_types())
    used = {
        (name, word)
        for name, function in public_signatures()
        for annotation in function.__annotations__.values()
        for word in re.findall(r"\w+", str(annotation))
        if word in ours and not str(annotation).startswith("Unpack[")  # keywords, each with its own type
    }
    assert {"Credentials", "IdentityCache", "Login", "MfaCodeProvider", "Observer"} <= {word for _, word in used}
    assert {(name, word) for name, word in used if word not in public} == set()
