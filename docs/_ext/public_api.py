"""Resolves references to names of the package by the place where programs import them from, and finds missing ones.

Types in signatures refer to where a name is defined, such as ``anycreds._core.credentials.Credentials``. Names of other
libraries have no page here and stay text. A name of this package without a page is an error of the strict build.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

PUBLIC_MODULES = (
    "anycreds",
    "anycreds.typing",
    "anycreds.events",
    "anycreds.testing",
    "anycreds.testing.pytest_plugin",
    "anycreds.adapters.aiobotocore",
    "anycreds.adapters.botocore",
    "anycreds.adapters.httpx",
    "anycreds.adapters.httpx2",
    "anycreds.adapters.obstore",
    "anycreds.adapters.presigning",
)

# Internal names in signatures of the testing tools, whose docstrings describe them.
_INTERNAL = frozenset(("FakeRequest", "FakeServiceSettings", "FakeSettings"))


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element) -> nodes.Element | None:
    """Return a link to a public name, the plain text of a foreign one, or None to report it."""
    if node.get("refdomain") != "py":
        return None
    target = str(node.get("reftarget", ""))
    domain = env.domains["py"]
    assert isinstance(domain, PythonDomain)
    last = target.rpartition(".")[2]
    found = [name for name in domain.objects if name.rpartition(".")[2] == last and name.startswith("anycreds")]
    found.sort(key=len)
    is_ours = target.startswith("anycreds") or (found and "." not in target)
    if is_ours and found:
        entry = domain.objects[found[0]]
        uri = app.builder.get_relative_uri(str(node["refdoc"]), entry.docname)
        return nodes.reference("", "", contnode, internal=True, refuri=f"{uri}#{entry.node_id}", reftitle=found[0])
    if last in _INTERNAL or not target.startswith("anycreds"):
        return contnode
    return None


def check_coverage(_: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names that no page describes, or that have no docstring."""
    domain = env.domains["py"]
    assert isinstance(domain, PythonDomain)
    described = {name.rpartition(".")[2] for name in domain.objects if name.startswith("anycreds.")}
    warn = logging.getLogger(__name__).warning
    for module in map(import_module, PUBLIC_MODULES):
        for name in public_names(module):
            if name not in described:
                warn("%s.%s is on no page", module.__name__, name)
            elif isinstance(value := getattr(module, name), type | FunctionType) and not inspect.getdoc(value):
                warn("%s.%s has no docstring", module.__name__, name)


def public_names(module: ModuleType) -> list[str]:
    """Return the names that a module defines, or passes on, for programs."""
    if names := getattr(module, "__all__", None):
        return list(names)
    passes_on = module.__name__ in ("anycreds.events", "anycreds.typing")
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (passes_on or getattr(value, "__module__", "") == module.__name__)
        and name not in ("annotations", "TYPE_CHECKING")
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension."""
    app.connect("missing-reference", resolve)
    app.connect("env-check-consistency", check_coverage)
    return {"parallel_read_safe": True}
