"""Resolves references to names of the package by the place where programs import them from.

Types in signatures refer to where a name is defined, such as ``anycreds._core.credentials.Credentials``. Names of other
libraries have no page here and stay text. A name of this package without a page is an error of the strict build.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment

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


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
