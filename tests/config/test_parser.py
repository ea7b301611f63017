"""The grammar of the shared files: AWS's cross-SDK rules, and the decisions where SDKs differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from anycreds._config.parser import read, read_in_steps
from anycreds._config.parser.reader import LINES_OF_A_STEP
from anycreds._config.parser.sections import FileKind, display_name
from support.fake_io import SECRET_KEY
from support.goals import RecordGoal
from support.parsed_config import parse
from support.rows import each_row

Expected = dict[str, dict[str, Any]]
Vector = tuple[str, str, Expected]


def vectors(*rows: Vector) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return each_row("text, expected", [row[1:] for row in rows], ids=[row[0] for row in rows])


def profiles(text: str, kind: FileKind = "config") -> Expected:
    return parse(text, kind)["profile"]


def wrong(text: str, kind: FileKind = "config") -> list[tuple[int, str | None, bool]]:
    """Return line, section and severity of each diagnostic, in the order of lines."""
    return sorted((one.line, one.name, one.is_fatal) for one in read(text, kind).all_diagnostics())


ODD_NAME = "some-thing:long/the_one%only.foo@bar+"

# All SDKs that follow AWS's cross-SDK tests agree on these. None has a diagnostic.
AGREED = vectors(
    ("nothing", "", {}),
    ("a profile without settings exists", "[profile foo]", {"foo": {}}),
    ("letters and punctuation in names", f"[profile {ODD_NAME}]", {ODD_NAME: {}}),
    ("blanks around a name", "[profile \tfoo \t]", {"foo": {}}),
    ("a tab before a name", "[profile\tfoo]", {"foo": {}}),
    ("blanks around everything", "[   profile foo    ]\nname = value", {"foo": {"name": "value"}}),
    ("a setting", "[profile foo]\nname = value", {"foo": {"name": "value"}}),
    ("CRLF", "[profile foo]\r\nname = value\r\n", {"foo": {"name": "value"}}),
    ("= in a value", "[profile foo]\nname = val=ue==", {"foo": {"name": "val=ue=="}}),
    ("unicode in a value", "[profile foo]\nname = \U0001f602", {"foo": {"name": "\U0001f602"}}),
    ("two settings", "[profile foo]\na = 1\nb = 2", {"foo": {"a": "1", "b": "2"}}),
    ("blanks around key and value", "[profile foo]\nname \t=  \tvalue \t", {"foo": {"name": "value"}}),
    ("no blanks", "[profile foo]\nname=value", {"foo": {"name": "value"}}),
    ("an empty value", "[profile foo]\nname =", {"foo": {"name": ""}}),
    ("two empty profiles", "[profile foo]\n[profile bar]", {"foo": {}, "bar": {}}),
    ("two profiles", "[profile foo]\na = 1\n[profile bar]\nb = 2", {"foo": {"a": "1"}, "bar": {"b": "2"}}),
    ("blank lines", "\t \n[profile foo]\n\t\n \na = 1\n\t \n[profile bar]\n \t", {"foo": {"a": "1"}, "bar": {}}),
    ("# comments", "# c\n[profile foo] # c\na = 1 # c with # sign", {"foo": {"a": "1"}}),
    ("; comments", "; c\n[profile foo] ; c\na = 1 ; c with ; sign", {"foo": {"a": "1"}}),
    ("both comments", "# c\n[profile foo] ; c\na = 1 # c with ; sign", {"foo": {"a": "1"}}),
    ("empty comments", ";\n[profile foo];\na = 1 ;\n", {"foo": {"a": "1"}}),
    ("comments beside headers", "[profile foo]; x\n[profile bar]# x", {"foo": {}, "bar": {}}),
    ("no comment without a blank", "[profile f]\na = 1; x\nb = 2# x", {"f": {"a": "1; x", "b": "2# x"}}),
    ("a comment after a tab", "[profile f]\na = 1\t# x\nb = 2\t; x", {"f": {"a": "1", "b": "2"}}),
    ("a line that goes on", "[profile f]\na = 1\n -more", {"f": {"a": "1\n-more"}}),
    ("lines that go on", "[profile f]\na = 1\n -more\n\t-and more", {"f": {"a": "1\n-more\n-and more"}}),
    ("blanks around what goes on", "[profile f]\na = 1\n \t -more \t ", {"f": {"a": "1\n-more"}}),
    ("# in what goes on", "[profile f]\na = 1\n -more # c", {"f": {"a": "1\n-more # c"}}),
    ("; in what goes on", "[profile f]\na = 1\n -more ; c", {"f": {"a": "1\n-more ; c"}}),
    ("a profile in two parts", "[profile f]\na = 1\n[profile f]\nb = 2", {"f": {"a": "1", "b": "2"}}),
    ("the last of two counts", "[profile f]\na = 1\na = 2", {"f": {"a": "2"}}),
    ("the last of two parts", "[profile f]\na = 1\n[profile f]\na = 2", {"f": {"a": "2"}}),
    ("the last in any case", "[profile f]\nNAME = 1\n[profile f]\nname = 2", {"f": {"name": "2"}}),
    ("the last, of what goes on", "[profile f]\na = 1\n 2\na = 33\nb = 4\n 5", {"f": {"a": "33", "b": "4\n5"}}),
    ("comments after a key that is known", "[profile f]\na = 1\na = 2 # c", {"f": {"a": "2"}}),
    ("other comments after it", "[profile f]\na = 1\na = 2 ; c", {"f": {"a": "2"}}),
    ("names keep case", "[profile F]\na = 1\n[profile f]\na = 2", {"F": {"a": "1"}, "f": {"a": "2"}}),
    ("all characters of keys", "[profile f]\nAZaz09-_/.%@:+ = 1", {"f": {"azaz09-_/.%@:+": "1"}}),
    ("nested", "[profile f]\ns3 =\n a = 1", {"f": {"s3": {"a": "1"}}}),
    ("nested with nothing", "[profile f]\ns3 =\n a =", {"f": {"s3": {"a": ""}}}),
    ("nested with any name", "[profile f]\ns3 =\n in valid = 1", {"f": {"s3": {"in valid": "1"}}}),
    ("nested after blank lines", "[profile f]\ns3 =\n a = 1\n\t \n b = 2", {"f": {"s3": {"a": "1", "b": "2"}}}),
    ("default", "[default]\na = 1", {"default": {"a": "1"}}),
    ("profile default", "[profile default]\na = 1", {"default": {"a": "1"}}),
    # Not in those tests, and not in dispute
    ("quotes", "[profile \"foo\"]\na = 1\n[profile 'bar']\na = 2", {"foo": {"a": "1"}, "bar": {"a": "2"}}),
    ("quotes in values stay", "[profile f]\na = \"1\"\nb = 'x y'", {"f": {"a": '"1"', "b": "'x y'"}}),
    ("a comment between lines that go on", "[profile f]\na = 1\n# c\n 2", {"f": {"a": "1\n2"}}),
    ("nothing but a comment", "[profile f]\na = # c\nb = ; c", {"f": {"a": "", "b": ""}}),
    ("a comment before =", "[profile f]\n# a = 1\n;b = 2", {"f": {}}),
    ("a value that ends the file", "[default]\na = 1", {"default": {"a": "1"}}),
    ("sections of the CLI", "[plugins]\ncli = x\n[preview]\na=b\n[default]\nc = d", {"default": {"c": "d"}}),
)


@pytest.mark.fault("L07")
@AGREED
def test_grammar_that_sdks_agree_on_is_read_without_diagnostics(text: str, expected: Expected) -> None:
    """Text that all SDKs read in the same way is read like that, without diagnostics."""
    assert parse(text, "config") == {"profile": expected, "sso-session": {}, "services": {}}
    assert wrong(text) == []


# SDKs differ in these. No setting or section is lost without a diagnostic.
DECIDED = vectors(
    ("a name with blanks", '[profile "my dev"]\na = 1', {"my dev": {"a": "1"}}),
    ("a name with blanks in single quotes", "[profile 'my dev']\na = 1", {"my dev": {"a": "1"}}),
    ("two blanks", "[profile  dev]\na = 1", {"dev": {"a": "1"}}),
    ("blanks at both ends", "[ profile dev ]\na = 1", {"dev": {"a": "1"}}),
    ("letters that are not ASCII", "[profile \u00fcn\u00ef]\na = 1", {"\u00fcn\u00ef": {"a": "1"}}),
    ("such letters in quotes", '[profile "\u65e5 \u672c"]\na = 1', {"\u65e5 \u672c": {"a": "1"}}),
    ("other punctuation", "[profile foo!bar]\na = 1", {"foo!bar": {"a": "1"}}),
    ("an apostrophe", "[profile o'brien]\na = 1", {"o'brien": {"a": "1"}}),
    ("the other quote in quotes", '[profile "o\'brien"]\na = 1', {"o'brien": {"a": "1"}}),
    ("a mark in a name", "[profile a#b;c]\na = 1", {"a#b;c": {"a": "1"}}),
    ("a bracket in a comment", "[profile f] # see [1]\na = 1", {"f": {"a": "1"}}),
    ("an indented header", "[profile f]\na = 1\n  [profile g]\n  b = 2", {"f": {"a": "1"}, "g": {"b": "2"}}),
    ("everything is indented", "[default]\n  a = 1\n  b = 2", {"default": {"a": "1", "b": "2"}}),
    ("indented with tabs", "[default]\n\ta = 1\n\tb = 2", {"default": {"a": "1", "b": "2"}}),
    ("indented and nested", "[default]\n  s3 =\n    a = 1\n  b = 2", {"default": {"s3": {"a": "1"}, "b": "2"}}),
    ("indented less and less", "[default]\n  a = 1\n b = 2\nc = 3", {"default": {"a": "1", "b": "2", "c": "3"}}),
    ("indented less, and goes on", "[default]\n   a = 1\na = 2\n 3", {"default": {"a": "2\n3"}}),
    ("indented, and goes on", "[default]\n  a = 1\n    2\n  b = 3", {"default": {"a": "1\n2", "b": "3"}}),
    ("an indented comment", "[default]\na = 1\n  # c\n  ; c\n  2", {"default": {"a": "1\n2"}}),
    ("an indented comment among nested", "[default]\ns3 =\n  # c\n  a = 1", {"default": {"s3": {"a": "1"}}}),
    ("a comment after a nested value", "[default]\ns3 =\n  a = 1 # c", {"default": {"s3": {"a": "1"}}}),
    (
        "nested keys in any case",
        "[default]\nS3 =\n  Addressing_Style = x",
        {"default": {"s3": {"addressing_style": "x"}}},
    ),
    ("nested at different depths", "[default]\ns3 =\n    a = 1\n  b = 2", {"default": {"s3": {"a": "1", "b": "2"}}}),
    ("one level only", "[default]\ns3 =\n  n =\n    d = 7", {"default": {"s3": {"n": "", "d": "7"}}}),
    ("nested twice", "[default]\ns3 =\n a = 1\ns3 =\n b = 2", {"default": {"s3": {"b": "2"}}}),
    ("nested, then a value", "[default]\ns3 =\n a = 1\ns3 = x", {"default": {"s3": "x"}}),
    ("CR alone", "[default]\ra = 1\rb = 2\r", {"default": {"a": "1", "b": "2"}}),
    ("all line ends", "[default]\r\na = 1\rb = 1\nc = 1\r\n\r\nd = 1", {"default": dict.fromkeys("abcd", "1")}),
    ("BOM", "\ufeff[default]\na = 1", {"default": {"a": "1"}}),
    ("BOM and a comment", "\ufeff# c\n[default]\na = 1", {"default": {"a": "1"}}),
    ("a line separator", "[default]\na = 1\u2028b = 2", {"default": {"a": "1\u2028b = 2"}}),
    ("a paragraph separator", "[default]\na = 1\u2029b = 2", {"default": {"a": "1\u2029b = 2"}}),
    ("a no-break space is no blank", "[default]\na = \u00a01", {"default": {"a": "\u00a01"}}),
    ("names of Python's own", "[profile __class__]\n__class__ = 1", {"__class__": {"__class__": "1"}}),
    ("names of JavaScript's own", "[profile __proto__]\n__proto__ = 1", {"__proto__": {"__proto__": "1"}}),
    ("a constructor", "[profile constructor]\ntoString = 1", {"constructor": {"tostring": "1"}}),
    ("paths", "[profile ../../etc/passwd]\na = 1", {"../../etc/passwd": {"a": "1"}}),
    ("DEFAULT is nothing special", "[profile DEFAULT]\na = 1\n[profile f]", {"DEFAULT": {"a": "1"}, "f": {}}),
    ("no interpolation", "[default]\na = %(b)s ${c} $d ~", {"default": {"a": "%(b)s ${c} $d ~"}}),
    ("a long line", f"[default]\na = {'x' * 2**20}\nb = 1", {"default": {"a": "x" * 2**20, "b": "1"}}),
    ("a long name", f"[profile {'n' * 10240}]\na = 1", {"n" * 10240: {"a": "1"}}),
    (
        "a command",
        "[default]\ncredential_process = /bin/x --a=b 'c d' | e",
        {"default": {"credential_process": "/bin/x --a=b 'c d' | e"}},
    ),
    (
        "a command is cut at a comment",
        "[default]\ncredential_process = x 'y #z'",
        {"default": {"credential_process": "x 'y"}},
    ),
)


@pytest.mark.fault("U18", "L07", "L08")
@DECIDED
def test_grammar_that_sdks_dispute_is_read_without_loss(text: str, expected: Expected) -> None:
    """Text that SDKs read in different ways is read without losing anything, and without diagnostics."""
    assert profiles(text) == expected
    assert wrong(text) == []


# (text, sections, [(line, section, whether using the section is an error)])
WRONG: list[tuple[str, str, Expected, list[tuple[int, str | None, bool]]]] = [
    ("settings before any section", "a = 1\nb = 2\n[default]\nc = 3", {"default": {"c": "3"}}, [(1, None, False)]),
    ("a bad line before any section", " -x\n[default]", {"default": {}}, [(1, None, True)]),
    ("no =", "[profile f]\nkey : value\na = 1", {"f": {"a": "1"}}, [(2, "f", True)]),
    ("no = in a key that is known", "[profile f]\na = 1\na", {"f": {"a": "1"}}, [(3, "f", True)]),
    ("no = before a comment", "[profile f]\na #b = 1", {"f": {}}, [(2, "f", True)]),
    ("no key", "[profile f]\n= 1\na = 2", {"f": {"a": "2"}}, [(2, "f", True)]),
    ("a blank key", "[profile f]\n \t= 1", {"f": {}}, [(2, "f", True)]),
    (
        "an odd key",
        "[profile f]\nin valid = 1\n\u00fc = 2\na = 3",
        {"f": {"a": "3"}},
        [(2, "f", False), (3, "f", False)],
    ),
    ("what goes on with an odd key", "[profile f]\na = 1\nin valid = 2\n b = 3", {"f": {"a": "1"}}, [(3, "f", False)]),
    ("what goes on with a bad line", "[profile f]\na = 1\nbad\n more", {"f": {"a": "1"}}, [(3, "f", True)]),
    ("nothing to go on with", "[profile f]\n -more", {"f": {}}, [(2, "f", True)]),
    ("nothing in the second part", "[profile f]\na = 1\n[profile f]\n -more", {"f": {"a": "1"}}, [(4, "f", True)]),
    (
        "an indented key that decides about credentials",
        "[profile f]\naws_access_key_id = 1\n AWS_Secret_Access_Key = 2",
        {"f": {"aws_access_key_id": "1\nAWS_Secret_Access_Key = 2"}},
        [(3, "f", True)],
    ),
    ("a setting that goes on", "[profile f]\na = 1\n b = 2", {"f": {"a": "1\nb = 2"}}, [(3, "f", False)]),
    ("going on with = first", "[profile f]\na = 1\n = 2", {"f": {"a": "1\n= 2"}}, []),
    ("nested without =", "[profile f]\ns3 =\n bad\n a = 1", {"f": {"s3": {"a": "1"}}}, [(3, "f", True)]),
    ("nested, only without =", "[profile f]\ns3 =\n bad", {"f": {"s3": ""}}, [(3, "f", True)]),
    (
        "a command on the next line",
        "[profile f]\ncredential_process =\n /bin/x",
        {"f": {"credential_process": ""}},
        [(3, "f", True)],
    ),
    ("nested without a key", "[profile f]\ns3 =\n = 1", {"f": {"s3": ""}}, [(3, "f", True)]),
    ("NUL", "[profile f]\na = 1\nb = 2\0\nc = 3", {"f": {"a": "1", "c": "3"}}, [(3, "f", True)]),
    ("NUL in a key", "[profile f]\na\0 = 1\n b = 2", {"f": {}}, [(2, "f", True)]),
    ("NUL in a comment", "[profile f]\n# \0\na = 1", {"f": {"a": "1"}}, []),
    ("DEL", "[profile f]\na = \x7f", {"f": {}}, [(2, "f", True)]),
    ("a form feed", "[profile f]\na = 1\x0cb = 2", {"f": {}}, [(2, "f", True)]),
    ("an information separator", "[profile f]\na = 1\x1cb = 2", {"f": {}}, [(2, "f", True)]),
    ("NEL", "[profile f]\na = 1\x85b = 2", {"f": {}}, [(2, "f", True)]),
    ("a byte that is not UTF-8", "[profile f]\na = \udcff", {"f": {}}, [(2, "f", True)]),
    ("NUL in what goes on", "[profile f]\na = 1\n 2\0\n 3", {"f": {"a": "1"}}, [(3, "f", True)]),
    ("NUL in a header", "[profile f]\na = 1\n[profile g\0]\nb = 2", {"f": {"a": "1"}}, [(3, "g\0", True)]),
    ("no ]", "[profile f]\na = 1\n[profile g\nb = 2\n[profile h]", {"f": {"a": "1"}, "h": {}}, [(3, "g", True)]),
    ("no ] before a comment", "[profile g # c]\nb = 2", {}, [(1, "g # c", True)]),
    ("no ] and a comment", "[profile g # c\nb = 2", {}, [(1, "g", True)]),
    ("no ] but a bracket", "[", {}, [(1, None, True)]),
    ("no ] in default", "[default\na = 1", {}, [(1, "default", True)]),
    ("no ], and again", "[profile f]\na = 1\n[profile f\na = 2", {"f": {"a": "1"}}, [(3, "f", True)]),
    ("more after ]", "[profile f] x\na = 1", {}, [(1, "f", True)]),
    ("two ]", "[profile f]]\na = 1", {}, [(1, "f", True)]),
    ("a header after ]", "[profile f][profile g]\na = 1", {}, [(1, "f", True)]),
    ("a setting after ]", "[profile f]a = 1", {}, [(1, "f", True)]),
    ("nothing in it", "[profile f]\na = 1\n[]\nb = 2", {"f": {"a": "1"}}, [(3, None, False)]),
    ("blanks in it", "[ \t ]\nb = 2", {}, [(1, None, False)]),
    (
        "no name",
        "[profile]\nb = 2\n[profile ]\n[sso-session]",
        {},
        [(1, None, False), (3, None, False), (4, None, False)],
    ),
    ("a name with blanks without quotes", "[profile in valid]\na = 1", {}, [(1, "in valid", True)]),
    ("quotes that do not match", "[profile \"x']\na = 1", {}, [(1, "\"x'", True)]),
    ("one quote", "[profile 'x]\na = 1\n[profile \"]\na = 1", {}, [(1, "'x", True), (3, '"', True)]),
    ("nothing in quotes", '[profile ""]\na = 1', {}, [(1, '""', True)]),
    ("three quotes", "[profile 'a'b']\na = 1", {}, [(1, "'a'b'", True)]),
    ("without the word profile", "[foo]\na = 1\n[profile bar]", {"bar": {}}, [(1, "foo", False)]),
    ("without the blank", "[profilefoo]\na = 1", {}, [(1, "profilefoo", False)]),
    ("with a dot", "[profile.dev]\na = 1", {}, [(1, "profile.dev", False)]),
    ("another kind", "[profiles foo]\na = 1\n[foo bar]", {}, [(1, "foo", False), (3, "bar", False)]),
    ("upper case", "[PROFILE foo]\na = 1", {}, [(1, "foo", False)]),
    ("bad lines in an ignored section", "[foo]\nbad\n = 1\n\0", {}, [(1, "foo", False)]),
    (
        "default, then profile default",
        "[default]\nb = 2\n[profile default]\na = 1",
        {"default": {"a": "1"}},
        [(1, "default", False)],
    ),
    (
        "profile default, then default",
        "[profile default]\na = 1\n[default]\nb = 2",
        {"default": {"a": "1"}},
        [(3, "default", False)],
    ),
    (
        "default between profile default",
        "[profile default]\na = 1\n[default]\nb = 2\n[profile default]\nc = 3",
        {"default": {"a": "1", "c": "3"}},
        [(3, "default", False)],
    ),
    ("bad lines in a default that is used", "[default]\nbad", {"default": {}}, [(2, "default", True)]),
    (
        "bad lines in a default that is not",
        "[default]\nbad\n[profile default]",
        {"default": {}},
        [(1, "default", False), (2, "default", False)],
    ),
]


@pytest.mark.fault("L07")
@each_row("text, expected, problems", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_malformed_line_affects_its_own_section_only(
    text: str, expected: Expected, problems: list[tuple[int, str | None, bool]]
) -> None:
    """A malformed line affects only its own section, and has a diagnostic with line, section and severity."""
    assert profiles(text) == expected
    assert wrong(text) == problems


CREDENTIALS: list[tuple[str, str, Expected, list[tuple[int, str | None, bool]]]] = [
    ("names", "[default]\na = 1\n[foo]\na = 2", {"default": {"a": "1"}, "foo": {"a": "2"}}, []),
    ("blanks around a name", "[   foo    ]\na = 1", {"foo": {"a": "1"}}, []),
    ("no blank after a kind", "[sso-sessionfoo]\na = 1\n[bar]", {"sso-sessionfoo": {"a": "1"}, "bar": {}}, []),
    ("as the CLI writes it", "[my dev]\na = 1", {"my dev": {"a": "1"}}, []),
    ("in quotes", "['my dev']\na = 1\n[\"x\"]", {"my dev": {"a": "1"}, "x": {}}, []),
    ("the word profile as a name", "[profile]\na = 1", {"profile": {"a": "1"}}, []),
    ("comments", "[foo];c\n[bar] # c\na = 1", {"foo": {}, "bar": {"a": "1"}}, []),
    ("parts", "[default]\na = 1\n[default]\nb = 2", {"default": {"a": "1", "b": "2"}}, []),
    ("with the word profile", "[foo]\na = 1\n[profile foo]\na = 2", {"foo": {"a": "1"}}, [(3, "foo", False)]),
    ("only with the word profile", "[profile 'a b']\na = 2", {}, [(1, "a b", False)]),
    ("kinds of the config file", "[sso-session x]\na = 1\n[services y]", {}, [(1, "x", False), (3, "y", False)]),
    ("quotes that do not match", "['foo]\na = 1", {}, [(1, "'foo", True)]),
    ("no ]", "[foo]\na = 1\n[bar\na = 2", {"foo": {"a": "1"}}, [(3, "bar", True)]),
    ("nothing", "[]\na = 1", {}, [(1, None, False)]),
]


@pytest.mark.fault("L08")
@each_row("text, expected, problems", [row[1:] for row in CREDENTIALS], ids=[row[0] for row in CREDENTIALS])
def test_header_in_the_credentials_file_is_a_name(
    text: str, expected: Expected, problems: list[tuple[int, str | None, bool]]
) -> None:
    """In the credentials file a header is a name, and sections of the config file are ignored."""
    assert parse(text, "credentials") == {"profile": expected, "sso-session": {}, "services": {}}
    assert wrong(text, "credentials") == problems


def test_sso_session_and_services_sections_are_separate() -> None:
    """``sso-session`` and ``services`` sections have their own dicts, with one level of nested settings."""
    text = """
