"""Tests that XML is parsed or rejected with a reason, quickly, and that the reason repeats nothing of it."""

from __future__ import annotations

import time
from contextlib import suppress
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.http import BODY_LIMIT
from anycreds._core.validation import InvalidValueError
from anycreds._wire.xml import XmlElement, parse_xml
from support.errors import rejected
from support.rows import each_row

CANARY = "canary-secret"


def problem(body: bytes) -> str:
    """Return why a document is rejected, which repeats nothing of it."""
    reason = str(rejected(parse_xml, body))
    assert "canary" not in reason
    assert reason.isprintable()
    assert len(reason) < 120
    return reason


def test_elements_have_names_and_texts() -> None:
    """Elements have names and texts; namespaces, comments, attributes and instructions are ignored."""
    body = b"""<?xml version="1.0" encoding="utf-8"?>
        <?style sheet?>
        <ns:root xmlns:ns="urn:x" xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><!-- no -->
        <a x="1">1 &lt; 2 &amp; <![CDATA[<3>]]>&#x20AC;</a><ns:b>\xc3\xa9</ns:b><c/></ns:root>"""
    root = parse_xml(body)
    assert root.name == "root"
    assert [root.text_at(name) for name in ("a", "b", "c")] == ["1 < 2 & <3>\u20ac", "\u00e9", ""]


@each_row("encoding", ["UTF-8", "utf-8", "Utf-8"])
def test_utf8_may_be_declared(encoding: str) -> None:
    """A declaration may say UTF-8, in any case."""
    assert parse_xml(f'<?xml version="1.0" encoding="{encoding}"?><a>\u00e9</a>'.encode()).text_at() == "\u00e9"


@pytest.mark.fault("U18")
@each_row("encoding", ["UTF-16", "utf-7", "iso-8859-1", "us-ascii", "windows-1252", "x-canary"])
def test_other_encodings(encoding: str) -> None:
    """A document that declares another encoding is rejected, because other parsers could read it differently."""
    assert "another encoding" in problem(f'<?xml version="1.0" encoding="{encoding}"?><a>x</a>'.encode())


LAUGHS = b'<!DOCTYPE a [<!ENTITY a "canary">%s]><a>&z;</a>' % b"".join(
    b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("b"), ord("z") + 1)
)
QUADRATIC = b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 30000 + b'">]><a>' + b"&x;" * 10000 + b"</a>"


@pytest.mark.fault("U30", "S15")
@each_row(
    "body, said",
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"canary", "is not XML"),
        (b'{"a": "canary"}', "is not XML"),
        (b"<canary", "is not XML"),
        (b"<a>canary", "is not XML"),
        (b"<a>canary</b>", "mismatched tag, line 1"),
        (b"<a/><canary/>", "junk after document element"),
        (b"<a/>canary", "junk after document element"),
        (b"<a/>\x00", "NUL byte"),
        (b"\x00<a/>", "NUL byte"),
        (b"<a>canary\x00</a>", "NUL byte"),
        (b"<a>&#0;</a>", "is not XML"),
        (b"<a>\x1b[31m</a>", "is not XML"),
        (b"<a>&canary;</a>", "undefined entity"),
        (b"<a b=canary/>", "is not XML"),
        (b'<a b="1" b="canary"/>', "duplicate attribute"),
        (b"<!-- canary -->", "no element found"),
        (b" <?xml version='1.0'?><a/>", "is not XML"),
        (b"\xef\xbb\xbf<a/>", "byte order mark"),
        ("<a/>".encode("utf-16"), "byte order mark"),
        ("<a/>".encode("utf-16-le"), "NUL byte"),
        ("<a/>".encode("utf-16-be"), "NUL byte"),
        ("<a/>".encode("utf-32-be"), "NUL byte"),
        (LAUGHS.decode().encode("utf-16-le"), "NUL byte"),
        (b"<a>\xff</a>", "not UTF-8"),
        (b"<a>\xc0\x80</a>", "not UTF-8"),
        (b"<a>\xed\xa0\x80</a>", "not UTF-8"),
        (b"<html><body><br>canary</body></html>", "mismatched tag"),
        (b"<!doctype html><html></html>", "is not XML"),
        (b"<!DOCTYPE html><html></html>", "document type"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "document type"),
        (b"<!DOCTYPE a [<!ENTITY e SYSTEM 'http://canary.example/'>]><a>&e;</a>", "document type"),
        (b"<!DOCTYPE a [<!ENTITY % e SYSTEM 'http://canary.example/'>%e;]><a/>", "document type"),
        (b"<a><!ENTITY e 'canary'></a>", "document type"),
        (LAUGHS, "document type"),
        (QUADRATIC, "document type"),
    ],
)
def test_invalid_documents(body: bytes, said: str) -> None:
    """Input that is not one plain document in UTF-8 is rejected with the reason."""
    assert said in problem(body)


