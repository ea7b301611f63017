"""XML as AWS's query protocol answers it, read without trust: a tree of elements, or what is wrong with the document.

Nothing here raises, and no problem repeats what came. There are no entities to expand, because there is no document
type; nothing outside is ever loaded; and one pass over the bytes is all.
"""

from __future__ import annotations

from typing import NamedTuple

from .._core.credentials import InvalidReason
from .credential_documents import decoded

# An answer of STS has four levels and some twenty elements. The rest is room for what AWS may add.
_DEEPEST = 32
_MOST_ELEMENTS = 1000
# In UTF-8 nothing else can begin a document type or what is declared in one.
_DECLARED = ("<!DOCTYPE", "<!ENTITY")
_DOCTYPE = "has a document type, which AWS never sends and which may be an attack"


class Element(NamedTuple):
    """One element. What stands in it may be secret, and so may be its name, so none of it can be printed."""

    name: str
    """Without its namespace."""
    text: str
    """What stands directly in it, as it is."""
    children: tuple[Element, ...]

    def __repr__(self) -> str:
        return f"Element({len(self.text)} characters, {len(self.children)} children)"


def read_xml(body: bytes) -> Element | InvalidReason:
    """Return the root element of a document in UTF-8."""
    text = decoded(body)
    if isinstance(text, InvalidReason):
        return text
    if not text.strip():
        return InvalidReason("is empty")
    if "\0" in text:  # all of UTF-16 has it, which the parser would read as such, whatever it is told
        return InvalidReason("contains a NUL byte")
    # Looked for in the text too: after a handler has raised, the parser goes on to the end, and expands what is there.
    if any(declared in text for declared in _DECLARED):
        return InvalidReason(_DOCTYPE)
    return _parse(body)


def find(element: Element, *path: str) -> Element | InvalidReason | None:
    """Return the one element at the end of a path of names; None: there is none; a problem: there are several."""
    for name in path:
        named = [child for child in element.children if child.name == name]
        if len(named) > 1:
            return InvalidReason("is there more than once")
        if not named:
            return None
        element = named[0]
    return element


def text_at(element: Element, *path: str) -> str | InvalidReason | None:
    """Return the text of the one element at the end of a path; None: there is none."""
    found = find(element, *path)
    if found is None or isinstance(found, InvalidReason):
        return found
    return InvalidReason("is not text but has elements in it") if found.children else found.text


class _RefusedError(Exception):
    """Ends the parsing. Its only argument says why."""


class _Builder:
    """Collects what the parser reports."""

    def __init__(self) -> None:
        self._count = 0
        # For each element that is still open: its name, the pieces of its text, its children. The first is no element.
        self._open: list[tuple[str, list[str], list[Element]]] = [("", [], [])]

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise _RefusedError("declares another encoding than UTF-8")

    def doctype(self, name: str, system_id: str | None, public_id: str | None, has_subset: bool) -> None:
        raise _RefusedError(_DOCTYPE)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS:
            raise _RefusedError(f"has more than {_MOST_ELEMENTS} elements")
        if len(self._open) > _DEEPEST:
            raise _RefusedError(f"is nested more than {_DEEPEST} levels deep")
        self._open.append((name.rpartition(":")[2], [], []))

    def text(self, piece: str) -> None:
        self._open[-1][1].append(piece)

    def end(self, name: str) -> None:
        local, pieces, children = self._open.pop()
        self._open[-1][2].append(Element(local, "".join(pieces), tuple(children)))

    def root(self) -> Element:
        return self._open[0][2][0]


def _parse(body: bytes) -> Element | InvalidReason:
    from xml.parsers import expat  # only here: programs that ask no STS never load it through us

    builder = _Builder()
    parser = expat.ParserCreate("utf-8")  # whatever the document declares
    parser.buffer_text = True
    parser.XmlDeclHandler = builder.declaration
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.StartElementHandler = builder.start
    parser.CharacterDataHandler = builder.text
    parser.EndElementHandler = builder.end
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        return InvalidReason(f"is not XML ({expat.ErrorString(error.code)}, line {error.lineno})")
    except _RefusedError as error:
        return InvalidReason(*error.args)
    return builder.root()
