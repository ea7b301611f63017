"""Tests that the parser accepts only URLs that all clients read alike."""

from __future__ import annotations

import time

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anycreds._core.http import Url
from anycreds._core.validation import InvalidValueError
from anycreds._wire.urls import (
    MAX_URL_LENGTH,
    is_link_local_or_loopback,
    parse_endpoint,
    parse_relative_uri,
    parse_url,
)
from support.errors import outcome, rejected
from support.rows import each_row

READ = [
    ("http://169.254.170.2/v2/credentials/x", Url("http", "169.254.170.2", None, "/v2/credentials/x")),
    ("HTTP://LocalHost:8080", Url("http", "localhost", 8080, "/")),
    ("https://example.com/a?b=c&b=d", Url("https", "example.com", None, "/a?b=c&b=d")),
    ("https://example.com?b=c", Url("https", "example.com", None, "/?b=c")),
    ("https://example.com?b=/c", Url("https", "example.com", None, "/?b=/c")),
    ("http://127.0.0.1:1/", Url("http", "127.0.0.1", 1, "/")),
    ("http://127.0.0.1:65535/", Url("http", "127.0.0.1", 65535, "/")),
    ("http://[::1]/x", Url("http", "::1", None, "/x")),
    ("http://[FD00:EC2::23]:80/v1/credentials", Url("http", "fd00:ec2::23", 80, "/v1/credentials")),
    ("http://[::ffff:127.0.0.1]/", Url("http", "::ffff:127.0.0.1", None, "/")),
    ("https://a_b.example.com./x", Url("https", "a_b.example.com.", None, "/x")),
    ("https://1.2.3.4.example/x", Url("https", "1.2.3.4.example", None, "/x")),
    ("https://3com.com", Url("https", "3com.com", None, "/")),
    ("https://example.com//a//b", Url("https", "example.com", None, "//a//b")),
    ("https://example.com/a:b@c", Url("https", "example.com", None, "/a:b@c")),
    ("https://example.com/%41%e2%82%ac", Url("https", "example.com", None, "/%41%e2%82%ac")),
    ("https://example.com/x?y=..&z=%00", Url("https", "example.com", None, "/x?y=..&z=%00")),
    ("http://[FD00:0EC2:0:0:0:0:0:23]/", Url("http", "fd00:0ec2:0:0:0:0:0:23", None, "/")),
    ("http://[0:0:0:0:0:0:0:1]:8080/", Url("http", "0:0:0:0:0:0:0:1", 8080, "/")),
]

REFUSED = [
    "",
    " ",
    "http",
    "http:",
    "http:/",
    "http://",
    "https://",
    "http:///",
    "http:///path",
    "http:////evil/",
    "http:/127.0.0.1/",
    "http:127.0.0.1",
    "//127.0.0.1/",
    "127.0.0.1",
    "localhost:80",
    "169.254.169.254/latest",
    "ftp://127.0.0.1/",
    "ftp://localhost/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "javascript://127.0.0.1/",
    "httpx://127.0.0.1/",
    "hhttp://127.0.0.1/",
    "http+unix://%2Frun%2Fsock/x",
    " http://127.0.0.1/",
    "http://127.0.0.1/ ",
    "\thttp://127.0.0.1/",
    "http://127.0.0.1/\n",
    "http://127.0.0.1/\r\nX: y",
    "ht\ntp://127.0.0.1/",
    "http://127.0.\t0.1/",
    "http://127.0.0.1\x00.evil.com/",
    "http://127.0.0.1/\x7f",
    "http://127.0.0.1/\u00e9",
    "http://127\u30020\u30020\u30021/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://l\u03bfcalhost/",
    "http://\u2460.com/",
    "http://127.0.0.1\\@evil.com/",
    "http:\\\\127.0.0.1\\",
    "http://evil.com\\.127.0.0.1/",
    "http://user@127.0.0.1/",
    "http://user:pass@127.0.0.1/",
    "http://@127.0.0.1/",
    "http://127.0.0.1@evil.com/",
    "http://127.0.0.1:80@evil.com/",
    "http://127.0.0.1%40evil.com/",
    "http://127.0.0.1%2eevil.com/",
    "http://%6c%6f%63%61%6c%68%6f%73%74/",
    "http://127.0.0.1/#x",
    "http://127.0.0.1#@evil.com/",
    "http://evil.com#127.0.0.1/",
    "http://127.0.0.1/?a#b",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:65536/",
    "http://127.0.0.1:99999999999999999999/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:+80/",
    "http://127.0.0.1:8_0/",
    "http://127.0.0.1:080/",
    "http://127.0.0.1:/",
    "http://127.0.0.1:80:80/",
    "http://127.0.0.1:http/",
    "http://127.0.0.1:\u0661/",
    "http://:80/",
    "http://?x",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0x/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0127.0.0.1/",
    "http://127.0.0.01/",
    "http://127.1/",
    "http://127.0.1/",
    "http://1/",
    "http://127.0.0.1./",
    "http://127.0.0.1.1/",
    "http://127.0.0.256/",
    "http://127.0.0.1000/",
    "http://999.999.999.999/",
    "http://evil.127/",
    "http://evil.0x7f/",
    "http://127.0.0./",
    "http://.127.0.0.1/",
    "http://127..0.1/",
    "http://./",
    "http://../",
    "http://.evil.com/",
    "http://evil..com/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 127 + "com/",
    "http://a,b/",
    "http://a b/",
    "http://a<b/",
    "http://a;b/",
    "http://a*b/",
    "http://a+b/",
    "http://(a)/",
    "http://a=b/",
    "http://$HOME/",
    "http://{region}.example/",
    "http://[::1/",
    "http://::1/",
    "http://::1]/",
    "http://fd00:ec2::254/",
    "http://[]/",
    "http://[:]/",
    "http://[:::]/",
    "http://[::1]x/",
    "http://[::1]80/",
    "http://[::1]:/",
    "http://[::1]:0/",
    "http://[::1]]/",
    "http://[[::1]]/",
    "http://x[::1]/",
    "http://[::1%25eth0]/",
    "http://[::1%eth0]/",
    "http://[fe80::1%251]/",
    "http://[127.0.0.1]/",
    "http://[localhost]/",
    "http://[::g]/",
    "http://[1::2::3]/",
    "http://[12345::]/",
    "http://[::127.0.0.256]/",
    "http://[::127.1]/",
    "http://[v1.x]/",
    "http://[0:0:0:0:0:0:0:0:1]/",
    "http://127.0.0.1/%",
    "http://127.0.0.1/%4",
    "http://127.0.0.1/%zz",
    "http://127.0.0.1/?%",
    'http://127.0.0.1/"',
    "http://127.0.0.1/<x>",
    "http://127.0.0.1/{x}",
    "http://127.0.0.1/|",
    "http://127.0.0.1/^",
    "http://127.0.0.1/`",
    "http://127.0.0.1/[x]",
    "http://127.0.0.1/..",
    "http://127.0.0.1/../x",
    "http://127.0.0.1/a/../../x",
    "http://127.0.0.1/./x",
    "http://127.0.0.1/x/.",
    "http://127.0.0.1/" + "a" * MAX_URL_LENGTH,
    "\udcffhttp://127.0.0.1/",
]