def test_more_than_2000_tags_are_rejected() -> None:
    """2000 tags are parsed, however they are nested; more are rejected."""
    for body in (b"<a>" * 1000 + b"</a>" * 1000, b"<a>" + b"<b/>" * 1998 + b"</a>"):
        assert parse_xml(body).name == "a"
    for body in (b"<a>" * 1001 + b"</a>" * 1001, b"<a>" + b"<b/>" * 1999 + b"</a>", b"<a>" * 20_000):
        assert "more than 2000 tags" in problem(body)


def test_path_of_names_leads_to_an_element() -> None:
    """A path of names, without the root's, leads to an element at any depth."""
    root = parse_xml(b"<r><a><b>x</b><c/></a><d>y</d></r>")
    assert root.find() is root
    found = root.find("a", "c")
    assert found is not None
    assert found.name == "c"
    assert root.text_at("a", "b") == "x"
    assert root.text_at("a", "c") == ""
    assert root.text_at("d") == "y"


@each_row("path", [("x",), ("a", "x"), ("x", "b"), ("b",), ("d", "d")])
def test_find_missing_element(path: tuple[str, ...]) -> None:
    """``find`` returns None if an element of the path does not exist."""
    root = parse_xml(b"<r><a><b>x</b></a><d>y</d></r>")
    assert root.find(*path) is None
    assert root.text_at(*path) is None


@pytest.mark.parametrize("path", [("a",), ("a", "b"), ("c", "b")])
def test_duplicate_elements_are_rejected(path: tuple[str, ...]) -> None:
    """Two elements with a name of the path are rejected, in any namespace."""
    root = parse_xml(b'<r><a><b>x</b></a><a/><c><b>x</b><n:b xmlns:n="u">y</n:b></c></r>')
    for function in (root.find, root.text_at):
        error = rejected(function, *path)
        assert error.reason == "appears more than once"
        assert error.field == path[-1]


def test_elements_are_rejected_where_text_is_read() -> None:
    """An element that contains elements is rejected as a text."""
    assert "elements" in str(rejected(parse_xml(b"<r><a>x<b/>y</a></r>").text_at, "a"))


def test_repr_shows_neither_names_nor_texts() -> None:
    """The repr contains neither names nor texts, since both may be secret."""
    root = parse_xml(b"<canary-1><canary-2>canary-secret</canary-2></canary-1>")
    assert root.text_at("canary-2") == CANARY
    assert "canary" not in f"{root!r}{root!s}"


@pytest.mark.fault("S15")
@each_row(
    "body",
    [
        b"<a>" * (BODY_LIMIT // 3),
        b"<a/>" * (BODY_LIMIT // 4),
        b"<a>" + b"&amp;" * (BODY_LIMIT // 5 - 2) + b"</a>",
        b"<a>" + b"\n" * (BODY_LIMIT - 7) + b"</a>",
        b"<a>" + b"<![CDATA[]]>" * (BODY_LIMIT // 12 - 1) + b"</a>",
        b"<a>" + b"x<!---->" * (BODY_LIMIT // 8 - 1) + b"</a>",
        b"<a " + b" ".join(b"a%d=''" % number for number in range(6500)) + b"/>",
        b"<a " + b" ".join(b"xmlns:a%d='u'" % number for number in range(4000)) + b"/>",
        b"<" + b"a" * (BODY_LIMIT - 3) + b"/>",
        b"<!--" + b"-" * (BODY_LIMIT - 4),
        b"<?" + b"?" * (BODY_LIMIT - 2),
        b"<" * BODY_LIMIT,
        LAUGHS,
        QUADRATIC,
    ],
)
def test_large_documents_are_parsed_quickly(body: bytes) -> None:
    """The slowest document that fits into a response is parsed or rejected within 10 ms."""
    fastest = float("inf")
    for _ in range(3):
        begin = time.thread_time()
        with suppress(InvalidValueError):
            parse_xml(body)
        fastest = min(fastest, time.thread_time() - begin)
    assert fastest < 0.010  # seconds; as long as a provider may block the event loop. Measured: at most 0.003


@pytest.mark.fault("U30")
@given(st.binary(max_size=400) | st.text(alphabet="<>/!?[]&;#'\"=ax- \n", max_size=400).map(str.encode))
def test_any_bytes_are_parsed_or_rejected(body: bytes) -> None:
    """Any bytes are parsed or raise ``InvalidValueError``."""
    with suppress(InvalidValueError):
        assert isinstance(parse_xml(body), XmlElement)


SOUND = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=30)


@given(st.lists(SOUND, max_size=5))
def test_escaped_text_is_parsed_to_the_original(texts: list[str]) -> None:
    """An escaped text is parsed to the original text."""
    body = "".join(f"<t{number}>{escape(text)}</t{number}>" for number, text in enumerate(texts))
    root = parse_xml(f"<r>{body}</r>".encode())
    assert [root.text_at(f"t{number}") for number in range(len(texts))] == texts


@pytest.mark.fault("U30")
@given(st.data())
def test_truncated_document(data: st.DataObject) -> None:
    """A truncated document is rejected."""
    body = b"<r><a>canary</a><b>1</b></r>"
    problem(body[: data.draw(st.integers(0, len(body) - 1))])
