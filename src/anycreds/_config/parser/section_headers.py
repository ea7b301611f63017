"""Section headers: returns the kind and name of a section, or why the section is ignored.

In the config file a header is a kind and a name, ``[profile dev]``, and only ``[default]`` has no kind. In the
credentials file it is the name of a profile. Blanks around kind and name are ignored. A name may be in single or double
quotes, and may then contain blanks; in the credentials file it may contain them anyway, as the AWS CLI writes it.

The cross-SDK rules drop names with characters other than ``A-Z a-z 0-9 _ - / . % @ : +``. The AWS CLI writes and reads
such names, so they are read here. If a header is not valid, its diagnostic is stored under the name that was probably
meant, so that the error for that missing profile can contain it.
"""

from __future__ import annotations

from typing import NamedTuple

from . import findings
from .findings import Finding
from .sections import KINDS, FileKind, SectionKind

_KINDS: dict[str, SectionKind] = {kind: kind for kind in KINDS}
# Sections of the AWS CLI: they are valid, and contain nothing that is needed here.
_CLI_SECTIONS = ("plugins", "preview")
_QUOTES = ("'", '"')


class Header(NamedTuple):
    """The kind and name of a section, both None if it is ignored. ``[default]`` in the config file has no kind."""

    kind: SectionKind | None
    name: str | None
    finding: Finding | None = None
    """Why the section is ignored, although it has a name or should have one."""
    is_fatal: bool = False
    """Whether using a section of that name is an error, because the header cannot be parsed."""


def read_header(inner: str, file: FileKind) -> Header:
    """Parse the text between the brackets of a section header."""
    inner = inner.strip(" \t")
    word = (inner if "\t" not in inner else inner.replace("\t", " ")).partition(" ")[0]
    name = inner[len(word) :].lstrip(" \t")
    if not inner:
        return Header(None, None, findings.EMPTY)
    kind = _KINDS.get(word) if name else None
    if file == "credentials":
        return _credentials_header(kind, name, inner)
    if not name:
        return _one_word(word)
    if kind is not None:
        return _named(kind, name, allows_blanks=False)
    meant = _KINDS.get(word.lower())
    name = _unquoted(name) or name
    return Header(
        meant or "profile", name, (findings.CASE, f"write {_header(name, meant)}") if meant else findings.UNKNOWN
    )


def _credentials_header(kind: SectionKind | None, name: str, inner: str) -> Header:
    if kind is None:
        return _named("profile", inner, allows_blanks=True)
    name = _unquoted(name) or name
    return Header(
        kind, name, (findings.PREFIXED, f"write {_header(name)}") if kind == "profile" else findings.WRONG_FILE
    )


def _one_word(word: str) -> Header:
    if word == "default":
        return Header(None, word)
    if word in _CLI_SECTIONS:
        return Header(None, None)
    if word in _KINDS:
        return Header(None, None, findings.NO_NAME)
    name = _unquoted(word) or word
    return Header("profile", name, (findings.NO_KIND, f"write {_header(name, 'profile')}"))


def _header(name: str, kind: SectionKind | None = None) -> str:
    """Return a header for a hint; with a placeholder for a name that is long or not printable."""
    if not name.isprintable() or len(name) > 64:
        name = "NAME"
    elif kind and " " in name:
        name = f'"{name}"'
    return f"[{kind} {name}]" if kind else f"[{name}]"


def _named(kind: SectionKind, name: str, *, allows_blanks: bool) -> Header:
    if name[0] in _QUOTES:
        unquoted = _unquoted(name)
        return Header(kind, name, findings.UNBALANCED, is_fatal=True) if unquoted is None else Header(kind, unquoted)
    if not allows_blanks and (" " in name or "\t" in name):
        return Header(kind, name, findings.BLANKS, is_fatal=True)
    return Header(kind, name)


def _unquoted(name: str) -> str | None:
    """Return the text between one pair of quotes; None if there is no such pair, or nothing in it."""
    quote = name[0]
    inner = name[1:-1]
    return inner if quote in _QUOTES and name[-1] == quote and inner and quote not in inner else None