[profile dev]
sso_session = corp
services = local
[sso-session corp]
SSO_Region = eu-west-1
[services local]
dynamodb =
  endpoint_url = http://localhost:8000
s3 =
  endpoint_url = http://localhost:9000 # here
[sso-session dev]
"""
    assert parse(text, "config") == {
        "profile": {"dev": {"sso_session": "corp", "services": "local"}},
        "sso-session": {"corp": {"sso_region": "eu-west-1"}, "dev": {}},
        "services": {
            "local": {
                "dynamodb": {"endpoint_url": "http://localhost:8000"},
                "s3": {"endpoint_url": "http://localhost:9000"},
            }
        },
    }


def test_setting_has_the_line_of_its_key() -> None:
    """Each setting has the line of its key, and each section the line of its first header."""
    found = read("\ufeff# c\r\n[default]\r\na = 1\r\n 2\r\rs3 =\n\n  b = 3\n[profile f]\n[default]\nc = 4", "config")
    section = found.section("profile", "default")
    assert section is not None
    assert section.line == 2
    assert section.values == {"a": ("1\n2", 3), "s3": ({"b": ("3", 8)}, 6), "c": ("4", 11)}
    assert found.section("profile", "f") == ({}, 9)
    assert found.section("profile", "g") is None


def test_number_of_diagnostics_is_limited() -> None:
    """Few diagnostics of one section are kept, and always one that is fatal if there is any."""
    found = read("[default]\n" + "in valid = 1\n" * 1_000 + "bad\n" * 1_000 + "[profile f]\nbad", "config")
    problems = found.diagnostics("profile", "default")
    assert len(problems) <= 30
    assert [problem.line for problem in problems if problem.is_fatal] == [1_002]
    assert len(found.diagnostics("profile", "f")) == 1


def test_no_output_contains_a_value() -> None:
    """No diagnostic and no ``repr`` contains text of a line, whether it is a value or malformed."""
    text = "\n".join(
        (
            f"{SECRET_KEY} = x",
            "[default]",
            f"aws_secret_access_key = {SECRET_KEY}",
            f" {SECRET_KEY} = 1",
            SECRET_KEY,
            f"{SECRET_KEY}=",
            f"={SECRET_KEY}",
            f"a {SECRET_KEY} = b",
            f"aws_session_token = {SECRET_KEY}\0",
            f"s3 =\n {SECRET_KEY}\n = {SECRET_KEY}",
            f"[profile x] {SECRET_KEY}",
        )
    )
    found = read(text, "config")
    output = [str(problem) for problem in found.all_diagnostics()]
    assert len(output) >= 9
    section = found.section("profile", "default")
    assert SECRET_KEY.lower() not in repr((output, found, section)).lower()


def test_displayed_name_is_short_and_on_one_line() -> None:
    """A name is displayed on one line and with a limited length."""
    assert display_name("dev") == "'dev'"
    assert display_name("\u00fc\n\0") == "'\u00fc\\n\\x00'"
    assert len(display_name("n" * 10_240)) < 80


@pytest.mark.goal("G11")
@pytest.mark.parametrize(
    "section", ["[profile p{n}]\nregion us\n", "[profile p{n}\nregion = us\n", "[profile p{n}]\nregion = \x07\n"]
)
def test_broken_profiles_are_read_in_short_steps(section: str, goal: RecordGoal) -> None:
    """A file of 10,000 broken profiles is read in steps of a few hundred lines, with the same result."""
    text = "".join(section.format(n=number) for number in range(10_000))
    *steps, found = read_in_steps(text, "config")
    goal("G11", "10,000 broken profiles are read in at least {steps} steps", "", steps=len(steps))
    assert steps == [None] * len(steps)
    assert len(steps) >= text.count("\n") // (LINES_OF_A_STEP + 3)
    assert found is not None
    assert found == read(text, "config")
    assert {one.line for one in found.all_diagnostics()} & {1, 2, 19999, 20000} in ({1, 19999}, {2, 20000})