def as_sent(url: Url) -> httpx.URL:
    """Return the URL as the HTTP client reads it."""
    return httpx.URL(str(url))


def assert_client_agrees(url: Url) -> None:
    """Compare every part of the parsed URL with the client's."""
    theirs = as_sent(url)
    default = {"http": 80, "https": 443}[url.scheme]
    assert theirs.scheme == url.scheme
    assert theirs.raw_host.decode() == url.host
    assert (theirs.port or default) == (url.port or default)
    assert theirs.raw_path.decode() == url.target
    assert (theirs.userinfo, theirs.fragment) == (b"", "")


@pytest.mark.fault("S03")
@each_row("text, url", READ)
def test_valid_urls(text: str, url: Url) -> None:
    """A valid URL is parsed into its parts, and the HTTP client parses it into the same parts."""
    assert parse_url(text) == url
    assert_client_agrees(url)


@pytest.mark.fault("S03")
@each_row("text", REFUSED)
def test_urls_that_parsers_read_differently(text: str) -> None:
    """A URL outside of the strict grammar is rejected, and the reason does not repeat it."""
    problem = str(rejected(parse_url, text))
    assert problem.isascii()
    assert "evil" not in problem


@each_row(
    "text, reason",
    [
        ("http://127.0.0.1\\x/", "U+005C"),
        ("http://127.0.0.1/ ", "U+0020"),
        ("http://user@127.0.0.1/", "user name"),
        ("http://fd00:ec2::254/", "write an IPv6 address in [brackets]"),
        ("169.254.169.254", "http:// or https://"),
        ("http://127.1/", "four decimal numbers"),
        ("http:///x", "no host"),
        ("http://x:0/", "from 1 to 65535"),
    ],
)
def test_error_says_what_is_wrong(text: str, reason: str) -> None:
    """The problem names the very part that is wrong."""
    assert reason in str(rejected(parse_url, text))


@each_row("text", [None, b"http://127.0.0.1/", 80, ["http://127.0.0.1/"]])
def test_values_that_are_not_text(text: object) -> None:
    """A value that is not text is rejected with ``InvalidValueError``."""
    for parser in (parse_url, parse_relative_uri, parse_endpoint):
        assert str(rejected(parser, text)) == f"is not text but {type(text).__name__}"


