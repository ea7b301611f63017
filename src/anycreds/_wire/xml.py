"""Strict XML: responses of AWS's query protocol, from untrusted input.

Documents with a document type are rejected before they are parsed, so there are no entities to expand or load.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET
from xml.parsers.expat import ErrorString

from .._core.validation import InvalidValueError
from .text import decode_utf8

# A response of STS has some fifty. The limit bounds the depth and the time of parsing: 64 KiB of nested elements take
# 18 ms, longer than an event loop may be blocked.
_MAX_TAGS = 2000
_ENCODING = re.compile(r"""<\?xml[^>]*\sencoding\s*=\s*["']([^"']*)""")


class XmlElement:
    """One element. Its content can be a secret, so it is not printed."""

    __slots__ = ("_element",)

    def __init__(self, element: ET.Element) -> None:
        self._element = element

    @property
    def name(self) -> str:
        """The name without its namespace."""
        return self._element.tag.rpartition("}")[2]

    def find(self, *path: str) -> XmlElement | None:
        """Return the element at the end of a path of names below this one; None if there is none.

        Raise ``InvalidValueError`` if a name in the path appears more than once.
        """
        found = self
        for name in path:
            named = [one for one in map(XmlElement, found._element) if one.name == name]
            if len(named) > 1:
                raise InvalidValueError("appears more than once", field=path[-1])
            if not named:
                return None
            found = named[0]
        return found

    def text_at(self, *path: str) -> str | None:
        """Return the text of the element at the end of a path; None if there is no such element."""
        found = self.find(*path)
        if found is None:
            return None
        if len(found._element):
            raise InvalidValueError("is not text but contains elements", field=path[-1] if path else None)
        return found._element.text or ""

    def __repr__(self) -> str:
        return f"XmlElement({len(self._element)} children)"


def parse_xml(body: bytes) -> XmlElement:
    """Return the root element of a document in UTF-8. Raise ``InvalidValueError`` for any other bytes."""
    text = decode_utf8(body)
    if not text.strip():
        raise InvalidValueError("is empty")
    if "\0" in text:  # every UTF-16 and UTF-32 document has one
        raise InvalidValueError("contains a NUL byte")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # in UTF-8, no other bytes begin a document type or an entity
        raise InvalidValueError("has a document type, which AWS never sends and which may be an attack")
    if text.count("<") > _MAX_TAGS:
        raise InvalidValueError(f"has more than {_MAX_TAGS} tags")
    if (encoding := _ENCODING.match(text)) and encoding[1].lower() != "utf-8":
        raise InvalidValueError("declares another encoding than UTF-8")
    try:
        # The parser of a text ignores a declared encoding.
        return XmlElement(ET.fromstring(text))  # noqa: S314 - there is no document type
    except ET.ParseError as error:
        # The error's own text can repeat the name of an entity.
        raise InvalidValueError(f"is not XML ({ErrorString(error.code)}, line {error.position[0]})") from None
