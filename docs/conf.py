"""Builds the documentation: ``python -m nox -s docs``."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import anycreds

project = "anycreds"
author = "anycreds contributors"
copyright = "anycreds contributors"  # noqa: A001 - the name that Sphinx reads
release = version = anycreds.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib_trio",
    "sphinx_copybutton",
    "figures",
    "generated_tables",
    "public_api",
]
if os.environ.get("ANYCREDS_LLMS_TXT"):  # its writer warns of the `*` in signatures, so the strict build is without it
    extensions.append("sphinx_llm.txt")

nitpicky = True
nitpick_ignore = [("py:class", "anycreds._factories.role_entries.K")]  # the type of a key
exclude_patterns = ["_build", "_ext", "_figures"]
source_suffix = {".md": "markdown"}
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("See", "returns_style")]
python_display_short_literal_types = True
python_maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = False

html_theme = "furo"
html_title = "anycreds"
html_theme_options = {"navigation_with_keys": True}

# Public names are documented where programs import them from, not where they are defined.
for _name in ("anycreds", "anycreds.typing", "anycreds.events", "anycreds.testing"):
    _module = import_module(_name)
    for _public in getattr(_module, "__all__", vars(_module)):
        _value = getattr(_module, _public, None)
        if getattr(_value, "__module__", "").startswith("anycreds._"):
            _value.__module__ = _name