@pytest.mark.fault("S02", "S07")
@each_row(
    "text, direct",
    [
        ("http://localhost/", True),
        ("https://localhost/", True),
        ("http://127.0.0.2/", True),
        ("http://169.254.169.254/", True),
        ("http://169.254.170.23/", True),
        ("http://[::1]/", True),
        ("http://[fe80::1]/", True),
        ("http://[febf::1]/", True),
        ("http://[fec0::1]/", False),
        ("http://[fd00:ec2::254]/", True),
        ("http://[fd00:ec2::23]/", True),
        ("http://[fd00:ec3::23]/", False),
        ("http://169.253.0.1/", False),
        ("http://10.0.0.1/", False),
        ("https://example.com/", False),
        ("https://localhost.example.com/", False),
    ],
)
def test_link_local_and_loopback_hosts(text: str, direct: bool) -> None:
    """Only hosts on this machine and on its link are called without a proxy."""
    assert is_link_local_or_loopback(parse_url(text)) is direct


@pytest.mark.fault("S04")
@each_row(
    "text",
    [
        "",
        "v2/x",
        "x",
        "//evil/",
        "///evil",
        "@evil/",
        ".evil/",
        ":80@evil/",
        ":8080/x",
        "\\@evil",
        "/\\evil",
        "http://evil/",
        "?x",
        "#x",
        " /x",
        "/x ",
        "/x\r\nHost: evil",
        "/x\n",
        "/x#y",
        "/../x",
        "/%",
        "/\u00e9",
        "/" + "a" * MAX_URL_LENGTH,
    ],
)
def test_relative_uri_cannot_leave_its_host(text: str) -> None:
    """A relative URI that is not a plain path is rejected."""
    rejected(parse_relative_uri, text)


@pytest.mark.fault("S04")
@each_row("text", ["/", "/v2/credentials/1-2-3", "/x?id=1&id=2", "/?x", "/a//b", "/@evil", "/:80"])
def test_plain_path_is_called_at_the_container_agent(text: str) -> None:
    """A plain path is called unchanged at the container agent's address."""
    url = parse_relative_uri(text)
    assert url == Url("http", "169.254.170.2", None, text)
    assert_client_agrees(url)


@each_row(
    "text, base",
    [
        ("http://169.254.169.254", "http://169.254.169.254"),
        ("http://169.254.169.254/", "http://169.254.169.254"),
        ("http://[fd00:ec2::254]", "http://[fd00:ec2::254]"),
        ("https://imds.example:8443/prefix/", "https://imds.example:8443/prefix"),
        ("http://localhost:1338/a/b//", "http://localhost:1338/a/b"),
    ],
)
def test_endpoint_keeps_its_prefix(text: str, base: str) -> None:
    """The path of an endpoint is a prefix of other paths, without a slash at its end."""
    assert str(parse_endpoint(text)) == base


@each_row("text", ["169.254.169.254", "http://x/?y", "http://x?y", "http://x/#y", "http://fd00:ec2::254"])
def test_invalid_endpoints(text: str) -> None:
    """An endpoint without a scheme, or with a query, a fragment or a bare IPv6 address, is rejected."""
    rejected(parse_endpoint, text)


def test_origin_has_neither_path_nor_query() -> None:
    """Only scheme, host and port of a URL are displayed."""
    assert Url("http", "::1", 80, "/secret?secret").origin == "http://[::1]:80"


PIECES = st.sampled_from(
    [
        *[
            "http://",
            "https://",
            "HTTP://",
            "//",
            "/",
            "\\",
            "@",
            ":",
            ":80",
            ":0",
            "[",
            "]",
            "[::1]",
            "[fd00:ec2::23]",
        ],
        *[
            "127.0.0.1",
            "169.254.170.2",
            "localhost",
            "evil.com",
            ".",
            "..",
            "%",
            "%41",
            "%00",
            "?",
            "#",
            "&",
            "=",
            "0x7f",
        ],
        *[
            "2130706433",
            "017",
            "1",
            "a",
            "_",
            "-",
            "xn--a",
            "\u3002",
            "\uff0e",
            "\u200b",
            "\x00",
            "\t",
            "\n",
            "\r",
            " ",
        ],
    ]
)
TEXTS = st.one_of(
    st.text(),
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=8).map(lambda pieces: "http://" + "".join(pieces)),
    st.tuples(st.sampled_from(["http://", "https://"]), st.text(st.characters(codec="ascii"))).map("".join),
    st.ip_addresses(v=6).map(lambda address: f"http://[{address}]/"),
    st.from_regex(r"http://\[[0-9a-f:.]{2,20}\]/", fullmatch=True),
)


@pytest.mark.fault("S03")
@given(TEXTS)
@example("http://[::ffff:1.2.3.04]/")
@example("http://" + "9" * 8000)
@example("http://127.0.0.1/" + "%" * 8000)
def test_any_text_is_read_as_the_client_reads_it_or_rejected(text: str) -> None:
    """Any text is parsed as the HTTP client parses it, or rejected with ``InvalidValueError``, both quickly."""
    start = time.thread_time()
    url = outcome(parse_url, text)
    assert time.thread_time() - start < 0.05
    if isinstance(url, Url):
        assert_client_agrees(url)
        assert parse_url(str(url)) == url
        is_link_local_or_loopback(url)
    else:
        assert isinstance(url, InvalidValueError)
