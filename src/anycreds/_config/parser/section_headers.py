"""Headers of sections: what stands between the brackets becomes a kind and a name, or a reason why nobody reads it.

In the config file a header is a kind and a name, ``[profile dev]``, and only ``[default]`` stands alone. In the
credentials file it is the name of a profile. Blanks around kind and name do not count. A name may stand in single or
double quotes, and then hold blanks; in the credentials file it may do so anyway, as the AWS CLI writes it.

The cross-SDK rules drop names with other characters than ``A-Z a-z 0-9 _ - / . % @ : +``. The AWS CLI writes and reads
such names, so they are read here. Where it cannot be told what a section is, the reason is filed under the name that
was probably meant: who asks for that profile learns why it is not there.
"""

from __future__ import annotations

from typing import NamedTuple

from .sections import KINDS, FileKind, SectionKind

_KINDS: dict[str, SectionKind] = {kind: kind for kind in KINDS}
# Sections of the AWS CLI itself: nothing is wrong with them, and nothing in them is for us.
_OF_THE_CLI = ("plugins", "preview")
_QUOTES = ("'", '"')

_EMPTY = "there is nothing between the brackets: the section is ignored"
_NO_NAME = "the name is missing: the section is ignored"
_BARE = "in the config file a profile is written [profile NAME]: the section is ignored"
_CASE = "the first word of a header is written in lower case: the section is ignored"
_UNKNOWN = "only profile, sso-session and services are known kinds of sections: the section is ignored"
_PREFIXED = "in the credentials file a profile is written [NAME], without the word profile: the section is ignored"
_ELSEWHERE = "sections of this kind are read from the config file only: the section is ignored"
_BLANKS = "a name with blanks has to stand in quotes"
_UNBALANCED = "the quotes around the name do not match"


class Header(NamedTuple):
    """Whose section begins. A name without a kind is ``[default]`` in the config file; no name: nobody reads it."""

    kind: SectionKind | None
    name: str | None
    reason: str | None = None
    """Why it is not read, although it has a name or should have one."""
    fatal: bool = False
    """Whether it is an error to use a section of that name: the header cannot be understood."""


def read_header(inner: str, file: FileKind) -> Header:
    """Read what stands between the brackets."""
    inner = inner.strip(" \t")
    word = (inner if "\t" not in inner else inner.replace("\t", " ")).partition(" ")[0]
    name = inner[len(word) :].lstrip(" \t")
    if not inner:
        return Header(None, None, _EMPTY)
    kind = _KINDS.get(word) if name else None
    if file == "credentials":
        if kind is None:
            return _named("profile", inner, blanks=True)
        return Header(kind, _unquoted(name) or name, _PREFIXED if kind == "profile" else _ELSEWHERE)
    if not name:
        return _one_word(word)
    if kind is not None:
        return _named(kind, name, blanks=False)
    meant = _KINDS.get(word.lower())
    return Header(meant or "profile", _unquoted(name) or name, _CASE if meant else _UNKNOWN)


def _one_word(word: str) -> Header:
    if word == "default":
        return Header(None, word)
    if word in _OF_THE_CLI:
        return Header(None, None)
    if word in _KINDS:
        return Header(None, None, _NO_NAME)
    return Header("profile", _unquoted(word) or word, _BARE)


def _named(kind: SectionKind, name: str, *, blanks: bool) -> Header:
    if name[0] in _QUOTES:
        unquoted = _unquoted(name)
        return Header(kind, name, _UNBALANCED, fatal=True) if unquoted is None else Header(kind, unquoted)
    if not blanks and (" " in name or "\t" in name):
        return Header(kind, name, _BLANKS, fatal=True)
    return Header(kind, name)


def _unquoted(name: str) -> str | None:
    """Return what one pair of quotes holds; None: there is no such pair, or nothing in it."""
    quote = name[0]
    inner = name[1:-1]
    return inner if quote in _QUOTES and name[-1] == quote and inner and quote not in inner else None
